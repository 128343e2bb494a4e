"""Molecules recognised in hand-made frames, their lives and the reactions between them."""

import numpy as np
import pytest
from synthetic_species import relay

from aiida_mliptransport.science.transport.bonds import BondRadii, follow_bonds
from aiida_mliptransport.science.transport.speciation import Speciation, speciate

#: Corners of a tetrahedron around its centre.
CORNERS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0)
BOND = 2.13


def _chloroaluminate(n_chlorides: int) -> np.ndarray:
    """Al and its Cl, (1 + n, 3) in Å."""
    return np.concatenate([np.zeros((1, 3)), BOND * CORNERS[:n_chlorides]])


def _bath(gap: float) -> tuple[list[str], np.ndarray]:
    """AlCl4, Al2Cl7, and AlCl3 whose Al is `gap` Å beyond the last Cl of a second AlCl4."""
    outward = CORNERS[3]
    mirrored = -_chloroaluminate(3) + 2 * BOND * outward
    molecules = [
        _chloroaluminate(4),
        np.concatenate([_chloroaluminate(4), mirrored]) + 9.0 * np.eye(3)[0],
        _chloroaluminate(4) + 9.0 * np.eye(3)[1],
        -_chloroaluminate(3) + (BOND + gap) * outward + 9.0 * np.eye(3)[1],
    ]
    symbols = [name for item in (4, 4, 3, 4, 3) for name in ["Al"] + ["Cl"] * item]
    return symbols, np.concatenate(molecules)


def _species(gaps: list[float]) -> Speciation:
    symbols = _bath(1.0)[0]
    frames = np.stack([_bath(gap)[1] for gap in gaps])
    cell = 18.0 * np.eye(3)
    # Wrapped, so that the cell cuts the molecules at its corners and edges.
    bonds = follow_bonds(frames % 18.0, symbols, cell, [BondRadii("Al", "Cl", 2.6, 3.2)], 0.5)
    return speciate(bonds, symbols, 0.5)


def test_chloroaluminate_ions_are_recognised_across_the_edges_of_the_cell() -> None:
    populations = _species([4.5, 4.5]).populations()
    assert {name: series.tolist() for name, series in populations.items()} == {
        "AlCl4": [2, 2],
        "Al2Cl7": [1, 1],
        "AlCl3": [1, 1],
    }


def test_aluminium_chloride_that_binds_and_recrosses_is_one_reaction() -> None:
    result = _species([4.5, 3.1, 2.7, 2.5, 2.8, 3.1, 2.7, 3.15, 2.13])
    assert [(item.frame, str(item)) for item in result.reactions] == [
        (3, "AlCl3 + AlCl4 -> Al2Cl7")
    ]
    np.testing.assert_array_equal(result.populations()["Al2Cl7"], [1] * 3 + [2] * 6)
    np.testing.assert_array_equal(result.populations()["AlCl3"], [1] * 3 + [0] * 6)


def test_an_aluminium_chloride_that_moves_between_two_anions_is_two_reactions() -> None:
    # Cl 12 and 13 belong to Al 0 and Al 2; the unit of Al 1 goes from the one to the other.
    ends = [(0, 12), (2, 13)]
    result = relay((4, [*ends, (1, 12)]), (2, ends), (6, [*ends, (1, 13)]))
    assert result.species == ("Al2Cl7", "AlCl3", "AlCl4")
    assert [(item.frame, str(item)) for item in result.reactions] == [
        (4, "Al2Cl7 -> AlCl3 + AlCl4"),
        (6, "AlCl3 + AlCl4 -> Al2Cl7"),
    ]
    populations = result.populations()
    np.testing.assert_array_equal(populations["Al2Cl7"], [1] * 4 + [0] * 2 + [1] * 6)
    np.testing.assert_array_equal(populations["AlCl4"], [1] * 4 + [2] * 2 + [1] * 6)
    np.testing.assert_array_equal(populations["AlCl3"], [0] * 4 + [1] * 2 + [0] * 6)


def test_lives_are_cut_where_the_trajectory_ends() -> None:
    ends = [(0, 12), (2, 13)]
    result = relay((4, [*ends, (1, 12)]), (2, ends), (6, [*ends, (1, 13)]))
    lives = [
        (item.molecule.formula, item.start, item.stop, item.birth_seen, item.death_seen)
        for item in result.lives
    ]
    assert sorted(lives) == [
        ("Al2Cl7", 0, 4, False, True),
        ("Al2Cl7", 6, 12, True, False),
        ("AlCl3", 4, 6, True, True),
        ("AlCl4", 0, 6, False, True),
        ("AlCl4", 4, 12, True, False),
    ]


def test_an_exchange_of_atoms_is_a_reaction_although_the_formulas_stay() -> None:
    first, second = [(0, 12), (1, 13)], [(0, 13), (1, 12)]
    result = relay((3, first), (3, second))
    assert [str(item) for item in result.reactions] == ["2 AlCl4 -> 2 AlCl4"]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        speciate([np.zeros((0, 2), dtype=int)], ["Al"], 1.0)
    with pytest.raises(ValueError, match="expected 0 to 1"):
        speciate([np.array([[0, 2]])] * 2, ["Al", "Cl"], 1.0)
    with pytest.raises(ValueError, match="dt_ps is 0"):
        speciate([], ["Al"], 0.0)
