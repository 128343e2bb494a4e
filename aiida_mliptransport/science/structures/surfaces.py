"""Slabs of a crystal: any plane, thickness, vacuum and termination, with polarity reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.core import Composition
from pymatgen.core.surface import Slab, SlabGenerator

from .broken_bonds import Bonds, check_bonds
from .conversion import ionic_charges, to_atoms, to_structure

__all__ = ["build_slab", "list_terminations", "plane_indices"]

#: e/Å: dipole moment per area above which a slab is called polar (as in pymatgen).
POLAR_DIPOLE = 1e-3


def list_terminations(
    atoms: Atoms,
    miller: Sequence[int],
    *,
    thickness: float,
    vacuum: float,
    oxidation_states: Mapping[str, float] | None = None,
    bonds: Bonds | None = None,
    plane_tolerance: float = 0.1,
) -> list[Atoms]:
    """Build a slab for each distinct way to cut a crystal along a plane.

    Parameters
    ----------
    atoms
        The crystal; Miller indices refer to its cell, so give the conventional one where its
        indices are meant.
    miller
        Three integers.
    thickness
        Å; the slab is the least number of repeat units that reach it.
    vacuum
        Å between the outermost atoms of the slab and of its image.
    oxidation_states
        Of each element; without them charge and polarity are not reported.
    bonds
        Longest bond in Å by pair of elements, such as ``{("C", "O"): 1.6}``: terminations that
        break one are left out.
    plane_tolerance
        Å; atoms that differ less in height form one plane, which is never split.

    Returns
    -------
    list of ase.Atoms
        Periodic in three directions, third vector along the normal, slab in the middle.
        ``info["slab"]`` holds ``miller``, ``termination`` (rank in this list), ``shift``,
        ``area`` (Å²), ``thickness`` (Å, between outermost atoms), ``vacuum`` (Å), ``symmetric``
        (both faces equal), ``stoichiometric``, ``top`` and ``bottom`` (formula of the outermost
        plane), and, with oxidation states, ``charge`` (e), ``dipole_per_area`` (e/Å, along the
        normal) and ``polar``.

    Raises
    ------
    ValueError
        If the cell is not a crystal, the indices are not three integers of which one differs from
        zero, a length is not positive, an oxidation state is missing, or every termination breaks
        bonds.

    Notes
    -----
    pymatgen's ``SlabGenerator``: Sun, Ceder, Surf. Sci. 617, 53 (2013). Polarity as Tasker,
    J. Phys. C 12, 4977 (1979): a neutral slab with a dipole along its normal.
    """
    plane = plane_indices(miller)
    for name, value in (("thickness", thickness), ("vacuum", vacuum)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name}={value!r} Å: expected a positive length, like 15.0")
    if oxidation_states is not None:
        ionic_charges(atoms.get_chemical_symbols(), oxidation_states)
    check_bonds(bonds)
    generator = SlabGenerator(
        to_structure(atoms),
        plane,
        min_slab_size=thickness,
        min_vacuum_size=vacuum,
        center_slab=True,
        max_normal_search=max(abs(index) for index in plane),
    )
    bulk = Composition(atoms.get_chemical_formula())
    slabs = generator.get_slabs(ftol=plane_tolerance, bonds=dict(bonds) if bonds else None)
    if not slabs:
        raise ValueError(
            f"bonds={dict(bonds or {})}: every termination of {plane} breaks some; choose another "
            "plane, or leave out bonds"
        )
    return [
        _finish(slab, rank, plane, vacuum, bulk, oxidation_states, plane_tolerance)
        for rank, slab in enumerate(slabs)
    ]


def build_slab(
    atoms: Atoms,
    miller: Sequence[int],
    *,
    thickness: float,
    vacuum: float,
    termination: int | None = None,
    oxidation_states: Mapping[str, float] | None = None,
    bonds: Bonds | None = None,
    plane_tolerance: float = 0.1,
) -> Atoms:
    """Build one slab: the termination of a given rank, or the only one there is.

    Parameters and result as in :func:`list_terminations`.

    Raises
    ------
    ValueError
        As there; and if there is no such termination, or several and none is named.
    """
    slabs = list_terminations(
        atoms,
        miller,
        thickness=thickness,
        vacuum=vacuum,
        oxidation_states=oxidation_states,
        bonds=bonds,
        plane_tolerance=plane_tolerance,
    )
    if termination is None and len(slabs) > 1:
        listed = "; ".join(
            f"{s.info['slab']['termination']}: {s.info['slab']['bottom']} | {s.info['slab']['top']}"
            for s in slabs
        )
        raise ValueError(
            f"miller={tuple(miller)} has {len(slabs)} terminations (bottom | top: {listed}): "
            "choose one by termination"
        )
    rank = termination or 0
    if not 0 <= rank < len(slabs):
        raise ValueError(f"termination={termination!r}: expected 0 to {len(slabs) - 1}")
    return slabs[rank]


def plane_indices(miller: Sequence[int]) -> tuple[int, int, int]:
    """Return Miller indices as a tuple.

    Raises
    ------
    ValueError
        If they are not three integers of which one differs from zero.
    """
    values = np.asarray(miller)
    if values.shape != (3,) or values.dtype.kind not in "iu" or not values.any():
        raise ValueError(
            f"miller={miller!r}: expected three integers of which one differs from zero, like "
            "(1, 1, 1)"
        )
    return int(values[0]), int(values[1]), int(values[2])


def _finish(
    slab: Slab,
    rank: int,
    plane: tuple[int, int, int],
    vacuum: float,
    bulk: Composition,
    oxidation_states: Mapping[str, float] | None,
    plane_tolerance: float,
) -> Atoms:
    built = to_atoms(slab.get_orthogonal_c_slab())
    built.center(vacuum=vacuum / 2, axis=2)
    built.wrap()
    heights = np.asarray(built.positions @ _normal(built), dtype=np.float64)
    report: dict[str, Any] = {
        "miller": list(plane),
        "termination": rank,
        "shift": float(slab.shift),
        "area": float(np.linalg.norm(np.cross(built.cell[0], built.cell[1]))),
        "thickness": float(np.ptp(heights)),
        "vacuum": float(vacuum),
        "symmetric": bool(slab.is_symmetric()),
        "stoichiometric": Composition(built.get_chemical_formula()).reduced_formula
        == bulk.reduced_formula,
        "top": _plane_formula(built, heights, heights.max(), plane_tolerance),
        "bottom": _plane_formula(built, heights, heights.min(), plane_tolerance),
    }
    if oxidation_states is not None:
        charges = ionic_charges(built.get_chemical_symbols(), oxidation_states)
        middle = (heights.max() + heights.min()) / 2
        dipole = float(charges @ (heights - middle)) / report["area"]
        report["charge"] = round(float(charges.sum()), 9)
        report["dipole_per_area"] = dipole
        report["polar"] = abs(dipole) > POLAR_DIPOLE
        built.info["charge"] = report["charge"]
    built.info["slab"] = report
    return built


def _normal(atoms: Atoms) -> NDArray[np.float64]:
    across = np.cross(atoms.cell[0], atoms.cell[1])
    return np.asarray(across / np.linalg.norm(across), dtype=np.float64)


def _plane_formula(atoms: Atoms, heights: NDArray[np.float64], at: float, tolerance: float) -> str:
    return str(atoms[np.abs(heights - at) <= tolerance].get_chemical_formula())
