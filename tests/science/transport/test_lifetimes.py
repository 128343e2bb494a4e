"""Lifetimes of molecules whose decay is known, in spite of lives that the ends cut."""

import numpy as np
import pytest
from synthetic_species import relay, two_state

from aiida_mliptransport.science.transport.lifetimes import species_lifetimes, survival


def test_lives_that_go_on_count_as_time_at_risk() -> None:
    ends = [(0, 12), (2, 13)]
    result = relay((4, [*ends, (1, 12)]), (2, ends), (6, [*ends, (1, 13)]))
    decay = species_lifetimes(result)["Al2Cl7"]
    # Steps at risk: four of the first life, five of the second one, which goes on.
    assert decay.exposure_ps == pytest.approx(9 * 0.5)
    assert decay.n_events == 1
    assert not decay.resolved
    assert decay.lifetime_ps is None


def test_an_exchange_of_atoms_ends_two_lives() -> None:
    result = relay((3, [(0, 12), (1, 13)]), (3, [(0, 13), (1, 12)]))
    assert species_lifetimes(result)["AlCl4"].n_events == 2


def test_a_planted_decay_gives_its_lifetime() -> None:
    decay = species_lifetimes(two_state(4, 20, 1500, 0.02, 0.04))["AlCl"]
    assert decay.resolved
    low, high = decay.lifetime_interval(0.997)
    assert low < 25.0 < high
    assert high < 1.4 * low


def test_lives_of_few_frames_are_named_as_too_short_to_follow() -> None:
    rate = species_lifetimes(two_state(6, 10, 100, 0.3, 0.3))["AlCl"]
    assert "save frames more often" in rate.warning


def test_survival_of_born_lives_is_the_exponential_in_spite_of_censoring() -> None:
    result = two_state(5, 400, 60, 0.03, 0.03)
    times, probability = survival(result, "AlCl")
    censored = [item for item in result.lives if item.birth_seen and not item.death_seen]
    assert len(censored) > 50
    at = np.searchsorted(times, [10.0, 20.0, 40.0])
    np.testing.assert_allclose(probability[at], 0.97 ** np.array([10, 20, 40]), atol=0.06)
    with pytest.raises(ValueError, match="no birth of 'AlCl4'"):
        survival(result, "AlCl4")
