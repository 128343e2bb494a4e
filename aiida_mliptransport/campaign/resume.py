"""Let a campaign that was killed, or ended for its budget, go on from its last iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .launch import CAMPAIGN_EXTRA, check_daemon
from .source import CampaignError

if TYPE_CHECKING:
    from aiida import orm


def resumed_inputs(node: orm.ProcessNode, budget: Mapping[str, int]) -> dict[str, Any]:
    """Return the inputs with which the campaign of ``node`` goes on.

    Parameters
    ----------
    node
        An active-learning process that has ended.
    budget
        ``max_labels`` and ``max_iterations`` where they change.

    Raises
    ------
    CampaignError
        If the process is another one, still runs, or left nothing to go on from.
    """
    from ..workflows.active_learning import ActiveLearningWorkChain
    from ..workflows.active_learning.resume import NothingToResumeError, resume_inputs

    if node.process_class is not ActiveLearningWorkChain:
        raise CampaignError(
            f"process {node.pk} is a {node.process_label}, expected an ActiveLearningWorkChain: "
            "see `verdi process list -a`"
        )
    if not node.is_terminated:
        raise CampaignError(
            f"process {node.pk} has not ended ({node.process_state.value}): a worker may still go "
            "on with it; `verdi daemon start` and `aiida-mliptransport doctor --repair` bring it "
            f"back, `verdi process kill {node.pk}` gives it up"
        )
    try:
        return resume_inputs(node, budget)
    except NothingToResumeError as error:
        raise CampaignError(str(error)) from error


def resume(node: orm.ProcessNode, budget: Mapping[str, int]) -> orm.WorkChainNode:
    """Submit a process that goes on from ``node``, and return it; see :func:`resumed_inputs`."""
    from aiida.engine import submit

    inputs = resumed_inputs(node, budget)
    check_daemon(node.inputs.max_concurrent.value)
    new = submit(node.process_class, inputs)
    known = node.base.extras.get(CAMPAIGN_EXTRA, None)
    if known is not None:
        new.base.extras.set(CAMPAIGN_EXTRA, known)
    return new
