"""How far each atom is on its way from site to site, as a weight between 0 and 1."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..transport.hops import windowed_moves
from ..transport.sites import SiteAssignment, check_positions

__all__ = ["hop_weights_by_displacement", "hop_weights_by_sites"]


def hop_weights_by_displacement(
    positions: ArrayLike, dt_ps: float, window_ps: float, jump_angstrom: float
) -> NDArray[np.float64]:
    """Weigh atoms by how far the mean positions before and after a frame lie apart.

    The square of that distance over the jump length, at most 1: it peaks at the frame of the hop,
    has fallen to zero one window away, and stays below a tenth where an atom rattles by less than
    a third of a jump.

    Parameters
    ----------
    positions
        ``(n, N, 3)`` in Å, unwrapped, relative to the framework.
    dt_ps, window_ps
        Time between frames, and over which the means are taken; a window is 2 frames to half the
        run, longer than a vibration and shorter than a residence.
    jump_angstrom
        Distance of two neighbouring sites.

    Returns
    -------
    numpy.ndarray
        ``(n, N)``. In the first and the last window, where one of the means is cut short, the atom
        is taken to have rested at its first and last position.

    Raises
    ------
    ValueError
        If the positions are not such an array, or a time or the jump does not fit.

    Notes
    -----
    The displacement is that of :func:`hops_by_displacement`: Candelier et al., Phys. Rev. Lett.
    105, 135702 (2010).
    """
    if not (math.isfinite(jump_angstrom) and jump_angstrom > 0):
        raise ValueError(
            f"jump_angstrom={jump_angstrom!r}: expected a positive length, the distance of two "
            "neighbouring sites, like 2.5"
        )
    array = np.asarray(check_positions(positions), dtype=np.float64)
    # The window is checked against the run itself, not against the padded one.
    windowed_moves(array[:, :1], dt_ps, window_ps)
    width = round(window_ps / dt_ps)
    rest = [(width, width - 1), (0, 0), (0, 0)]
    _, moves = windowed_moves(np.pad(array, rest, mode="edge"), dt_ps, window_ps)
    distance = np.linalg.norm(moves, axis=2)
    weights: NDArray[np.float64] = np.minimum(distance / jump_angstrom, 1.0) ** 2
    return weights


def hop_weights_by_sites(
    positions: ArrayLike, assignment: SiteAssignment, reach_angstrom: float
) -> NDArray[np.float64]:
    """Weigh atoms by their distance from the site that they are assigned to.

    0 within the core, rising linearly to 1 at the reach. An atom on its way into another core still
    belongs to the site that it left, so that all of the way counts.

    Parameters
    ----------
    positions
        ``(n, N, 3)`` in Å, those that were assigned.
    assignment
        From :func:`assign_sites`.
    reach_angstrom
        Above the core radius: half the distance of two neighbouring sites is where the bottleneck
        lies.

    Returns
    -------
    numpy.ndarray
        ``(n, N)``; 0 before an atom enters its first core.

    Raises
    ------
    ValueError
        If positions and assignment differ in shape, or the reach does not exceed the core radius.
    """
    array = np.asarray(check_positions(positions), dtype=np.float64)
    if array.shape[:2] != assignment.site.shape:
        raise ValueError(
            f"positions have shape {array.shape}, the assignment {assignment.site.shape}: pass the "
            "positions that the sites were assigned to"
        )
    core = assignment.core_radius_angstrom
    if not (math.isfinite(reach_angstrom) and reach_angstrom > core):
        raise ValueError(
            f"reach_angstrom={reach_angstrom!r}: expected more than the core radius of {core:g} Å; "
            "half the distance of two sites is usual"
        )
    places = assignment.sites.positions[assignment.site]
    places = places + assignment.image @ assignment.sites.cell
    distance = np.linalg.norm(array - places, axis=2)
    weights: NDArray[np.float64] = np.clip((distance - core) / (reach_angstrom - core), 0.0, 1.0)
    weights[assignment.site < 0] = 0.0
    return weights
