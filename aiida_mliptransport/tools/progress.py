"""Where a campaign stands, read from the graph: used by the command line and by the demo."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from aiida import orm
from aiida.common import timezone

from ..report.graph import Call, all_calls, children, outputs
from ..report.stages import split_iteration, stage_of
from .repair import refresh, release_dead_workers

#: A reading older than this is taken anew also where nothing happened, seconds.
MAX_AGE_SECONDS = 15.0

#: Steps of an iteration, in their order.
STEPS = (
    "train", "explore", "describe", "training_errors", "trust_levels", "select",
    "label_blind", "evaluate", "evaluate_earlier", "observable", "calibrate", "move_on", "assess",
    "neb", "judge_barriers", "label_candidates",
)  # fmt: skip

#: Those of them that give labels.
LABELLING_STEPS = ("label_blind", "neb", "label_candidates")


@dataclass
class IterationProgress:
    """One iteration, as far as it got. Forces in eV/Å, shares between 0 and 1.

    ``relative`` is the blind force RMSE over the force RMS.
    """

    number: int
    step: str
    n_training_frames: int | None = None
    n_frames: int | None = None
    accurate: int | None = None
    candidate: int | None = None
    failed: int | None = None
    n_labels: int = 0
    n_failed_labels: int = 0
    blind_force_rmse: float | None = None
    relative: float | None = None
    trust_high: float | None = None
    converged: bool | None = None


@dataclass
class RunningJob:
    """A job that has not ended."""

    pk: int
    kind: str
    where: str
    state: str
    seconds: float


@dataclass
class Progress:
    """Where a process stands.

    Attributes
    ----------
    state
        ``created``, ``running``, ``waiting``, ``finished``, ``excepted`` or ``killed``.
    stage
        Stage at work, in words; empty when the process ended.
    n_labels
        Labelled frames so far, the labeller's MD and those of a campaign that goes on included.
    n_jobs, n_jobs_ended, n_jobs_failed
        CalcJobs that were submitted so far.
    message
        Exit message, exception or the latest report line.
    """

    pk: int
    label: str
    kind: str
    state: str
    exit_status: int | None
    message: str
    stage: str
    elapsed_s: float
    n_labels: int
    n_failed_labels: int
    n_jobs: int
    n_jobs_ended: int
    n_jobs_failed: int
    converged: bool | None = None
    stop_reason: str = ""
    finish_requested: bool = False
    iterations: list[IterationProgress] = field(default_factory=list)
    running: list[RunningJob] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "excepted", "killed")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def read_progress(pk: int) -> Progress:
    """Return where a process stands now, whatever process it is."""
    refresh()
    node = orm.load_node(pk)
    if not isinstance(node, orm.ProcessNode):
        raise ValueError(f"node {pk} is a {type(node).__name__}, expected a process")
    calls = all_calls(node)
    direct = children(node)
    iterations = _iterations(direct)
    jobs = [call for call in calls if isinstance(call.node, orm.CalcJobNode)]
    labelled, failed = _labels(direct)
    labelled += _labels_before(node)
    history = _dict_output(node, "history")
    now = timezone.now()
    return Progress(
        pk=node.pk,
        label=node.label,
        kind=node.process_label or type(node).__name__,
        state=node.process_state.value if node.process_state else "created",
        exit_status=node.exit_status,
        message=_message(node),
        stage="" if node.is_terminated else _stage(direct),
        elapsed_s=((_end(node, calls) if node.is_terminated else now) - node.ctime).total_seconds(),
        n_labels=labelled,
        n_failed_labels=failed,
        n_jobs=len(jobs),
        n_jobs_ended=sum(call.node.is_terminated for call in jobs),
        n_jobs_failed=sum(
            call.node.is_terminated and not call.node.is_finished_ok for call in jobs
        ),
        converged=history.get("converged") if history else None,
        stop_reason=str(history.get("stop_reason", "")) if history else "",
        finish_requested=bool(node.base.extras.get("mliptransport_finish", False)),
        iterations=iterations,
        running=[_running(call, now) for call in jobs if not call.node.is_terminated],
    )


class ProgressWatch:
    """Reads progress again only where something happened, for looks every few seconds.

    A reading takes half a second of a core on a campaign of 44 jobs, which the jobs then lack; the
    number of nodes and of processes that ended takes a fiftieth of that.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._last: Progress | None = None
        self._read_at = 0.0

    def __call__(self, pk: int) -> Progress:
        """Return the progress of a process, at most ``MAX_AGE_SECONDS`` old."""
        refresh()
        ended = {"attributes.process_state": {"in": ["finished", "excepted", "killed"]}}
        processes = orm.QueryBuilder().append(orm.ProcessNode, filters=ended)
        seen = (orm.QueryBuilder().append(orm.Node).count(), processes.count())
        now = time.monotonic()
        quiet = seen == self._seen and now - self._read_at > MAX_AGE_SECONDS
        if quiet:
            # Nothing happens: perhaps a killed worker holds the tasks.
            release_dead_workers()
        if self._last is None or seen != self._seen or quiet:
            self._last, self._seen, self._read_at = read_progress(pk), seen, now
        return self._last


