"""Read labelled frames, trajectory and failures from a CP2K run, also one that was cut off."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from ..calculations.cp2k import Cp2kLabelCalculation, job_level_of_theory, job_system
from ..calculations.cp2k_settings import Cp2kMDParameters, Cp2kSettings
from ..calculations.walltime import WALLTIME_FILE
from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..data.trajectory import MDTrajectoryData
from ..science.frames import Frames, System
from ..science.units import FS_TO_PS, HARTREE_BOHR_EV_ANGSTROM, HARTREE_EV
from .cp2k_frames import LabelTable, label_table
from .cp2k_output import (
    MainOutput,
    XyzFrames,
    read_main_output,
    read_table,
    read_xyz,
    restart_step,
)
from .disk import disk_full_is_declared

#: A given position comes back with ten decimals.
POSITION_TOLERANCE = 1e-6


class Cp2kLabelParser(Parser):
    """Parser of :class:`Cp2kLabelCalculation`; an unconverged frame is a failure, never a label."""

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read all whole frames, then say how the run ended."""
        self._folder = Path(kwargs["retrieved_temporary_folder"])
        name = self.node.get_option("output_filename") or "aiida.out"
        names = self.retrieved.base.repository.list_object_names()
        if name not in names:
            return self.exit_codes.ERROR_OUTPUT_MISSING
        output = read_main_output(self.retrieved.base.repository.get_object_content(name))
        calculation = Cp2kLabelCalculation
        positions = read_xyz(self._text(calculation._DEFAULT_TRAJECT_XYZ_FILE_NAME))
        forces = read_xyz(self._text(calculation._DEFAULT_TRAJECT_FORCES_FILE_NAME))
        cells = read_table(self._text(calculation._DEFAULT_TRAJECT_CELL_FILE_NAME), 11)
        thermo = read_table(self._text(f"{calculation._DEFAULT_PROJECT_NAME}-1.ener"), 7)
        inputs = self._inputs()
        settings = Cp2kSettings.model_validate(inputs["parameters"].get_dict())
        system = job_system(inputs, settings)
        walltime = output.out_of_time or WALLTIME_FILE in names
        if walltime:
            output = replace(output, out_of_time=True)
        last_step = None
        if "md" in inputs:
            md = Cp2kMDParameters.model_validate(inputs["md"].get_dict())
            table, failures = self._parse_md(
                md, system, output, positions, forces, cells, thermo, inputs
            )
            last_step = self._put_restart()
        else:
            table, failures = self._parse_labels(system, output, positions, forces, cells, inputs)
        self.out("failures", orm.Dict({"failures": failures}))
        times = [row[5] for row in thermo.values()]
        self.out(
            "results",
            orm.Dict(
                {
                    "cp2k_version": output.version,
                    "completed": output.finished and not walltime,
                    "n_frames": len(table.steps),
                    "n_failed": len(failures),
                    "last_step": last_step,
                    "seconds_per_step": float(np.mean(times)) if times else None,
                }
            ),
        )
        return self._exit_code(table, output, walltime)

    def _inputs(self) -> dict[str, Any]:
        """Return the inputs as nested as the ports are."""
        flat: dict[str, Any] = {}
        files: dict[str, Any] = {}
        for link in self.node.base.links.get_incoming().all():
            if link.link_label.startswith("files__"):
                files[link.link_label.removeprefix("files__")] = link.node
            else:
                flat[link.link_label] = link.node
        return {**flat, "files": files}

    def _text(self, name: str) -> str:
        path = self._folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def _exit_code(self, table: LabelTable, output: MainOutput, walltime: bool) -> ExitCode | None:
        count = len(table.steps)
        if walltime:
            return self.exit_codes.ERROR_OUT_OF_WALLTIME.format(n_frames=count)
        classes = {kind for kind, _ in table.failures.values()}
        if count == 0 and "scf_unconverged" in classes:
            return self.exit_codes.ERROR_SCF_NOT_CONVERGED
        if output.abort_message and "SCF run NOT converged" not in output.abort_message:
            return self.exit_codes.ERROR_ABORTED.format(n_frames=count, reason=output.abort_message)
        if not output.finished and not output.abort_message:
            return self.exit_codes.ERROR_INTERRUPTED.format(n_frames=count)
        if count == 0:
            reasons = [message for _, message in table.failures.values()]
            return self.exit_codes.ERROR_NO_FRAMES.format(reason=(reasons or ["no frame"])[0])
        return None

    def _parse_labels(
        self,
        given: System,
        output: MainOutput,
        positions: XyzFrames,
        forces: XyzFrames,
        cells: dict[int, list[float]],
        inputs: dict[str, Any],
    ) -> tuple[LabelTable, list[dict[str, Any]]]:
        """Put out the given frames with their labels; CP2K counts them from 1."""
        steps = range(1, given.n_frames + 1)
        table = label_table(steps, output, positions, forces, cells, first_step=1)
        wrong = {}
        for row, step in enumerate(table.steps):
            shift = max(
                np.abs(table.positions[row] - given.positions[step - 1]).max(),
                np.abs(table.cells[row] - given.cells[step - 1]).max(),
            )
            if shift > POSITION_TOLERANCE:
                wrong[step] = (
                    "missing_output",
                    f"CP2K evaluated a frame that is {shift:.2g} Å away from the given one",
                )
        good = [row for row, step in enumerate(table.steps) if step not in wrong]
        if good:
            chosen = [table.steps[row] - 1 for row in good]
            self._put_frames(given.take(chosen), table, good, output, inputs)
        identities = given.identities()
        failures = [
            _failure(step - 1, identities[step - 1], *problem)
            for step, problem in sorted({**table.failures, **wrong}.items())
        ]
        return _without(table, wrong), failures

    def _parse_md(
        self,
        md: Cp2kMDParameters,
        start: System,
        output: MainOutput,
        positions: XyzFrames,
        forces: XyzFrames,
        cells: dict[int, list[float]],
        thermo: dict[int, list[float]],
        inputs: dict[str, Any],
    ) -> tuple[LabelTable, list[dict[str, Any]]]:
        """Put out labelled frames and the trajectory of an MD run.

        Its first step is 0, or that of the state it went on from, which is not written again.
        """
        # Frames that the run did not come to are no failures: nobody asked for those positions.
        table = label_table(
            positions.steps, output, positions, forces, cells, first_step=_first_step(inputs)
        )
        origin = start.identities()[0]
        if table.steps:
            system = System(
                numbers=start.numbers,
                positions=np.array(table.positions),
                cells=np.array(table.cells),
                pbc=start.pbc,
                charge=start.charge,
                multiplicity=start.multiplicity,
                origins=np.array([origin] * len(table.steps)),
                steps=np.array(table.steps),
            )
            self._put_frames(system, table, list(range(len(table.steps))), output, inputs)
        self._put_trajectory(
            md, _first_step(inputs) + md.steps, start, output, positions, forces, cells, thermo
        )
        return table, [
            _failure(step // md.trajectory_stride, None, *problem)
            for step, problem in sorted(table.failures.items())
        ]

    def _put_frames(
        self,
        system: System,
        table: LabelTable,
        rows: list[int],
        output: MainOutput,
        inputs: dict[str, Any],
    ) -> None:
        labelled = Frames(
            (
                replace(
                    system,
                    energies=np.array([table.energies[row] for row in rows]),
                    forces=np.array([table.forces[row] for row in rows]),
                    stresses=np.array([table.stresses[row] for row in rows]),
                ),
            )
        )
        level = complete_level_of_theory(job_level_of_theory(inputs), labelled)
        self.out(
            "frames",
            FrameSetData(labelled, level_of_theory=level, engine_version=output.version),
        )

    def _put_restart(self) -> int | None:
        """Put out the state at the end, and return its step.

        The lines that say when and where it was made are left out.
        """
        text = self._text(f"{Cp2kLabelCalculation._DEFAULT_PROJECT_NAME}-1.restart")
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        state = "\n".join(lines) + "\n"
        step = restart_step(state)
        if step is not None:
            self.out("restart", orm.SinglefileData(BytesIO(state.encode()), filename="restart"))
        return step

    def _put_trajectory(
        self,
        md: Cp2kMDParameters,
        last_step: int,
        start: System,
        output: MainOutput,
        positions: XyzFrames,
        forces: XyzFrames,
        cells: dict[int, list[float]],
        thermo: dict[int, list[float]],
    ) -> None:
        steps = [s for s in positions.steps if s in cells and s in set(forces.steps)]
        steps = [s for s in steps if np.isfinite(positions.values[positions.steps.index(s)]).all()]
        if not steps:
            return
        rows = [positions.steps.index(step) for step in steps]
        force_rows = [forces.steps.index(step) for step in steps]
        known = sorted(thermo)
        columns = np.array([thermo[step] for step in known]).reshape(len(known), -1)
        info = md.model_dump()
        self.out(
            "trajectory",
            MDTrajectoryData(
                numbers=start.numbers,
                pbc=start.pbc,
                steps=steps,
                times_ps=np.array(steps) * md.timestep_fs * FS_TO_PS,
                positions=positions.values[rows],
                cells=np.array([cells[step][1:10] for step in steps]).reshape(-1, 3, 3),
                forces=forces.values[force_rows] * HARTREE_BOHR_EV_ANGSTROM,
                thermo={
                    "step": known,
                    "kinetic_energy_eV": columns[:, 1] * HARTREE_EV,
                    "temperature_K": columns[:, 2],
                    "potential_energy_eV": columns[:, 3] * HARTREE_EV,
                    "conserved_eV": columns[:, 4] * HARTREE_EV,
                }
                if known
                else None,
                info={**info, "completed": output.finished and steps[-1] + md.trajectory_stride
                      > last_step},
            ),
        )  # fmt: skip


def _first_step(inputs: dict[str, Any]) -> int:
    """Return the step from which an MD run goes on; 0 for one that begins."""
    if "restart" not in inputs:
        return 0
    found = restart_step(inputs["restart"].get_content())
    return 0 if found is None else found


def _failure(index: int, identity: str | None, kind: str, message: str) -> dict[str, Any]:
    return {"index": index, "identity": identity, "class": kind, "message": message}


def _without(table: LabelTable, steps: dict[int, tuple[str, str]]) -> LabelTable:
    """Return the table with ``steps`` moved to its failures."""
    rows = [row for row, step in enumerate(table.steps) if step not in steps]
    lists = ("steps", "energies", "forces", "stresses", "positions", "cells")
    return LabelTable(
        **{name: [getattr(table, name)[row] for row in rows] for name in lists},
        failures={**table.failures, **steps},
    )
