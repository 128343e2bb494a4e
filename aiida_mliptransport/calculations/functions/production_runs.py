"""Production runs by point and member: which trajectories belong together, and from when on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...data.segments import JoinedTrajectory
from ...data.trajectory import MDTrajectoryData
from ...science.transport.equilibration import check_equilibration
from ..run_names import RunName

#: The member that drives where the names of the runs name none.
FIRST_MEMBER = "member_0"

#: Runs of one point: member to its runs, each run joined in time.
PointRuns = dict[str, list[JoinedTrajectory]]


def group_runs(trajectories: Mapping[str, MDTrajectoryData]) -> dict[str, PointRuns]:
    """Return the runs of each point by member, their segments joined in time.

    Parameters
    ----------
    trajectories
        ``<structure>_<T>K[_member<i>]_replica<j>``, and ``…_segment<k>`` where a restart extended
        it (:class:`~aiida_mliptransport.calculations.run_names.RunName`).
    """
    segments: dict[RunName, list[MDTrajectoryData]] = {}
    for name in sorted(map(RunName.parse, trajectories), key=_in_order):
        segments.setdefault(name.run, []).append(trajectories[str(name)])
    groups: dict[str, PointRuns] = {}
    for name, nodes in segments.items():
        member = FIRST_MEMBER if name.member is None else f"member_{name.member}"
        runs = groups.setdefault(name.point, {}).setdefault(member, [])
        runs.append(JoinedTrajectory(nodes))
    return groups


def check_start(node: JoinedTrajectory) -> dict[str, Any]:
    """Return from when the potential energy of a run is stationary, ps from its first frame.

    A run that never is counts as a whole; the point says so.
    """
    energy, times = node.thermo("potential_energy_eV"), node.thermo("time_ps")
    if energy is None or times is None:
        return {"equilibrated": False, "start_ps": 0.0, "reason": "no potential energies"}
    check = check_equilibration(energy / len(node.symbols))
    return {
        "equilibrated": check.equilibrated,
        "start_ps": float(times[check.start] - times[0]) if check.equilibrated else 0.0,
        "energy_drift_eV_atom": check.drift,
        "energy_drift_error_eV_atom": check.drift_error,
        "reason": check.reason,
    }


def mean_volume(nodes: Sequence[JoinedTrajectory]) -> float:
    """Return the mean volume of the cells of several runs, Å³."""
    return float(np.mean([np.abs(np.linalg.det(node.cells)).mean() for node in nodes]))


def _in_order(name: RunName) -> tuple[str, int, int, int]:
    return name.point, name.member or 0, name.replica, name.segment
