"""``VaspLabelWorkChain``: label frames by DFT with VASP, through aiida-vasp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder
from aiida_vasp.workchains.v2.vasp import VaspWorkChain

from ...calculations.functions.vasp import frame_structure, read_vasp_label
from ...calculations.vasp_settings import VaspSettings
from ...data.frames import FrameSetData
from ..protocols import load_protocol
from ..vasp import (
    NAMESPACE,
    charge_problem,
    expose_vasp,
    fill_vasp,
    patient_settings,
    readable_run,
    vasp_job,
    vasp_level,
)
from .base import LabelWorkChain
from .failures import failure_record


class VaspLabelWorkChain(LabelWorkChain):
    """Label frames one by one: VASP evaluates one frame a run.

    Each is a WorkChain of aiida-vasp, whose handlers mend what they know; what a handler made of
    other physics than asked is no label.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        expose_vasp(spec)
        spec.inputs["batch_size"].default = lambda: orm.Int(1)
        spec.inputs["batch_size"].validator = _validate_batch_size
        spec.inputs.validator = _validate_inputs

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        potential_family: str,
        frames: FrameSetData | None = None,
        elements: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
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
        frames
            Frames to label; may be set later, then ``elements`` says what they hold.
        settings
            Changes of the protocol's ``settings``, on top of ``overrides``; ``potentials`` names
            POTCARs other than those of the elements' own names.
        overrides
            Values of ``protocols/vasp.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_inputs(protocol, overrides, settings)
        builder = cls.get_builder()
        if frames is not None:
            builder.frames = frames
        builder.quorum = orm.Float(inputs["quorum"])
        builder.reuse_labels = orm.Bool(inputs["reuse_labels"])
        builder.max_concurrent = orm.Int(max_concurrent or inputs["max_concurrent"])
        fill_vasp(
            builder[NAMESPACE],
            code,
            inputs,
            [*elements, *(frames.elements if frames is not None else ())],
            potential_family,
            {"max_wallclock_seconds": inputs["max_wallclock_seconds"], **(options or {})},
        )
        return builder

    def level_of_theory(self) -> dict[str, Any]:
        return vasp_level(self.inputs[NAMESPACE], self.inputs.frames.elements)

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        batch = self.ctx.batches[label]
        structure = self.run_once(
            f"{label}_structure",
            frame_structure,
            frames=self.inputs.frames,
            index=orm.Int(batch["indices"][0]),
        )["result"]
        settings = self._settings(batch)
        inputs = self.exposed_inputs(VaspWorkChain, namespace=NAMESPACE)
        return VaspWorkChain, vasp_job(inputs, structure, settings)

    def _settings(self, batch: Mapping[str, Any]) -> VaspSettings:
        settings = VaspSettings.model_validate(self.inputs[NAMESPACE].parameters.get_dict())
        return patient_settings(settings) if "scf_unconverged" in batch["classes"] else settings

    def batch_outputs(self, label: str) -> Mapping[str, Any]:
        """Return the label of the frame, read from its last run, or the failure."""
        index = self.ctx.batches[label]["indices"][0]
        run, problem = readable_run(self.ctx[label])
        if run is None:
            identity = self.inputs.frames.frames.identities()[index]
            return {"failures": {"failures": [failure_record(index, identity, *problem)]}}
        return self.run_once(
            f"{label}_label",
            read_vasp_label,
            frames=self.inputs.frames,
            index=orm.Int(index),
            trajectory=run.outputs.trajectory,
            version=orm.Str(run.outputs.misc["version"]),
            level_of_theory=orm.Dict(self.level_of_theory()),
            max_scf=orm.Int(run.inputs.parameters["nelm"]),
        )


def load_inputs(
    protocol: str | None,
    overrides: Mapping[str, Any] | None,
    settings: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the inputs of ``protocols/vasp.yaml``; ``settings`` go on top of ``overrides``."""
    changes = dict(overrides or {})
    merged = {**changes.get("settings", {}), **(settings or {})}
    return load_protocol("vasp", protocol, {**changes, "settings": merged})


def _validate_batch_size(value: orm.Int | None, _: Any) -> str | None:
    if value is not None and value.value != 1:
        return f"batch_size is {value.value}, expected 1: VASP evaluates one frame a run"
    return None


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    if "frames" not in value or NAMESPACE not in value:
        return None
    try:
        vasp_level(value[NAMESPACE], value["frames"].elements)
    except ValueError as error:
        return str(error)
    return charge_problem(value[NAMESPACE], value["frames"].frames)
