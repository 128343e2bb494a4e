"""Going on from where an earlier process of the loop ended: what it left, and how it is taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiida import orm
from aiida.common.links import LinkType

from ...calculations.functions.barrier_gate import labels_spent
from ...data.frames import FrameSetData
from ...data.potential import PotentialData
from ...data.trajectory import MDTrajectoryData
from ..protocols import merged
from ..submission import find_child
from .barriers import can_be_trained_with
from .exploring import replica_starts, trajectories_of
from .judging import stage_name

#: Parts of the state that are namespaces: name to type and what they hold.
NAMESPACES: dict[str, tuple[type[orm.Data], str]] = {
    "frames": (FrameSetData, "Training frames by stage."),
    "blind_frames": (FrameSetData, "Blind frames by iteration."),
    "selections": (orm.Dict, "Selections by iteration; they know how the blind frames were drawn."),
    "records": (orm.Dict, "Records by iteration."),
    "barriers": (orm.Dict, "Verdicts on barriers, of the iterations that had one."),
    "committee": (PotentialData, "Committee of the last iteration."),
    "structures": (orm.StructureData, "Starts of the explorations, by structure."),
    "starts": (orm.StructureData, "Starts of the next exploration, by replica."),
    "labeller_runs": (MDTrajectoryData, "MD of the labeller, by run, for the comparison of RDFs."),
}

#: Parts of the state that are one node: name to what it holds.
SETTINGS = {
    "trust_levels": "Trust levels after the last iteration.",
    "ladder_state": "Stage of each structure for the next exploration.",
}


class NothingToResumeError(ValueError):
    """A process left nothing from which a campaign could go on; the message says why."""


def define_resumed(spec: Any) -> None:
    """Declare the namespace ``resumed``: the state at the end of the last whole iteration."""
    spec.input_namespace(
        "resumed",
        required=False,
        populate_defaults=False,
        help="What an earlier process of this campaign left; see resume_inputs.",
    )
    for name, (kind, words) in NAMESPACES.items():
        spec.input_namespace(
            f"resumed.{name}", valid_type=kind, dynamic=True, required=False, help=words
        )
    for name, words in SETTINGS.items():
        spec.input(f"resumed.{name}", valid_type=orm.Dict, required=False, help=words)
    spec.input(
        "resumed.labels", valid_type=orm.Int, required=False, help="Labels that were spent so far."
    )


def restore(ctx: Any, resumed: Mapping[str, Any]) -> None:
    """Set the counters and collections of the loop to what ``resumed`` holds."""
    ctx.frames = dict(resumed["frames"])
    ctx.blind = dict(resumed.get("blind_frames", {}))
    ctx.committee = dict(resumed.get("committee", {}))
    ctx.selections = dict(resumed.get("selections", {}))
    ctx.labels = resumed["labels"].value
    ctx.starts = dict(resumed.get("starts", {}))
    ctx.labeller_runs = dict(resumed.get("labeller_runs", {}))
    ctx.trust = resumed.get("trust_levels", ctx.trust)
    ctx.ladder_state = resumed.get("ladder_state", ctx.ladder_state)
    records = dict(resumed.get("records", {}))
    if not records:
        return
    ctx.records = {name.replace("iteration_", "record__"): node for name, node in records.items()}
    verdicts = dict(resumed.get("barriers", {}))
    ctx.barriers = {
        name.replace("iteration_", "barriers__"): node for name, node in verdicts.items()
    }
    last = records[max(records)]
    ctx.iteration = last["iteration"]
    if _converged(records, verdicts):
        # Only the final training, and what follows it, was missing.
        ctx.stop_reason = "targets met: " + "; ".join(last["decision"]["met"])


def resume_inputs(node: orm.WorkChainNode, budget: Mapping[str, int]) -> dict[str, Any]:
    """Return the inputs of ``node`` with all that its whole iterations gave.

    An iteration that was broken off begins anew; its finished jobs come from AiiDA's cache and its
    labels from the ledger, where these are in use, for seeds and inputs are the same.

    Parameters
    ----------
    node
        A loop that ended, in whatever way; also one that was itself resumed.
    budget
        ``max_labels`` and ``max_iterations`` in the place of those of ``node``.

    Raises
    ------
    NothingToResumeError
        If not even the first frames are there, all is done, or the budget is spent already.
    """
    state = _state(node)
    limits = {**node.inputs.budget.get_dict(), **budget}
    records = state["records"]
    converged = _converged(records, state["barriers"])
    if converged and node.is_finished_ok:
        raise NothingToResumeError(
            f"process {node.pk} met its targets and ended well: nothing is left to do; for other "
            "targets launch a campaign file with its frames"
        )
    if not converged:
        for name, spent in (
            ("max_labels", state["labels"].value),
            ("max_iterations", len(records)),
        ):
            if spent >= limits[name]:
                raise NothingToResumeError(
                    f"budget.{name} is {limits[name]} and process {node.pk} has spent {spent}: "
                    f"raise it, for example with --{name.replace('_', '-')} {2 * max(spent, 1)}"
                )
    # Not get_builder_restart: it checks each namespace before the defaults are filled in.
    given = node.base.links.get_incoming(link_type=LinkType.INPUT_WORK).nested()
    inputs = merged(given, node.get_metadata_inputs() or {})
    # A namespace without nodes is left out; a node may be 0 and is not.
    resumed = {key: value for key, value in state.items() if value != {}}
    return {**inputs, "budget": orm.Dict(limits), "resumed": resumed}


def _state(node: orm.WorkChainNode) -> dict[str, Any]:
    """Return the content of ``resumed`` after the last whole iteration of ``node``."""
    state = _first_frames(node)
    number = len(state["records"]) + 1
    while _is_whole(node, stage := stage_name(number), state["frames"]):
        step = {
            name: _outputs(node, f"{stage}_{name}")
            for name in (
                "train", "select", "move_on", "label_candidates", "label_blind", "calibrate",
                "assess",
            )
        }  # fmt: skip
        if "frames" in step["label_candidates"]:
            state["frames"][stage] = step["label_candidates"]["frames"]
        if "frames" in step["label_blind"]:
            state["blind_frames"][stage] = step["label_blind"]["frames"]
            state["selections"][stage] = step["select"]["selection"]
        state["records"][stage] = step["assess"]["result"]
        state["committee"] = dict(step["train"]["potentials"])
        if "levels" in step["calibrate"]:
            state["trust_levels"] = step["calibrate"]["levels"]
        state["ladder_state"] = step["move_on"]["result"]
        state["starts"] = _starts(node, stage, state["ladder_state"]["stages"])
        labels = step["assess"]["result"]["n_labels_when_tested"]
        if step["label_candidates"]:
            labels += step["select"]["candidates"].n_frames
        judged = _outputs(node, f"{stage}_judge_barriers")
        if judged:
            state["barriers"][stage] = judged["verdict"]
            labels += labels_spent(judged["verdict"].get_dict())
        if _learns_from(judged, state["frames"]):
            state["frames"][f"{stage}_barriers"] = judged["frames"]
        state["labels"] = orm.Int(labels)
        number += 1
    return state


def _is_whole(node: orm.WorkChainNode, stage: str, known: Mapping[str, FrameSetData]) -> bool:
    """Return whether an iteration was assessed and did all that followed from the assessment.

    Its barriers are judged where all else is met, and its candidates labelled where anything is
    missed and no images of a barrier tell of it.
    """
    assessed = _finished(node, f"{stage}_assess")
    if assessed is None:
        return False
    if assessed.outputs.result["converged"]:
        if "neb" not in node.inputs:
            return True
        judged = _outputs(node, f"{stage}_judge_barriers")
        if not judged:
            return False
        if judged["verdict"]["passed"] or _learns_from(judged, known):
            return True
    if "candidates" not in _outputs(node, f"{stage}_select"):
        return True
    return _finished(node, f"{stage}_label_candidates") is not None


def _learns_from(judged: Mapping[str, Any], known: Mapping[str, FrameSetData]) -> bool:
    """Return whether the images of a comparison of barriers joined the training."""
    if "frames" not in judged or judged["verdict"]["passed"]:
        return False
    return can_be_trained_with(judged["frames"], known.values())


def _converged(records: Mapping[str, Any], barriers: Mapping[str, Any]) -> bool:
    """Return whether the last iteration met all targets, those on barriers included."""
    if not records or not records[max(records)]["converged"]:
        return False
    return bool(max(records) not in barriers or barriers[max(records)]["passed"])


def _first_frames(node: orm.WorkChainNode) -> dict[str, Any]:
    """Return the state with which ``node`` began its first iteration."""
    given = node.inputs
    if "resumed" in given:
        earlier = given.resumed
        state: dict[str, Any] = {
            name: dict(earlier[name]) if name in earlier else {} for name in NAMESPACES
        }
        state |= {name: earlier[name] for name in SETTINGS if name in earlier}
        return {**state, "labels": earlier.labels}
    state = {name: {} for name in NAMESPACES}
    state["frames"] = dict(given.initial_frames) if "initial_frames" in given else {}
    labels = 0
    aimd = find_child(node, "aimd")
    if aimd is not None and "frames" in aimd.outputs:
        state["frames"]["initial"] = aimd.outputs.frames
        failures = aimd.outputs.failures["failures"] if "failures" in aimd.outputs else []
        labels = aimd.outputs.frames.n_frames + len(failures)
        state["labeller_runs"] = trajectories_of(aimd)
    if not state["frames"]:
        raise NothingToResumeError(
            f"process {node.pk} ended before it had its first frames: there is nothing to go on "
            "from; launch the campaign file anew"
        )
    for name in given.structures:
        start = _outputs(node, f"start_{name}").get("result")
        if start is not None:
            state["structures"][name] = start
    return {**state, "labels": orm.Int(labels)}


def _starts(
    node: orm.WorkChainNode, stage: str, names: Iterable[str]
) -> dict[str, orm.StructureData]:
    """Return where the runs after an iteration begin, by replica."""
    starts = {}
    for name in names:
        starts |= replica_starts(name, _outputs(node, f"{stage}_starts_{name}"))
    return starts


def _finished(node: orm.WorkChainNode, label: str) -> orm.ProcessNode | None:
    child = find_child(node, label)
    return child if child is not None and child.is_finished_ok else None


def _outputs(node: orm.WorkChainNode, label: str) -> Mapping[str, Any]:
    """Return the outputs of a child, namespaces as mappings; empty where there is no child."""
    child = find_child(node, label)
    if child is None:
        return {}
    return {name: child.outputs[name] for name in child.outputs}
