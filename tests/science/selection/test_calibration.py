"""Conformal bounds on the force error: coverage, correlated frames, and what they refuse."""

import math

import numpy as np
import pytest

from aiida_mliptransport.science.selection import (
    calibrate_deviation,
    conformal_rank,
    effective_size,
    frame_scores,
    levels_from_calibration,
    pool_scores,
    pooled_size,
)

DRAWS = 2000


def binomial_error(coverage, draws=DRAWS):
    return math.sqrt(coverage * (1 - coverage) / draws)


def normal(rng, size):
    return np.abs(rng.normal(size=size))


def heavy(rng, size):
    """Return sizes without a variance, let alone higher moments: the tails of Student's t, ν=2."""
    return np.abs(rng.standard_t(2, size=size))


def covered(rng, noise, n, coverage):
    """Return how often a new frame lies within each bound; its error grows with its deviation."""
    deviation = np.exp(0.7 * rng.normal(size=(DRAWS, n + 1)))
    error = deviation * noise(rng, (DRAWS, n + 1)) + 1e-12
    above = below = 0
    for spread, wrong in zip(deviation, error, strict=True):
        bounds = calibrate_deviation(spread[:-1], wrong[:-1], coverage=coverage)
        above += wrong[-1] <= bounds.upper * spread[-1]
        below += wrong[-1] >= bounds.lower * spread[-1]
    return above / DRAWS, below / DRAWS


@pytest.mark.parametrize("noise", [normal, heavy])
@pytest.mark.parametrize(("n", "coverage"), [(20, 0.95), (60, 0.95), (60, 0.8)])
def test_the_bounds_hold_for_new_frames_as_often_as_they_promise(noise, n, coverage):
    rng = np.random.default_rng(n)
    exact = math.ceil((n + 1) * coverage) / (n + 1)
    for share in covered(rng, noise, n, coverage):
        assert share == pytest.approx(exact, abs=3.5 * binomial_error(exact))


@pytest.mark.parametrize(("n", "g"), [(60, 3.0), (200, 10.0)])
def test_correlated_frames_are_covered_when_their_effective_number_is_used(n, g):
    rng = np.random.default_rng(3)
    rho = (g - 1) / (g + 1)
    log_ratio = rng.normal(size=(DRAWS, n))
    for i in range(1, n):
        log_ratio[:, i] = rho * log_ratio[:, i - 1] + math.sqrt(1 - rho**2) * log_ratio[:, i]
    size = effective_size([np.arange(n)], [g])
    assert size < n / 2
    new = rng.normal(size=DRAWS)
    share = np.mean(
        [
            calibrate_deviation(np.ones(n), np.exp(row), n_independent=size).upper >= math.exp(x)
            for row, x in zip(log_ratio, new, strict=True)
        ]
    )
    assert share >= 0.95 - 2 * binomial_error(0.95)


def test_frames_chosen_for_their_deviation_would_promise_too_much():
    # The error grows more slowly than the deviation, so the chosen frames have small ratios.
    rng = np.random.default_rng(5)
    deviation = np.exp(rng.normal(size=4000))
    error = np.sqrt(deviation) * normal(rng, 4000) + 1e-12
    pool, new = slice(0, 2000), slice(2000, None)
    uniform = calibrate_deviation(deviation[pool][:100], error[pool][:100])
    chosen = np.argsort(-deviation[pool])[:100]
    selected = calibrate_deviation(deviation[pool][chosen], error[pool][chosen])

    def share(bounds):
        return np.mean(error[new] <= bounds.upper * deviation[new])

    assert share(uniform) == pytest.approx(0.95, abs=0.05)
    assert share(selected) < 0.8


