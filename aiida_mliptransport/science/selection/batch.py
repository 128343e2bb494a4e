"""The batch of frames to label next: a strategy, without near-duplicates and neighbours in time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from .pool import Pool
from .strategies import Strategy

__all__ = ["choose_batch"]


def choose_batch(
    pool: Pool,
    strategy: Strategy,
    number: int,
    *,
    seed: int,
    known: NDArray[Any] | None = None,
    tolerance: float = 0.0,
    min_separation_ps: float = 0.0,
) -> NDArray[np.int64]:
    """Choose frames of a pool; no two say the same, whatever the strategy.

    Wherever the strategy comes to a frame too near to one chosen before, it is asked anew, without
    the frames that are ruled out and with the chosen ones among the known.

    Parameters
    ----------
    pool, strategy
        Candidates of one group of classes (:meth:`Strategy.groups`), and how to choose.
    number
        How many at most; fewer come back when no others are left.
    seed
        Of the strategies that draw.
    known
        Descriptors of frames that are chosen or trained on already, ``(m, d)``.
    tolerance
        Descriptor distance up to which a frame counts as a copy of a chosen or known one; see
        :func:`displacement_tolerance`.
    min_separation_ps
        Two chosen frames of one run are at least so far apart in time, ps.

    Returns
    -------
    numpy.ndarray
        Indices into the pool, best first.

    Raises
    ------
    ValueError
        If descriptors of pool and known frames differ in length, ``number``, ``tolerance`` or
        ``min_separation_ps`` is negative, a separation is asked of a pool without times, or the
        strategy misses what it needs in the pool.
    """
    if number < 0 or not tolerance >= 0 or not min_separation_ps >= 0:
        raise ValueError(
            f"number={number}, tolerance={tolerance} and min_separation_ps={min_separation_ps}: "
            "none may be negative"
        )
    points = np.asarray(pool.descriptors, dtype=np.float64)
    others = np.asarray(
        np.empty((0, points.shape[1])) if known is None else known, dtype=np.float64
    )
    if others.ndim != 2 or others.shape[1] != points.shape[1]:
        raise ValueError(
            f"known has shape {others.shape}, expected (m, {points.shape[1]}) like the pool's "
            "descriptors: describe both alike"
        )
    if min_separation_ps > 0 and pool.run is None:
        raise ValueError(
            f"min_separation_ps={min_separation_ps} for a pool without run and times_ps, "
            "expected both, or 0"
        )
    chosen: list[int] = []
    open_ = _far_from(points, others, tolerance)
    while len(chosen) < number and open_.any():
        left = np.flatnonzero(open_)
        picks = strategy.choose(
            pool.take(left),
            number - len(chosen),
            seed + len(chosen),
            np.concatenate([others, points[chosen]]),
        )
        if not len(picks):
            break
        for pick in left[picks]:
            if not open_[pick]:
                break
            chosen.append(int(pick))
            open_ &= _far_from(points, points[pick : pick + 1], tolerance)
            open_ &= _apart_in_time(pool, int(pick), min_separation_ps)
            open_[pick] = False
    return np.array(chosen, dtype=np.int64)


def _far_from(
    points: NDArray[np.float64], others: NDArray[np.float64], tolerance: float
) -> NDArray[np.bool_]:
    far = np.ones(len(points), dtype=bool)
    # Blocks keep the distance matrix small for a long list of known frames.
    for start in range(0, len(others), 512):
        far &= (cdist(points, others[start : start + 512]) > tolerance).all(axis=1)
    return far


def _apart_in_time(pool: Pool, pick: int, separation_ps: float) -> NDArray[np.bool_]:
    if separation_ps == 0 or pool.run is None or pool.times_ps is None:
        return np.ones(len(pool), dtype=bool)
    times, run = np.asarray(pool.times_ps, dtype=np.float64), np.asarray(pool.run)
    # The slack lets frames through that are exactly so far apart, but for rounding.
    distant = np.abs(times - times[pick]) >= separation_ps * (1.0 - 1e-9)
    return np.asarray((run != run[pick]) | distant, dtype=bool)
