"""Reading of partly filled sites: a CIF, a pymatgen structure, or atoms and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser

from .conversion import check_periodic, to_atoms
from .occupancy import VACANCY, DisorderedCell, SiteClass

__all__ = ["read_disordered"]

SHARE_TOLERANCE = 1e-3


def read_disordered(
    source: str | Path | Structure | Atoms,
    occupancies: Mapping[int | str, Mapping[str, float]] | None = None,
) -> DisorderedCell:
    """Read partly filled sites from a CIF, a pymatgen structure, or atoms and a table.

    Parameters
    ----------
    source
        Path of a CIF file, a pymatgen ``Structure``, or ``ase.Atoms`` whose atoms mark the sites.
    occupancies
        For an ordered source. Key: index of a site, or an element, which means all its sites, or a
        label of the file, or of the atoms' array ``labels`` where there is one. Value: share of
        each element and of ``"vacancy"``; what is missing to 1 is vacancy. Sites not named stay as
        they are.

    Raises
    ------
    ValueError
        If the file cannot be read as a crystal, a key names no site or two keys name one, a share
        is out of range or the shares of a site sum to more than 1, or a table comes with a source
        that has shares of its own.
    """
    if isinstance(source, Atoms):
        return _from_atoms(source, occupancies or {})
    structure = source if isinstance(source, Structure) else _read_cif(Path(source))
    if occupancies is None:
        return _from_structure(structure)
    if not structure.is_ordered:
        raise ValueError(
            f"occupancies={dict(occupancies)!r} for a CIF or pymatgen structure that holds its "
            "own: leave them out, or give an ordered structure"
        )
    atoms = to_atoms(structure)
    # A file may label each site on its own: elements mean all their sites as one class.
    if any(isinstance(key, str) and key not in atomic_numbers for key in occupancies):
        atoms.set_array("labels", np.array([str(site.label) for site in structure]))
    return _from_atoms(atoms, occupancies)


def _read_cif(path: Path) -> Structure:
    if not path.is_file():
        raise ValueError(f"source={str(path)!r} is no file: expected the path of a CIF file")
    try:
        structures = CifParser(path).parse_structures(primitive=False)
    except Exception as error:  # the parser fails in many ways
        raise ValueError(
            f"file {path.name!r} cannot be read as CIF ({type(error).__name__}: {error}); expected "
            "a crystal with cell, symmetry and atom sites: open it in a viewer to see what it lacks"
        ) from error
    return structures[0]


def _from_structure(structure: Structure) -> DisorderedCell:
    named = []
    for site in structure:
        shares: dict[str, float] = {}
        for element, share in site.species.items():
            symbol = chemical_symbols[element.Z]
            shares[symbol] = shares.get(symbol, 0.0) + float(share)
        named.append((str(site.label), shares))
    return _gather(
        np.array(structure.lattice.matrix, dtype=np.float64),
        np.array(structure.cart_coords, dtype=np.float64),
        named,
    )


def _from_atoms(
    atoms: Atoms, occupancies: Mapping[int | str, Mapping[str, float]]
) -> DisorderedCell:
    check_periodic(atoms)
    symbols = atoms.get_chemical_symbols()
    labels = [str(label) for label in atoms.arrays.get("labels", symbols)]
    tables: list[Mapping[str, float] | None] = [None] * len(atoms)
    for key, table in occupancies.items():
        if isinstance(key, str):
            sites = [i for i, names in enumerate(zip(labels, symbols, strict=True)) if key in names]
        else:
            sites = [int(key)] if 0 <= key < len(atoms) else []
        if not sites:
            raise ValueError(
                f"occupancies names site {key!r}, which the cell of {len(atoms)} sites does not "
                f"hold: expected an index or one of {sorted(set(labels) | set(symbols))}"
            )
        taken = [i for i in sites if tables[i] is not None]
        if taken:
            raise ValueError(
                f"occupancies names site {taken[0]} twice, the second time by {key!r}: name each "
                "site once"
            )
        for i in sites:
            tables[i] = table
    named = [
        (label, dict(table) if table is not None else {symbol: 1.0})
        for label, symbol, table in zip(labels, symbols, tables, strict=True)
    ]
    return _gather(
        np.array(atoms.cell, dtype=np.float64), np.array(atoms.positions, dtype=np.float64), named
    )


def _gather(
    cell: NDArray[np.float64],
    positions: NDArray[np.float64],
    named: Sequence[tuple[str, dict[str, float]]],
) -> DisorderedCell:
    """Make classes of the sites that agree in label and shares; a repeated label is numbered."""
    members: dict[tuple[str, tuple[tuple[str, float], ...]], list[int]] = {}
    for index, (label, shares) in enumerate(named):
        members.setdefault((label, _complete(label, shares)), []).append(index)
    classes: list[SiteClass] = []
    for (label, full), indices in members.items():
        used = {site.label for site in classes}
        name, number = label, 2
        while name in used:
            name, number = f"{label}_{number}", number + 1
        classes.append(SiteClass(name, tuple(indices), dict(full)))
    return DisorderedCell(cell, positions, tuple(classes))


def _complete(label: str, shares: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Check the shares of a site and fill them up to 1 with vacancies."""
    for name, share in shares.items():
        if name != VACANCY and (name not in atomic_numbers or name == "X"):
            raise ValueError(f"site {label!r} names {name!r}: expected an element or {VACANCY!r}")
        if not -1e-9 <= share <= 1 + SHARE_TOLERANCE:
            raise ValueError(f"site {label!r} gives {name} a share of {share!r}: expected 0 to 1")
    total = float(sum(shares.values()))
    if total > 1 + SHARE_TOLERANCE:
        raise ValueError(
            f"the shares of site {label!r} sum to {total:g}: expected 1 at most; lower them, or "
            "leave out the vacancy, which is filled up"
        )
    full = {name: max(0.0, float(share)) for name, share in shares.items() if share > 0}
    missing = 1.0 - sum(full.values())
    if missing > SHARE_TOLERANCE:
        full[VACANCY] = full.get(VACANCY, 0.0) + missing
    scale = sum(full.values())
    return tuple((name, share / scale) for name, share in full.items())
