"""Supercells: number of atoms, shape and width."""

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.selection.neighbours import cell_heights
from aiida_mliptransport.science.structures.supercells import (
    supercell_of_size,
    supercell_of_width,
)

from .crystals import li3ticl6_sites, lithium_carbonate

PBC = np.ones(3, dtype=bool)


def heights(atoms) -> np.ndarray:
    return cell_heights(np.asarray(atoms.cell), PBC)


def test_four_primitive_cells_of_fcc_make_the_cube() -> None:
    cube = supercell_of_size(bulk("Cu", a=3.6), 4)
    assert len(cube) == 4
    np.testing.assert_allclose(cube.cell.lengths(), 3.6)
    np.testing.assert_allclose(cube.cell.angles(), 90.0)


def test_lithium_carbonate_of_1440_atoms_is_as_wide_as_its_3_5_4_supercell() -> None:
    cell = lithium_carbonate()
    built = supercell_of_size(cell, 1440)
    assert len(built) == 1440
    assert heights(built).min() >= heights(cell.repeat((3, 5, 4))).min() - 1e-9
    assert built.symbols.formula.count() == {"Li": 480, "C": 240, "O": 720}


@pytest.mark.parametrize("n_atoms", [20, 160, 320, 20000])
def test_cells_of_lithium_titanium_chloride_get_the_number_of_atoms(n_atoms: int) -> None:
    built = supercell_of_size(li3ticl6_sites(), n_atoms)
    assert len(built) == n_atoms
    assert set(built.arrays["labels"]) == {"2a", "4g", "2d", "8j", "4i"}


def test_the_nearest_multiple_of_the_cell_is_taken() -> None:
    assert len(supercell_of_size(li3ticl6_sites(), 171)) == 180


def test_tolerance_finds_the_cube_near_by() -> None:
    strict = supercell_of_size(bulk("Po", "sc", a=3.0), 26)
    free = supercell_of_size(bulk("Po", "sc", a=3.0), 26, tolerance=0.1)
    assert (len(strict), len(free)) == (26, 27)
    np.testing.assert_allclose(free.cell.lengths(), 9.0)


def test_the_matrix_in_info_makes_the_cell() -> None:
    cell = lithium_carbonate()
    built = supercell_of_size(cell, 500)
    matrix = np.array(built.info["supercell"])
    np.testing.assert_allclose(matrix @ np.asarray(cell.cell), np.asarray(built.cell), atol=1e-9)
    assert np.linalg.det(matrix) * 24 == pytest.approx(len(built))


def test_width_is_met_with_no_more_atoms_than_plain_repetition_needs() -> None:
    cell = bulk("Cu", a=3.6)
    built = supercell_of_width(cell, 7.0)
    assert heights(built).min() >= 7.0
    # Along each vector of the primitive cell the planes are 3.6/√3 Å apart: 4 × 4 × 4.
    assert len(built) < 64
    # The 2 × 2 × 2 cube of 32 atoms is wide enough; nothing below 7³ Å³ (30 atoms) can be.
    assert 30 <= len(built) <= 32


def test_a_cell_that_is_wide_enough_stays() -> None:
    cell = lithium_carbonate()
    assert len(supercell_of_width(cell, 4.9)) == 24


def test_a_needle_is_repeated_across_only() -> None:
    atoms = bulk("Po", "sc", a=3.0).repeat((1, 1, 20))
    built = supercell_of_width(atoms, 9.0)
    assert len(built) == 180
    np.testing.assert_allclose(np.sort(built.cell.lengths()), [9.0, 9.0, 60.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: supercell_of_size(c, 5), "n_atoms=5 is below half of the 24 atoms"),
        (lambda c: supercell_of_size(c, 48, tolerance=1.5), "tolerance=1.5: expected a share"),
        (lambda c: supercell_of_width(c, -3.0), "width=-3.0 Å: expected a positive length"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(lithium_carbonate())
