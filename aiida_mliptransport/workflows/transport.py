"""From a potential to ion transport: MD at several temperatures, D, σ, Haven ratio and Ea."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, while_

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
    each seed. The committee's first member drives; the deviation of the others is recorded.
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
            while_(cls.has_pending)(cls.submit_wave, cls.inspect_wave),
            cls.analyse,
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
        else:
            name, temperature, number = self.ctx.runs[label]
            structure = self.ctx.start[name]
            parameters = self.inputs.parameters.get_dict()
            parameters["temperature_K"] = temperature
            parameters["seed"] = derived_seed(self.inputs.seed.value, "production", number)
        return LammpsMDCalculation, {
            **self.exposed_inputs(LammpsMDCalculation, "md"),
            "structure": structure,
            "potentials": self.inputs.potentials,
            "parameters": orm.Dict(parameters),
        }

    def analyse(self) -> Any:
        """Analyse the whole trajectories; runs that failed are left out and reported."""
        trajectories = {}
        for key in self.ctx.runs:
            run = self.child(key)
            if run is not None and run.is_finished_ok:
                trajectories[key] = run.outputs.trajectory
            else:
                self.report(f"{key} is left out of the analysis: {failure_reason(run)}")
        if not trajectories:
            return self.exit_codes.ERROR_NO_TRAJECTORY
        self.out("trajectories", trajectories)
        try:
            outputs = self.run_once(
                "analyse",
                analyse_transport,
                charges=self.inputs.charges,
                parameters=self.inputs.analysis,
                estimator_version=orm.Str(ESTIMATOR_VERSION),
                **trajectories,
            )
        except ValueError as error:
            return self.exit_codes.ERROR_ANALYSIS_FAILED.format(reason=str(error))
        self.out("observables", outputs["observables"])
        self.out("curves", outputs["curves"])
        return None


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what would fail in the first job, or in the analysis after the last one."""
    structures = value.get("structures") or {}
    charges = value["charges"].get_dict() if "charges" in value else None
    for name, structure in structures.items():
        missing = [] if charges is None else sorted(structure.get_symbols_set() - set(charges))
        if missing:
            return f"charges lack {missing} of structures.{name}; give the charge of every element"
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
