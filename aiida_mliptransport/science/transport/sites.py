"""Sites of mobile ions in a periodic cell, and which ion sits where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.selection.neighbours import neighbour_pairs
from aiida_mliptransport.science.transport.nearest_image import NearestImage
from aiida_mliptransport.science.transport.rdf import smallest_height
from aiida_mliptransport.science.transport.reference import FloatArray, require_finite

IntArray = NDArray[np.int64]
#: Sites closer than this cannot be two minima of one energy surface: one was given twice.
SAME_SITE_ANGSTROM = 0.5
#: A lattice parameter may differ this much between the reference cell and the simulation.
MAX_STRAIN = 0.1
_POINTS_PER_CHUNK = 2_000_000


@dataclass(frozen=True)
class Sites:
    """Sites in a periodic cell of any shape.

    `positions` (n_sites, 3) in Å, inside the cell; `cell` (3, 3) in Å, rows are vectors;
    `labels` name the kind of each site, e.g. its Wyckoff letter. Raises ValueError for a cell
    without volume, NaN, a label too few, and a site that occurs twice (within 0.5 Å).
    """

    positions: FloatArray
    cell: FloatArray
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        smallest_height(self.cell)
        if self.positions.ndim != 2 or self.positions.shape[1:] != (3,) or not len(self.positions):
            msg = f"site positions have shape {self.positions.shape}, expected (n_sites, 3)"
            raise ValueError(msg)
        require_finite(self.positions, "site positions")
        if len(self.labels) != len(self.positions):
            msg = f"{len(self.labels)} labels for {len(self.positions)} sites, expected one each"
            raise ValueError(msg)
        self.require_apart(SAME_SITE_ANGSTROM, "one site is there twice: leave one of them out")

    def require_apart(self, distance_angstrom: float, why: str) -> None:
        """Raise ValueError with reason `why` if two sites, images included, are closer."""
        box = np.asarray(minkowski_reduce(self.cell)[0], dtype=np.float64)
        pairs = neighbour_pairs(self.positions, box, np.ones(3, dtype=bool), distance_angstrom)
        if len(pairs.first):
            closest = int(np.argmin(pairs.distance))
            msg = (
                f"sites {pairs.first[closest]} and {pairs.second[closest]} are "
                f"{pairs.distance[closest]:.3f} Å apart, expected more than "
                f"{distance_angstrom:g} Å; {why}"
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class SiteAssignment:
    """The site of each ion in each frame.

    `site` (n_frames, n_ions), -1 before an ion enters its first core; `image` (n_frames,
    n_ions, 3), the periodic cell of that site, so that the place of the ion is
    ``sites.positions[site] + image @ cell``. `core_fraction`: share of all positions inside a
    core; a low one means that sites are missing or the core radius is too small.
    """

    sites: Sites
    site: NDArray[np.int32]
    image: NDArray[np.int32]
    core_radius_angstrom: float
    core_fraction: float


def sites_from_reference(
    positions: ArrayLike,
    reference_cell: ArrayLike,
    cell: ArrayLike,
    repeats: tuple[int, int, int] = (1, 1, 1),
    labels: Sequence[str] | None = None,
) -> Sites:
    """Sites given in a reference cell, repeated and strained to the cell of a simulation.

    `positions` (n, 3) in Å in `reference_cell` (3, 3); the simulation's `cell` (3, 3) is
    `repeats` reference cells along each vector, at its own density; `labels` (n,). Raises
    ValueError where the repeated cell and the cell differ by more than 10 %.
    """
    basis = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    reference = np.asarray(reference_cell, dtype=np.float64)
    box = np.asarray(cell, dtype=np.float64)
    smallest_height(reference)
    repeated = np.asarray(repeats)[:, None] * reference
    strain = float(np.abs(np.linalg.inv(repeated) @ box - np.eye(3)).max())
    if min(repeats) < 1 or strain > MAX_STRAIN:
        msg = (
            f"{repeats} reference cells {reference.tolist()} do not make the cell {box.tolist()}: "
            f"strain {strain:.2f}, expected at most {MAX_STRAIN}; mend repeats or the cell"
        )
        raise ValueError(msg)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in repeats), indexing="ij"), axis=-1)
    scaled = (basis @ np.linalg.inv(reference) + grid.reshape(-1, 1, 3)) / np.asarray(repeats)
    names = ("site",) * len(basis) if labels is None else tuple(str(name) for name in labels)
    return Sites((scaled.reshape(-1, 3) % 1.0) @ box, box, names * len(grid.reshape(-1, 3)))


def assign_sites(positions: ArrayLike, sites: Sites, core_radius_angstrom: float) -> SiteAssignment:
    """Site of each ion in each frame, with hysteresis.

    `positions` (n_frames, n_ions, 3) in Å, unwrapped, of the mobile ions relative to the
    framework. An ion enters a site within `core_radius_angstrom` of it and leaves only when it
    enters another core, so rattling and recrossings on the way are no hops. Raises ValueError
    for cores that overlap (radius at least half the distance of two sites).

    Core sets and transition-based assignment: Buchete and Hummer, J. Phys. Chem. B 112, 6057
    (2008); Schütte et al., J. Chem. Phys. 134, 204105 (2011).
    """
    array = check_positions(positions)
    if not core_radius_angstrom > 0.0:
        msg = f"core_radius_angstrom is {core_radius_angstrom}, expected a positive length"
        raise ValueError(msg)
    sites.require_apart(2.0 * core_radius_angstrom, "cores overlap: lower core_radius_angstrom")
    n_frames, n_ions = array.shape[:2]
    site = np.empty((n_frames, n_ions), dtype=np.int32)
    image = np.empty((n_frames, n_ions, 3), dtype=np.int32)
    n_inside = 0
    finder = NearestImage(sites.positions, sites.cell, core_radius_angstrom)
    step = max(1, _POINTS_PER_CHUNK // n_frames)
    for start in range(0, n_ions, step):
        chunk = np.asarray(array[:, start : start + step], dtype=np.float64)
        found, cells = finder.query(chunk.reshape(-1, 3))
        found, cells = found.reshape(chunk.shape[:2]), cells.reshape(chunk.shape)
        n_inside += int((found >= 0).sum())
        frames = np.where(found >= 0, np.arange(n_frames)[:, None], 0)
        last = np.maximum.accumulate(frames, axis=0)
        site[:, start : start + step] = np.take_along_axis(found, last, axis=0)
        image[:, start : start + step] = np.take_along_axis(cells, last[..., None], axis=0)
    return SiteAssignment(sites, site, image, core_radius_angstrom, n_inside / site.size)


def check_positions(positions: ArrayLike) -> NDArray[np.floating]:
    """Return positions as an array (n_frames, n_ions, 3), or raise ValueError."""
    array = np.asanyarray(positions)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        msg = f"positions have shape {array.shape}, expected (n_frames, n_ions, 3)"
        raise ValueError(msg)
    require_finite(array, "positions")
    return array
