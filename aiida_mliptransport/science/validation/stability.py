"""Stability of MD: the time to failure over many runs, and the drift of what is conserved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..transport.equilibration import statistical_inefficiency


@dataclass(frozen=True)
class TimeToFailure:
    """Failures of runs at a constant rate.

    Attributes
    ----------
    n_runs, n_failed
        Runs in all, and those that failed.
    total_ps
        Time of all runs together, each up to its failure.
    mean_ps
        Time over failures, the maximum likelihood for a constant rate with runs that are cut
        (Epstein and Sobel, J. Am. Stat. Assoc. 48, 486 (1953)); None without a failure.
    low_ps, high_ps
        Bounds of the mean time at ``level``; ``high_ps`` is None without a failure, and ``low_ps``
        is then a one-sided bound.
    """

    n_runs: int
    n_failed: int
    total_ps: float
    mean_ps: float | None
    low_ps: float
    high_ps: float | None
    level: float


def time_to_failure(
    times_ps: ArrayLike, failed: Sequence[bool], level: float = 0.95
) -> TimeToFailure:
    """Estimate the mean time to failure.

    Parameters
    ----------
    times_ps
        ``(n,)`` how long each run went, to its failure or to its end.
    failed
        ``(n,)`` whether it failed then.

    Returns
    -------
    TimeToFailure
        Garwood's interval of a Poisson count k in the time T: rates from χ²(α/2; 2k)/2T to
        χ²(1 − α/2; 2k + 2)/2T (F. Garwood, Biometrika 28, 437 (1936)). Without a failure the mean
        time is above T/ln(1/(1 − level)): 3.0 times shorter than all runs together at 95 %.

    Raises
    ------
    ValueError
        Without a run or time, with a negative time, or a level that is no probability.
    """
    times = np.asarray(times_ps, dtype=np.float64)
    marks = np.asarray(failed, dtype=bool)
    if times.ndim != 1 or times.shape != marks.shape or not len(times):
        raise ValueError(
            f"times_ps has shape {times.shape} and failed {marks.shape}, expected (n,) of both "
            "with one run or more"
        )
    if not (np.isfinite(times).all() and (times >= 0).all() and times.sum() > 0):
        raise ValueError(f"times_ps is {times.tolist()}, expected times in ps, not all zero")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected a probability between 0 and 1, like 0.95")
    total, k = float(times.sum()), int(marks.sum())
    if k == 0:
        low = total / float(-np.log(1.0 - level))
        return TimeToFailure(len(times), 0, total, None, low, None, level)
    alpha = 1.0 - level
    slowest = float(stats.chi2.ppf(alpha / 2, 2 * k)) / (2 * total)
    fastest = float(stats.chi2.ppf(1 - alpha / 2, 2 * k + 2)) / (2 * total)
    return TimeToFailure(len(times), k, total, total / k, 1 / fastest, 1 / slowest, level)


@dataclass(frozen=True)
class EnergyDrift:
    """Slope of the conserved energy and its standard error, meV/atom/ps."""

    slope: float
    error: float


def energy_drift(times_ps: ArrayLike, energies_eV: ArrayLike, n_atoms: int) -> EnergyDrift:
    """Return the drift of the conserved energy of one run.

    Parameters
    ----------
    times_ps, energies_eV
        ``(n,)`` ps, evenly spaced, and eV of the whole cell.

    Returns
    -------
    EnergyDrift
        Slope of the straight line; its error is that of independent values times the square root
        of the statistical inefficiency of the residuals.

    Raises
    ------
    ValueError
        With fewer than ten values, values that are not finite, or residuals that are correlated
        over the whole run.
    """
    t = np.asarray(times_ps, dtype=np.float64)
    e = np.asarray(energies_eV, dtype=np.float64)
    if len(t) < 10 or t.shape != e.shape:
        raise ValueError(f"{len(t)} times and {len(e)} energies, expected ten or more of both")
    if not (np.isfinite(t).all() and np.isfinite(e).all()):
        raise ValueError("times_ps or energies_eV hold values that are not finite")
    per_atom = 1000.0 * (e - e.mean()) / n_atoms
    line = stats.linregress(t, per_atom)
    residuals = per_atom - line.intercept - line.slope * t
    inefficiency = statistical_inefficiency(residuals)
    if not np.isfinite(inefficiency):
        raise ValueError("the energy is correlated over the whole run; run for longer")
    return EnergyDrift(float(line.slope), float(line.stderr * np.sqrt(inefficiency)))
