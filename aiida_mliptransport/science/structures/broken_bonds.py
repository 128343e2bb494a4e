"""Bonds at a cut through a crystal: counted where broken, or put together again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list

from ..selection.neighbours import neighbour_pairs

__all__ = ["check_bonds", "count_broken_bonds", "join_bonded_groups"]

Bonds = Mapping[tuple[str, str], float]


def count_broken_bonds(built: Atoms, crystal: Atoms, bonds: Bonds) -> int:
    """Count the bonds that atoms of a cell have lost against those of the crystal.

    Parameters
    ----------
    built
        Atoms cut from the crystal, periodic where the cut left them so.
    crystal
        The whole crystal.
    bonds
        Longest bond in Å by pair of elements, such as ``{("C", "O"): 1.6}``; pairs of which the
        crystal lacks an element do not count.

    Returns
    -------
    int
        Bonds by which the first elements fall short of the crystal's mean number each.
    """
    missing = 0.0
    for (first, second), longest in bonds.items():
        found, whole = (
            _bonds_per_atom(atoms, first, second, longest) for atoms in (built, crystal)
        )
        missing += (whole - found) * np.count_nonzero(built.numbers == atomic_numbers[first])
    return round(missing)


def join_bonded_groups(atoms: Atoms, bonds: Bonds) -> Atoms:
    """Return the atoms with bonded groups joined along the third cell vector.

    Atoms of a group that the top or bottom face of the cell divides move by that vector, so that
    the group is whole without the periodicity along it, and its mean lies in the cell.

    Parameters
    ----------
    atoms
        Wrapped, periodic in three directions.
    bonds
        As in :func:`count_broken_bonds`.

    Raises
    ------
    ValueError
        If bonds join atoms without end along the third vector, so that there are no groups.
    """
    first, second, images = neighbor_list("ijS", atoms, dict(bonds))
    bonded: dict[int, list[tuple[int, int]]] = {}
    for i, j, image in zip(first.tolist(), second.tolist(), images[:, 2].tolist(), strict=True):
        bonded.setdefault(i, []).append((j, image))
    built = atoms.copy()
    heights = atoms.get_scaled_positions(wrap=False)[:, 2]
    layer = dict[int, int]()
    for start in bonded:
        if start in layer:
            continue
        group, queue = {start: 0}, deque([start])
        while queue:
            one = queue.popleft()
            for other, image in bonded[one]:
                if other not in group:
                    group[other] = group[one] + image
                    queue.append(other)
                elif group[other] != group[one] + image:
                    raise ValueError(
                        f"bonds={dict(bonds)} join atoms without end across the cut, at "
                        f"{atoms.symbols[one]}–{atoms.symbols[other]}: give the bonds of molecular "
                        "groups only, or shorter ones"
                    )
        centre = int(np.floor(np.mean([heights[i] + n for i, n in group.items()])))
        layer |= {i: n - centre for i, n in group.items()}
    for i, n in layer.items():
        built.positions[i] += n * np.asarray(atoms.cell)[2]
    return built


def check_bonds(bonds: Bonds | None) -> None:
    """Raise ValueError unless bonds map pairs of elements to positive lengths."""
    for pair, longest in (bonds or {}).items():
        known = isinstance(pair, tuple) and len(pair) == 2 and set(pair) <= set(atomic_numbers)
        if not known or not 0 < longest < np.inf:
            raise ValueError(
                f"bonds holds {pair!r}: {longest!r}: expected two elements and the longest bond in "
                "Å, like {('C', 'O'): 1.6}"
            )


def _bonds_per_atom(atoms: Atoms, first: str, second: str, longest: float) -> float:
    """Return the mean number of bonds that atoms of ``first`` have with ``second``."""
    count = np.count_nonzero(atoms.numbers == atomic_numbers[first])
    if not count:
        return 0.0
    pairs = neighbour_pairs(atoms.positions, np.asarray(atoms.cell), atoms.pbc, longest)
    bonded = (atoms.numbers[pairs.first] == atomic_numbers[first]) & (
        atoms.numbers[pairs.second] == atomic_numbers[second]
    )
    return float(np.count_nonzero(bonded) / count)
