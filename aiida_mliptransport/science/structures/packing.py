"""Liquids and disordered mixtures: molecules packed at random into a periodic box by packmol."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science import units
from aiida_mliptransport.science.selection.neighbours import neighbour_pairs

from .components import Components, resolve_components, state_of_mixture

__all__ = [
    "PackingError",
    "box_edge",
    "box_edges",
    "density_g_cm3",
    "pack",
    "shortest_contact",
]

#: packmol accepts distances whose square is too small by this, Å² (its keyword ``precision``).
_PACKMOL_PRECISION = 0.01
#: Loops of packmol, for each kind of molecule and for all. Liquids half as dense again as in
#: experiment took 21; packmol's own limit of hundreds lets an impossible box run for minutes.
_PACKMOL_LOOPS = 100
#: Exit code of packmol that found no packing in that many loops.
_PACKMOL_NOT_CONVERGED = 173


class PackingError(ValueError):
    """The molecules do not fit the box as asked."""


def pack(
    components: Components,
    *,
    density: float | None = None,
    edges: ArrayLike | None = None,
    tolerance: float = 2.0,
    seed: int,
) -> Atoms:
    """Pack rigid molecules at random places and orientations into a periodic box.

    Parameters
    ----------
    components
        Such as ``{"EMIm+": 17, "AlCl4-": 17}`` or ``[(atoms, 64), ("EC", 8)]``.
    density
        g/cm³ of a cubic box; instead of ``edges``.
    edges
        Å, ``(3,)`` of an orthorhombic box.
    tolerance
        Å; atoms of different molecules, and of a molecule and its own images, are at least this
        far apart.
    seed
        Start of packmol's random numbers, 0 or more. One seed gives one structure for one build
        of packmol.

    Returns
    -------
    ase.Atoms
        Molecule by molecule in the order of the components, periodic, Å. Molecules are whole, so
        atoms may lie outside the cell; the tag of an atom is the number of its molecule.
        ``info`` holds the total ``charge`` (e) and the ``multiplicity``.

    Raises
    ------
    PackingError
        If packmol finds no packing, or two atoms of the one it found are too close.
    ValueError
        If an input is out of range.
    FileNotFoundError
        If packmol is not installed, or too old for periodic boxes.

    Notes
    -----
    Martínez, Andrade, Birgin, Martínez, J. Comput. Chem. 30, 2157 (2009).
    """
    resolved = resolve_components(components)
    box = box_edges(resolved, density=density, edges=edges)
    if not 0.5 <= tolerance < np.inf:
        raise ValueError(f"tolerance={tolerance!r} Å: expected 0.5 or more, like 2.0")
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed={seed}: expected an integer from 0 to {2**31 - 1}")
    sizes = [len(atoms) for atoms, count in resolved for _ in range(count)]
    numbers = np.concatenate([np.tile(atoms.numbers, count) for atoms, count in resolved])
    packed = Atoms(
        numbers=numbers,
        positions=_run_packmol(resolved, box, tolerance, seed, numbers),
        tags=np.repeat(np.arange(len(sizes)), sizes),
        cell=box,
        pbc=True,
        info=state_of_mixture(resolved),
    )
    shortest = shortest_contact(packed, tolerance)
    if shortest < tolerance:
        raise PackingError(
            f"packmol left two molecules {shortest:.3f} Å apart, expected tolerance={tolerance} Å: "
            f"the box of {_edges_text(box)} Å may be too narrow for a molecule and its own images; "
            "widen the box or take more molecules"
        )
    return packed


def box_edge(components: Components, density: float) -> float:
    """Return the edge in Å of the cube that gives the components a density.

    Parameters
    ----------
    components, density
        As for :func:`pack`; g/cm³.

    Raises
    ------
    ValueError
        If the density is not positive, or for components that :func:`pack` would refuse.
    """
    mass = sum(count * atoms.get_masses().sum() for atoms, count in resolve_components(components))
    return float(np.cbrt(units.volume_for_density(mass, density)))


def box_edges(
    components: Components, *, density: float | None, edges: ArrayLike | None
) -> NDArray[np.float64]:
    """Return the three edges in Å of the box that is given by a density or by its edges.

    Raises
    ------
    ValueError
        If both or none are given, or a number is not positive.
    """
    if (density is None) == (edges is None):
        raise ValueError(
            f"density={density!r} and edges={edges!r}: expected one of them; leave the other out"
        )
    if density is not None:
        return np.full(3, box_edge(components, density))
    box = np.asarray(edges, dtype=np.float64)
    if box.shape != (3,) or not np.all((box > 0) & np.isfinite(box)):
        raise ValueError(f"edges={edges!r}: expected three positive lengths in Å")
    return box


def density_g_cm3(atoms: Atoms) -> float:
    """Return the mass density of a cell in g/cm³.

    Raises
    ------
    ValueError
        If the cell has no volume.
    """
    return units.density_g_cm3(float(atoms.get_masses().sum()), float(atoms.cell.volume))


def shortest_contact(atoms: Atoms, cutoff: float) -> float:
    """Return the shortest distance in Å between atoms of different molecules, images included.

    Parameters
    ----------
    atoms
        With whole molecules, told apart by their tags. A molecule and its image are two molecules.
    cutoff
        Å; infinity comes back where nothing is within it.
    """
    pairs = neighbour_pairs(atoms.positions, atoms.cell.array, atoms.pbc, cutoff)
    tags, first, second = atoms.get_tags(), pairs.first, pairs.second
    direct = np.linalg.norm(atoms.positions[first] - atoms.positions[second], axis=1)
    inside = (tags[first] == tags[second]) & (np.abs(pairs.distance - direct) < 1e-6)
    return float(pairs.distance[~inside].min(initial=np.inf))


def _run_packmol(
    components: list[tuple[Atoms, int]],
    box: NDArray[np.float64],
    tolerance: float,
    seed: int,
    numbers: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the packed positions ``(N, 3)`` Å."""
    # packmol compares squares: a little more than its precision keeps the tolerance asked for.
    asked = np.sqrt(tolerance**2 + 1.01 * _PACKMOL_PRECISION)
    lines = [
        f"tolerance {asked:.6f}",
        f"precision {_PACKMOL_PRECISION}",
        f"nloop {_PACKMOL_LOOPS}",
        f"nloop0 {_PACKMOL_LOOPS}",
        f"seed {seed}",
        "filetype xyz",
        "output packed.xyz",
        "pbc " + " ".join(f"{edge:.8f}" for edge in box),
    ]
    program = _find_packmol()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (atoms, count) in enumerate(components):
            file = f"{number}.xyz"
            write(folder / file, Atoms(atoms.symbols, atoms.positions), format="xyz")
            lines += [f"structure {file}", f"  number {count}", "end structure"]
        (folder / "packmol.inp").write_text("\n".join([*lines, ""]), encoding="utf-8")
        # packmol reads its input twice, so a file and not a pipe.
        with open(folder / "packmol.inp", encoding="utf-8") as script:
            run = subprocess.run(
                [program], stdin=script, cwd=folder, capture_output=True, text=True, check=False
            )
        output = folder / "packed.xyz"
        if run.returncode != 0 or "Success!" not in run.stdout or not output.is_file():
            raise _failure(program, run, box, tolerance)
        packed = read(output, format="xyz")
    if not np.array_equal(packed.numbers, numbers):
        raise PackingError(f"{program} wrote other atoms than asked for; install packmol anew")
    return np.asarray(packed.positions, dtype=np.float64)


