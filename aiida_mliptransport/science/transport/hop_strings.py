"""Strings of ions that hop together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.geometry import find_mic
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aiida_mliptransport.science.transport.hop_shares import Share, share_of_hops
from aiida_mliptransport.science.transport.hops import HopList
from aiida_mliptransport.science.transport.rdf import smallest_height
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.sites import IntArray

_N_SHUFFLES = 10


@dataclass(frozen=True)
class Strings:
    """Concerted hops: sets of hops of different ions that are near in time and space.

    `label` (n_hops,) numbers the string of each hop; `size_counts` has the number of strings by
    the number of their ions (1 is a lone hop); `concerted` is the share of hops in strings of
    two ions or more, `chance` the same after each ion's hops were shifted in time by a random
    amount: what is left of `concerted` beyond it is cooperation.
    """

    label: IntArray
    size_counts: dict[int, int]
    concerted: Share
    chance: float


def find_strings(
    hops: HopList, cell: ArrayLike, time_window_ps: float, distance_angstrom: float
) -> Strings:
    """Strings of concerted hops: linked where two ions hop at nearly one time and place.

    Two hops of different ions are linked if their frames are at most `time_window_ps` apart and
    the midpoints of their jumps at most `distance_angstrom`, in the periodic `cell` (3, 3) in Å;
    strings are the connected components. Raises ValueError for a list without hops, a cell
    without volume, and a window or distance that is not positive. After Donati et al., Phys.
    Rev. Lett. 80, 2338 (1998) and He, Zhu and Mo, Nat. Commun. 8, 15893 (2017).
    """
    if not len(hops.ion):
        msg = "the list holds no hops, so there are no strings: run longer"
        raise ValueError(msg)
    if not (time_window_ps > 0.0 and distance_angstrom > 0.0):
        msg = (
            f"time_window_ps is {time_window_ps} and distance_angstrom {distance_angstrom}, "
            "expected positive numbers"
        )
        raise ValueError(msg)
    box = np.asarray(cell, dtype=np.float64)
    smallest_height(box)
    window = time_window_ps / hops.dt_ps + 1e-9
    label = _linked(hops, hops.frame, box, window, distance_angstrom)
    sizes = _ions_per_string(hops, label)
    values, counts = np.unique(sizes, return_counts=True)
    return Strings(
        label=label,
        size_counts={int(k): int(n) for k, n in zip(values, counts, strict=True)},
        concerted=share_of_hops(hops, sizes[label] > 1),
        chance=_chance(hops, box, window, distance_angstrom),
    )


def _chance(hops: HopList, cell: FloatArray, window: float, distance: float) -> float:
    """Mean share of concerted hops when the hops of each ion are shifted in time."""
    rng = np.random.default_rng(0)
    begin = hops.first_frame[hops.ion]
    span = hops.last_frame - hops.first_frame
    shares = []
    for _ in range(_N_SHUFFLES):
        # An ion that is not watched has no hops, but a range must not be empty.
        shift = rng.integers(0, np.maximum(span, 1))[hops.ion]
        frame = begin + 1 + (hops.frame - begin - 1 + shift) % span[hops.ion]
        label = _linked(hops, frame, cell, window, distance)
        shares.append(np.mean(_ions_per_string(hops, label)[label] > 1))
    return float(np.mean(shares))


def _linked(
    hops: HopList, frames: IntArray, cell: FloatArray, window: float, distance: float
) -> IntArray:
    """String number of each hop (n_hops,), if the hops happened in these frames."""
    order = np.argsort(frames, kind="stable")
    when, ion = frames[order], hops.ion[order]
    middle = (hops.starts + 0.5 * hops.vectors)[order]
    links = [np.empty((2, 0), dtype=np.int64)]
    for apart in range(1, len(order)):
        pair = np.flatnonzero(when[apart:] - when[:-apart] <= window)
        if not len(pair):
            break
        pair = pair[ion[pair] != ion[pair + apart]]
        if len(pair):
            gap = find_mic(middle[pair + apart] - middle[pair], cell)[1]
            pair = pair[gap <= distance]
        links.append(np.stack([order[pair], order[pair + apart]]))
    first, second = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(order), len(order)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _ions_per_string(hops: HopList, label: IntArray) -> IntArray:
    members = np.unique(np.stack([label, hops.ion]), axis=1)
    return np.bincount(members[0])
