"""What happens on the straight line between two end points: how near atoms come to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.geometry import find_mic

from ..transport.reference import FloatArray
from ..transport.sites import IntArray
from .end_points import MOVING_ANGSTROM, EndPoints

__all__ = ["Approach", "closest_approach"]

#: Straight lines are looked at in so many pieces, in each of which the nearest image is one.
_N_PIECES = 10


@dataclass(frozen=True)
class Approach:
    """How near two atoms come to each other on the straight path, relative to its ends.

    Attributes
    ----------
    pair
        Their indices, the first one a moving ion.
    distance
        Their least distance in Å, to the nearest image.
    fraction
        Where on the path, from 0 to 1.
    end_distance
        The smaller of their distances in the two end points in Å.
    """

    pair: tuple[int, int]
    distance: float
    fraction: float
    end_distance: float

    @property
    def ratio(self) -> float:
        """Least distance over that at the ends: 1 if the pair is never closer than there."""
        return self.distance / self.end_distance if self.end_distance > 0 else 0.0


def closest_approach(
    end_points: EndPoints, *, threshold: float = MOVING_ANGSTROM
) -> Approach | None:
    """Find the two atoms that come nearest on the straight path, relative to the end points.

    All atoms go linearly from their initial to their final places. Pairs of a moving ion with any
    other atom count.

    Parameters
    ----------
    end_points
        The ends of the path.
    threshold
        Å; atoms that move by more are the moving ions.

    Returns
    -------
    Approach or None
        That of the lowest ratio; None without moving ions or with a single atom.
    """
    moving = end_points.moving_ions(threshold)
    first = np.repeat(moving, len(end_points.initial))
    second = np.tile(np.arange(len(end_points.initial)), len(moving))
    # A pair of two moving ions is looked at once.
    kept = (first != second) & ~(np.isin(second, moving) & (second < first))
    first, second = first[kept], second[kept]
    if not len(first):
        return None
    distance, fraction = _least_distances(end_points, first, second)
    ends = np.minimum(*(_distances(end_points, first, second, at) for at in (0.0, 1.0)))
    ratio = distance / np.maximum(ends, 1e-12)
    worst = int(np.argmin(ratio))
    return Approach(
        pair=(int(first[worst]), int(second[worst])),
        distance=float(distance[worst]),
        fraction=float(fraction[worst]),
        end_distance=float(ends[worst]),
    )


def _least_distances(
    end_points: EndPoints, first: IntArray, second: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the least distance (n_pairs,) of pairs on the straight path, and its fraction."""
    relative = end_points.displacements[second] - end_points.displacements[first]
    squared = np.maximum((relative**2).sum(axis=1), 1e-12)
    least, fraction = np.full(len(first), np.inf), np.zeros(len(first))
    for begin in np.arange(_N_PIECES) / _N_PIECES:
        middle = begin + 0.5 / _N_PIECES
        between = _vectors(end_points, first, second, middle)
        step = -(between * relative).sum(axis=1) / squared
        step = np.clip(step, -0.5 / _N_PIECES, 0.5 / _N_PIECES)
        distance = np.linalg.norm(between + step[:, None] * relative, axis=1)
        closer = distance < least
        least, fraction = (
            np.where(closer, distance, least),
            np.where(closer, middle + step, fraction),
        )
    return least, fraction


def _distances(
    end_points: EndPoints, first: IntArray, second: IntArray, fraction: float
) -> FloatArray:
    return np.asarray(np.linalg.norm(_vectors(end_points, first, second, fraction), axis=1))


def _vectors(
    end_points: EndPoints, first: IntArray, second: IntArray, fraction: float
) -> FloatArray:
    """Return vectors (n_pairs, 3) from the first to the nearest image of the second atoms."""
    initial = end_points.initial
    places = initial.positions + fraction * end_points.displacements
    vectors = find_mic(places[second] - places[first], initial.cell, initial.pbc)[0]
    return np.asarray(vectors, dtype=np.float64)
