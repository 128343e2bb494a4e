"""Mean numbers of molecules and how well a correlated series knows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, stats

from aiida_mliptransport.science.transport.bonds import IntArray
from aiida_mliptransport.science.transport.speciation import Speciation

#: Statistical inefficiencies that a mean needs: with fewer the inefficiency itself is unknown.
MIN_INEFFICIENCIES = 10.0


@dataclass(frozen=True)
class PopulationEstimate:
    """Mean number of molecules per frame, and its error from the autocorrelation.

    `inefficiency_ps` is the time per independent value. Where `resolved` is False the error is
    None, `reason` says why, and `needed_length_ps` is the length that it takes at least.
    """

    mean: float
    standard_error: float | None
    inefficiency_ps: float | None
    degrees_of_freedom: float
    resolved: bool
    reason: str
    needed_length_ps: float | None

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval by Student's t; ValueError where the error is not resolved."""
        if not 0.0 < level < 1.0:
            msg = f"level is {level}, expected a probability between 0 and 1, for example 0.95"
            raise ValueError(msg)
        if self.standard_error is None:
            msg = f"no interval, the error of the population is not resolved: {self.reason}"
            raise ValueError(msg)
        half = float(stats.t.ppf(0.5 + level / 2, self.degrees_of_freedom)) * self.standard_error
        return self.mean - half, self.mean + half


def mean_populations(speciation: Speciation) -> dict[str, PopulationEstimate]:
    """Mean number of molecules of each species, by formula, with errors.

    The autocorrelation is integrated up to five times itself, W steps (Sokal, in Functional
    Integration, Plenum, 1997), and corrected for the mean that was taken from the same data
    (Wolff, Comput. Phys. Commun. 156, 143 (2004), eq. 49). Its own relative error, at most
    √(2 (2 W + 1) / n) by eq. 42 there, sets the degrees of freedom of Student's t.

    The 95 % interval held the truth, on 2000 two-state Markov trajectories each, in 96.0 (eight
    molecules) and 94.5 % (one molecule) at 50 inefficiencies, 96.2 and 94.5 % at 25, 95.2 and
    92.8 % at 15. At 10 it is too narrow: 92.2 and 87.7 % of the 64 % that are resolved, for
    these are the ones that look less correlated than they are.
    """
    return {
        name: _mean(series, speciation.dt_ps) for name, series in speciation.populations().items()
    }


def _mean(series: IntArray, dt_ps: float) -> PopulationEstimate:
    mean, n = float(series.mean()), len(series)
    deviation = series - mean
    if not deviation.any():
        reason = "the population never changed, so its fluctuations are unknown"
        return PopulationEstimate(mean, None, None, 0.0, False, reason, None)
    n_fft = fft.next_fast_len(2 * n, real=True)
    power = np.abs(fft.rfft(deviation, n_fft)) ** 2
    correlation = fft.irfft(power, n_fft)[:n]
    growing = 2.0 * np.cumsum(correlation / correlation[0]) - 1.0
    ended = np.flatnonzero(np.arange(n) >= 2.5 * growing)
    stop = int(ended[0])
    windows = n / (2.0 * stop + 1.0)
    inefficiency = max(float(growing[stop]), 1.0) * (1.0 + 1.0 / windows)
    needed = MIN_INEFFICIENCIES * inefficiency
    if n < needed:
        reason = f"{n * dt_ps:.3g} ps are there, at least {needed * dt_ps:.3g} ps are needed"
        return PopulationEstimate(
            mean, None, inefficiency * dt_ps, 0.0, False, reason, needed * dt_ps
        )
    error = float(np.sqrt(deviation.var() * inefficiency / n))
    return PopulationEstimate(mean, error, inefficiency * dt_ps, windows, True, "", None)
