"""Calcfunction that sums up the runs of an exploration."""

from __future__ import annotations

from aiida import orm
from aiida.engine import calcfunction


@calcfunction
def summarize_runs(planned_frames: orm.Dict, **results: orm.Dict) -> orm.Dict:
    """Return one record per run and the counts of runs that completed, broke off, or gave nothing.

    A run that gave fewer frames than planned has broken off, unless its wall-clock time was over:
    that says nothing of the potential.

    Parameters
    ----------
    planned_frames
        Keys of all runs, and the frames of each if it completes.
    results
        Key to output ``results`` of ``mliptransport.lammps.md``; runs without one gave nothing.

    Returns
    -------
    Dict
        ``n_runs``, ``n_completed``, ``n_broken_off``, ``n_without_frames``, ``n_frames``, and
        ``runs``: ``completed``, ``broken_off``, ``n_frames``, ``n_expected_frames`` (those that it
        would have if it had not broken off), ``error`` and ``warnings`` of each.
    """
    runs = {}
    for key, planned in planned_frames.get_dict().items():
        content = results[key].get_dict() if key in results else {}
        completed, n_frames = bool(content.get("completed")), int(content.get("n_frames", 0))
        broken_off = not completed and not (content.get("out_of_walltime") and n_frames)
        runs[key] = {
            "completed": completed,
            "broken_off": broken_off,
            "n_frames": n_frames,
            "n_expected_frames": max(planned, n_frames) if broken_off else n_frames,
            "error": content.get("error"),
            "warnings": content.get("warnings", []),
        }
    n_completed = sum(run["completed"] for run in runs.values())
    n_empty = sum(run["n_frames"] == 0 for run in runs.values())
    return orm.Dict(
        {
            "n_runs": len(runs),
            "n_completed": n_completed,
            "n_broken_off": sum(run["broken_off"] for run in runs.values()),
            "n_without_frames": n_empty,
            "n_frames": sum(run["n_frames"] for run in runs.values()),
            "runs": runs,
        }
    )
