"""Parser of ``DeepmdTrainCalculation``: potential, learning curve, and what went wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from ..backends.deepmd_input import (
    LEARNING_CURVE,
    DeepmdTrainParameters,
    commands,
    model_cutoff,
    trains_on_stress,
)
from ..backends.frozen_graph import canonical_graph
from ..calculations.deepmd_train import RESOLVED_INPUT
from ..calculations.walltime import WALLTIME_FILE
from ..data.potential import PotentialData
from ..science.learning_curve import LearningCurve, LearningCurveError, read_learning_curve
from .disk import disk_full_is_declared
from .framework import version_warnings
from .text import read_text

#: AiiDA's own code for a job that its scheduler ended at the time limit.
SCHEDULER_OUT_OF_WALLTIME = 120

#: Lines of a log that are no reason for a failure.
_NOISE = re.compile(r"libcud|implib-gen|^\s*$")


class DeepmdTrainParser(Parser):
    """Read one training."""

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach what there is, and name the first thing that went wrong."""
        self._temporary = Path(kwargs["retrieved_temporary_folder"])
        self._parameters = DeepmdTrainParameters.model_validate(
            self.node.inputs.parameters.get_dict()
        )
        self._names = set(self.retrieved.base.repository.list_object_names())
        try:
            curve = read_learning_curve(self._read(LEARNING_CURVE))
        except LearningCurveError:
            if self._out_of_walltime:
                return self.exit_codes.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT
            return self.exit_codes.ERROR_TRAINING_FAILED.format(reason=self._reason("train.log"))
        self._attach_curve(curve)

        broken = curve.first_broken_step()
        if broken is not None:
            return self.exit_codes.ERROR_NAN_IN_LEARNING_CURVE.format(step=broken)
        unfinished = self._check_finished(curve)
        if unfinished is not None:
            return unfinished
        rmse, ratio = curve.final_force_rmse(), curve.final_force_rmse() / self._force_rms()
        if ratio > self._parameters.divergence_ratio:
            return self.exit_codes.ERROR_DIVERGED.format(rmse=rmse, ratio=ratio)
        return self._attach_potential()

    @property
    def _out_of_walltime(self) -> bool:
        return WALLTIME_FILE in self._names or self.node.exit_status == SCHEDULER_OUT_OF_WALLTIME

    def _check_finished(self, curve: LearningCurve) -> ExitCode | None:
        """Return why there is no final model to freeze, or None."""
        steps = self._parameters.training.numb_steps
        frozen = self._model_file("freeze")
        has_checkpoint = "checkpoint" in self._names
        if self._out_of_walltime and not frozen.exists():
            if has_checkpoint:
                return self.exit_codes.ERROR_OUT_OF_WALLTIME.format(step=curve.last_step)
            return self.exit_codes.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT
        if curve.last_step < steps - steps % self._parameters.training.disp_freq:
            # A model frozen from an earlier checkpoint looks complete, and is not.
            if has_checkpoint:
                return self.exit_codes.ERROR_TRAINING_INTERRUPTED.format(
                    step=curve.last_step, steps=steps, reason=self._reason("train.log")
                )
            return self.exit_codes.ERROR_TRAINING_FAILED.format(reason=self._reason("train.log"))
        if not has_checkpoint:
            return self.exit_codes.ERROR_CHECKPOINT_MISSING.format(step=curve.last_step)
        return None

    def _attach_potential(self) -> ExitCode | None:
        frozen, compressed = self._model_file("freeze"), self._model_file("compress")
        if not frozen.exists() or frozen.stat().st_size == 0:
            return self.exit_codes.ERROR_FREEZE_FAILED.format(reason=self._reason("freeze.log"))
        files = {"model": frozen}
        failed = self._parameters.compress and not (
            compressed.exists() and compressed.stat().st_size
        )
        if self._parameters.compress and not failed:
            files["compressed"] = compressed
        for path in files.values():
            self._make_canonical(path)
        self.out(
            "potential",
            PotentialData(
                backend="deepmd",
                framework_version=self._framework_version(),
                type_map=self.node.inputs.type_map.get_list(),
                cutoff=model_cutoff(self._parameters),
                files=files,
                parameters=self._resolved(),
                seed=self.node.inputs.seed.value,
                trained_on_stress=trains_on_stress(self._parameters, self._has_stress()),
            ),
        )
        if not failed:
            return None
        reason = "out of wall clock time" if self._out_of_walltime else self._reason("compress.log")
        return self.exit_codes.ERROR_COMPRESS_FAILED.format(reason=reason)

    def _make_canonical(self, path: Path) -> None:
        """Let equal trainings give equal files, so that their nodes are equal too."""
        try:
            path.write_bytes(canonical_graph(path.read_bytes()))
        except ValueError as error:
            # Other backends of DeePMD-kit write other files.
            self.logger.info(f"{path.name} is stored as it is: {error}")

    def _attach_curve(self, curve: LearningCurve) -> None:
        array = orm.ArrayData()
        for name, values in curve.columns.items():
            array.set_array(name, curve.steps if name == "step" else values)
        self.out("learning_curve", array)
        frames = self._frame_sets()
        finals = {
            name: value
            for name in curve.columns
            if name.startswith("rmse") and np.isfinite(value := curve.final(name))
        }
        self.out(
            "results",
            orm.Dict(
                {
                    "n_frames": sum(node.n_frames for node in frames),
                    "force_rms_eV_A": self._force_rms(),
                    "has_stress": self._has_stress(),
                    "last_step": curve.last_step,
                    "final": finals,
                    "framework_version": self._framework_version(),
                    "backend": self._parameters.backend,
                    "warnings": self._version_warnings(),
                }
            ),
        )

    def _frame_sets(self) -> list[Any]:
        return list(self.node.inputs.frames.values())

    def _has_stress(self) -> bool:
        """Whether any frame has a stress, which is what DeePMD-kit trains its virial on."""
        return any(
            "stresses" in system["arrays"]
            for node in self._frame_sets()
            for system in node.base.attributes.get("systems")
        )

    def _force_rms(self) -> float:
        """Root mean square of all force components trained on, eV/Å."""
        squares = components = 0.0
        for node in self._frame_sets():
            count = sum(s["n_frames"] * s["n_atoms"] for s in node.base.attributes.get("systems"))
            squares += count * node.base.attributes.get("force_rms") ** 2
            components += count
        return float(np.sqrt(squares / components))

    def _resolved(self) -> dict[str, Any]:
        """Return the number of neighbours per type that dp train took from the data."""
        path = self._temporary / RESOLVED_INPUT
        if not path.exists():
            return {}
        try:
            sel = json.loads(path.read_bytes())["model"]["descriptor"].get("sel")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.logger.warning(f"{RESOLVED_INPUT} is not readable: {error!r}")
            return {}
        return {} if sel is None else {"sel": sel}

    def _model_file(self, step: str) -> Path:
        for name, arguments in commands(self._parameters, restart=False, parent=None):
            if name == step:
                return self._temporary / arguments[arguments.index("-o") + 1]
        return self._temporary / step

    def _read(self, name: str) -> str:
        return read_text(self.retrieved, name)

    def _reason(self, log: str) -> str:
        lines = [line for line in self._read(log).splitlines() if not _NOISE.search(line)]
        return lines[-1].strip() if lines else f"{log} is empty"

    def _version_warnings(self) -> list[str]:
        if "parent" not in self.node.inputs:
            return []
        parent = {"parent": self.node.inputs.parent}
        return version_warnings(parent, "dp", self._framework_version())

    def _framework_version(self) -> str:
        found = re.search(r"Source:\s+v?(\S+)", self._read("train.log"))
        return found.group(1) if found else ""
