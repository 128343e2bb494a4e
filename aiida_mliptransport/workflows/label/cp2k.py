"""``Cp2kLabelWorkChain``: label frames by DFT with CP2K."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ...calculations.cp2k import TASK_INPUTS, Cp2kLabelCalculation
from ...calculations.cp2k_data import find_data_folder, load_files
from ...calculations.cp2k_job import job_level_of_theory
from ...data.frames import FrameSetData
from ..protocols import load_protocol
from .base import LabelWorkChain
from .cp2k_scf import retry_settings


class Cp2kLabelWorkChain(LabelWorkChain):
    """Label frames in batches, each a CP2K run over given frames of one composition."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.expose_inputs(
            Cp2kLabelCalculation,
            namespace="cp2k",
            exclude=TASK_INPUTS,
        )
        spec.inputs.validator = _validate_inputs

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        frames: FrameSetData | None = None,
        settings: Mapping[str, Any] | None = None,
        data_folder: str | Path | None = None,
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
        frames
            Frames to label; may be set later.
        settings
            Changes of the protocol's ``settings``, on top of ``overrides``.
        data_folder
            CP2K's data folder on this machine; default: CP2K_DATA_DIR, or beside the executable.
        overrides
            Values of ``protocols/cp2k.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_inputs(protocol, overrides, settings)
        builder = cls.get_builder()
        if frames is not None:
            builder.frames = frames
        builder.batch_size = orm.Int(inputs["batch_size"])
        builder.quorum = orm.Float(inputs["quorum"])
        builder.reuse_labels = orm.Bool(inputs["reuse_labels"])
        builder.max_concurrent = orm.Int(max_concurrent or inputs["max_concurrent"])
        fill_job(builder.cp2k, code, inputs, data_folder)
        builder.cp2k.metadata.options = {
            "max_wallclock_seconds": inputs["max_wallclock_seconds"],
            **(options or {}),
        }
        return builder

    def level_of_theory(self) -> dict[str, Any]:
        return job_level_of_theory(self.inputs.cp2k)

    def _add_batches(
        self, prefix: str, indices: list[int], size: int, attempt: int, classes: list[str]
    ) -> None:
        """Split the indices by composition first: CP2K reads a trajectory of one."""
        frames = self.inputs.frames.frames
        groups: dict[int, list[int]] = {}
        for index in indices:
            groups.setdefault(frames.locate(index)[0], []).append(index)
        for number, group in groups.items():
            name = prefix if len(groups) == 1 else f"{prefix}_system_{number:03d}"
            super()._add_batches(name, group, size, attempt, classes)

    def batch_job(
        self, frames: FrameSetData, attempt: int, classes: Sequence[str]
    ) -> tuple[Any, dict[str, Any]]:
        inputs = self.exposed_inputs(Cp2kLabelCalculation, namespace="cp2k")
        inputs["frames"] = frames
        unconverged = list(classes).count("scf_unconverged")
        if unconverged:
            content = inputs["parameters"].get_dict()
            inputs["parameters"] = orm.Dict(retry_settings(content)[unconverged - 1])
        return Cp2kLabelCalculation, inputs

    def max_retries(self, kind: str) -> int:
        if kind == "scf_unconverged":
            return len(retry_settings(self.inputs.cp2k.parameters.get_dict()))
        return super().max_retries(kind)


def load_inputs(
    protocol: str | None,
    overrides: Mapping[str, Any] | None,
    settings: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the inputs of ``protocols/cp2k.yaml``; ``settings`` go on top of ``overrides``."""
    changes = dict(overrides or {})
    merged = dict(changes.get("settings", {}))
    for key, value in (settings or {}).items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = {**merged[key], **value} if both else value
    return load_protocol("cp2k", protocol, {**changes, "settings": merged})


def fill_job(
    job: Any, code: orm.AbstractCode, inputs: Mapping[str, Any], data_folder: str | Path | None
) -> None:
    """Set code, settings and data files of an exposed namespace of :class:`Cp2kLabelCalculation`.

    Raises
    ------
    Cp2kDataError
        If the data folder or a file in it is missing.
    """
    job.code = code
    job.parameters = orm.Dict(dict(inputs["settings"]))
    folder = data_folder or find_data_folder(getattr(code, "filepath_executable", None))
    names = inputs["files"]
    corrected = inputs["settings"]["dispersion"] != "none"
    job.files = load_files(
        folder,
        basis_set=list(names["basis_set"]),
        potential=names["potential"],
        dispersion=names["dispersion"] if corrected else None,
    )


def _validate_inputs(value: Mapping[str, Any], port: Any) -> str | None:
    if "frames" not in value or "cp2k" not in value:
        return None
    for number in range(len(value["frames"].frames.systems)):
        # One composition at a time, as the jobs get them.
        part = FrameSetData(_system(value["frames"], number))
        message = Cp2kLabelCalculation.validate_inputs({**value["cp2k"], "frames": part}, port)
        if message is not None:
            return message
    return None


def _system(frames: FrameSetData, number: int) -> Any:
    return type(frames.frames)((frames.frames.systems[number].without_labels(),))
