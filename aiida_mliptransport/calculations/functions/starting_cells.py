"""Calcfunctions that make starting cells, one per builder, so that cells are in the graph.

All take ``parameters``, a Dict of what the recipe of that name in
:mod:`aiida_mliptransport.science.structures.recipes` takes as keyword arguments, with ``charge``
and ``multiplicity`` of the incoming structure where they are known, which a StructureData does not
hold. What is random takes ``seed``. Other inputs are structures and files.

A builder of one cell gives ``structure``, one of several ``structures`` (``cell_000``, …). All give
``report``: charge, density, shortest distance and what the builder tells, and for several cells one
such table each, under ``cells``. Bad parameters raise ValueError.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.engine import calcfunction
from ase import Atoms

from ...science.structures.recipes import describe_cell
from ..starting_cells import make_cells

#: Raised when a builder makes another cell of the same inputs: AiiDA's cache hash knows this file.
STARTING_CELLS_VERSION = "1"


@calcfunction
def pack_liquid(parameters: orm.Dict, seed: orm.Int, **files: orm.SinglefileData) -> Any:
    """Pack molecules into a box by packmol; ``files`` are the XYZ files of components."""
    return _one(_make("pack_liquid", parameters, seed, files), "packmol")


@calcfunction
def place_amorphous(parameters: orm.Dict, seed: orm.Int, **files: orm.SinglefileData) -> Any:
    """Throw molecules into a wide box; ``files`` are the XYZ files of components."""
    return _one(_make("place_amorphous", parameters, seed, files), "ase-ga")


@calcfunction
def densify_cell(
    structure: orm.StructureData,
    parameters: orm.Dict,
    seed: orm.Int,
    **files: orm.SinglefileData,
) -> Any:
    """Press a dilute cell by MD with a calculator; ``files`` may hold its model.

    For cells that a worker presses in minutes; a job that runs longer is ``mliptransport.ase.md``.
    """
    return _one(_make("densify_cell", parameters, seed, files, structure=structure), "ase")


@calcfunction
def relax_cell(
    structure: orm.StructureData, parameters: orm.Dict, **files: orm.SinglefileData
) -> Any:
    """Relax a cell with a calculator; ``files`` may hold its model.

    For what a worker relaxes in minutes; a job that runs longer is ``mliptransport.ase.relax``.
    """
    return _one(_make("relax_cell", parameters, None, files, structure=structure), "ase")


@calcfunction
def rattle_cell(structure: orm.StructureData, parameters: orm.Dict, seed: orm.Int) -> Any:
    """Displace all atoms at random."""
    return _several(_make("rattle_cell", parameters, seed, structure=structure), "numpy")


@calcfunction
def strain_cell(structure: orm.StructureData, parameters: orm.Dict) -> Any:
    """Deform a cell by given strains."""
    return _several(_make("strain_cell", parameters, structure=structure), "ase")


@calcfunction
def strain_randomly(structure: orm.StructureData, parameters: orm.Dict, seed: orm.Int) -> Any:
    """Deform a cell at random."""
    return _several(_make("strain_randomly", parameters, seed, structure=structure), "numpy")


@calcfunction
def scale_volumes(structure: orm.StructureData, parameters: orm.Dict) -> Any:
    """Scale a cell to other volumes."""
    return _several(_make("scale_volumes", parameters, structure=structure), "numpy")


@calcfunction
def build_supercell(structure: orm.StructureData, parameters: orm.Dict) -> Any:
    """Repeat a cell: to a number of atoms, to a width, or as told."""
    return _one(_make("build_supercell", parameters, structure=structure), "ase")


@calcfunction
def order_randomly(
    structure: orm.StructureData | orm.SinglefileData, parameters: orm.Dict, seed: orm.Int
) -> Any:
    """Draw ordered cells from partly filled sites of a structure or a CIF file."""
    return _several(_make("order_randomly", parameters, seed, structure=structure), "pymatgen")


@calcfunction
def order_by_ewald(
    structure: orm.StructureData | orm.SinglefileData, parameters: orm.Dict, seed: orm.Int
) -> Any:
    """Draw ordered cells and keep those of lowest Ewald energy."""
    return _several(_make("order_by_ewald", parameters, seed, structure=structure), "pymatgen")


@calcfunction
def order_quasirandom(
    structure: orm.StructureData | orm.SinglefileData, parameters: orm.Dict, seed: orm.Int
) -> Any:
    """Search a special quasi-random ordering."""
    return _several(_make("order_quasirandom", parameters, seed, structure=structure), "pymatgen")


@calcfunction
def exchange_anions(structure: orm.StructureData, parameters: orm.Dict, seed: orm.Int) -> Any:
    """Exchange anions between two kinds of site."""
    return _one(_make("exchange_anions", parameters, seed, structure=structure), "numpy")


@calcfunction
def make_vacancies(
    structure: orm.StructureData, parameters: orm.Dict, seed: orm.Int | None = None
) -> Any:
    """Remove atoms: a number of each element by the seed, or given ones."""
    return _one(_make("make_vacancies", parameters, seed, structure=structure), "numpy")


@calcfunction
def add_interstitial(
    structure: orm.StructureData, parameters: orm.Dict, seed: orm.Int | None = None
) -> Any:
    """Put an ion into a void: by the seed, or a given one."""
    return _one(_make("add_interstitial", parameters, seed, structure=structure), "scipy")


@calcfunction
def make_frenkel_pair(structure: orm.StructureData, parameters: orm.Dict, seed: orm.Int) -> Any:
    """Move an ion from its site into a void."""
    return _one(_make("make_frenkel_pair", parameters, seed, structure=structure), "scipy")


@calcfunction
def cut_slab(structure: orm.StructureData, parameters: orm.Dict) -> Any:
    """Cut a slab from a crystal."""
    return _one(_make("cut_slab", parameters, structure=structure), "pymatgen")


@calcfunction
def join_interface(
    substrate: orm.StructureData, film: orm.StructureData, parameters: orm.Dict
) -> Any:
    """Join two crystals coherently."""
    return _one(_make("join_interface", parameters, substrate=substrate, film=film), "pymatgen")


@calcfunction
def join_tilt_boundary(structure: orm.StructureData, parameters: orm.Dict) -> Any:
    """Join two grains at a symmetric tilt boundary."""
    return _one(_make("join_tilt_boundary", parameters, structure=structure), "pymatgen")


@calcfunction
def join_twist_boundary(structure: orm.StructureData, parameters: orm.Dict) -> Any:
    """Join two grains at a twist boundary."""
    return _one(_make("join_twist_boundary", parameters, structure=structure), "pymatgen")


def _make(
    name: str,
    parameters: orm.Dict,
    seed: orm.Int | None = None,
    files: dict[str, orm.SinglefileData] | None = None,
    **structures: orm.Data,
) -> list[Atoms]:
    """Run a recipe on the content of nodes; files lie in a folder of their own meanwhile."""
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        paths = {key: _write(folder, key, node) for key, node in (files or {}).items()}
        return make_cells(
            name,
            parameters.get_dict(),
            files=paths,
            seed=None if seed is None else seed.value,
            **{
                key: _write(folder, key, node)
                if isinstance(node, orm.SinglefileData)
                else content_of(node)
                for key, node in structures.items()
            },
        )


def content_of(node: orm.StructureData) -> Any:
    """Return atoms, or a pymatgen structure where sites are partly filled or shared."""
    if not (node.is_alloy or node.has_vacancies):
        return node.get_ase()
    structure = node.get_pymatgen_structure()
    # Sites of one kind are drawn together: kinds tell them apart where elements and shares do not.
    for site, kind in zip(structure, node.get_site_kindnames(), strict=True):
        site.label = kind
    return structure


def _write(folder: Path, key: str, node: orm.SinglefileData) -> Path:
    path = folder / f"{key}{Path(node.filename).suffix}"
    path.write_bytes(node.get_content(mode="rb"))
    return path


def _one(built: list[Atoms], package: str) -> dict[str, Any]:
    (atoms,) = built
    return {
        "structure": _node(atoms),
        "report": orm.Dict({**_made_by(package), **describe_cell(atoms)}),
    }


def _several(built: list[Atoms], package: str) -> dict[str, Any]:
    cells = {f"cell_{number:03d}": atoms for number, atoms in enumerate(built)}
    return {
        "structures": {key: _node(atoms) for key, atoms in cells.items()},
        "report": orm.Dict(
            {
                **_made_by(package),
                "cells": {key: describe_cell(atoms) for key, atoms in cells.items()},
            }
        ),
    }


def _node(atoms: Atoms) -> orm.StructureData:
    # Tags would become kinds of their own, one for each molecule.
    return orm.StructureData(
        ase=Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    )


def _made_by(package: str) -> dict[str, str]:
    """Return what a cell depends on beside the inputs."""
    return {"version": STARTING_CELLS_VERSION, "package": f"{package} {version(package)}"}
