"""``VaspAimdWorkChain``: independent MD runs by DFT with VASP, through aiida-vasp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder
from aiida_vasp.workchains.v2.vasp import VaspWorkChain

from ...calculations.functions.vasp import read_vasp_md, sort_structure
from ...calculations.parameters import validation_message
from ...calculations.vasp_settings import VaspMDParameters, VaspSettings
from ..label.failures import failure_record
from ..label.vasp import load_inputs
from ..vasp import (
    NAMESPACE,
    expose_vasp,
    fill_vasp,
    readable_run,
    vasp_job,
    vasp_level,
)
from .base import AimdWorkChain

#: Parameters that the WorkChain itself uses.
OWN_PARAMETERS = ("initial_displacement_A", "discard_steps")


class VaspAimdWorkChain(AimdWorkChain):
    """Run MD by VASP for every structure, temperature and run.

    Frames whose SCF took all its iterations are failures, never labels: VASP goes on after them.
    A run that was cut short keeps what it has; it does not go on, because aiida-vasp's restart
    would begin with new velocities.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        expose_vasp(spec)
        base = spec.inputs.validator
        spec.inputs.validator = lambda value, port: base(value, port) or _validate(value)

    @classmethod
    def validate_parameters(cls, value: orm.Dict | None, port: Any) -> str | None:
        message = super().validate_parameters(value, port)
        if message is not None or value is None:
            return message
        content = {k: v for k, v in value.get_dict().items() if k not in OWN_PARAMETERS}
        return validation_message(VaspMDParameters, {**content, "temperature_K": 1.0, "seed": 1})

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        potential_family: str,
        structures: Mapping[str, orm.StructureData],
        temperatures: list[float],
        settings: Mapping[str, Any] | None = None,
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
            VASP.
        potential_family
            Label of the POTCAR family.
        structures
            Periodic structures by name.
        temperatures
            K.
        settings
            Changes of the protocol's ``settings``; MD and labels of a campaign have one level of
            theory, so give both the same.
        seed
            Seeds of the runs are derived from it.
        overrides
            Values of ``protocols/vasp.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_inputs(protocol, overrides, settings)
        aimd = inputs["aimd"]
        builder = cls.get_builder()
        builder.structures = dict(structures)
        builder.temperatures = orm.List([float(temperature) for temperature in temperatures])
        builder.runs = orm.Int(aimd["runs"])
        builder.quorum = orm.Float(aimd["quorum"])
        builder.seed = orm.Int(seed)
        builder.max_concurrent = orm.Int(max_concurrent or inputs["max_concurrent"])
        builder.parameters = orm.Dict(dict(aimd["parameters"]))
        fill_vasp(
            builder[NAMESPACE],
            code,
            inputs,
            {kind.symbol for structure in structures.values() for kind in structure.kinds},
            potential_family,
            {"max_wallclock_seconds": aimd["max_wallclock_seconds"], **(options or {})},
        )
        return builder

    def _settings(self) -> VaspSettings:
        return VaspSettings.model_validate(self.inputs[NAMESPACE].parameters.get_dict())

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        structure, parameters = self.start_of(label)
        sorted_structure = self.run_once(f"{label}_structure", sort_structure, structure=structure)[
            "result"
        ]
        inputs = self.exposed_inputs(VaspWorkChain, namespace=NAMESPACE)
        md = VaspMDParameters.model_validate(parameters)
        return VaspWorkChain, vasp_job(inputs, sorted_structure, self._settings(), md)

    def run_outputs(self, label: str) -> Mapping[str, Any]:
        """Return frames, trajectory and failures, read from what VASP left."""
        run, problem = readable_run(self.ctx[label], self._settings())
        if run is None:
            return {"failures": {"failures": [failure_record(None, None, *problem)]}}
        structure, parameters = self.start_of(label)
        elements = {kind.symbol for kind in structure.kinds}
        return self.run_once(
            f"{label}_frames",
            read_vasp_md,
            structure=structure,
            md=orm.Dict(parameters),
            trajectory=run.outputs.trajectory,
            version=orm.Str(run.outputs.misc["version"]),
            level_of_theory=orm.Dict(vasp_level(self.inputs[NAMESPACE], elements)),
            max_scf=orm.Int(run.inputs.parameters["nelm"]),
        )


def _validate(value: Mapping[str, Any]) -> str | None:
    if NAMESPACE not in value:
        return None
    try:
        for structure in value.get("structures", {}).values():
            vasp_level(value[NAMESPACE], {kind.symbol for kind in structure.kinds})
    except ValueError as error:
        return str(error)
    return None
