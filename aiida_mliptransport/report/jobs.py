"""What the jobs of a process cost, which failed, and which versions they recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from aiida import orm

from .. import __version__
from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from .graph import Call, codes_of, dict_output, result_dicts, retrieval_times
from .model import Failure, JobGroup
from .stages import humanise, stage_of, stage_order

#: A message longer than this is cut: the node itself has the rest.
MESSAGE_LENGTH = 240


def job_groups(calls: Sequence[Call], transport_only: bool) -> tuple[JobGroup, ...]:
    """Group the CalcJobs by stage and program.

    The wall time of a job runs from its creation to the retrieval of its files, as recorded in the
    graph: it includes queueing and file transfer. Core-hours are wall time × cores asked for. A
    job taken from the cache costs nothing.
    """
    jobs = [call for call in calls if isinstance(call.node, orm.CalcJobNode)]
    ends = retrieval_times(call.node for call in jobs)
    codes = codes_of(call.node for call in jobs)
    rows: dict[tuple[str, str], list[tuple[bool, bool, float, float]]] = {}
    for call in jobs:
        node = call.node
        cached = bool(node.base.caching.is_created_from_cache)
        wall = 0.0 if cached else wall_seconds(node, ends)
        key = (stage_of(call.path, transport_only), program_name(node, codes.get(node.pk)))
        failed = bool(node.is_failed or node.is_excepted or node.is_killed)
        rows.setdefault(key, []).append((failed, cached, wall, wall * cores(node) / 3600))
    return tuple(
        JobGroup(
            stage=stage,
            kind=kind,
            n_jobs=len(entries),
            n_failed=sum(entry[0] for entry in entries),
            n_cached=sum(entry[1] for entry in entries),
            wall_s=sum(entry[2] for entry in entries),
            core_hours=sum(entry[3] for entry in entries),
        )
        for (stage, kind), entries in sorted(
            rows.items(), key=lambda item: (stage_order(item[0][0]), item[0][1])
        )
    )


def program_name(node: orm.CalcJobNode, code: orm.AbstractCode | None) -> str:
    """Return the label of the job's code and its process label."""
    label = node.process_label or "job"
    return f"{code.label} ({label})" if code is not None else label


def cores(node: orm.CalcJobNode) -> int:
    """Return the cores that a job asked for."""
    resources = node.get_option("resources") or {}
    per_process = int(resources.get("num_cores_per_mpiproc") or 1)
    if resources.get("tot_num_mpiprocs"):
        return int(resources["tot_num_mpiprocs"]) * per_process
    machines = int(resources.get("num_machines") or 1)
    return machines * int(resources.get("num_mpiprocs_per_machine") or 1) * per_process


def wall_seconds(node: orm.ProcessNode, ends: dict[int, datetime]) -> float:
    """Return the seconds from the creation of a job to the retrieval of its files."""
    end = ends.get(node.pk, node.mtime)
    return max(0.0, (end - node.ctime).total_seconds())


def total_wall_seconds(root: orm.ProcessNode, calls: Sequence[Call]) -> float | None:
    """Return the seconds from the start of the root to the last thing that happened below it."""
    nodes = [call.node for call in calls]
    ends = retrieval_times(nodes)
    times = list(ends.values()) + [node.ctime for node in nodes]
    return (max(times) - root.ctime).total_seconds() if times else None


def failures(root: orm.ProcessNode, calls: Sequence[Call]) -> tuple[Failure, ...]:
    """Return processes that did not end well, and labels that were given up, like ones counted."""
    found: Counter[tuple[str, str, str]] = Counter()
    for call in [Call((), root), *calls]:
        node = call.node
        if node.is_excepted or node.is_killed:
            state = "excepted" if node.is_excepted else "killed"
            text = node.exception or node.process_status or ""
            message = text.strip().splitlines()[-1] if text.strip() else ""
        elif node.is_failed:
            state, message = f"exit code {node.exit_status}", node.exit_message or ""
        else:
            continue
        where = call.where or "this process"
        found[(where, f"{node.process_label}: {state}", _short(message))] += 1
    for call in calls:
        if len(call.path) == 1 and isinstance(call.node, orm.WorkflowNode):
            content = dict_output(call.node, "failures") or {}
            for item in content.get("failures") or []:
                what = f"label: {humanise(str(item.get('class', 'failed'))).lower()}"
                found[(call.where, what, _short(str(item.get("message", ""))))] += 1
    return tuple(
        Failure(where, what, message, count) for (where, what, message), count in found.items()
    )


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"


def versions(
    root: orm.ProcessNode, calls: Sequence[Call], data: Iterable[orm.Data]
) -> tuple[tuple[str, str], ...]:
    """Return (name, versions) of packages, plugins and programs as the nodes recorded them."""
    found: dict[str, set[str]] = {}
    for node in [root, *(call.node for call in calls)]:
        recorded = node.base.attributes.get("version", None) or {}
        if recorded.get("core"):
            found.setdefault("aiida-core", set()).add(str(recorded["core"]))
        if recorded.get("plugin"):
            found.setdefault(_package(node), set()).add(str(recorded["plugin"]))
    jobs = {c.node.pk: c.node for c in calls if isinstance(c.node, orm.CalcJobNode)}
    codes = codes_of(jobs.values())
    for pk, content in result_dicts(jobs.values()):
        for key, value in content.items():
            if "version" in key and isinstance(value, str | int | float):
                name = key.replace("version", "").strip("_ ") or program_name(
                    jobs[pk], codes.get(pk)
                )
                found.setdefault(humanise(name), set()).add(str(value))
    for node in data:
        if isinstance(node, PotentialData) and node.framework_version:
            backend = node.base.attributes.get("backend")
            found.setdefault(f"potential backend {backend}", set()).add(node.framework_version)
        elif isinstance(node, FrameSetData) and node.engine_version:
            engine = (node.level_of_theory or {}).get("engine", "label engine")
            found.setdefault(f"labels by {engine}", set()).add(node.engine_version)
    if codes:
        found["codes"] = {code.full_label for code in codes.values()}
    rows = [(name, ", ".join(sorted(values))) for name, values in sorted(found.items())]
    return (*rows, ("report written by", f"aiida-mliptransport {__version__}"))


def _package(node: orm.ProcessNode) -> str:
    entry_point = (node.process_type or "").partition(":")[2]
    module = entry_point or (node.process_type or "")
    first = module.split(".")[0].replace("_", "-")
    if not first or first == "core" or module.startswith("aiida.calculations"):
        return "aiida-core"
    return first if first.startswith("aiida") else f"aiida-{first}"


def merge_levels(nodes: Iterable[orm.Data]) -> dict[str, Any] | None:
    """Return the level of theory of the first labelled frames among ``nodes``."""
    for node in nodes:
        if isinstance(node, FrameSetData) and node.level_of_theory:
            return node.level_of_theory
    return None
