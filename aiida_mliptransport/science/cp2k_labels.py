"""Match the files of one CP2K run by step: labels of converged frames, and why others have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .cp2k_output import ENERGY_TOLERANCE, Evaluation, MainOutput, XyzFrames
from .frames import FloatArray
from .units import HARTREE_BOHR_EV_ANGSTROM, HARTREE_EV


@dataclass
class LabelTable:
    """Labels by step: energies eV, forces eV/Å, stresses eV/Å³ (ASE's sign, no kinetic part)."""

    steps: list[int] = field(default_factory=list)
    energies: list[float] = field(default_factory=list)
    forces: list[FloatArray] = field(default_factory=list)
    stresses: list[FloatArray | None] = field(default_factory=list)
    positions: list[FloatArray] = field(default_factory=list)
    cells: list[FloatArray] = field(default_factory=list)
    #: Integral of the absolute spin density, and S² of the determinant; None without spin.
    spins: list[tuple[float | None, float | None]] = field(default_factory=list)
    #: Step to class and message.
    failures: dict[int, tuple[str, str]] = field(default_factory=dict)

    def without(self, steps: Mapping[int, tuple[str, str]]) -> LabelTable:
        """Return the table with ``steps`` (to class and message) moved to its failures."""
        rows = [row for row, step in enumerate(self.steps) if step not in steps]
        lists = ("steps", "energies", "forces", "stresses", "positions", "cells", "spins")
        return LabelTable(
            **{name: [getattr(self, name)[row] for row in rows] for name in lists},
            failures={**self.failures, **steps},
        )


def evaluations_by_step(output: MainOutput, first_step: int) -> dict[int, Evaluation]:
    """Return step to evaluation; the first evaluation, which is named nowhere, is ``first_step``.

    An evaluation after the last named step is the next one, if it is the only one: the run was cut
    off before its name.
    """
    known: dict[int, Evaluation] = {}
    for number, evaluation in enumerate(output.evaluations):
        step = evaluation.step
        if step is None and number == 0:
            step = first_step
        elif step is None and number == len(output.evaluations) - 1:
            step = max(known, default=first_step - 1) + 1
        if step is not None:
            known[step] = evaluation
    return known


def label_table(
    steps: Sequence[int],
    output: MainOutput,
    positions: XyzFrames,
    forces: XyzFrames,
    cells: dict[int, list[float]],
    first_step: int,
    stress: bool = True,
) -> LabelTable:
    """Return the labels of ``steps`` (MD steps or numbers of given frames).

    A step is a label only if its wave function converged and all files have it whole and agree on
    its energy. Without ``stress`` it needs none, and one that is printed is left out.
    """
    table = LabelTable()
    evaluations = evaluations_by_step(output, first_step)
    where = {name: {s: i for i, s in enumerate(part.steps)} for name, part in
             (("positions", positions), ("forces", forces))}  # fmt: skip
    for step in steps:
        evaluation = evaluations.get(step)
        problem = _evaluation_problem(evaluation, output, stress)
        if problem is None:
            missing = [name for name, known in where.items() if step not in known]
            missing += ["cell"] if step not in cells else []
            if missing:
                problem = "missing_output", f"no whole {' and '.join(missing)} for step {step}"
        if problem is not None or evaluation is None or evaluation.energy is None:
            table.failures[step] = problem or ("missing_output", "no energy")
            continue
        position = where["positions"][step]
        force = forces.values[where["forces"][step]] * HARTREE_BOHR_EV_ANGSTROM
        other = positions.energies[position]
        if other is not None and abs(other - evaluation.energy / HARTREE_EV) > ENERGY_TOLERANCE:
            table.failures[step] = (
                "missing_output",
                f"step {step} has energy {evaluation.energy / HARTREE_EV:.10f} hartree in the "
                f"output and {other:.10f} in the trajectory: the files are of different runs",
            )
            continue
        tensor = evaluation.stress if stress else None
        values = [np.array(evaluation.energy), force, *([] if tensor is None else [tensor])]
        if not all(np.isfinite(value).all() for value in values):
            table.failures[step] = "not_finite", f"a label of step {step} is not finite"
            continue
        table.steps.append(step)
        table.energies.append(evaluation.energy)
        table.forces.append(force)
        table.stresses.append(tensor)
        table.positions.append(positions.values[position])
        table.cells.append(np.array(cells[step][1:10]).reshape(3, 3))
        table.spins.append((evaluation.spin_density, evaluation.spin_squared))
    return table


def _evaluation_problem(
    evaluation: Evaluation | None, output: MainOutput, stress: bool
) -> tuple[str, str] | None:
    """Return class and message of why an evaluation gives no label."""
    if evaluation is None:
        return _ending(output)
    if evaluation.converged is False:
        return "scf_unconverged", "the SCF did not converge; raise scf.max_scf or outer_max_scf"
    parts: dict[str, object] = {
        "verdict on the SCF": evaluation.converged,
        "energy": evaluation.energy,
    }
    if stress:
        parts["stress"] = evaluation.stress
    missing = [name for name, value in parts.items() if value is None]
    if not missing:
        return None
    kind, message = _ending(output)
    return kind, f"no {' and no '.join(missing)} in the output: {message}"


def _ending(output: MainOutput) -> tuple[str, str]:
    """Return class and message of why the output ends before a frame."""
    if output.out_of_time:
        return "walltime", "the run came to its limit of wall clock time at or before this frame"
    if output.abort_message:
        return "crashed", f"CP2K aborted at or before this frame: {output.abort_message}"
    return "missing_output", "the output ends at or before this frame"
