"""Calcfunction that makes a supercell of a structure at a wanted density."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from ase.build import make_supercell as ase_supercell

from ...science.units import volume_for_density


@calcfunction
def make_supercell(
    structure: orm.StructureData,
    matrix: orm.List | None = None,
    density: orm.Float | None = None,
) -> Any:
    """Return a supercell, scaled isotropically to a density.

    Parameters
    ----------
    structure : StructureData
    matrix : List, optional
        3x3 integers; the rows give the new cell vectors in units of the old ones.
    density : Float, optional
        g/cm³.
    """
    atoms = structure.get_ase()
    if matrix is not None:
        atoms = ase_supercell(atoms, np.array(matrix.get_list(), dtype=int))
        # Atoms of one element side by side: engines print one block per element.
        atoms = atoms[np.argsort(atoms.numbers, kind="stable")]
    if density is not None:
        wanted = volume_for_density(float(atoms.get_masses().sum()), density.value)
        factor = (wanted / atoms.get_volume()) ** (1 / 3)
        atoms.set_cell(atoms.cell * factor, scale_atoms=True)
    return orm.StructureData(ase=atoms)
