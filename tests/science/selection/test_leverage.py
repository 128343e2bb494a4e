"""Leverage and log-det greedy against brute force, and the MaxVol grade's known values."""

import itertools
import time

import numpy as np
import pytest
from scipy.stats import special_ortho_group

from aiida_mliptransport.science.selection.leverage import (
    greedy_log_det,
    leverage,
    species_leverage,
)
from aiida_mliptransport.science.selection.maxvol import extrapolation_grade, maxvol_rows

RIDGE = 1e-2


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def log_det(rows: np.ndarray, design: np.ndarray, ridge: float = RIDGE) -> float:
    both = np.concatenate([rows, design])
    return float(np.linalg.slogdet(both.T @ both + ridge * np.eye(both.shape[1]))[1])


def test_leverage_is_the_quadratic_form_with_the_inverse() -> None:
    rows, design = normal(20, 5), normal(30, 5, seed=1)
    inverse = np.linalg.inv(design.T @ design + RIDGE * np.eye(5))
    expected = [x @ inverse @ x for x in rows]
    np.testing.assert_allclose(leverage(rows, design, ridge=RIDGE), expected, rtol=1e-10)


def test_leverages_of_the_design_itself_sum_to_its_rank() -> None:
    design = normal(30, 5)
    h = leverage(design, design, ridge=1e-12)
    assert h.sum() == pytest.approx(5)
    assert h.max() <= 1.0


def test_without_a_design_the_leverage_is_the_square_over_the_ridge() -> None:
    rows = normal(4, 3)
    expected = (rows**2).sum(axis=1) / RIDGE
    np.testing.assert_allclose(leverage(rows, np.empty((0, 3)), ridge=RIDGE), expected)


def test_each_species_is_judged_by_its_own_atoms() -> None:
    rows, design = normal(6, 4), normal(20, 4, seed=1)
    numbers, kinds = np.array([3, 3, 17, 17, 3, 8]), np.array([3] * 10 + [17] * 10)
    h = species_leverage(rows, numbers, design, kinds, ridge=RIDGE)
    np.testing.assert_allclose(h[[0, 1, 4]], leverage(rows[[0, 1, 4]], design[:10], ridge=RIDGE))
    np.testing.assert_allclose(h[[2, 3]], leverage(rows[[2, 3]], design[10:], ridge=RIDGE))
    assert h[5] == pytest.approx((rows[5] ** 2).sum() / RIDGE)


def test_gains_add_up_to_the_log_determinant() -> None:
    rows, design = normal(40, 6), normal(3, 6, seed=1)
    chosen = greedy_log_det(rows, 12, ridge=RIDGE, design=design)
    difference = log_det(rows[chosen.indices], design) - log_det(rows[:0], design)
    assert chosen.gains.sum() == pytest.approx(difference, rel=1e-9)
    assert (np.diff(chosen.gains) <= 1e-12).all()


def test_each_choice_is_the_best_by_brute_force() -> None:
    rows, design = normal(25, 4), normal(2, 4, seed=1)
    taken: list[int] = []
    for pick in greedy_log_det(rows, 10, ridge=RIDGE, design=design).indices:
        rest = [i for i in range(25) if i not in taken]
        best = max(rest, key=lambda i: log_det(rows[[*taken, i]], design))
        assert pick == best
        taken.append(int(pick))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_reaches_its_guaranteed_share_of_the_best_set(seed: int) -> None:
    rows = normal(10, 3, seed=seed)
    empty = rows[:0]
    start = log_det(empty, empty)
    best = max(log_det(rows[list(s)], empty) for s in itertools.combinations(range(10), 4))
    greedy = log_det(rows[greedy_log_det(rows, 4, ridge=RIDGE).indices], empty)
    assert greedy - start >= (1 - 1 / np.e) * (best - start)


