"""Running integral of a current correlation: blocks of time origins, and where it is flat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import fft, integrate

from aiida_mliptransport.science.transport.reference import FloatArray


@dataclass(frozen=True)
class GreenKuboSettings:
    """Numbers that decide where the running integral is flat and when its value counts as known."""

    #: Longest lag as a share of the longest run; a block of time origins is about as long.
    max_lag_fraction: float = 0.1
    n_blocks: int = 10
    #: Behind the start of a plateau the integral may move by this many standard errors ...
    plateau_sigmas: float = 2.5
    #: ... at each of this many later lags, spaced evenly in log t up to the longest one.
    n_tests: int = 12
    #: The plateau must be seen up to at least this multiple of the lag where σ is read.
    min_lag_ratio: float = 3.0
    #: σ is read this many times later than the first start that passes: a tail that still
    #: hides in the noise there has decayed.
    start_margin: float = 2.0
    #: Value over error that counts as resolved (relative error of a half).
    min_signal: float = 2.0
    #: Error of the trapezoidal rule over value above which the currents are too sparse in time.
    max_quadrature_share: float = 0.1

    @property
    def least_lag(self) -> int:
        """Longest lag in frames below which no plateau can be seen."""
        return int(np.ceil(2 * self.start_margin * self.min_lag_ratio))


DEFAULT_SETTINGS = GreenKuboSettings()


@dataclass(frozen=True)
class OriginBlocks:
    """Time origins [first, last) of the blocks of each run; all have every lag before them."""

    bounds: tuple[tuple[tuple[int, int], ...], ...]
    shares: FloatArray

    @property
    def n_origins(self) -> int:
        """Number of time origins in all runs."""
        return sum(bounds[-1][1] for bounds in self.bounds)

    def mean(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean over the blocks (first axis of `values`) and its standard error."""
        mean = np.tensordot(self.shares, values, axes=1)
        spread = np.tensordot(self.shares**2, (values - mean) ** 2, axes=1)
        return mean, np.sqrt(spread * len(self.shares) / (len(self.shares) - 1))


@dataclass(frozen=True)
class PlateauReading:
    """The running integral (e²·Å²/ps) at the lag of the plateau; `reason` where it is not known."""

    lag: int
    value: float
    error: float
    quadrature: float
    reason: str
    needed_length_ps: float | None


def origin_blocks(runs: Sequence[FloatArray], max_lag: int, n_blocks: int) -> OriginBlocks:
    """Share about `n_blocks` blocks of time origins among the runs, at least one each."""
    origins = [len(run) - max_lag for run in runs]
    bounds, shares = [], []
    for number in origins:
        parts = max(1, round(n_blocks * number / sum(origins)))
        edges = np.linspace(0, number, parts + 1).astype(int).tolist()
        bounds.append(tuple(pairwise(edges)))
        shares.extend(np.diff(edges))
    return OriginBlocks(tuple(bounds), np.array(shares) / sum(origins))


def current_correlations(
    currents: Sequence[FloatArray], blocks: OriginBlocks, max_lag: int
) -> FloatArray:
    """⟨J(0)·J(t)⟩/3 (n_blocks, max_lag + 1) over the time origins of each block."""
    rows = []
    for current, bounds in zip(currents, blocks.bounds, strict=True):
        for first, last in bounds:
            # Lags reach past the block, so that every origin has all of them and no lag wraps.
            reach = current[first : last + max_lag]
            size = fft.next_fast_len(len(reach), real=True)
            origin = fft.rfft(current[first:last], n=size, axis=0)
            product = origin.conj() * fft.rfft(reach, n=size, axis=0)
            row = fft.irfft(product.sum(axis=1), n=size)[: max_lag + 1]
            rows.append(row / (3.0 * (last - first)))
    return np.array(rows)


