"""Symmetry-equivalent sites of a crystal: which atoms are the same site, and its Wyckoff letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from .conversion import to_structure

__all__ = ["SiteOrbit", "site_orbits"]


@dataclass(frozen=True)
class SiteOrbit:
    """Atoms that symmetry maps onto each other.

    Attributes
    ----------
    symbol
        Their element.
    wyckoff
        Wyckoff letter in the standard setting of the space group.
    indices
        Their indices in the cell, ascending.
    """

    symbol: str
    wyckoff: str
    indices: tuple[int, ...]


def site_orbits(
    atoms: Atoms, *, symprec: float = 0.01, without: Sequence[str] = ()
) -> tuple[SiteOrbit, ...]:
    """List the sites of a cell that differ by symmetry, ordered by their first atom.

    Parameters
    ----------
    atoms
        A crystal, periodic in three directions.
    symprec
        Å; positions nearer than this to their symmetric image count as symmetric.
    without
        Elements to leave out when symmetry is sought: the mobile ions, say, whose ordering on
        partly filled sites lowers the symmetry of the framework. They are in no orbit then.

    Returns
    -------
    tuple of SiteOrbit

    Raises
    ------
    ValueError
        If the cell is not a crystal, ``without`` names an absent element or leaves nothing, or
        ``symprec`` is not positive.

    Notes
    -----
    Symmetry by spglib (Togo, Shinohara, Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822
    (2024)) through pymatgen.
    """
    if not symprec > 0:
        raise ValueError(f"symprec={symprec!r} Å: expected a positive length, like 0.01")
    held = atoms.get_chemical_symbols()
    symbols = np.array(held)
    absent = sorted(set(without) - set(held))
    if absent:
        raise ValueError(
            f"without={list(without)}: {absent} are not in the cell, which holds "
            f"{sorted(set(held))}; name elements of the cell"
        )
    kept = np.flatnonzero(~np.isin(symbols, list(without)))
    if len(atoms) and not len(kept):
        raise ValueError(f"without={list(without)} leaves no atom: keep at least one element")
    dataset = SpacegroupAnalyzer(to_structure(atoms[kept]), symprec=symprec).get_symmetry_dataset()
    equivalent = np.asarray(dataset.equivalent_atoms)
    return tuple(
        SiteOrbit(
            symbol=str(symbols[kept[first]]),
            wyckoff=str(dataset.wyckoffs[first]),
            indices=tuple(int(i) for i in kept[equivalent == first]),
        )
        for first in np.unique(equivalent)
    )
