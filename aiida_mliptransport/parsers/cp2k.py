"""Read labelled frames, trajectory and failures from a CP2K run, also one that was cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

from ..calculations.cp2k import Cp2kLabelCalculation
from ..calculations.cp2k_job import job_level_of_theory, job_system
from ..calculations.cp2k_settings import (
    Cp2kMDParameters,
    Cp2kRelaxParameters,
    Cp2kSettings,
    stress_is_analytic,
)
from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..science.cp2k_labels import LabelTable, label_table
from ..science.cp2k_output import (
    MainOutput,
    XyzFrames,
    read_table,
    read_xyz,
    restart_step,
)
from ..science.frames import Frames, System
from .cp2k_base import BaseCp2kParser, frame_failure
from .cp2k_trajectory import md_trajectory

#: A given position comes back with ten decimals.
POSITION_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Run:
    """What a run was given and what its files hold."""

    inputs: dict[str, Any]
    system: System
    stress: bool
    output: MainOutput
    positions: XyzFrames
    forces: XyzFrames
    cells: dict[int, list[float]]
    thermo: dict[int, list[float]]

    def first_step(self) -> int:
        """Return the step from which MD or a relaxation goes on; 0 for one that begins."""
        if "restart" not in self.inputs:
            return 0
        found = restart_step(self.inputs["restart"].get_content())
        return 0 if found is None else found

    def labels(self, steps: Any, first_step: int) -> LabelTable:
        return label_table(
            steps, self.output, self.positions, self.forces, self.cells, first_step, self.stress
        )


class Cp2kLabelParser(BaseCp2kParser):
    """Parser of :class:`Cp2kLabelCalculation`; an unconverged frame is a failure, never a label."""

    def parse_run(self, output: MainOutput) -> ExitCode | None:
        """Read all whole frames, then say how the run ended."""
        run = self._read(output)
        last_step, relaxed = None, None
        if "md" in run.inputs:
            table, failures = self._parse_md(run)
            last_step = self._put_restart()
        elif "relax" in run.inputs:
            # At its end CP2K evaluates the last frame once more and writes it as another step.
            steps = [step for step in run.positions.steps if step <= output.last_step]
            table, failures = self._parse_path(run, steps, stride=1)
            relaxed = self._put_relaxed(run, table)
            last_step = self._put_restart()
        else:
            table, failures = self._parse_labels(run)
        self.out("failures", orm.Dict({"failures": failures}))
        times = [row[5] for row in run.thermo.values()]
        results = {
            "cp2k_version": output.version,
            "completed": output.finished and not output.out_of_time,
            "n_frames": len(table.steps),
            "n_failed": len(failures),
            "last_step": last_step,
            "seconds_per_step": float(np.mean(times)) if times else None,
            **_spins(table),
            **(relaxed or {}),
        }
        self.out("results", orm.Dict(results))
        return self._exit_code(table, output, relaxed)

    def _read(self, output: MainOutput) -> _Run:
        calculation = Cp2kLabelCalculation
        inputs = self.job_inputs()
        settings = Cp2kSettings.model_validate(inputs["parameters"].get_dict())
        system = job_system(inputs, settings)
        return _Run(
            inputs=inputs,
            system=system,
            stress=stress_is_analytic(settings, system.cells),
            output=output,
            positions=read_xyz(self.text(calculation._DEFAULT_TRAJECT_XYZ_FILE_NAME)),
            forces=read_xyz(self.text(calculation._DEFAULT_TRAJECT_FORCES_FILE_NAME)),
            cells=read_table(self.text(calculation._DEFAULT_TRAJECT_CELL_FILE_NAME), 11),
            thermo=read_table(self.text(f"{calculation._DEFAULT_PROJECT_NAME}-1.ener"), 7),
        )

    def _exit_code(
        self, table: LabelTable, output: MainOutput, relaxed: dict[str, Any] | None
    ) -> ExitCode | None:
        count = len(table.steps)
        if output.out_of_time:
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
        if relaxed is not None and not relaxed["relaxed"]:
            return self.exit_codes.ERROR_NOT_RELAXED.format(
                n_steps=relaxed["n_steps"],
                force=f"{relaxed['max_force_eV_A']:.3g}",
                n_frames=count,
            )
        return None

    def _parse_labels(self, run: _Run) -> tuple[LabelTable, list[dict[str, Any]]]:
        """Put out the given frames with their labels; CP2K counts them from 1."""
        given = run.system
        table = run.labels(range(1, given.n_frames + 1), first_step=1)
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
        table = table.without(wrong)
        if table.steps:
            self._put_frames(given.take([step - 1 for step in table.steps]), table, run)
        identities = given.identities()
        return table, [
            frame_failure(step - 1, identities[step - 1], *problem)
            for step, problem in sorted(table.failures.items())
        ]

    def _parse_md(self, run: _Run) -> tuple[LabelTable, list[dict[str, Any]]]:
        """Put out labelled frames and the trajectory of an MD run."""
        md = Cp2kMDParameters.model_validate(run.inputs["md"].get_dict())
        trajectory = md_trajectory(
            md,
            run.first_step() + md.steps,
            run.system,
            run.output,
            run.positions,
            run.forces,
            run.cells,
            run.thermo,
        )
        if trajectory is not None:
            self.out("trajectory", trajectory)
        return self._parse_path(run, run.positions.steps, stride=md.trajectory_stride)

    def _parse_path(
        self, run: _Run, steps: list[int], stride: int
    ) -> tuple[LabelTable, list[dict[str, Any]]]:
        """Put out the labelled frames of MD or of a relaxation.

        The first step is 0, or that of the state it went on from, which is not written again.
        """
        # Frames that the run did not come to are no failures: nobody asked for those positions.
        table = run.labels(steps, first_step=run.first_step())
        start = run.system
        if table.steps:
            system = System(
                numbers=start.numbers,
                positions=np.array(table.positions),
                cells=np.array(table.cells),
                pbc=start.pbc,
                charge=start.charge,
                multiplicity=start.multiplicity,
                origins=np.array(start.identities() * len(table.steps)),
                steps=np.array(table.steps),
            )
            self._put_frames(system, table, run)
        return table, [
            frame_failure(step // stride, None, *problem)
            for step, problem in sorted(table.failures.items())
        ]

    def _put_relaxed(self, run: _Run, table: LabelTable) -> dict[str, Any] | None:
        """Put out the last labelled structure of a relaxation, and return what it came to."""
        if not table.steps:
            return None
        relaxed = run.inputs["structure"].clone()
        relaxed.reset_cell(table.cells[-1].tolist())
        relaxed.reset_sites_positions(table.positions[-1].tolist())
        self.out("structure", relaxed)
        relax = Cp2kRelaxParameters.model_validate(run.inputs["relax"].get_dict())
        force = float(np.linalg.norm(table.forces[-1], axis=1).max())
        return {
            # A path whose last SCF did not converge ends at a structure that nobody asked for.
            "relaxed": run.output.relaxed
            and table.steps[-1] == run.output.last_step
            and force <= relax.force_tolerance_eV_A,
            "n_steps": table.steps[-1],
            "energy_eV": table.energies[-1],
            "max_force_eV_A": force,
        }

    def _put_frames(self, system: System, table: LabelTable, run: _Run) -> None:
        labelled = Frames(
            (
                replace(
                    system,
                    energies=np.array(table.energies),
                    forces=np.array(table.forces),
                    stresses=np.array(table.stresses) if run.stress else None,
                ),
            )
        )
        level = complete_level_of_theory(job_level_of_theory(run.inputs), labelled)
        self.out(
            "frames",
            FrameSetData(labelled, level_of_theory=level, engine_version=run.output.version),
        )

    def _put_restart(self) -> int | None:
        """Put out the state at the end, and return its step.

        The lines that say when and where it was made are left out.
        """
        text = self.text(f"{Cp2kLabelCalculation._DEFAULT_PROJECT_NAME}-1.restart")
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        state = "\n".join(lines) + "\n"
        step = restart_step(state)
        if step is not None:
            self.out("restart", orm.SinglefileData(BytesIO(state.encode()), filename="restart"))
        return step


def _spins(table: LabelTable) -> dict[str, list[float | None]]:
    """Return what CP2K says of the spin of each label; nothing of a run without spin."""
    if all(value is None for spin in table.spins for value in spin):
        return {}
    densities, squares = zip(*table.spins, strict=True)
    return {"integrated_spin_density": list(densities), "spin_squared": list(squares)}
