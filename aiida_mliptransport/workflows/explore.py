"""Explore configurations: MD with a committee over structures, temperatures and pressures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, while_

from ..calculations.functions.exploration import summarize_runs
from ..calculations.lammps_md import LammpsMDCalculation, validate_inputs
from ..data.potential import PotentialData
from ..data.trajectory import MDTrajectoryData
from . import validators
from .conditions import conditions_problem, parameters_problem, run_parameters
from .naming import derived_seed, run_key
from .protocols import load_protocol
from .submission import FanOutWorkChain, failure_reason


class ExploreWorkChain(FanOutWorkChain):
    """Run MD for every structure, temperature, pressure and replica; a blow-up is information."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input_namespace(
            "structures", valid_type=orm.StructureData, dynamic=True, help="Start structures."
        )
        spec.input_namespace(
            "potentials",
            valid_type=PotentialData,
            dynamic=True,
            help="member_0 drives, further members give the force deviation.",
        )
        spec.input(
            "temperatures",
            valid_type=orm.List,
            serializer=orm.to_aiida_type,
            validator=validators.temperatures,
            help="Temperatures in K.",
        )
        spec.input(
            "pressures",
            valid_type=orm.List,
            required=False,
            serializer=orm.to_aiida_type,
            validator=validators.pressures,
            help="Pressures in bar; with them all runs are NPT.",
        )
        spec.input(
            "conditions",
            valid_type=orm.Dict,
            required=False,
            serializer=orm.to_aiida_type,
            validator=_validate_conditions,
            help="Structure to temperatures_K, pressures_bar or parameters (steps, …) that take "
            "the place of the general ones for it.",
        )
        spec.input_namespace(
            "starts",
            valid_type=orm.StructureData,
            dynamic=True,
            required=False,
            help="<structure>_replica<i>: where this replica begins in the place of the structure.",
        )
        spec.input(
            "replicas",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Int(1),
            validator=validators.count("replicas"),
            help="Independent runs (seeds) per structure, temperature and pressure.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=_validate_parameters,
            help="MD parameters of mliptransport.lammps.md, without temperature_K and seed.",
        )
        spec.input(
            "seed",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Int(1),
            help="Base seed; each run's own is derived from it and the name of the run.",
        )
        spec.expose_inputs(
            LammpsMDCalculation,
            namespace="md",
            exclude=("structure", "parameters", "restart", "potentials"),
        )
        spec.inputs.validator = _validate_inputs
        spec.output_namespace(
            "trajectories",
            valid_type=MDTrajectoryData,
            dynamic=True,
            help="<structure>_<T>K_replica<i> to trajectory (with <P>bar before replica where "
            "there are several pressures); also of runs that blew up.",
        )
        spec.output(
            "results",
            valid_type=orm.Dict,
            help="Counts, and of each run whether it completed or broke off, its frames, the "
            "error and warnings; see summarize_runs.",
        )
        spec.exit_code(
            310,
            "ERROR_NO_TRAJECTORY",
            message="None of the {n_runs} runs gave a frame; the first one said: {reason}",
        )
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.results,
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structures: Mapping[str, orm.StructureData],
        potentials: Mapping[str, PotentialData],
        temperatures: Sequence[float],
        pressures: Sequence[float] | None = None,
        seed: int = 1,
        max_concurrent: int = 2,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the inputs of a protocol (``protocols/explore.yaml``).

        Parameters
        ----------
        code
            LAMMPS (``lmp``) that loads what the potential needs.
        structures
            Start structures, by name.
        potentials
            ``member_0`` drives.
        temperatures
            K.
        pressures
            bar; makes the runs NPT.
        """
        inputs = load_protocol("explore", protocol, overrides)
        builder = cls.get_builder()
        builder.structures = dict(structures)
        builder.potentials = dict(potentials)
        builder.temperatures = orm.List([float(t) for t in temperatures])
        if pressures is not None:
            builder.pressures = orm.List([float(p) for p in pressures])
        builder.replicas = orm.Int(inputs["replicas"])
        builder.parameters = orm.Dict(inputs["parameters"])
        builder.seed = orm.Int(seed)
        builder.max_concurrent = orm.Int(max_concurrent)
        builder.md.code = code
        builder.md.metadata.options = {**inputs["options"], **(options or {})}
        return builder

    def setup(self) -> None:
        """Name the runs and derive their seeds."""
        self.ctx.runs = {}
        for name in sorted(self.inputs.structures):
            self._name_runs(name)
        self.ctx.pending = list(self.ctx.runs)
        self.report(f"{len(self.ctx.pending)} runs with {len(self.inputs.potentials)} potential(s)")

    def _name_runs(self, name: str) -> None:
        general = {
            "temperatures_K": self.inputs.temperatures.get_list(),
            "pressures_bar": (
                self.inputs.pressures.get_list() if "pressures" in self.inputs else None
            ),
        }
        own = self.inputs.conditions.get_dict() if "conditions" in self.inputs else {}
        conditions = {**general, **own.get(name, {})}
        pressures = conditions["pressures_bar"] or [None]
        for temperature, pressure, replica in product(
            conditions["temperatures_K"], pressures, range(self.inputs.replicas.value)
        ):
            kind = "replica" if len(pressures) == 1 else f"{_pressure_label(pressure)}bar_replica"
            key = run_key(name, temperature, replica, kind)
            changes = {
                **conditions.get("parameters", {}),
                "temperature_K": temperature,
                "seed": derived_seed(self.inputs.seed.value, key, replica),
            }
            if pressure is not None:
                changes |= {"ensemble": "npt", "pressure_bar": pressure}
            start = f"{name}_replica{replica}"
            self.ctx.runs[key] = (
                start if start in self.inputs.get("starts", {}) else name,
                changes,
            )

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the MD job of one run."""
        start, changes = self.ctx.runs[label]
        structures = {**self.inputs.structures, **self.inputs.get("starts", {})}
        return LammpsMDCalculation, {
            **self.exposed_inputs(LammpsMDCalculation, "md"),
            "structure": structures[start],
            "potentials": self.inputs.potentials,
            "parameters": orm.Dict({**self.inputs.parameters.get_dict(), **changes}),
        }

    def results(self) -> Any:
        """Attach what the runs gave, whole or not."""
        trajectories, records, reason = {}, {}, ""
        for key in self.ctx.runs:
            run = self.child(key)
            message = failure_reason(run)
            if run is None or not run.is_finished_ok:
                self.report(f"{key} did not complete: {message}")
                reason = reason or str(message)
            if run is not None and "results" in run.outputs:
                records[key] = run.outputs.results
            if run is not None and "trajectory" in run.outputs:
                trajectories[key] = run.outputs.trajectory
        summary = self.run_once(
            "summarize_runs", summarize_runs, planned_frames=orm.Dict(self._planned()), **records
        )
        self.out("results", summary["result"])
        if not trajectories:
            return self.exit_codes.ERROR_NO_TRAJECTORY.format(
                n_runs=len(self.ctx.runs), reason=reason
            )
        self.out("trajectories", trajectories)
        return None

    def _planned(self) -> dict[str, int]:
        """Return how many frames each run has if it completes, the first one counted."""
        planned = {}
        for key, (_, changes) in self.ctx.runs.items():
            parameters = {**self.inputs.parameters.get_dict(), **changes}
            planned[key] = parameters["steps"] // parameters["trajectory_stride"] + 1
        return planned


