"""Time to failure and energy drift against planted rates."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_mliptransport.science.validation import (
    EnergyDrift,
    StabilityLimits,
    drift_line,
    energy_drift,
    stability_line,
    time_to_failure,
)

LIMITS = StabilityLimits(min_mean_ps=100.0, max_drift_meV_atom_ps=0.05)


def test_no_failure_gives_a_lower_bound():
    found = time_to_failure([10.0] * 30, [False] * 30)
    # 1 − 0.95 = exp(−T/τ): the rule of three.
    assert found.low_ps == pytest.approx(300.0 / -np.log(0.05))
    assert (found.mean_ps, found.high_ps) == (None, None)
    assert stability_line("licl_300K", found, LIMITS).verdict == "pass"


def test_five_failures_have_the_interval_of_garwoods_table():
    found = time_to_failure([10.0] * 10, [True] * 5 + [False] * 5)
    # F. Garwood, Biometrika 28, 437 (1936): a count of 5 means 1.62 to 11.67 at 95 %.
    assert found.mean_ps == 20.0
    assert 100.0 / found.high_ps == pytest.approx(1.62, abs=0.01)
    assert 100.0 / found.low_ps == pytest.approx(11.67, abs=0.01)
    line = stability_line("licl_300K", found, LIMITS)
    assert (line.verdict, line.potential) == ("fail", 20.0)
    assert "5 of 10 runs failed in 100 ps" in line.reason


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        lives = rng.exponential(50.0, size=20)
        found = time_to_failure(np.minimum(lives, 30.0), lives < 30.0)
        held += found.low_ps <= 50.0 <= (found.high_ps or np.inf)
    assert held / 400 > 0.93


def test_few_runs_warn_instead_of_failing():
    line = stability_line("licl_300K", time_to_failure([10.0], [False]), LIMITS)
    assert line.verdict == "warn"
    assert "run more or longer" in line.reason


def test_bad_times_are_refused():
    for times, failed in (([], []), ([1.0], [True, False]), ([-1.0], [True]), ([0.0], [True])):
        with pytest.raises(ValueError, match="times_ps"):
            time_to_failure(times, failed)
    with pytest.raises(ValueError, match="level is 2"):
        time_to_failure([1.0], [True], level=2)


def drifting(slope, seed, n=2000):
    """Energy of 10 atoms with a slope in meV/atom/ps and correlated noise; times of 10 ps."""
    rng = np.random.default_rng(seed)
    noise = np.empty(n)
    noise[0] = rng.normal()
    for k in range(1, n):
        noise[k] = 0.9 * noise[k - 1] + np.sqrt(1 - 0.81) * rng.normal()
    times = np.linspace(0, 10, n)
    return times, 1e-3 * 10 * (slope * times + noise)


def test_a_planted_drift_comes_back_within_its_error():
    found = [energy_drift(*drifting(2.0, seed), 10) for seed in range(40)]
    slopes = np.array([drift.slope for drift in found])
    errors = np.array([drift.error for drift in found])
    assert abs(slopes.mean() - 2.0) < 3 * errors.mean() / np.sqrt(40)
    assert np.std(slopes) == pytest.approx(errors.mean(), rel=0.35)


def test_the_drift_of_several_runs_is_their_mean():
    line = drift_line("licl_300K", [EnergyDrift(0.02, 0.01), EnergyDrift(-0.04, 0.01)], LIMITS)
    assert line.difference == pytest.approx(-0.01)
    assert line.uncertainty == pytest.approx(0.01 / np.sqrt(2))
    assert line.verdict == "pass"
    assert drift_line("licl_300K", [], LIMITS).verdict == "not available"


def test_a_short_series_has_no_drift():
    with pytest.raises(ValueError, match="ten or more"):
        energy_drift([0, 1], [0, 1], 10)
    with pytest.raises(ValueError, match="not finite"):
        energy_drift(np.arange(20), np.full(20, np.nan), 10)
