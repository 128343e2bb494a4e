"""Conversions planted between AlCl4 and Al2Cl7, counted from the central Al."""

import numpy as np
import pytest
from synthetic_species import relay, two_state

from aiida_mliptransport.science.transport.bonds import BondRadii, follow_bonds
from aiida_mliptransport.science.transport.conversions import find_conversions
from aiida_mliptransport.science.transport.speciation import speciate


def test_conversions_are_counted_per_ps_and_central_atom_at_once_and_in_sum() -> None:
    ends = [(0, 12), (2, 13)]
    result = relay((4, [*ends, (1, 12)]), (2, ends), (6, [*ends, (1, 13)]))
    conversions = find_conversions(result, "Al")
    assert conversions.states == ("Al2Cl7", "AlCl3", "AlCl4")
    np.testing.assert_array_equal(conversions.counts, [[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(conversions.probabilities[0], [0.0, 0.5, 0.5])
    np.testing.assert_array_equal(conversions.cumulative("Al2Cl7", "AlCl4"), [0] * 4 + [1] * 8)
    np.testing.assert_array_equal(conversions.cumulative("Al2Cl7"), [0] * 4 + [2] * 8)
    # Two of three Al within half a ps.
    np.testing.assert_allclose(
        conversions.instantaneous("Al2Cl7"), [0] * 4 + [2 / 3 / 0.5] + [0] * 7
    )
    frequency = conversions.frequency("Al2Cl7")
    assert (frequency.n_events, frequency.exposure_ps) == (2, pytest.approx(11 * 0.5 * 3))
    rate = conversions.rate("Al2Cl7")
    # Two Al for four steps, and another two for five.
    assert (rate.n_events, rate.exposure_ps) == (2, pytest.approx((2 * 4 + 2 * 5) * 0.5))


def test_a_short_lived_intermediate_neither_hides_nor_makes_a_conversion() -> None:
    ends = [(0, 12), (1, 13)]
    bridged, product = [*ends, (1, 12)], [(0, 12), (1, 12)]
    attempt = relay((5, ends), (1, bridged), (5, ends))
    assert find_conversions(attempt, "Al").counts.sum() == 4
    assert find_conversions(attempt, "Al", ["AlCl4"]).counts.sum() == 0
    done = relay((5, ends), (1, bridged), (5, product))
    assert str(done.reactions[0]) == "2 AlCl4 -> Al2Cl8"
    assert find_conversions(done, "Al").counts.sum() == 4
    committed = find_conversions(done, "Al", ["AlCl4", "Al2Cl7"])
    np.testing.assert_array_equal(committed.counts, [[0, 2], [0, 0]])
    assert committed.cumulative("AlCl4")[5:7].tolist() == [0, 2]
    np.testing.assert_array_equal(committed.occupancy[[5, 6]], [[2, 0], [0, 2]])


@pytest.mark.medium
def test_recrossing_noise_makes_no_event_where_one_radius_would_count_hundreds() -> None:
    rng = np.random.default_rng(3)
    distance = np.where(np.arange(600) < 300, 2.2, 3.8)
    distance[100:500] = rng.uniform(2.65, 3.15, 400)
    distance[[250, 450]] = 2.5, 3.6
    frames = np.zeros((600, 2, 3))
    frames[:, 1, 0] = distance
    crossings = np.count_nonzero(np.diff(np.sign(distance - 2.9)))
    assert crossings > 100
    radii = [BondRadii("Al", "Cl", 2.6, 3.2)]
    bonds = follow_bonds(frames, ["Al", "Cl"], 20.0 * np.eye(3), radii, 0.1)
    conversions = find_conversions(speciate(bonds, ["Al", "Cl"], 0.1), "Al")
    np.testing.assert_array_equal(conversions.events, [[450, 1, 0, 1]])
    np.testing.assert_array_equal(conversions.cumulative("AlCl"), [0] * 450 + [1] * 150)


def test_an_exchange_of_atoms_converts_nothing() -> None:
    result = relay((3, [(0, 12), (1, 13)]), (3, [(0, 13), (1, 12)]))
    assert len(result.reactions) == 1
    assert find_conversions(result, "Al").counts.sum() == 0


@pytest.mark.medium
def test_two_state_species_have_their_rates_and_frequency() -> None:
    form, decay = 0.02, 0.04
    conversions = find_conversions(two_state(4, 20, 1500, form, decay), "Al")
    for rate, true in (
        (conversions.rate("Al", "AlCl"), form),
        (conversions.rate("AlCl"), decay),
        (conversions.frequency("Al", "AlCl"), form * decay / (form + decay)),
    ):
        assert rate.resolved
        assert rate.rate_per_ps == pytest.approx(true, abs=3 * rate.standard_error_per_ps)
        assert rate.standard_error_per_ps < 0.06 * true


def test_atoms_and_states_that_are_absent_are_refused() -> None:
    result = relay((3, []))
    with pytest.raises(ValueError, match="'Br'"):
        find_conversions(result, "Br")
    with pytest.raises(ValueError, match="Al9"):
        find_conversions(result, "Al", ["Al9"])
    with pytest.raises(ValueError, match="AlCl4"):
        find_conversions(result, "Al").rate("AlCl4")