def test_the_quantile_is_that_of_the_finite_sample():
    assert conformal_rank(100, 100, 0.95) == math.ceil(101 * 0.95)
    assert conformal_rank(19, 19, 0.95) == 19
    # 20 independent among 200: the largest of 20, so the largest of all.
    assert conformal_rank(200, 20, 0.95) == 200
    bounds = calibrate_deviation(np.ones(99), np.arange(1.0, 100.0), coverage=0.9)
    assert (bounds.lower, bounds.upper) == (10.0, 90.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conformal_rank(18, 18, 0.95), "expected 19 or more for a coverage of 0.95"),
        (lambda: conformal_rank(10, 11, 0.5), "expected 1 to 10"),
        (lambda: conformal_rank(10, 5, 1.0), "between 0 and 1"),
        (lambda: calibrate_deviation(np.zeros(30), np.ones(30)), "deviation is zero"),
        (lambda: calibrate_deviation(np.ones(30), np.ones((30, 2))), r"shape \(30,\)"),
        (lambda: pooled_size([10], [11.0]), "at most 10"),
        (lambda: pool_scores([]), "no frame"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scores_are_those_of_the_worst_atom_of_each_species():
    numbers = np.array([3, 3, 17])
    reference = np.zeros((2, 3, 3))
    reference[..., 0] = 2.0
    predicted = reference.copy()
    predicted[0, 1] += [0.0, 0.3, 0.4]
    predicted[1, 2, 2] -= 1.0
    deviation = np.array([[0.1, 0.2, 0.3], [0.4, 0.1, 0.2]])
    scores = frame_scores(deviation, predicted, reference, numbers)
    assert list(scores) == [3, 17]
    np.testing.assert_allclose(scores[3].deviation, [0.2, 0.4])
    np.testing.assert_allclose(scores[3].error, [0.5, 0.0])
    np.testing.assert_allclose(scores[17].error, [0.0, 1.0])
    assert scores[3].reference_rms == pytest.approx(2.0)
    both = pool_scores([scores[3], scores[3]])
    assert len(both.error) == 4
    assert both.reference_rms == pytest.approx(2.0)


def test_scores_refuse_other_atoms_and_broken_forces():
    forces = np.zeros((2, 3, 3))
    with pytest.raises(ValueError, match=r"predicted has shape \(2, 3, 3\), expected \(2, 2, 3\)"):
        frame_scores(np.zeros((2, 2)), forces, forces, np.array([3, 17]))
    broken = forces.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="predicted has NaN"):
        frame_scores(np.zeros((2, 3)), broken, forces, np.array([3, 3, 17]))


def test_draws_pool_to_what_a_mean_over_all_their_frames_would_have():
    assert pooled_size([10, 10], [10.0, 10.0]) == pytest.approx(20.0)
    # The mean of 10 frames worth 10 and of 10 worth 1 has the variance (0.1 + 1)/4.
    assert pooled_size([10, 10, 0], [10.0, 1.0, 0.0]) == pytest.approx(4 / 1.1)
    assert pooled_size([], []) == 0.0


def test_levels_call_few_frames_accurate_that_are_not():
    rng = np.random.default_rng(8)
    deviation = np.exp(rng.normal(size=(DRAWS, 61)))
    error = deviation * normal(rng, (DRAWS, 61)) + 1e-12
    wrong = hopeful = 0
    for spread, true in zip(deviation, error, strict=True):
        bounds = calibrate_deviation(spread[:-1], true[:-1])
        levels = levels_from_calibration(bounds, accurate_error=1.0, failed_error=3.0)
        wrong += spread[-1] < levels.low and true[-1] > 1.0
        hopeful += spread[-1] > levels.high and true[-1] < 3.0
    limit = 0.05 + 3 * binomial_error(0.05)
    assert 0 < wrong / DRAWS <= limit
    assert hopeful / DRAWS <= limit


def test_levels_need_errors_in_order():
    bounds = calibrate_deviation(np.ones(20), np.linspace(1.0, 2.0, 20))
    assert levels_from_calibration(bounds, 0.5, 1.0).low == pytest.approx(0.25)
    assert levels_from_calibration(bounds, 0.5, 1.0).high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="the first below the second"):
        levels_from_calibration(bounds, 1.0, 0.5)
