"""Voids of a structure: the largest empty spheres between its atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.spatial import Voronoi, cKDTree

from ..selection.neighbours import cell_heights, neighbour_pairs
from .conversion import check_periodic

__all__ = ["Void", "find_voids"]


@dataclass(frozen=True)
class Void:
    """A sphere that touches atoms' centres and holds none.

    Attributes
    ----------
    position
        Its centre, ``(3,)`` Å, within the cell.
    radius
        Distance to the nearest centre of an atom in Å.
    neighbours
        Atoms on the sphere, to 0.1 Å: 4 in a tetrahedral, 6 in an octahedral void.
    """

    position: NDArray[np.float64]
    radius: float
    neighbours: int


def find_voids(atoms: Atoms, *, min_radius: float, merge_distance: float = 0.5) -> tuple[Void, ...]:
    """List the voids of a crystal or glass, the largest first.

    Parameters
    ----------
    atoms
        Periodic in three directions.
    min_radius
        Å from the void's centre to the nearest centre of an atom; smaller voids are left out.
    merge_distance
        Å; of centres nearer than this, images included, only the one of the largest sphere stays.

    Returns
    -------
    tuple of Void
        By descending radius; equal radii (to 1e-6 Å) by fractional coordinates.

    Raises
    ------
    ValueError
        If the cell is not periodic in three directions or a length is not positive.

    Notes
    -----
    The centres are the vertices of the Voronoi tessellation (Qhull through SciPy) of the atoms and
    their images: points where the distance to the nearest atoms is a local maximum are among them.
    """
    check_periodic(atoms)
    if not (min_radius > 0 and merge_distance > 0):
        raise ValueError(
            f"min_radius={min_radius!r} and merge_distance={merge_distance!r} Å: expected positive "
            "lengths, like 1.5 and 0.5"
        )
    cell = np.asarray(atoms.cell, dtype=np.float64)
    crowd = _with_images(atoms, cell)
    vertices = Voronoi(crowd).vertices
    fractional = vertices @ np.linalg.inv(cell)
    # Rounding puts a vertex on a face now here, now there; both copies stay and are merged below.
    inside = np.all((fractional > -1e-6) & (fractional < 1 + 1e-6), axis=1)
    centres = np.asarray(vertices[inside], dtype=np.float64)
    tree = cKDTree(crowd)
    radii = np.asarray(tree.query(centres)[0])
    keep = radii >= min_radius
    centres, radii = centres[keep], np.round(radii[keep], 6)
    home = np.round(centres @ np.linalg.inv(cell), 6) % 1.0
    # In a crystal many vertices coincide.
    home, first = np.unique(home, axis=0, return_index=True)
    radii = radii[first]
    order = np.lexsort((home[:, 2], home[:, 1], home[:, 0], -radii))
    centres, radii = home[order] @ cell, radii[order]
    pairs = neighbour_pairs(centres, cell, np.ones(3, dtype=bool), merge_distance)
    # From the largest sphere down, each that stays removes those near it.
    cuts = np.searchsorted(np.sort(pairs.first), np.arange(len(centres) + 1))
    near = pairs.second[np.argsort(pairs.first, kind="stable")]
    stays = np.ones(len(centres), dtype=bool)
    for rank in range(len(centres)):
        if stays[rank]:
            stays[near[cuts[rank] : cuts[rank + 1]]] = False
            stays[rank] = True
    on_sphere = [
        int(tree.query_ball_point(centre, radius + 0.1, return_length=True))
        for centre, radius in zip(centres[stays], radii[stays], strict=True)
    ]
    return tuple(
        Void(centre, float(radius), neighbours)
        for centre, radius, neighbours in zip(centres[stays], radii[stays], on_sphere, strict=True)
    )


def _with_images(atoms: Atoms, cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the atoms and all images that can touch a sphere centred in the cell."""
    reduced = minkowski_reduce(cell)[0]
    # No point of a lattice is farther from its nearest point than half of this diagonal.
    reach = 0.5 * float(np.sqrt((np.asarray(reduced) ** 2).sum()))
    heights = cell_heights(cell, np.ones(3, dtype=bool))
    # The spheres of centres in the cell end within the reach; 1 Å more for the count of neighbours.
    margins = (reach + 1.0) / heights
    home = atoms.get_scaled_positions(wrap=True)
    counts = np.ceil(margins).astype(int)
    shifts = np.stack(
        np.meshgrid(*[np.arange(-n, n + 1) for n in counts], indexing="ij"), axis=-1
    ).reshape(-1, 3)
    everywhere = (home[None] + shifts[:, None]).reshape(-1, 3)
    near = np.all((everywhere >= -margins) & (everywhere <= 1 + margins), axis=1)
    return np.asarray(everywhere[near] @ cell, dtype=np.float64)
