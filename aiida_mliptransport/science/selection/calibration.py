"""What a committee deviation is worth: conformal bounds on the true force error, and trust levels.

The rule is split conformal prediction with the ratio of error to deviation as the score (the
normalised score of Lei et al., J. Am. Stat. Assoc. 113, 1094, 2018; Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005; Angelopoulos and Bates, arXiv:2107.07511, 2021). For
interatomic potentials: Hu et al., Mach. Learn.: Sci. Technol. 3, 045028 (2022).

It holds for frames that are drawn like those it was calibrated on, so for uniformly drawn frames of
the same exploration and never for selected ones, whose deviations were looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .trust import TrustLevels

__all__ = [
    "DeviationCalibration",
    "FrameScores",
    "calibrate_deviation",
    "conformal_rank",
    "frame_scores",
    "levels_from_calibration",
    "pool_scores",
    "pooled_size",
]


@dataclass(frozen=True)
class FrameScores:
    """Deviation and true error of the worst atom of one species in each frame, ``(n,)`` in eV/Å.

    ``reference_rms`` is the root mean square of the reference force *vectors* of the species.
    """

    deviation: NDArray[np.float64]
    error: NDArray[np.float64]
    reference_rms: float


@dataclass(frozen=True)
class DeviationCalibration:
    """Bounds on the true error over the deviation.

    Each bound alone holds for a new frame with probability ``coverage`` or more: error ≤ ``upper``
    × deviation, and error ≥ ``lower`` × deviation.
    """

    lower: float
    upper: float
    coverage: float
    n_frames: int
    n_independent: int


def frame_scores(
    deviation: NDArray[Any],
    predicted: NDArray[Any],
    reference: NDArray[Any],
    numbers: NDArray[Any],
) -> dict[int, FrameScores]:
    """Return the largest deviation and the largest force error of each species in each frame.

    One score per frame, not per atom: atoms of one frame share its error, so only frames can be
    exchangeable. The largest, because trust levels are compared with the largest deviation of a
    frame, and because one wrong hop among many right vibrations matters. Both are largest over the
    species; they need not belong to the same atom.

    Parameters
    ----------
    deviation
        Committee deviation of each atom, ``(n, N)`` in eV/Å, from :func:`.force_deviation`.
    predicted, reference
        Forces of the potential that drives MD and of the labeller, ``(n, N, 3)`` in eV/Å.
    numbers
        Atomic numbers ``(N,)``.

    Returns
    -------
    dict
        Atomic number → :class:`FrameScores`, in ascending order.

    Raises
    ------
    ValueError
        If shapes do not match, or a number is NaN or infinite.
    """
    spread = np.asarray(deviation, dtype=np.float64)
    ours = np.asarray(predicted, dtype=np.float64)
    theirs = np.asarray(reference, dtype=np.float64)
    species = np.asarray(numbers, dtype=np.int64)
    shape = (len(spread), len(species))
    for name, array, expected in (
        ("deviation", spread, shape),
        ("predicted", ours, (*shape, 3)),
        ("reference", theirs, (*shape, 3)),
    ):
        if array.shape != expected:
            raise ValueError(
                f"{name} has shape {array.shape}, expected {expected} for {shape[0]} frames of "
                f"{shape[1]} atoms: pass the same frames in the same atom order"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has NaN or infinity: drop these frames before calibrating")
    error = np.linalg.norm(ours - theirs, axis=-1)
    squares = (theirs**2).sum(axis=-1)
    return {
        int(z): FrameScores(
            deviation=spread[:, species == z].max(axis=1),
            error=error[:, species == z].max(axis=1),
            reference_rms=math.sqrt(float(squares[:, species == z].mean())) if len(spread) else 0.0,
        )
        for z in np.unique(species)
    }


def pool_scores(scores: Sequence[FrameScores]) -> FrameScores:
    """Join the scores of one species from several systems; the RMS is weighted by frames.

    Raises
    ------
    ValueError
        If there is nothing to join.
    """
    counts = [len(one.error) for one in scores]
    if not sum(counts):
        raise ValueError("scores hold no frame: expected at least one blind frame with the species")
    squares = sum(n * one.reference_rms**2 for n, one in zip(counts, scores, strict=True))
    return FrameScores(
        deviation=np.concatenate([one.deviation for one in scores]),
        error=np.concatenate([one.error for one in scores]),
        reference_rms=math.sqrt(squares / sum(counts)),
    )


def pooled_size(n_frames: Sequence[int], effective_sizes: Sequence[float]) -> float:
    """Return the effective number of frames of several draws that are independent of each other.

    K²/Σ K_i²/m_i for draws of K_i frames worth m_i: so many independent frames have a mean of the
    same variance, as in :func:`.effective_size`. 0 without frames.

    Raises
    ------
    ValueError
        If the two differ in length, or an effective size is not between 0 and its frames.
    """
    if len(n_frames) != len(effective_sizes):
        raise ValueError(
            f"{len(n_frames)} draws and {len(effective_sizes)} effective sizes: expected one each"
        )
    pairs = [(n, m) for n, m in zip(n_frames, effective_sizes, strict=True) if n]
    for n, m in pairs:
        if not 0 < m <= n * (1 + 1e-9):
            raise ValueError(
                f"effective size {m!r} of {n} frames: expected more than 0 and at most {n}; "
                "effective_size gives it"
            )
    total = sum(n for n, _ in pairs)
    return total**2 / sum(n**2 / m for n, m in pairs) if pairs else 0.0


def conformal_rank(n_frames: int, n_independent: int, coverage: float) -> int:
    """Return which of n ascending scores bounds a new one with the wanted probability.

    For independent frames it is ⌈(n+1)(1−α)⌉. Correlated ones are worth fewer, m: the quantile is
    then that of m frames, ⌈(m+1)(1−α)⌉/m, taken among all n.

    Raises
    ------
    ValueError
        If the coverage is not between 0 and 1, m is not between 1 and n, or m frames cannot give
        such a coverage (m < (1−α)/α): no finite bound would hold.
    """
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage={coverage!r}: expected a number between 0 and 1, such as 0.95")
    if not 1 <= n_independent <= n_frames:
        raise ValueError(
            f"n_independent={n_independent!r} of {n_frames} frames: expected 1 to {n_frames}"
        )
    # (m+1)·0.95 in floating point may lie just above a whole number.
    rank = math.ceil((n_independent + 1) * coverage - 1e-9)
    if rank > n_independent:
        needed = math.ceil(coverage / (1.0 - coverage) - 1e-9)
        raise ValueError(
            f"n_independent={n_independent}: expected {needed} or more for a coverage of "
            f"{coverage:g}; draw more blind frames or ask for less"
        )
    return min(n_frames, math.ceil(n_frames * rank / n_independent - 1e-9))


def calibrate_deviation(
    deviation: NDArray[Any],
    error: NDArray[Any],
    *,
    n_independent: float | None = None,
    coverage: float = 0.95,
) -> DeviationCalibration:
    """Return the conformal bounds on error/deviation from frames that were drawn uniformly.

    Parameters
    ----------
    deviation, error
        One score per frame, ``(n,)`` in eV/Å, as in :class:`FrameScores`.
    n_independent
        How many independent frames they are worth (rounded down); all of them where None.
    coverage
        1 − α. It is an average over all frames, not one for frames of a given deviation.

    Raises
    ------
    ValueError
        If shapes differ, a score is not positive and finite, or there are too few frames.
    """
    spread = np.asarray(deviation, dtype=np.float64)
    wrong = np.asarray(error, dtype=np.float64)
    if spread.ndim != 1 or spread.shape != wrong.shape:
        raise ValueError(
            f"deviation has shape {spread.shape} and error {wrong.shape}, expected (frames,) both: "
            "one score per frame and species, from frame_scores"
        )
    for name, array in (("deviation", spread), ("error", wrong)):
        if not (np.isfinite(array) & (array > 0)).all():
            raise ValueError(
                f"{name} is zero, negative, NaN or infinite in some frame, expected positive "
                "numbers: a committee of equal members has no deviation to calibrate"
            )
    size = len(spread) if n_independent is None else math.floor(n_independent + 1e-9)
    rank = conformal_rank(len(spread), size, coverage)
    ratio = np.sort(wrong / spread)
    return DeviationCalibration(
        lower=float(ratio[len(ratio) - rank]),
        upper=float(ratio[rank - 1]),
        coverage=coverage,
        n_frames=len(ratio),
        n_independent=size,
    )


def levels_from_calibration(
    calibration: DeviationCalibration, accurate_error: float, failed_error: float
) -> TrustLevels:
    """Return the trust levels of one species for the errors that are wanted.

    Parameters
    ----------
    accurate_error
        ``low`` = this / ``upper``: of all frames at most a share α has a deviation below it and an
        atom with a larger error all the same.
    failed_error
        ``high`` = this / ``lower``: of all frames at most a share α has a deviation above it and
        no atom with so large an error. Such forces are not to be believed, nor is the geometry
        that they led to.

    Raises
    ------
    ValueError
        If the errors are not positive and in ascending order.
    """
    if not (math.isfinite(failed_error) and 0 < accurate_error < failed_error):
        raise ValueError(
            f"accurate_error={accurate_error!r} and failed_error={failed_error!r} eV/Å: expected "
            "positive numbers, the first below the second"
        )
    return TrustLevels(
        low=accurate_error / calibration.upper, high=failed_error / calibration.lower
    )