def _iterations(direct: Mapping[str, orm.ProcessNode]) -> list[IterationProgress]:
    steps: dict[int, dict[str, orm.ProcessNode]] = {}
    for label, node in direct.items():
        number, step = split_iteration(label)
        if number is not None:
            steps.setdefault(number, {})[step] = node
    return [_iteration(number, steps[number]) for number in sorted(steps)]


def _iteration(number: int, steps: Mapping[str, orm.ProcessNode]) -> IterationProgress:
    known = [step for step in STEPS if step in steps]
    progress = IterationProgress(number, known[-1] if known else sorted(steps)[-1])
    if "select" in steps:
        _take_selection(progress, _dict_output(steps["select"], "selection"))
    for step in LABELLING_STEPS:
        if step in steps:
            labelled, failed = _labels_of(steps[step])
            progress.n_labels += labelled
            progress.n_failed_labels += failed
    if "assess" in steps:
        record = _dict_output(steps["assess"], "result")
        blind = record.get("blind") or {}
        progress.n_training_frames = record.get("n_training_frames")
        progress.blind_force_rmse = blind.get("force_rmse")
        progress.relative = blind.get("relative")
        progress.trust_high = (record.get("trust_levels") or {}).get("high")
        progress.converged = record.get("converged")
    return progress


def _take_selection(progress: IterationProgress, selection: Mapping[str, Any]) -> None:
    progress.n_frames = selection.get("n_frames")
    progress.accurate = selection.get("accurate")
    progress.candidate = selection.get("candidate")
    progress.failed = selection.get("failed")


def _labels(direct: Mapping[str, orm.ProcessNode]) -> tuple[int, int]:
    pairs = [
        _labels_of(node)
        for label, node in direct.items()
        if label in ("aimd", "final_neb") or split_iteration(label)[1] in LABELLING_STEPS
    ]
    return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)


def _labels_before(node: orm.ProcessNode) -> int:
    """Return how many frames were labelled by the campaign from which a process goes on."""
    if "resumed" not in node.inputs:
        return 0
    given = dict(node.inputs.initial_frames) if "initial_frames" in node.inputs else {}
    resumed = node.inputs.resumed
    blind = dict(resumed.blind_frames) if "blind_frames" in resumed else {}
    earlier = [frames for name, frames in dict(resumed.frames).items() if name not in given]
    return sum(frames.n_frames for frames in [*earlier, *blind.values()])


def _labels_of(node: orm.ProcessNode) -> tuple[int, int]:
    """Return labelled frames and failures; while it runs, those of the jobs that ended."""
    result = outputs(node)
    if "labels" in result:
        # Of a barrier search, whose batches lie deeper.
        return result["labels"].n_frames, 0
    if "frames" in result or node.is_terminated:
        failures = result["failures"].get_dict()["failures"] if "failures" in result else []
        return (result["frames"].n_frames if "frames" in result else 0), len(failures)
    # Calcfunctions join frames that the jobs labelled: they would be counted twice.
    done = [
        outputs(child)
        for child in children(node).values()
        if child.is_terminated and not isinstance(child, orm.CalcFunctionNode)
    ]
    return sum(o["frames"].n_frames for o in done if "frames" in o and o["frames"].labelled), 0


def _dict_output(node: orm.ProcessNode, name: str) -> dict[str, Any]:
    found = outputs(node).get(name)
    return found.get_dict() if isinstance(found, orm.Dict) else {}


def _stage(direct: Mapping[str, orm.ProcessNode]) -> str:
    if not direct:
        return "start"
    open_calls = {label: node for label, node in direct.items() if not node.is_terminated}
    label = max(open_calls or direct, key=lambda name: direct[name].pk)
    number, _ = split_iteration(label)
    stage = stage_of((label,), False).lower()
    return stage if number is None else f"iteration {number}: {stage}"


def _running(call: Call, now: datetime) -> RunningJob:
    state = call.node.get_scheduler_state()
    return RunningJob(
        pk=call.node.pk,
        kind=call.node.process_label or "job",
        where=call.where,
        state=state.value if state is not None else "preparing",
        seconds=(now - call.node.ctime).total_seconds(),
    )


def _message(node: orm.ProcessNode) -> str:
    if node.is_excepted:
        return (node.exception or "").strip().splitlines()[-1] if node.exception else "excepted"
    if node.is_terminated:
        return str(node.exit_message or "")
    logs = orm.Log.collection.get_logs_for(node, order_by=[{"time": "desc"}])
    text = logs[0].message if logs else str(node.process_status or "")
    return text.partition("]: ")[2] or text


def _end(node: orm.ProcessNode, calls: list[Call]) -> datetime:
    """Return when a process ended: its last output, or the creation of its last child."""
    times = [data.ctime for data in outputs(node).values()] + [c.node.ctime for c in calls]
    end: datetime = max([*times, node.ctime])
    return end
