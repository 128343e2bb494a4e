"""Diversity: invariances of the descriptor, and what farthest point sampling picks and refuses."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aiida_mliptransport.science.selection import (
    displacement_tolerance,
    farthest_point_sampling,
    radial_descriptor,
)

PBC = np.ones(3, dtype=bool)
CELL = np.array([[8.0, 0, 0], [2.0, 8.0, 0], [-1.0, 1.5, 8.0]])
NUMBERS = np.array([3] * 6 + [17] * 6)


def describe(positions: np.ndarray, cell: np.ndarray = CELL) -> np.ndarray:
    return radial_descriptor(positions[None], cell[None], PBC, NUMBERS, species=[3, 17])[0]


def random_frame(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(12, 3)) @ CELL


def test_descriptor_ignores_permutation_rotation_translation_and_wrapping() -> None:
    frame, rng = random_frame(), np.random.default_rng(5)
    reference = describe(frame)
    order = np.concatenate([rng.permutation(6), 6 + rng.permutation(6)])
    turn = Rotation.random(rng=rng).as_matrix()
    shift = rng.integers(-3, 4, (12, 3)) @ CELL
    np.testing.assert_allclose(describe(frame[order]), reference, atol=1e-10)
    np.testing.assert_allclose(describe(frame @ turn.T, CELL @ turn.T), reference, atol=1e-10)
    np.testing.assert_allclose(describe(frame + np.array([1.0, 2.0, 3.0])), reference, atol=1e-10)
    np.testing.assert_allclose(describe(frame + shift), reference, atol=1e-10)


def test_descriptor_of_a_repeated_cell_is_the_same() -> None:
    frame = random_frame()
    double = np.concatenate([frame, frame + CELL[0]])
    cell = CELL * np.array([[2.0], [1.0], [1.0]])
    repeated = radial_descriptor(
        double[None], cell[None], PBC, np.tile(NUMBERS, 2), species=[3, 17]
    )
    np.testing.assert_allclose(repeated[0], describe(frame), atol=1e-10)


def test_exchange_of_unlike_atoms_changes_the_descriptor() -> None:
    frame = random_frame()
    swapped = frame[[6, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11]]
    assert np.linalg.norm(describe(swapped) - describe(frame)) > 0.01


def test_a_species_that_is_not_listed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"numbers hold \[17\].*species=\[3\]"):
        radial_descriptor(random_frame()[None], CELL[None], PBC, NUMBERS, species=[3])


def test_tolerance_grows_with_the_displacement_it_stands_for() -> None:
    small, large = (
        displacement_tolerance(
            random_frame(),
            CELL,
            PBC,
            NUMBERS,
            species=[3, 17],
            displacement=size,
            rng=np.random.default_rng(0),
        )
        for size in (0.005, 0.01)
    )
    assert large == pytest.approx(2 * small, rel=0.1)


def test_farthest_points_of_a_planted_square_are_its_corners() -> None:
    rng = np.random.default_rng(2)
    corners = np.array([[0, 0], [10, 0], [0, 10], [10, 10.0]])
    points = np.concatenate([rng.uniform(3, 7, (50, 2)), corners])
    assert sorted(farthest_point_sampling(points, 4).indices) == [50, 51, 52, 53]


def test_selection_is_deterministic() -> None:
    points = np.random.default_rng(3).normal(size=(200, 5))
    one, other = (farthest_point_sampling(points, 20).indices for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_duplicates_are_never_chosen_and_fewer_come_back() -> None:
    distinct = np.array([[0.0, 0], [1, 0], [0, 1]])
    points = np.concatenate([distinct, distinct + 1e-9, distinct])
    selection = farthest_point_sampling(points, 9)
    assert len(selection.indices) == 3
    assert len({tuple(np.round(points[i], 6)) for i in selection.indices}) == 3
    assert selection.near_duplicates == 6


def test_a_permuted_copy_of_a_frame_is_a_duplicate() -> None:
    frame = random_frame()
    copy = frame[[5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 10, 11]] + CELL[1]
    points = np.array([describe(frame), describe(copy), describe(random_frame(1))])
    assert sorted(farthest_point_sampling(points, 3).indices) in ([0, 2], [1, 2])


def test_frames_near_a_known_one_are_never_chosen() -> None:
    points = np.array([[0.0, 0], [0.05, 0], [3, 0], [5, 0]])
    selection = farthest_point_sampling(points, 4, known=np.array([[0.0, 0.02]]), tolerance=0.1)
    assert selection.indices.tolist() == [3, 2]
    assert selection.near_duplicates == 2
    np.testing.assert_allclose(selection.novelty, [np.hypot(5, 0.02), 2.0])


def test_weight_decides_between_frames_equally_far() -> None:
    points = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    weights = np.array([0.1, 0.2, 0.4, 0.3])
    chosen = farthest_point_sampling(points, 4, weights=weights, known=np.zeros((1, 2)))
    assert chosen.indices.tolist() == [2, 3, 1, 0]


def test_covering_radius_is_at_most_twice_the_best() -> None:
    rng = np.random.default_rng(4)
    centres = rng.uniform(-50, 50, (6, 3))
    points = (centres[:, None] + rng.uniform(-1, 1, (6, 30, 3))).reshape(-1, 3)
    chosen = points[farthest_point_sampling(points, 6).indices]
    nearest = np.linalg.norm(points[:, None] - chosen[None], axis=-1).min(axis=1)
    assert nearest.max() <= 2 * np.sqrt(3)


def test_no_candidates_give_an_empty_choice() -> None:
    assert len(farthest_point_sampling(np.empty((0, 4)), 3).indices) == 0


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"weights": np.array([1.0, np.nan])}, "one finite weight"),
        ({"weights": np.ones(3)}, r"shape \(3,\) for 2 candidates"),
        ({"known": np.zeros((1, 7))}, r"known \(1, 7\).*one d"),
        ({"tolerance": -1.0}, "tolerance=-1.0: neither may be negative"),
    ],
)
def test_senseless_sampling_is_refused(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        farthest_point_sampling(np.eye(2), 1, **keywords)  # type: ignore[arg-type]
