"""MaxVol: the rows of largest volume, and the extrapolation grade against them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

__all__ = ["extrapolation_grade", "maxvol_rows"]

#: Pivots below this share of the largest one are rounding, not a further direction.
RANK_TOLERANCE = 1e-10


def maxvol_rows(
    design: NDArray[Any], *, excess: float = 0.01, max_swaps: int = 10000
) -> NDArray[np.int64]:
    """Return d rows of a tall matrix whose determinant no swap raises by more than ``excess``.

    Parameters
    ----------
    design
        Descriptors of what is trained on, ``(m, d)`` of rank d.
    excess
        A row is swapped in while it raises |det| by more than this share.
    max_swaps
        The determinant grows with each swap, so this bound is only for a far too small excess.

    Returns
    -------
    numpy.ndarray
        Indices ``(d,)``: the *active set*.

    Raises
    ------
    ValueError
        If the rank is below d, values are not finite, or the swaps do not end.

    Notes
    -----
    Goreinov et al., in Matrix Methods: Theory, Algorithms, Applications (World Scientific, 2010),
    p. 247; begun from pivoted QR.
    """
    matrix = _matrix("design", design)
    size = matrix.shape[1]
    _, triangle, pivots = qr(matrix.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int(np.count_nonzero(diagonal > RANK_TOLERANCE * diagonal.max(initial=0.0)))
    if rank < size:
        raise ValueError(
            f"design {matrix.shape} has rank {rank}, expected {size}: reduce the descriptors to "
            "their leading components, describe more frames, or use leverage with a ridge"
        )
    rows = pivots[:size].astype(np.int64)
    coefficients = np.linalg.solve(matrix[rows].T, matrix.T).T
    for _ in range(max_swaps):
        new, old = divmod(int(np.argmax(np.abs(coefficients))), size)
        pivot = coefficients[new, old]
        if abs(pivot) <= 1.0 + excess:
            return rows
        change = coefficients[new].copy()
        change[old] -= 1.0
        coefficients -= np.outer(coefficients[:, old], change) / pivot
        rows[old] = new
    raise ValueError(f"excess={excess}: {max_swaps} swaps did not suffice, expected 0.001 or more")


def extrapolation_grade(rows: NDArray[Any], design: NDArray[Any]) -> NDArray[np.float64]:
    """Return the MaxVol grade γ of each row: by how much it could raise the active set's volume.

    Up to 1 the row is interpolated; usual thresholds to label from are 2 to 10.

    Parameters
    ----------
    rows
        ``(n, d)``.
    design
        ``(m, d)``, as in :func:`maxvol_rows`.

    Returns
    -------
    numpy.ndarray
        ``(n,)``, without unit; unchanged by any invertible linear map of the descriptors, as long
        as the active set is the same.

    Raises
    ------
    ValueError
        As :func:`maxvol_rows`, and if the two differ in the number of components.

    Notes
    -----
    Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017); Lysogorskiy et al., Phys. Rev.
    Mater. 7, 043801 (2023).
    """
    points, matrix = _matrix("rows", rows), _matrix("design", design)
    if points.shape[1] != matrix.shape[1]:
        raise ValueError(
            f"rows {points.shape} and design {matrix.shape}: expected the same number of "
            "components; describe both with the same model"
        )
    active = matrix[maxvol_rows(matrix)]
    grade: NDArray[np.float64] = np.abs(np.linalg.solve(active.T, points.T)).max(axis=0)
    return grade


def _matrix(name: str, value: NDArray[Any]) -> NDArray[np.float64]:
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"{name} has shape {matrix.shape}, expected (n, d) with d of 1 or more")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} holds NaN or infinity: screen the frames first")
    return matrix
