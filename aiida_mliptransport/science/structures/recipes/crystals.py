"""Recipes from a crystal: supercells, ordered occupancies, exchanged anions, point defects."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from pymatgen.core import Structure

from .. import anion_disorder, defects, supercells
from ..conversion import ionic_charges
from ..disordered_sites import read_disordered
from ..ewald_ordering import lowest_ewald_orderings
from ..occupancy import DisorderedCell, SiteClass, random_orderings
from ..quasirandom import quasirandom_ordering
from .errors import RecipeError

__all__ = [
    "add_interstitial",
    "build_supercell",
    "exchange_anions",
    "make_frenkel_pair",
    "make_vacancies",
    "order_by_ewald",
    "order_quasirandom",
    "order_randomly",
]

#: Three repetitions, or three rows of integers.
Multiples = list[int] | list[list[int]]
Occupancies = dict[str, dict[str, float]]


def build_supercell(
    *,
    structure: Atoms,
    n_atoms: int | None = None,
    tolerance: float | None = None,
    width: float | None = None,
    multiples: Multiples | None = None,
) -> Atoms:
    """Repeat a cell: to a size, to a width, or as told; see :mod:`~..supercells`.

    Exactly one of ``n_atoms`` (with ``tolerance``, a share), ``width`` (Å) and ``multiples`` is
    given. A charge of the cell is multiplied with it.
    """
    given = {"n_atoms": n_atoms, "width": width, "multiples": multiples}
    if sum(value is not None for value in given.values()) != 1:
        raise RecipeError(f"supercell by {given}: expected exactly one of them")
    if tolerance is not None and n_atoms is None:
        raise RecipeError(f"tolerance={tolerance!r} is for n_atoms only: leave it out")
    if n_atoms is not None:
        built = supercells.supercell_of_size(structure, n_atoms, tolerance=tolerance or 0.0)
    elif width is not None:
        built = supercells.supercell_of_width(structure, width)
    else:
        built = _repeat(structure, multiples)
    if "charge" in structure.info:
        built.info["charge"] = structure.info["charge"] * (len(built) // len(structure))
    return built


def order_randomly(
    *,
    structure: Atoms | Structure | Path,
    multiples: Multiples | None = None,
    occupancies: Occupancies | None = None,
    join_equal: bool = False,
    oxidation_states: dict[str, float] | None = None,
    n_orderings: int = 1,
    min_distance: float | None = None,
    seed: int,
) -> list[Atoms]:
    """Draw ordered cells of partly filled sites; see :func:`~..occupancy.random_orderings`.

    ``multiples`` repeats the cell first. ``occupancies`` are for ordered input, as in
    :func:`~..disordered_sites.read_disordered`, with indices as text. Counts are exact over the
    sites of one label; with ``join_equal`` over all sites of equal shares, for files that give each
    site a label of its own. With oxidation states the charge of each cell is stated.
    """
    disordered = _disordered(structure, multiples, occupancies, join_equal)
    built = random_orderings(disordered, n_orderings, min_distance=min_distance, seed=seed)
    return [_charged(atoms, oxidation_states) for atoms in built]


def order_by_ewald(
    *,
    structure: Atoms | Structure | Path,
    multiples: Multiples | None = None,
    occupancies: Occupancies | None = None,
    join_equal: bool = False,
    oxidation_states: dict[str, float],
    n_candidates: int,
    n_orderings: int = 1,
    min_distance: float | None = None,
    seed: int,
) -> list[Atoms]:
    """Keep the orderings of lowest Ewald energy; see :mod:`~..ewald_ordering`."""
    return lowest_ewald_orderings(
        _disordered(structure, multiples, occupancies, join_equal),
        oxidation_states,
        n_candidates=n_candidates,
        n_best=n_orderings,
        min_distance=min_distance,
        seed=seed,
    )


def order_quasirandom(
    *,
    structure: Atoms | Structure | Path,
    multiples: Multiples | None = None,
    occupancies: Occupancies | None = None,
    join_equal: bool = False,
    oxidation_states: dict[str, float] | None = None,
    cutoff: float,
    n_steps: int = 20_000,
    seed: int,
) -> list[Atoms]:
    """Search a special quasi-random cell, a list of one; see :mod:`~..quasirandom`."""
    disordered = _disordered(structure, multiples, occupancies, join_equal)
    built = quasirandom_ordering(disordered, cutoff=cutoff, n_steps=n_steps, seed=seed)
    return [_charged(built, oxidation_states)]


def exchange_anions(
    *, structure: Atoms, first: list[int], second: list[int], percentage: float, seed: int
) -> Atoms:
    """Exchange anions between two kinds of site; see :mod:`~..anion_disorder`."""
    return anion_disorder.exchange_anions(structure, first, second, percentage, seed=seed)


def make_vacancies(
    *,
    structure: Atoms,
    elements: dict[str, int] | None = None,
    indices: list[int] | None = None,
    oxidation_states: dict[str, float],
    compensation: Literal["none", "electrons"] = "none",
    seed: int | None = None,
) -> Atoms:
    """Remove a number of each element, or given atoms; see :func:`~..defects.remove_atoms`."""
    if bool(elements) == bool(indices):
        raise RecipeError(
            f"vacancies by elements={elements!r} and indices={indices!r}: expected one of them, "
            "like {'Li': 1}"
        )
    built = defects.remove_atoms(
        structure,
        elements or indices or [],
        oxidation_states=oxidation_states,
        compensation=compensation,
        seed=seed,
    )
    return _without_stale_spin(built, compensation)


def add_interstitial(
    *,
    structure: Atoms,
    symbol: str,
    oxidation_states: dict[str, float],
    min_radius: float,
    void: int | None = None,
    compensation: Literal["none", "electrons"] = "none",
    seed: int | None = None,
) -> Atoms:
    """Put an ion into a void; see :func:`~..defects.add_interstitial`."""
    built = defects.add_interstitial(
        structure,
        symbol,
        oxidation_states=oxidation_states,
        min_radius=min_radius,
        void=void,
        compensation=compensation,
        seed=seed,
    )
    return _without_stale_spin(built, compensation)


def make_frenkel_pair(
    *,
    structure: Atoms,
    symbol: str,
    min_radius: float,
    min_separation: float,
    max_separation: float = np.inf,
    index: int | None = None,
    seed: int,
) -> Atoms:
    """Move an ion into a void; see :func:`~..defects.make_frenkel_pair`."""
    return defects.make_frenkel_pair(
        structure,
        symbol,
        min_radius=min_radius,
        min_separation=min_separation,
        max_separation=max_separation,
        index=index,
        seed=seed,
    )


def _repeat(atoms: Atoms, multiples: Any) -> Atoms:
    matrix = np.array(multiples)
    matrix = np.diag(matrix) if matrix.shape == (3,) else matrix
    if matrix.shape != (3, 3) or np.linalg.det(matrix) < 0.5:
        raise RecipeError(
            f"multiples={multiples!r}: expected three repetitions, like [2, 2, 2], or three rows "
            "of three integers with a positive determinant"
        )
    built = make_supercell(atoms, matrix)
    built.info["supercell"] = matrix.tolist()
    return built


def _disordered(
    structure: Atoms | Structure | Path,
    multiples: Multiples | None,
    occupancies: Occupancies | None,
    join_equal: bool,
) -> DisorderedCell:
    table: dict[int | str, dict[str, float]] | None = None
    if occupancies is not None:
        table = {int(key) if key.isdigit() else key: row for key, row in occupancies.items()}
    disordered = read_disordered(structure, table)
    if join_equal:
        disordered = _joined(disordered)
    return disordered if multiples is None else disordered.repeat(np.array(multiples))


def _joined(disordered: DisorderedCell) -> DisorderedCell:
    """Make one class of all sites of equal shares."""
    groups: dict[tuple[tuple[str, float], ...], list[SiteClass]] = {}
    for site in disordered.classes:
        key = tuple(sorted((name, round(share, 6)) for name, share in site.shares.items()))
        groups.setdefault(key, []).append(site)
    return DisorderedCell(
        disordered.cell,
        disordered.positions,
        tuple(
            SiteClass(
                group[0].label if len(group) == 1 else f"{group[0].label}..{group[-1].label}",
                tuple(sorted(i for site in group for i in site.indices)),
                group[0].shares,
            )
            for group in groups.values()
        ),
    )


def _charged(atoms: Atoms, oxidation_states: dict[str, float] | None) -> Atoms:
    if oxidation_states is not None:
        charges = ionic_charges(atoms.get_chemical_symbols(), oxidation_states)
        atoms.info["charge"] = round(float(charges.sum()), 9) + 0.0
    return atoms


def _without_stale_spin(atoms: Atoms, compensation: str) -> Atoms:
    # An electron or hole that stays behind changes the multiplicity to one that nobody stated.
    if compensation == "electrons":
        atoms.info.pop("multiplicity", None)
    return atoms
