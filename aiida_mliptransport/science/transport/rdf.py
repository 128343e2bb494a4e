"""Partial radial distribution functions and coordination numbers under periodic boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import freud
import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.transport.reference import FloatArray, require_finite


@dataclass(frozen=True)
class PartialRDF:
    """g(r) of one pair of species.

    `r` bin centres and `edges` in Å. `running_cn` is the mean number of `second` atoms within
    the outer edge of each bin around one `first` atom, `running_cn_reverse` the other way round.
    """

    first: str
    second: str
    r: FloatArray
    edges: FloatArray
    g: FloatArray
    running_cn: FloatArray
    running_cn_reverse: FloatArray

    def first_minimum(self, smoothing_angstrom: float = 0.1) -> float:
        """Position in Å of the first minimum of g(r) behind its first peak.

        g(r) is averaged over `smoothing_angstrom` first. The first peak is the first maximum
        that reaches half of the highest one. Raises ValueError where there is no such minimum.
        """
        width = float(self.edges[1] - self.edges[0])
        n = max(1, round(smoothing_angstrom / width))
        kernel = np.hanning(2 * n + 1)
        # Past the last bin g is unknown, not zero: a falling edge would be no minimum.
        padded = np.pad(self.g, n, mode="edge")
        smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")
        top = smooth.max()
        if not top > 0.0:
            msg = f"g(r) of {self.first}–{self.second} is zero up to {self.edges[-1]:.2f} Å"
            raise ValueError(msg)
        rise = int(np.argmax(smooth >= 0.5 * top))
        peak = rise
        while peak + 1 < len(smooth) and smooth[peak + 1] >= smooth[peak]:
            peak += 1
        dip = peak
        while dip + 1 < len(smooth) and smooth[dip + 1] < smooth[dip]:
            dip += 1
        last = dip
        while last + 1 < len(smooth) and smooth[last + 1] == smooth[dip]:
            last += 1
        if last + 1 >= len(smooth):
            msg = (
                f"g(r) of {self.first}–{self.second} has no minimum behind its first peak at "
                f"{self.r[peak]:.2f} Å, up to {self.edges[-1]:.2f} Å; raise r_max"
            )
            raise ValueError(msg)
        return float(0.5 * (self.r[dip] + self.r[last]))

    def coordination_number(self, cutoff: float | None = None) -> float:
        """Mean number of `second` atoms around a `first` atom up to `cutoff` (Å).

        The default cutoff is the first minimum.
        """
        radius = self.first_minimum() if cutoff is None else cutoff
        if not 0.0 < radius <= self.edges[-1]:
            msg = f"cutoff is {radius} Å, expected more than 0 and at most {self.edges[-1]:.3f} Å"
            raise ValueError(msg)
        return float(np.interp(radius, self.edges, np.concatenate([[0.0], self.running_cn])))


def smallest_height(cell: ArrayLike) -> float:
    """Smallest distance in Å between opposite faces of a cell (3, 3), rows are vectors."""
    return float(_heights(_check_cell(np.asarray(cell, dtype=float))).min())


def partial_rdfs(
    positions: ArrayLike,
    species: Sequence[str],
    cells: ArrayLike,
    r_max: float | None = None,
    bin_width: float = 0.05,
) -> dict[tuple[str, str], PartialRDF]:
    """Partial RDFs of all pairs of species, averaged over frames, for any periodic cell.

    `positions` (n_frames, n_atoms, 3) in Å, wrapped or not; `cells` (3, 3) or (n_frames, 3, 3),
    rows are vectors; keys are sorted pairs of names. `r_max` defaults to half the smallest
    distance between opposite faces over all frames; beyond it further periodic images, also of
    the atom itself, are counted as neighbours. An ideal gas gives 1: the density of like pairs
    counts the others only, (N - 1)/V, unless images of the atom itself are within reach.
    Pairs are counted by freud (Ramasubramani et al., Comput. Phys. Commun. 254, 107275 (2020)) on
    all cores, in single precision: a distance is right to about 1e-6 of the cell's edge.
    Raises ValueError for bad shapes, singular cells and NaN.
    """
    array = np.asarray(positions, dtype=float)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        msg = f"positions have shape {array.shape}, expected (n_frames, n_atoms, 3)"
        raise ValueError(msg)
    require_finite(array, "positions")
    labels = np.asarray(species, dtype=np.str_)
    if labels.shape != (array.shape[1],):
        msg = f"species hold {labels.size} names, expected one for each of {array.shape[1]} atoms"
        raise ValueError(msg)
    boxes = np.asarray(cells, dtype=float)
    if boxes.shape not in ((3, 3), (len(array), 3, 3)):
        msg = f"cells have shape {boxes.shape}, expected (3, 3) or ({len(array)}, 3, 3)"
        raise ValueError(msg)
    boxes = np.broadcast_to(boxes, (len(array), 3, 3))
    half = 0.5 * min(smallest_height(box) for box in boxes)
    reach = half if r_max is None else float(r_max)
    if not 0.0 < bin_width < reach:
        msg = f"bin_width is {bin_width} Å and r_max {reach:.3f} Å, expected 0 < bin_width < r_max"
        raise ValueError(msg)
    edges = np.linspace(0.0, reach, max(2, round(reach / bin_width)) + 1)
    names = [str(name) for name in np.unique(labels)]
    members = {name: np.flatnonzero(labels == name) for name in names}
    pairs = list(combinations_with_replacement(names, 2))
    counts = {pair: np.zeros(len(edges) - 1) for pair in pairs}
    expected = dict.fromkeys(pairs, 0.0)
    histogram = freud.density.RDF(len(edges) - 1, reach)
    for frame, box in zip(array, boxes, strict=True):
        volume = abs(float(np.linalg.det(box)))
        home, images = _with_images(frame, box, reach, members)
        for first, second in pairs:
            # Reset each time: freud counts in 32 bits, which a long trajectory overflows.
            histogram.compute(
                images[second],
                query_points=home[first],
                neighbors={"mode": "ball", "r_max": reach, "exclude_ii": first == second},
            )
            counts[first, second] += histogram.bin_counts
            n_first, n_second = len(members[first]), len(members[second])
            n_second -= int(first == second and reach <= half * (1.0 + 1e-12))
            expected[first, second] += n_first * n_second / volume
    return {
        pair: _normalise(pair, counts[pair], expected[pair], edges, members, len(array))
        for pair in pairs
    }


def _normalise(
    pair: tuple[str, str],
    found: FloatArray,
    expected: float,
    edges: FloatArray,
    members: dict[str, NDArray[np.int_]],
    n_frames: int,
) -> PartialRDF:
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    ideal = expected * shells
    g = np.divide(found, ideal, out=np.zeros_like(found), where=ideal > 0.0)
    per_frame = np.cumsum(found) / n_frames
    return PartialRDF(
        first=pair[0],
        second=pair[1],
        r=0.5 * (edges[1:] + edges[:-1]),
        edges=edges,
        g=g,
        running_cn=per_frame / len(members[pair[0]]),
        running_cn_reverse=per_frame / len(members[pair[1]]),
    )


def _with_images(
    frame: FloatArray, box: FloatArray, reach: float, members: dict[str, NDArray[np.int_]]
) -> tuple[dict[str, FloatArray], dict[str, freud.locality.AABBQuery]]:
    """Atoms in the cell, and trees of these (first, in the same order) with their images.

    freud searches up to half of the smallest height of a cell, so the cell is repeated where
    `reach` is not less than that. Its first vector lies along x and its second in the xy plane.
    """
    repeats = np.floor(2.0 * reach * (1.0 + 1e-5) / _heights(box)).astype(int) + 1
    upright = np.linalg.cholesky(box @ box.T)
    (lx, _, _), (bx, ly, _), (cx, cy, lz) = repeats[:, None] * upright
    cell = freud.box.Box(lx, ly, lz, xy=bx / ly, xz=cx / lz, yz=cy / lz)
    grid = np.meshgrid(*[np.arange(n) for n in repeats], indexing="ij")
    shifts = np.stack(grid, axis=-1).reshape(-1, 1, 3)
    scaled = frame @ np.linalg.inv(box)
    scaled -= np.floor(scaled)
    scaled -= 0.5 * repeats
    home = {name: scaled[index] @ upright for name, index in members.items()}
    trees = {
        name: freud.locality.AABBQuery(cell, ((scaled[index] + shifts) @ upright).reshape(-1, 3))
        for name, index in members.items()
    }
    return home, trees


def _heights(cell: FloatArray) -> FloatArray:
    """Distances in Å between opposite faces."""
    volume = abs(float(np.linalg.det(cell)))
    normals = np.cross(np.roll(cell, -1, axis=0), np.roll(cell, -2, axis=0))
    return np.asarray(volume / np.linalg.norm(normals, axis=1))


def _check_cell(cell: FloatArray) -> FloatArray:
    shaped = cell.shape == (3, 3) and bool(np.isfinite(cell).all())
    if not shaped or abs(float(np.linalg.det(cell))) <= 1e-9 * float(np.abs(cell).max()) ** 3:
        msg = f"cell {cell.tolist()} spans no volume, expected three independent vectors in Å"
        raise ValueError(msg)
    return cell
