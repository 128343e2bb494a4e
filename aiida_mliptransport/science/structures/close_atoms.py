"""Atoms that came too close when cells were joined: refused, or merged into one."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import networkx as nx
import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from ..selection.neighbours import NeighbourPairs, neighbour_pairs

__all__ = ["CloseAtoms", "merge_close_atoms", "pairs_within"]

CloseAtoms = Literal["refuse", "merge"]


def merge_close_atoms(atoms: Atoms, min_distance: float, treatment: CloseAtoms) -> dict[str, int]:
    """Refuse close atoms, or merge them in place.

    Parameters
    ----------
    atoms
        Any cell.
    min_distance
        Å; atoms nearer than this, images included, are close.
    treatment
        ``"refuse"`` raises an error for any; ``"merge"`` puts one atom in the middle of those that
        hang together and are of one element.

    Returns
    -------
    dict
        Atoms lost, by element.

    Raises
    ------
    ValueError
        If there are close atoms to be refused, close atoms of different elements, or some that
        are close still after merging.
    """
    if treatment not in ("refuse", "merge"):
        raise ValueError(f"close_pairs={treatment!r}: expected 'refuse' or 'merge'")
    pairs = pairs_within(atoms, min_distance)
    mixed = atoms.numbers[pairs.first] != atoms.numbers[pairs.second]
    if len(pairs.first) and (treatment == "refuse" or mixed.any()):
        wrong = np.flatnonzero(mixed) if treatment == "merge" else np.arange(len(mixed))
        worst = int(wrong[np.argmin(pairs.distance[wrong])])
        names = [atoms.symbols[int(end[worst])] for end in (pairs.first, pairs.second)]
        raise ValueError(
            f"{len(wrong) // 2} pairs of atoms are nearer than min_distance={min_distance:g} Å, "
            f"the nearest {names[0]}–{names[1]} at {pairs.distance[worst]:.3f} Å: widen gap, lower "
            "min_distance, choose another plane"
            + (", or close_pairs='merge'" if treatment == "refuse" else "")
        )
    graph = nx.Graph(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    lost: list[int] = []
    cell = np.asarray(atoms.cell)
    for group in nx.connected_components(graph):
        kept, *others = sorted(group)
        steps = find_mic(atoms.positions[others] - atoms.positions[kept], cell)[0]
        atoms.positions[kept] += steps.sum(axis=0) / (len(others) + 1)
        lost += others
    merged = Counter(atoms.symbols[i] for i in lost)
    del atoms[lost]
    if len(pairs_within(atoms, min_distance).first):
        raise ValueError(
            f"merging leaves pairs nearer than min_distance={min_distance:g} Å: lower it, or widen "
            "gap"
        )
    return dict(sorted(merged.items()))


def pairs_within(atoms: Atoms, cutoff: float) -> NeighbourPairs:
    """Return the pairs of a cell within a cutoff in Å, images included."""
    return neighbour_pairs(atoms.positions, np.asarray(atoms.cell), atoms.pbc, cutoff)
