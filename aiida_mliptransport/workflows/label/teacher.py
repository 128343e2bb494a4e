"""``TeacherLabelWorkChain``: label frames with a potential instead of electronic structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ...calculations.ase import AseLabelCalculation
from ...data.frames import FrameSetData
from ...data.potential import PotentialData
from ..protocols import load_protocol
from .base import LabelWorkChain


class TeacherLabelWorkChain(LabelWorkChain):
    """Label frames in batches with a potential: the answer is known, and costs next to nothing."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.expose_inputs(
            AseLabelCalculation, namespace="teacher", exclude=("frames", "calculator")
        )
        spec.inputs["teacher"]["potential"].required = True
        spec.inputs.validator = _validate_inputs

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        potential: PotentialData,
        frames: FrameSetData | None = None,
        max_concurrent: int | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder.

        Parameters
        ----------
        code
            Python that has ASE and what the potential needs (LAMMPS, DeePMD-kit).
        potential
            The teacher.
        frames
            Frames to label; may be set later.
        overrides
            Values of ``protocols/label.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_protocol("label", protocol, overrides)
        builder = cls.get_builder()
        if frames is not None:
            builder.frames = frames
        builder.batch_size = orm.Int(inputs["teacher"]["batch_size"])
        builder.quorum = orm.Float(inputs["quorum"])
        builder.reuse_labels = orm.Bool(inputs["reuse_labels"])
        builder.max_concurrent = orm.Int(max_concurrent or inputs["max_concurrent"])
        builder.teacher.code = code
        builder.teacher.potential = potential
        limit = {"max_wallclock_seconds": inputs["teacher"]["max_wallclock_seconds"]}
        for key, value in {**limit, **(options or {})}.items():
            builder.teacher.metadata.options[key] = value
        return builder

    def batch_job(
        self, frames: FrameSetData, attempt: int, classes: Sequence[str]
    ) -> tuple[Any, dict[str, Any]]:
        inputs = self.exposed_inputs(AseLabelCalculation, namespace="teacher")
        inputs["frames"] = frames
        return AseLabelCalculation, inputs


def _validate_inputs(value: Mapping[str, Any], port: Any) -> str | None:
    if "frames" not in value or "teacher" not in value:
        return None
    return AseLabelCalculation.validate_inputs(
        {**value["teacher"], "frames": value["frames"]}, port
    )