def test_the_outlier_is_chosen_first_unless_the_design_knows_it() -> None:
    rows = normal(50, 4)
    rows[17] *= 20
    assert greedy_log_det(rows, 3, ridge=RIDGE).indices[0] == 17
    known = np.concatenate([normal(50, 4, seed=1), np.repeat(rows[17:18], 100, axis=0)])
    assert greedy_log_det(rows, 1, ridge=RIDGE, design=known).indices[0] != 17


def test_a_copy_waits_until_the_other_directions_are_chosen() -> None:
    basis = np.diag([5.0, 4.0, 3.0, 2.0])
    rows = np.concatenate([basis[:1], basis])
    order = greedy_log_det(rows, 5, ridge=1e-3).indices
    assert order.tolist() == [0, 2, 3, 4, 1]


def test_rotation_of_the_descriptor_changes_nothing() -> None:
    rows, design = normal(60, 6), normal(9, 6, seed=1)
    turn = special_ortho_group.rvs(6, random_state=2)
    np.testing.assert_allclose(
        leverage(rows @ turn, design @ turn, ridge=RIDGE), leverage(rows, design, ridge=RIDGE)
    )
    one = greedy_log_det(rows, 20, ridge=RIDGE, design=design)
    two = greedy_log_det(rows @ turn, 20, ridge=RIDGE, design=design @ turn)
    np.testing.assert_array_equal(one.indices, two.indices)


def test_a_heavier_row_comes_before_an_equal_one() -> None:
    rows = np.eye(3)
    order = greedy_log_det(rows, 3, ridge=RIDGE, weights=np.array([1.0, 3.0, 2.0])).indices
    assert order.tolist() == [1, 2, 0]


def test_hundred_choices_of_five_thousand_take_less_than_two_seconds() -> None:
    rows = normal(5000, 128)
    start = time.process_time()
    chosen = greedy_log_det(rows, 100, ridge=RIDGE)
    assert time.process_time() - start < 2.0
    assert len(set(chosen.indices.tolist())) == 100


def test_updates_stay_exact_when_more_rows_than_components_are_chosen() -> None:
    rows = normal(300, 5)
    chosen = greedy_log_det(rows, 200, ridge=1e-6)
    difference = log_det(rows[chosen.indices], rows[:0], 1e-6) - log_det(rows[:0], rows[:0], 1e-6)
    assert chosen.gains.sum() == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": 0.0}, "ridge=0.0: expected a positive number"),
        ({"design": np.ones((2, 3))}, r"rows \(5, 4\) and design \(2, 3\)"),
        ({"weights": np.array([1, 1, 1, 1, -1.0])}, "expected one finite weight"),
        ({"n_select": -1}, "n_select=-1"),
    ],
)
def test_senseless_input_is_refused(change: dict, message: str) -> None:
    arguments = {"rows": normal(5, 4), "n_select": 2, "ridge": RIDGE} | change
    with pytest.raises(ValueError, match=message):
        greedy_log_det(**arguments)


def test_not_finite_descriptors_are_refused() -> None:
    rows = normal(5, 4)
    rows[2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        leverage(rows, rows[:1], ridge=RIDGE)


def test_no_swap_enlarges_the_active_set_by_more_than_the_excess() -> None:
    design = normal(60, 4)
    active = maxvol_rows(design)
    volume = abs(np.linalg.det(design[active]))
    for row, place in itertools.product(range(60), range(4)):
        swapped = active.copy()
        swapped[place] = row
        assert abs(np.linalg.det(design[swapped])) <= 1.0101 * volume


def test_grade_is_at_most_one_within_the_design_and_grows_with_distance() -> None:
    design = normal(60, 4)
    assert extrapolation_grade(design, design).max() <= 1.0101
    outside = design[maxvol_rows(design)[:1]]
    np.testing.assert_allclose(extrapolation_grade(3 * outside, design), [3.0], rtol=1e-9)


def test_grade_against_a_rank_deficient_design_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has rank 2, expected 4"):
        extrapolation_grade(normal(3, 4), normal(2, 4))
