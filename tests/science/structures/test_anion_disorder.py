"""Exchange of anions between two kinds of site."""

import numpy as np
import pytest

from aiida_mliptransport.science.structures.anion_disorder import exchange_anions
from aiida_mliptransport.science.structures.site_orbits import site_orbits

from .crystals import argyrodite


@pytest.fixture(scope="module")
def supercell():
    """Return a 2 × 2 × 2 cell of Li6PS5Cl, its chloride sites and its free sulfide sites."""
    atoms = argyrodite().repeat(2)
    orbits = {(o.symbol, len(o.indices)): o.indices for o in site_orbits(atoms, without=["Li"])}
    return atoms, orbits["Cl", 32], orbits["S", 32]


@pytest.mark.parametrize(
    ("percentage", "exchanged"), [(0, 0), (25, 8), (50, 16), (100, 32), (33, 11)]
)
def test_a_percentage_gives_exact_counts_on_both_kinds_of_site(supercell, percentage, exchanged):
    atoms, chloride, sulfide = supercell
    built = exchange_anions(atoms, chloride, sulfide, percentage, seed=1)
    symbols = np.array(built.get_chemical_symbols())
    assert np.count_nonzero(symbols[list(chloride)] == "S") == exchanged
    assert np.count_nonzero(symbols[list(sulfide)] == "Cl") == exchanged
    assert built.symbols.formula.count() == atoms.symbols.formula.count()
    assert built.info["anion_exchange"]["exchanged"] == exchanged
    assert built.info["anion_exchange"]["wanted_percentage"] == percentage
    assert built.info["anion_exchange"]["built_percentage"] == pytest.approx(100 * exchanged / 32)


def test_all_other_atoms_and_the_input_stay(supercell) -> None:
    atoms, chloride, sulfide = supercell
    before = atoms.numbers.copy()
    built = exchange_anions(atoms, chloride, sulfide, 50, seed=1)
    others = np.setdiff1d(np.arange(len(atoms)), [*chloride, *sulfide])
    assert (built.numbers[others] == atoms.numbers[others]).all()
    assert (atoms.numbers == before).all()
    np.testing.assert_array_equal(built.positions, atoms.positions)


def test_one_seed_gives_one_result_and_another_another(supercell) -> None:
    once, again, other = (exchange_anions(*supercell, 50, seed=seed) for seed in (3, 3, 4))
    assert (once.numbers == again.numbers).all()
    assert (once.numbers != other.numbers).any()


def test_bad_input_is_refused(supercell) -> None:
    atoms, chloride, sulfide = supercell
    with pytest.raises(ValueError, match="percentage=120: expected 0 to 100"):
        exchange_anions(atoms, chloride, sulfide, 120, seed=0)
    with pytest.raises(ValueError, match="first and second share the sites"):
        exchange_anions(atoms, chloride, chloride, 50, seed=0)
    with pytest.raises(ValueError, match="first and second both hold Cl"):
        exchange_anions(atoms, chloride[:3], chloride[3:], 50, seed=0)
    with pytest.raises(ValueError, match=r"second holds \['Cl', 'S'\]: expected one element"):
        exchange_anions(atoms, chloride[:3], [*sulfide, chloride[4]], 50, seed=0)
    with pytest.raises(ValueError, match="first has 0 sites: expected one or more"):
        exchange_anions(atoms, [], sulfide, 50, seed=0)
    with pytest.raises(ValueError, match="expected indices of 0 to 415"):
        exchange_anions(atoms, [5000], sulfide, 50, seed=0)
