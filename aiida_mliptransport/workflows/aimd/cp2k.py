"""``Cp2kAimdWorkChain``: independent MD runs by DFT with CP2K."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ...calculations.cp2k import TASK_INPUTS, Cp2kLabelCalculation
from ...calculations.cp2k_settings import Cp2kMDParameters
from ...calculations.parameters import validation_message
from ..label.cp2k import fill_job, load_inputs
from .base import AimdWorkChain

#: Parameters that the WorkChain itself uses.
OWN_PARAMETERS = ("initial_displacement_A", "discard_steps")


class Cp2kAimdWorkChain(AimdWorkChain):
    """Run MD by CP2K for every structure, temperature and run."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.expose_inputs(
            Cp2kLabelCalculation,
            namespace="cp2k",
            exclude=TASK_INPUTS,
        )
        base = spec.inputs.validator
        spec.inputs.validator = lambda value, port: base(value, port) or _validate(value, port)

    @classmethod
    def validate_parameters(cls, value: orm.Dict | None, port: Any) -> str | None:
        message = super().validate_parameters(value, port)
        if message is not None or value is None:
            return message
        content = {k: v for k, v in value.get_dict().items() if k not in OWN_PARAMETERS}
        return validation_message(Cp2kMDParameters, {**content, "temperature_K": 1.0, "seed": 1})

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        structures: Mapping[str, orm.StructureData],
        temperatures: list[float],
        settings: Mapping[str, Any] | None = None,
        data_folder: str | Path | None = None,
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
            CP2K.
        structures
            Periodic structures by name.
        temperatures
            K.
        settings
            Changes of the protocol's ``settings``; MD and labels of a campaign have one level of
            theory, so give both the same.
        data_folder
            CP2K's data folder on this machine; default: CP2K_DATA_DIR, or beside the executable.
        seed
            Seeds of the runs are derived from it.
        overrides
            Values of ``protocols/cp2k.yaml``.
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
        fill_job(builder.cp2k, code, inputs, data_folder)
        builder.cp2k.metadata.options = {
            "max_wallclock_seconds": aimd["max_wallclock_seconds"],
            **(options or {}),
        }
        return builder

    def run_job(
        self,
        structure: orm.StructureData,
        parameters: dict[str, Any],
        attempt: int,
        restart: orm.Data | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        inputs = self.exposed_inputs(Cp2kLabelCalculation, namespace="cp2k")
        inputs["structure"] = structure
        inputs["md"] = orm.Dict(parameters)
        if restart is not None:
            inputs["restart"] = restart
        return Cp2kLabelCalculation, inputs


def _validate(value: Mapping[str, Any], port: Any) -> str | None:
    if "cp2k" not in value or "parameters" not in value:
        return None
    for name, structure in value.get("structures", {}).items():
        content = {**value["cp2k"], "structure": structure, "md": value["parameters"]}
        message = Cp2kLabelCalculation.validate_inputs(content, port)
        if message is not None:
            return f"structure {name!r}: {message}"
    return None
