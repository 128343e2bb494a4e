"""``LabelWorkChain``: label frames in batches; one node of labels and a table of failures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import while_

from ...calculations.functions.labels import (
    join_labels,
    take_known_labels,
    take_unlabelled_frames,
)
from ...data.frames import FrameSetData
from ...data.known_labels import find_known_labels
from ...data.level_of_theory import complete_level_of_theory
from ..submission import FanOutWorkChain, failure_reason
from .failures import failure_class, failure_record

#: A lone frame that needs more memory or time than its job has will need it again.
_ONLY_IN_SMALLER_BATCHES = ("out_of_memory", "walltime")

#: A failed batch is retried in batches of this share of its size.
RETRY_SHARE = 4


class LabelWorkChain(FanOutWorkChain):
    """Label frames with one engine; subclasses give the job of one batch.

    A subclass implements :meth:`batch_job`. Its job has the outputs ``frames`` (labelled frames
    that keep the identity of the given ones) and ``failures`` (Dict, see
    :func:`~.failures.failure_record`); both may be missing when it crashed. Where a job of another
    package has other outputs, :meth:`batch_outputs` makes these of them.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input(
            "frames",
            valid_type=FrameSetData,
            validator=_validate_frames,
            help="Frames to label. Labels that they have are not used.",
        )
        spec.input(
            "batch_size",
            valid_type=orm.Int,
            default=lambda: orm.Int(16),
            validator=_validate_batch_size,
            help="Frames that one job labels at most; fewer where jobs would stand idle.",
        )
        spec.input(
            "quorum",
            valid_type=orm.Float,
            default=lambda: orm.Float(0.8),
            validator=validate_quorum,
            help="Share of the frames (0 to 1) that must get a label.",
        )
        spec.input(
            "reuse_labels",
            valid_type=orm.Bool,
            default=lambda: orm.Bool(True),
            help="Take labels of the same frames at the same level of theory from anywhere in the "
            "profile instead of computing them again.",
        )
        spec.output(
            "frames",
            valid_type=FrameSetData,
            required=False,
            help="Labelled frames in the given order, without those that failed: energies eV, "
            "forces eV/Å, stresses eV/Å³ (ASE's sign, no kinetic part).",
        )
        spec.output(
            "failures",
            valid_type=orm.Dict,
            help="'failures': index, identity, class and message of every frame without a label; "
            "'n_tried': frames that count against a budget; 'n_labelled'; 'n_known': those of "
            "them whose label the profile had.",
        )
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.results,
        )
        spec.exit_code(
            201,
            "ERROR_INVALID_FRAMES",
            message="These frames cannot be labelled together: {reason}",
        )
        spec.exit_code(
            310,
            "ERROR_QUORUM_NOT_REACHED",
            message="{labelled} of {total} frames got a label, expected a share of {quorum}; see "
            "the output 'failures'.",
        )

    def batch_job(
        self, frames: FrameSetData, attempt: int, classes: Sequence[str]
    ) -> tuple[Any, dict[str, Any]]:
        """Return the process class and the inputs that label ``frames``.

        Parameters
        ----------
        frames
            The batch.
        attempt
            0 first; 1, 2, … when the frames are tried again.
        classes
            Class of failure of each attempt before, in order; a handler may change settings that do
            not belong to the level of theory.
        """
        raise NotImplementedError

    def max_retries(self, kind: str) -> int:
        """Return how often frames that failed with a class of failure are tried again."""
        return 1

    def batch_outputs(self, label: str) -> Mapping[str, Any]:
        """Return the outputs ``frames`` and ``failures`` of a batch, as far as there are."""
        return self.ctx[label].outputs

    def level_of_theory(self) -> dict[str, Any]:
        """Return what is known of the level of theory before the first job (may be empty)."""
        return {}

    def setup(self) -> Any:
        """Split the frames into batches that keep their order."""
        try:
            complete_level_of_theory(self.level_of_theory(), self.inputs.frames.frames)
        except ValueError as error:
            return self.exit_codes.ERROR_INVALID_FRAMES.format(reason=str(error))
        self.ctx.batches = {}
        self.ctx.pending = []
        self.ctx.quarantined = []
        known = self._known_labels()
        labelled = set(known.frames.identities()) if known is not None else set()
        identities = self.inputs.frames.frames.identities()
        wanted = [i for i, identity in enumerate(identities) if identity not in labelled]
        if known is not None:
            self.report(f"{known.n_frames} frames have their label already")
        if wanted:
            # Few frames are spread over all jobs that may run at once.
            size = min(
                self.inputs.batch_size.value,
                math.ceil(len(wanted) / self.inputs.max_concurrent.value),
            )
            self._add_batches("batch", wanted, size, 0, [])
        self.report(f"{len(wanted)} frames in {len(self.ctx.pending)} batches")
        return None

    def _known_labels(self) -> FrameSetData | None:
        """Return the labels that the profile has of the frames, as one node made of them."""
        if not self.inputs.reuse_labels.value:
            return None
        sources = {}
        if self.child("known_labels") is None:
            sources = find_known_labels(self.level_of_theory(), self.inputs.frames.frames)
            if not sources:
                return None
        made = self.run_once(
            "known_labels", take_known_labels, frames=self.inputs.frames, **sources
        )
        self.ctx.known = made["result"]
        return made["result"]

    def _add_batches(
        self, prefix: str, indices: list[int], size: int, attempt: int, classes: list[str]
    ) -> None:
        for number, start in enumerate(range(0, len(indices), size)):
            label = f"{prefix}_{number:03d}"
            self.ctx.batches[label] = {
                "indices": indices[start : start + size],
                "attempt": attempt,
                "classes": classes,
            }
            self.ctx.pending.append(label)

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        batch = self.ctx.batches[label]
        frames = self.inputs.frames
        if len(batch["indices"]) < frames.n_frames:
            frames = self.run_once(
                f"{label}_frames",
                take_unlabelled_frames,
                frames=frames,
                indices=orm.List(list(batch["indices"])),
            )["result"]
        return self.batch_job(frames, batch["attempt"], batch["classes"])

    def job_ended(self, label: str) -> None:
        """Try the frames of a batch that got no label again, each class of failure apart."""
        failures = self._batch_failures(label)
        if not failures:
            return
        by_class: dict[str, list[dict[str, Any]]] = {}
        for failure in failures:
            by_class.setdefault(failure["class"], []).append(failure)
        for kind in sorted(by_class):
            suffix = "retry" if len(by_class) == 1 else f"retry_{kind}"
            self._retry_or_quarantine(label, f"{label}_{suffix}", kind, by_class[kind])

    def _retry_or_quarantine(
        self, label: str, retry: str, kind: str, failures: list[dict[str, Any]]
    ) -> None:
        """Try frames that failed with one class again in smaller batches, where that may help."""
        batch = self.ctx.batches[label]
        total = len(batch["indices"])
        where = (
            f"{label}: {len(failures)} of {total} frames without a label ({kind}; exit status "
            f"{self.ctx[label].exit_status})"
        )
        alone = total == 1 and kind in _ONLY_IN_SMALLER_BATCHES
        if alone or batch["classes"].count(kind) >= self.max_retries(kind):
            self.report(f"{where}, quarantined")
            self.ctx.quarantined.extend(failures)
            return
        size = max(1, len(failures) // RETRY_SHARE)
        self.report(f"{where}, tried again in batches of {size}")
        indices = [failure["index"] for failure in failures]
        classes = [*batch["classes"], kind]
        self._add_batches(retry, indices, size, batch["attempt"] + 1, classes)

    def _batch_failures(self, label: str) -> list[dict[str, Any]]:
        """Return the failures of one batch, with indices counted in the input frames."""
        node = self.ctx[label]
        indices = self.ctx.batches[label]["indices"]
        identities = self.inputs.frames.frames.identities()
        outputs = self.batch_outputs(label)
        labelled = set(outputs["frames"].frames.identities()) if "frames" in outputs else ()
        known: Mapping[str, Any] = {}
        if "failures" in outputs:
            known = {f["identity"]: f for f in outputs["failures"]["failures"]}
        failures = []
        for index in indices:
            identity = identities[index]
            if identity in labelled:
                continue
            record = known.get(identity, {})
            failures.append(
                failure_record(
                    index,
                    identity,
                    record.get("class", failure_class(node)),
                    record.get("message", _without_label(node)),
                )
            )
        return failures

    def results(self) -> Any:
        """Join the labels of all batches and check the quorum."""
        total = self.inputs.frames.n_frames
        outputs = {label: self.batch_outputs(label) for label in self.ctx.batches}
        batches = {label: found["frames"] for label, found in outputs.items() if "frames" in found}
        if "known" in self.ctx:
            batches["known"] = self.ctx.known
        joined = self.run_once(
            "join_labels",
            join_labels,
            frames=self.inputs.frames,
            quarantined=orm.List(sorted(self.ctx.quarantined, key=lambda f: f["index"])),
            **batches,
        )
        self.out("failures", joined["failures"])
        labelled = 0
        if "frames" in joined:
            self.out("frames", joined["frames"])
            labelled = joined["frames"].n_frames
        self.report(f"{labelled} of {total} frames labelled")
        if labelled < self.inputs.quorum.value * total or labelled == 0:
            return self.exit_codes.ERROR_QUORUM_NOT_REACHED.format(
                labelled=labelled, total=total, quorum=self.inputs.quorum.value
            )
        return None


def _without_label(node: orm.ProcessNode) -> str:
    return "the job ended without a label" if node.is_finished_ok else failure_reason(node)


def validate_quorum(value: orm.Float | None, _: Any) -> str | None:
    """Refuse a quorum outside of 0 to 1."""
    if value is not None and not 0.0 <= value.value <= 1.0:
        return f"quorum is {value.value}, expected a share between 0 and 1"
    return None


def _validate_frames(value: FrameSetData | None, _: Any) -> str | None:
    if value is not None and value.n_frames == 0:
        return "frames holds no frame, expected one or more"
    return None


def _validate_batch_size(value: orm.Int | None, _: Any) -> str | None:
    if value is not None and value.value < 1:
        return f"batch_size is {value.value}, expected 1 or more"
    return None
