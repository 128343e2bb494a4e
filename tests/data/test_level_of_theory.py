"""What a level of theory owes to the frames that bear it."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.data.frames import MixedLevelsOfTheoryError
from aiida_mliptransport.data.level_of_theory import (
    cell_widths,
    common_level,
    complete_level_of_theory,
)
from aiida_mliptransport.science.frames import Frames

GAMMA = {"engine": "tblite", "k_points": "gamma"}


def licl(repeat=1, scale=1.0, **info):
    atoms = bulk("LiCl", "rocksalt", a=5.13 * scale, cubic=True).repeat(repeat)
    atoms.info.update(info)
    return atoms


def complete(level, *images):
    return complete_level_of_theory(level, Frames.from_atoms(images))


def test_widths_are_the_distances_of_faces_and_not_the_edges():
    # A rhombic prism of 60 degrees: its faces are closer than its edges are long.
    cell = np.array([[2.0, 0.0, 0.0], [1.0, np.sqrt(3.0), 0.0], [0.0, 0.0, 5.0]])
    np.testing.assert_allclose(cell_widths(cell), [np.sqrt(3.0), np.sqrt(3.0), 5.0])


def test_a_narrow_gamma_only_cell_is_named_by_its_atoms():
    assert complete(GAMMA, licl())["gamma_cell_atoms"] == 8


def test_strained_cells_of_one_supercell_share_a_level():
    assert complete(GAMMA, licl(scale=0.97)) == complete(GAMMA, licl(scale=1.03))


def test_one_narrow_cell_makes_the_set_narrow():
    wide, narrow = licl(2, scale=1.0), licl(2, scale=0.95)
    assert "gamma_cell_atoms" not in complete(GAMMA, wide)
    assert complete(GAMMA, wide, narrow)["gamma_cell_atoms"] == 64


def test_narrow_cells_of_two_sizes_do_not_meet():
    with pytest.raises(MixedLevelsOfTheoryError, match=r"\[8, 64\] atoms"):
        complete(GAMMA, licl(), licl(2))


def test_sampled_or_isolated_systems_owe_no_cell():
    isolated = licl()
    isolated.pbc = False
    assert "gamma_cell_atoms" not in complete({"k_points": [2, 2, 2]}, licl())
    assert "gamma_cell_atoms" not in complete(GAMMA, isolated)


def test_charge_and_multiplicity_belong_to_the_level():
    level = complete(GAMMA, licl(charge=1, multiplicity=2))
    assert (level["charge"], level["multiplicity"]) == (1, 2)
    with pytest.raises(MixedLevelsOfTheoryError, match="charge, multiplicity"):
        complete(GAMMA, licl(), licl(charge=1))


def test_parts_have_a_common_level_up_to_the_cell():
    assert common_level({"a": {**GAMMA, "gamma_cell_atoms": 64}, "b": GAMMA}) == GAMMA
    with pytest.raises(MixedLevelsOfTheoryError, match="method: 'GFN1-xTB' and None"):
        common_level({"a": {**GAMMA, "method": "GFN1-xTB"}, "b": GAMMA})
