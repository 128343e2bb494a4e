"""Leverage of descriptors in a linear design, and the greedy D-optimal choice that it drives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

__all__ = ["LogDetSelection", "greedy_log_det", "leverage", "species_leverage"]


@dataclass(frozen=True)
class LogDetSelection:
    """Rows chosen by :func:`greedy_log_det`, in the order of choice.

    Attributes
    ----------
    indices
        Positions among the candidates, ``(k,)``.
    gains
        By how much each raised the log-determinant when it was chosen, ``(k,)``; never rising.
    """

    indices: NDArray[np.int64]
    gains: NDArray[np.float64]


def leverage(rows: NDArray[Any], design: NDArray[Any], *, ridge: float) -> NDArray[np.float64]:
    """Return how far each row lies outside what the design has measured.

    h = xᵀ(XᵀX + λI)⁻¹x is the variance of a linear model's prediction at x after it was fitted to
    the rows of X, in units of the noise. Without ridge the rows of the design itself have at most
    1; above 1 the model extrapolates.

    Parameters
    ----------
    rows, design
        Descriptors ``(n, d)`` to judge, and those trained on, ``(m, d)``; m may be 0.
    ridge
        λ, in the squared unit of the descriptors; positive.

    Returns
    -------
    numpy.ndarray
        ``(n,)``, not negative.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, or the ridge is not positive.

    Notes
    -----
    Statistical leverage: Hoaglin and Welsch, Am. Stat. 32, 17 (1978). As the extrapolation of
    interatomic potentials: Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017).
    """
    points, measured = _checked(rows, design, ridge)
    # Of two factors the triangular one keeps h positive where XᵀX is nearly singular.
    factor, lower = cho_factor(_information(measured, ridge), lower=True)
    whitened = solve_triangular(factor, points.T, lower=lower)
    h: NDArray[np.float64] = np.einsum("ij,ij->j", whitened, whitened)
    return h


def species_leverage(
    rows: NDArray[Any],
    numbers: NDArray[Any],
    design: NDArray[Any],
    design_numbers: NDArray[Any],
    *,
    ridge: float,
) -> NDArray[np.float64]:
    """Return the leverage of atoms, each in the block of its own species.

    Descriptors of different species belong to different networks: a lithium atom is judged by
    the lithium atoms trained on. One of a species that the design lacks has |x|²/λ.

    Parameters
    ----------
    rows, numbers
        Descriptors ``(n, d)`` and atomic numbers ``(n,)`` of the atoms to judge.
    design, design_numbers
        Those of the atoms trained on, ``(m, d)`` and ``(m,)``.
    ridge
        As in :func:`leverage`.

    Raises
    ------
    ValueError
        As :func:`leverage`, and if numbers and rows differ in length.
    """
    points, measured = _checked(rows, design, ridge)
    kinds = np.asarray(numbers, dtype=np.int64)
    measured_kinds = np.asarray(design_numbers, dtype=np.int64)
    for name, array, owner in (
        ("numbers", kinds, points),
        ("design_numbers", measured_kinds, measured),
    ):
        if array.shape != (len(owner),):
            raise ValueError(
                f"{name} has shape {array.shape} for {len(owner)} atoms: expected one atomic "
                "number per row, in the order of the rows"
            )
    h = np.empty(len(points))
    for species in np.unique(kinds):
        here = kinds == species
        h[here] = leverage(points[here], measured[measured_kinds == species], ridge=ridge)
    return h


def greedy_log_det(
    rows: NDArray[Any],
    n_select: int,
    *,
    ridge: float,
    design: NDArray[Any] | None = None,
    weights: NDArray[Any] | None = None,
) -> LogDetSelection:
    """Choose rows one by one, each raising log det(λI + XᵀX + Σ w²xxᵀ) the most.

    This is the D-optimal design for a linear model of the descriptors. Row by row it takes the
    largest w²h, so that a copy of a chosen row has at most 1 left, and what the design knows
    already comes last. Deterministic: ties go to the lower index.

    Parameters
    ----------
    rows
        Candidates, ``(n, d)``.
    n_select
        How many at most; all n come back, in order, when there are fewer.
    ridge
        λ, in the squared unit of the descriptors; positive. Directions in which rows differ by
        less than √λ count as noise.
    design
        X, what is measured already, ``(m, d)``.
    weights
        Quality of the rows, ``(n,)``, not negative, without unit: a row of twice the weight counts
        as much as one twice as far out.

    Returns
    -------
    LogDetSelection
        Indices in the order of choice, with their gains.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, a weight is negative, the ridge is not
        positive, or ``n_select`` is negative.

    Notes
    -----
    The log-determinant is submodular and grows with every row, so that the greedy choice reaches
    at least 1 − 1/e of the best one: Nemhauser, Wolsey and Fisher, Math. Program. 14, 265 (1978).
    With weights it is the quality–diversity form of a determinantal point process, Kulesza and
    Taskar, Found. Trends Mach. Learn. 5, 123 (2012). Inverse and leverages are updated by Sherman
    and Morrison's formula: O(nd + d²) a choice, O(nd²) once.
    """
    points, measured = _checked(
        rows, np.empty((0, *np.shape(rows)[1:])) if design is None else design, ridge
    )
    scale = np.ones(len(points)) if weights is None else np.asarray(weights, dtype=np.float64)
    if scale.shape != (len(points),) or not np.isfinite(scale).all() or np.any(scale < 0):
        raise ValueError(
            f"weights has shape {scale.shape} for {len(points)} rows: expected one finite weight "
            "of 0 or more for each; drop frames whose deviation is not finite"
        )
    if n_select < 0:
        raise ValueError(f"n_select={n_select}: expected 0 or more")
    points = points * scale[:, None]
    inverse = cho_solve(cho_factor(_information(measured, ridge)), np.eye(points.shape[1]))
    h = np.einsum("ij,ij->i", points @ inverse, points)
    available = np.ones(len(points), dtype=bool)
    chosen: list[int] = []
    gains: list[float] = []
    for _ in range(min(n_select, len(points))):
        pick = int(np.argmax(np.where(available, h, -1.0)))
        chosen.append(pick)
        gains.append(math.log1p(h[pick]))
        available[pick] = False
        direction = inverse @ points[pick] / math.sqrt(1.0 + h[pick])
        inverse -= np.outer(direction, direction)
        # Rounding must not make a leverage negative after many updates.
        h = np.maximum(h - (points @ direction) ** 2, 0.0)
    return LogDetSelection(
        indices=np.array(chosen, dtype=np.int64), gains=np.array(gains, dtype=np.float64)
    )


def _information(design: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    matrix: NDArray[np.float64] = design.T @ design + ridge * np.eye(design.shape[1])
    return matrix


def _checked(
    rows: NDArray[Any], design: NDArray[Any], ridge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = np.asarray(rows, dtype=np.float64)
    measured = np.asarray(design, dtype=np.float64)
    if points.ndim != 2 or measured.ndim != 2 or points.shape[1] != measured.shape[1]:
        raise ValueError(
            f"rows {points.shape} and design {measured.shape}: expected (n, d) and (m, d) with "
            "one d; describe both with the same model, or the same species, cutoff and grid"
        )
    if not (np.isfinite(points).all() and np.isfinite(measured).all()):
        raise ValueError("rows or design hold NaN or infinity: screen the frames first")
    if not (math.isfinite(ridge) and ridge > 0):
        raise ValueError(
            f"ridge={ridge!r}: expected a positive number, like a thousandth of the rows' mean "
            "square; without it fewer rows than components leave the design singular"
        )
    return points, measured
