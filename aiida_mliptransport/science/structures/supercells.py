"""Supercells of a wanted size: near a number of atoms and as cubic as can be, or wide enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.build.supercells import eval_shape_deviation
from numpy.typing import NDArray

from ..selection.neighbours import cell_heights
from .conversion import check_periodic

__all__ = ["supercell_of_size", "supercell_of_width"]


def supercell_of_size(atoms: Atoms, n_atoms: int, *, tolerance: float = 0.0) -> Atoms:
    """Repeat a cell to a number of atoms, in the most cubic shape that its lattice allows.

    Parameters
    ----------
    atoms
        A crystal, periodic in three directions.
    n_atoms
        Wanted number of atoms; the nearest multiple of the cell is built.
    tolerance
        Share by which the number may be missed for a better shape: 0.1 lets every multiple of the
        cell within ±10 % of ``n_atoms`` compete.

    Returns
    -------
    ase.Atoms
        With the integer matrix ``(3, 3)`` (rows: new vectors in old ones) in ``info["supercell"]``.

    Raises
    ------
    ValueError
        If the cell is not a crystal, or ``n_atoms`` or ``tolerance`` make no sense.

    Notes
    -----
    Shape is judged by ``eval_shape_deviation`` of ASE: lengths and angles against a cube.
    """
    check_periodic(atoms)
    if n_atoms < len(atoms) / 2:
        raise ValueError(
            f"n_atoms={n_atoms} is below half of the {len(atoms)} atoms of the cell: a supercell "
            "cannot be smaller; ask for more, or start from the primitive cell"
        )
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance={tolerance!r}: expected a share from 0 to 1, like 0.1")
    nearest = max(1, round(n_atoms / len(atoms)))
    least = min(nearest, int(np.ceil(n_atoms * (1 - tolerance) / len(atoms))))
    most = max(nearest, int(np.floor(n_atoms * (1 + tolerance) / len(atoms))))
    cell = np.asarray(atoms.cell, dtype=np.float64)
    matrices = _matrices_near_a_cube(cell, nearest, range(max(1, least), most + 1))
    scores = eval_shape_deviation(matrices @ cell, "sc")
    return _build(atoms, matrices[_first_best(scores, matrices)])


def supercell_of_width(atoms: Atoms, width: float) -> Atoms:
    """Repeat a cell until opposite faces are at least a width apart, with as few atoms as can be.

    Twice the cutoff of a potential keeps an atom from meeting two images of another.

    Parameters
    ----------
    atoms
        A crystal, periodic in three directions.
    width
        Least distance between opposite faces in Å.

    Returns
    -------
    ase.Atoms
        With the integer matrix ``(3, 3)`` in ``info["supercell"]``; of equally small cells the most
        cubic one. Matrices within one step of a cube's are searched, beside plain repetition.

    Raises
    ------
    ValueError
        If the cell is not a crystal or the width is not positive and finite.
    """
    check_periodic(atoms)
    if not 0 < width < np.inf:
        raise ValueError(f"width={width!r} Å: expected a positive length, like 12.0")
    cell = np.asarray(atoms.cell, dtype=np.float64)
    heights = cell_heights(cell, np.ones(3, dtype=bool))
    plain = np.diag(np.ceil(width / heights - 1e-9).astype(np.int64))
    plain_size = round(float(np.linalg.det(plain)))
    # A box whose faces are all that far apart holds at least a cube of that edge.
    smallest = max(1, int(np.ceil(width**3 / abs(np.linalg.det(cell)) - 1e-9)))
    for size in range(smallest, plain_size):
        matrices = _matrices_near_a_cube(cell, size, range(size, size + 1))
        matrices = matrices[_widths(matrices @ cell).min(axis=1) >= width - 1e-9]
        if len(matrices):
            scores = eval_shape_deviation(matrices @ cell, "sc")
            return _build(atoms, matrices[_first_best(scores, matrices)])
    return _build(atoms, plain)


def _matrices_near_a_cube(cell: NDArray[np.float64], size: int, sizes: range) -> NDArray[np.int64]:
    """Return integer matrices of positive determinant in ``sizes``: plain ones, and near a cube."""
    plain = [
        np.diag([first, second, volume // (first * second)])
        for volume in sizes
        for first in range(1, volume + 1)
        if volume % first == 0
        for second in range(1, volume // first + 1)
        if (volume // first) % second == 0
    ]
    edge = (size * abs(np.linalg.det(cell))) ** (1 / 3)
    centre = np.rint(edge * np.linalg.inv(cell)).astype(np.int64)
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 9, indexing="ij"), axis=-1).reshape(-1, 3, 3)
    near = centre + steps
    volumes = np.einsum("ij,ij->i", near[:, 0], np.cross(near[:, 1], near[:, 2]))
    near = np.where(volumes[:, None, None] < 0, -near, near)
    inside = (np.abs(volumes) >= sizes.start) & (np.abs(volumes) < sizes.stop)
    return np.concatenate([np.array(plain, dtype=np.int64).reshape(-1, 3, 3), near[inside]])


def _widths(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances between opposite faces of many cells, ``(n, 3)`` Å."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cells), axis=1)


def _first_best(scores: NDArray[Any], matrices: NDArray[np.int64]) -> int:
    """Return the lowest score; ties go to the plainest matrix, so that the choice is stable."""
    best = np.flatnonzero(scores < scores.min() + 1e-9)
    off = np.abs(matrices[best]).sum(axis=(1, 2)) - np.trace(matrices[best], axis1=1, axis2=2)
    return int(best[np.argmin(off)])


def _build(atoms: Atoms, matrix: NDArray[np.int64]) -> Atoms:
    built = make_supercell(atoms, matrix)
    built.info["supercell"] = [[int(value) for value in row] for row in matrix]
    return built
