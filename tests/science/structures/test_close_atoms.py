"""Close atoms: refused, or merged if they are of one element."""

import numpy as np
import pytest
from ase import Atoms

from aiida_mliptransport.science.structures.close_atoms import merge_close_atoms


def cell(symbols: str, x: list[float]) -> Atoms:
    return Atoms(symbols, positions=[(value, 1.0, 1.0) for value in x], cell=[10.0] * 3, pbc=True)


def test_close_atoms_of_one_element_become_one_in_their_middle_across_the_boundary() -> None:
    atoms = cell("LiLiLiCl", [9.8, 0.2, 4.0, 7.0])
    assert merge_close_atoms(atoms, 1.0, "merge") == {"Li": 1}
    assert atoms.symbols.formula.count() == {"Li": 2, "Cl": 1}
    np.testing.assert_allclose(atoms.positions[:, 0] % 10.0, [0.0, 4.0, 7.0], atol=1e-12)


def test_three_in_a_row_become_one() -> None:
    atoms = cell("Li3", [4.0, 4.6, 5.2])
    assert merge_close_atoms(atoms, 1.0, "merge") == {"Li": 2}
    assert atoms.positions[0, 0] == pytest.approx(4.6)


def test_nothing_close_changes_nothing() -> None:
    atoms = cell("Li2", [4.0, 6.0])
    assert merge_close_atoms(atoms, 1.0, "refuse") == {}
    assert len(atoms) == 2


@pytest.mark.parametrize(
    ("symbols", "treatment", "message"),
    [
        ("Li2", "refuse", "1 pairs of atoms are nearer than .*Li–Li at 0.500 Å.*close_pairs="),
        ("LiCl", "merge", "1 pairs of atoms are nearer than .*at 0.500 Å.*another plane$"),
        ("Li2", "drop", "close_pairs='drop': expected 'refuse' or 'merge'"),
    ],
)
def test_others_are_refused(symbols, treatment, message) -> None:
    with pytest.raises(ValueError, match=message):
        merge_close_atoms(cell(symbols, [4.0, 4.5]), 1.0, treatment)
