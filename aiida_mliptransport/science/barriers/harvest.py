"""Hops found in a trajectory, with their kinds and with end points for the search of the path."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.geometry import find_mic
from numpy.typing import ArrayLike

from ..transport.hop_strings import find_strings
from ..transport.hops import HopList, hops_between_sites
from ..transport.reference import LABORATORY, FloatArray, framework, remove_drift
from ..transport.sites import IntArray, SiteAssignment, Sites, assign_sites, check_positions
from .end_points import EndPoints
from .hop_kinds import HopKind, classify_hop, order_in_chain
from .stays import keep_lasting_stays

__all__ = ["Harvest", "HarvestedHop", "harvest_hops"]

#: Distances to so many neighbours describe a place: the corners of a tetrahedron.
N_NEIGHBOURS = 4


@dataclass(frozen=True, eq=False)
class HarvestedHop:
    """An event in which one ion or several go from sites to others.

    Attributes
    ----------
    kind
        See :data:`~.hop_kinds.HopKind`.
    symbol
        Element of the ions.
    ions
        Their indices ``(n,)`` among all atoms; in a knock-off each takes the place of the next.
    origins, destinations
        Site numbers ``(n,)``.
    labels
        Labels of these sites, from and to, one pair for each ion.
    vectors
        Jumps ``(n, 3)`` from site to site, Å.
    frame_before, frame_after
        Last frame before the first ion has left, first frame after the last one has arrived.
    environment
        ``(n, 3, k)`` Å: at the origin, half-way and at the destination, the distances to the
        nearest atoms of the framework at their mean places, ascending.
    end_points
        Structures before and after, not relaxed.
    """

    kind: HopKind
    symbol: str
    ions: IntArray
    origins: IntArray
    destinations: IntArray
    labels: tuple[tuple[str, str], ...]
    vectors: FloatArray
    frame_before: int
    frame_after: int
    environment: FloatArray
    end_points: EndPoints

    @property
    def lengths(self) -> FloatArray:
        """Jump lengths ``(n,)`` in Å."""
        return np.asarray(np.linalg.norm(self.vectors, axis=1))


@dataclass(frozen=True, eq=False)
class Harvest:
    """The hops of a run, in the order of time.

    `core_fraction` is the share of positions within the core of a site, low where sites are
    missing; `chance` the share of hops that would be in events of several ions if all ions hopped
    independently (see :class:`~..transport.hop_strings.Strings`).
    """

    hops: tuple[HarvestedHop, ...]
    core_fraction: float
    chance: float


def harvest_hops(
    positions: ArrayLike,
    cell: ArrayLike,
    numbers: ArrayLike,
    dt_ps: float,
    symbol: str,
    sites: Sites,
    *,
    core_radius_angstrom: float,
    window_ps: float,
    distance_angstrom: float,
    interstitial_labels: Collection[str] = (),
) -> Harvest:
    """Find the hops of an element in a run, and make end points of each.

    An ion has hopped when it has left a site and then stayed on another one for the window. Hops
    of several ions are one event if they are linked in time and space; the window should be longer
    than a hop takes and much shorter than ions rest between hops.

    The end points are means over the window before and after, which takes vibrations out: of each
    mobile ion over the frames in which it is within the core of its site, of the framework over
    all. Mobile ions that meanwhile make hops of their own stay where they were. Where molecules of
    the framework turn within the window, their mean is no molecule: take a shorter one.

    Parameters
    ----------
    positions
        ``(T, N, 3)`` Å, unwrapped; a drift of the other elements is taken off.
    cell
        ``(3, 3)`` Å, constant.
    numbers
        Atomic numbers ``(N,)``.
    dt_ps
        Time between frames.
    symbol
        The element that hops.
    sites
        Given in a reference cell or found by density.
    core_radius_angstrom
        An ion enters a site this near to it; see :func:`~..transport.sites.assign_sites`.
    window_ps, distance_angstrom
        Hops whose arrivals are no more apart in time, and whose midpoints in space, are one event;
        see :func:`~..transport.hop_strings.find_strings`. In a chain midpoints are a jump apart.
    interstitial_labels
        Labels of the sites that are interstitial; all others are regular.

    Returns
    -------
    Harvest

    Raises
    ------
    ValueError
        If shapes do not fit, the element is absent, or a time or length is not positive; and as
        the functions above.
    """
    array, kinds = check_positions(positions), np.asarray(numbers, dtype=np.int64)
    if array.shape[1] != len(kinds) or not window_ps > 0.0:
        raise ValueError(
            f"positions of {array.shape[1]} atoms, {len(kinds)} numbers and window_ps={window_ps}: "
            "expected a number for each atom, and a positive window"
        )
    symbols = [chemical_symbols[number] for number in kinds]
    if symbol not in symbols:
        raise ValueError(f"symbol={symbol!r} is not in the run, which holds {sorted(set(symbols))}")
    box = np.asarray(cell, dtype=np.float64)
    others = sorted(set(symbols) - {symbol})
    still = remove_drift(array, symbols, framework(*others) if others else LABORATORY)
    mobile = np.flatnonzero(np.array(symbols) == symbol)
    width = max(1, round(window_ps / dt_ps))
    raw = assign_sites(still[:, mobile], sites, core_radius_angstrom)
    stays = keep_lasting_stays(raw, width)
    hops = hops_between_sites(stays, dt_ps)
    if not len(hops.ion):
        return Harvest((), raw.core_fraction, 0.0)
    strings = find_strings(hops, box, window_ps, distance_angstrom)
    fixed = np.setdiff1d(np.arange(len(kinds)), mobile)
    around = still[:, fixed].mean(axis=0) if len(fixed) else sites.positions
    interstitial = [label in interstitial_labels for label in sites.labels]
    found = []
    for event in range(int(strings.label.max()) + 1):
        members = np.flatnonzero(strings.label == event)
        moved = _net_moves(hops, members)
        if not len(moved.ion):
            continue
        before, after = int(hops.frame[members].min()) - 1, int(hops.frame[members].max())
        staying = np.delete(stays.site[before], moved.ion)
        places = moved.starts[:, None] + moved.vectors[:, None] * np.array([[0.0], [0.5], [1.0]])
        ends = _end_points(still, box, kinds, mobile, stays, moved.ion, before, after, width)
        found.append(
            HarvestedHop(
                kind=classify_hop(
                    moved.origin.tolist(),
                    moved.destination.tolist(),
                    interstitial=interstitial,
                    occupied=bool(np.isin(moved.destination, staying).any()),
                ),
                symbol=symbol,
                ions=mobile[moved.ion],
                origins=moved.origin,
                destinations=moved.destination,
                labels=tuple(
                    (sites.labels[start], sites.labels[end])
                    for start, end in zip(moved.origin, moved.destination, strict=True)
                ),
                vectors=moved.vectors,
                frame_before=before,
                frame_after=after,
                environment=_nearest_distances(places, around, box),
                end_points=ends,
            )
        )
    found.sort(key=lambda hop: (hop.frame_before, int(hop.ions[0])))
    return Harvest(tuple(found), raw.core_fraction, strings.chance)


@dataclass(frozen=True, eq=False)
class _Moves:
    """Net moves of ions, in the order of a chain where they make one."""

    ion: IntArray
    origin: IntArray
    destination: IntArray
    starts: FloatArray
    vectors: FloatArray


def _net_moves(hops: HopList, members: IntArray) -> _Moves:
    """Join the hops of each ion, which come in the order of time; ions that returned are gone."""
    ions, first, inverse = np.unique(hops.ion[members], return_index=True, return_inverse=True)
    last = len(members) - 1 - np.unique(hops.ion[members][::-1], return_index=True)[1]
    vectors = np.zeros((len(ions), 3))
    np.add.at(vectors, inverse, hops.vectors[members])
    order = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 1e-6)
    origin, destination = hops.origin[members[first]], hops.destination[members[last]]
    chain = order_in_chain(origin[order].tolist(), destination[order].tolist())
    order = order[chain] if chain is not None else order
    starts = hops.starts[members[first]]
    return _Moves(ions[order], origin[order], destination[order], starts[order], vectors[order])


def _end_points(
    positions: FloatArray,
    cell: FloatArray,
    numbers: IntArray,
    mobile: IntArray,
    stays: SiteAssignment,
    movers: IntArray,
    before: int,
    after: int,
    width: int,
) -> EndPoints:
    ends = []
    for frame, frames in (
        (before, slice(max(0, before - width + 1), before + 1)),
        (after, slice(after, after + width)),
    ):
        mean = positions[frames].mean(axis=0)
        alone = positions[frame, mobile]
        mean[mobile] = _resting_places(positions[frames][:, mobile], stays, frame, alone)
        ends.append(mean)
    elsewhere = (stays.site[before] != stays.site[after]) | (
        stays.image[before] != stays.image[after]
    ).any(axis=1)
    elsewhere[movers] = False
    ends[1][mobile[elsewhere]] = ends[0][mobile[elsewhere]]
    initial, final = (Atoms(numbers, positions=end, cell=cell, pbc=True) for end in ends)
    return EndPoints(initial, final, minimum_image=False)


def _resting_places(
    positions: FloatArray, stays: SiteAssignment, frame: int, alone: FloatArray
) -> FloatArray:
    """Mean of the positions that are in the core of the site which the ion holds in one frame.

    An ion that is never there is put onto the site; one without site is left alone.
    """
    site, image = stays.site[frame], stays.image[frame]
    place = stays.sites.positions[site] + image @ stays.sites.cell
    inside = np.linalg.norm(positions - place, axis=2) <= stays.core_radius_angstrom
    count = inside.sum(axis=0)
    mean = (positions * inside[..., None]).sum(axis=0) / np.maximum(count, 1)[:, None]
    mean = np.where(count[:, None] > 0, mean, place)
    return np.asarray(np.where(site[:, None] >= 0, mean, alone))


def _nearest_distances(places: FloatArray, around: FloatArray, cell: FloatArray) -> FloatArray:
    """Distances ``(..., k)`` from places to the nearest of other points, nearest images."""
    vectors = around - places.reshape(-1, 1, 3)
    distances = find_mic(vectors.reshape(-1, 3), cell)[1].reshape(len(vectors), -1)
    # Where the sites themselves are the surroundings, a place is none of its own neighbours.
    distances = np.sort(np.where(distances < 1e-6, np.inf, distances), axis=1)
    return np.asarray(distances[:, :N_NEIGHBOURS].reshape(*places.shape[:-1], -1))
