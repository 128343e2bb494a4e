"""Ordered cells from partly filled sites: drawn at random with the nearest exact counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from numpy.typing import NDArray

from .conversion import check_seed

__all__ = [
    "VACANCY",
    "DisorderedCell",
    "SiteClass",
    "draw_species",
    "nearest_counts",
    "random_orderings",
]

VACANCY = "vacancy"


@dataclass(frozen=True)
class SiteClass:
    """Sites of one label that share one set of occupancies.

    Attributes
    ----------
    label
        Name of the site, such as ``Li1`` of a CIF.
    indices
        Positions of its sites in the cell.
    shares
        Wanted share of each element, and of :data:`VACANCY`; they sum to 1.
    """

    label: str
    indices: tuple[int, ...]
    shares: Mapping[str, float]

    @property
    def counts(self) -> dict[str, int]:
        """Sites that each element, or nothing, gets in an ordered cell."""
        return nearest_counts(self.shares, len(self.indices))


@dataclass(frozen=True)
class DisorderedCell:
    """A cell whose sites are partly filled or shared by elements.

    Attributes
    ----------
    cell
        Lattice vectors as rows, ``(3, 3)`` Å.
    positions
        Of all sites, ``(n, 3)`` Å.
    classes
        Each site is in exactly one.
    """

    cell: NDArray[np.float64]
    positions: NDArray[np.float64]
    classes: tuple[SiteClass, ...]

    def repeat(self, supercell: Sequence[int] | NDArray[Any]) -> DisorderedCell:
        """Return a supercell: three repetitions, or an integer matrix ``(3, 3)``.

        Raises
        ------
        ValueError
            If the shape is another, or the matrix is singular.
        """
        matrix = np.asarray(supercell)
        matrix = np.diag(matrix) if matrix.shape == (3,) else matrix
        whole = matrix.shape == (3, 3) and np.all(matrix == np.rint(matrix))
        if not whole or abs(np.linalg.det(matrix)) < 0.5:
            raise ValueError(
                f"supercell={supercell!r}: expected three repetitions, like (2, 2, 2), or an "
                "integer matrix (3, 3) that is not singular"
            )
        sites = Atoms(f"X{len(self.positions)}", positions=self.positions, cell=self.cell, pbc=True)
        owner = np.empty(len(self.positions), dtype=np.int64)
        for number, site in enumerate(self.classes):
            owner[list(site.indices)] = number
        sites.set_array("site_class", owner)
        built = make_supercell(sites, matrix.astype(np.int64))
        return DisorderedCell(
            cell=np.asarray(built.cell, dtype=np.float64),
            positions=np.asarray(built.positions, dtype=np.float64),
            classes=tuple(
                SiteClass(
                    site.label,
                    tuple(int(i) for i in np.flatnonzero(built.arrays["site_class"] == number)),
                    site.shares,
                )
                for number, site in enumerate(self.classes)
            ),
        )

    def occupy(self, species: Sequence[str] | NDArray[np.str_]) -> Atoms:
        """Return the ordered cell with an element or :data:`VACANCY` on each site, ``(n,)``.

        ``info["occupancies"]`` holds what was wanted and what was built, by label.
        """
        names = np.asarray(species)
        filled = np.flatnonzero(names != VACANCY)
        atoms = Atoms(
            list(names[filled]), positions=self.positions[filled], cell=self.cell, pbc=True
        )
        atoms.info["occupancies"] = {
            site.label: _report(site, names[list(site.indices)]) for site in self.classes
        }
        return atoms


def nearest_counts(shares: Mapping[str, float], n_sites: int) -> dict[str, int]:
    """Share out sites in whole numbers, as near to the shares as can be.

    The largest remainders are rounded up, which makes the summed deviation least; of equal ones the
    first in alphabetical order is.

    Parameters
    ----------
    shares
        Summing to 1, by name.
    n_sites
        How many sites there are.

    Returns
    -------
    dict
        Counts by name, in the order of ``shares``; they sum to ``n_sites``.
    """
    names = sorted(shares)
    ideal = np.array([shares[name] * n_sites for name in names])
    counts = np.floor(ideal + 1e-9).astype(np.int64)
    left = n_sites - int(counts.sum())
    order = np.argsort(-np.round(ideal - counts, 9), kind="stable")
    counts[order[:left]] += 1
    found = dict(zip(names, counts.tolist(), strict=True))
    return {name: found[name] for name in shares}


def random_orderings(disordered: DisorderedCell, n_orderings: int, *, seed: int) -> list[Atoms]:
    """Draw ordered cells that hold the nearest exact counts on every site class.

    Parameters
    ----------
    disordered
        From :func:`~.disordered_sites.read_disordered`, repeated as wanted.
    n_orderings
        How many cells; they are drawn independently, so small cells may come twice.
    seed
        Of the random draw.

    Returns
    -------
    list of ase.Atoms
        Wanted and built occupancies by label are in ``info["occupancies"]``, the seed in
        ``info["seed"]``.

    Raises
    ------
    ValueError
        If the seed or the number make no sense.
    """
    if n_orderings < 1:
        raise ValueError(f"n_orderings={n_orderings}: expected at least 1")
    generator = check_seed(seed)
    cells = [disordered.occupy(draw_species(disordered, generator)) for _ in range(n_orderings)]
    for atoms in cells:
        atoms.info["seed"] = int(seed)
    return cells


def draw_species(disordered: DisorderedCell, generator: np.random.Generator) -> NDArray[np.str_]:
    """Draw an element or :data:`VACANCY` for each site, with the exact counts of each class."""
    species = np.empty(len(disordered.positions), dtype="U8")
    for site in disordered.classes:
        names = [name for name, count in site.counts.items() for _ in range(count)]
        species[list(site.indices)] = generator.permutation(np.array(names, dtype="U8"))
    return species


def _report(site: SiteClass, names: NDArray[Any]) -> dict[str, Any]:
    counts = {name: int(np.count_nonzero(names == name)) for name in site.shares}
    return {
        "sites": len(site.indices),
        "counts": counts,
        "wanted": {name: float(share) for name, share in site.shares.items()},
        "built": {name: count / len(site.indices) for name, count in counts.items()},
    }
