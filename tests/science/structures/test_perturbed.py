"""Perturbed cells: sizes of displacements, strains and volumes, and what is refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numpy.testing import assert_allclose, assert_array_equal

from aiida_mliptransport.science.structures.perturbed import (
    random_strain,
    rattle,
    strain,
    volume_ladder,
)

SALT = bulk("NaCl", "rocksalt", a=5.64).repeat((4, 4, 4))
TRICLINIC = Atoms(
    "LiCl",
    scaled_positions=[[0.1, 0.2, 0.3], [0.6, 0.5, 0.9]],
    cell=[[4.0, 0.1, 0.0], [0.7, 5.0, 0.3], [-0.4, 0.2, 6.0]],
    pbc=True,
)


def strain_between(before: Atoms, after: Atoms) -> np.ndarray:
    """Small-strain tensor from the two cells."""
    deformation = np.linalg.solve(before.cell.array, after.cell.array)
    assert_allclose(deformation, deformation.T, atol=1e-12)
    return deformation - np.eye(3)


def test_rattled_atoms_are_gaussian_and_the_centre_of_mass_stays():
    copies = rattle(SALT, stdev=0.1, n_structures=20, seed=1)
    moves = np.array([copy.positions - SALT.positions for copy in copies])
    assert moves.std() == pytest.approx(0.1, rel=0.02)
    # The fourth moment of a Gaussian is three times the variance squared.
    assert (moves**4).mean() == pytest.approx(3 * 0.1**4, rel=0.1)
    for copy in copies:
        assert_allclose(copy.get_center_of_mass(), SALT.get_center_of_mass(), atol=1e-10)


def test_strain_tensor_is_recovered_from_the_cell():
    voigt = [0.01, -0.02, 0.03, 0.04, -0.06, 0.02]
    (strained,) = strain(TRICLINIC, voigt)
    expected = [[0.01, 0.01, -0.03], [0.01, -0.02, 0.02], [-0.03, 0.02, 0.03]]
    assert_allclose(strain_between(TRICLINIC, strained), expected, atol=1e-12)
    assert_allclose(strained.get_scaled_positions(), TRICLINIC.get_scaled_positions(), atol=1e-12)


def test_several_strains_give_several_cells():
    cells = strain(TRICLINIC, np.diag([0.01] * 6))
    assert len(cells) == 6
    assert_allclose(strain_between(TRICLINIC, cells[1]), np.diag([0, 0.01, 0]), atol=1e-12)


def test_random_strains_are_symmetric_and_fill_the_range_up_to_the_maximum():
    cells = random_strain(TRICLINIC, maximum=0.05, n_structures=400, seed=2)
    tensors = np.array([strain_between(TRICLINIC, cell) for cell in cells])
    assert 0.049 < np.abs(tensors).max() <= 0.05
    # Uniform in ±0.05: the standard deviation of each component is 0.05/√3.
    assert_allclose(tensors.std(axis=0), 0.05 / np.sqrt(3), rtol=0.1)


def test_volumes_of_the_ladder_are_those_asked_for():
    asked = [0.9, 1.0, 1.1]
    cells = volume_ladder(TRICLINIC, asked)
    volumes = [cell.get_volume() / TRICLINIC.get_volume() for cell in cells]
    assert_allclose(volumes, asked, rtol=1e-12)
    for cell in cells:
        assert_allclose(cell.cell.angles(), TRICLINIC.cell.angles(), atol=1e-10)
        assert_allclose(cell.get_scaled_positions(), TRICLINIC.get_scaled_positions(), atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: rattle(TRICLINIC, stdev=0.1, n_structures=2, seed=seed),
        lambda seed: random_strain(TRICLINIC, maximum=0.1, n_structures=2, seed=seed),
    ],
)
def test_one_seed_gives_one_result_and_another_seed_another(make):
    first, again, other = make(5), make(5), make(6)
    for one, same, different in zip(first, again, other, strict=True):
        assert_array_equal(one.positions, same.positions)
        assert_array_equal(one.cell.array, same.cell.array)
        assert np.abs(one.positions - different.positions).max() > 1e-3
    assert np.abs(first[0].positions - first[1].positions).max() > 1e-3


def test_inputs_are_not_changed_and_info_is_kept():
    start = TRICLINIC.copy()
    start.info["charge"] = 0
    before = start.copy()
    made = (
        rattle(start, stdev=0.1, n_structures=1, seed=0)
        + random_strain(start, maximum=0.1, n_structures=1, seed=0)
        + volume_ladder(start, [1.1])
    )
    assert start == before
    assert [atoms.info for atoms in made] == [{"charge": 0}] * 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rattle(SALT, stdev=0.0, n_structures=1, seed=0), "stdev=0.0: expected a positive"),
        (lambda: rattle(SALT, stdev=0.1, n_structures=0, seed=0), "n_structures=0: expected"),
        (lambda: strain(SALT, [0.1, 0.1]), r"strains has shape \(2,\): expected .* \(n, 6\)"),
        (lambda: strain(SALT, [-1.5, 0, 0, 0, 0, 0]), "turns the cell inside out"),
        (lambda: strain(Atoms("He"), [0.1] * 6), "no volume"),
        (
            lambda: random_strain(SALT, maximum=0.5, n_structures=1, seed=0),
            "maximum=0.5: expected a strain above 0 and below 0.3",
        ),
        (lambda: volume_ladder(SALT, [0.9, -1.0]), "relative_volumes=.*expected positive"),
        (lambda: volume_ladder(Atoms("He"), [1.0]), "no volume"),
    ],
)
def test_bad_inputs_are_refused_with_their_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
