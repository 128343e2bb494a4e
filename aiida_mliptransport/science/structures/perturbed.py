"""Variations of one cell: rattled, strained, and of other volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_strain
from numpy.typing import ArrayLike, NDArray

__all__ = ["random_strain", "rattle", "strain", "volume_ladder"]


def rattle(atoms: Atoms, *, stdev: float, n_structures: int, seed: int) -> list[Atoms]:
    """Displace all atoms at random; the centre of mass stays where it is.

    Parameters
    ----------
    atoms
        Any structure; it is not changed.
    stdev
        Standard deviation of the Gaussian of each Cartesian component, Å.
    n_structures, seed
        How many independent copies; start of the random numbers.

    Raises
    ------
    ValueError
        If ``stdev`` is not positive or ``n_structures`` is below 1.
    """
    _require_positive("stdev", stdev, "Å, like 0.05")
    _require_count(n_structures)
    rng = np.random.default_rng(seed)
    masses = atoms.get_masses()
    rattled = []
    for _ in range(n_structures):
        displacements = rng.normal(scale=stdev, size=(len(atoms), 3))
        displacements -= np.average(displacements, axis=0, weights=masses)
        copy = atoms.copy()
        copy.positions += displacements
        rattled.append(copy)
    return rattled


def strain(atoms: Atoms, strains: ArrayLike) -> list[Atoms]:
    """Deform cell and atoms together by given strains.

    The deformation is ``I + ε`` with symmetric ε, so the cell is not rotated. Molecules are
    stretched like all else: relax the result, or use small strains.

    Parameters
    ----------
    atoms
        A structure with a three-dimensional cell; it is not changed.
    strains
        ``(n, 6)``, or ``(6,)`` for one: Voigt order xx, yy, zz, yz, xz, xy with the engineering
        shear 2ε for the last three, as in :mod:`ase.stress`; without unit.

    Raises
    ------
    ValueError
        If the cell has no volume, the shape is another, or a strain turns the cell inside out.
    """
    tensors = np.atleast_2d(np.asarray(strains, dtype=np.float64))
    if tensors.ndim != 2 or tensors.shape[1] != 6 or not np.isfinite(tensors).all():
        raise ValueError(
            f"strains has shape {np.shape(strains)}: expected finite numbers (n, 6) in Voigt "
            "order xx, yy, zz, yz, xz, xy with engineering shear"
        )
    _require_volume(atoms)
    return [_deformed(atoms, deformation) for deformation in voigt_6_to_full_3x3_strain(tensors)]


def random_strain(atoms: Atoms, *, maximum: float, n_structures: int, seed: int) -> list[Atoms]:
    """Deform cell and atoms by random symmetric strains.

    Parameters
    ----------
    atoms
        A structure with a three-dimensional cell; it is not changed.
    maximum
        All six components ε_ij are uniform in ``[-maximum, maximum]``; without unit, below 0.3 so
        that no cell can turn inside out.
    n_structures, seed
        How many independent copies; start of the random numbers.

    Raises
    ------
    ValueError
        If ``maximum`` is not in (0, 0.3), ``n_structures`` is below 1, or the cell has no volume.
    """
    if not 0 < maximum < 0.3:
        raise ValueError(f"maximum={maximum!r}: expected a strain above 0 and below 0.3, like 0.03")
    _require_count(n_structures)
    draws = np.random.default_rng(seed).uniform(-maximum, maximum, size=(n_structures, 6))
    return strain(atoms, draws * np.array([1, 1, 1, 2, 2, 2]))


def volume_ladder(atoms: Atoms, relative_volumes: ArrayLike) -> list[Atoms]:
    """Scale cell and atoms to given volumes; the shape of the cell stays.

    Parameters
    ----------
    atoms
        A structure with a three-dimensional cell; it is not changed.
    relative_volumes
        Volumes over the volume of ``atoms``, ``(n,)``, like ``[0.94, 1.0, 1.06]``.

    Raises
    ------
    ValueError
        If a volume is not positive, or the cell has none.
    """
    volumes = np.atleast_1d(np.asarray(relative_volumes, dtype=np.float64))
    if volumes.ndim != 1 or not (np.isfinite(volumes).all() and np.all(volumes > 0)):
        raise ValueError(
            f"relative_volumes={relative_volumes!r}: expected positive numbers around 1, like "
            "[0.94, 1.0, 1.06]"
        )
    _require_volume(atoms)
    return [_deformed(atoms, np.cbrt(volume) * np.eye(3)) for volume in volumes]


def _deformed(atoms: Atoms, deformation: NDArray[np.float64]) -> Atoms:
    if np.linalg.eigvalsh(deformation).min() <= 0:
        raise ValueError(
            f"strain {(deformation - np.eye(3)).tolist()} turns the cell inside out: expected "
            "principal strains above -1; give smaller ones"
        )
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ deformation, scale_atoms=False)
    copy.positions = atoms.positions @ deformation
    return copy


def _require_positive(name: str, value: Any, expected: str) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name}={value!r}: expected a positive number in {expected}")


def _require_count(n_structures: int) -> None:
    if n_structures < 1:
        raise ValueError(f"n_structures={n_structures}: expected at least 1")


def _require_volume(atoms: Atoms) -> None:
    if atoms.cell.rank < 3:
        raise ValueError(
            f"the cell of {atoms.get_chemical_formula()} is {atoms.cell.array.tolist()}, which has "
            "no volume: expected three vectors; set the cell first"
        )
