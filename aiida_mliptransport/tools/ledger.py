"""What the jobs of a process cost: counts, wall time, core-hours, labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiida import orm

from ..data.frames import FrameSetData
from ..report.graph import retrieval_times
from ..report.jobs import cores, wall_seconds


@dataclass
class LedgerRow:
    """All jobs of one kind. Times in hours."""

    kind: str
    n_jobs: int = 0
    n_failed: int = 0
    n_cached: int = 0
    wall_hours: float = 0.0
    core_hours: float = 0.0
    n_labels: int = 0


def job_labels(job: orm.CalcJobNode) -> int:
    """Return the number of labelled frames that a job made.

    Frames of aiida-vasp's jobs are made by a calcfunction that reads the trajectory.
    """
    sets = list(job.base.links.get_outgoing(node_class=FrameSetData).all_nodes())
    for trajectory in job.base.links.get_outgoing(node_class=orm.TrajectoryData).all_nodes():
        for reader in trajectory.base.links.get_outgoing(
            node_class=orm.CalcFunctionNode
        ).all_nodes():
            sets += reader.base.links.get_outgoing(node_class=FrameSetData).all_nodes()
    return sum(node.n_frames for node in sets if node.labelled)


def cost_ledger(jobs: Iterable[orm.CalcJobNode]) -> list[LedgerRow]:
    """Return one row per kind of job, most core-hours first.

    The wall time of a job runs from its creation to the retrieval of its files, as the report
    counts it; a job taken from the cache costs nothing.
    """
    jobs = list(jobs)
    ends = retrieval_times(jobs)
    rows: dict[str, LedgerRow] = {}
    for job in jobs:
        kind = job.process_label or "unknown"
        row = rows.setdefault(kind, LedgerRow(kind))
        cached = bool(job.base.caching.is_created_from_cache)
        seconds = 0.0 if cached else wall_seconds(job, ends)
        row.n_jobs += 1
        row.n_failed += job.is_terminated and not job.is_finished_ok
        row.n_cached += cached
        row.wall_hours += seconds / 3600
        row.core_hours += seconds / 3600 * cores(job)
        row.n_labels += job_labels(job)
    return sorted(rows.values(), key=lambda row: (-row.core_hours, row.kind))


def jobs_of(process: orm.ProcessNode) -> list[orm.CalcJobNode]:
    """Return all CalcJobs that a process called, at any depth, by creation."""
    jobs = [node for node in process.called_descendants if isinstance(node, orm.CalcJobNode)]
    if isinstance(process, orm.CalcJobNode):
        jobs.append(process)
    return sorted(jobs, key=lambda node: node.pk)
