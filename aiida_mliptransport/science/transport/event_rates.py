"""Rates of rare events from their counts, with intervals that hold for few of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_mliptransport.science.transport.bonds import IntArray

#: Events below which a rate is not resolved: the relative error is then above one half.
MIN_EVENTS = 4.0
_N_BLOCKS = 20


@dataclass(frozen=True)
class EventRate:
    """A rate in events per ps and thing at risk, from counted events with right-censoring.

    rate = events / time at risk, the maximum likelihood for a constant rate; the time of lives
    that go on at the end counts too (Epstein and Sobel, J. Am. Stat. Assoc. 48, 486 (1953)).
    Several atoms that convert in one reaction are one independent event; events that come in
    bursts over the blocks of the trajectory (χ² probability below 1 %) count for fewer yet.
    Where `resolved` is False the rate is None, `reason` says why, `upper_bound_per_ps` is what
    the data exclude with 95 %, and `needed_length_ps` a lower bound on the length needed.
    """

    rate_per_ps: float | None
    standard_error_per_ps: float | None
    n_events: float
    n_independent: float
    exposure_ps: float
    resolved: bool
    reason: str
    upper_bound_per_ps: float | None
    needed_length_ps: float | None
    warning: str

    @property
    def lifetime_ps(self) -> float | None:
        """Mean lifetime 1/rate in ps."""
        return None if self.rate_per_ps is None else 1.0 / self.rate_per_ps

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the rate in 1/ps: Γ(n + 1/2) quantiles (Jeffreys) of a Poisson count."""
        if not 0.0 < level < 1.0:
            msg = f"level is {level}, expected a probability between 0 and 1, for example 0.95"
            raise ValueError(msg)
        if self.rate_per_ps is None:
            msg = f"no interval, the rate is not resolved: {self.reason}"
            raise ValueError(msg)
        scale = self.rate_per_ps / self.n_independent
        ends = stats.gamma.ppf([0.5 - level / 2, 0.5 + level / 2], self.n_independent + 0.5)
        return float(scale * ends[0]), float(scale * ends[1])

    def lifetime_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the mean lifetime in ps."""
        low, high = self.interval(level)
        return 1.0 / high, 1.0 / low


def estimate_event_rate(
    frames: IntArray, numbers: IntArray, at_risk: NDArray[np.integer], dt_ps: float
) -> EventRate:
    """Rate of events of a trajectory, with the number of things at risk in each step.

    `frames` (n_events,), sorted, says in which frame each event was first seen and `numbers`
    (n_events,) how many things it took; `at_risk` (n_frames - 1,) counts those that the step
    after each frame may take. `dt_ps`: time between frames.

    The 95 % interval held the truth, on 2000 synthetic trajectories each, in 95.7, 95.3, 95.3
    and 95.6 % for two-state Markov chains with 6, 11, 72 and 359 events on average, and in 95.2,
    94.5, 95.1 and 94.5 % for exponential lifetimes with 7, 12, 58 and 294 deaths, cut by both
    ends and seen in frames of 1/40 of a lifetime. Of those with 6 and 7 events 88 and 97 % were
    resolved, of all others each.
    """
    total, exposure = float(numbers.sum()), float(at_risk.sum()) * dt_ps
    if exposure == 0.0:
        reason = "none was there before the last frame"
        return EventRate(None, None, total, 0.0, 0.0, False, reason, None, None, "")
    # Poisson numbers of events of random sizes scatter like so few single ones.
    size = float((numbers**2).sum()) / max(total, 1.0)
    dispersion = _dispersion(frames, numbers, at_risk, size)
    independent = total / max(size * dispersion, 1.0)
    rate = total / exposure
    warning = _warning(rate * dt_ps, independent, dispersion)
    if independent < MIN_EVENTS:
        length = len(at_risk) * dt_ps
        # Γ(n + 1): the largest mean that gives so few events with 5 % probability.
        most = float(stats.gamma.ppf(0.95, independent + 1.0))
        bound = most * (rate / independent if total else 1.0 / exposure)
        needed = length * max(1.0, MIN_EVENTS / most)
        reason = (
            f"{independent:.3g} independent events in {length:.3g} ps, at least {MIN_EVENTS:g} "
            "are needed"
        )
        return EventRate(
            None, None, total, independent, exposure, False, reason, bound, needed, warning
        )
    error = rate / float(np.sqrt(independent))
    return EventRate(rate, error, total, independent, exposure, True, "", None, None, warning)


def _warning(chance: float, independent: float, dispersion: float) -> str:
    """What to beware of, given the chance of an event in one step."""
    notes = []
    if dispersion > 1.0:
        notes.append(
            f"the events come in bursts: their counts scatter {dispersion:.1f} times as much as "
            "independent ones; they may be recrossings (widen the radii or the persistence time)"
        )
    # 1 - exp(-k dt) falls short of k dt by half of its square.
    if chance > 0.1 or chance**2 * independent > 1.0:
        notes.append(
            f"a lifetime is only {1.0 / chance:.1f} frames: events within one frame are missed "
            f"and the rate is too low by {50.0 * chance:.2g} % or more; save frames more often"
        )
    return "; ".join(notes)


def _dispersion(
    frames: IntArray, numbers: IntArray, at_risk: NDArray[np.integer], size: float
) -> float:
    """Variance over mean of the reactions per block of time; 1 unless clearly above it."""
    n_blocks = min(_N_BLOCKS, len(frames) // 5, len(at_risk))
    if n_blocks < 4:
        return 1.0
    bounds = np.linspace(0, len(at_risk), n_blocks + 1).astype(int)
    share = np.add.reduceat(at_risk, bounds[:-1]) / at_risk.sum()
    expected = numbers.sum() * share[share > 0.0]
    # An event first seen in a frame happened in the step before it.
    seen = np.histogram(frames - 1, bounds, weights=numbers)[0][share > 0.0]
    chi_square = float(((seen - expected) ** 2 / expected).sum()) / size
    burst = stats.chi2.sf(chi_square, len(expected) - 1) < 0.01
    return chi_square / (len(expected) - 1) if burst else 1.0
