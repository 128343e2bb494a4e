"""Occupancies of exchanging sites are known, and so is how often their intervals hold them."""

import numpy as np
import pytest

from aiida_mliptransport.science.transport.site_occupancies import site_occupancies
from aiida_mliptransport.science.transport.sites import Sites, assign_sites

CUBE = 10.0 * np.eye(3)


def _two_states(seed: int, shape: tuple[int, int, int], out: float, back: float) -> np.ndarray:
    """Sites 0 and 1 in (runs, frames, ions), left with these probabilities in each frame."""
    rng = np.random.default_rng(seed)
    draws = rng.random(shape)
    state = np.empty(shape, dtype=int)
    state[:, 0] = draws[:, 0] < out / (out + back)
    for frame in range(1, shape[1]):
        old = state[:, frame - 1]
        state[:, frame] = old ^ (draws[:, frame] < np.where(old == 0, out, back))
    return state


def test_occupancies_of_two_exchanging_sites_are_known_and_their_intervals_cover() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), CUBE, ("low", "high"))
    hits = 0
    for states in _two_states(9, (150, 400, 8), 0.2, 0.1):
        result = site_occupancies(assign_sites(sites.positions[states], sites, 1.0))
        assert result.mean.sum() == pytest.approx(8.0)
        assert result.resolved.all()
        low, high = result.interval()[:, 1]
        hits += low <= 16 / 3 <= high
    assert 0.89 <= hits / 150 <= 0.985


def test_a_site_of_few_visits_is_not_resolved() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), CUBE, ("main", "rare"))
    state = np.zeros((1000, 1), dtype=int)
    state[30::50] = 1
    result = site_occupancies(assign_sites(sites.positions[state], sites, 1.0))
    assert result.n_departures.tolist() == [20, 20]
    assert result.mean.tolist() == [0.98, 0.02]
    assert not result.resolved.any()
    assert np.isnan(result.interval()).all()


def test_an_occupancy_over_few_residence_times_is_not_resolved() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), CUBE, ("low", "high"))
    states = _two_states(10, (1, 1000, 8), 0.1, 0.01)[0]
    result = site_occupancies(assign_sites(sites.positions[states], sites, 1.0))
    # About 10 residence times on the second site, about 100 on the first.
    assert result.resolved.tolist() == [True, False]
    assert np.isnan(result.standard_error[1])
    assert result.n_departures[1] == pytest.approx(8 * 10 / 1.1, rel=0.3)


def test_occupancies_without_exchange_have_no_error() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), CUBE, ("site",) * 2)
    result = site_occupancies(assign_sites(np.tile(sites.positions[:1], (50, 1, 1)), sites, 1.0))
    assert result.mean.tolist() == [1.0, 0.0]
    assert not result.resolved.any()
    assert np.isnan(result.standard_error).all()
