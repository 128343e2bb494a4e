"""Turn the structure files of a campaign into nodes with provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.io import read

from .schema import Campaign
from .sections import StructureSection
from .source import CampaignError, Source

if TYPE_CHECKING:
    from aiida import orm

#: Smallest volume per atom of a sensible cell, Å³ (diamond has 5.7).
MIN_VOLUME_PER_ATOM = 2.0


def check_structures(campaign: Campaign) -> dict[str, Atoms]:
    """Read every structure file and check it; nothing is stored.

    Returns
    -------
    dict
        ``structures.<key>`` and ``transport.structures.<key>`` to the atoms of the file.

    Raises
    ------
    CampaignError
        For a file that cannot be read, a structure without a cell, an unknown element, partial
        occupancies, charges that miss an element or do not sum to zero, or a target on a species
        that is not there.
    """
    found, problems = {}, []
    for keys, section in _sections(campaign):
        try:
            atoms = read_structure(campaign.source, keys, section)
            _check_charges(campaign, keys, atoms)
        except CampaignError as error:
            problems.append(str(error))
            continue
        found[".".join(keys)] = atoms
    if problems:
        raise CampaignError("\n".join(dict.fromkeys(problems)))
    missing = {s for atoms in found.values() for s in atoms.symbols} - _elements(found)
    if missing:
        raise campaign.source.error(
            ("transport", "structures"),
            f"hold {sorted(missing)}, which no structure under 'structures' has: the potential "
            "would not know them",
        )
    if campaign.targets:
        from ..workflows.active_learning.problems import species_problem

        problem = species_problem(campaign.targets, _elements(found))
        if problem:
            keys = ("targets", "max_relative_force_rmse_by_species")
            raise campaign.source.error_at(keys, problem)
    return found


def n_atoms(section: StructureSection, atoms: Atoms) -> int:
    """Return how many atoms the structure has after its supercell was made."""
    matrix = section.matrix()
    if matrix is None:
        return len(atoms)
    return len(atoms) * abs(round(float(np.linalg.det(np.array(matrix)))))


def build_structures(
    campaign: Campaign,
) -> tuple[dict[str, orm.StructureData], dict[str, orm.StructureData] | None]:
    """Store the structures of the campaign.

    What is read from a file is a declared import (a stored node without creator); supercell and
    density are made by the calcfunction ``make_supercell``.

    Returns
    -------
    structures, transport structures or None
    """
    atoms = check_structures(campaign)
    imports: dict[str, orm.StructureData] = {}
    built = {
        key: build_structure(imports, section, atoms[f"structures.{key}"], key)
        for key, section in campaign.structures.items()
    }
    if campaign.transport is None:
        return built, None
    if campaign.transport.structures is None:
        return built, built
    return built, {
        key: build_structure(imports, section, atoms[f"transport.structures.{key}"], key)
        for key, section in campaign.transport.structures.items()
    }


def _sections(campaign: Campaign) -> list[tuple[tuple[str, ...], StructureSection]]:
    sections: list[tuple[tuple[str, ...], StructureSection]] = [
        (("structures", key), section) for key, section in campaign.structures.items()
    ]
    if campaign.transport is not None and campaign.transport.structures is not None:
        sections += [
            (("transport", "structures", key), section)
            for key, section in campaign.transport.structures.items()
        ]
    return sections


def _elements(found: Mapping[str, Atoms]) -> set[str]:
    return {
        symbol
        for key, atoms in found.items()
        if key.startswith("structures.")
        for symbol in atoms.symbols
    }


def read_structure(source: Source, keys: tuple[str, ...], section: StructureSection) -> Atoms:
    """Return the atoms of a structure file, before a supercell is made.

    Raises
    ------
    CampaignError
        Naming the line under ``keys``, for a file that holds no ordered structure in a cell.
    """
    where = (*keys, "file")
    path = source.folder / section.file
    if not path.is_file():
        raise source.error(where, f"is {section.file!r}, but there is no file {path}")
    try:
        atoms = read(path)
    except KeyError as error:
        raise source.error(
            where, f"is {section.file!r}, which names the unknown element {error.args[0]!r}"
        ) from error
    except Exception as error:  # every format of ASE has errors of its own
        raise source.error(
            where,
            f"is {section.file!r}, which ASE cannot read ({type(error).__name__}: {error}); "
            "expected CIF, POSCAR, extended XYZ or another format of ASE",
        ) from error
    if isinstance(atoms, list):
        atoms = atoms[-1]
    if 0 in atoms.numbers:
        raise source.error(
            where, f"is {section.file!r}, which holds an atom of unknown element ('X')"
        )
    if atoms.cell.rank < 3 or atoms.get_volume() < MIN_VOLUME_PER_ATOM * len(atoms):
        lengths = np.round(atoms.cell.lengths(), 3).tolist()
        raise source.error(
            where,
            f"is {section.file!r}, a structure without a usable cell (edges {lengths} Å for "
            f"{len(atoms)} atoms); expected three cell vectors: set them in the file",
        )
    occupancies = atoms.info.get("occupancy", {})
    if any(sum(site.values()) < 0.999 or len(site) > 1 for site in occupancies.values()):
        raise source.error(
            where,
            f"is {section.file!r}, which has partial occupancies; expected an ordered structure: "
            "build one first",
        )
    atoms.set_pbc(True)
    atoms.info.clear()
    return atoms


def _check_charges(campaign: Campaign, keys: tuple[str, ...], atoms: Atoms) -> None:
    if campaign.charges is None:
        return
    source, charges = campaign.source, campaign.charges
    counts = Counter(atoms.symbols)
    missing = sorted(set(counts) - set(charges))
    if missing:
        raise source.error(
            ("charges",), f"is {charges}, which misses {missing} of {'.'.join(keys)}; add them"
        )
    total = sum(charges[symbol] * count for symbol, count in counts.items())
    if abs(total) > 1e-6:
        raise source.error(
            ("charges",),
            f"is {charges}, which gives {'.'.join(keys)} ({atoms.get_chemical_formula()}) a charge "
            f"of {total:+g}, expected 0: correct the charges or the structure",
        )


def build_structure(
    imports: dict[str, orm.StructureData], section: StructureSection, atoms: Atoms, key: str
) -> orm.StructureData:
    """Return the stored structure of a section; ``imports`` has the files that are stored."""
    from aiida import orm

    from ..calculations.functions.structures import make_supercell

    # One import node per file, however many cells are made from it.
    if section.file not in imports:
        node = orm.StructureData(ase=atoms)
        node.label = key
        node.description = f"imported from {section.file.rsplit('/', 1)[-1]}"
        imports[section.file] = node.store()
    node = imports[section.file]
    inputs: dict[str, orm.Data] = {}
    if (matrix := section.matrix()) is not None:
        inputs["matrix"] = orm.List(matrix)
    if section.density_g_cm3 is not None:
        inputs["density"] = orm.Float(section.density_g_cm3)
    if not inputs:
        return node
    made: orm.StructureData = make_supercell(structure=node, **inputs)
    made.label = key
    return made
