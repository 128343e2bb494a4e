"""Bonds lost by a cut."""

import numpy as np
import pytest

from aiida_mliptransport.science.structures.broken_bonds import (
    check_bonds,
    count_broken_bonds,
    join_bonded_groups,
)

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


def test_groups_that_a_face_divides_are_joined_by_moves_of_the_third_vector() -> None:
    crystal = lithium_carbonate()
    crystal.positions += 0.5 * np.asarray(crystal.cell)[2] / 2
    crystal.wrap()
    opened = crystal.copy()
    opened.pbc = (True, True, False)
    joined = join_bonded_groups(crystal, BONDS)
    moves = (joined.positions - crystal.positions) @ np.linalg.inv(np.asarray(crystal.cell))
    np.testing.assert_allclose(moves, np.rint(moves), atol=1e-9)
    np.testing.assert_allclose(moves[:, :2], 0.0, atol=1e-9)
    assert count_broken_bonds(opened, crystal, BONDS) > 0
    joined.pbc = (True, True, False)
    assert count_broken_bonds(joined, crystal, BONDS) == 0


@pytest.mark.parametrize("bonds", [{"CO": 1.6}, {("C", "Oo"): 1.6}, {("C", "O"): -1.0}])
def test_bad_bonds_are_refused(bonds) -> None:
    with pytest.raises(ValueError, match="expected two elements and the longest bond in Å"):
        check_bonds(bonds)
