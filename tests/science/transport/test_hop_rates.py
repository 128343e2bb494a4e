"""Rates and residence times of hops with known ones, and how often intervals hold them."""

import numpy as np
import pytest
from hop_walks import A, cubic_sites, hop_list, poisson_hops, rattle

from aiida_mliptransport.science.transport.hop_rates import estimate_rate
from aiida_mliptransport.science.transport.hops import hops_between_sites, hops_by_displacement
from aiida_mliptransport.science.transport.sites import Sites, assign_sites


def test_rattling_inside_a_site_gives_no_hops_and_an_upper_bound() -> None:
    frames = rattle(5, np.tile(cubic_sites().positions[:10], (3000, 1, 1)), 0.3)
    for hops in (
        hops_between_sites(assign_sites(frames, cubic_sites(), 1.0), 0.1),
        hops_by_displacement(frames, 0.1, 2.0, A / 2),
    ):
        assert len(hops.ion) == 0
        rate = estimate_rate(hops)
        assert not rate.resolved
        assert rate.rate_per_ps is None
        # Poisson: exp(-x) = 0.05 at x = 2.996.
        assert rate.upper_bound_per_ps == pytest.approx(2.996 / hops.exposure_ps, rel=1e-3)
        assert rate.needed_length_ps >= 2 * hops.last_frame * 0.1
        with pytest.raises(ValueError, match="not resolved: 0 hops"):
            rate.interval()


def test_intervals_cut_by_the_ends_of_the_run_count_with_their_time() -> None:
    # Residence 200 ps in runs of 100 ps: complete intervals alone would give less than 50 ps.
    rng = np.random.default_rng(6)
    hops = poisson_hops(rng, 101, 400, 1 / 200)
    rate = estimate_rate(hops)
    assert rate.residence_ps == pytest.approx(200.0, abs=3 * rate.residence_error_ps)
    assert rate.residence_error_ps < 25.0
    assert rate.n_censored == 400 - np.count_nonzero(hops.frame == 100)
    same = hops.ion[1:] == hops.ion[:-1]
    assert np.diff(hops.frame)[same].mean() < 50.0


def test_residence_times_of_two_kinds_of_sites_are_told_apart() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), 10 * np.eye(3), ("tet", "oct"))
    draws = np.random.default_rng(7).random((4000, 10))
    state = np.zeros((4000, 10), dtype=int)
    for frame in range(1, 4000):
        old = state[frame - 1]
        state[frame] = old ^ (draws[frame] < np.where(old == 0, 0.1, 0.02))
    hops = hops_between_sites(assign_sites(sites.positions[state], sites, 1.0), 0.2)
    tet, octa = estimate_rate(hops, "tet"), estimate_rate(hops, "oct")
    assert tet.residence_ps == pytest.approx(0.2 / 0.1, abs=3 * tet.residence_error_ps)
    assert octa.residence_ps == pytest.approx(0.2 / 0.02, abs=3 * octa.residence_error_ps)
    assert octa.residence_error_ps < 1.0
    assert tet.exposure_ps + octa.exposure_ps == pytest.approx(hops.exposure_ps)
    with pytest.raises(ValueError, match=r"no site is labelled 'cub', expected one of"):
        estimate_rate(hops, "cub")


def test_three_hops_are_not_resolved_and_four_are() -> None:
    vectors = np.tile([A, 0.0, 0.0], (4, 1))
    frames = np.array([100, 350, 600, 850])
    three = estimate_rate(hop_list(np.zeros(3, dtype=int), frames[:3], vectors[:3], 1, 1001))
    four = estimate_rate(hop_list(np.zeros(4, dtype=int), frames, vectors, 1, 1001))
    assert not three.resolved
    assert "at least 4 are needed" in three.reason
    assert three.upper_bound_per_ps == pytest.approx(7.754 / 1000, rel=0.02)
    assert four.resolved
    # Jeffreys' interval for four counts: half of the χ² quantiles for nine freedoms.
    assert four.interval() == pytest.approx((1.3502e-3, 9.5114e-3), rel=1e-3)
    assert four.residence_interval() == pytest.approx((1e3 / 9.5114, 1e3 / 1.3502), rel=1e-3)


def test_residences_of_few_frames_give_a_warning() -> None:
    hops = poisson_hops(np.random.default_rng(9), 500, 10, 0.4)
    assert "hops between frames are missed" in estimate_rate(hops).warning
