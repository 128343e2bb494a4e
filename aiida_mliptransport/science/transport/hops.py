"""Hops of ions from site to site, or without sites, and their jump lengths."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.sites import IntArray, SiteAssignment, check_positions

#: Threshold over the scatter of displacements without hops: 1e-7 false hops a frame.
MIN_THRESHOLD_SIGMAS = 6.0


@dataclass(frozen=True)
class HopList:
    """Hops of all ions, in the order of ion and time, and how long each ion was watched.

    Per hop: `ion`; `frame`, the first one at the new place; `origin` and `destination`, site
    numbers (-1 for a detection without sites); `starts` and `vectors` (n_hops, 3) in Å, the
    unwrapped place before the hop and the jump. Per ion: `first_frame` from which it is
    watched and `first_site`. All are watched to `last_frame`; `dt_ps` is the time between
    frames; `site_labels` name the sites.
    """

    ion: IntArray
    frame: IntArray
    origin: IntArray
    destination: IntArray
    starts: FloatArray
    vectors: FloatArray
    first_frame: IntArray
    first_site: IntArray
    last_frame: int
    dt_ps: float
    site_labels: tuple[str, ...] = ()

    @property
    def lengths(self) -> FloatArray:
        """Jump lengths (n_hops,) in Å."""
        return np.asarray(np.linalg.norm(self.vectors, axis=1))

    @property
    def exposure_ps(self) -> float:
        """Time over which ions were watched, summed over ions, in ps."""
        return float((self.last_frame - self.first_frame).sum() * self.dt_ps)

    def select(self, mask: NDArray[np.bool_]) -> HopList:
        """Some of the hops, watched as long: for rates of a class (not for residence times)."""
        names = ("ion", "frame", "origin", "destination", "starts", "vectors")
        return replace(self, **{name: getattr(self, name)[mask] for name in names})


@dataclass(frozen=True)
class JumpLengths:
    """Histogram of jump lengths: bin centres in Å, counts and their Poisson errors."""

    centres_angstrom: FloatArray
    counts: IntArray
    errors: FloatArray


def hops_between_sites(assignment: SiteAssignment, dt_ps: float) -> HopList:
    """Hops as changes of site, or of its periodic image, with the jump between the two sites.

    An ion is watched from its first core on; `dt_ps` is the time between frames. Two hops
    within one frame interval count as one jump, or as none.
    """
    _check_dt(dt_ps)
    site, image = assignment.site, assignment.image
    changed = (site[1:] != site[:-1]) | (image[1:] != image[:-1]).any(axis=2)
    ion, before = np.nonzero((changed & (site[:-1] >= 0)).T)
    inside = site >= 0
    never = ~inside.any(axis=0)
    first = np.where(never, len(site) - 1, inside.argmax(axis=0))
    starts, ends = (
        assignment.sites.positions[site[frame, ion]] + image[frame, ion] @ assignment.sites.cell
        for frame in (before, before + 1)
    )
    return HopList(
        ion=ion,
        frame=before + 1,
        origin=site[before, ion].astype(np.int64),
        destination=site[before + 1, ion].astype(np.int64),
        starts=starts,
        vectors=ends - starts,
        first_frame=first,
        first_site=site[first, np.arange(site.shape[1])].astype(np.int64),
        last_frame=len(site) - 1,
        dt_ps=float(dt_ps),
        site_labels=assignment.sites.labels,
    )


def hops_by_displacement(
    positions: ArrayLike, dt_ps: float, window_ps: float, threshold_angstrom: float
) -> HopList:
    """Hops without sites: peaks of the displacement between mean positions before and after.

    `positions` (n_frames, n_ions, 3) in Å, unwrapped, relative to the framework. At each frame
    the mean of the `window_ps` before is compared with that of the window after; a hop is a
    peak of at least `threshold_angstrom` (about half a jump). Hops of one ion closer than the
    window merge, and returns within it vanish: of independent hops about window over residence
    time. Windows at both ends are not watched. Raises ValueError for a threshold under six
    standard deviations of the displacement between hops, which noise would pass.

    In the spirit of Candelier et al., Phys. Rev. Lett. 105, 135702 (2010), and of Keys et al.,
    Phys. Rev. X 1, 021013 (2011).
    """
    array = np.asarray(check_positions(positions), dtype=np.float64)
    means, moves = windowed_moves(array, dt_ps, window_ps)
    width = len(array) + 1 - len(means)
    distance = np.linalg.norm(moves, axis=2)
    _require_above_noise(threshold_angstrom, distance)
    peaks = [
        signal.find_peaks(series, height=threshold_angstrom, distance=width)[0]
        for series in distance.T
    ]
    ion = np.repeat(np.arange(array.shape[1]), [len(found) for found in peaks])
    at = np.concatenate(peaks).astype(np.int64)
    nowhere = np.full(len(ion), -1)
    return HopList(
        ion=ion,
        frame=at + width,
        origin=nowhere,
        destination=nowhere,
        starts=means[at, ion] + array[0, ion],
        vectors=moves[at, ion],
        first_frame=np.full(array.shape[1], width),
        first_site=np.full(array.shape[1], -1),
        last_frame=len(array) - width - 1,
        dt_ps=float(dt_ps),
    )


def windowed_moves(
    positions: ArrayLike, dt_ps: float, window_ps: float
) -> tuple[FloatArray, FloatArray]:
    """Means over each window, less the first frame, and the steps from each to the next.

    `positions` (n_frames, n_ions, 3) in Å, unwrapped. A window of w frames gives means
    (n_frames + 1 - w, n_ions, 3) and steps (n_frames + 1 - 2w, n_ions, 3) in Å; step k leads from
    the w frames before frame k + w to the w frames from it on. Raises ValueError for a window below
    two frames or above half the run.
    """
    _check_dt(dt_ps)
    array = np.asarray(check_positions(positions), dtype=np.float64)
    width, half = round(window_ps / dt_ps), (len(array) - 1) // 2
    if not 2 <= width <= half:
        msg = (
            f"window_ps is {window_ps}, a window {width} frames long, expected 2 to {half} "
            f"frames: {2 * dt_ps:g} ps to half the run"
        )
        raise ValueError(msg)
    total = np.concatenate([np.zeros((1, *array.shape[1:])), np.cumsum(array - array[0], axis=0)])
    means = (total[width:] - total[:-width]) / width
    return means, means[width:] - means[:-width]


def jump_length_histogram(hops: HopList, bin_width_angstrom: float = 0.1) -> JumpLengths:
    """Numbers of hops by jump length, in bins centred on multiples of the width."""
    if not bin_width_angstrom > 0.0:
        msg = f"bin_width_angstrom is {bin_width_angstrom}, expected a positive length"
        raise ValueError(msg)
    counts = np.bincount(np.rint(hops.lengths / bin_width_angstrom).astype(np.int64))
    return JumpLengths(
        bin_width_angstrom * np.arange(len(counts), dtype=np.float64), counts, np.sqrt(counts)
    )


def _require_above_noise(threshold_angstrom: float, distance: FloatArray) -> None:
    # The median of a three-dimensional normal's length is 1.54 standard deviations.
    noise = float(np.median(distance)) / 1.538
    if threshold_angstrom < MIN_THRESHOLD_SIGMAS * noise:
        msg = (
            f"threshold_angstrom is {threshold_angstrom:g}, expected at least "
            f"{MIN_THRESHOLD_SIGMAS * noise:.3g} Å: half of the windowed displacements exceed "
            f"{1.538 * noise:.3g} Å; choose a longer window_ps against noise, a shorter one "
            "where most windows hold a hop, or detect with sites"
        )
        raise ValueError(msg)


def _check_dt(dt_ps: float) -> None:
    if not dt_ps > 0.0:
        msg = f"dt_ps is {dt_ps}, expected the positive time between frames in ps"
        raise ValueError(msg)
