"""Voids: their known places and radii in fcc and bcc."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import get_distances

from aiida_mliptransport.science.structures.voids import find_voids

A = 4.0


def fractional(voids, cell) -> list[tuple[float, ...]]:
    return sorted(
        tuple(np.round(v.position @ np.linalg.inv(np.asarray(cell)) % 1.0, 4)) for v in voids
    )


def test_fcc_has_its_octahedral_and_tetrahedral_voids() -> None:
    atoms = bulk("Cu", a=A, cubic=True)
    voids = find_voids(atoms, min_radius=1.0)
    octahedral, tetrahedral = voids[:4], voids[4:]
    assert {v.neighbours for v in octahedral} == {6}
    assert {v.neighbours for v in tetrahedral} == {4}
    assert len(tetrahedral) == 8
    assert [v.radius for v in octahedral] == pytest.approx([A / 2] * 4)
    assert [v.radius for v in tetrahedral] == pytest.approx([A * np.sqrt(3) / 4] * 8)
    assert fractional(octahedral, atoms.cell) == [
        (0.0, 0.0, 0.5),
        (0.0, 0.5, 0.0),
        (0.5, 0.0, 0.0),
        (0.5, 0.5, 0.5),
    ]
    np.testing.assert_allclose(np.array(fractional(tetrahedral, atoms.cell)) % 0.5, 0.25)


def test_the_primitive_cell_has_one_octahedral_and_two_tetrahedral_voids() -> None:
    voids = find_voids(bulk("Cu", a=A), min_radius=1.0)
    assert [v.neighbours for v in voids] == [6, 4, 4]
    assert [v.radius for v in voids] == pytest.approx([A / 2, *[A * np.sqrt(3) / 4] * 2])


def test_bcc_has_twelve_tetrahedral_voids() -> None:
    atoms = bulk("Fe", a=A, cubic=True)
    voids = find_voids(atoms, min_radius=1.0)
    assert len(voids) == 12
    assert [v.radius for v in voids] == pytest.approx([A * np.sqrt(5) / 4] * 12)
    assert (0.0, 0.25, 0.5) in fractional(voids, atoms.cell)


def test_a_vacancy_is_the_largest_void() -> None:
    atoms = bulk("Cu", a=A, cubic=True).repeat(2)
    place = atoms.positions[9].copy()
    del atoms[9]
    void = find_voids(atoms, min_radius=1.0)[0]
    np.testing.assert_allclose(void.position, place, atol=1e-5)
    assert (void.radius, void.neighbours) == (pytest.approx(A / np.sqrt(2)), 12)


def test_spheres_are_empty_in_a_disordered_skewed_cell() -> None:
    generator = np.random.default_rng(0)
    cell = np.array([[9.0, 0, 0], [3.0, 8.0, 0], [-2.0, 2.5, 7.0]])
    atoms = Atoms("Li20", scaled_positions=generator.uniform(size=(20, 3)), cell=cell, pbc=True)
    voids = find_voids(atoms, min_radius=1.5)
    assert len(voids) > 3
    for void in voids:
        probe = atoms.copy()
        probe.append("H")
        probe.positions[-1] = void.position
        nearest = probe.get_distances(20, list(range(20)), mic=True).min()
        assert nearest == pytest.approx(void.radius, abs=1e-5)
    assert [v.radius for v in voids] == sorted((v.radius for v in voids), reverse=True)
    # No point of a fine grid is farther from all atoms than the largest sphere is wide.
    grid = np.stack(np.meshgrid(*[np.arange(12) / 12] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    distances = get_distances(grid @ cell, atoms.positions, cell=cell, pbc=True)[1].min(axis=1)
    assert distances.max() <= voids[0].radius + 1e-9
    assert distances.max() > voids[0].radius - 1.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="min_radius=0 and merge_distance="):
        find_voids(bulk("Cu"), min_radius=0)
    with pytest.raises(ValueError, match="expected a crystal, periodic in three directions"):
        find_voids(Atoms("Li"), min_radius=1.0)
