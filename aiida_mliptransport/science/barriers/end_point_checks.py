"""Whether two end points make a path: ions that move one way, and no two in one place."""

from __future__ import annotations

import numpy as np
from ase.geometry import minkowski_reduce

from ..transport.sites import IntArray
from .end_points import MOVING_ANGSTROM, EndPoints, EndPointsError, match_order
from .straight_path import Approach, closest_approach

__all__ = ["check_end_points"]

#: Where two images of a displacement differ by less in length, relaxation decides between them.
AMBIGUOUS_ANGSTROM = 0.1
#: Below this share of their distance at the ends two atoms coincide for any practical purpose, and
#: an interpolation that keeps atoms apart (IDPP) has no direction in which to part them.
COINCIDENT_RATIO = 0.1
#: Below this share a relaxation of the images has much to mend. Straight jumps between neighbouring
#: sites stay above it: 0.87 through the window of fcc, 0.71 past the anion in rock salt.
CLOSE_RATIO = 0.5


def check_end_points(
    end_points: EndPoints, *, threshold: float = MOVING_ANGSTROM
) -> tuple[str, ...]:
    """Refuse ends that make no path; return warnings of what looks wrong.

    Parameters
    ----------
    end_points
        Ends whose atoms, order and cell agree, which their class sees to.
    threshold
        Å; atoms that move by more are the moving ions.

    Returns
    -------
    tuple of str
        That two atoms come closer on the straight path than half of their distance at the ends,
        and that fewer ions would move if like atoms were in another order.

    Raises
    ------
    EndPointsError
        If no atom moves by more than the threshold; if another periodic image of a moving ion's
        final position is as near as the nearest to 0.1 Å; if two atoms exchange places or cross,
        which is that on the straight path they come nearer than 0.1 of their distance at the ends.
    """
    moving = end_points.moving_ions(threshold)
    if not len(moving):
        lengths = np.linalg.norm(end_points.displacements, axis=1)
        raise EndPointsError(
            f"no atom moves: the largest displacement is {lengths.max(initial=0.0):.3f} Å, "
            f"expected more than {threshold:g} Å; both structures are one minimum: give another "
            "final one"
        )
    warnings = []
    if end_points.minimum_image:
        # Atoms that stay match themselves.
        initial, final = end_points.initial[moving], end_points.final[moving]
        fewer = len(EndPoints(initial, match_order(initial, final)).moving_ions(threshold))
        if fewer < len(moving):
            warnings.append(
                f"{len(moving)} ions move, but only {fewer} would if like atoms were in another "
                "order: unless they really exchange places, put the atoms of both structures in "
                "one order"
            )
        _require_one_way(end_points, moving, warnings)
    approach = closest_approach(end_points, threshold=threshold)
    if approach is not None and approach.ratio < CLOSE_RATIO:
        told = describe_approach(end_points, approach)
        if approach.ratio < COINCIDENT_RATIO:
            raise EndPointsError(
                f"two atoms exchange places or cross: {told}, expected at least "
                f"{COINCIDENT_RATIO:g}; if like atoms are in another order, put those of both "
                "structures in one; if not, split the path at a point off the line"
            )
        warnings.append(f"{told}: interpolate with IDPP, not linearly")
    return tuple(warnings)


def describe_approach(end_points: EndPoints, approach: Approach) -> str:
    """Return who comes how near to whom, and where on the straight path."""
    first, second = (f"{end_points.initial.symbols[atom]} {atom}" for atom in approach.pair)
    return (
        f"{first} and {second} come to {approach.distance:.3f} Å of each other at "
        f"{approach.fraction:.2f} of the straight path, {approach.ratio:.2f} of their distance at "
        f"its ends ({approach.end_distance:.3f} Å)"
    )


def _require_one_way(end_points: EndPoints, moving: IntArray, warnings: list[str]) -> None:
    """Raise if a moving ion has another way to an image of its place that is nearly as short.

    ``warnings`` is what was seen of these ends so far: it may be why.
    """
    ways = end_points.displacements[moving]
    pbc = end_points.initial.pbc
    reduced = np.asarray(minkowski_reduce(end_points.initial.cell, pbc)[0], dtype=np.float64)
    # In a reduced cell the nearest image is at most one cell vector of each kind away.
    steps = np.array([[-1, 0, 1] if periodic else [0, 0, 0] for periodic in pbc])
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = np.unique(grid[grid.any(axis=1)], axis=0)
    if not len(grid):
        return
    others = np.linalg.norm(ways[:, None] + grid @ reduced, axis=2).min(axis=1)
    lengths = np.linalg.norm(ways, axis=1)
    worst = int(np.argmin(others - lengths))
    if others[worst] - lengths[worst] < AMBIGUOUS_ANGSTROM:
        ion = int(moving[worst])
        raise EndPointsError(
            f"{end_points.initial.symbols[ion]} {ion} may go two ways round the cell: its "
            f"displacement is {lengths[worst]:.3f} Å to one image and {others[worst]:.3f} Å to "
            f"another, expected a difference of at least {AMBIGUOUS_ANGSTROM:g} Å; take a larger "
            "supercell" + "".join(f". {seen}" for seen in warnings)
        )
