"""From a potential to ion transport: MD at several temperatures, D, σ, Haven ratio and Ea."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, while_
from pydantic import BaseModel, ConfigDict, Field

from ..calculations.functions.trajectories import last_structure
from ..calculations.functions.transport import analyse_transport
from ..calculations.lammps_md import LammpsMDCalculation, validate_inputs
from ..calculations.lammps_script import LammpsMDParameters
from ..calculations.parameters import validation_message
from ..data.potential import PotentialData
from ..data.trajectory import MDTrajectoryData
from ..science.transport import ESTIMATOR_VERSION
from . import validators
from .naming import derived_seed, run_key
from .protocols import load_protocol
from .submission import FanOutWorkChain, failure_reason


class TransportWorkChain(FanOutWorkChain):
    """Run NVT molecular dynamics and analyse it; usable on any potential, without a campaign.

    Each structure is melted (where asked), then equilibrated and run at each temperature with
    each seed. The committee's first member drives; the deviation of the others is recorded. Where
    ``extension`` asks for it, the runs of a temperature whose D or σ is not known well enough go on
    from their own state, segment after segment, until they are or the segments are spent.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input_namespace(
            "structures", valid_type=orm.StructureData, dynamic=True, help="Cells to simulate."
        )
        spec.expose_inputs(
            LammpsMDCalculation,
            namespace="md",
            exclude=("structure", "parameters", "restart", "potentials"),
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
            help="Temperatures in K; an Arrhenius fit needs three or more.",
        )
        spec.input(
            "replicas",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Int(1),
            validator=validators.count("replicas"),
            help="Independent runs (seeds) per structure and temperature.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            help="MD parameters of mliptransport.lammps.md, without temperature and seed.",
        )
        spec.input(
            "melt",
            valid_type=orm.Dict,
            required=False,
            serializer=orm.to_aiida_type,
            help="temperature_K and steps of a first run per structure, from whose last frame all "
            "temperatures start: how a crystal melts. Other keys replace those of parameters.",
        )
        spec.input(
            "charges",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            help="Charge of each element in elementary charges; never guessed.",
        )
        spec.input(
            "analysis",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            help="Parameters of the analysis (reference frame, target of the relative error, …).",
        )
        spec.input(
            "extension",
            valid_type=orm.Dict,
            required=False,
            serializer=orm.to_aiida_type,
            validator=_validate_extension,
            help="max_segments, max_relative_error_D, max_relative_error_sigma (one standard error "
            "over the value) and species (elements whose D counts): runs go on until both are met.",
        )
        spec.input("seed", valid_type=orm.Int, serializer=orm.to_aiida_type, help="Base seed.")
        spec.inputs.validator = _validate_inputs
        spec.output("observables", valid_type=orm.Dict, help="D (cm²/s), σ (mS/cm), Ea (eV), …")
        spec.output("curves", valid_type=orm.ArrayData, help="MSD (Å²) over time (ps), RDF, …")
        spec.output_namespace(
            "trajectories",
            valid_type=MDTrajectoryData,
            dynamic=True,
            help="<structure>_<T>K_replica<i> of the production runs that ended.",
        )
        spec.exit_code(
            310, "ERROR_MELT_FAILED", message="The run that melts {structure} failed: {reason}"
        )
        spec.exit_code(
            311,
            "ERROR_NO_TRAJECTORY",
            message="No production run ended with a whole trajectory; see the reports of the runs.",
        )
        spec.exit_code(
            312,
            "ERROR_ANALYSIS_FAILED",
            message="The analysis failed: {reason}. The trajectories are kept as outputs.",
        )
        spec.outline(
            cls.setup,
            while_(cls.has_pending)(cls.submit_wave, cls.inspect_wave),
            cls.setup_production,
            while_(cls.has_pending)(
                while_(cls.has_pending)(cls.submit_wave, cls.inspect_wave),
                cls.analyse,
                cls.extend,
            ),
            cls.results,
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
            ``member_0`` drives.
        temperatures
            K.
        charges
            Charge of each element, elementary charges.
        """
        inputs = load_protocol("transport", protocol, overrides)
        builder = cls.get_builder()
        builder.structures = dict(structures)
        builder.potentials = dict(potentials)
        builder.temperatures = orm.List([float(t) for t in temperatures])
        builder.replicas = orm.Int(inputs["replicas"])
        builder.parameters = orm.Dict(inputs["parameters"])
        if inputs["melt"]:
            builder.melt = orm.Dict(inputs["melt"])
        builder.charges = orm.Dict({key: float(value) for key, value in charges.items()})
        builder.analysis = orm.Dict(inputs["analysis"])
        if inputs["extension"]:
            builder.extension = orm.Dict(inputs["extension"])
        builder.seed = orm.Int(seed)
        builder.max_concurrent = orm.Int(max_concurrent)
        builder.md.code = code
        for key, value in {**inputs["options"], **(options or {})}.items():
            builder.md.metadata.options[key] = value
        return builder

    def setup(self) -> None:
        """Queue one melting run per structure, where melting is asked for."""
        self.ctx.pending = (
            [f"melt_{name}" for name in self.inputs.structures] if "melt" in self.inputs else []
        )

    def setup_production(self) -> Any:
        """Queue the production runs, each from the last frame of its melt."""
        self.ctx.start = {}
        for name, structure in self.inputs.structures.items():
            if "melt" not in self.inputs:
                self.ctx.start[name] = structure
                continue
            melt = self.child(f"melt_{name}")
            if melt is None or not melt.is_finished_ok:
                reason = failure_reason(melt)
                return self.exit_codes.ERROR_MELT_FAILED.format(structure=name, reason=reason)
            made = self.run_once(
                f"start_{name}", last_structure, trajectory=melt.outputs.trajectory
            )
            self.ctx.start[name] = made["result"]
        self.ctx.runs = {
            run_key(name, temperature, replica): (name, temperature, number)
            for number, (name, temperature, replica) in enumerate(
                (name, temperature, replica)
                for name in self.inputs.structures
                for temperature in self.inputs.temperatures.get_list()
                for replica in range(self.inputs.replicas.value)
            )
        }
        self.ctx.segments = {key: [key] for key in self.ctx.runs}
        self.ctx.passes = 0
        self.ctx.pending = list(self.ctx.runs)
        return None

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the MD job of one run."""
        if label.startswith("melt_") and label not in self.ctx.get("runs", {}):
            structure = self.inputs.structures[label.removeprefix("melt_")]
            number = list(self.inputs.structures).index(label.removeprefix("melt_"))
            parameters = {
                **self.inputs.parameters.get_dict(),
                "equilibration_steps": 0,
                **self.inputs.melt.get_dict(),
            }
            parameters["seed"] = derived_seed(self.inputs.seed.value, "melt", number)
            state = {}
        else:
            run, _, segment = label.partition("_segment")
            name, temperature, number = self.ctx.runs[run]
            structure = self.ctx.start[name]
            parameters = self.inputs.parameters.get_dict()
            parameters["temperature_K"] = temperature
            parameters["seed"] = derived_seed(self.inputs.seed.value, "production", number)
            state = {}
            if segment:
                before = self.child(self.ctx.segments[run][int(segment) - 1])
                state = {"restart": before.outputs.restart}
                parameters["equilibration_steps"] = 0
        return LammpsMDCalculation, {
            **self.exposed_inputs(LammpsMDCalculation, "md"),
            "structure": structure,
            "potentials": self.inputs.potentials,
            "parameters": orm.Dict(parameters),
            **state,
        }

    def analyse(self) -> Any:
        """Analyse what there is; runs that failed are left out and reported."""
        self.ctx.trajectories = {}
        for segments in self.ctx.segments.values():
            for key in segments:
                run = self.child(key)
                if run is None or not run.is_finished_ok:
                    self.report(f"{key} is left out of the analysis: {failure_reason(run)}")
                    break
                self.ctx.trajectories[key] = run.outputs.trajectory
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
        """Queue a further segment of every run of a temperature that misses its targets."""
        self.ctx.pending = []
        if "extension" not in self.inputs:
            return
        extension = self.inputs.extension.get_dict()
        points = self.ctx.analysed["observables"].get_dict()["points"]
        for point in points:
            missed = missed_targets(point, extension)
            if not missed:
                continue
            for run, segments in self.ctx.segments.items():
                if not run.startswith(f"{point['name']}_replica"):
                    continue
                last = self.child(segments[-1])
                if last is None or not last.is_finished_ok or "restart" not in last.outputs:
                    continue
                if len(segments) > extension["max_segments"]:
                    self.report(f"{run}: {missed}, but its segments are spent")
                    continue
                segments.append(f"{run}_segment{len(segments)}")
                self.report(f"{segments[-1]}: {missed}")
                self.ctx.pending.append(segments[-1])
        self.ctx.passes += 1

    def results(self) -> None:
        """Expose the last analysis and the trajectories that it rests on."""
        self.out("trajectories", self.ctx.trajectories)
        self.out("observables", self.ctx.analysed["observables"])
        self.out("curves", self.ctx.analysed["curves"])


def missed_targets(point: Mapping[str, Any], extension: Mapping[str, Any]) -> str:
    """Return which observables of a temperature miss their targets, in words; empty if none.

    Parameters
    ----------
    point
        One entry of ``points`` in the observables.
    extension
        ``species``, ``max_relative_error_D`` and ``max_relative_error_sigma``.
    """
    rows = [
        (f"D({element})", point["diffusion"].get(element, {}), extension["max_relative_error_D"])
        for element in extension["species"]
    ]
    rows.append(("σ", point["conductivity"], extension["max_relative_error_sigma"]))
    missed = []
    for name, record, target in rows:
        error = record.get("relative_error")
        if not record.get("resolved") or error is None:
            missed.append(f"{name} is not resolved")
        elif error > target:
            missed.append(f"{name} has a relative error of {error:.3f}, expected {target} or less")
    return ", ".join(missed)


class ExtensionParameters(BaseModel):
    """How far runs are extended; relative errors are one standard error over the value."""

    model_config = ConfigDict(extra="forbid")

    max_segments: int = Field(ge=1)
    max_relative_error_D: float = Field(gt=0)
    max_relative_error_sigma: float = Field(gt=0)
    species: list[str] = Field(min_length=1)


def _validate_extension(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    problem = validation_message(ExtensionParameters, value.get_dict())
    return f"extension: {problem}" if problem else None


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what would fail in the first job, or in the analysis after the last one."""
    structures = value.get("structures") or {}
    charges = value["charges"].get_dict() if "charges" in value else None
    for name, structure in structures.items():
        missing = [] if charges is None else sorted(structure.get_symbols_set() - set(charges))
        if missing:
            return f"charges lack {missing} of structures.{name}; give the charge of every element"
    for element in value["extension"].get_dict()["species"] if "extension" in value else ():
        if not any(element in structure.get_symbols_set() for structure in structures.values()):
            return (
                f"extension.species holds {element!r}, which no structure has; name the elements "
                "whose D is to be known"
            )
    if "parameters" not in value:
        return None
    runs = [{}, value["melt"].get_dict()] if "melt" in value else [{}]
    for changes in runs:
        given = {"temperature_K": 1.0, **value["parameters"].get_dict(), **changes, "seed": 1}
        problem = validation_message(LammpsMDParameters, given)
        if problem:
            return problem
        for name, structure in structures.items():
            job = {"structure": structure, "parameters": orm.Dict(given)}
            if value.get("potentials"):
                job["potentials"] = value["potentials"]
            problem = validate_inputs(job, None)
            if problem:
                return f"structures.{name}: {problem}"
    return None
