"""Diffusion and conductivity of a trajectory that is larger than memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiida_mliptransport.science.trajectory_stream import StreamedTrajectory
from aiida_mliptransport.science.transport.conductivity import (
    ConductivityEstimate,
    estimate_conductivity,
)
from aiida_mliptransport.science.transport.diffusion import DiffusionEstimate, estimate_diffusion


@dataclass(frozen=True)
class StreamedTransport:
    """Self-diffusion of each element, and the conductivity with its Onsager coefficients."""

    diffusion: dict[str, DiffusionEstimate]
    conductivity: ConductivityEstimate


def analyse_stream(
    trajectory: StreamedTrajectory, charges: Mapping[str, float], temperature_K: float
) -> StreamedTransport:
    """Return what `point.analyse_point` gives for one run, reading a few atoms at a time.

    `charges` of each element in elementary charges, always given; `temperature_K` in K. The
    reference frame is that of the trajectory. Raises ValueError for missing charges.
    """
    dt_ps = float(trajectory.times_ps[1] - trajectory.times_ps[0])
    diffusion = {
        element: estimate_diffusion(trajectory.displacements(element), dt_ps)
        for element in trajectory.counts
    }
    names = list(trajectory.counts)
    conductivity = estimate_conductivity(
        trajectory.sums,
        names,
        charges,
        trajectory.counts,
        trajectory.volume_angstrom3,
        temperature_K,
        dt_ps,
        trajectory.reference_frame,
        diffusion if all(estimate.resolved for estimate in diffusion.values()) else None,
    )
    return StreamedTransport(diffusion, conductivity)
