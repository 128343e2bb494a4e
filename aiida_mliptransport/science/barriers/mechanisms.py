"""Distinct mechanisms among the hops of a run: how often each occurs, and one hop that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from ..transport.reference import FloatArray
from .harvest import HarvestedHop
from .hop_kinds import HopKind

__all__ = ["HopMechanism", "distinct_mechanisms"]

#: Sites found by density are known to 0.1 or 0.2 Å; jumps to other neighbours differ by more.
TOLERANCE_ANGSTROM = 0.3

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class HopMechanism:
    """Hops that are alike.

    Attributes
    ----------
    kind, symbol
        See :class:`~.harvest.HarvestedHop`.
    n_ions
        How many ions move at a time.
    labels
        Of the sites, from and to, one pair for each ion; either way round.
    lengths
        Mean jump lengths ``(n_ions,)`` in Å, ascending.
    count
        Number of hops.
    share
        Of all hops that were given, those of other mechanisms included.
    representative
        The hop nearest to the mean of all of this mechanism: its end points stand for it.
    """

    kind: HopKind
    symbol: str
    n_ions: int
    labels: Labels
    lengths: FloatArray
    count: int
    share: float
    representative: HarvestedHop


def distinct_mechanisms(
    hops: Sequence[HarvestedHop], *, tolerance_angstrom: float = TOLERANCE_ANGSTROM
) -> tuple[HopMechanism, ...]:
    """Sort hops of one run or several into mechanisms, the most frequent first.

    Hops of one mechanism agree in kind, element, number of ions and labels of sites, and to the
    tolerance in every jump length and every distance to the nearest atoms of the framework, at the
    ends and half-way. None of this depends on the orientation, the order of the ions or the sense
    of the hop: back and forth are one path.

    Parameters
    ----------
    hops
        Of crystals of one kind.
    tolerance_angstrom
        Largest difference between any two hops of one mechanism.

    Raises
    ------
    ValueError
        If the tolerance is not positive.

    Notes
    -----
    Agglomerative clustering with complete linkage in the maximum norm (SciPy), which keeps chains
    of small differences from joining what is different.
    """
    if not tolerance_angstrom > 0.0:
        raise ValueError(
            f"tolerance_angstrom is {tolerance_angstrom}, expected a positive length, such as "
            f"{TOLERANCE_ANGSTROM:g}"
        )
    alike: dict[tuple[HopKind, str, Labels], list[HarvestedHop]] = {}
    for hop in hops:
        alike.setdefault((hop.kind, hop.symbol, _labels(hop)), []).append(hop)
    found = []
    for (kind, symbol, labels), members in alike.items():
        features = np.array([_features(hop) for hop in members])
        groups = _groups(features, tolerance_angstrom)
        for group in np.unique(groups):
            own = np.flatnonzero(groups == group)
            off_centre = np.abs(features[own] - features[own].mean(axis=0)).max(axis=1)
            found.append(
                HopMechanism(
                    kind=kind,
                    symbol=symbol,
                    n_ions=len(labels),
                    labels=labels,
                    lengths=features[own].mean(axis=0)[: len(labels)],
                    count=len(own),
                    share=len(own) / len(hops),
                    representative=members[own[int(np.argmin(off_centre.round(6)))]],
                )
            )
    found.sort(key=lambda mechanism: -mechanism.count)
    return tuple(found)


def _labels(hop: HarvestedHop) -> Labels:
    """Return the labels in an order that neither the order of ions nor the sense changes."""
    there = tuple(sorted(hop.labels))
    back = tuple(sorted((end, start) for start, end in hop.labels))
    return min(there, back)


def _features(hop: HarvestedHop) -> FloatArray:
    """Return jump lengths, then distances of the surroundings, each ascending over the ions."""
    ends = np.sort(hop.environment[:, [0, 2]], axis=1).reshape(len(hop.ions), -1)
    columns = np.concatenate([ends, hop.environment[:, 1]], axis=1)
    return np.concatenate([np.sort(hop.lengths), np.sort(columns, axis=0).ravel()])


def _groups(features: FloatArray, tolerance: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the number of the group of each row."""
    # Hops between the same two sites have the same features, and there are few pairs of sites.
    rows, inverse = np.unique(features.round(6), axis=0, return_inverse=True)
    if len(rows) == 1:
        return np.zeros(len(features), dtype=np.int64)
    tree = linkage(rows, method="complete", metric="chebyshev")
    labels = fcluster(tree, tolerance, criterion="distance")
    return np.asarray(labels[inverse.ravel()], dtype=np.int64)