def _find_packmol() -> str:
    beside = shutil.which("packmol", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("packmol")
    if found is None:
        raise FileNotFoundError(
            f"there is no program packmol beside {sys.executable} or on PATH: "
            "pip install 'aiida-mliptransport[structures]'"
        )
    return found


def _failure(
    program: str,
    run: subprocess.CompletedProcess[str],
    box: NDArray[np.float64],
    tolerance: float,
) -> PackingError | FileNotFoundError:
    if "Keyword not recognized: pbc" in run.stdout:
        return FileNotFoundError(
            f"{program} is too old to know periodic boxes, expected packmol 20.15 or newer: "
            "pip install 'aiida-mliptransport[structures]'"
        )
    if run.returncode != _PACKMOL_NOT_CONVERGED:
        told = [line.strip() for line in run.stdout.splitlines() if "ERROR" in line]
        return PackingError(
            f"{program} ended with exit code {run.returncode}, expected 0: "
            f"{'; '.join(told) or run.stderr[-500:] or 'it told no reason'}"
        )
    return PackingError(
        f"packmol found no packing in a box of {_edges_text(box)} Å with tolerance={tolerance} Å: "
        "give a lower density, a wider box, a smaller tolerance or another seed"
    )


def _edges_text(box: NDArray[np.float64]) -> str:
    return " × ".join(f"{edge:.2f}" for edge in box)
