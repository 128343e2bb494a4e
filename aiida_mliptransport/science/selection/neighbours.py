"""Exact neighbour pairs of one frame in any cell, triclinic or partly periodic."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.geometry import complete_cell
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["NeighbourPairs", "cell_heights", "closest_contacts", "neighbour_pairs"]

MAX_IMAGES = 20


@dataclass(frozen=True)
class NeighbourPairs:
    """Directed pairs: atom ``first`` sees an image of atom ``second`` at ``distance`` Å."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.float64]


def cell_heights(cell: NDArray[Any], pbc: NDArray[Any]) -> NDArray[np.float64]:
    """Return the spacing of lattice planes along each periodic axis in Å, infinity elsewhere.

    Parameters
    ----------
    cell, pbc
        Cell rows ``(3, 3)`` in Å and periodicity ``(3,)``.

    Returns
    -------
    numpy.ndarray
        ``(3,)``; zeros on the periodic axes where the cell is flat.
    """
    periodic = np.asarray(pbc, dtype=bool)
    full = _full_cell(np.asarray(cell, dtype=np.float64), periodic)
    volume = abs(float(np.linalg.det(full)))
    faces = np.linalg.norm(
        [np.cross(full[(k + 1) % 3], full[(k + 2) % 3]) for k in range(3)], axis=1
    )
    heights = np.divide(volume, faces, out=np.zeros(3), where=faces > 0)
    return np.where(periodic, heights, np.inf)


def neighbour_pairs(
    positions: NDArray[Any], cell: NDArray[Any], pbc: NDArray[Any], cutoff: float
) -> NeighbourPairs:
    """Find every pair of atoms, images included, within a cutoff.

    Each pair comes twice, once from either end; an atom sees its own images where the cell is
    smaller than the cutoff, so the result needs no minimum-image convention and holds in any cell.

    Parameters
    ----------
    positions, cell, pbc
        ``(N, 3)`` Å, finite, wrapped or not; ``(3, 3)`` Å; ``(3,)``.
    cutoff
        Å.

    Raises
    ------
    ValueError
        If a periodic axis is so short that the cutoff spans more than 20 images.
    """
    coordinates = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    periodic = np.asarray(pbc, dtype=bool)
    heights = cell_heights(cell, periodic)
    if np.any(heights * MAX_IMAGES < cutoff):
        raise ValueError(
            f"cell has plane spacings {heights.tolist()} Å, too small for a cutoff of {cutoff:g} "
            "Å: the cell collapsed or is flat; drop the frame, or mark the axis as not periodic"
        )
    everything, owner = _with_images(coordinates, cell, periodic, cutoff / heights)
    found = cKDTree(everything[: len(coordinates)]).sparse_distance_matrix(
        cKDTree(everything), cutoff, output_type="ndarray"
    )
    proper = found["i"] != found["j"]
    return NeighbourPairs(
        first=found["i"][proper].astype(np.int64),
        second=owner[found["j"][proper]],
        distance=found["v"][proper].astype(np.float64),
    )


def closest_contacts(pairs: NeighbourPairs, numbers: NDArray[Any]) -> dict[tuple[int, int], float]:
    """Return the shortest distance of every species pair that occurs among the pairs.

    Parameters
    ----------
    pairs
        From :func:`neighbour_pairs`.
    numbers
        Atomic numbers ``(N,)``.

    Returns
    -------
    dict
        ``(lower, higher)`` atomic number → Å.
    """
    species, index = np.unique(np.asarray(numbers, dtype=np.int64), return_inverse=True)
    shortest = np.full((len(species), len(species)), np.inf)
    np.minimum.at(shortest, (index[pairs.first], index[pairs.second]), pairs.distance)
    return {
        (int(species[a]), int(species[b])): float(shortest[a, b])
        for a, b in itertools.combinations_with_replacement(range(len(species)), 2)
        if np.isfinite(shortest[a, b])
    }


def _full_cell(cell: NDArray[np.float64], periodic: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Replace the vectors of axes that are not periodic by unit vectors off the others."""
    if periodic.all():
        return cell
    kept = np.where(periodic[:, None], cell, 0.0)
    full: NDArray[np.float64] = np.asarray(complete_cell(kept), dtype=np.float64)
    return full


def _with_images(
    coordinates: NDArray[np.float64],
    cell: NDArray[Any],
    periodic: NDArray[np.bool_],
    reach: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the atoms wrapped into the cell, then all images within ``reach`` cells of it."""
    full = _full_cell(np.asarray(cell, dtype=np.float64), periodic)
    fractional = coordinates @ np.linalg.inv(full)
    fractional[:, periodic] %= 1.0
    owners = np.arange(len(coordinates), dtype=np.int64)
    blocks, owner_blocks = [fractional], [owners]
    counts = np.where(periodic, np.ceil(reach), 0).astype(int)
    # The slack keeps images that rounding would put just outside.
    lower, upper = -reach - 1e-9, 1.0 + reach + 1e-9
    for shift in itertools.product(*(range(-count, count + 1) for count in counts)):
        if not any(shift):
            continue
        moved = fractional + np.asarray(shift)
        near = np.all(((moved >= lower) & (moved <= upper))[:, periodic], axis=1)
        blocks.append(moved[near])
        owner_blocks.append(owners[near])
    return np.concatenate(blocks) @ full, np.concatenate(owner_blocks)