def _pressure_label(pressure: float) -> str:
    """Return the rounded pressure as a link label allows it: no minus sign."""
    return f"{round(pressure)}".replace("-", "minus")


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else parameters_problem(value.get_dict(), "parameters")


def _validate_conditions(value: orm.Dict | None, _: Any) -> str | None:
    given = value.get_dict() if value is not None else {}
    problems = (conditions_problem(own, f"conditions.{name}") for name, own in given.items())
    return next((problem for problem in problems if problem), None)


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Check every structure against the potentials, so that no job is submitted in vain."""
    if not value.get("parameters") or not value.get("potentials"):
        return None
    structures = value.get("structures", {})
    starts = value.get("starts") or {}
    replicas = range(value["replicas"].value)
    names = [f"{name}_replica{replica}" for name in structures for replica in replicas]
    unknown = sorted(set(starts) - set(names))
    if unknown:
        return f"starts holds {unknown}, expected some of {names}"
    own = value["conditions"].get_dict() if value.get("conditions") is not None else {}
    unknown = sorted(set(own) - set(structures))
    if unknown:
        return f"conditions holds {unknown}, expected some of {sorted(structures)}"
    parameters = value["parameters"].get_dict()
    pressures = value["pressures"].get_list() if value.get("pressures") is not None else None
    for name, structure in structures.items():
        conditions = own.get(name, {})
        problem = conditions_problem(conditions, f"conditions.{name}", parameters, pressures)
        if problem:
            return problem
        merged = orm.Dict(run_parameters(parameters, conditions, pressures))
        problem = validate_inputs(
            {"structure": structure, "potentials": value["potentials"], "parameters": merged}, None
        )
        if problem:
            return f"structures.{name}: {problem}"
    return None
