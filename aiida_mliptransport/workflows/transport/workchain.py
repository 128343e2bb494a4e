"""From a potential to ion transport: MD at several temperatures, D, σ, Haven ratio and Ea."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, while_

from ...calculations.functions.mechanism import find_mechanism
from ...calculations.functions.trajectories import last_structure, structure_at_mean_cell
from ...calculations.functions.transport import analyse_transport
from ...calculations.lammps_md import LammpsMDCalculation, ran_out_of_time
from ...calculations.run_names import RunName, point_name
from ...science.transport import ESTIMATOR_VERSION
from ..naming import derived_seed
from ..submission import FanOutWorkChain, failure_reason
from .builder import build
from .drivers import driven_by
from .ports import define_exit_codes, define_inputs, define_outputs, mean_cell_parameters
from .targets import missed_targets


class TransportWorkChain(FanOutWorkChain):
    """Run NVT molecular dynamics and analyse it; usable on any potential, without a campaign.

    Each structure is melted (where asked), brought to the mean cell of an NPT run (where asked),
    then equilibrated and run at each temperature with each seed and each driving member of the
    committee; the deviation of the others is recorded. A run that ends for wall clock time goes
    on from its own state. Where ``extension`` asks for it, so do the runs of a point whose D or σ
    is not known well enough, until they are or the segments are spent.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        define_inputs(spec)
        define_outputs(spec)
        define_exit_codes(spec)
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.setup_mean_cell,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.setup_production,
            while_(cls.has_jobs)(
                while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
                cls.analyse,
                cls.extend,
            ),
            cls.results,
            cls.find_mechanism,
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structures: Mapping[str, orm.StructureData],
        potentials: Mapping[str, orm.Data],
        temperatures: list[float],
        charges: Mapping[str, float],
        seed: int = 1,
        max_concurrent: int = 2,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the inputs of a protocol (``protocols/transport.yaml``).

        Parameters
        ----------
        code
            LAMMPS (``lmp``) that loads what the potential needs.
        structures
            Cells to simulate, by name.
        potentials
            ``member_0`` drives first.
        temperatures
            K.
        charges
            Charge of each element, elementary charges.
        """
        return build(
            cls, code, structures, potentials, temperatures, charges, seed, max_concurrent,
            protocol, overrides, options,
        )  # fmt: skip

    def setup(self) -> None:
        """Queue one melting run per structure, where melting is asked for."""
        self.ctx.jobs = {}
        for number, name in enumerate(self.inputs.structures):
            if "melt" in self.inputs:
                parameters = {
                    **self.inputs.parameters.get_dict(),
                    "equilibration_steps": 0,
                    **self.inputs.melt.get_dict(),
                }
                self._queue(
                    f"melt_{name}", self.inputs.structures[name], parameters, "melt", number
                )
        self.ctx.pending = list(self.ctx.jobs)

    def setup_mean_cell(self) -> Any:
        """Queue one NPT run per point and driving member, where the mean cell is asked for."""
        self.ctx.start = {}
        failed: str | None = None
        for name, structure in self.inputs.structures.items():
            if "melt" not in self.inputs:
                self.ctx.start[name] = structure
                continue
            melt = self.child(f"melt_{name}")
            if melt is None or not melt.is_finished_ok:
                failed = failed or f"melt_{name}: {failure_reason(melt)}"
                self.report(f"{name} is left out, its melt failed: {failure_reason(melt)}")
                continue
            made = self.run_once(
                f"start_{name}", last_structure, trajectory=melt.outputs.trajectory
            )
            self.ctx.start[name] = made["result"]
        if not self.ctx.start:
            return self.exit_codes.ERROR_NO_MELT.format(reason=failed)
        self.ctx.jobs = {}
        if "mean_cell" in self.inputs:
            for number, (structure, temperature, member) in enumerate(self._points()):
                if structure not in self.ctx.start:
                    continue
                parameters = mean_cell_parameters(
                    {**self.inputs.parameters.get_dict(), "temperature_K": temperature},
                    self.inputs.mean_cell.get_dict(),
                )
                label = f"cell_{self._cell_name(structure, temperature, member)}"
                self._queue(
                    label, self.ctx.start[structure], parameters, "mean_cell", number, member
                )
        self.ctx.pending = list(self.ctx.jobs)
        return None

    def setup_production(self) -> Any:
        """Queue the production runs, each from its melt or at its mean cell."""
        self.ctx.jobs = {}
        failed: str | None = None
        number = 0
        for structure, temperature, member in self._points():
            start = self.ctx.start.get(structure)
            if start is None:
                number += self.inputs.replicas.value
                continue
            if "mean_cell" in self.inputs:
                name = self._cell_name(structure, temperature, member)
                run = self.child(f"cell_{name}")
                if run is None or not run.is_finished_ok:
                    failed = failed or f"cell_{name}: {failure_reason(run)}"
                    self.report(f"{name} is left out: {failure_reason(run)}")
                    number += self.inputs.replicas.value
                    continue
                made = self.run_once(
                    f"start_{name}", structure_at_mean_cell, trajectory=run.outputs.trajectory
                )
                start = made["structure"]
            for replica in range(self.inputs.replicas.value):
                label = RunName(
                    point_name(structure, temperature),
                    replica,
                    member if self.inputs.drivers.value > 1 else None,
                )
                parameters = {
                    **self.inputs.parameters.get_dict(), "temperature_K": temperature
                }  # fmt: skip
                self._queue(str(label), start, parameters, "production", number, member)
                number += 1
        if not self.ctx.jobs:
            return self.exit_codes.ERROR_NO_MEAN_CELL.format(reason=failed)
        self.ctx.segments = {label: [label] for label in self.ctx.jobs}
        self.ctx.extensions = dict.fromkeys(self.ctx.jobs, 0)
        self.ctx.passes = 0
        self.ctx.pending = list(self.ctx.jobs)
        return None

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the MD job of one queued run."""
        inputs = self.ctx.jobs[label]
        return LammpsMDCalculation, {
            **self.exposed_inputs(LammpsMDCalculation, "md"),
            **inputs,
            "parameters": orm.Dict(dict(inputs["parameters"])),
        }

    def job_ended(self, label: str) -> None:
        """Let a production run that ended for wall clock time go on from its own state."""
        run = self.child(label)
        if label not in self.ctx.get("segments", {}) and "_segment" not in label:
            return
        if run is None or not ran_out_of_time(run) or "restart" not in run.outputs:
            return
        asked = self.ctx.jobs[label]["parameters"]["steps"]
        done = run.outputs.results["last_step"] - self._first_step(label)
        if done <= 0:
            self.report(f"{label} made no step in its wall clock time; it does not go on")
        elif done < asked:
            self._continue(label, asked - done)

    def analyse(self) -> Any:
        """Analyse what there is; runs that failed are left out and reported."""
        self.ctx.trajectories = {}
        for segments in self.ctx.segments.values():
            for label in segments:
                run = self.child(label)
                if not self._is_usable(run):
                    self.report(f"{label} is left out of the analysis: {failure_reason(run)}")
                    break
                self.ctx.trajectories[label] = run.outputs.trajectory
        if not self.ctx.trajectories:
            return self.exit_codes.ERROR_NO_TRAJECTORY
        try:
            self.ctx.analysed = self.run_once(
                f"analyse_{self.ctx.passes}" if self.ctx.passes else "analyse",
                analyse_transport,
                charges=self.inputs.charges,
                parameters=self.inputs.analysis,
                estimator_version=orm.Str(ESTIMATOR_VERSION),
                **self.ctx.trajectories,
            )
        except ValueError as error:
            self.out("trajectories", self.ctx.trajectories)
            return self.exit_codes.ERROR_ANALYSIS_FAILED.format(reason=str(error))
        return None

    def extend(self) -> None:
        """Queue a further segment of every run of a point that misses its targets."""
        self.ctx.pending = []
        if "extension" not in self.inputs:
            return
        extension = self.inputs.extension.get_dict()
        for point in self.ctx.analysed["observables"].get_dict()["points"]:
            missed = missed_targets(point, extension)
            if not missed:
                continue
            for run, segments in self.ctx.segments.items():
                last = self.child(segments[-1])
                if RunName.parse(run).point != point["name"] or not self._is_usable(last):
                    continue
                if "restart" not in last.outputs:
                    continue
                if self.ctx.extensions[run] >= extension["max_segments"]:
                    self.report(f"{run}: {missed}, but its segments are spent")
                    continue
                self.ctx.extensions[run] += 1
                label = self._continue(segments[-1], self.inputs.parameters["steps"])
                self.report(f"{label}: {missed}")
        self.ctx.passes += 1

    def results(self) -> None:
        """Expose the last analysis and the trajectories that it rests on."""
        self.out("trajectories", self.ctx.trajectories)
        self.out("observables", self.ctx.analysed["observables"])
        self.out("curves", self.ctx.analysed["curves"])

    def find_mechanism(self) -> Any:
        """Say how the ions move, where it is asked for."""
        if "mechanism" not in self.inputs:
            return None
        try:
            found = self.run_once(
                "mechanism",
                find_mechanism,
                charges=self.inputs.charges,
                reference_frame=orm.Str(self.inputs.analysis["reference_frame"]),
                parameters=self.inputs.mechanism,
                estimator_version=orm.Str(ESTIMATOR_VERSION),
                **self.ctx.trajectories,
            )
        except ValueError as error:
            return self.exit_codes.ERROR_MECHANISM_FAILED.format(reason=str(error))
        self.out("mechanism", found["mechanism"])
        self.out("mechanism_curves", found["mechanism_curves"])
        return None

    def _points(self) -> list[tuple[str, float, int]]:
        """Return structure, temperature and driving member of all points."""
        return [
            (name, temperature, member)
            for name in self.inputs.structures
            for temperature in self.inputs.temperatures.get_list()
            for member in range(self.inputs.drivers.value)
        ]

    def _cell_name(self, structure: str, temperature: float, member: int) -> str:
        suffix = f"_member{member}" if self.inputs.drivers.value > 1 else ""
        return point_name(structure, temperature) + suffix

    def _queue(
        self,
        label: str,
        structure: orm.StructureData,
        parameters: Mapping[str, Any],
        purpose: str,
        number: int,
        member: int = 0,
    ) -> None:
        """Note the inputs of a run; its seed comes from its purpose and number."""
        seed = derived_seed(self.inputs.seed.value, purpose, number)
        self.ctx.jobs[label] = {
            "structure": structure,
            "potentials": driven_by(self.inputs.potentials, member),
            "parameters": {**parameters, "seed": seed},
        }

    def _continue(self, label: str, steps: int) -> str:
        """Queue the next segment of a run, from the state at the end of ``label``."""
        run = str(RunName.parse(label).run)
        name = RunName.parse(run)
        segments = self.ctx.segments[run]
        following = str(RunName(name.point, name.replica, name.member, len(segments)))
        before = self.ctx.jobs[label]
        self.ctx.jobs[following] = {
            **before,
            "parameters": {**before["parameters"], "equilibration_steps": 0, "steps": steps},
            "restart": self.child(label).outputs.restart,
        }
        segments.append(following)
        self.ctx.pending.append(following)
        return following

    def _first_step(self, label: str) -> int:
        """Return the step at which a segment began: the last one of the segment before."""
        segments = self.ctx.segments[str(RunName.parse(label).run)]
        number = segments.index(label)
        if number == 0:
            return 0
        return int(self.child(segments[number - 1]).outputs.results["last_step"])

    @staticmethod
    def _is_usable(run: orm.ProcessNode | None) -> bool:
        """Whether a run has a whole trajectory, be it cut short by the wall clock."""
        ended = run is not None and (run.is_finished_ok or ran_out_of_time(run))
        return bool(ended and "trajectory" in run.outputs)
