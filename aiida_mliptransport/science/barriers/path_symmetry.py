"""Jumps between sites of a crystal that symmetry maps onto each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ..structures.conversion import to_structure
from ..transport.reference import FloatArray

__all__ = ["SiteJump", "inequivalent_jumps"]

#: Images of a position under symmetry may miss it by more than the tolerance of the symmetry
#: itself, and sites are farther apart than this.
_TOLERANCE_ANGSTROM = 0.1


@dataclass(frozen=True, eq=False)
class SiteJump:
    """A jump from one site to an image of another: their indices, and the vector (3,) in Å."""

    start: int
    destination: int
    vector: FloatArray

    @property
    def length(self) -> float:
        """Length in Å."""
        return float(np.linalg.norm(self.vector))


def inequivalent_jumps(
    atoms: Atoms, points: FloatArray, jumps: Iterable[SiteJump], *, symprec: float = 0.01
) -> list[tuple[SiteJump, int]]:
    """Keep one jump of each set that symmetry makes equal, with the size of its set.

    Two jumps are equal if an operation of the space group maps one onto the other or onto its
    reverse, which is the same path seen from its other end.

    Parameters
    ----------
    atoms
        The crystal whose symmetry counts.
    points
        Sites, ``(n, 3)`` Å, that the jumps number.
    jumps
        In the order in which they are to be kept.
    symprec
        Å, of the symmetry, which spglib finds through pymatgen.

    Returns
    -------
    list of (SiteJump, int)

    Raises
    ------
    ValueError
        If the cell is not a crystal.
    """
    dataset = SpacegroupAnalyzer(to_structure(atoms), symprec=symprec).get_symmetry_dataset()
    cell = np.asarray(atoms.cell, dtype=np.float64)
    inverse = np.linalg.inv(cell)
    rotations = np.asarray(dataset.rotations, dtype=np.float64)
    translations = np.asarray(dataset.translations, dtype=np.float64)
    kept: list[SiteJump] = []
    images: list[tuple[FloatArray, FloatArray]] = []
    counts: list[int] = []
    for jump in jumps:
        start, vector = points[jump.start] @ inverse, jump.vector @ inverse
        for index, (starts, vectors) in enumerate(images):
            gap = start - starts
            gap -= np.rint(gap)
            same = np.linalg.norm(gap @ cell, axis=1) < _TOLERANCE_ANGSTROM
            same &= np.linalg.norm((vector - vectors) @ cell, axis=1) < _TOLERANCE_ANGSTROM
            if same.any():
                counts[index] += 1
                break
        else:
            turned = rotations @ vector
            begins = rotations @ start + translations
            images.append(
                (np.concatenate([begins, begins + turned]), np.concatenate([turned, -turned]))
            )
            kept.append(jump)
            counts.append(1)
    return list(zip(kept, counts, strict=True))
