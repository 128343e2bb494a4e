"""Checks of labels that come from elsewhere: what must be dropped, and whether the units fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.neighborlist import neighbor_list

from .frames import FloatArray, Frames, System
from .units import BOHR_ANGSTROM, HARTREE_EV, RYDBERG_EV

#: Atoms that are nearer to each other are no physics (H2 has 0.74 Å).
SHORTEST_DISTANCE_A = 0.4

#: Consecutive frames whose atoms moved further do not follow the trapezoidal rule.
LARGEST_MOVE_A = 0.25

#: Fewer pairs of consecutive frames carry no verdict.
LEAST_PAIRS = 5

#: Relative standard error of the slope above which there is no verdict.
LARGEST_SLOPE_ERROR = 0.2

#: Tolerance of the slope beside twice its error: the trapezoidal rule is not exact.
SLOPE_TOLERANCE = 0.1

#: Slope of wrong units, energy in the first and forces in the second, to what they are.
_WRONG_UNITS = {
    "energies are in hartree": 1.0 / HARTREE_EV,
    "energies are in rydberg": 1.0 / RYDBERG_EV,
    "energies are in kcal/mol": 23.0605,
    "energies are in kJ/mol": 96.4853,
    "forces are in hartree/bohr": HARTREE_EV / BOHR_ANGSTROM,
    "forces are in rydberg/bohr": RYDBERG_EV / BOHR_ANGSTROM,
    "energies are in hartree and forces in hartree/bohr": 1.0 / BOHR_ANGSTROM,
    "energies are per atom": 0.0,
    "forces have the wrong sign": -1.0,
}


@dataclass(frozen=True)
class Dropped:
    """A frame that is not kept: its number in the file and why."""

    index: int
    reason: str


@dataclass(frozen=True)
class UnitCheck:
    """Whether energies and forces belong together.

    Attributes
    ----------
    n_pairs
        Pairs of consecutive frames that were used.
    slope, slope_error
        Of ΔE on −∫F·dr: 1 where energies and forces have the same units; None without a verdict.
    consistent
        None where the data carry no verdict.
    message
        One sentence.
    """

    n_pairs: int
    slope: float | None
    slope_error: float | None
    consistent: bool | None
    message: str


def screen_labels(frames: Frames) -> tuple[Frames, list[Dropped]]:
    """Return the frames that can be trained on, and why the others cannot.

    Dropped are frames whose atoms are nearer than 0.4 Å, that have a cell without volume, and
    repetitions of an earlier frame. (A `System` cannot hold values that are not finite; readers
    drop those.)
    """
    kept: list[int] = []
    dropped: list[Dropped] = []
    seen: set[str] = set()
    index = 0
    for system in frames.systems:
        identities = system.identities()
        for row in range(system.n_frames):
            reason = _problem(system, row)
            if reason is None and identities[row] in seen:
                reason = "the same frame came before"
            if reason is None:
                seen.add(identities[row])
                kept.append(index)
            else:
                dropped.append(Dropped(index, reason))
            index += 1
    return frames.take(kept), dropped


def _problem(system: System, row: int) -> str | None:
    if system.pbc.any() and abs(np.linalg.det(system.cells[row])) < 1e-6:
        return "the cell has no volume"
    distance = _shortest_distance(system.positions[row], system.cells[row], system.pbc)
    if distance < SHORTEST_DISTANCE_A:
        return f"two atoms are {distance:.3f} Å apart"
    return None


def _shortest_distance(
    positions: FloatArray, cell: FloatArray, pbc: npt.NDArray[np.bool_]
) -> float:
    atoms = Atoms(numbers=np.ones(len(positions)), positions=positions, cell=cell, pbc=pbc)
    distances = neighbor_list("d", atoms, 2.0 * SHORTEST_DISTANCE_A)
    return float(distances.min()) if len(distances) else np.inf


def check_units(frames: Frames) -> UnitCheck:
    """Compare energy differences of consecutive frames with the work of their forces.

    Between neighbouring frames of an MD or a relaxation ΔE = −½ (F₁ + F₂)·Δr to third order in Δr.
    The slope of ΔE on the right side is 1 if both have the units that they claim. Pairs in which an
    atom moved by more than 0.25 Å, or the cell changed, are left out.

    Parameters
    ----------
    frames
        Labelled frames in the order in which they were computed.
    """
    works, differences = [], []
    for system in frames.systems:
        if system.energies is None or system.forces is None:
            continue
        for row in range(system.n_frames - 1):
            work = _work(system, row)
            if work is not None:
                works.append(work)
                differences.append(float(system.energies[row + 1] - system.energies[row]))
    x, y = np.array(works), np.array(differences)
    if len(x) < LEAST_PAIRS or not x.any():
        return UnitCheck(
            len(x), None, None, None,
            f"units could not be checked: {len(x)} pairs of neighbouring frames, expected "
            f"{LEAST_PAIRS} or more whose atoms move by less than {LARGEST_MOVE_A:g} Å",
        )  # fmt: skip
    slope = float(x @ y / (x @ x))
    error = float(np.sqrt(np.mean((y - slope * x) ** 2) * len(x) / ((len(x) - 1) * (x @ x))))
    scale = max(abs(slope), 1e-12)
    if abs(slope - 1.0) <= SLOPE_TOLERANCE + 2.0 * error and error <= LARGEST_SLOPE_ERROR:
        return UnitCheck(
            len(x), slope, error, True,
            f"energies and forces belong together: slope {slope:.3f} ± {error:.3f} from {len(x)} "
            "pairs of frames",
        )  # fmt: skip
    if error > LARGEST_SLOPE_ERROR * scale and abs(slope) > 2.0 * error:
        return UnitCheck(
            len(x), slope, error, None,
            f"units could not be checked: slope {slope:.3f} ± {error:.3f} from {len(x)} pairs of "
            "frames that lie too far apart",
        )  # fmt: skip
    return UnitCheck(
        len(x), slope, error, False,
        f"energies and forces do not belong together: slope {slope:.4g} ± {error:.2g} from "
        f"{len(x)} pairs of frames, expected 1{_guess(slope, error, frames)}",
    )  # fmt: skip


def _work(system: System, row: int) -> float | None:
    """Return −½ (F₁ + F₂)·Δr in eV, or None where the two frames are no neighbours."""
    assert system.forces is not None
    if not np.allclose(system.cells[row], system.cells[row + 1], atol=1e-6):
        return None
    move = system.positions[row + 1] - system.positions[row]
    if system.pbc.all():
        direct = move @ np.linalg.inv(system.cells[row])
        move = (direct - np.round(direct)) @ system.cells[row]
    if np.linalg.norm(move, axis=1).max() > LARGEST_MOVE_A:
        return None
    return float(-0.5 * np.sum((system.forces[row] + system.forces[row + 1]) * move))


def _guess(slope: float, error: float, frames: Frames) -> str:
    """Return what would explain the slope, where one thing does."""
    sizes = {system.n_atoms for system in frames.systems}
    for what, expected in _WRONG_UNITS.items():
        if what == "energies are per atom":
            expected = 1.0 / max(sizes)
        if abs(slope - expected) <= max(0.1 * abs(expected), 2.0 * error):
            return f"; that is so where {what}"
    return ""
