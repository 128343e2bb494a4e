"""Orderings of low Ewald energy: Madelung constants and the known ground state."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from pymatgen.core.ewald import EwaldSummation

from aiida_mliptransport.science.selection.neighbours import neighbour_pairs
from aiida_mliptransport.science.structures.conversion import to_structure
from aiida_mliptransport.science.structures.disordered_sites import read_disordered
from aiida_mliptransport.science.structures.ewald_ordering import lowest_ewald_orderings
from aiida_mliptransport.science.structures.occupancy import VACANCY

CHARGES = {"Na": 1.0, "Cl": -1.0}


def half_and_half(a: float = 2.8):
    """Return a simple cubic lattice of 8 sites, half sodium and half chloride."""
    return read_disordered(bulk("Po", "sc", a=a).repeat(2), {"Po": {"Na": 0.5, "Cl": 0.5}})


def test_rock_salt_wins_with_its_madelung_energy() -> None:
    best = lowest_ewald_orderings(half_and_half(), CHARGES, n_candidates=400, seed=3)[0]
    # Madelung constant of rock salt by the nearest distance; 4 formula units.
    expected = -4 * 1.7475646 * units._e / (4 * np.pi * units._eps0) * 1e10 / 2.8
    assert best.info["ewald_energy"] == pytest.approx(expected, rel=1e-5)
    pairs = neighbour_pairs(best.positions, np.asarray(best.cell), best.pbc, 2.9)
    assert (best.numbers[pairs.first] != best.numbers[pairs.second]).all()
    assert best.info["charge"] == 0


def test_energies_are_those_of_pymatgen_for_each_cell_and_ascend() -> None:
    disordered = read_disordered(
        bulk("Po", "sc", a=3.0).repeat((2, 2, 1)),
        {0: {"Na": 1.0}, 1: {"Na": 0.5, VACANCY: 0.5}, 2: {"Na": 0.5, VACANCY: 0.5}, 3: {"Cl": 1}},
    )
    cells = lowest_ewald_orderings(disordered, CHARGES, n_candidates=50, n_best=3, seed=1)
    energies = [atoms.info["ewald_energy"] for atoms in cells]
    assert energies == sorted(energies)
    for atoms in cells:
        structure = to_structure(atoms)
        structure.add_oxidation_state_by_element(CHARGES)
        assert atoms.info["charge"] == 1
        assert atoms.info["ewald_energy"] == pytest.approx(
            EwaldSummation(structure).total_energy, abs=1e-6
        )


def test_one_seed_gives_one_result() -> None:
    once, again = (
        lowest_ewald_orderings(half_and_half(), CHARGES, n_candidates=5, n_best=5, seed=9)
        for _ in range(2)
    )
    assert [list(a.numbers) for a in once] == [list(a.numbers) for a in again]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"oxidation_states": {"Na": 1}}, r"no state for \['Cl'\].*one number per element"),
        ({"oxidation_states": {**CHARGES, "Qq": 1}}, r"\['Qq'\] are no elements"),
        ({"n_best": 20}, "n_best=20 of n_candidates=10"),
    ],
)
def test_bad_input_is_refused(arguments, message) -> None:
    given = {"oxidation_states": CHARGES, "n_candidates": 10, "seed": 0} | arguments
    with pytest.raises(ValueError, match=message):
        lowest_ewald_orderings(half_and_half(), **given)
