"""Ordered cells from partly filled sites: drawn at random with the nearest exact counts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from numpy.typing import NDArray

from ..selection.neighbours import neighbour_pairs
from .conversion import check_seed

__all__ = [
    "VACANCY",
    "DisorderedCell",
    "OrderingSampler",
    "SiteClass",
    "nearest_counts",
    "random_orderings",
]

VACANCY = "vacancy"
MOVES_PER_SITE = 50


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


def random_orderings(
    disordered: DisorderedCell,
    n_orderings: int,
    *,
    min_distance: float | None = None,
    seed: int,
) -> list[Atoms]:
    """Draw ordered cells that hold the nearest exact counts on every site class.

    Parameters
    ----------
    disordered
        From :func:`~.disordered_sites.read_disordered`, repeated as wanted.
    n_orderings
        How many cells; they are drawn independently, so small cells may come twice.
    min_distance
        Å; sites nearer than this are never both filled, see :class:`OrderingSampler`.
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
        If the seed or a number make no sense, or close sites cannot be kept from both being filled.
    """
    if n_orderings < 1:
        raise ValueError(f"n_orderings={n_orderings}: expected at least 1")
    generator = check_seed(seed)
    sampler = OrderingSampler(disordered, min_distance=min_distance)
    cells = [disordered.occupy(sampler.draw(generator)) for _ in range(n_orderings)]
    for atoms in cells:
        atoms.info["seed"] = int(seed)
    return cells


class OrderingSampler:
    """Draws of an element or :data:`VACANCY` for each site, with the exact counts of each class.

    Split sites of disordered crystals are often too near to each other for two ions at once, such
    as the pairs of 48h sites in argyrodites. With ``min_distance`` an ion that has a near
    neighbour moves to an empty site of its class where it has the fewest, until none has any; the
    draws are random, but not evenly distributed over all allowed orderings.

    Parameters
    ----------
    disordered
        The cell with its site classes.
    min_distance
        Å; sites nearer than this are never both filled. Two sites that nothing can leave are not
        looked at, since their class has no vacancy.

    Raises
    ------
    ValueError
        If the distance is not positive.
    """

    def __init__(self, disordered: DisorderedCell, *, min_distance: float | None = None) -> None:
        self._disordered = disordered
        self._min_distance = min_distance
        self._near: list[NDArray[np.int64]] = []
        if min_distance is None:
            return
        if not 0 < min_distance < np.inf:
            raise ValueError(
                f"min_distance={min_distance!r} Å: expected a positive length, like 2.0"
            )
        pairs = neighbour_pairs(
            disordered.positions, disordered.cell, np.ones(3, dtype=bool), min_distance
        )
        order = np.argsort(pairs.first, kind="stable")
        cuts = np.searchsorted(pairs.first[order], np.arange(len(disordered.positions) + 1))
        self._near = [pairs.second[order][a:b] for a, b in itertools.pairwise(cuts)]

    def draw(self, generator: np.random.Generator) -> NDArray[np.str_]:
        """Draw one ordering, ``(n,)``.

        Raises
        ------
        ValueError
            If no ordering without near neighbours was found.
        """
        species = np.empty(len(self._disordered.positions), dtype="U8")
        for site in self._disordered.classes:
            names = [name for name, count in site.counts.items() for _ in range(count)]
            species[list(site.indices)] = generator.permutation(np.array(names, dtype="U8"))
        if self._min_distance is not None:
            self._separate(species, generator)
        return species

    def _separate(self, species: NDArray[np.str_], generator: np.random.Generator) -> None:
        members = [np.array(site.indices) for site in self._disordered.classes]
        class_of = {int(i): sites for sites in members for i in sites}
        movable = [int(i) for sites in members if np.any(species[sites] == VACANCY) for i in sites]
        for _ in range(MOVES_PER_SITE * len(species)):
            filled = species != VACANCY
            crowded = [i for i in movable if filled[i] and filled[self._near[i]].any()]
            if not crowded:
                return
            one = int(generator.choice(crowded))
            sites = class_of[one]
            empty = sites[~filled[sites]]
            filled[one] = False
            load = np.array([np.count_nonzero(filled[self._near[i]]) for i in empty])
            # Now and then anywhere, or two ions could push each other round for ever.
            best = empty if generator.random() < 0.05 else empty[load == load.min()]
            other = int(generator.choice(best))
            species[[one, other]] = species[[other, one]]
        raise ValueError(
            f"min_distance={self._min_distance!r} Å: found no ordering in which filled sites are "
            "that far apart; lower it, or the occupancies"
        )


def _report(site: SiteClass, names: NDArray[Any]) -> dict[str, Any]:
    counts = {name: int(np.count_nonzero(names == name)) for name in site.shares}
    return {
        "sites": len(site.indices),
        "counts": counts,
        "wanted": {name: float(share) for name, share in site.shares.items()},
        "built": {name: count / len(site.indices) for name, count in counts.items()},
    }
