"""Drawing of the blind test: uniform, decorrelated frames, and how many they are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "blind_capacity",
    "decorrelated_from",
    "draw_blind",
    "effective_size",
    "statistical_inefficiency",
]


def statistical_inefficiency(series: NDArray[Any]) -> float:
    """Return how many consecutive frames are worth one independent frame.

    Parameters
    ----------
    series
        One scalar per frame of an equilibrated trajectory, ``(T,)``, such as the energy.

    Returns
    -------
    float
        g = 1 + 2 Σ (1 − t/T) C(t), between 1 and T; T for a constant series, which tells nothing
        of decorrelation, so that all of it counts as one frame.

    Raises
    ------
    ValueError
        If the series is empty, not one-dimensional or not finite.

    Notes
    -----
    Chodera et al., J. Chem. Theory Comput. 3, 26 (2007), Eqs. 19–21; the sum ends where the
    normalised autocorrelation C first falls to zero or below, its noise being larger from there.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"series has shape {values.shape}, expected (frames,) of finite numbers: cut it at "
            "the explosion with physical_window"
        )
    length = len(values)
    spread = values - values.mean()
    variance = float(np.mean(spread**2))
    # The rounding of a mean leaves a spread even where all values are equal.
    if variance <= (1e-12 * float(np.abs(values).max())) ** 2:
        return float(length)
    spectrum = np.fft.rfft(spread, n=2 * length)
    lagged = np.fft.irfft(np.abs(spectrum) ** 2, n=2 * length)[:length]
    lags = np.arange(length)
    correlation = lagged / (length - lags) / variance
    below = np.flatnonzero(correlation <= 0)
    end = int(below[0]) if len(below) else length
    total = float(np.sum((1.0 - lags[1:end] / length) * correlation[1:end]))
    return min(max(1.0, 1.0 + 2.0 * total), float(length))


def blind_capacity(n_frames: int, correlation_frames: float = 1.0) -> int:
    """Return how many frames can be drawn with at least the correlation length between them."""
    gap = _gap(correlation_frames)
    return 0 if n_frames < 1 else 1 + (n_frames - 1) // gap


def draw_blind(
    n_frames: int, k: int, rng: np.random.Generator, correlation_frames: float = 1.0
) -> NDArray[np.int64]:
    """Draw k frames of one trajectory, each admissible set with equal probability.

    Parameters
    ----------
    n_frames
        Frames to draw from; the physical window where the run blew up.
    k
        How many.
    rng
        The only source of randomness.
    correlation_frames
        Smallest distance of two drawn frames (rounded up), usually the statistical inefficiency.

    Returns
    -------
    numpy.ndarray
        Ascending indices ``(k,)``.

    Raises
    ------
    ValueError
        If k is negative or more than :func:`blind_capacity`.
    """
    gap = _gap(correlation_frames)
    capacity = blind_capacity(n_frames, correlation_frames)
    if not 0 <= k <= capacity:
        raise ValueError(
            f"k={k}: {n_frames} frames with {gap} between draws hold 0 to {capacity} blind frames; "
            "ask for fewer, or run longer MD"
        )
    if k == 0:
        return np.empty(0, dtype=np.int64)
    # Taking the gaps out maps spaced sets one to one onto plain sets, which draw uniformly.
    plain = rng.choice(n_frames - (k - 1) * (gap - 1), size=k, replace=False)
    spaced: NDArray[np.int64] = np.sort(plain).astype(np.int64) + np.arange(k) * (gap - 1)
    return spaced


def decorrelated_from(
    frames: NDArray[Any], blind: NDArray[Any], correlation_frames: float
) -> NDArray[np.bool_]:
    """Return which frames are at least the correlation length away from every blind frame.

    A training frame next to a blind one in the same trajectory would leak its answer into the test.

    Parameters
    ----------
    frames, blind
        Indices into one trajectory, ``(n,)`` and ``(k,)``.
    correlation_frames
        As in :func:`draw_blind`.
    """
    indices = np.asarray(frames, dtype=np.int64)
    drawn = np.asarray(blind, dtype=np.int64)
    distance = np.abs(indices[:, None] - drawn[None, :])
    return np.asarray(np.all(distance >= _gap(correlation_frames), axis=1), dtype=bool)


def effective_size(indices: Sequence[NDArray[Any]], correlation_frames: Sequence[float]) -> float:
    """Return the number of independent frames that a blind test from several trajectories is worth.

    Parameters
    ----------
    indices
        Drawn frames of each trajectory, in frames of that trajectory; trajectories are taken to be
        independent of each other.
    correlation_frames
        Statistical inefficiency g of each trajectory, in its frames.

    Returns
    -------
    float
        K²/Σ_ij ρ^|i−j| over pairs within a trajectory, with ρ = (g−1)/(g+1): so many independent
        frames have a mean of the same variance, if correlation decays exponentially. 0 for no
        frame.

    Raises
    ------
    ValueError
        If the two sequences differ in length, or a g is below 1.
    """
    if len(indices) != len(correlation_frames):
        raise ValueError(
            f"{len(indices)} trajectories and {len(correlation_frames)} correlation lengths: "
            "expected one for each"
        )
    drawn, covariance = 0, 0.0
    for frames, g in zip(indices, correlation_frames, strict=True):
        _gap(g)
        times = np.asarray(frames, dtype=np.float64)
        lags = np.abs(times[:, None] - times[None, :])
        covariance += float(np.sum(((g - 1.0) / (g + 1.0)) ** lags))
        drawn += len(times)
    return drawn**2 / covariance if drawn else 0.0


def _gap(correlation_frames: float) -> int:
    if not (math.isfinite(correlation_frames) and correlation_frames >= 1):
        raise ValueError(
            f"correlation_frames={correlation_frames!r}: expected a finite number of frames, 1 or "
            "more; statistical_inefficiency gives it"
        )
    return math.ceil(correlation_frames)
