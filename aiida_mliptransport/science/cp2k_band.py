"""Read what a band of CP2K writes: the images of each step, with energies, forces and verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cp2k_output import ENERGY_TOLERANCE, read_main_output, read_xyz
from .frames import FloatArray
from .units import HARTREE_BOHR_EV_ANGSTROM, HARTREE_EV

_NUMBER = r"(-?\d+\.\d+)"
_REPLICA = re.compile(r"^ NEB\| REPLICA Nr\.\s*(\d+)\s*- Energy and Forces\s*$")
_ENERGY = re.compile(rf"^ NEB\|\s+Total energy:\s+{_NUMBER}\s*$")
_FORCE = re.compile(rf"^ NEB\|\s+[A-Za-z]\w*\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*$")


@dataclass(frozen=True)
class BandStep:
    """A band of M images of N atoms as it was after one step.

    Attributes
    ----------
    positions, energies, forces
        ``(M, N, 3)`` Å, ``(M,)`` eV, ``(M, N, 3)`` eV/Å: of the atoms, without springs.
    unconverged
        Images whose SCF did not converge, or of which nothing says that it did.
    """

    step: int
    positions: FloatArray
    energies: FloatArray
    forces: FloatArray
    unconverged: tuple[int, ...]


def read_band(positions: Sequence[str], outputs: Sequence[str], images: str) -> list[BandStep]:
    """Return the steps of a band that all files have whole, in order.

    CP2K names no step where it prints the forces on the atoms or the verdict on an SCF: what
    belongs together has the same energy.

    Parameters
    ----------
    positions, outputs
        Texts by image: ``pos-Replica_nr_<n>`` and ``BAND<n>.out``.
    images
        What BAND/REPLICA_INFO prints.
    """
    places = [read_xyz(text) for text in positions]
    verdicts = [_verdicts(text) for text in outputs]
    forces = read_replica_info(images)
    steps = []
    for step in places[0].steps:
        rows = [part.steps.index(step) for part in places if step in part.steps]
        if len(rows) < len(places):
            continue
        at = [part.values[row] for part, row in zip(places, rows, strict=True)]
        energies = [part.energies[row] for part, row in zip(places, rows, strict=True)]
        known = [_last_of(forces.get(number, []), energy) for number, energy in enumerate(energies)]
        if any(part is None or part.shape != at[0].shape for part in known):
            continue
        found = np.array(energies, dtype=np.float64)
        steps.append(
            BandStep(
                step=step,
                positions=np.array(at),
                energies=found * HARTREE_EV,
                forces=np.array(known) * HARTREE_BOHR_EV_ANGSTROM,
                unconverged=tuple(
                    number
                    for number, energy in enumerate(energies)
                    if _last_of(verdicts[number], energy) is not True
                ),
            )
        )
    return steps


def read_replica_info(text: str) -> dict[int, list[tuple[float, FloatArray]]]:
    """Return energy (hartree) and forces (N, 3) (hartree/bohr) of each evaluation, by image.

    Images are counted from 0, evaluations are in their order.
    """
    found: dict[int, list[tuple[float, FloatArray]]] = {}
    number, energy = -1, 0.0
    rows: list[list[float]] = []
    for line in [*text.splitlines(keepends=True), ""]:
        if rows and not _FORCE.match(line):
            found.setdefault(number, []).append((energy, np.array(rows)))
            rows = []
        # A last line without its end may lack digits.
        if not line.endswith("\n"):
            continue
        if match := _REPLICA.match(line):
            number = int(match.group(1)) - 1
        elif match := _ENERGY.match(line):
            energy = float(match.group(1))
        elif match := _FORCE.match(line):
            rows.append([float(value) for value in match.groups()])
    return found


def _verdicts(text: str) -> list[tuple[float, bool | None]]:
    return [
        (evaluation.energy / HARTREE_EV, evaluation.converged)
        for evaluation in read_main_output(text).evaluations
        if evaluation.energy is not None
    ]


def _last_of(evaluations: Sequence[tuple[float, Any]], energy: float | None) -> Any:
    """Return what belongs to the last evaluation with that energy (hartree), None without one."""
    for known, value in reversed(evaluations):
        if energy is not None and abs(known - energy) <= ENERGY_TOLERANCE:
            return value
    return None
