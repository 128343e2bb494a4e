"""A pool of candidate frames as arrays: what selection strategies look at."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .trust import FrameClass

__all__ = ["Pool", "informativeness"]

#: How much more the deviation of an atom counts in the middle of a hop: twice as much.
HOP_EMPHASIS = 1.0


@dataclass(frozen=True)
class Pool:
    """Candidate frames, described row by row; what a strategy does not need may be left out.

    Frames of different size share the arrays over atoms: those that have fewer atoms than N are
    filled up with atomic number 0.

    Attributes
    ----------
    descriptors
        ``(n, d)``: of the model, or from :func:`radial_descriptor`.
    max_deviation
        Largest force deviation in each frame, ``(n,)`` in eV/Å.
    labels
        Class of each frame, ``(n,)``, from :func:`classify`.
    numbers
        Atomic numbers, ``(n, N)``; 0 where there is no atom.
    atomic_deviation
        Force deviation of each atom, ``(n, N)`` in eV/Å, calibrated by species where a calibration
        is known; values at places without atom are not read.
    hop_weights
        0 for an atom on its site to 1 for one in the middle of a hop, ``(n, N)``.
    mobile
        Atomic numbers of the mobile species; empty for all.
    run, times_ps
        Which trajectory each frame is from, ``(n,)``, and when in it, ``(n,)`` in ps.

    Raises
    ------
    ValueError
        If shapes do not match, a weight is outside 0 to 1, or an array over atoms comes without
        numbers.
    """

    descriptors: NDArray[Any]
    max_deviation: NDArray[Any] | None = None
    labels: NDArray[np.str_] | None = None
    numbers: NDArray[Any] | None = None
    atomic_deviation: NDArray[Any] | None = None
    hop_weights: NDArray[Any] | None = None
    mobile: tuple[int, ...] = ()
    run: NDArray[Any] | None = None
    times_ps: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if np.ndim(self.descriptors) != 2:
            raise ValueError(
                f"descriptors of the pool have shape {np.shape(self.descriptors)}, expected (n, d)"
            )
        n = len(self.descriptors)
        for name in ("max_deviation", "labels", "run", "times_ps"):
            value = getattr(self, name)
            if value is not None and np.shape(value) != (n,):
                raise ValueError(
                    f"{name} of the pool has shape {np.shape(value)}, expected ({n},): one value "
                    "for each row of descriptors"
                )
        if self.numbers is not None and (np.ndim(self.numbers) != 2 or len(self.numbers) != n):
            raise ValueError(
                f"numbers of the pool have shape {np.shape(self.numbers)}, expected ({n}, atoms); "
                "fill up smaller frames with 0"
            )
        for name in ("atomic_deviation", "hop_weights"):
            value = getattr(self, name)
            if value is None:
                continue
            if self.numbers is None:
                raise ValueError(f"the pool has {name} but no numbers, expected both")
            if np.shape(value) != np.shape(self.numbers):
                raise ValueError(
                    f"{name} of the pool has shape {np.shape(value)}, expected "
                    f"{np.shape(self.numbers)} as numbers"
                )
        if self.hop_weights is not None:
            weights = np.asarray(self.hop_weights)[np.asarray(self.numbers) > 0]
            if not ((weights >= 0) & (weights <= 1)).all():
                raise ValueError("hop_weights of the pool must lie between 0 and 1")
        if (self.run is None) != (self.times_ps is None):
            raise ValueError("the pool has one of run and times_ps, expected both or neither")

    def __len__(self) -> int:
        return len(self.descriptors)

    def take(self, indices: NDArray[Any]) -> Pool:
        """Return the pool of some frames, in the order of ``indices``."""
        rows = {
            field.name: getattr(self, field.name)[indices]
            for field in fields(self)
            if field.name != "mobile" and getattr(self, field.name) is not None
        }
        return replace(self, **rows)


def informativeness(pool: Pool) -> NDArray[np.float64]:
    """Return what a label of each frame promises to teach about transport.

    The largest force deviation among the mobile atoms, where an atom in the middle of a hop
    counts twice: the mean over all atoms would hide one hopping ion, and the maximum over all
    atoms is often that of a rattling framework atom. Where the pool has no deviation of atoms, the
    largest one of the frame stands for it, weighted with the most advanced hop of a mobile atom.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` in eV/Å, not negative; 0 for a frame that has no atom of the mobile species.

    Raises
    ------
    ValueError
        If the pool has no deviations, or no frame of it has a mobile atom.
    """
    if pool.numbers is None:
        if pool.mobile:
            raise ValueError(f"the pool has mobile={pool.mobile} but no numbers, expected both")
        return max_deviation(pool)
    numbers = np.asarray(pool.numbers, dtype=np.int64)
    counted = np.isin(numbers, pool.mobile) if pool.mobile else numbers > 0
    if len(pool) and not counted.any():
        raise ValueError(
            f"mobile={pool.mobile}: no frame of the pool has an atom of these atomic numbers, "
            f"expected some of {np.unique(numbers[numbers > 0]).tolist()}"
        )
    emphasis = np.where(counted, 1.0, 0.0)
    if pool.hop_weights is not None:
        emphasis *= 1.0 + HOP_EMPHASIS * np.where(counted, pool.hop_weights, 0.0)
    if pool.atomic_deviation is None:
        return max_deviation(pool) * emphasis.max(axis=1)
    deviation = np.where(counted, pool.atomic_deviation, 0.0)
    result: NDArray[np.float64] = (emphasis * deviation).max(axis=1)
    return result


def max_deviation(pool: Pool) -> NDArray[np.float64]:
    """Return the largest force deviation of each frame, or say that the pool has none."""
    if pool.max_deviation is None:
        raise ValueError(
            "the pool has no max_deviation: evaluate the frames with a committee of two or more "
            "models, or choose with the strategy dopt or random, which need none"
        )
    return np.asarray(pool.max_deviation, dtype=np.float64)


def sampling_weights(pool: Pool, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score, and for failed frames its inverse: the nearest to the known ones first.

    A frame beyond the upper trust level is out of what the model knows, the more so the less its
    label tells of what MD will visit.
    """
    if pool.labels is None:
        return score
    failed = np.asarray(pool.labels) == FrameClass.FAILED.value
    inverse = np.divide(1.0, score, out=np.zeros_like(score), where=score > 0)
    return np.where(failed, inverse, score)
