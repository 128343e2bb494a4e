"""The lag window in which an MSD is diffusive, found by a test of its log–log slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_mliptransport.science.transport.block_slopes import block_slopes
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.walk_covariance import (
    LinearFit,
    generalised_least_squares,
    msd_covariance,
    walk_moments,
)


@dataclass(frozen=True)
class SlopeSettings:
    """Numbers that decide where an MSD is diffusive and when its slope counts as known.

    The defaults were calibrated on random walks, caged walks and Langevin particles: the 95 %
    interval then holds the truth in 93 to 97 % of cases.
    """

    #: Longest lag as a share of the trajectory; beyond T/10 lags add noise only.
    max_lag_fraction: float = 0.1
    #: The window must span at least this ratio of lags, or a slope cannot be tested.
    min_lag_ratio: float = 3.0
    #: Lags used within the window, spaced evenly in log t.
    n_lags: int = 12
    #: Steps of the start lag against which the covariance is evaluated.
    clock_steps: int = 16
    #: The log–log slope must be 1 within this many standard errors ...
    slope_sigmas: float = 2.5
    #: ... which must not be so large that every slope would pass.
    max_slope_error: float = 0.3
    #: Least χ² probability of a straight line through the window.
    min_probability: float = 0.003
    #: A constant (cage, ballistic start) may be at most this share of the growth in the window.
    max_offset_share: float = 1.0 / 3.0
    #: The first start that passes is taken this many times later, as far as the window allows: a
    #: relaxation that still hides in the noise there has decayed.
    start_margin: float = 4.0
    #: Slope over error that counts as resolved (relative error of a half).
    min_signal: float = 2.0
    n_blocks: int = 10
    #: GLS and block errors that differ by more than this factor give a warning.
    max_error_ratio: float = 2.0


DEFAULT_SETTINGS = SlopeSettings()


@dataclass(frozen=True)
class LagWindow:
    """The fit over one lag window, with its regime test."""

    lags: NDArray[np.int_]
    fit: LinearFit
    beta: float
    beta_error: float
    probability: float
    diffusive: bool


def find_window(
    runs: Sequence[NDArray[np.floating]],
    msd: FloatArray,
    dt_ps: float,
    max_lag: int,
    settings: SlopeSettings,
    first: int = 1,
) -> LagWindow:
    """The widest window that passes the regime test, else the last one tried.

    It does not begin before the lag `first`, or the latest start there is.
    """
    latest = int(max_lag / settings.min_lag_ratio)
    first = min(first, latest)
    start, window = 1, None
    while start <= latest:
        window = fit_window(runs, msd, dt_ps, start, max_lag, settings)
        if window.diffusive:
            later = max(first, min(latest, int(np.ceil(start * settings.start_margin))))
            if later > start:
                window = fit_window(runs, msd, dt_ps, later, max_lag, settings)
            if window.diffusive or _is_diffusive_within_blocks(runs, window, settings):
                return replace(window, diffusive=True)
        start = max(start + 1, int(start * 1.5))
    if window is None:
        msg = f"max_lag {max_lag} leaves no window"
        raise ValueError(msg)
    window = fit_window(runs, msd, dt_ps, latest, max_lag, settings)
    return replace(window, diffusive=_is_diffusive_within_blocks(runs, window, settings))


def _is_diffusive_within_blocks(
    runs: Sequence[NDArray[np.floating]], window: LagWindow, settings: SlopeSettings
) -> bool:
    """Whether a window passes with the error of blocks, where that is larger than the fit's.

    In a melt mobility comes and goes, which the fit's covariance does not hold: with its error
    alone one run of 16 ps in ten would fail though it diffuses.
    """
    error = block_slopes(runs, window.lags, window.fit.weights[1], settings.n_blocks).error
    factor = max(1.0, error / window.fit.error(1))
    chi_square = window.fit.chi_square / factor**2
    straight = stats.chi2.sf(chi_square, max(len(window.lags) - 2, 1))
    return bool(
        _is_one(window.beta, factor * window.beta_error, settings)
        and straight >= settings.min_probability
    )


def fit_window(
    runs: Sequence[NDArray[np.floating]],
    msd: FloatArray,
    dt_ps: float,
    start: int,
    max_lag: int,
    settings: SlopeSettings,
) -> LagWindow:
    clock = max(1, start // settings.clock_steps)
    steps = np.unique(np.rint(np.geomspace(start, max_lag, settings.n_lags) / clock).astype(int))
    steps = steps[(steps >= max(1, start // clock)) & (steps * clock <= max_lag)]
    lags = steps * clock
    time, values = lags * dt_ps, msd[lags]
    moments = walk_moments(runs, start)
    design = np.stack([np.ones_like(time), time], axis=1)
    offset, slope = np.polynomial.polynomial.polyfit(time, values, 1, w=1.0 / time)
    lengths = [(len(run) - 1) // clock + 1 for run in runs]
    grid = np.arange(2 * int(steps[-1]) + int(steps[0]) + 1)
    for _ in range(2):
        model = offset + max(slope, 0.0) * grid * clock * dt_ps
        model[: steps[0]] = msd[: steps[0] * clock : clock]
        model = np.maximum(model, 1e-6 * values.max())
        model[0] = 0.0
        covariance = msd_covariance(
            steps, model, lengths, moments.n_components, moments.excess * clock / moments.window
        )
        fit = generalised_least_squares(design, values, covariance)
        offset, slope = (float(value) for value in fit.parameters)
    relative = covariance / np.outer(model[steps], model[steps])
    power = generalised_least_squares(
        np.stack([np.ones_like(time), np.log(time)], axis=1),
        np.log(np.maximum(values, 1e-300)),
        relative,
    )
    probability = float(stats.chi2.sf(fit.chi_square, max(len(lags) - 2, 1)))
    beta, beta_error = float(power.parameters[1]), power.error(1)
    diffusive = _is_one(beta, beta_error, settings)
    if not diffusive and abs(offset) <= settings.max_offset_share * slope * time[-1]:
        # d(MSD)/d(exponent) at exponent 1: how far the part above the constant bends.
        bend = time * np.log(time / np.sqrt(time[0] * time[-1]))
        bent = generalised_least_squares(np.column_stack([design, bend]), values, covariance)
        beta = 1.0 + float(bent.parameters[2]) / slope
        beta_error = bent.error(2) / slope
        diffusive = _is_one(beta, beta_error, settings)
    diffusive = diffusive and probability >= settings.min_probability
    return LagWindow(lags, fit, beta, beta_error, probability, diffusive)


def _is_one(beta: float, error: float, settings: SlopeSettings) -> bool:
    return abs(beta - 1.0) <= settings.slope_sigmas * error and error <= settings.max_slope_error
