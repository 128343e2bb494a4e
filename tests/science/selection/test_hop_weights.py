"""Hop weights of planted hops, by displacement and by sites."""

import numpy as np
import pytest

from aiida_mliptransport.science.selection.hop_weights import (
    hop_weights_by_displacement,
    hop_weights_by_sites,
)
from aiida_mliptransport.science.transport.sites import Sites, assign_sites

JUMP = 3.0
HOP = 60


def planted_hop(n: int = 120, n_atoms: int = 4, noise: float = 0.15, at: int = HOP) -> np.ndarray:
    """Return atoms that rattle on sites along x; atom 2 jumps by one site at frame ``at``."""
    rng = np.random.default_rng(0)
    positions = rng.normal(scale=noise, size=(n, n_atoms, 3))
    positions[:, :, 0] += 2 * JUMP * np.arange(n_atoms)
    positions[at:, 2, 0] += JUMP
    return positions


def test_the_weight_peaks_at_the_planted_hop_and_nowhere_else() -> None:
    weights = hop_weights_by_displacement(planted_hop(), 0.1, 1.0, JUMP)
    assert weights.shape == (120, 4)
    frame, atom = np.unravel_index(np.argmax(weights), weights.shape)
    assert (abs(frame - HOP) <= 1, atom) == (True, 2)
    assert weights[HOP, 2] > 0.9
    elsewhere = weights.copy()
    elsewhere[HOP - 10 : HOP + 11, 2] = 0.0
    assert elsewhere.max() < 0.1


def test_the_weight_of_a_hop_without_noise_is_the_square_of_its_share() -> None:
    weights = hop_weights_by_displacement(planted_hop(noise=0.0), 0.1, 1.0, JUMP)[:, 2]
    # With k of 10 frames of a window beyond the hop, the means lie k tenths of a jump apart.
    expected = np.maximum(0.0, 1.0 - np.abs(np.arange(120) - HOP) / 10) ** 2
    np.testing.assert_allclose(weights, expected, atol=1e-12)


@pytest.mark.parametrize("at", [2, 117])
def test_a_hop_at_the_end_of_the_run_is_seen(at: int) -> None:
    weights = hop_weights_by_displacement(planted_hop(at=at), 0.1, 1.0, JUMP)
    assert np.unravel_index(np.argmax(weights), weights.shape)[1] == 2
    assert weights[at, 2] > 0.8


def test_a_drift_of_the_origin_of_coordinates_does_not_matter() -> None:
    one = hop_weights_by_displacement(planted_hop(), 0.1, 1.0, JUMP)
    two = hop_weights_by_displacement(planted_hop() + 100.0, 0.1, 1.0, JUMP)
    np.testing.assert_allclose(one, two, atol=1e-10)


def test_a_window_longer_than_half_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match=r"window_ps is 6.5.*expected 2 to 59 frames"):
        hop_weights_by_displacement(planted_hop(), 0.1, 6.5, JUMP)


def test_a_jump_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"jump_angstrom=0.0: expected a positive length"):
        hop_weights_by_displacement(planted_hop(), 0.1, 1.0, 0.0)


def on_the_way() -> np.ndarray:
    """Return one atom that moves evenly from site 0 to site 1 along x in ten frames, then rests."""
    path = np.zeros((16, 1, 3))
    path[:, 0, 0] = np.concatenate([np.zeros(3), np.linspace(0, JUMP, 11), [JUMP, JUMP]])
    return path


def line_of_sites() -> Sites:
    cell = np.diag([2 * JUMP, 10.0, 10.0])
    return Sites(np.array([[0.0, 0, 0], [JUMP, 0, 0]]), cell, ("a", "a"))


def test_the_weight_rises_with_the_distance_from_the_site_that_was_left() -> None:
    path = on_the_way()
    assignment = assign_sites(path, line_of_sites(), core_radius_angstrom=0.5)
    weights = hop_weights_by_sites(path, assignment, JUMP / 2)[:, 0]
    np.testing.assert_array_equal(weights[:4], 0.0)
    assert weights[8] == pytest.approx(1.0)  # half-way
    assert weights[6] == pytest.approx(0.4)  # at 0.9 Å, of a core of 0.5 and a reach of 1.5 Å
    np.testing.assert_array_equal(weights[-4:], 0.0)


def test_sites_in_another_periodic_cell_are_found() -> None:
    path = on_the_way() - np.array([5 * 2 * JUMP, 10.0, 0.0])
    assignment = assign_sites(path, line_of_sites(), core_radius_angstrom=0.5)
    here = hop_weights_by_sites(path, assignment, JUMP / 2)
    there = hop_weights_by_sites(
        on_the_way(), assign_sites(on_the_way(), line_of_sites(), 0.5), JUMP / 2
    )
    np.testing.assert_allclose(here, there, atol=1e-10)


def test_a_reach_within_the_core_is_refused() -> None:
    assignment = assign_sites(on_the_way(), line_of_sites(), core_radius_angstrom=0.5)
    with pytest.raises(ValueError, match=r"expected more than the core radius of 0.5 Å"):
        hop_weights_by_sites(on_the_way(), assignment, 0.4)
