"""Submit every child once, a few at a time, also when a killed worker runs a step again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState, WorkChain
from aiida.manage import get_manager

from .task_queue import has_no_task

#: How a process that a killed worker left behind is told apart in its exit message.
ORPHAN_MESSAGE = "left behind by a killed worker; replaced by a new process"


def find_child(parent: orm.ProcessNode, call_link_label: str) -> orm.ProcessNode | None:
    """Return the newest usable child that ``parent`` called under ``call_link_label``.

    A child is usable when it ended, or when it has a checkpoint from which a worker goes on.
    """
    links = parent.base.links.get_outgoing(
        link_type=(LinkType.CALL_CALC, LinkType.CALL_WORK), link_label_filter=call_link_label
    ).all()
    for node in sorted((link.node for link in links), key=lambda n: n.pk, reverse=True):
        if is_orphan(node) or node.is_excepted or node.is_killed:
            continue
        return node
    return None


def is_orphan(node: orm.ProcessNode) -> bool:
    """Whether a process can neither go on (it has no checkpoint) nor has ended.

    A calcfunction that runs right now looks the same; ask only for children of a process that no
    worker holds, as a step does for its own.
    """
    return not node.is_sealed and not node.is_terminated and node.checkpoint is None


def is_unclosed(node: orm.ProcessNode) -> bool:
    """Whether a process has ended, with all its outputs, and was not sealed.

    Its worker was killed in between, or is there right now: that takes some milliseconds.
    """
    return node.is_terminated and not node.is_sealed


def close(node: orm.ProcessNode) -> None:
    """Close a process that a killed worker left behind, so that archives can hold it.

    One that has ended keeps its state and outputs; any other is marked as excepted.
    """
    if not node.is_terminated:
        node.set_process_state(ProcessState.EXCEPTED)
        node.set_exception(ORPHAN_MESSAGE)
    node.delete_checkpoint()
    node.seal()


def failure_reason(node: orm.ProcessNode | None) -> str:
    """Return why a process failed, in its own words; an excepted one has no exit message."""
    if node is None:
        return "no process"
    return node.exit_message or node.exception or f"it is {node.process_state.value}"


class SubmitOnceWorkChain(WorkChain):
    """A WorkChain whose steps may run twice without doubling their children."""

    def child(self, call_link_label: str) -> orm.ProcessNode | None:
        """Return this process' child with that label, if there is a usable one."""
        return find_child(self.node, call_link_label)

    def _seal_orphans(self, call_link_label: str) -> None:
        for link in self.node.base.links.get_outgoing(
            link_type=(LinkType.CALL_CALC, LinkType.CALL_WORK), link_label_filter=call_link_label
        ).all():
            if is_orphan(link.node):
                self.report(f"sealed {link.node.process_label}<{link.node.pk}>: {ORPHAN_MESSAGE}")
                close(link.node)

    def submit_once(
        self, call_link_label: str, process: Any, inputs: Mapping[str, Any]
    ) -> orm.ProcessNode:
        """Submit ``process``, or adopt the child submitted under the same label before.

        A step that was interrupted in its fan-out by a killed worker runs again from its start.
        A child that has a checkpoint, or ended, is adopted; one that has neither is sealed as
        excepted and submitted anew. If no worker will hear of an adopted child, its task is sent.
        """
        known = self.child(call_link_label)
        if known is not None:
            by_worker = self.runner.is_daemon_runner
            if by_worker and has_no_task(known, get_manager().get_broker()):
                self.report(f"sent the task of {known.process_label}<{known.pk}> again")
                self.runner.controller.continue_process(known.pk, nowait=False, no_reply=True)
            return known
        self._seal_orphans(call_link_label)
        metadata = {**inputs.get("metadata", {}), "call_link_label": call_link_label}
        return self.submit(process, **{**inputs, "metadata": metadata})

    def run_once(
        self, call_link_label: str, function: Any, **inputs: Any
    ) -> dict[str, orm.Data | dict[str, Any]]:
        """Run a calcfunction, or take the outputs of the one run under the same label before.

        Returns
        -------
        dict
            Output label to node; a single unnamed output is called ``result``.
        """
        known = self.child(call_link_label)
        if known is None or not known.is_terminated:
            self._seal_orphans(call_link_label)
            _, known = function.run_get_node(
                **inputs, metadata={"call_link_label": call_link_label}
            )
        elif is_unclosed(known):
            close(known)
        if not known.is_finished_ok:
            raise RuntimeError(
                f"{known.process_label}<{known.pk}> failed: {known.exit_message or known.exception}"
            )
        return {link.link_label: link.node for link in known.base.links.get_outgoing(
            link_type=LinkType.CREATE
        ).all()}  # fmt: skip


class FanOutWorkChain(SubmitOnceWorkChain):
    """A WorkChain that runs many like jobs, at most ``max_concurrent`` at a time.

    A subclass sets ``self.ctx.pending`` (list of labels) and gives ``job(label)``; its outline
    holds ``while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs)``. ``job_ended(label)`` may put
    new labels into ``self.ctx.pending``, for example a retry.

    AiiDA goes on with a step when all children that it waits for have ended. So a step waits for
    the oldest running job only, and those that ended in the meantime are replaced with it.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input(
            "max_concurrent",
            valid_type=orm.Int,
            default=lambda: orm.Int(2),
            validator=_validate_max_concurrent,
            help="Jobs that run at the same time. AiiDA has no job limit on localhost.",
        )

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the process class and the inputs of the job called ``label``."""
        raise NotImplementedError

    def job_ended(self, label: str) -> None:
        """Look at a job that ended, well or not; called once for each."""

    def has_jobs(self) -> bool:
        return bool(self.ctx.pending or self.ctx.get("running"))

    def submit_jobs(self) -> None:
        """Submit as many jobs as may run, and wait for the oldest one."""
        running = list(self.ctx.get("running", []))
        while self.ctx.pending and len(running) < self.inputs.max_concurrent.value:
            label = self.ctx.pending.pop(0)
            process, inputs = self.job(label)
            self.ctx[label] = self.submit_once(label, process, inputs)
            self.report(f"{label}: {self.ctx[label].process_label}<{self.ctx[label].pk}>")
            running.append(label)
        self.ctx.running = running
        self.to_context(**{running[0]: self.ctx[running[0]]})

    def collect_jobs(self) -> None:
        """Take those that ended off the list of running jobs, in the order of their submission."""
        ended = [label for label in self.ctx.running if self.ctx[label].is_terminated]
        self.ctx.running = [label for label in self.ctx.running if label not in ended]
        for label in ended:
            self.job_ended(label)


def _validate_max_concurrent(value: orm.Int | None, _: Any) -> str | None:
    if value is not None and value.value < 1:
        return f"max_concurrent is {value.value}, expected 1 or more"
    return None
