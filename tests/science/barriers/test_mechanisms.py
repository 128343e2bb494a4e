"""Planted hops fall into as many mechanisms as there are, each with its exact count."""

import numpy as np
import pytest

from aiida_mliptransport.science.barriers import HarvestedHop, distinct_mechanisms
from aiida_mliptransport.science.transport.sites import Sites

from .planted import CELL, CORNERS, A, Crystal, X, Y, Z, corner


def mixed_crystal() -> Crystal:
    """Twelve hops to neighbours, six along a face diagonal, four knock-offs and three pairs."""
    vacant = ((0, 0, 0), (0, 2, 2), (1, 0, 3), (3, 2, 0), (3, 3, 0))
    crystal = Crystal(1700, vacant=vacant)
    neighbour, across = crystal.ion(1, 0, 0), crystal.ion(3, 1, 2)
    for hop in range(12):
        crystal.hop(60 + 60 * hop, neighbour, -X if hop % 2 == 0 else X)
    for hop in range(6):
        sense = 1 if hop % 2 == 0 else -1
        crystal.hop(820 + 60 * hop, across, sense * (X + Y))
    pusher, pushed = crystal.ion(1, 0, 1), crystal.ion(1, 0, 2)
    for hop in range(4):
        ions = (pushed, pusher) if hop % 2 == 0 else (pusher, pushed)
        for delay, ion in enumerate(ions):
            crystal.hop(1240 + 60 * hop + 2 * delay, ion, Z if hop % 2 == 0 else -Z)
    for hop in range(3):
        for place in ((2, 2, 0), (2, 3, 0)):
            crystal.hop(1500 + 60 * hop, crystal.ion(*place), X if hop % 2 == 0 else -X)
    return crystal


def test_hops_are_sorted_into_mechanisms_with_exact_counts() -> None:
    crystal = mixed_crystal()
    hops = crystal.harvest().hops
    mechanisms = distinct_mechanisms(hops)
    assert [(m.kind, m.n_ions, m.count) for m in mechanisms] == [
        ("vacancy", 1, 12),
        ("vacancy", 1, 6),
        ("knock-off", 2, 4),
        ("concerted", 2, 3),
    ]
    np.testing.assert_allclose(mechanisms[0].lengths, [A])
    np.testing.assert_allclose(mechanisms[1].lengths, [A * np.sqrt(2)])
    np.testing.assert_allclose(mechanisms[2].lengths, [A, A])
    assert [m.share for m in mechanisms] == pytest.approx([12 / 25, 6 / 25, 4 / 25, 3 / 25])
    for mechanism in mechanisms:
        assert isinstance(mechanism.representative, HarvestedHop)
        moving = mechanism.representative.end_points.moving_ions()
        assert len(moving) == mechanism.n_ions


def test_hops_of_several_runs_add_up() -> None:
    first, second = (mixed_crystal().harvest().hops for _ in range(2))
    assert [m.count for m in distinct_mechanisms([*first, *second])] == [24, 12, 8, 6]


def test_equal_lengths_through_different_windows_are_two_mechanisms() -> None:
    # Four anions make the window of each jump, but of the third one two are missing.
    crystal = Crystal(400, vacant=((0, 0, 0), (2, 2, 2)), without_anions=((2, 1, 1), (2, 2, 1)))
    crystal.hop(60, crystal.ion(1, 0, 0), -X)
    crystal.hop(160, crystal.ion(1, 0, 1), -Z)
    crystal.hop(260, crystal.ion(2, 2, 1), Z)
    hops = crystal.harvest().hops
    np.testing.assert_allclose([hop.lengths[0] for hop in hops], A)
    assert [m.count for m in distinct_mechanisms(hops)] == [2, 1]


def test_there_and_back_between_unlike_sites_is_one_mechanism() -> None:
    # Three of its eight anions are left round the vacancy, eight round every ion beside it.
    around = ((1, 1, 2), (2, 1, 2), (1, 2, 2), (2, 2, 2), (1, 1, 1))
    crystal = Crystal(400, vacant=((2, 2, 2),), without_anions=around)
    last, first = crystal.ion(2, 2, 1), crystal.ion(2, 2, 0)
    crystal.hop(60, last, Z)
    crystal.hop(120, last, -Z)
    for frame, ions, step in ((180, (last, first), Z), (240, (first, last), -Z)):
        for delay, ion in enumerate(ions):
            crystal.hop(frame + 2 * delay, ion, step)
    hops = crystal.harvest().hops
    assert np.ptp(hops[0].environment[0, [0, 2]], axis=0).max() > 1.0
    assert [(m.kind, m.count) for m in distinct_mechanisms(hops)] == [
        ("vacancy", 2),
        ("knock-off", 2),
    ]


def test_labels_of_sites_tell_mechanisms_apart_but_not_there_from_back() -> None:
    labels = ["plain"] * 64
    for place in ((1, 0, 0), (3, 2, 2)):
        labels[corner(*place)] = "special"
    crystal = Crystal(300, vacant=((1, 0, 0), (2, 2, 2)))
    moving = crystal.ion(0, 0, 0)
    crystal.hop(60, moving, X)
    crystal.hop(120, moving, -X)
    crystal.hop(180, crystal.ion(2, 2, 1), Z)
    sites = Sites(A * CORNERS.astype(float), CELL, tuple(labels))
    found = distinct_mechanisms(crystal.harvest(sites).hops)
    assert [(m.labels, m.count) for m in found] == [
        ((("plain", "special"),), 2),
        ((("plain", "plain"),), 1),
    ]


def test_the_representative_is_the_hop_nearest_to_the_mean() -> None:
    crystal = Crystal(300, vacant=((1, 0, 0),))
    ions = [crystal.ion(*place) for place in ((0, 0, 0), (3, 0, 0), (2, 0, 0))]
    # One vacancy goes down a row whose sites are not quite evenly spaced: 2.95, 3.00 and 3.05 Å.
    shift = np.zeros((64, 3))
    for place in ((0, 0, 0), (3, 0, 0)):
        shift[corner(*place), 0] = 0.05
    sites = Sites(A * CORNERS + shift, CELL, ("corner",) * 64)
    for turn, ion in enumerate(ions):
        crystal.hop(60 + 60 * turn, ion, X)
    (mechanism,) = distinct_mechanisms(crystal.harvest(sites).hops)
    assert mechanism.count == 3
    assert mechanism.lengths == pytest.approx(A)
    assert mechanism.representative.ions.tolist() == [ions[1]]


def test_the_tolerance_is_the_largest_difference_within_a_mechanism() -> None:
    hops = mixed_crystal().harvest().hops
    assert len(distinct_mechanisms(hops, tolerance_angstrom=2.0)) == 3
    with pytest.raises(ValueError, match="tolerance_angstrom is 0"):
        distinct_mechanisms(hops, tolerance_angstrom=0.0)


def test_sites_that_scatter_do_not_split_mechanisms() -> None:
    rng = np.random.default_rng(8)
    scattered = Sites(A * CORNERS + rng.normal(0.0, 0.05, CORNERS.shape), CELL, ("corner",) * 64)
    hops = mixed_crystal().harvest(scattered).hops
    assert [m.count for m in distinct_mechanisms(hops)] == [12, 6, 4, 3]


def test_no_hops_have_no_mechanism() -> None:
    assert distinct_mechanisms([]) == ()
