"""Choice of frames that differ from each other and from those already known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from .neighbours import neighbour_pairs

__all__ = [
    "DiverseSelection",
    "displacement_tolerance",
    "farthest_point_sampling",
    "radial_descriptor",
]


@dataclass(frozen=True)
class DiverseSelection:
    """Frames chosen by :func:`farthest_point_sampling`.

    Attributes
    ----------
    indices
        Positions among the candidates, in the order of choice, ``(k,)``.
    novelty
        Descriptor distance of each to the nearest known or earlier chosen frame, ``(k,)``;
        infinity for a first one that had nothing to be compared with.
    near_duplicates
        Candidates left that are within the tolerance of a known or chosen frame.
    """

    indices: NDArray[np.int64]
    novelty: NDArray[np.float64]
    near_duplicates: int


def radial_descriptor(
    positions: NDArray[Any],
    cells: NDArray[Any],
    pbc: NDArray[Any],
    numbers: NDArray[Any],
    *,
    species: Sequence[int],
    cutoff: float = 6.0,
    n_radial: int = 16,
) -> NDArray[np.float64]:
    """Describe each frame by its radial environments, species pair by species pair.

    Every atom gets smooth counts of its neighbours of each species on a radial grid; the frame
    keeps their mean and standard deviation over the atoms of each central species. It does not
    change under rotation, translation, permutation of like atoms, wrapping or repetition of the
    cell, and the standard deviation sees one odd atom among many alike. Angles are not seen.

    Parameters
    ----------
    positions, cells, pbc, numbers
        ``(n, N, 3)`` Å; ``(n, 3, 3)`` Å; ``(3,)``; ``(N,)``.
    species
        Atomic numbers in a fixed order, the same for all frames ever to be compared.
    cutoff, n_radial
        Å; number of grid points per species pair.

    Returns
    -------
    numpy.ndarray
        ``(n, 2 · len(species)² · n_radial)``, without unit; zeros for absent species.

    Raises
    ------
    ValueError
        If an atom's species is not in ``species``, or positions or cells are not finite.

    Notes
    -----
    Gaussians with cosine cutoff as the G2 functions of Behler, J. Chem. Phys. 134, 074106 (2011),
    divided by r² relative to 1 Å so that the many far neighbours do not drown the first shell.
    """
    order = {int(z): k for k, z in enumerate(species)}
    unknown = sorted({int(z) for z in np.asarray(numbers)} - set(order))
    if unknown:
        raise ValueError(
            f"numbers hold {unknown}, expected only species={list(order)}: add them to species "
            "and describe all frames anew"
        )
    coordinates = np.asarray(positions, dtype=np.float64)
    boxes = np.asarray(cells, dtype=np.float64)
    if not (np.isfinite(coordinates).all() and np.isfinite(boxes).all()):
        raise ValueError(
            "positions or cells are not finite: screen the frames with screen_frames first"
        )
    kinds = np.array([order[int(z)] for z in np.asarray(numbers)], dtype=np.int64)
    step = (cutoff - 0.5) / n_radial
    grid = np.asarray(0.5 + step * np.arange(n_radial), dtype=np.float64)
    frames = [
        _describe_frame(frame, cell, np.asarray(pbc), kinds, len(order), cutoff, grid, step)
        for frame, cell in zip(coordinates, boxes, strict=True)
    ]
    return np.array(frames).reshape(len(frames), 2 * len(order) ** 2 * n_radial)


def displacement_tolerance(
    positions: NDArray[Any],
    cell: NDArray[Any],
    pbc: NDArray[Any],
    numbers: NDArray[Any],
    *,
    species: Sequence[int],
    displacement: float,
    rng: np.random.Generator,
    n_samples: int = 8,
    cutoff: float = 6.0,
    n_radial: int = 16,
) -> float:
    """Return the descriptor distance that stands for random displacements of the given size.

    It gives the tolerance of :func:`farthest_point_sampling` a meaning: frames that differ by less
    than ``displacement`` (Å, root mean square per atom) count as the same.

    Parameters
    ----------
    positions, cell
        One typical frame, ``(N, 3)`` and ``(3, 3)`` in Å; the rest as in
        :func:`radial_descriptor`.

    Raises
    ------
    ValueError
        If ``displacement`` is not positive.
    """
    if not displacement > 0:
        raise ValueError(f"displacement={displacement!r} Å: expected a positive number, like 0.05")
    frame = np.asarray(positions, dtype=np.float64)
    noise = rng.normal(scale=displacement / np.sqrt(3.0), size=(n_samples, *frame.shape))
    frames = np.concatenate([frame[None], frame[None] + noise])
    described = radial_descriptor(
        frames,
        np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(frames), 3, 3)),
        pbc,
        numbers,
        species=species,
        cutoff=cutoff,
        n_radial=n_radial,
    )
    return float(np.median(np.linalg.norm(described[1:] - described[0], axis=1)))


def farthest_point_sampling(
    descriptors: NDArray[Any],
    n_select: int,
    *,
    weights: NDArray[Any] | None = None,
    known: NDArray[Any] | None = None,
    tolerance: float = 1e-6,
) -> DiverseSelection:
    """Choose frames one by one, each the farthest from all chosen and known ones.

    Deterministic: ties go to the lower index, and nothing is drawn. Without known frames the first
    choice is the one farthest from the candidates' mean.

    Parameters
    ----------
    descriptors
        Candidates, ``(n, d)``.
    n_select
        How many at most; fewer come back when only near-duplicates are left.
    weights
        ``(n,)``, not negative, such as the maximum force deviation; multiply the distances.
    known
        Descriptors of frames that are trained on or held as blind test already, ``(m, d)``.
    tolerance
        A candidate this near to a chosen or known frame is never chosen; see
        :func:`displacement_tolerance`.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, a weight is negative, or ``n_select`` or
        ``tolerance`` is negative.

    Notes
    -----
    Greedy k-centre: Gonzalez, Theor. Comput. Sci. 38, 293 (1985); its covering radius is at most
    twice the best possible one when all weights are equal.
    """
    points = np.asarray(descriptors, dtype=np.float64)
    others = np.asarray(
        known if known is not None else np.empty((0, *points.shape[1:])), dtype=np.float64
    )
    scale = np.asarray(weights if weights is not None else np.ones(len(points)), dtype=np.float64)
    _check_sampling(points, others, scale, n_select, tolerance)
    novelty = np.full(len(points), np.inf)
    # Blocks keep the distance matrix small for a long ledger of known frames.
    for block in np.array_split(others, max(1, len(others) // 512)) if len(others) else []:
        novelty = np.minimum(novelty, cdist(points, block).min(axis=1))
    available = np.ones(len(points), dtype=bool)
    chosen: list[int] = []
    distances: list[float] = []
    while len(chosen) < n_select:
        open_ = available & (novelty > tolerance)
        if not open_.any():
            break
        reach = novelty
        if not chosen and not len(others):
            reach = np.linalg.norm(points - points.mean(axis=0), axis=1)
        pick = int(np.argmax(np.where(open_, reach * scale, -1.0)))
        chosen.append(pick)
        distances.append(float(novelty[pick]))
        available[pick] = False
        novelty = np.minimum(novelty, cdist(points, points[pick : pick + 1])[:, 0])
    return DiverseSelection(
        indices=np.array(chosen, dtype=np.int64),
        novelty=np.array(distances, dtype=np.float64),
        near_duplicates=int(np.count_nonzero(available & (novelty <= tolerance))),
    )


def _describe_frame(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[Any],
    kinds: NDArray[np.int64],
    n_species: int,
    cutoff: float,
    grid: NDArray[np.float64],
    width: float,
) -> NDArray[np.float64]:
    pairs = neighbour_pairs(positions, cell, pbc, cutoff)
    fade = 0.5 * (1.0 + np.cos(np.pi * pairs.distance / cutoff))
    # The floor keeps overlapping atoms finite.
    fade /= np.maximum(pairs.distance, 0.5) ** 2
    shape = np.exp(-0.5 * ((pairs.distance[:, None] - grid) / width) ** 2) * fade[:, None]
    per_atom = np.zeros((len(kinds), n_species, len(grid)))
    np.add.at(per_atom, (pairs.first, kinds[pairs.second]), shape)
    frame = np.zeros((n_species, n_species, 2, len(grid)))
    for centre, neighbour in itertools.product(range(n_species), repeat=2):
        environment = per_atom[kinds == centre, neighbour]
        if len(environment):
            frame[centre, neighbour] = environment.mean(axis=0), environment.std(axis=0)
    return frame.ravel()


def _check_sampling(
    points: NDArray[np.float64],
    known: NDArray[np.float64],
    weights: NDArray[np.float64],
    n_select: int,
    tolerance: float,
) -> None:
    if points.ndim != 2 or known.ndim != 2 or known.shape[1] != points.shape[1]:
        raise ValueError(
            f"descriptors {points.shape} and known {known.shape}: expected (n, d) and (m, d) with "
            "one d; describe both with the same species, cutoff and grid"
        )
    if not (np.isfinite(points).all() and np.isfinite(known).all()):
        raise ValueError("descriptors hold NaN or infinity: screen the frames first")
    if weights.shape != (len(points),) or not np.isfinite(weights).all() or np.any(weights < 0):
        raise ValueError(
            f"weights has shape {weights.shape} for {len(points)} candidates: expected one finite "
            "weight of 0 or more for each; drop frames whose deviation is not finite"
        )
    if n_select < 0 or not tolerance >= 0:
        raise ValueError(f"n_select={n_select} and tolerance={tolerance}: neither may be negative")
