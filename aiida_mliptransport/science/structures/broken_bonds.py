"""Bonds that a cut through a crystal breaks, so that molecular ions can be kept whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from ..selection.neighbours import neighbour_pairs

__all__ = ["check_bonds", "count_broken_bonds"]

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
