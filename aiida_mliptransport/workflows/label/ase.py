"""``AseLabelWorkChain``: label frames with a calculator of ASE, GFN-xTB by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ...calculations.ase import AseLabelCalculation
from ...calculations.ase_parameters import complete_calculator
from ...calculations.runners.calculators import describe
from ...data.frames import FrameSetData
from ..protocols import load_protocol
from .base import LabelWorkChain


class AseLabelWorkChain(LabelWorkChain):
    """Label frames in batches with one calculator."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.expose_inputs(AseLabelCalculation, namespace="ase", exclude=("frames", "potential"))
        spec.inputs["ase"]["calculator"].required = True
        spec.inputs.validator = _validate_inputs

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        frames: FrameSetData | None = None,
        calculator: Mapping[str, Any] | None = None,
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
        frames
            Frames to label; may be set later.
        calculator
            Takes the place of the protocol's calculator as a whole.
        overrides
            Values of ``protocols/label.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_protocol("label", protocol, overrides)
        builder = cls.get_builder()
        if frames is not None:
            builder.frames = frames
        builder.batch_size = orm.Int(inputs["batch_size"])
        builder.quorum = orm.Float(inputs["quorum"])
        builder.reuse_labels = orm.Bool(inputs["reuse_labels"])
        builder.max_concurrent = orm.Int(max_concurrent or inputs["max_concurrent"])
        builder.ase.code = code
        builder.ase.calculator = orm.Dict(dict(calculator or inputs["ase"]["calculator"]))
        limit = {"max_wallclock_seconds": inputs["ase"]["max_wallclock_seconds"]}
        for key, value in {**limit, **(options or {})}.items():
            builder.ase.metadata.options[key] = value
        return builder

    def level_of_theory(self) -> dict[str, Any]:
        return describe(complete_calculator(self.inputs.ase.calculator.get_dict()))

    def batch_job(
        self, frames: FrameSetData, attempt: int, classes: Sequence[str]
    ) -> tuple[Any, dict[str, Any]]:
        inputs = self.exposed_inputs(AseLabelCalculation, namespace="ase")
        inputs["frames"] = frames
        if "scf_unconverged" in classes:
            inputs["calculator"] = orm.Dict(patient_calculator(inputs["calculator"].get_dict()))
        return AseLabelCalculation, inputs


def patient_calculator(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the calculator with more iterations and softer mixing, of the same physics."""
    if content["name"] != "tblite":
        return dict(content)
    patient = complete_calculator(content)
    patient["max_iterations"] *= 4
    patient["mixer_damping"] *= 0.5
    return patient


def _validate_inputs(value: Mapping[str, Any], port: Any) -> str | None:
    if "frames" not in value or "ase" not in value:
        return None
    return AseLabelCalculation.validate_inputs({**value["ase"], "frames": value["frames"]}, port)
