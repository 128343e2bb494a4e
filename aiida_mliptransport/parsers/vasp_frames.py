"""Labels from the arrays that aiida-vasp reads of a run: units, signs, and which steps are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..science.frames import FloatArray, IntArray
from ..science.units import EV_ANGSTROM3_TO_GPA

#: 1 kB in eV/Å³; VASP prints the negative of ASE's stress.
KILOBAR_EV_ANGSTROM3 = 0.1 / EV_ANGSTROM3_TO_GPA

#: VASP prints eight decimals of direct coordinates.
POSITION_TOLERANCE_A = 1e-5


@dataclass(frozen=True, eq=False)
class VaspSteps:
    """Ionic steps of one run, in the order of the atoms that were given to VASP.

    Attributes
    ----------
    positions : (n, N, 3) float
        Direct coordinates, wrapped.
    cells : (n, 3, 3) float
        Å.
    energies : (n,) float
        Free energy, eV: what the forces belong to.
    forces : (n, N, 3) float
        eV/Å.
    stresses : (n, 3, 3) float
        eV/Å³, ASE's sign, without the kinetic part.
    electronic_steps : (n,) int
        SCF iterations of each step.
    """

    positions: FloatArray
    cells: FloatArray
    energies: FloatArray
    forces: FloatArray
    stresses: FloatArray
    electronic_steps: IntArray

    @property
    def n_steps(self) -> int:
        return len(self.energies)

    def problem(self, step: int, max_scf: int) -> tuple[str, str] | None:
        """Return class and message of why a step gives no label, or None."""
        if self.electronic_steps[step] >= max_scf:
            return (
                "scf_unconverged",
                f"the SCF took all {max_scf} iterations; raise scf.max_scf or change scf.algorithm",
            )
        values = np.concatenate(
            [[self.energies[step]], self.forces[step].ravel(), self.stresses[step].ravel()]
        )
        if not np.isfinite(values).all():
            return "not_finite", f"energy, forces or stress of step {step} are not finite"
        return None


def read_steps(arrays: Mapping[str, Any], order: IntArray) -> VaspSteps:
    """Return the ionic steps of a run whose files agree on their number.

    A run that was cut off has its last step in some arrays only; that step is left out.

    Parameters
    ----------
    arrays : mapping
        Of aiida-vasp's trajectory: ``positions`` (direct), ``cells``, ``forces``, ``stress`` (kB),
        ``energy_free``, ``electronic_steps``.
    order : (N,) int
        Number of each given atom among those that VASP was given.

    Raises
    ------
    ValueError
        If an array is missing.
    """
    names = ("positions", "cells", "forces", "stress", "energy_free", "electronic_steps")
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ValueError(
            f"the trajectory of VASP lacks {missing}, expected all of {list(names)}; include "
            "the node 'trajectory' and the energy type 'energy_free' in parser_settings"
        )
    n_steps = min(len(arrays[name]) for name in names)
    inverse = np.argsort(order)
    return VaspSteps(
        positions=np.asarray(arrays["positions"], dtype=np.float64)[:n_steps, inverse],
        cells=np.asarray(arrays["cells"], dtype=np.float64)[:n_steps],
        energies=np.asarray(arrays["energy_free"], dtype=np.float64)[:n_steps],
        forces=np.asarray(arrays["forces"], dtype=np.float64)[:n_steps, inverse],
        stresses=-KILOBAR_EV_ANGSTROM3 * np.asarray(arrays["stress"], dtype=np.float64)[:n_steps],
        electronic_steps=np.asarray(arrays["electronic_steps"], dtype=np.int64)[:n_steps],
    )


def vasp_order(numbers: IntArray) -> IntArray:
    """Return the atoms by element, as VASP wants them: one block and one POTCAR an element."""
    order: IntArray = np.argsort(numbers, kind="stable")
    return order


def distance_from(steps: VaspSteps, step: int, positions: FloatArray, cell: FloatArray) -> float:
    """Return how far (Å, largest component) a step's atoms and cell are from the given ones."""
    inverse = np.linalg.inv(cell)
    shift = steps.positions[step] - positions @ inverse
    shift -= np.round(shift)
    return float(max(np.abs(shift @ cell).max(), np.abs(steps.cells[step] - cell).max()))


def unwrapped(steps: VaspSteps) -> FloatArray:
    """Return the unwrapped positions (n, N, 3) of a run, Å: steps are summed in their own cell."""
    direct = steps.positions
    moves = np.diff(direct, axis=0)
    moves -= np.round(moves)
    result = np.empty_like(direct)
    result[0] = direct[0] @ steps.cells[0]
    cartesian = np.einsum("nai,nij->naj", moves, steps.cells[1:])
    result[1:] = result[0] + np.cumsum(cartesian, axis=0)
    return result


def nearest_images(positions: FloatArray, near: FloatArray, cell: FloatArray) -> FloatArray:
    """Return the lattice vectors (N, 3), Å, that bring positions nearest to those in ``near``."""
    shift = np.round((near - positions) @ np.linalg.inv(cell))
    result: FloatArray = shift @ cell
    return result


def continues(contcar: str, steps: VaspSteps, order: IntArray, kick: FloatArray) -> bool:
    """Whether a CONTCAR is whole, has velocities, and is that of the step after the last one.

    A run that was killed may have left one that is empty, cut off, or of another step: VASP writes
    its files one after the other. The next positions follow from the last two and the forces
    (Verlet), but for a thermostat.

    Parameters
    ----------
    contcar : str
        Content of the file.
    steps : VaspSteps
        Of the run.
    order : (N,) int
        Number of each given atom among those that VASP was given.
    kick : (N, 3) float
        Acceleration at the last step times the square of the time step, Å.
    """
    following, velocities = _contcar_blocks(contcar, len(order))
    if steps.n_steps < 2 or following is None or velocities is None or not velocities.any():
        return False
    following = following[np.argsort(order)]
    path = np.stack([*steps.positions[-2:], following])
    moves = np.diff(path, axis=0)
    moves = (moves - np.round(moves)) @ steps.cells[-1]
    error = np.abs(moves[1] - moves[0] - kick).max()
    return bool(error < 0.3 * np.abs(moves[0]).max())


def _contcar_blocks(contcar: str, n_atoms: int) -> tuple[FloatArray | None, FloatArray | None]:
    """Return direct positions and velocities of a CONTCAR, None for a block that is not whole.

    Eight lines of a head, a line an atom, a line between them, a line an atom.
    """
    lines = contcar.splitlines(keepends=True)
    blocks: list[FloatArray | None] = []
    for first in (8, 9 + n_atoms):
        rows = [line for line in lines[first : first + n_atoms] if line.endswith("\n")]
        try:
            block = np.array([[float(word) for word in row.split()] for row in rows])
        except ValueError:
            block = np.empty(0)
        blocks.append(block if block.shape == (n_atoms, 3) else None)
    return blocks[0], blocks[1]
