"""Sites found as maxima of the density of a mobile species."""

from __future__ import annotations

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from aiida_mliptransport.science.selection.neighbours import neighbour_pairs
from aiida_mliptransport.science.transport.nearest_image import NearestImage
from aiida_mliptransport.science.transport.rdf import smallest_height
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.sites import IntArray, Sites, check_positions

_POINTS_PER_CHUNK = 2_000_000
_MAX_CENTROID_STEPS = 100
_CENTROID_TOLERANCE = 1e-3


def find_sites(
    positions: ArrayLike,
    cell: ArrayLike,
    min_separation_angstrom: float = 1.5,
    width_angstrom: float = 0.3,
    min_occupancy: float = 0.05,
) -> Sites:
    """Sites as maxima of the density of a mobile species.

    `positions` (n_frames, n_ions, 3) in Å of the mobile ions, unwrapped or not, relative to the
    framework (`reference.remove_drift`); `cell` (3, 3) in Å. The density on a grid is smoothed
    with a Gaussian of `width_angstrom`; its maxima, the highest first and none within
    `min_separation_angstrom` of a higher one, move to the centroid of the density within half
    that distance; those with a mean of fewer than `min_occupancy` ions are dropped. A weak site
    needs enough visits: look at `SiteAssignment.core_fraction`. Raises ValueError where no site
    is found, and where two maxima move to the same place.

    Density-based sites: Richards et al., Chem. Mater. 28, 266 (2016); centroid steps (mean
    shift): Comaniciu and Meer, IEEE Trans. Pattern Anal. 24, 603 (2002).
    """
    array = check_positions(positions)
    given = np.asarray(cell, dtype=np.float64)
    smallest_height(given)
    # Any basis of the lattice will do, and a compact one keeps the grid near cubic.
    box = np.asarray(minkowski_reduce(given)[0], dtype=np.float64)
    shape = np.ceil(np.linalg.norm(box, axis=1) / width_angstrom).astype(int)
    raw, smooth = _density(array, box, shape, width_angstrom)
    peaks = np.argwhere((smooth > 0.0) & (smooth == ndimage.maximum_filter(smooth, 3, mode="wrap")))
    peaks = peaks[np.argsort(-smooth[tuple(peaks.T)], kind="stable")]
    centres = _thin_out((peaks + 0.5) / shape @ box, box, min_separation_angstrom)
    filled = np.argwhere(raw > 0.0)
    centres, occupancy = _move_to_centroids(
        centres,
        (filled + 0.5) / shape @ box,
        raw[tuple(filled.T)] / len(array),
        box,
        0.5 * min_separation_angstrom,
    )
    kept = occupancy >= min_occupancy
    if not kept.any():
        msg = (
            f"no site holds {min_occupancy} ions on average, the fullest of {len(kept)} maxima "
            f"holds {occupancy.max():.3f}; lower min_occupancy or raise min_separation_angstrom"
        )
        raise ValueError(msg)
    scaled = centres[kept] @ np.linalg.inv(given)
    sites = Sites((scaled % 1.0) @ given, given, ("site",) * int(kept.sum()))
    why = "one broad site was found twice: raise width_angstrom or min_separation_angstrom"
    sites.require_apart(min_separation_angstrom, why)
    return sites


def _density(
    array: NDArray[np.floating], cell: FloatArray, shape: IntArray, width: float
) -> tuple[FloatArray, FloatArray]:
    """Counts per grid cell, and the same smoothed with a Gaussian (width in Å)."""
    counts = np.zeros(int(np.prod(shape)))
    inverse = np.linalg.inv(cell)
    step = max(1, _POINTS_PER_CHUNK // array.shape[1])
    for start in range(0, len(array), step):
        scaled = array[start : start + step].reshape(-1, 3) @ inverse % 1.0
        # A coordinate just below zero rounds up to 1.
        index = np.floor(scaled * shape).astype(np.int64) % shape
        counts += np.bincount(np.ravel_multi_index(tuple(index.T), shape), minlength=len(counts))
    raw = counts.reshape(shape)
    waves = [fft.fftfreq(n, 1.0 / n) for n in shape[:2]] + [fft.rfftfreq(shape[2], 1.0 / shape[2])]
    # |G|² from the reciprocal cell, so that the Gaussian is round in a cell of any shape.
    metric = (2.0 * np.pi) ** 2 * inverse.T @ inverse
    grid = np.meshgrid(*waves, indexing="ij", sparse=True)
    squared = sum(metric[a, b] * grid[a] * grid[b] for a in range(3) for b in range(3))
    smooth = fft.irfftn(fft.rfftn(raw) * np.exp(-0.5 * width**2 * squared), s=tuple(shape))
    # Below this share of the highest maximum ripples of the Fourier series look like maxima.
    return raw, np.where(smooth > 1e-3 * smooth.max(), smooth, 0.0)


def _thin_out(centres: FloatArray, cell: FloatArray, distance: float) -> FloatArray:
    """Centres none of which is within a distance (Å) of an earlier one that was kept."""
    pairs = neighbour_pairs(centres, cell, np.ones(3, dtype=bool), distance)
    ends = np.searchsorted(
        pairs.first[order := np.argsort(pairs.first)], np.arange(len(centres) + 1)
    )
    seconds = pairs.second[order]
    kept = np.ones(len(centres), dtype=bool)
    for centre in range(len(centres)):
        if kept[centre]:
            others = seconds[ends[centre] : ends[centre + 1]]
            kept[others[others != centre]] = False
    return centres[kept]


def _move_to_centroids(
    centres: FloatArray, points: FloatArray, weights: FloatArray, cell: FloatArray, radius: float
) -> tuple[FloatArray, FloatArray]:
    """Centres at the centroid of the weights within a radius of them, and these weights' sum."""
    for _ in range(_MAX_CENTROID_STEPS):
        owner, cells = NearestImage(centres, cell, radius).query(points)
        near = owner >= 0
        offset = points[near] - centres[owner[near]] - cells[near] @ cell
        total = np.bincount(owner[near], weights[near], minlength=len(centres))
        pull = [
            np.bincount(owner[near], weights[near] * offset[:, axis], minlength=len(centres))
            for axis in range(3)
        ]
        move = np.stack(pull, axis=1) / np.maximum(total, 1e-300)[:, None]
        centres = centres + move
        if np.abs(move).max() < _CENTROID_TOLERANCE:
            break
    return centres, np.asarray(total)
