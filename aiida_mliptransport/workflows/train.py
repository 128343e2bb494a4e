"""Train a committee of potentials that differ only in their seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, while_

from ..backends.deepmd_input import DeepmdTrainParameters
from ..calculations.deepmd_train import DeepmdTrainCalculation, check_frames, check_parent
from ..calculations.functions.training import summarize_training
from ..calculations.parameters import validation_message
from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from . import validators
from .naming import derived_seed
from .protocols import load_protocol
from .submission import FanOutWorkChain, failure_reason

#: Below two members there is no deviation and so no active learning.
QUORUM = 2

#: Failures of chance, after which another seed may do.
UNLUCKY = ("ERROR_NAN_IN_LEARNING_CURVE", "ERROR_DIVERGED")

#: Failures after which the checkpoint goes on.
RESTARTABLE = ("ERROR_OUT_OF_WALLTIME", "ERROR_TRAINING_INTERRUPTED")

#: A member without a compressed model is slower, and complete.
USABLE = ("ERROR_COMPRESS_FAILED",)


class TrainWorkChain(FanOutWorkChain):
    """Train, retry once with another seed, go on from checkpoints, and need only a quorum."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input_namespace(
            "frames",
            valid_type=FrameSetData,
            dynamic=True,
            help="Labelled frames of one level of theory, one node an iteration.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=_validate_parameters,
            help="Parameters of mliptransport.deepmd.train.",
        )
        spec.input(
            "type_map",
            valid_type=orm.List,
            serializer=orm.to_aiida_type,
            help="Chemical symbols in the order of the model's type indices.",
        )
        spec.input(
            "committee_size",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Int(4),
            validator=validators.count("committee_size"),
            help="Number of members.",
        )
        spec.input(
            "seed",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Int(1),
            help="Base seed; each member's own is derived from it and the number of the member.",
        )
        spec.input_namespace(
            "parents",
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help="Committee to start from (member_0, …); the members are then finetuned.",
        )
        spec.input(
            "max_restarts",
            valid_type=orm.Int,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Int(10),
            help="How often a member may go on from its checkpoint.",
        )
        spec.expose_inputs(
            DeepmdTrainCalculation,
            namespace="train",
            exclude=("frames", "parameters", "type_map", "seed", "parent", "checkpoint"),
        )
        spec.inputs.validator = _validate_inputs
        spec.output_namespace(
            "potentials",
            valid_type=PotentialData,
            dynamic=True,
            help="member_0, member_1, …; those whose training failed are left out.",
        )
        spec.output_namespace(
            "learning_curves",
            valid_type=orm.ArrayData,
            dynamic=True,
            required=False,
            help="Learning curve of each member that gave a potential.",
        )
        spec.output(
            "results",
            valid_type=orm.Dict,
            help="What became of each member, and its last training errors.",
        )
        spec.exit_code(
            310,
            "ERROR_QUORUM_NOT_REACHED",
            message="{trained} of {size} members were trained, {quorum} are needed: {reason}",
        )
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.results,
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        frames: Mapping[str, FrameSetData],
        type_map: Sequence[str],
        parents: Mapping[str, PotentialData] | None = None,
        seed: int = 1,
        max_concurrent: int = 2,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with the inputs of a protocol (``protocols/train.yaml``).

        Parameters
        ----------
        code
            ``dp`` of DeePMD-kit.
        frames
            Labelled frames, by name.
        type_map
            Chemical symbols.
        parents
            Committee to start from.
        """
        inputs = load_protocol("train", protocol, overrides)
        builder = cls.get_builder()
        builder.frames = dict(frames)
        builder.type_map = orm.List(list(type_map))
        builder.parameters = orm.Dict(inputs["parameters"])
        builder.committee_size = orm.Int(inputs["committee_size"])
        builder.max_restarts = orm.Int(inputs["max_restarts"])
        builder.seed = orm.Int(seed)
        builder.max_concurrent = orm.Int(max_concurrent)
        if parents:
            builder.parents = dict(parents)
        builder.train.code = code
        builder.train.metadata.options = {**inputs["options"], **(options or {})}
        return builder

    def setup(self) -> None:
        """Name the members; the jobs that a member needs are counted in the context."""
        self.ctx.members = [f"member_{i}" for i in range(self.inputs.committee_size.value)]
        #: Job label to what the job is: member, whether with another seed, which checkpoint.
        self.ctx.jobs = {
            member: {"member": member, "retry": False, "restarts": 0, "checkpoint_of": None}
            for member in self.ctx.members
        }
        self.ctx.done = {}
        self.ctx.reason = ""
        self.ctx.pending = list(self.ctx.members)
        frames = sum(node.n_frames for node in self.inputs.frames.values())
        self.report(f"{len(self.ctx.members)} members on {frames} frames")

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return one training of a member: its first, one with another seed, or a restart."""
        job = self.ctx.jobs[label]
        number = self.ctx.members.index(job["member"])
        purpose = "retry" if job["retry"] else "member"
        inputs = {
            **self.exposed_inputs(DeepmdTrainCalculation, "train"),
            "frames": self.inputs.frames,
            "parameters": self.inputs.parameters,
            "type_map": self.inputs.type_map,
            "seed": orm.Int(derived_seed(self.inputs.seed.value, purpose, number)),
        }
        parents = self.inputs.get("parents", {})
        if parents:
            # A committee that lost a member gives one of its potentials to two children.
            names = sorted(parents)
            inputs["parent"] = parents.get(job["member"], parents[names[number % len(names)]])
        if job["checkpoint_of"] is not None:
            inputs["checkpoint"] = self.child(job["checkpoint_of"]).outputs.remote_folder
        return DeepmdTrainCalculation, inputs

    def job_ended(self, label: str) -> None:
        """Keep what was trained; retry bad luck once, and go on where time ran out."""
        job, node = self.ctx.jobs[label], self.child(label)
        status = _exit_label(node)
        if node is not None and "potential" in node.outputs and status in (None, *USABLE):
            self.ctx.done[job["member"]] = label
            if status in USABLE:
                self.report(f"{label}: {node.exit_message}")
            return
        reason = failure_reason(node)
        following = self._following(job, label, status)
        self.report(
            f"{label} failed: {reason}; " + (f"next {following}" if following else "given up")
        )
        if following is None:
            self.ctx.reason = self.ctx.reason or f"{label}: {reason}"
        elif following not in self.ctx.jobs:
            self.ctx.pending.append(following)
            self.ctx.jobs[following] = self._changed(job, label, status)

    def _following(self, job: Mapping[str, Any], label: str, status: str | None) -> str | None:
        """Return the label of the job that comes after a failed one, or None to give up."""
        if status in UNLUCKY and not job["retry"]:
            return f"{job['member']}_retry"
        # A worker that was killed right after the upload leaves a job without this output.
        kept = status in RESTARTABLE and "remote_folder" in self.child(label).outputs
        if kept and job["restarts"] < self.inputs.max_restarts.value:
            base = f"{job['member']}_retry" if job["retry"] else job["member"]
            return f"{base}_restart_{job['restarts'] + 1}"
        return None

    def _changed(self, job: Mapping[str, Any], label: str, status: str | None) -> dict[str, Any]:
        if status in UNLUCKY:
            return {**job, "retry": True, "restarts": 0, "checkpoint_of": None}
        return {**job, "restarts": job["restarts"] + 1, "checkpoint_of": label}

    def results(self) -> Any:
        """Attach the members that were trained, and say whether they are enough."""
        nodes = {member: self.child(label) for member, label in sorted(self.ctx.done.items())}
        summary = self.run_once(
            "summarize_training",
            summarize_training,
            expected=orm.List(self.ctx.members),
            **{member: node.outputs.results for member, node in nodes.items()},
        )
        self.out("results", summary["result"])
        if nodes:
            self.out("potentials", {m: node.outputs.potential for m, node in nodes.items()})
            self.out("learning_curves", {m: n.outputs.learning_curve for m, n in nodes.items()})
        quorum = min(QUORUM, len(self.ctx.members))
        if len(nodes) < quorum:
            return self.exit_codes.ERROR_QUORUM_NOT_REACHED.format(
                trained=len(nodes),
                size=len(self.ctx.members),
                quorum=quorum,
                reason=self.ctx.reason,
            )
        self.report(f"{len(nodes)} of {len(self.ctx.members)} members trained")
        return None


def _exit_label(node: orm.ProcessNode | None) -> str | None:
    """Return the name of a training's exit code; None if it succeeded, empty if it excepted."""
    if node is None or not node.is_finished:
        return ""
    if node.is_finished_ok:
        return None
    codes = DeepmdTrainCalculation.exit_codes
    return next((name for name, code in codes.items() if code.status == node.exit_status), "")


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(DeepmdTrainParameters, value.get_dict())


def _validate_inputs(value: Mapping[str, Any], namespace: Any) -> str | None:
    if "frames" in namespace and not value.get("frames"):
        return "frames is empty, expected one or more labelled frame sets"
    type_map = value.get("type_map")
    for name, parent in (value.get("parents") or {}).items():
        problem = check_parent({"parent": parent, **({"type_map": type_map} if type_map else {})})
        if problem:
            return f"parents.{name}: {problem}"
    return check_frames(value)
