"""Time origins of a trajectory in blocks, for averages over lags with errors from the blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.transport.reference import FloatArray, require_finite
from aiida_mliptransport.science.transport.slope import as_trajectories

#: Blocks of time origins from which errors come; lags must not be longer than a block.
N_BLOCKS = 10
#: Origins closer than this share of a lag add nothing.
_ORIGINS_PER_LAG = 20
_CHUNK_NUMBERS = 2_000_000


def check_runs(positions: ArrayLike | Sequence[ArrayLike]) -> list[NDArray[np.floating]]:
    """Return positions (n_frames, n_atoms, 3) of each run, or raise ValueError."""
    runs = as_trajectories(positions)
    if runs[0].shape[2] != 3:
        msg = f"positions have shape {runs[0].shape}, expected (n_frames, n_atoms, 3)"
        raise ValueError(msg)
    for run in runs:
        require_finite(np.asarray(run), "positions")
    return runs


def lag_frames(
    runs: Sequence[NDArray[np.floating]], dt_ps: float, lags_ps: Sequence[float], shortest: int
) -> NDArray[np.int_]:
    """Lags in frames, from `shortest` to a block of the longest run, or raise ValueError."""
    if not dt_ps > 0.0:
        msg = f"dt_ps is {dt_ps}, expected the positive time between frames in ps"
        raise ValueError(msg)
    lags = np.rint(np.asarray(lags_ps, dtype=np.float64) / dt_ps).astype(np.int_)
    longest = max(len(run) for run in runs) // N_BLOCKS
    if lags.size == 0 or lags.min() < shortest or lags.max() > longest:
        msg = (
            f"lags_ps are {list(lags_ps)}, expected {shortest * dt_ps:g} to {longest * dt_ps:g} ps "
            f"(a tenth of the longest run); for longer lags run longer"
        )
        raise ValueError(msg)
    return lags


def origin_stride(lag: int) -> int:
    """Frames between the time origins that a lag needs."""
    return max(1, lag // _ORIGINS_PER_LAG)


def squared_displacements(
    runs: Sequence[NDArray[np.floating]], lag: int
) -> Iterator[tuple[int, FloatArray]]:
    """Yield block numbers with |Δr|² in Å² (n,) of all atoms over the time origins of the block."""
    rows = max(1, _CHUNK_NUMBERS // (3 * runs[0].shape[1]))
    usable = [np.arange(0, len(run) - lag, origin_stride(lag)) for run in runs]
    total, done = sum(len(origins) for origins in usable), 0
    for run, origins in zip(runs, usable, strict=True):
        block = (done + np.arange(len(origins))) * N_BLOCKS // total
        done += len(origins)
        for number in np.unique(block):
            here = origins[block == number]
            for start in range(0, len(here), rows):
                now = here[start : start + rows]
                step = np.asarray(run[now + lag], np.float64) - np.asarray(run[now], np.float64)
                yield int(number), np.einsum("tac,tac->ta", step, step).ravel()


def time_origins(
    runs: Sequence[NDArray[np.floating]], lag: int, max_origins: int
) -> list[tuple[NDArray[np.floating], int]]:
    """At most `max_origins` evenly spaced pairs of a run and a frame with `lag` frames ahead."""
    everywhere = [(run, origin) for run in runs for origin in range(len(run) - lag)]
    number = min(max_origins, len(everywhere))
    if number < N_BLOCKS:
        msg = f"there are {number} time origins at a lag of {lag} frames, expected {N_BLOCKS}"
        raise ValueError(msg)
    chosen = np.linspace(0, len(everywhere) - 1, number).astype(int)
    return [everywhere[index] for index in chosen]


def error_of_mean(blocks: FloatArray) -> FloatArray:
    """Standard error of the mean over the first axis."""
    return np.asarray(blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks)))
