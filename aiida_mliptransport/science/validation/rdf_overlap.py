"""How far two radial distribution functions overlap, with an uncertainty from blocks of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .check import FloatArray


@dataclass(frozen=True)
class RdfOverlap:
    """Overlap of two RDFs, 1 where they are equal and 0 where they share nothing.

    Attributes
    ----------
    overlap, error
        1 − ∫|a − b| dr / ∫(a + b) dr, and its standard error by the jackknife over blocks.
    sampling
        The same of either half of the blocks against the other half, the lower of the two: what
        equal potentials would reach with half of the sampling.
    """

    overlap: float
    error: float
    sampling: float


def overlap(first: ArrayLike, second: ArrayLike) -> float:
    """Return 1 − Σ|a − b|/Σ(a + b) of two RDFs on one grid of even spacing.

    Raises
    ------
    ValueError
        If the grids differ or both functions vanish.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or not (a + b).sum() > 0:
        raise ValueError(
            f"RDFs of {a.shape} and {b.shape} values, expected equal grids on which one is not zero"
        )
    return float(1.0 - np.abs(a - b).sum() / (a + b).sum())


def rdf_overlap(first: ArrayLike, second: ArrayLike) -> RdfOverlap:
    """Compare two RDFs that are known in blocks of time.

    Parameters
    ----------
    first, second
        ``(n_blocks, n_r)`` each, of blocks of equal length that are longer than the correlation
        time; the numbers of blocks may differ.

    Raises
    ------
    ValueError
        With fewer than two blocks of either, or different grids.

    Notes
    -----
    Noise of either RDF lowers the overlap: compare it with ``sampling``. Jackknife of two
    independent samples: B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982),
    ch. 3; variances of both add.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or min(len(a), len(b)) < 2:
        raise ValueError(
            f"RDFs have shapes {a.shape} and {b.shape}, expected (n_blocks, n_r) with two blocks "
            "or more; give longer trajectories"
        )
    value = overlap(a.mean(axis=0), b.mean(axis=0))
    variance = _jackknife(a, b) + _jackknife(b, a)
    sampling = min(overlap(x[::2].mean(axis=0), x[1::2].mean(axis=0)) for x in (a, b))
    return RdfOverlap(value, float(np.sqrt(variance)), sampling)


def _jackknife(left_out: FloatArray, other: FloatArray) -> float:
    n, mean = len(left_out), other.mean(axis=0)
    without = np.array([overlap(np.delete(left_out, i, axis=0).mean(axis=0), mean)
                        for i in range(n)])  # fmt: skip
    return float((n - 1) / n * ((without - without.mean()) ** 2).sum())
