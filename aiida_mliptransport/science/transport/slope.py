"""Long-time slope of an MSD with an honest error: window, fit, regime test and block check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.transport.block_slopes import BlockSlopes, block_slopes
from aiida_mliptransport.science.transport.msd import msd_self
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.window import (
    DEFAULT_SETTINGS,
    LagWindow,
    SlopeSettings,
    find_window,
)

Tensor = tuple[tuple[float, ...], ...]

METHOD = "generalised least squares; the larger of its own and the block error"


@dataclass(frozen=True)
class SlopeEstimate:
    """Slope of an MSD in Å²/ps and everything that says whether to believe it.

    `slope` is the bare fit result, also where it is not resolved (then it may be negative);
    `lags` (frames) and `weights` (1/ps) reproduce it as weights · MSD(lags). `tensor` (3, 3) has
    the slopes of ⟨Δr_a Δr_b⟩ by the same weights, so that its trace is `slope`.
    """

    slope: float
    standard_error: float
    offset: float
    log_log_slope: float
    log_log_slope_error: float
    fit_window_ps: tuple[float, float]
    n_independent: float
    block_values: tuple[float, ...]
    block_error: float
    resolved: bool
    reason: str
    needed_length_ps: float | None
    warning: str
    length_ps: float
    n_trajectories: int
    lags: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    tensor: Tensor = ()
    tensor_error: Tensor = ()


def as_trajectories(
    data: ArrayLike | Sequence[ArrayLike],
) -> list[NDArray[np.floating]]:
    """One array (n_frames, n_atoms, n_axes), or several independent ones, as a list."""
    items = list(data) if isinstance(data, (list, tuple)) else [data]
    arrays = [np.asanyarray(item) for item in items]
    if not arrays or any(array.ndim != 3 or array.shape[1] == 0 for array in arrays):
        msg = (
            f"trajectories have shapes {[array.shape for array in arrays]}, "
            "expected (n_frames, n_atoms, 3) each"
        )
        raise ValueError(msg)
    if len({array.shape[1:] for array in arrays}) > 1:
        msg = (
            f"trajectories have shapes {[array.shape for array in arrays]}: independent runs "
            "must hold the same number of atoms"
        )
        raise ValueError(msg)
    return arrays


def estimate_slope(
    data: ArrayLike | Sequence[ArrayLike],
    dt_ps: float,
    settings: SlopeSettings = DEFAULT_SETTINGS,
    not_before_ps: float = 0.0,
) -> SlopeEstimate:
    """Slope of the MSD summed over directions and averaged over atoms, in Å²/ps.

    `data`: unwrapped positions (n_frames, n_atoms, 3) in Å, or a list of them from independent
    runs (continuing segments are to be concatenated first). `dt_ps`: time between frames.
    The lag window starts where the log–log slope is 1 within its error, `start_margin` times
    later, and ends at a tenth of the longest trajectory. It does not start before
    `not_before_ps`, or a third of its end: give the start found for self-diffusion where few
    walkers hide a relaxation in their noise, as for a collective displacement. Raises ValueError
    for bad shapes, NaN or a non-positive dt.
    """
    if not dt_ps > 0.0:
        msg = f"dt_ps is {dt_ps}, expected the positive time between frames in ps"
        raise ValueError(msg)
    given = as_trajectories(data)
    longest = max(len(item) for item in given)
    max_lag = int(settings.max_lag_fraction * (longest - 1))
    runs = [item for item in given if len(item) > 2 * max_lag and len(item) > 1]
    notes = []
    if len(runs) < len(given):
        notes.append(
            f"{len(given) - len(runs)} of {len(given)} trajectories are shorter than a fifth of "
            "the longest and were left out"
        )
    length_ps = dt_ps * sum(len(item) - 1 for item in runs)
    least = int(np.ceil(2 * settings.min_lag_ratio))
    if max_lag < least:
        frames = int(np.ceil(least / settings.max_lag_fraction)) + 1
        reason = f"the longest trajectory has {longest} frames, at least {frames} are needed"
        return _empty(reason, frames * dt_ps, length_ps, len(runs))
    msd = _joined_msd(runs, max_lag)
    if not msd[1:].max() > 0.0:
        return _empty("nothing moved: the MSD is zero at all lags", None, length_ps, len(runs))
    first = max(1, int(np.ceil(not_before_ps / dt_ps - 1e-9)))
    window = find_window(runs, msd, dt_ps, max_lag, settings, first)
    weights = window.fit.weights[1]
    blocks = block_slopes(runs, window.lags, weights, settings.n_blocks)
    block_error = blocks.error
    slope, gls_error = float(window.fit.parameters[1]), window.fit.error(1)
    # Blocks see what no covariance of Gaussian increments holds: mobility that comes and goes, as
    # in a small cell of a melt. They scatter by a quarter themselves, so the smaller never counts.
    error = max(gls_error, block_error)
    if error > settings.max_error_ratio * min(gls_error, block_error):
        notes.append(
            f"the fit's error ({gls_error:.3g}) and that of {len(blocks.values)} blocks "
            f"({block_error:.3g} Å²/ps) differ by more than a factor of "
            f"{settings.max_error_ratio:g}; the larger one is reported"
        )
    reason = _verdict(window, slope, error, settings)
    needed = (
        None if not reason else _needed_length(window, slope, error, dt_ps, length_ps, settings)
    )
    if reason:
        reason += f"; at least {needed:.3g} ps in all would be needed, {length_ps:.3g} ps are there"
    return SlopeEstimate(
        slope=slope,
        standard_error=error,
        offset=float(window.fit.parameters[0]),
        log_log_slope=window.beta,
        log_log_slope_error=window.beta_error * error / gls_error,
        fit_window_ps=(float(window.lags[0] * dt_ps), float(window.lags[-1] * dt_ps)),
        n_independent=2.0 * (slope / error) ** 2,
        block_values=tuple(float(value) for value in blocks.values),
        block_error=block_error,
        resolved=not reason,
        reason=reason,
        needed_length_ps=needed,
        warning="; ".join(notes),
        length_ps=length_ps,
        n_trajectories=len(runs),
        lags=tuple(int(lag) for lag in window.lags),
        weights=tuple(float(weight) for weight in weights),
        tensor=_rows(blocks.tensor),
        tensor_error=_rows(_tensor_error(blocks, error)),
    )


def _joined_msd(runs: Sequence[NDArray[np.floating]], max_lag: int) -> FloatArray:
    """MSD at lags 0 … max_lag over all origins of all runs."""
    total = np.zeros(max_lag + 1)
    origins = np.zeros(max_lag + 1)
    for run in runs:
        here = len(run) - np.arange(max_lag + 1.0)
        total += here * msd_self(run, max_lag).sum(axis=1)
        origins += here
    return np.asarray(total / origins)


def _tensor_error(blocks: BlockSlopes, error: float) -> FloatArray:
    """Errors of the tensor: the larger of those by Wishart's law and by blocks.

    A tensor T estimated from m vectors has var T_ab = (T_aa T_bb + T_ab²)/m; m is what makes the
    error of the trace the one that is known, var(tr T) = 2 tr(T²)/m.
    """
    tensor = blocks.tensor
    m = 2.0 * float((tensor**2).sum()) / error**2
    diagonal = np.abs(np.diag(tensor))
    wishart = np.sqrt((np.outer(diagonal, diagonal) + tensor**2) / m)
    return np.maximum(wishart, blocks.tensor_error)


def _rows(tensor: FloatArray) -> Tensor:
    return tuple(tuple(float(value) for value in row) for row in tensor)


def _verdict(window: LagWindow, slope: float, error: float, settings: SlopeSettings) -> str:
    """Why the slope is not resolved; empty where it is."""
    if not window.diffusive:
        return (
            "no lag window up to a tenth of the trajectory is diffusive (log–log slope "
            f"{window.beta:.2f} ± {window.beta_error:.2f}, probability of a straight line "
            f"{window.probability:.2g} in the last one tried)"
        )
    if slope < settings.min_signal * error:
        return f"the slope {slope:.3g} ± {error:.3g} Å²/ps cannot be told from zero"
    return ""


def _needed_length(
    window: LagWindow,
    slope: float,
    error: float,
    dt_ps: float,
    length_ps: float,
    settings: SlopeSettings,
) -> float:
    """Total length that would resolve the slope if it is as large as the data allow.

    The error falls with the square root of the length; the window must also reach lags at
    which diffusion outgrows the constant part. A lower bound: the true slope may be smaller.
    """
    largest = max(slope, 0.0) + settings.min_signal * error
    by_noise = length_ps * (settings.min_signal * error / largest) ** 2
    offset = abs(float(window.fit.parameters[0]))
    by_window = offset / (settings.max_offset_share * largest * settings.max_lag_fraction)
    by_start = window.lags[0] * dt_ps * settings.min_lag_ratio / settings.max_lag_fraction
    return float(max(2.0 * length_ps, by_noise, by_window, by_start))


def _empty(
    reason: str, needed_ps: float | None, length_ps: float, n_trajectories: int
) -> SlopeEstimate:
    return SlopeEstimate(
        slope=0.0,
        standard_error=0.0,
        offset=0.0,
        log_log_slope=0.0,
        log_log_slope_error=0.0,
        fit_window_ps=(0.0, 0.0),
        n_independent=0.0,
        block_values=(),
        block_error=0.0,
        resolved=False,
        reason=reason,
        needed_length_ps=needed_ps,
        warning="",
        length_ps=length_ps,
        n_trajectories=n_trajectories,
    )
