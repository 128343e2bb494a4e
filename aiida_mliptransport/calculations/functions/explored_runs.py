"""What the selection knows of one trajectory of an exploration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.trajectory import MDTrajectoryData
from ...science.frames import Frames
from ...science.selection import (
    ScreeningCriteria,
    ScreeningParameters,
    TrustLevels,
    classify,
    physical_window,
    screen_frames,
    statistical_inefficiency,
)


@dataclass
class ExploredRun:
    """One trajectory with what the selection knows of it."""

    key: str
    node: MDTrajectoryData
    deviation: np.ndarray
    reasons: np.ndarray
    window: int
    labels: np.ndarray
    blind: bool
    correlation: float
    start_ps: float

    @property
    def usable(self) -> np.ndarray:
        """Indices of the physical frames before an explosion."""
        frames = np.arange(self.node.n_frames)
        return frames[(frames < self.window) & (self.reasons == "physical")]

    @property
    def testable(self) -> np.ndarray:
        """Indices of the usable frames that no longer remember the common start."""
        usable = self.usable
        times = self.node.times_ps
        return usable[times[usable] - times[0] >= self.start_ps]


def examine_run(
    key: str,
    node: MDTrajectoryData,
    trust: TrustLevels,
    settings: dict[str, Any],
    criteria: ScreeningCriteria | None = None,
) -> ExploredRun:
    """Screen and classify the frames of one trajectory.

    Temperature and potential energy are those of the last thermodynamic output up to a frame, so
    that frames between two outputs are screened too; a run without such output is not screened by
    them. Energies are compared with that of the first frame.

    Parameters
    ----------
    key, node
        Name of the run, and its trajectory with deviations.
    trust, settings
        Trust levels and parameters of the selection.
    criteria
        Default: those of ``settings["screening"]``, with contacts by covalent radii.
    """
    deviations = node.deviations
    if deviations is None:
        raise ValueError(
            f"trajectory {key!r} has no force deviations: explore with a committee of two or more "
            "potentials and a deviation_stride that the trajectory_stride is a multiple of"
        )
    by_step = dict(zip(deviations["steps"].tolist(), deviations["max_force"], strict=True))
    missing = [int(step) for step in node.steps if int(step) not in by_step]
    if missing:
        raise ValueError(
            f"trajectory {key!r} has no force deviation at steps {missing[:5]}: the "
            "trajectory_stride must be a multiple of the deviation_stride"
        )
    deviation = np.array([by_step[int(step)] for step in node.steps])
    screening = screen_frames(
        node.positions(),
        node.cells,
        node.pbc,
        node.numbers,
        criteria=criteria or screening_criteria(settings),
        temperatures=_at_frames(node, "temperature_K"),
        energies=_at_frames(node, "potential_energy_eV"),
        deviations=deviation,
    )
    window = physical_window(screening.physical, persistence=2)
    inside = deviation[:window]
    correlation = statistical_inefficiency(inside) if len(inside) > 2 else float(max(window, 1))
    return ExploredRun(
        key=key,
        node=node,
        deviation=deviation,
        reasons=np.asarray(screening.reasons),
        window=window,
        labels=classify(deviation, trust),
        blind=is_blind(key, settings),
        correlation=correlation,
        start_ps=float(settings["blind_start_ps"]),
    )


def is_blind(key: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a run, by its key, is kept for the blind test."""
    return key.endswith(f"_replica{settings['blind_replica']}")


def frames_below(counts: Mapping[str, Any], level: float) -> float:
    """Return how many frames are physical and deviate less than ``level``, from stored quantiles.

    Parameters
    ----------
    counts
        ``n_frames``, ``unphysical`` and ``deviation_quantiles_eV_A`` (of the physical frames,
        evenly spaced from 0 to 1) of a selection or one of its runs.
    level
        eV/Å.
    """
    quantiles = counts["deviation_quantiles_eV_A"]
    if not quantiles:
        return 0.0
    shares = np.linspace(0.0, 1.0, len(quantiles))
    below = float(np.interp(level, quantiles, shares, left=0.0, right=1.0))
    return below * (counts["n_frames"] - counts["unphysical"])


def screening_criteria(settings: dict[str, Any], known: Iterable[Frames] = ()) -> ScreeningCriteria:
    """Return the criteria of a selection, with limits of contacts from known labelled frames."""
    return ScreeningParameters.model_validate(settings.get("screening", {})).criteria(known)


def _at_frames(node: MDTrajectoryData, name: str) -> np.ndarray | None:
    """Return a thermodynamic series at each frame, or None where the run has none."""
    thermo = node.thermo
    if name not in thermo or not len(thermo["step"]):
        return None
    rows = np.searchsorted(thermo["step"], node.steps, side="right") - 1
    # The output of a restarted run may begin after its first frame.
    return thermo[name][np.maximum(rows, 0)]
