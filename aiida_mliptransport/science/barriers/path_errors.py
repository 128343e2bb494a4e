"""Force errors of a potential along a path: of all atoms, and of those that move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..transport.reference import FloatArray, require_finite

__all__ = ["PathForceErrors", "force_errors_along"]


@dataclass(frozen=True, eq=False)
class PathForceErrors:
    """Errors of the forces on each of M images, eV/Å.

    Attributes
    ----------
    rmse, moving_rmse
        ``(M,)``, per component: over all atoms, and over the moving ions.
    max_error, moving_max_error
        ``(M,)``, the largest length of an error vector.
    """

    rmse: FloatArray
    moving_rmse: FloatArray
    max_error: FloatArray
    moving_max_error: FloatArray

    @property
    def worst_image(self) -> int:
        """Image with the largest error on a moving ion."""
        return int(np.argmax(self.moving_max_error))


def force_errors_along(
    predicted: ArrayLike, reference: ArrayLike, moving_ions: ArrayLike
) -> PathForceErrors:
    """Compare predicted with reference forces on the images of a path.

    An average over all atoms hides the few ions that cross the barrier, whose forces make it.

    Parameters
    ----------
    predicted, reference
        ``(M, N, 3)`` eV/Å, on the same positions.
    moving_ions
        Indices of the ions that move, as of :meth:`~.end_points.EndPoints.moving_ions`.

    Raises
    ------
    ValueError
        If shapes differ, a force is NaN or infinite, or no ion or one out of range is given.
    """
    ours, theirs = (np.asarray(forces, dtype=np.float64) for forces in (predicted, reference))
    if ours.ndim != 3 or ours.shape[2] != 3 or ours.shape != theirs.shape or not ours.size:
        raise ValueError(
            f"predicted forces have shape {ours.shape} and reference forces {theirs.shape}, "
            "expected the same (images, atoms, 3)"
        )
    require_finite(ours, "predicted forces")
    require_finite(theirs, "reference forces")
    ions = np.asarray(moving_ions, dtype=np.int64).ravel()
    if not len(ions) or ions.min() < 0 or ions.max() >= ours.shape[1]:
        raise ValueError(
            f"moving_ions={ions.tolist()}: expected at least one index, from 0 to "
            f"{ours.shape[1] - 1}"
        )
    errors = ours - theirs
    lengths = np.linalg.norm(errors, axis=2)
    return PathForceErrors(
        rmse=np.sqrt((errors**2).mean(axis=(1, 2))),
        moving_rmse=np.sqrt((errors[:, ions] ** 2).mean(axis=(1, 2))),
        max_error=lengths.max(axis=1),
        moving_max_error=lengths[:, ions].max(axis=1),
    )
