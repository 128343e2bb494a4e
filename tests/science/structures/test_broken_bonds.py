"""Bonds lost by a cut."""

import pytest

from aiida_mliptransport.science.structures.broken_bonds import check_bonds, count_broken_bonds

from .crystals import lithium_carbonate

BONDS = {("C", "O"): 1.6}


def test_a_missing_oxygen_is_one_broken_bond_of_carbon() -> None:
    crystal = lithium_carbonate()
    built = crystal.copy()
    del built[next(i for i, symbol in enumerate(crystal.symbols) if symbol == "O")]
    assert count_broken_bonds(crystal, crystal, BONDS) == 0
    assert count_broken_bonds(crystal.repeat((2, 1, 1)), crystal, BONDS) == 0
    assert count_broken_bonds(built, crystal, BONDS) == 1


def test_elements_that_are_absent_break_nothing() -> None:
    crystal = lithium_carbonate()
    assert count_broken_bonds(crystal, crystal, {("P", "S"): 2.4}) == 0


@pytest.mark.parametrize("bonds", [{"CO": 1.6}, {("C", "Oo"): 1.6}, {("C", "O"): -1.0}])
def test_bad_bonds_are_refused(bonds) -> None:
    with pytest.raises(ValueError, match="expected two elements and the longest bond in Å"):
        check_bonds(bonds)
