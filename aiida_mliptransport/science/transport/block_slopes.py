"""Slope of an MSD from blocks of time origins: an error that assumes nothing of the motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_mliptransport.science.transport.reference import FloatArray


@dataclass(frozen=True, eq=False)
class BlockSlopes:
    """Slopes in Å²/ps of ⟨|Δr|²⟩ by block, and of ⟨Δr_a Δr_b⟩ over all time origins.

    `values` (n_blocks,) and the `error` of their mean; `tensor` (3, 3), whose trace is the slope
    over all origins, and `tensor_error` (3, 3) from the same blocks.
    """

    values: FloatArray
    error: float
    tensor: FloatArray
    tensor_error: FloatArray


def block_slopes(
    runs: Sequence[NDArray[np.floating]],
    lags: NDArray[np.int_],
    weights: FloatArray,
    n_blocks: int,
) -> BlockSlopes:
    """The same weighted slope from blocks of time origins, and the error of their mean.

    Blocks are at least as long as the longest lag (a tenth of the run each).
    """
    total = sum(len(run) for run in runs)
    values: list[FloatArray] = []
    shares: list[float] = []
    sums, origins = np.zeros((len(lags), 3, 3)), np.zeros(len(lags))
    for run in runs:
        parts = max(1, round(n_blocks * len(run) / total))
        slopes = np.zeros((parts, 3, 3))
        for number, series in enumerate(_origin_tensors(run, lags)):
            bounds = np.linspace(0, len(series), parts + 1).astype(int)
            blocks = np.add.reduceat(series, bounds[:-1])
            slopes += weights[number] * blocks / np.diff(bounds)[:, None, None]
            sums[number] += blocks.sum(axis=0)
            origins[number] += len(series)
        values.extend(slopes)
        shares.extend([len(run) / parts] * parts)
    array, share = np.array(values), np.array(shares) / sum(shares)
    scalars = np.trace(array, axis1=1, axis2=2)
    return BlockSlopes(
        values=scalars,
        error=float(_error_of_mean(scalars, share)),
        tensor=np.einsum("k,kab->ab", weights, sums / origins[:, None, None]),
        tensor_error=_error_of_mean(array, share),
    )


def _error_of_mean(blocks: FloatArray, share: FloatArray) -> FloatArray:
    """Standard error of the mean over the first axis, blocks having a share of the data each."""
    deviation = blocks - np.tensordot(share, blocks, axes=1)
    variance = np.tensordot(share**2, deviation**2, axes=1) * len(blocks) / (len(blocks) - 1)
    return np.asarray(np.sqrt(variance))


def _origin_tensors(run: NDArray[np.floating], lags: NDArray[np.int_]) -> list[FloatArray]:
    """Atom-averaged products Δr_a Δr_b (n_origins, 3, 3) from each time origin, for each lag."""
    n_frames, n_atoms = run.shape[:2]
    result = [np.zeros((n_frames - int(lag), 3, 3)) for lag in lags]
    step = max(1, 64 * 1024**2 // (8 * n_frames * 3))
    for start in range(0, n_atoms, step):
        chunk = np.asarray(run[:, start : start + step], dtype=np.float64)
        # One frame's atoms side by side for each direction, as the products read them.
        chunk = np.ascontiguousarray(chunk.transpose(0, 2, 1))
        for series, lag in zip(result, lags, strict=True):
            difference = chunk[int(lag) :] - chunk[: -int(lag)]
            series += difference @ difference.transpose(0, 2, 1) / n_atoms
    return result
