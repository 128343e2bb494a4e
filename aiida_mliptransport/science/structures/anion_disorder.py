"""Exchange of two anions between their two kinds of site, as S²⁻ and Cl⁻ in argyrodites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from .conversion import check_seed

__all__ = ["exchange_anions"]


def exchange_anions(
    atoms: Atoms,
    first: Sequence[int],
    second: Sequence[int],
    percentage: float,
    *,
    seed: int,
) -> Atoms:
    """Let a percentage of the anions on one kind of site change places with those on another.

    In Li6PS5Cl with all chloride on 4a and all free sulfide on 4d, 0 % is the ordered cell, 50 %
    the most disordered one and 100 % has all chloride on 4d. The composition stays.

    Parameters
    ----------
    atoms
        The ordered cell.
    first, second
        Indices of the sites of either kind; each kind holds one element, and they differ. The
        indices come from :func:`~.site_orbits.site_orbits`.
    percentage
        Of the sites of the smaller kind, 0 to 100, rounded to the nearest whole number of pairs.
    seed
        Of the choice of sites.

    Returns
    -------
    ase.Atoms
        A copy, in the order of the input. ``info["anion_exchange"]`` states the elements, the
        numbers of sites, the exchanged pairs, and wanted and built percentage.

    Raises
    ------
    ValueError
        If the kinds overlap, are empty, hold several elements or the same one, or the percentage
        is out of range.
    """
    generator = check_seed(seed)
    kinds = [_checked(atoms, name, sites) for name, sites in (("first", first), ("second", second))]
    elements = [atoms.symbols[int(kind[0])] for kind in kinds]
    common = sorted(set(kinds[0].tolist()) & set(kinds[1].tolist()))
    if common:
        raise ValueError(f"first and second share the sites {common}: expected two separate kinds")
    if elements[0] == elements[1]:
        raise ValueError(
            f"first and second both hold {elements[0]}: an exchange would change nothing; give "
            "the sites of another element, or the ordered cell"
        )
    if not 0 <= percentage <= 100:
        raise ValueError(f"percentage={percentage!r}: expected 0 to 100")
    sites = min(len(kind) for kind in kinds)
    exchanged = int(np.floor(percentage / 100 * sites + 0.5))
    chosen = [generator.choice(kind, size=exchanged, replace=False) for kind in kinds]
    built = atoms.copy()
    numbers = atoms.numbers.copy()
    numbers[chosen[0]] = atoms.numbers[kinds[1][0]]
    numbers[chosen[1]] = atoms.numbers[kinds[0][0]]
    built.numbers = numbers
    built.info["anion_exchange"] = {
        "elements": elements,
        "sites": [len(kind) for kind in kinds],
        "exchanged": exchanged,
        "wanted_percentage": float(percentage),
        "built_percentage": 100.0 * exchanged / sites,
    }
    built.info["seed"] = int(seed)
    return built


def _checked(atoms: Atoms, name: str, sites: Sequence[int]) -> NDArray[np.int64]:
    indices = np.unique(np.asarray(sites, dtype=np.int64))
    if not len(indices) or len(indices) != len(sites):
        raise ValueError(f"{name} has {len(sites)} sites: expected one or more, each once")
    if indices[0] < 0 or indices[-1] >= len(atoms):
        raise ValueError(
            f"{name} names site {int(indices[-1])} or {int(indices[0])}: expected indices of 0 to "
            f"{len(atoms) - 1}"
        )
    found = sorted({atoms.symbols[int(i)] for i in indices})
    if len(found) > 1:
        raise ValueError(
            f"{name} holds {found}: expected one element; start from the ordered cell and give "
            "sites of one kind"
        )
    return indices
