"""Slope of an MSD from blocks of time origins: an error that assumes nothing of the motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_mliptransport.science.transport.reference import FloatArray


def block_slopes(
    runs: Sequence[NDArray[np.floating]],
    lags: NDArray[np.int_],
    weights: FloatArray,
    n_blocks: int,
) -> tuple[FloatArray, float]:
    """The same weighted slope from blocks of time origins, and the error of their mean.

    Blocks are at least as long as the longest lag (a tenth of the run each).
    """
    total = sum(len(run) for run in runs)
    values: list[float] = []
    shares: list[float] = []
    for run in runs:
        parts = max(1, round(n_blocks * len(run) / total))
        slopes = np.zeros(parts)
        for weight, series in zip(weights, _origin_msd(run, lags), strict=True):
            bounds = np.linspace(0, len(series), parts + 1).astype(int)
            sums = np.add.reduceat(series, bounds[:-1])
            slopes += weight * sums / np.diff(bounds)
        values.extend(slopes)
        shares.extend([len(run) / parts] * parts)
    array, share = np.array(values), np.array(shares) / sum(shares)
    deviation = array - share @ array
    variance = float((share**2 * deviation**2).sum()) * len(array) / (len(array) - 1)
    return array, float(np.sqrt(variance))


def _origin_msd(run: NDArray[np.floating], lags: NDArray[np.int_]) -> list[FloatArray]:
    """Atom-averaged squared displacement from each time origin, for each lag."""
    n_frames, n_atoms, n_axes = run.shape
    result = [np.zeros(n_frames - int(lag)) for lag in lags]
    step = max(1, 64 * 1024**2 // (8 * n_frames * n_axes))
    for start in range(0, n_atoms, step):
        chunk = np.asarray(run[:, start : start + step], dtype=np.float64)
        chunk = np.ascontiguousarray(chunk.reshape(n_frames, -1))
        for series, lag in zip(result, lags, strict=True):
            difference = chunk[int(lag) :] - chunk[: -int(lag)]
            series += np.einsum("ti,ti->t", difference, difference) / n_atoms
    return result
