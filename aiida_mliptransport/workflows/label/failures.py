"""Why a frame has no label: one record a frame, in classes that a handler can act on."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import CalcJob

#: Exit status to class of failure: what schedulers say through AiiDA, and our own walltime code.
_FAILURE_CLASSES = {
    CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_MEMORY.status: "out_of_memory",
    CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_WALLTIME.status: "walltime",
    CalcJob.exit_codes.ERROR_SCHEDULER_NODE_FAILURE.status: "node_failure",
    400: "walltime",
}


def failure_record(
    index: int | None, identity: str | None, kind: str, message: str
) -> dict[str, Any]:
    """Return one line of a table of failures.

    ``kind`` is ``scf_unconverged``, ``not_finite``, ``crashed``, ``walltime``, ``out_of_memory``,
    ``node_failure``, ``missing_output`` or ``not_in_pool``.
    """
    return {"index": index, "identity": identity, "class": kind, "message": message}


def failure_class(node: orm.ProcessNode) -> str:
    """Return the class of failure of frames that a job lost without naming them."""
    if node.is_finished_ok:
        return "missing_output"
    return _FAILURE_CLASSES.get(node.exit_status, "crashed")
