"""Covariance of a time-averaged MSD for a walk with stationary increments, and the fit it weighs.

For Gaussian increments the covariance of two squared displacements follows from the MSD itself:
cov(x_A, x_B) is half the sum of MSD values at the four distances between the ends of the time
intervals A and B, and cov(x_A², x_B²) = 2 cov(x_A, x_B)². For a pure random walk this is the
result of Qian, Sheetz and Elson, Biophys. J. 60, 910 (1991); with the measured MSD at short lags
it also holds for vibration in a cage and for ballistic starts. Rare hops add a fourth cumulant
that grows with the overlap of the intervals (independent increments).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from aiida_mliptransport.science.transport.reference import FloatArray

_MAX_WINDOWS = 1024
_MAX_WINDOW_NUMBERS = 6_000_000
_CHUNK_NUMBERS = 200_000

#: Share of each variance that is added to it. With 1e-8 the error of blocks was a fifth too large
#: for Langevin particles, whose paths are smooth; 1e-5 costs no precision, 1e-3 costs a tenth.
RIDGE = 1e-5


@dataclass(frozen=True)
class WalkMoments:
    """How many independent components a set of walkers is worth, and how rare its hops are.

    `n_components` is (tr C)²/tr(C²) of the displacement covariance C over atoms and directions:
    3N for independent isotropic atoms, less when atoms move together. `excess` is the fourth
    cumulant of the atom-averaged squared displacement per lag of `window` frames, in Å⁴.
    """

    n_components: float
    excess: float
    window: int


def walk_moments(trajectories: Sequence[NDArray[np.floating]], window: int) -> WalkMoments:
    """Moments of the displacements over disjoint windows of `window` frames.

    Trajectories are (n_frames, n_atoms, n_axes) in Å. The traces come from products of
    *different* windows (U-statistics), so they are free of the bias that a sample covariance
    with few windows and many atoms has.
    """
    n_atoms, n_axes = trajectories[0].shape[1:]
    limit = int(np.clip(_MAX_WINDOW_NUMBERS // (n_atoms * n_axes), 32, _MAX_WINDOWS))
    parts: list[FloatArray] = []
    origin: list[int] = []
    for index, trajectory in enumerate(trajectories):
        ends = np.arange(0, len(trajectory), window)
        starts = np.arange(len(ends) - 1)
        share = max(4, limit // len(trajectories))
        if len(starts) > share:
            starts = np.unique(np.linspace(0, len(starts) - 1, share).astype(int))
        first, last = ends[starts], ends[starts + 1]
        parts.append(np.asarray(trajectory[last], float) - np.asarray(trajectory[first], float))
        # A gap of one keeps windows that share an end, hence its vibration, out of the products.
        origin.extend((starts + index * (len(trajectory) + 2)).tolist())
    steps = np.concatenate(parts)
    flat = steps.reshape(len(steps), -1)
    norms = np.einsum("kf,kf->k", flat, flat)
    near = np.diff(np.array(origin)) < 2
    neighbours = np.einsum("kf,kf->k", flat[1:], flat[:-1])[near]
    # Sums over all pairs, less each window with itself and less those that share an end.
    small = flat.T @ flat if flat.shape[1] < len(flat) else flat @ flat.T
    shared = float((small**2).sum() - (norms**2).sum() - 2.0 * (neighbours**2).sum())
    product = norms[1:] * norms[:-1]
    free = float(norms.sum() ** 2 - (norms**2).sum() - 2.0 * product[near].sum())
    n_max = float(n_atoms * n_axes)
    # Too few windows to tell: rounding may leave anything.
    ratio = free / shared if shared > 1e-12 * free > 0.0 else n_max
    per_atom = np.einsum("kac,kac->ka", steps, steps)
    spread = np.einsum("kac,kad->cd", steps, steps) / per_atom.size
    excess = float((per_atom**2).mean() - per_atom.mean() ** 2 - 2.0 * (spread**2).sum())
    return WalkMoments(float(np.clip(ratio, 1.0, n_max)), max(0.0, excess) / n_atoms, window)


def msd_covariance(
    lags: NDArray[np.int_],
    msd: FloatArray,
    lengths: Sequence[int],
    n_components: float,
    excess_per_lag: float,
) -> FloatArray:
    """Covariance (n_lags, n_lags) in Å⁴ of MSDs averaged over all time origins.

    `lags` in frames, increasing. `msd` is the (model) MSD at lags 0 … 2 max(lags) + min(lags),
    linear from min(lags) on. `lengths` are the frames of each independent trajectory.
    `excess_per_lag` is the fourth cumulant per frame of lag, Å⁴.
    """
    longest = int(lags[-1])
    # Intervals further apart than this share nothing, for the MSD between them is linear.
    reach = longest + int(lags[0])
    offset = np.arange(-reach, reach + 1)
    result = np.zeros((len(lags), len(lags)))
    second = lags[None, :, None]
    rows = max(1, _CHUNK_NUMBERS // (len(lags) * len(offset)))
    for start in range(0, len(lags), rows):
        part = slice(start, start + rows)
        first = lags[part, None, None]
        shared = 0.5 * (
            msd[np.abs(first - offset)]
            + msd[np.abs(offset + second)]
            - msd[np.abs(offset)]
            - msd[np.abs(first - offset - second)]
        )
        overlap = np.minimum(first, offset + second) - np.maximum(0, offset)
        term = 2.0 / n_components * shared**2 + excess_per_lag * np.maximum(overlap, 0)
        pairs = np.zeros(term.shape)
        for length in lengths:
            last = np.minimum(length - first, length - second - offset)
            pairs += np.maximum(0, last - np.maximum(0, -offset))
        result[part] = (pairs * term).sum(axis=-1)
    origins = np.array([sum(max(0, n - int(lag)) for n in lengths) for lag in lags], dtype=float)
    result /= np.outer(origins, origins)
    return np.asarray(0.5 * (result + result.T))


@dataclass(frozen=True)
class LinearFit:
    """Generalised least squares: parameters, their covariance, weights and χ²."""

    parameters: FloatArray
    covariance: FloatArray
    weights: FloatArray
    chi_square: float

    def error(self, index: int) -> float:
        """Standard error of one parameter."""
        return float(np.sqrt(max(self.covariance[index, index], 0.0)))


def generalised_least_squares(
    design: FloatArray, values: FloatArray, covariance: FloatArray
) -> LinearFit:
    """Fit values = design · parameters with the full covariance of the values.

    `weights` (n_parameters, n_values) give parameters = weights · values. A ridge of at least
    :data:`RIDGE` of each variance keeps neighbouring, nearly equal lags from having large weights
    of opposite signs, which cancel over the whole run but not within a block of it.
    """
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    ridge = RIDGE
    while True:
        try:
            factor = linalg.cho_factor(correlation + ridge * np.eye(len(scale)))
            break
        except linalg.LinAlgError:
            ridge *= 10.0
    scaled = design / scale[:, None]
    solved = linalg.cho_solve(factor, scaled)
    parameter_covariance = np.linalg.pinv(scaled.T @ solved)
    weights = parameter_covariance @ solved.T / scale[None, :]
    parameters = weights @ values
    residual = (values - design @ parameters) / scale
    chi_square = float(residual @ linalg.cho_solve(factor, residual))
    return LinearFit(parameters, parameter_covariance, weights, chi_square)
