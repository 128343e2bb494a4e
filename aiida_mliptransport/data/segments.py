"""Segments of one MD run, each started from the one before, read as one trajectory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..science.frames import FloatArray, IntArray
from .trajectory import MDTrajectoryData, TrajectoryError


class JoinedTrajectory:
    """One run that was extended by restarts; coordinates, steps and times continue.

    Parameters
    ----------
    segments : sequence of MDTrajectoryData
        In the order of time.

    Raises
    ------
    TrajectoryError
        If there is none, the atoms differ, or a segment does not begin after the one before.
    """

    def __init__(self, segments: Sequence[MDTrajectoryData]) -> None:
        if not segments:
            raise TrajectoryError("segments is empty, expected one trajectory or more")
        self.segments = tuple(segments)
        self.first = self.segments[0]
        for before, after in zip(self.segments, self.segments[1:], strict=False):
            if before.symbols != after.symbols:
                raise TrajectoryError(
                    f"segment {after.pk} has other atoms than segment {before.pk}; "
                    "give segments of one run"
                )
            if after.steps[0] <= before.steps[-1]:
                raise TrajectoryError(
                    f"segment {after.pk} begins at step {after.steps[0]}, expected one after step "
                    f"{before.steps[-1]}, the last of segment {before.pk}; order them in time"
                )

    @property
    def symbols(self) -> list[str]:
        return self.first.symbols

    @property
    def masses(self) -> FloatArray:
        """Masses (N,), u."""
        return self.first.masses

    @property
    def n_frames(self) -> int:
        return sum(segment.n_frames for segment in self.segments)

    @property
    def length_ps(self) -> float:
        """Time from the first frame to the last, ps."""
        return float(self.segments[-1].times_ps[-1] - self.first.times_ps[0])

    @property
    def steps(self) -> IntArray:
        return np.concatenate([segment.steps for segment in self.segments])

    @property
    def times_ps(self) -> FloatArray:
        """Time of each frame (n,), ps."""
        return np.concatenate([segment.times_ps for segment in self.segments])

    @property
    def cells(self) -> FloatArray:
        """Cell of each frame (n, 3, 3), Å."""
        return np.concatenate([segment.cells for segment in self.segments])

    def positions(self, stride: int = 1) -> FloatArray:
        """Return unwrapped positions (n, N, 3) of every ``stride``-th frame, Å."""
        if len(self.segments) == 1:
            return self.first.positions(frames=slice(None, None, stride))
        return np.concatenate([segment.positions() for segment in self.segments])[::stride]

    def velocities(self) -> FloatArray | None:
        """Return velocities (n, N, 3) of all frames, Å/ps, or None if a segment has none."""
        if not all(segment.base.attributes.get("has_velocities") for segment in self.segments):
            return None
        return np.concatenate([segment.velocities() for segment in self.segments])

    def thermo(self, name: str) -> FloatArray | None:
        """Return one thermodynamic series, or None if a segment lacks it."""
        if any(name not in segment.thermo for segment in self.segments):
            return None
        return np.concatenate([segment.thermo[name] for segment in self.segments])

    def max_force_deviation(self) -> FloatArray | None:
        """Return the committee's largest force deviation (k,), eV/Å, or None without committee."""
        series = [segment.deviations for segment in self.segments]
        found = [each["max_force"] for each in series if each is not None]
        return np.concatenate(found) if len(found) == len(series) else None

    @property
    def species_names(self) -> list[str]:
        """Names of the species whose displacements were written; empty if none were."""
        return list(self.first.species["names"]) if self.first.species else []

    def species_series(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return times (m,) in ps, displacements (m, S, 3) in Å and velocities (m, S, 3) in Å/ps.

        They are those of the centres of mass of the species.

        Raises
        ------
        TrajectoryError
            If a segment has no species displacements, or other species than the first.
        """
        times, displacements, velocities = [], [], []
        origin: FloatArray | None = None
        for segment in self.segments:
            data = segment.species
            if data is None or list(data["names"]) != self.species_names:
                raise TrajectoryError(
                    f"segment {segment.pk} has species "
                    f"{None if data is None else list(data['names'])}, expected "
                    f"{self.species_names}; run all segments with one species_stride"
                )
            origin = data["reference"] if origin is None else origin
            times.append(data["times_ps"])
            # Each segment counts from its own first centre of mass.
            displacements.append(data["displacements"] + (data["reference"] - origin))
            velocities.append(data["velocities"])
        return np.concatenate(times), np.concatenate(displacements), np.concatenate(velocities)
