"""Amorphous starting cells: molecules thrown into a wide box, then pressed and relaxed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase import units as ase_units
from ase.calculators.calculator import Calculator
from ase.data import covalent_radii
from ase.filters import FrechetCellFilter
from ase.md.nptberendsen import NPTBerendsen
from ase.optimize import FIRE
from numpy.typing import ArrayLike

from aiida_mliptransport.science import units

from .components import Components, resolve_components, state_of_mixture
from .packing import PackingError, box_edges

__all__ = ["DEFAULT_PATH", "densify", "random_amorphous", "relax"]

#: Temperature (K), pressure (bar) and duration (ps): a cold press at 50 kbar.
DEFAULT_PATH = ((10.0, 50_000.0, 5.0),)

#: Compressibility that the barostat assumes, 1/bar: water at 300 K. Only its ratio to the damping
#: acts; at 50 kbar and 1 ps a gas halves its volume every 0.3 ps.
_COMPRESSIBILITY = 4.5e-5


def random_amorphous(
    components: Components,
    *,
    density: float | None = None,
    edges: ArrayLike | None = None,
    contact_scale: float = 0.8,
    max_tries: int = 100_000,
    seed: int,
) -> Atoms:
    """Throw rigid molecules at random into a periodic box, none nearer than a minimal distance.

    Molecules are added one by one and those that come too near are thrown again, so this serves
    dilute starts, to be pressed by :func:`densify`; :func:`~.packing.pack` fills dense boxes.

    Parameters
    ----------
    components
        As for :func:`~.packing.pack`, such as ``{"Li+": 16, "EDC(2-)": 8}``.
    density, edges
        g/cm³ of a cubic box, or Å ``(3,)`` of an orthorhombic one.
    contact_scale
        Shortest distance between atoms of different molecules, over the sum of their covalent
        radii.
    max_tries
        Throws of a molecule, all together, before giving up.
    seed
        Start of the random numbers.

    Returns
    -------
    ase.Atoms
        As from :func:`~.packing.pack`.

    Raises
    ------
    PackingError
        If the molecules do not find room.
    ValueError
        If an input is out of range.
    ModuleNotFoundError
        If ase-ga is not installed.

    Notes
    -----
    The start generator of ase-ga: Vilhelmsen, Hammer, J. Chem. Phys. 141, 044711 (2014).
    """
    try:
        from ase_ga.startgenerator import StartGenerator
    except ImportError as error:
        raise ModuleNotFoundError(
            "random_amorphous needs ase-ga, which is not installed: "
            "pip install 'aiida-mliptransport[structures]'"
        ) from error
    resolved = resolve_components(components)
    box = box_edges(resolved, density=density, edges=edges)
    if not 0 < contact_scale < np.inf:
        raise ValueError(f"contact_scale={contact_scale!r}: expected a positive number, like 0.8")
    if max_tries < 1:
        raise ValueError(f"max_tries={max_tries}: expected at least 1")
    numbers = sorted({int(number) for atoms, _ in resolved for number in atoms.numbers})
    contacts = {
        (a, b): contact_scale * float(covalent_radii[a] + covalent_radii[b])
        for a, b in itertools.product(numbers, repeat=2)
    }
    _require_room(resolved, contacts, float(box.min()))
    generator = StartGenerator(
        slab=Atoms(cell=box, pbc=True),
        blocks=[(Atoms(atoms.symbols, atoms.positions), count) for atoms, count in resolved],
        blmin=contacts,
        # Molecules of a dilute start have no neighbours yet.
        test_too_far=False,
        rng=np.random.default_rng(seed),
    )
    candidate: Atoms | None = generator.get_new_candidate(maxiter=max_tries)
    if candidate is None:
        raise PackingError(
            f"{sum(count for _, count in resolved)} molecules did not fit into the box of "
            f"{np.round(box, 2).tolist()} Å in max_tries={max_tries}: give a lower density, a "
            "smaller contact_scale, or use pack"
        )
    candidate.info = state_of_mixture(resolved)
    return candidate


def densify(
    atoms: Atoms,
    calculator: Calculator,
    *,
    path: Sequence[tuple[float, float, float]] = DEFAULT_PATH,
    timestep_fs: float = 1.0,
    damping_fs: float = 100.0,
    pressure_damping_fs: float = 1000.0,
    seed: int,
) -> Atoms:
    """Press a dilute cell by molecular dynamics along a path of temperature and pressure.

    Thermostat and barostat are Berendsen's: they go to the target without overshooting, where the
    barostats that sample an ensemble let a gas implode. The ensemble does not matter for a
    starting cell; nothing should be measured in this run. The cell keeps its shape.

    Bare ions can react while counter-ions are still far, whatever the pressure: start as densely as
    :func:`random_amorphous` or :func:`~.packing.pack` can, and compare the bonds afterwards.

    Parameters
    ----------
    atoms
        Periodic; it is not changed.
    calculator
        Any ASE calculator with forces and stress, such as a foundation potential.
    path
        Temperature (K), pressure (bar) and duration (ps) of each stretch, one after the other.
    timestep_fs, damping_fs, pressure_damping_fs
        Time step, and coupling times of thermostat and barostat, fs.
    seed
        Start of the random numbers of the velocities.

    Returns
    -------
    ase.Atoms
        The last cell, with the ``info`` and tags of ``atoms``, without velocities and calculator.

    Raises
    ------
    ValueError
        If the cell is not periodic in three directions, or a number is out of range.
    RuntimeError
        If the run blows up.

    Notes
    -----
    Berendsen et al., J. Chem. Phys. 81, 3684 (1984).
    """
    _require_periodic(atoms)
    if not path:
        raise ValueError("path is empty: expected [(temperature K, pressure bar, time ps), …]")
    for stretch in path:
        if len(stretch) != 3 or not (stretch[0] > 0 and stretch[2] > 0):
            raise ValueError(
                f"path holds {stretch}: expected temperature (K, above 0), pressure (bar) and "
                "duration (ps, above 0)"
            )
    for name, value in (
        ("timestep_fs", timestep_fs),
        ("damping_fs", damping_fs),
        ("pressure_damping_fs", pressure_damping_fs),
    ):
        if not 0 < value < np.inf:
            raise ValueError(f"{name}={value!r}: expected a positive number in fs")
    pressed = atoms.copy()
    pressed.calc = calculator
    _draw_momenta(pressed, path[0][0], seed)
    for temperature, pressure, duration in path:
        dynamics = NPTBerendsen(
            pressed,
            timestep_fs * ase_units.fs,
            temperature_K=temperature,
            pressure_au=pressure / units.EV_ANGSTROM3_TO_BAR,
            taut=damping_fs * ase_units.fs,
            taup=pressure_damping_fs * ase_units.fs,
            compressibility_au=_COMPRESSIBILITY * units.EV_ANGSTROM3_TO_BAR,
        )
        steps = max(1, round(duration / (timestep_fs * units.FS_TO_PS)))
        for _ in dynamics.irun(steps):
            if not (np.isfinite(pressed.positions).all() and pressed.cell.volume > 0):
                raise RuntimeError(
                    f"the run blew up at {temperature} K and {pressure} bar after "
                    f"{dynamics.nsteps} of {steps} steps: give a timestep_fs below {timestep_fs}, "
                    f"a pressure_damping_fs above {pressure_damping_fs}, or relax the start first"
                )
    return _without_motion(pressed)


def relax(
    atoms: Atoms,
    calculator: Calculator,
    *,
    fmax: float = 0.05,
    cell: bool = False,
    max_steps: int = 1000,
) -> Atoms:
    """Relax the atoms, and the cell where asked, to the nearest minimum (FIRE).

    Parameters
    ----------
    atoms
        It is not changed.
    calculator
        Any ASE calculator with forces, and stress where the cell relaxes.
    fmax
        eV/Å; largest force at the end, for the cell too in the measure of ASE's
        ``FrechetCellFilter``.
    cell
        Whether shape and volume of the cell relax to zero pressure.
    max_steps
        Steps before giving up.

    Returns
    -------
    ase.Atoms
        With the ``info`` and tags of ``atoms``, without velocities and calculator.

    Raises
    ------
    ValueError
        If a number is out of range, or the cell is to relax and is not periodic.
    RuntimeError
        If the forces are still larger after ``max_steps``.

    Notes
    -----
    Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006).
    """
    if not 0 < fmax < np.inf:
        raise ValueError(f"fmax={fmax!r}: expected a positive number in eV/Å, like 0.05")
    if max_steps < 1:
        raise ValueError(f"max_steps={max_steps}: expected at least 1")
    if cell:
        _require_periodic(atoms)
    relaxed = atoms.copy()
    relaxed.calc = calculator
    target = FrechetCellFilter(relaxed) if cell else relaxed
    if not FIRE(target, logfile=None).run(fmax=fmax, steps=max_steps):
        largest = float(np.linalg.norm(target.get_forces(), axis=1).max())
        raise RuntimeError(
            f"the largest force is {largest:.3g} eV/Å after max_steps={max_steps}, expected "
            f"fmax={fmax} or less: give more steps or a larger fmax"
        )
    return _without_motion(relaxed)


def _require_room(
    components: list[tuple[Atoms, int]], contacts: dict[tuple[int, int], float], edge: float
) -> None:
    """Refuse a box in which a molecule could touch its own image, whatever its orientation."""
    for atoms, _ in components:
        reach = atoms.get_all_distances() + np.array(
            [[contacts[(int(a), int(b))] for b in atoms.numbers] for a in atoms.numbers]
        )
        if reach.max() > edge:
            raise ValueError(
                f"the shortest edge of the box is {edge:.2f} Å, expected {reach.max():.2f} Å or "
                f"more so that {atoms.get_chemical_formula()} never touches its own image: take "
                "more molecules or a lower density"
            )


def _require_periodic(atoms: Atoms) -> None:
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise ValueError(
            f"pbc is {atoms.pbc.tolist()} and the cell {atoms.cell.array.tolist()}: expected three "
            "periodic cell vectors"
        )


def _draw_momenta(atoms: Atoms, temperature: float, seed: int) -> None:
    """Set Maxwell–Boltzmann momenta with the centre of mass at rest."""
    masses = atoms.get_masses()[:, None]
    draws = np.random.default_rng(seed).standard_normal((len(atoms), 3))
    momenta = draws * np.sqrt(masses * units.BOLTZMANN_EV_K * temperature)
    atoms.set_momenta(momenta - masses * momenta.sum(axis=0) / masses.sum())


def _without_motion(atoms: Atoms) -> Atoms:
    copy = atoms.copy()
    copy.arrays.pop("momenta", None)
    return copy
