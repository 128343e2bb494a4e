"""Neighbour pairs against a brute-force sum over images."""

import itertools

import numpy as np
import pytest

from aiida_mliptransport.science.selection import cell_heights, closest_contacts, neighbour_pairs

SKEWED = np.array([[7.0, 0.0, 0.0], [5.6, 4.2, 0.0], [-4.9, 3.1, 5.0]])


def brute_force_distances(
    positions: np.ndarray, cell: np.ndarray, pbc: tuple[bool, bool, bool], cutoff: float
) -> np.ndarray:
    """Return all directed pair distances below the cutoff, from five images either way."""
    ranges = [range(-5, 6) if periodic else (0,) for periodic in pbc]
    found = []
    for shift in itertools.product(*ranges):
        delta = positions[None] + np.array(shift) @ cell - positions[:, None]
        distance = np.linalg.norm(delta, axis=-1)
        if not any(shift):
            distance = distance[~np.eye(len(positions), dtype=bool)]
        found.append(distance[distance <= cutoff].ravel())
    return np.sort(np.concatenate(found))


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, False, False)])
@pytest.mark.parametrize("seed", range(4))
def test_triclinic_distances_equal_brute_force_over_images(
    pbc: tuple[bool, bool, bool], seed: int
) -> None:
    positions = np.random.default_rng(seed).uniform(0, 6, (9, 3))
    pairs = neighbour_pairs(positions, SKEWED, np.array(pbc), 6.5)
    expected = brute_force_distances(positions, SKEWED, pbc, 6.5)
    np.testing.assert_allclose(np.sort(pairs.distance), expected, atol=1e-10)


def test_closest_contacts_in_a_skewed_cell_are_the_minimum_image_ones() -> None:
    rng = np.random.default_rng(7)
    positions = rng.uniform(size=(6, 3)) @ SKEWED
    numbers = np.array([3, 3, 3, 17, 17, 17])
    contacts = closest_contacts(neighbour_pairs(positions, SKEWED, np.ones(3), 8.0), numbers)
    for (a, b), distance in contacts.items():
        shortest = min(
            np.linalg.norm(positions[j] + np.array(shift) @ SKEWED - positions[i])
            for i, j in itertools.product(
                np.flatnonzero(numbers == a), np.flatnonzero(numbers == b)
            )
            for shift in itertools.product(range(-4, 5), repeat=3)
            if i != j or any(shift)
        )
        assert distance == pytest.approx(shortest)
    assert set(contacts) == {(3, 3), (3, 17), (17, 17)}


def test_unwrapped_positions_give_the_same_distances() -> None:
    rng = np.random.default_rng(3)
    positions = rng.uniform(0, 6, (8, 3))
    drifted = positions + rng.integers(-40, 40, (8, 3)) @ SKEWED
    one = neighbour_pairs(positions, SKEWED, np.ones(3), 5.0).distance
    other = neighbour_pairs(drifted, SKEWED, np.ones(3), 5.0).distance
    np.testing.assert_allclose(np.sort(other), np.sort(one), atol=1e-9)


def test_one_atom_sees_its_twelve_fcc_images() -> None:
    fcc = 4.0 * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    pairs = neighbour_pairs(np.zeros((1, 3)), fcc, np.ones(3), 3.0)
    assert len(pairs.distance) == 12
    np.testing.assert_allclose(pairs.distance, 4.0 / np.sqrt(2))


def test_atoms_without_a_cell_are_neighbours_when_not_periodic() -> None:
    pairs = neighbour_pairs(np.array([[0, 0, 0], [0, 0, 2.0]]), np.zeros((3, 3)), np.zeros(3), 3.0)
    np.testing.assert_allclose(pairs.distance, [2.0, 2.0])


def test_heights_are_plane_spacings_not_edges() -> None:
    cell = np.array([[4.0, 0, 0], [4.0, 3.0, 0], [0, 0, 5.0]])
    heights = cell_heights(cell, np.array([True, True, False]))
    np.testing.assert_allclose(heights, [4 * 3 / 5, 3.0, np.inf])


def test_a_flat_cell_is_refused_with_its_spacings() -> None:
    with pytest.raises(ValueError, match=r"plane spacings .*0.0.* collapsed or is flat"):
        neighbour_pairs(np.zeros((2, 3)), np.diag([5.0, 5.0, 0.0]), np.ones(3), 4.0)
