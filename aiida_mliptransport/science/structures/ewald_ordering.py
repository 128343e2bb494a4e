"""Ordered cells of low electrostatic energy among many random ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.core import Lattice, Species, Structure
from pymatgen.core.ewald import EwaldSummation

from .conversion import check_seed, ionic_charges
from .occupancy import VACANCY, DisorderedCell, OrderingSampler

__all__ = ["lowest_ewald_orderings"]


def lowest_ewald_orderings(
    disordered: DisorderedCell,
    oxidation_states: Mapping[str, float],
    *,
    n_candidates: int,
    n_best: int = 1,
    min_distance: float | None = None,
    seed: int,
) -> list[Atoms]:
    """Draw many ordered cells and keep those of lowest Ewald energy of point charges.

    Parameters
    ----------
    disordered
        From :func:`~.disordered_sites.read_disordered`, repeated as wanted.
    oxidation_states
        Charge of each element in elementary charges.
    n_candidates
        Random cells to compare.
    n_best
        How many different ones to return at most.
    min_distance
        Å; sites nearer than this are never both filled, see :class:`~.occupancy.OrderingSampler`.
    seed
        Of the random draws.

    Returns
    -------
    list of ase.Atoms
        By ascending energy. ``info`` holds ``ewald_energy`` (eV per cell), ``charge`` (of the
        cell), ``occupancies``, ``seed`` and ``n_candidates``.

    Raises
    ------
    ValueError
        If an element has no oxidation state, or a number makes no sense.

    Notes
    -----
    The energy is bilinear in the charges, so pymatgen's ``EwaldSummation`` runs once for unit
    charges on all sites and each candidate costs one matrix product. The matrix takes 8·n² bytes
    for n sites, and its making grows as n² or more: a thousand sites are minutes. A charged cell
    is compared in a neutralising background, which is the same for all candidates.
    """
    if not 1 <= n_best <= n_candidates:
        raise ValueError(
            f"n_best={n_best} of n_candidates={n_candidates}: expected 1 or more, and no more "
            "than there are candidates"
        )
    generator = check_seed(seed)
    named = sorted({name for site in disordered.classes for name in site.shares} - {VACANCY})
    charge_of = dict(zip(named, ionic_charges(named, oxidation_states), strict=True))
    charge_of[VACANCY] = 0.0
    sampler = OrderingSampler(disordered, min_distance=min_distance)
    energy_of = _PairEnergies(disordered)
    found: dict[bytes, tuple[float, NDArray[np.str_]]] = {}
    for _ in range(n_candidates):
        species = sampler.draw(generator)
        key = species.tobytes()
        if key not in found:
            charges = np.array([charge_of[str(name)] for name in species])
            found[key] = energy_of(charges), species
    best = sorted(found.values(), key=lambda candidate: candidate[0])[:n_best]
    cells = []
    for energy, species in best:
        atoms = disordered.occupy(species)
        atoms.info["ewald_energy"] = energy
        atoms.info["charge"] = round(float(sum(charge_of[str(name)] for name in species)), 9)
        atoms.info["seed"] = int(seed)
        atoms.info["n_candidates"] = n_candidates
        cells.append(atoms)
    return cells


class _PairEnergies:
    """Electrostatic energy of any charges on the sites of one cell, in eV."""

    def __init__(self, disordered: DisorderedCell) -> None:
        n_sites = len(disordered.positions)
        summation = EwaldSummation(
            Structure(
                Lattice(disordered.cell),
                [Species("H", 1)] * n_sites,
                disordered.positions,
                coords_are_cartesian=True,
            )
        )
        self._matrix: NDArray[np.float64] = np.asarray(summation.total_energy_matrix)
        # The background's energy goes with the square of the net charge, here n sites of +1.
        background = float(summation.total_energy) - float(self._matrix.sum())
        self._background = background / n_sites**2

    def __call__(self, charges: NDArray[np.float64]) -> float:
        net = float(charges.sum())
        return float(charges @ self._matrix @ charges + self._background * net**2)
