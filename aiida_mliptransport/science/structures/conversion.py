"""The two-way passage between ase.Atoms and pymatgen structures, and checks that builders share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from pymatgen.core import Structure

__all__ = ["check_periodic", "check_seed", "ionic_charges", "to_atoms", "to_structure"]


def to_structure(atoms: Atoms) -> Structure:
    """Return the pymatgen structure of a cell that is periodic in three directions.

    Only species and sites travel: arrays, constraints and ``info`` stay behind.

    Raises
    ------
    ValueError
        If the cell is not periodic in three directions, is flat, or holds no atom.
    """
    check_periodic(atoms)
    return Structure(
        np.asarray(atoms.cell),
        [int(z) for z in atoms.numbers],
        atoms.get_scaled_positions(wrap=False),
    )


def to_atoms(structure: Structure) -> Atoms:
    """Return the atoms of an ordered pymatgen structure, in its order, periodic throughout."""
    return Atoms(
        numbers=[site.specie.Z for site in structure],
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


def check_periodic(atoms: Atoms) -> None:
    """Raise ValueError unless the cell has atoms, a volume and three periodic directions."""
    if not len(atoms):
        raise ValueError("atoms is empty: expected at least one atom in a periodic cell")
    if not bool(np.all(atoms.pbc)) or abs(np.linalg.det(np.asarray(atoms.cell))) < 1e-6:
        raise ValueError(
            f"atoms has pbc={[bool(p) for p in atoms.pbc]} and a cell of "
            f"{abs(np.linalg.det(np.asarray(atoms.cell))):g} Å³: expected a crystal, periodic in "
            "three directions; set atoms.cell and atoms.pbc = True"
        )


def check_seed(seed: int) -> np.random.Generator:
    """Return the generator of random numbers that belongs to a seed.

    Raises
    ------
    ValueError
        If the seed is not an integer of zero or more.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r}: expected an integer of 0 or more, like 1")
    return np.random.default_rng(int(seed))


def ionic_charges(symbols: list[str], oxidation_states: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the oxidation state of each atom, ``(N,)``, in elementary charges.

    Raises
    ------
    ValueError
        If an element has no oxidation state, or a key is no element.
    """
    unknown = sorted(set(oxidation_states) - set(atomic_numbers))
    missing = sorted(set(symbols) - set(oxidation_states))
    if unknown or missing:
        given: dict[str, Any] = dict(oxidation_states)
        raise ValueError(
            f"oxidation_states={given}: "
            + (f"{unknown} are no elements; " if unknown else "")
            + (f"no state for {missing}; " if missing else "")
            + "expected one number per element of the cell, like {'Li': 1, 'Cl': -1}"
        )
    return np.array([float(oxidation_states[symbol]) for symbol in symbols], dtype=np.float64)
