"""``AseAimdWorkChain``: independent MD runs with a calculator of ASE, GFN-xTB by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ...calculations.ase import AseMDCalculation
from ...calculations.ase_parameters import MDParameters
from ...calculations.parameters import validation_message
from ...data.potential import PotentialData
from ..protocols import load_protocol
from .base import AimdWorkChain

#: Parameters that the WorkChain itself uses.
OWN_PARAMETERS = ("initial_displacement_A", "discard_steps")


class AseAimdWorkChain(AimdWorkChain):
    """Run MD with one calculator for every structure, temperature and run."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.expose_inputs(AseMDCalculation, namespace="ase", exclude=("structure", "parameters"))
        base = spec.inputs.validator
        spec.inputs.validator = lambda value, port: base(value, port) or _validate(value, port)

    @classmethod
    def validate_parameters(cls, value: orm.Dict | None, port: Any) -> str | None:
        message = super().validate_parameters(value, port)
        if message is not None or value is None:
            return message
        content = {k: v for k, v in value.get_dict().items() if k not in OWN_PARAMETERS}
        return validation_message(MDParameters, {**content, "temperature_K": 1.0, "seed": 1})

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structures: Mapping[str, orm.StructureData],
        temperatures: list[float],
        calculator: Mapping[str, Any] | None = None,
        potential: PotentialData | None = None,
        seed: int = 1,
        max_concurrent: int | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder.

        Parameters
        ----------
        code
            Python that has ASE and the calculator.
        structures
            Periodic structures by name.
        temperatures
            K.
        calculator
            Takes the place of the calculator in ``protocols/label.yaml`` as a whole: MD and labels
            of a campaign have one level of theory.
        potential
            Takes the place of any calculator: the teacher that also labels.
        seed
            Seeds of the runs are derived from it.
        overrides
            Values of ``protocols/aimd.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_protocol("aimd", protocol, overrides)
        default = load_protocol("label", protocol)["ase"]["calculator"]
        builder = cls.get_builder()
        builder.structures = dict(structures)
        builder.temperatures = orm.List([float(temperature) for temperature in temperatures])
        builder.runs = orm.Int(inputs["runs"])
        builder.quorum = orm.Float(inputs["quorum"])
        builder.seed = orm.Int(seed)
        builder.max_concurrent = orm.Int(max_concurrent or inputs["max_concurrent"])
        builder.parameters = orm.Dict({**inputs["parameters"], **inputs["ase"]["parameters"]})
        builder.ase.code = code
        if potential is None:
            builder.ase.calculator = orm.Dict(dict(calculator or default))
        else:
            builder.ase.potential = potential
        limit = {"max_wallclock_seconds": inputs["ase"]["max_wallclock_seconds"]}
        for key, value in {**limit, **(options or {})}.items():
            builder.ase.metadata.options[key] = value
        return builder

    def run_job(
        self, structure: orm.StructureData, parameters: dict[str, Any], attempt: int
    ) -> tuple[Any, dict[str, Any]]:
        inputs = self.exposed_inputs(AseMDCalculation, namespace="ase")
        inputs["structure"] = structure
        inputs["parameters"] = orm.Dict(parameters)
        return AseMDCalculation, inputs


def _validate(value: Mapping[str, Any], port: Any) -> str | None:
    for name, structure in value.get("structures", {}).items():
        content = {**value.get("ase", {}), "structure": structure}
        message = AseMDCalculation.validate_inputs(content, port)
        if message is not None:
            return f"structure {name!r}: {message}"
    return None
