"""Calcfunctions between our frames and aiida-vasp: what goes in, and what its runs mean."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from ase import units
from ase.data import atomic_masses

from ...data.frames import FrameSetData
from ...data.level_of_theory import complete_level_of_theory
from ...data.trajectory import MDTrajectoryData
from ...parsers.vasp_frames import (
    POSITION_TOLERANCE_A,
    VaspSteps,
    continues,
    distance_from,
    nearest_images,
    read_steps,
    unwrapped,
    vasp_order,
)
from ...science.frames import Frames, System
from ...science.units import FS_TO_PS
from ..vasp_settings import VaspMDParameters


@calcfunction
def frame_structure(frames: FrameSetData, index: orm.Int) -> orm.StructureData:
    """Return one frame as a structure for VASP, its atoms sorted by element."""
    number, row = frames.frames.locate(index.value)
    system = frames.frames.systems[number]
    return sorted_atoms(system, row)


@calcfunction
def sort_structure(structure: orm.StructureData) -> orm.StructureData:
    """Return a structure for VASP, its atoms sorted by element."""
    return sorted_atoms(Frames.from_atoms([structure.get_ase()]).systems[0], 0)


def sorted_atoms(system: System, row: int) -> orm.StructureData:
    atoms = system.take([row]).without_labels().to_atoms()[0]
    return orm.StructureData(ase=atoms[vasp_order(system.numbers)])


@calcfunction
def read_vasp_label(
    frames: FrameSetData,
    index: orm.Int,
    trajectory: orm.TrajectoryData,
    version: orm.Str,
    level_of_theory: orm.Dict,
    max_scf: orm.Int,
) -> dict[str, orm.Data]:
    """Return the label of one frame, or why there is none.

    Parameters
    ----------
    frames, index
        The frame that was given to VASP.
    trajectory
        aiida-vasp's, of the single point.
    level_of_theory, version
        Physics of the settings; version of VASP.
    max_scf
        NELM of the run: a step that took as many iterations is not converged.

    Returns
    -------
    dict
        ``frames`` (left out without a label) and ``failures``.
    """
    number, row = frames.frames.locate(index.value)
    given = frames.frames.systems[number].take([row]).without_labels()
    steps = read_steps(arrays_of(trajectory), vasp_order(given.numbers))
    problem: tuple[str, str] | None
    if steps.n_steps == 0:
        problem = "missing_output", "the output of VASP holds no whole ionic step"
    else:
        problem = steps.problem(0, max_scf.value)
        shift = distance_from(steps, 0, given.positions[0], given.cells[0])
        if problem is None and shift > POSITION_TOLERANCE_A:
            problem = (
                "missing_output",
                f"VASP evaluated a frame that is {shift:.2g} Å away from the given one",
            )
    if problem is not None:
        failure = {
            "index": 0, "identity": given.identities()[0],
            "class": problem[0], "message": problem[1],
        }  # fmt: skip
        return {"failures": orm.Dict({"failures": [failure]})}
    return {
        "frames": labelled_frames(given, steps, [0], level_of_theory, version),
        "failures": orm.Dict({"failures": []}),
    }


@calcfunction
def read_vasp_md(
    structure: orm.StructureData,
    md: orm.Dict,
    trajectory: orm.TrajectoryData,
    retrieved: orm.FolderData,
    version: orm.Str,
    level_of_theory: orm.Dict,
    max_scf: orm.Int,
    first_step: orm.Int,
    before: orm.ArrayData | None = None,
) -> dict[str, orm.Data]:
    """Return labelled frames, trajectory and failures of an MD run, whole or cut short.

    VASP's ionic steps count from 1; ours from 0, the given positions, through all segments.

    Parameters
    ----------
    structure
        Start of the run, also of a segment.
    md
        Parameters of this segment: ``steps`` are those that were left.
    trajectory, retrieved
        aiida-vasp's, of this segment.
    first_step
        Number of the first step here.
    before
        ``state`` of the segment before.

    Returns
    -------
    dict
        ``frames`` (converged ones, every ``trajectory_stride`` steps), ``trajectory`` (the same
        steps with those that are not converged) and ``failures``; of a run that is not whole and
        can go on, ``restart`` (its CONTCAR) and ``state`` (``positions`` of its last step, Å, and
        the attribute ``next_step``).
    """
    parameters = VaspMDParameters.model_validate(md.get_dict())
    atoms = structure.get_ase()
    atoms.info = {
        "charge": level_of_theory["charge"],
        "multiplicity": level_of_theory["multiplicity"],
    }
    start = Frames.from_atoms([atoms]).systems[0]
    steps = read_steps(arrays_of(trajectory), vasp_order(start.numbers))
    outputs: dict[str, orm.Data] = {"failures": orm.Dict({"failures": []})}
    if steps.n_steps == 0:
        return outputs
    first = first_step.value
    kept = [
        row for row in range(steps.n_steps) if (first + row) % parameters.trajectory_stride == 0
    ]
    positions = unwrapped(steps)
    # VASP wraps what it was given; frames begin where the structure is, and go on from there.
    if before is None:
        positions += start.positions[0] - positions[0]
    else:
        positions += nearest_images(positions[0], before.get_array("positions"), steps.cells[0])
    failures, good = [], []
    for number, row in enumerate(kept):
        problem = steps.problem(row, max_scf.value)
        if problem is None:
            good.append(row)
            continue
        kind, message = problem
        failures.append({"index": number, "identity": None, "class": kind, "message": message})
    outputs["failures"] = orm.Dict({"failures": failures})
    finite = [row for row in kept if np.isfinite(steps.forces[row]).all()]
    if finite:
        numbers = np.array(finite) + first
        outputs["trajectory"] = MDTrajectoryData(
            numbers=start.numbers,
            pbc=start.pbc,
            steps=numbers,
            times_ps=numbers * parameters.timestep_fs * FS_TO_PS,
            positions=positions[finite],
            cells=steps.cells[finite],
            forces=steps.forces[finite],
            thermo={"step": numbers, "potential_energy_eV": steps.energies[finite]},
            info={**parameters.model_dump(), "completed": steps.n_steps >= parameters.steps},
        )
    if good:
        moved = System(
            numbers=start.numbers,
            positions=positions[good],
            cells=steps.cells[good],
            pbc=start.pbc,
            charge=start.charge,
            multiplicity=start.multiplicity,
            origins=np.array([start.identities()[0]] * len(good)),
            steps=np.array(good) + first,
        )
        outputs["frames"] = labelled_frames(moved, steps, good, level_of_theory, version)
    if steps.n_steps < parameters.steps:
        restart = _continuation(retrieved, steps, start, parameters.timestep_fs)
        if restart is not None:
            state = orm.ArrayData()
            state.set_array("positions", positions[-1])
            state.base.attributes.set("next_step", first + steps.n_steps)
            outputs.update(restart=restart, state=state)
    return outputs


def _continuation(
    retrieved: orm.FolderData, steps: VaspSteps, start: System, timestep_fs: float
) -> orm.SinglefileData | None:
    """Return the CONTCAR of a run, None where it is not that of the next step."""
    try:
        text = retrieved.base.repository.get_object_content("CONTCAR")
    except FileNotFoundError:
        return None
    masses = atomic_masses[start.numbers][:, None]
    kick = steps.forces[-1] / masses * (timestep_fs * units.fs) ** 2
    if not continues(text, steps, vasp_order(start.numbers), kick):
        return None
    return orm.SinglefileData(io.BytesIO(text.encode()), "CONTCAR")


def labelled_frames(
    system: System,
    steps: VaspSteps,
    rows: list[int],
    level_of_theory: orm.Dict,
    version: orm.Str,
) -> FrameSetData:
    frames = Frames(
        (
            replace(
                system,
                energies=steps.energies[rows],
                forces=steps.forces[rows],
                stresses=steps.stresses[rows],
            ),
        )
    )
    level = complete_level_of_theory(level_of_theory.get_dict(), frames)
    return FrameSetData(frames, level_of_theory=level, engine_version=version.value)


def arrays_of(trajectory: orm.TrajectoryData) -> dict[str, Any]:
    return {name: trajectory.get_array(name) for name in trajectory.get_arraynames()}
