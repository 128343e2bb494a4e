"""Calcfunction that sums up the runs of an exploration."""

from __future__ import annotations

from aiida import orm
from aiida.engine import calcfunction


@calcfunction
def summarize_runs(expected: orm.List, **results: orm.Dict) -> orm.Dict:
    """Return one record per run and the counts of runs that completed, broke off, or gave nothing.

    Parameters
    ----------
    expected
        Keys of all runs.
    results
        Key to output ``results`` of ``mliptransport.lammps.md``; runs without one gave nothing.
    """
    runs = {}
    for key in expected.get_list():
        content = results[key].get_dict() if key in results else {}
        runs[key] = {
            "completed": bool(content.get("completed", False)),
            "n_frames": int(content.get("n_frames", 0)),
            "error": content.get("error"),
            "warnings": content.get("warnings", []),
        }
    n_completed = sum(run["completed"] for run in runs.values())
    n_empty = sum(run["n_frames"] == 0 for run in runs.values())
    return orm.Dict(
        {
            "n_runs": len(runs),
            "n_completed": n_completed,
            "n_without_frames": n_empty,
            "n_frames": sum(run["n_frames"] for run in runs.values()),
            "runs": runs,
        }
    )
