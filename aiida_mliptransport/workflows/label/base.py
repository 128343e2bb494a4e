"""``LabelWorkChain``: label frames in batches; one node of labels and a table of failures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import calcfunction, while_

from ...data.frames import FrameSetData
from ...data.level_of_theory import common_level, complete_level_of_theory
from ...science.frames import Frames, System
from ..submission import FanOutWorkChain, failure_reason

#: How often frames of a failed batch are tried in all.
MAX_ATTEMPTS = 2

#: A failed batch is retried in batches of this share of its size.
RETRY_SHARE = 4


class LabelWorkChain(FanOutWorkChain):
    """Label frames with one engine; subclasses give the job of one batch.

    A subclass implements :meth:`batch_job`. Its job has the outputs ``frames`` (labelled frames
    that keep the identity of the given ones) and ``failures`` (Dict, see
    :func:`failure_record`); both may be missing when it crashed.
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
            "'n_tried': frames that count against a budget; 'n_labelled'.",
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
            0 first; 1 when the frames are tried again.
        classes
            Classes of failure of the first attempt; a handler may change settings that do not
            belong to the level of theory.
        """
        raise NotImplementedError

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
        total = self.inputs.frames.n_frames
        # Few frames are spread over all jobs that may run at once.
        size = min(
            self.inputs.batch_size.value, math.ceil(total / self.inputs.max_concurrent.value)
        )
        self._add_batches("batch", list(range(total)), size, 0, [])
        self.report(f"{total} frames in {len(self.ctx.pending)} batches")
        return None

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
        """Retry the frames of a batch that got no label, once and in smaller batches."""
        batch = self.ctx.batches[label]
        failures = self._batch_failures(label)
        if not failures:
            return
        classes = sorted({failure["class"] for failure in failures})
        node = self.ctx[label]
        where = f"{label}: {len(failures)} of {len(batch['indices'])} frames without a label"
        reason = f"{', '.join(classes)}; exit status {node.exit_status}"
        if batch["attempt"] + 1 >= MAX_ATTEMPTS:
            self.report(f"{where} ({reason}), quarantined")
            self.ctx.quarantined.extend(failures)
            return
        size = max(1, min(len(failures), len(batch["indices"])) // RETRY_SHARE)
        self.report(f"{where} ({reason}), tried again in batches of {size}")
        self._add_batches(
            f"{label}_retry",
            [failure["index"] for failure in failures],
            size,
            batch["attempt"] + 1,
            classes,
        )

    def _batch_failures(self, label: str) -> list[dict[str, Any]]:
        """Return the failures of one batch, with indices counted in the input frames."""
        node = self.ctx[label]
        indices = self.ctx.batches[label]["indices"]
        identities = self.inputs.frames.frames.identities()
        labelled = set(node.outputs.frames.frames.identities()) if "frames" in node.outputs else ()
        known: Mapping[str, Any] = {}
        if "failures" in node.outputs:
            known = {f["identity"]: f for f in node.outputs.failures["failures"]}
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
        batches = {
            label: self.ctx[label].outputs.frames
            for label in self.ctx.batches
            if "frames" in self.ctx[label].outputs
        }
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


def failure_record(index: int, identity: str, kind: str, message: str) -> dict[str, Any]:
    """Return one line of a table of failures.

    ``kind`` is ``scf_unconverged``, ``not_finite``, ``crashed``, ``walltime`` or
    ``missing_output``.
    """
    return {"index": index, "identity": identity, "class": kind, "message": message}


def _without_label(node: orm.ProcessNode) -> str:
    return "the job ended without a label" if node.is_finished_ok else failure_reason(node)


def failure_class(node: orm.ProcessNode) -> str:
    """Return the class of failure of frames that a job lost without naming them."""
    if node.exit_status == 400:
        return "walltime"
    return "missing_output" if node.is_finished_ok else "crashed"


@calcfunction
def take_unlabelled_frames(frames: FrameSetData, indices: orm.List) -> FrameSetData:
    """Return the frames at ``indices`` without labels, in that order."""
    return FrameSetData(frames.frames.without_labels().take(indices.get_list()))


@calcfunction
def join_labels(
    frames: FrameSetData, quarantined: orm.List, **batches: FrameSetData
) -> dict[str, Any]:
    """Join labelled batches in the order of ``frames``; what has no label is in ``failures``."""
    labels: dict[str, System] = {}
    for name in sorted(batches):
        part = batches[name].frames
        for index, identity in enumerate(part.identities()):
            labels[identity] = part.take([index]).systems[0]
    identities = frames.frames.identities()
    joined = Frames.join(labels[identity] for identity in identities if identity in labels)
    failures = quarantined.get_list()
    outputs: dict[str, Any] = {
        "failures": orm.Dict(
            {"failures": failures, "n_tried": len(identities), "n_labelled": joined.n_frames}
        )
    }
    if joined.n_frames:
        outputs["frames"] = labelled_node(joined, batches)
    return outputs


def labelled_node(frames: Frames, parts: Mapping[str, FrameSetData]) -> FrameSetData:
    """Return a node of ``frames`` that bears the level of theory and versions of ``parts``.

    Raises
    ------
    MixedLevelsOfTheoryError
        If the parts differ in more than the Γ-only cell, or the frames do not belong together.
    """
    level = common_level({name: node.level_of_theory or {} for name, node in parts.items()})
    versions = sorted({n.engine_version for n in parts.values() if n.engine_version})
    return FrameSetData(
        frames,
        level_of_theory=complete_level_of_theory(level, frames),
        engine_version=", ".join(versions) or None,
    )


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
