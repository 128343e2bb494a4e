"""Errors of event counts and ratios from blocks of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_mliptransport.science.transport.reference import FloatArray

IntArray = NDArray[np.int64]
#: Time blocks that show whether events come in bursts; each must be longer than a burst.
N_BLOCKS = 20


def require_level(level: float) -> None:
    """Raise ValueError unless a confidence level is a probability."""
    if not 0.0 < level < 1.0:
        msg = f"level is {level}, expected a probability between 0 and 1, for example 0.95"
        raise ValueError(msg)


def student_t(level: float, n_blocks: int = N_BLOCKS) -> float:
    """Two-sided quantile of Student's t for an error that the blocks estimate."""
    require_level(level)
    return float(stats.t.isf(0.5 * (1.0 - level), n_blocks - 1))


def widening(n_blocks: int = N_BLOCKS) -> float:
    """Student's t over the normal quantile at 95 %, of an error that so few blocks estimate."""
    return student_t(0.95, n_blocks) / float(stats.norm.isf(0.025))


def block_numbers(frames: IntArray, last_frame: int) -> IntArray:
    """Block of each event; one seen in frame t happened in the interval before it."""
    found = np.searchsorted(_edges(last_frame), frames - 0.5) - 1
    return np.asarray(np.clip(found, 0, N_BLOCKS - 1), dtype=np.int64)


def block_sums(block: IntArray, weights: ArrayLike | None = None) -> FloatArray:
    """Number of events, or the sum of their weights, in each block (n_blocks,)."""
    return np.bincount(block, weights, minlength=N_BLOCKS).astype(np.float64)


def time_in_blocks(starts: IntArray, stops: IntArray, last_frame: int) -> FloatArray:
    """Time in frames (n_blocks,) that intervals from `starts` to `stops` spend in each block."""
    # Intervals that began before each edge, less those that ended before it.
    spent = [
        (np.minimum(stops, edge) - np.minimum(starts, edge)).sum(dtype=np.float64)
        for edge in _edges(last_frame)
    ]
    return np.diff(spent)


def dispersion(counts: FloatArray, spent: FloatArray) -> float:
    """Variance over mean of the counts (n_blocks,) in the time `spent`, at least 1.

    Student's t for the blocks is folded in, so that normal or Poisson quantiles may be used.
    Source: McCullagh and Nelder, Generalized Linear Models, 2nd ed., section 6.2.4.
    """
    watched = spent > 0.0
    expected = counts.sum() * spent[watched] / max(spent.sum(), 1e-300)
    n_watched = int(watched.sum())
    if n_watched < 2 or not counts.any():
        return 1.0
    chi_square = float(((counts[watched] - expected) ** 2 / expected).sum())
    return max(1.0, chi_square / (n_watched - 1) * widening(n_watched) ** 2)


def jackknife_ratio(numerators: FloatArray, denominators: FloatArray) -> tuple[float, float]:
    """Ratio of two sums over blocks (n_blocks,), and its error.

    Source: Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982), chapter 3.
    """
    top, bottom = numerators.sum(), denominators.sum()
    rest = bottom - denominators
    without = (top - numerators)[rest > 0.0] / rest[rest > 0.0]
    spread = ((without - without.mean()) ** 2).sum()
    return float(top / bottom), float(np.sqrt((len(without) - 1) / len(without) * spread))


def _edges(last_frame: int) -> FloatArray:
    return np.linspace(0.0, last_frame, N_BLOCKS + 1)
