"""Rates from counts: censoring, bursts, bounds, and the coverage of their intervals."""

import numpy as np
import pytest

from aiida_mliptransport.science.transport.event_rates import EventRate, estimate_event_rate


def _rate(frames: list[int], atoms: int = 1) -> EventRate:
    """Events of 50 atoms at risk in 1000 steps of 0.1 ps."""
    numbers = np.full(len(frames), atoms)
    return estimate_event_rate(np.array(frames, dtype=int), numbers, np.full(1000, 50), 0.1)


def test_two_atoms_of_one_reaction_are_one_independent_event() -> None:
    frames = np.linspace(10, 990, 40).astype(int).tolist()
    single, double = (_rate(frames, n) for n in (1, 2))
    assert double.rate_per_ps == pytest.approx(2 * single.rate_per_ps)
    assert double.n_independent == single.n_independent == 40
    assert double.standard_error_per_ps == pytest.approx(2 * single.standard_error_per_ps)
    assert single.rate_per_ps == pytest.approx(40 / (50 * 100.0))
    assert single.lifetime_ps == pytest.approx(125.0)


def test_bursts_widen_the_interval_and_are_named() -> None:
    rate = _rate([start + k for start in (100, 300, 610, 900) for k in range(20)])
    assert "bursts" in rate.warning
    assert rate.n_independent < 20
    assert rate.n_events == 80


def test_too_few_events_give_a_bound_and_the_length_needed() -> None:
    rate = _rate([])
    assert not rate.resolved
    assert rate.lifetime_ps is None
    # The Poisson mean for which none is seen with 5 % probability is 3.0.
    assert rate.upper_bound_per_ps == pytest.approx(-np.log(0.05) / (50 * 100.0))
    assert rate.needed_length_ps == pytest.approx(100.0 * 4 / -np.log(0.05))
    with pytest.raises(ValueError, match="not resolved"):
        rate.interval()


def test_a_bias_of_the_frames_that_is_larger_than_the_error_is_named() -> None:
    often = np.arange(1, 1001)
    assert not _rate([*range(10, 1000, 100)]).warning
    rate = estimate_event_rate(often, np.ones(1000, dtype=int), np.full(1000, 20), 1.0)
    assert rate.rate_per_ps == pytest.approx(0.05)
    assert "2.5 % or more; save frames more often" in rate.warning


def test_intervals_of_censored_exponential_lifetimes_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    n_sets, n_lives, lifetime, n_frames = 400, 12, 60.0, 90
    # Lives that begin at any time before the last frame and are cut there.
    births = rng.uniform(0, n_frames - 1, (n_sets, n_lives))
    deaths = births + rng.exponential(lifetime, births.shape)
    grid = np.arange(n_frames)[:, None, None]
    alive = (births <= grid) & (grid < deaths)
    ends = alive[:-1] & ~alive[1:]
    hits = resolved = 0
    for index in range(n_sets):
        frames = np.nonzero(ends[:, index])[0] + 1
        at_risk = alive[:-1, index].sum(axis=1)
        rate = estimate_event_rate(frames, np.ones(len(frames), dtype=int), at_risk, 1.0)
        if rate.resolved:
            resolved += 1
            low, high = rate.lifetime_interval()
            hits += low <= lifetime <= high
    assert 0.5 * n_sets < resolved
    assert 0.91 <= hits / resolved <= 0.985
