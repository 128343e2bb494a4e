"""The two ends of a migration path, atom by atom: which ions move, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..transport.reference import FloatArray
from ..transport.sites import SAME_SITE_ANGSTROM, IntArray

__all__ = ["EndPoints", "EndPointsError", "match_order"]

#: Two minima nearer than this are one site (see `SAME_SITE_ANGSTROM`): what moves less than this
#: relaxes about its site, what moves more has left it. Jumps of ions are 1.5 Å and longer.
MOVING_ANGSTROM = SAME_SITE_ANGSTROM
#: Files of structures write cells with three digits and more.
CELL_TOLERANCE_ANGSTROM = 1e-3


class EndPointsError(ValueError):
    """Two structures are not the ends of one migration path, or no such ends can be built."""


@dataclass(frozen=True, eq=False)
class EndPoints:
    """Initial and final structure of a path, atom by atom.

    Attributes
    ----------
    initial, final
        The same atoms in the same order and the same cell.
    minimum_image
        Whether each ion takes the shortest way to the nearest image of its final position. Where
        False, positions are unwrapped and the way is their difference, however long.

    Raises
    ------
    EndPointsError
        If the structures differ in composition, order, cell or periodicity, or hold NaN.
    """

    initial: Atoms
    final: Atoms
    minimum_image: bool = True

    def __post_init__(self) -> None:
        _require_same_composition(self.initial, self.final)
        _require_same_order(self.initial, self.final)
        _require_same_cell(self.initial, self.final)
        for name, atoms in (("initial", self.initial), ("final", self.final)):
            bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
            if len(bad):
                raise EndPointsError(
                    f"{name} structure: the positions of atoms {_some(bad)} are NaN or infinite, "
                    "expected numbers in Å; read or relax the structure again"
                )

    @cached_property
    def displacements(self) -> FloatArray:
        """Way of each atom from the initial to the final structure, ``(N, 3)`` Å."""
        way = self.final.positions - self.initial.positions
        if self.minimum_image and len(way):
            way = find_mic(way, self.initial.cell, self.initial.pbc)[0]
        return np.asarray(way, dtype=np.float64)

    @property
    def path_length(self) -> float:
        """Length in Å of the straight path in the space of all coordinates, √(Σ|d|²)."""
        return float(np.linalg.norm(self.displacements))

    def moving_ions(self, threshold: float = MOVING_ANGSTROM) -> IntArray:
        """Return the indices of the atoms that move by more than a threshold in Å, ascending."""
        return np.flatnonzero(np.linalg.norm(self.displacements, axis=1) > threshold)


def match_order(initial: Atoms, final: Atoms) -> Atoms:
    """Return the final structure with its atoms in the order of the initial one.

    Like atoms are matched so that the sum of their squared displacements, to nearest images, is
    least (linear assignment, SciPy). Atoms whose exchange is meant, as in a ring, are matched to
    themselves: check ``EndPoints(initial, matched).moving_ions()``.

    Raises
    ------
    EndPointsError
        If the structures differ in composition, cell or periodicity.
    """
    _require_same_composition(initial, final)
    _require_same_cell(initial, final)
    order = np.arange(len(final))
    for number in np.unique(initial.numbers):
        own, others = (np.flatnonzero(atoms.numbers == number) for atoms in (initial, final))
        lengths = [
            find_mic(final.positions[others] - place, initial.cell, initial.pbc)[1]
            for place in initial.positions[own]
        ]
        rows, columns = linear_sum_assignment(np.square(lengths))
        order[own[rows]] = others[columns]
    return final[order]


def _require_same_composition(initial: Atoms, final: Atoms) -> None:
    first, last = initial.symbols.formula, final.symbols.formula
    if first.count() != last.count():
        raise EndPointsError(
            f"the initial structure is {first:hill} ({len(initial)} atoms), the final one "
            f"{last:hill} ({len(final)} atoms), expected the same atoms; build both from one cell"
        )


def _require_same_order(initial: Atoms, final: Atoms) -> None:
    differ = np.flatnonzero(initial.numbers != final.numbers)
    if len(differ):
        named = [
            f"{i} is {initial.symbols[i]}, then {final.symbols[i]}" for i in differ[:5].tolist()
        ]
        raise EndPointsError(
            f"{len(differ)} atoms differ in their element, though the composition is the same: "
            f"{'; '.join(named)}{' …' if len(differ) > 5 else ''}; expected one order of atoms "
            "in both structures"
        )


def _require_same_cell(initial: Atoms, final: Atoms) -> None:
    cells = [np.asarray(atoms.cell, dtype=np.float64) for atoms in (initial, final)]
    apart = float(np.abs(cells[1] - cells[0]).max())
    if not apart <= CELL_TOLERANCE_ANGSTROM:
        raise EndPointsError(
            f"the cells differ by up to {apart:.4f} Å in a component: "
            f"{cells[0].round(4).tolist()} and {cells[1].round(4).tolist()}, expected the same to "
            f"{CELL_TOLERANCE_ANGSTROM:g} Å; relax the final structure in the cell of the initial "
            "one"
        )
    if not np.array_equal(initial.pbc, final.pbc):
        raise EndPointsError(
            f"pbc is {initial.pbc.tolist()} and {final.pbc.tolist()}, expected the same; set "
            "final.pbc = initial.pbc"
        )


def _some(indices: NDArray[np.int64]) -> str:
    return f"{indices[:5].tolist()}{' …' if len(indices) > 5 else ''}"
