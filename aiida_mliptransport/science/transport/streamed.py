"""Transport from a trajectory that is larger than memory."""

from __future__ import annotations

from collections.abc import Mapping

from aiida_mliptransport.science.trajectory_files import standard_masses
from aiida_mliptransport.science.trajectory_stream import StreamedTrajectory
from aiida_mliptransport.science.transport.point import PointResult, System, estimate_point


def analyse_stream(
    trajectory: StreamedTrajectory, charges: Mapping[str, float], temperature_K: float
) -> PointResult:
    """Return what `point.analyse_point` gives for one run, reading a few atoms at a time.

    `charges` of each element in elementary charges, always given; `temperature_K` in K. The
    reference frame is that of the trajectory. Raises ValueError for missing charges.
    """
    dt_ps = float(trajectory.times_ps[1] - trajectory.times_ps[0])
    system = System(
        trajectory.symbols,
        standard_masses(trajectory.symbols),
        dict(charges),
        trajectory.volume_angstrom3,
        temperature_K,
        trajectory.reference_frame,
    )
    displacements = {
        element: [trajectory.displacements(element)] for element in sorted(trajectory.counts)
    }
    return estimate_point(displacements, dt_ps, [trajectory.sums], dt_ps, system)
