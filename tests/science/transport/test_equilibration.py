"""Whether a run has equilibrated, and from when."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from aiida_mliptransport.science.transport.equilibration import (
    check_equilibration,
    statistical_inefficiency,
)

RELAXATION = 10.0
N_FRAMES = 2000


def stationary(rng: np.random.Generator, n_frames: int = N_FRAMES) -> np.ndarray:
    """Autoregressive series of unit variance."""
    rho, burn_in = np.exp(-1.0 / RELAXATION), 500
    noise = rng.normal(size=n_frames + burn_in) * np.sqrt(1.0 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise)[burn_in:]


@pytest.mark.medium
def test_stationary_series_pass_but_for_one_in_a_hundred() -> None:
    rng = np.random.default_rng(1)
    passed = [check_equilibration(stationary(rng)).equilibrated for _ in range(300)]
    assert 0.965 <= np.mean(passed) <= 1.0


def test_a_transient_is_left_out() -> None:
    rng = np.random.default_rng(2)
    decay = 5.0 * np.exp(-np.arange(N_FRAMES) / (0.1 * N_FRAMES))
    checks = [check_equilibration(stationary(rng) + decay) for _ in range(60)]
    assert np.mean([check.equilibrated for check in checks]) > 0.85
    # e^-1 of it, 1.8 standard deviations, is left after a tenth.
    assert all(check.start >= 0.1 * N_FRAMES for check in checks)
    assert np.mean([check.start for check in checks]) < 0.35 * N_FRAMES


def test_a_steady_drift_never_passes_as_equilibrated() -> None:
    rng = np.random.default_rng(3)
    drift = 8.0 * np.arange(N_FRAMES) / N_FRAMES
    checks = [check_equilibration(stationary(rng) + drift) for _ in range(60)]
    assert np.mean([check.equilibrated for check in checks]) < 0.05
    assert all("equilibrate longer" in c.reason for c in checks if not c.equilibrated)


def test_the_drift_and_its_error_are_those_of_a_known_line() -> None:
    rng = np.random.default_rng(4)
    found = check_equilibration(rng.normal(size=20000) + 0.05 * np.arange(20000) / 20000)
    assert found.equilibrated
    assert found.drift == pytest.approx(0.05, abs=4 * found.drift_error)
    # Error of the slope over the unit interval: sqrt(12 / n).
    assert found.drift_error == pytest.approx(np.sqrt(12 / 20000), rel=0.5)


def test_a_run_shorter_than_its_relaxation_says_so() -> None:
    walk = np.cumsum(np.random.default_rng(5).normal(size=(40, 400)), axis=1)
    checks = [check_equilibration(series) for series in walk]
    assert np.mean([check.equilibrated for check in checks]) <= 0.15
    assert any("too short to see a trend" in check.reason for check in checks)


def test_a_handful_of_values_says_nothing() -> None:
    found = check_equilibration(np.zeros(10))
    assert not found.equilibrated
    assert "10 values are too few" in found.reason


def test_the_statistical_inefficiency_of_an_autoregressive_series() -> None:
    rng = np.random.default_rng(6)
    rho = np.exp(-1.0 / RELAXATION)
    known = (1.0 + rho) / (1.0 - rho)
    values = [statistical_inefficiency(stationary(rng, 20000)) for _ in range(20)]
    assert np.mean(values) == pytest.approx(known, rel=0.1)
    assert statistical_inefficiency(rng.normal(size=5000)) == pytest.approx(1.0, abs=0.2)


def test_a_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="series"):
        check_equilibration([1.0, np.nan, 2.0])
