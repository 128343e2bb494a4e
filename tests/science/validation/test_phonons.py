"""Phonons of a diatomic chain, and of a crystal that is made unstable."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_masses

from aiida_mliptransport.science.validation import DisplacedCells, Evaluated
from aiida_mliptransport.science.validation.phonons import PhononCheck, supercell_of

from .lennard_jones import crystal, evaluate, without

SPACING, SPRING = 2.5, 3.0
#: √(eV/Å²/u)/2π in THz.
TO_THZ = 15.633302


def chain() -> Atoms:
    """Li and Cl in turn along x; chains are too far apart to see each other."""
    return Atoms("LiCl", [[0, 0, 0], [SPACING, 0, 0]], cell=[2 * SPACING, 8, 8], pbc=True)


def chain_forces(cell: Atoms) -> np.ndarray:
    """Springs between neighbours along x; atoms swing across in springs of their own."""
    order = np.argsort(cell.positions[:, 0])
    x = cell.positions[order, 0]
    gaps = np.diff(np.append(x, x[0] + cell.cell[0, 0])) - SPACING
    forces = np.zeros((len(cell), 3))
    forces[order, 0] = SPRING * (gaps - np.roll(gaps, 1))
    return forces


def test_a_diatomic_chain_has_its_two_branches():
    # C. Kittel, Introduction to Solid State Physics, ch. 4: two atoms per primitive basis.
    displaced = DisplacedCells(chain(), (4, 1, 1), 0.01)
    forces = [chain_forces(cell) for cell in displaced.cells()]
    wave = np.linspace(0, 0.5, 11)
    along = displaced.primitive_cell[:, 0] / (2 * SPACING)
    found = displaced.frequencies(forces, np.outer(wave, along))
    light, heavy = 1 / atomic_masses[3], 1 / atomic_masses[17]
    root = np.sqrt((light + heavy) ** 2 - 4 * light * heavy * np.sin(np.pi * wave) ** 2)
    for sign, place in ((1, -1), (-1, -2)):
        expected = TO_THZ * np.sqrt(np.maximum(SPRING * (light + heavy + sign * root), 0))
        np.testing.assert_allclose(np.sort(found, axis=1)[:, place], expected, atol=2e-3)


def test_forces_of_the_perfect_cell_are_no_part_of_the_springs():
    displaced = DisplacedCells(chain(), (4, 1, 1), 0.01)
    forces = [chain_forces(cell) for cell in displaced.cells()]
    strained = [force + 0.05 for force in forces]
    q_points = [[0.25, 0, 0]]
    np.testing.assert_allclose(
        displaced.frequencies(strained, q_points), displaced.frequencies(forces, q_points)
    )


def test_a_supercell_is_as_wide_as_asked_for():
    assert supercell_of(chain(), 8.0) == (2, 1, 1)
    assert supercell_of(chain(), 8.1) == (2, 2, 2)


CHECK = PhononCheck(
    width_A=3.0, displacement_A=0.005, n_points=20, max_rmse_THz=0.1, imaginary_THz=0.1
)


def test_a_labeller_that_binds_stronger_vibrates_faster():
    cells = {"ar": crystal()}
    built = CHECK.build(cells)
    ours, theirs = evaluate(built), evaluate(built, epsilon=1.21)
    lines = CHECK.compare("ar", cells, ours, theirs, {}).lines
    assert lines[1].potential / lines[1].labeller == pytest.approx(1 / 1.1, rel=1e-5)
    assert [line.verdict for line in lines] == ["fail", "fail", "pass"]
    same = CHECK.compare("ar", cells, ours, ours, {}).lines
    assert same[0].difference == 0
    assert [line.verdict for line in same] == ["pass", "pass", "pass"]
    gone = CHECK.compare("ar", cells, ours, without(theirs, 1), {}).lines
    assert "of 2 displaced cells have no forces" in gone[0].reason


def test_imaginary_modes_are_named():
    cells = {"ar": crystal()}
    ours = evaluate(CHECK.build(cells))
    turned = Evaluated(ours.energies, [-force for force in ours.forces], ours.stresses)
    line = CHECK.compare("ar", cells, turned, ours, {}).lines[-1]
    assert line.verdict == "fail"
    assert "imaginary modes on the path, the worst at q = (" in line.reason
    assert CHECK.compare("ar", cells, turned, turned, {}).lines[-1].verdict == "warn"
