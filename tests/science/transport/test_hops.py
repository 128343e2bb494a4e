"""Hops of walks on lattices are found, each and no others."""

import numpy as np
import pytest
from hop_walks import AXES, A, cubic_sites, hop_list, lattice_walk, poisson_hops, rattle

from aiida_mliptransport.science.transport.hops import (
    hops_between_sites,
    hops_by_displacement,
    jump_length_histogram,
)
from aiida_mliptransport.science.transport.sites import Sites, assign_sites


def test_every_hop_of_a_lattice_walk_is_found_in_spite_of_the_rattling() -> None:
    places, hops = lattice_walk(1, 1500, 12, 0.03)
    found = hops_between_sites(assign_sites(rattle(2, places, 0.2), cubic_sites(), 1.2), 0.5)
    ion, frame = np.nonzero(hops.T)
    np.testing.assert_array_equal(found.ion, ion)
    np.testing.assert_array_equal(found.frame, frame)
    np.testing.assert_allclose(found.starts, places[frame - 1, ion], atol=1e-9)
    jumps = places[frame, ion] - places[frame - 1, ion]
    np.testing.assert_allclose(found.vectors, jumps, atol=1e-9)
    np.testing.assert_allclose(found.lengths, A)
    assert (found.origin != found.destination).all()


def test_recrossings_of_the_boundary_between_two_sites_are_no_hops() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), 10 * np.eye(3), ("site",) * 2)
    x = [1.0, 2.3, 2.7, 2.3, 2.7, 1.2, 2.7, 2.3, 2.7, 3.8, 2.3, 2.7, 4.0, 4.1]
    path = np.stack([x, np.full(14, 5.0), np.full(14, 5.0)], axis=1)[:, None]
    hops = hops_between_sites(assign_sites(path, sites, 1.0), 1.0)
    nearest = np.abs(np.array(x)[:, None] - [1.0, 4.0]).argmin(axis=1)
    assert np.count_nonzero(np.diff(nearest)) == 9
    assert hops.frame.tolist() == [9]
    assert (hops.origin[0], hops.destination[0]) == (0, 1)


def test_a_hop_to_the_image_of_the_same_site_has_the_lattice_vector_as_its_jump() -> None:
    cell = np.array([[4.0, 0.0, 0.0], [1.5, 3.8, 0.0], [-1.0, 1.2, 4.1]])
    sites = Sites(np.array([[0.2, 0.1, 3.0]]), cell, ("site",))
    path = sites.positions[0] + np.array([[0, 0, 0], [0, 1, 0], [-1, 1, 0], [-1, 1, 1]]) @ cell
    hops = hops_between_sites(assign_sites(path[:, None], sites, 1.5), 1.0)
    np.testing.assert_allclose(hops.vectors, [cell[1], -cell[0], cell[2]], atol=1e-12)


def test_an_ion_is_watched_from_its_first_core_on() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), 10 * np.eye(3), ("site",) * 2)
    frames = np.full((11, 2, 3), 5.0)
    frames[:, :, 0] = 7.0
    frames[4:, 0, 0] = 1.0
    frames[8:, 0, 0] = 4.0
    hops = hops_between_sites(assign_sites(frames, sites, 1.0), 0.5)
    assert hops.frame.tolist() == [8]
    assert hops.exposure_ps == pytest.approx(0.5 * 6)
    assert hops.first_frame.tolist() == [4, 10]


def test_detection_without_sites_finds_the_hops_of_the_sites() -> None:
    rng = np.random.default_rng(14)
    # Hops at least 100 frames apart, so that no two share a window of 20.
    frame = 120 * np.arange(1, 16) + rng.integers(-10, 11, size=(8, 15))
    steps = np.zeros((2000, 8, 3))
    steps[frame, np.arange(8)[:, None]] = A * AXES[rng.integers(0, 6, size=frame.shape)]
    places = np.cumsum(steps, axis=0) + np.array([0.1, 0.2, 0.3])
    frames = rattle(15, places, 0.2)
    free = hops_by_displacement(frames, 0.1, 2.0, A / 2)
    bound = hops_between_sites(assign_sites(frames, cubic_sites(), 1.2), 0.1)
    np.testing.assert_array_equal(free.ion, bound.ion)
    assert np.abs(free.frame - bound.frame).max() <= 1
    np.testing.assert_allclose(free.vectors, bound.vectors, atol=5 * 0.2 * np.sqrt(2 / 20))
    np.testing.assert_allclose(free.starts, bound.starts, atol=5 * 0.2 / np.sqrt(20))
    assert len(free.ion) == 8 * 15


def test_a_threshold_that_noise_would_pass_is_refused() -> None:
    frames = rattle(16, np.zeros((500, 5, 3)), 1.0)
    with pytest.raises(ValueError, match=r"threshold_angstrom is 1\.2.* longer window_ps"):
        hops_by_displacement(frames, 0.1, 1.0, 1.2)
    with pytest.raises(ValueError, match="window 1 frames"):
        hops_by_displacement(frames, 0.1, 0.1, 9.0)


def test_jump_lengths_are_counted_in_bins_about_them() -> None:
    vectors = np.concatenate([np.tile([A, 0, 0], (30, 1)), np.tile([A, A, 0], (12, 1))])
    hops = hop_list(np.zeros(42, dtype=int), np.arange(1, 43), vectors, 1, 100)
    histogram = jump_length_histogram(hops, 0.1)
    filled = np.flatnonzero(histogram.counts)
    np.testing.assert_allclose(histogram.centres_angstrom[filled], [2.5, 3.5])
    assert histogram.counts[filled].tolist() == [30, 12]
    np.testing.assert_allclose(histogram.errors[filled], np.sqrt([30, 12]))


def test_bad_input_is_refused_by_name() -> None:
    assignment = assign_sites(np.zeros((5, 1, 3)), cubic_sites(), 1.0)
    with pytest.raises(ValueError, match="dt_ps is 0"):
        hops_between_sites(assignment, 0.0)
    with pytest.raises(ValueError, match=r"positions have shape \(5, 3\)"):
        hops_by_displacement(np.zeros((5, 3)), 0.1, 1.0, 1.0)
    hops = poisson_hops(np.random.default_rng(23), 100, 5, 0.02)
    with pytest.raises(ValueError, match="bin_width_angstrom is -1"):
        jump_length_histogram(hops, -1.0)
