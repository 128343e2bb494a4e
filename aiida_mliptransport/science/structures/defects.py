"""Point defects with a ledger of their charge: vacancies, interstitials in voids, Frenkel pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from ase import Atom, Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray

from .conversion import check_periodic, check_seed, ionic_charges
from .site_orbits import SiteOrbit, site_orbits
from .voids import Void, find_voids

__all__ = [
    "Compensation",
    "add_interstitial",
    "inequivalent_vacancies",
    "make_frenkel_pair",
    "remove_atoms",
]

#: "none" leaves the charge of the missing or added ions on the cell; "electrons" keeps the cell as
#: charged as it was: neutral atoms are taken and put, and electrons or holes remain.
Compensation = Literal["none", "electrons"]


def inequivalent_vacancies(
    atoms: Atoms, symbol: str, *, symprec: float = 0.01
) -> tuple[SiteOrbit, ...]:
    """List the sites of an element that differ by symmetry: each is one kind of vacancy.

    Raises
    ------
    ValueError
        If the cell has no such element, or is not a crystal.
    """
    orbits = tuple(o for o in site_orbits(atoms, symprec=symprec) if o.symbol == symbol)
    if not orbits:
        raise ValueError(_absent(atoms, symbol))
    return orbits


def remove_atoms(
    atoms: Atoms,
    what: Mapping[str, int] | Sequence[int],
    *,
    oxidation_states: Mapping[str, float],
    compensation: Compensation = "none",
    seed: int | None = None,
) -> Atoms:
    """Make vacancies: a number of each element at random, or given atoms.

    Ions removed in neutral groups, such as ``{"Li": 1, "Cl": 1}``, make a neutral Schottky defect.

    Parameters
    ----------
    atoms
        Of charge ``info["charge"]``, 0 where it is not stated.
    what
        How many atoms of each element, or indices.
    oxidation_states
        Of each element of the cell, in elementary charges.
    compensation
        What carries the charge; see :data:`Compensation`. A removed Li⁺ leaves −1 with ``"none"``.
    seed
        Of the choice; needed for numbers, refused for indices, which choose themselves.

    Returns
    -------
    ase.Atoms
        With the new ``info["charge"]`` and ``info["defects"]``, a list of what was done.

    Raises
    ------
    ValueError
        If there are too few such atoms, an index is out of range or given twice, or nothing would
        be left; if the seed is missing or superfluous, or an oxidation state is missing.
    """
    chosen = _draw(atoms, what, seed) if isinstance(what, Mapping) else _given(atoms, what, seed)
    if len(chosen) == len(atoms):
        raise ValueError(f"what={what!r} removes all {len(atoms)} atoms: leave at least one")
    charges = ionic_charges(atoms.get_chemical_symbols(), oxidation_states)
    built = atoms.copy()
    steps = [
        {"kind": "vacancy", "element": atoms.symbols[int(i)], "position": _point(atoms, int(i))}
        for i in chosen
    ]
    del built[[int(i) for i in chosen]]
    _enter(built, atoms, steps, -float(charges[chosen].sum()), compensation, seed)
    return built


def add_interstitial(
    atoms: Atoms,
    symbol: str,
    *,
    oxidation_states: Mapping[str, float],
    min_radius: float,
    void: int | None = None,
    compensation: Compensation = "none",
    seed: int | None = None,
) -> Atoms:
    """Put an ion into a void, chosen at random or by its rank of size.

    Parameters
    ----------
    atoms
        Periodic in three directions, of charge ``info["charge"]`` or 0.
    symbol
        Element of the interstitial.
    oxidation_states
        Of each element, the new one included.
    min_radius
        Å; smaller voids do not count, see :func:`~.voids.find_voids`.
    void
        Rank of the void, 0 for the largest; without it the seed chooses among all.
    compensation, seed
        As in :func:`remove_atoms`; give either ``void`` or ``seed``.

    Returns
    -------
    ase.Atoms
        The interstitial is the last atom. ``info`` as in :func:`remove_atoms`.

    Raises
    ------
    ValueError
        If no void is that large, there is none of that rank, or both or neither of ``void`` and
        ``seed`` are given, or an oxidation state is missing.
    """
    voids = _voids(atoms, min_radius)
    if (void is None) == (seed is None):
        raise ValueError(f"void={void!r} and seed={seed!r}: give one of them, to choose the void")
    if void is not None and not 0 <= void < len(voids):
        raise ValueError(
            f"void={void!r}: expected 0 to {len(voids) - 1}, since {len(voids)} voids have a "
            f"radius of {min_radius:g} Å or more; lower min_radius for more"
        )
    rank = int(check_seed(seed).integers(len(voids))) if seed is not None else void
    place = voids[rank or 0]
    charge = float(ionic_charges([symbol], _only(oxidation_states, symbol))[0])
    built = atoms.copy()
    built.append(Atom(symbol, place.position))
    _enter(built, atoms, [_interstitial(symbol, place)], charge, compensation, seed)
    return built


def make_frenkel_pair(
    atoms: Atoms,
    symbol: str,
    *,
    min_radius: float,
    min_separation: float,
    max_separation: float = np.inf,
    index: int | None = None,
    seed: int,
) -> Atoms:
    """Move an ion from its site into a void some way off; the charge of the cell stays.

    Parameters
    ----------
    atoms
        Periodic in three directions.
    symbol
        Element of the ion.
    min_radius
        Å; smaller voids do not count.
    min_separation, max_separation
        Å, between the vacancy and the interstitial, by the nearest image.
    index
        The ion to move; without it the seed chooses it too.
    seed
        Of the choice of ion and void among those that fit.

    Returns
    -------
    ase.Atoms
        In the order of the input. ``info["defects"]`` tells vacancy, interstitial and separation.

    Raises
    ------
    ValueError
        If the cell has no such ion, ``index`` is another element, or no void fits.
    """
    generator = check_seed(seed)
    candidates = np.flatnonzero(np.array(atoms.get_chemical_symbols()) == symbol)
    if not len(candidates):
        raise ValueError(_absent(atoms, symbol))
    if index is not None and index not in candidates:
        raise ValueError(
            f"index={index!r} is no {symbol}: expected one of {candidates[:10].tolist()}"
            f"{' …' if len(candidates) > 10 else ''}"
        )
    voids = _voids(atoms, min_radius)
    places = np.array([place.position for place in voids])
    cell = np.asarray(atoms.cell)
    ions = candidates if index is None else np.array([index])
    for ion in generator.permutation(ions):
        separation = find_mic(places - atoms.positions[ion], cell)[1]
        fitting = np.flatnonzero((separation >= min_separation) & (separation <= max_separation))
        if len(fitting):
            rank = int(generator.choice(fitting))
            break
    else:
        raise ValueError(
            f"none of {len(voids)} voids lies {min_separation:g} to {max_separation:g} Å from "
            f"{symbol} {'' if index is None else index}: change the separation, lower min_radius, "
            "or repeat the cell"
        )
    built = atoms.copy()
    built.positions[ion] = voids[rank].position
    vacancy = {"kind": "vacancy", "element": symbol, "position": _point(atoms, int(ion))}
    added = _interstitial(symbol, voids[rank]) | {"separation": float(separation[rank])}
    _enter(built, atoms, [vacancy, added], 0.0, "none", seed)
    return built


def _draw(atoms: Atoms, what: Mapping[str, int], seed: int | None) -> NDArray[np.int64]:
    if seed is None:
        raise ValueError(f"seed is missing: the choice of {dict(what)} is random; give an integer")
    generator = check_seed(seed)
    symbols = np.array(atoms.get_chemical_symbols())
    chosen: list[int] = []
    for symbol, count in what.items():
        there = np.flatnonzero(symbols == symbol)
        if not 0 <= count <= len(there):
            raise ValueError(
                f"what={dict(what)}: the cell holds {len(there)} {symbol}; expected a number from "
                f"0 to {len(there)}"
            )
        chosen += generator.choice(there, size=count, replace=False).tolist()
    return np.sort(np.array(chosen, dtype=np.int64))


def _given(atoms: Atoms, what: Sequence[int], seed: int | None) -> NDArray[np.int64]:
    if seed is not None:
        raise ValueError(f"seed={seed!r} is superfluous: indices choose the atoms; leave it out")
    chosen = np.unique(np.asarray(what, dtype=np.int64))
    if len(chosen) != len(what) or np.any((chosen < 0) | (chosen >= len(atoms))):
        raise ValueError(
            f"what={list(what)}: expected indices from 0 to {len(atoms) - 1}, each once"
        )
    return chosen


def _voids(atoms: Atoms, min_radius: float) -> tuple[Void, ...]:
    check_periodic(atoms)
    voids = find_voids(atoms, min_radius=min_radius)
    if not voids:
        raise ValueError(f"min_radius={min_radius:g} Å: the cell has no void that large; lower it")
    return voids


def _interstitial(symbol: str, place: Void) -> dict[str, object]:
    return {
        "kind": "interstitial",
        "element": symbol,
        "position": place.position.tolist(),
        "void_radius": place.radius,
    }


def _point(atoms: Atoms, index: int) -> list[float]:
    return [float(x) for x in atoms.positions[index]]


def _only(oxidation_states: Mapping[str, float], symbol: str) -> dict[str, float]:
    return {name: state for name, state in oxidation_states.items() if name == symbol}


def _absent(atoms: Atoms, symbol: str) -> str:
    held = sorted(set(atoms.get_chemical_symbols()))
    return f"symbol={symbol!r} is not in the cell, which holds {held}: name one of these"


def _enter(
    built: Atoms,
    before: Atoms,
    steps: Sequence[Mapping[str, object]],
    change: float,
    compensation: Compensation,
    seed: int | None,
) -> None:
    """Write what was done into ``info``, after what was done before."""
    if compensation not in ("none", "electrons"):
        raise ValueError(f"compensation={compensation!r}: expected 'none' or 'electrons'")
    charge = float(before.info.get("charge", 0.0))
    charge += change if compensation == "none" else 0.0
    built.info["charge"] = round(charge, 9) + 0.0
    built.info["defects"] = [*before.info.get("defects", []), *(dict(step) for step in steps)]
    if seed is not None:
        built.info["seed"] = int(seed)
