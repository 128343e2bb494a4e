"""Blind test: correlation of known processes, spacing and uniformity of draws, effective size."""

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.signal import lfilter

from aiida_mliptransport.science.selection import (
    blind_capacity,
    decorrelated_from,
    draw_blind,
    effective_size,
    statistical_inefficiency,
)


def autoregressive(rho: float, length: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=length + 1000)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise))[1000:]


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_statistical_inefficiency_of_an_autoregressive_series_is_the_analytic_one(
    rho: float,
) -> None:
    values = [statistical_inefficiency(autoregressive(rho, 100_000, s)) for s in range(3)]
    assert np.mean(values) == pytest.approx((1 + rho) / (1 - rho), rel=0.06)


def test_an_anticorrelated_series_counts_every_frame_once() -> None:
    assert statistical_inefficiency(autoregressive(-0.8, 5000)) == 1.0


@pytest.mark.parametrize("value", [0.0, -412.123456789])
def test_a_constant_series_is_worth_one_frame(value: float) -> None:
    assert statistical_inefficiency(np.full(50, value)) == 50.0


def test_one_frame_is_worth_itself() -> None:
    assert statistical_inefficiency(np.array([3.0])) == 1.0


def test_offset_and_scale_do_not_change_the_inefficiency() -> None:
    series = autoregressive(0.7, 2000)
    shifted = statistical_inefficiency(-1e4 + 1e-3 * series)
    assert shifted == pytest.approx(statistical_inefficiency(series), rel=1e-6)


def test_a_series_with_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="finite numbers: cut it at the explosion"):
        statistical_inefficiency(np.array([1.0, np.nan]))


def test_drawn_frames_are_ascending_and_spaced_by_the_correlation_length() -> None:
    for seed in range(50):
        drawn = draw_blind(100, 8, np.random.default_rng(seed), correlation_frames=9.3)
        assert np.all(np.diff(drawn) >= 10)
        assert drawn[0] >= 0
        assert drawn[-1] < 100


def test_every_spaced_set_is_drawn_equally_often() -> None:
    rng = np.random.default_rng(11)
    counts = Counter(tuple(draw_blind(7, 3, rng, 2.0).tolist()) for _ in range(10_000))
    possible = [
        chosen for chosen in itertools.combinations(range(7), 3) if np.all(np.diff(chosen) >= 2)
    ]
    assert sorted(counts) == possible
    expected = 10_000 / len(possible)
    assert all(abs(n - expected) < 5 * np.sqrt(expected) for n in counts.values())


def test_draws_are_repeated_by_the_same_seed() -> None:
    one, other = (draw_blind(500, 10, np.random.default_rng(4), 5) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_as_many_frames_as_fit_can_be_drawn_and_no_more() -> None:
    assert blind_capacity(10, 3.0) == 4
    drawn = draw_blind(10, 4, np.random.default_rng(0), 3.0)
    assert drawn.tolist() == [0, 3, 6, 9]
    with pytest.raises(ValueError, match=r"k=5: 10 frames with 3 between draws hold 0 to 4"):
        draw_blind(10, 5, np.random.default_rng(0), 3.0)


def test_an_empty_trajectory_gives_an_empty_draw() -> None:
    assert blind_capacity(0, 3.0) == 0
    assert len(draw_blind(0, 0, np.random.default_rng(0))) == 0


def test_candidates_next_to_a_blind_frame_are_not_decorrelated() -> None:
    allowed = decorrelated_from(np.array([0, 6, 10, 14, 15]), np.array([10]), 5.0)
    assert allowed.tolist() == [True, False, False, False, True]
    assert decorrelated_from(np.array([1, 2]), np.array([], dtype=int), 5.0).all()


def test_a_correlation_length_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"correlation_frames=0.5: expected .* 1 or more"):
        draw_blind(10, 2, np.random.default_rng(0), 0.5)


def test_independent_frames_of_several_trajectories_add_up() -> None:
    assert effective_size([np.arange(4), np.arange(6)], [1.0, 1.0]) == pytest.approx(10)


def test_frames_of_one_long_correlated_run_are_worth_their_number_over_g() -> None:
    assert effective_size([np.arange(2000)], [19.0]) == pytest.approx(2000 / 19, rel=0.01)


def test_frames_far_apart_are_worth_their_number() -> None:
    assert effective_size([np.arange(0, 1000, 100)], [5.0]) == pytest.approx(10, rel=1e-6)


def test_identical_frames_are_worth_one() -> None:
    assert effective_size([np.zeros(8)], [3.0]) == pytest.approx(1.0)


def test_an_empty_blind_test_is_worth_nothing() -> None:
    assert effective_size([], []) == 0.0


def test_effective_size_predicts_the_scatter_of_a_mean() -> None:
    rho, times = 0.8, np.array([0, 2, 3, 9, 20])
    means = [autoregressive(rho, 21, seed)[times].mean() for seed in range(4000)]
    expected = (1 / (1 - rho**2)) / effective_size([times], [(1 + rho) / (1 - rho)])
    assert np.var(means) == pytest.approx(expected, rel=0.1)