def read_plateau(
    blocks: OriginBlocks,
    correlation: FloatArray,
    integrals: FloatArray,
    dt_ps: float,
    length_ps: float,
    settings: GreenKuboSettings,
) -> PlateauReading:
    """Read the integral at the first lag behind which it is flat, with all reasons not to."""
    longest = integrals.shape[1] - 1
    lag = _plateau_lag(blocks, integrals, settings)
    if lag is None:
        reason = (
            f"the running integral has no plateau up to {longest * dt_ps:.3g} ps, a tenth of the "
            f"run; at least {2.0 * length_ps:.3g} ps would be needed, {length_ps:.3g} ps are there"
        )
        return PlateauReading(0, 0.0, 0.0, 0.0, reason, 2.0 * length_ps)
    mean, error = blocks.mean(integrals[:, lag])
    value = float(mean)
    # The variance of a truncated spectrum at zero frequency for Gaussian currents, isotropic.
    gaussian = value * np.sqrt(4.0 * lag / (3.0 * blocks.n_origins))
    sampling = float(max(error, gaussian))
    coarse = integrate.trapezoid(blocks.mean(correlation)[0][: lag + 1 : 2], dx=2.0 * dt_ps)
    quadrature = abs(float(coarse) - value) / 3.0
    total = float(np.hypot(sampling, quadrature))
    if quadrature > settings.max_quadrature_share * max(value, sampling):
        reason = (
            f"frames every {dt_ps:g} ps are too sparse for the current correlation (trapezoidal "
            f"rule off by about {quadrature / max(value, sampling):.0%}); store currents every "
            f"{dt_ps / 4:.2g} ps or less"
        )
        return PlateauReading(lag, value, total, quadrature, reason, None)
    if value < settings.min_signal * total:
        largest = max(value, 0.0) + settings.min_signal * total
        needed = max(2.0, (settings.min_signal * total / largest) ** 2) * length_ps
        reason = (
            f"the integral at {lag * dt_ps:.3g} ps is {value:.3g} ± {total:.3g} e²Å²/ps and cannot "
            f"be told from zero; at least {needed:.3g} ps in all would be needed, "
            f"{length_ps:.3g} ps are there"
        )
        return PlateauReading(lag, value, total, quadrature, reason, needed)
    return PlateauReading(lag, value, total, quadrature, "", None)


def _plateau_lag(
    blocks: OriginBlocks, integrals: FloatArray, settings: GreenKuboSettings
) -> int | None:
    """First even lag behind which the integral does not move, times a margin; None without."""
    longest = integrals.shape[1] - 1
    start = 1
    while settings.start_margin * settings.min_lag_ratio * start <= longest:
        later = np.unique(np.geomspace(start + 1, longest, settings.n_tests).astype(int))
        change, error = blocks.mean(integrals[:, later] - integrals[:, [start]])
        if (np.abs(change) <= settings.plateau_sigmas * error).all():
            return 2 * int(np.ceil(0.5 * settings.start_margin * start))
        start = max(start + 1, int(1.25 * start))
    return None


def species_integrals(
    lag: int, blocks: OriginBlocks, runs: Sequence[FloatArray], z: FloatArray, dt_ps: float
) -> FloatArray:
    """∫₀ ⟨J_i,a(0) J_b(t)⟩ dt up to `lag` (n_blocks, n_species, 3, 3), symmetric in time and axes.

    The charge-weighted sum over species is the tensor; a third of its trace is the running
    integral itself, block by block.
    """
    rows = []
    for run, bounds in zip(runs, blocks.bounds, strict=True):
        sums = np.concatenate([np.zeros((1, *run.shape[1:])), np.cumsum(run, axis=0)])
        ends = run[:-lag] + run[lag:]
        ahead = dt_ps * (sums[lag + 1 :] - sums[: -lag - 1] - 0.5 * ends)
        charge_now, charge_ahead = np.einsum("tsc,s->tc", run, z), np.einsum("tsc,s->tc", ahead, z)
        for first, last in bounds:
            part = slice(first, last)
            product = np.einsum("tsa,tb->sab", run[part], charge_ahead[part])
            product += np.einsum("tsa,tb->sab", ahead[part], charge_now[part])
            rows.append((product + product.transpose(0, 2, 1)) / (4.0 * (last - first)))
    return np.array(rows)
