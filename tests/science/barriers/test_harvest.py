"""Planted hops are found, each with its kind, its ions and end points that show it."""

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.barriers import check_end_points, classify_hop, harvest_hops
from aiida_mliptransport.science.transport.site_density import find_sites
from aiida_mliptransport.science.transport.sites import Sites

from .planted import CELL, CORNERS, A, Crystal, X, Y, Z, corner, lattice_sites


def walking_vacancy(n_hops: int, seed: int = 3) -> Crystal:
    """A vacancy that changes places with a random neighbour every 40 frames."""
    rng = np.random.default_rng(seed)
    crystal = Crystal(40 * (n_hops + 1), vacant=((1, 1, 1),))
    hole = np.array([1, 1, 1])
    holder = {corner(*(crystal.start[ion] / A).round().astype(int)): ion for ion in range(63)}
    for hop in range(n_hops):
        step = rng.permutation(np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)]))[0]
        ion = holder.pop(corner(*(hole - step)))
        crystal.hop(40 * (hop + 1), ion, step)
        holder[corner(*hole)] = ion
        hole = (hole - step) % 4
    return crystal


def test_every_hop_of_a_vacancy_is_found_and_nothing_else() -> None:
    crystal = walking_vacancy(25)
    harvest = crystal.harvest()
    assert [hop.kind for hop in harvest.hops] == ["vacancy"] * 25
    assert [(hop.frame_after, hop.ions.tolist()) for hop in harvest.hops] == [
        (frame, [ion]) for frame, ion, _ in crystal.steps
    ]
    jumps = np.array([hop.vectors[0] for hop in harvest.hops])
    np.testing.assert_allclose(jumps, [step for _, _, step in crystal.steps], atol=1e-9)
    assert harvest.core_fraction > 0.99


def test_end_points_are_the_crystal_before_and_after_without_its_vibrations() -> None:
    crystal = walking_vacancy(8)
    width = 10
    lags = []
    for hop in crystal.harvest().hops:
        assert check_end_points(hop.end_points) == ()
        np.testing.assert_array_equal(hop.end_points.moving_ions(), hop.ions)
        for atoms, frame in (
            (hop.end_points.initial, hop.frame_after - 2),
            (hop.end_points.final, hop.frame_after),
        ):
            off = atoms.positions[:63] - crystal.places()[frame]
            # The framework keeps its place in the frame that moves with it.
            scatter = off.std()
            assert scatter < 1.2 * 0.15 / np.sqrt(width - 1)
            assert scatter > 0.7 * 0.15 / np.sqrt(width)
            lags.append(off[hop.ions[0]] @ hop.vectors[0] / A)
    # The frame in which the ion is half-way does not count: it would add 0.15 Å of ten frames.
    assert abs(np.mean(lags[::2])) < 0.06


def test_a_vibrating_crystal_has_no_hops() -> None:
    harvest = Crystal(500, vacant=((0, 0, 0),), sigma=0.25).harvest()
    assert harvest.hops == ()
    assert harvest.chance == 0.0


def test_a_return_within_the_window_is_no_hop_and_one_after_it_is_two() -> None:
    for rest, expected in ((6, 0), (30, 2)):
        crystal = Crystal(120, vacant=((1, 0, 0),))
        crystal.hop(40, crystal.ion(0, 0, 0), X)
        crystal.hop(40 + rest, crystal.ion(0, 0, 0), -X)
        assert len(crystal.harvest().hops) == expected


def test_a_passage_over_a_site_is_one_hop() -> None:
    crystal = Crystal(120, vacant=((1, 0, 0), (2, 0, 0)))
    crystal.hop(40, crystal.ion(0, 0, 0), X)
    crystal.hop(44, crystal.ion(0, 0, 0), X)
    (hop,) = crystal.harvest().hops
    assert (hop.kind, hop.lengths.tolist()) == ("vacancy", [pytest.approx(2 * A)])
    assert (hop.origins[0], hop.destinations[0]) == (corner(0, 0, 0), corner(2, 0, 0))


def test_a_hop_that_the_run_does_not_see_settled_is_left_out() -> None:
    crystal = Crystal(100, vacant=((1, 0, 0),))
    crystal.hop(95, crystal.ion(0, 0, 0), X)
    assert crystal.harvest().hops == ()


def test_a_knock_off_is_a_chain_in_its_order_through_the_face_of_the_cell() -> None:
    crystal = Crystal(120, vacant=((1, 2, 0),))
    # Each pushes the next, the last goes round a corner into the vacancy.
    pushing = [crystal.ion(3, 1, 0), crystal.ion(0, 1, 0), crystal.ion(1, 1, 0)]
    for delay, (ion, step) in enumerate(zip(pushing, (X, X, Y), strict=True)):
        crystal.hop(60 + 2 * delay, ion, step)
    (hop,) = crystal.harvest().hops
    assert hop.kind == "knock-off"
    assert hop.ions.tolist() == pushing
    assert hop.destinations[:-1].tolist() == hop.origins[1:].tolist()
    assert (hop.frame_before, hop.frame_after) == (59, 64)
    np.testing.assert_allclose(hop.vectors, A * np.array([X, X, Y]), atol=1e-9)
    np.testing.assert_array_equal(hop.end_points.moving_ions(), np.sort(pushing))
    assert check_end_points(hop.end_points) == ()


def test_a_ring_is_concerted() -> None:
    crystal = Crystal(120)
    ring = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    for place, step in zip(ring, (X, Y, -X, -Y), strict=True):
        crystal.hop(60, crystal.ion(*place), step)
    (hop,) = crystal.harvest().hops
    assert hop.kind == "concerted"
    assert len(hop.ions) == 4
    assert set(hop.origins.tolist()) == set(hop.destinations.tolist())


def test_two_ions_side_by_side_are_concerted() -> None:
    crystal = Crystal(120, vacant=((1, 0, 0), (1, 1, 0)))
    for place in ((0, 0, 0), (0, 1, 0)):
        crystal.hop(60, crystal.ion(*place), X)
    (hop,) = crystal.harvest().hops
    assert hop.kind == "concerted"
    assert len(hop.ions) == 2


def test_an_ion_that_returns_within_an_event_is_no_part_of_it() -> None:
    crystal = Crystal(140, vacant=((1, 0, 0), (1, 1, 0)))
    returning, leaving = crystal.ion(0, 0, 0), crystal.ion(0, 1, 0)
    crystal.hop(60, returning, X)
    crystal.hop(66, leaving, X)
    crystal.hop(72, returning, -X)
    (hop,) = crystal.harvest().hops
    assert (hop.kind, hop.ions.tolist()) == ("vacancy", [leaving])
    np.testing.assert_array_equal(hop.end_points.moving_ions(), [leaving])


def test_hops_far_apart_in_space_or_time_are_events_of_their_own() -> None:
    crystal = Crystal(160, vacant=((1, 0, 0), (3, 2, 2), (1, 1, 0)))
    near, far, later = (crystal.ion(*place) for place in ((0, 0, 0), (2, 2, 2), (0, 1, 0)))
    crystal.hop(60, near, X)
    crystal.hop(60, far, X)
    crystal.hop(100, later, X)
    hops = crystal.harvest().hops
    assert [hop.kind for hop in hops] == ["vacancy"] * 3
    assert [hop.ions.tolist() for hop in hops] == [[near], [far], [later]]
    # The end points of one show nothing of the other.
    assert [hop.end_points.moving_ions().tolist() for hop in hops] == [[near], [far], [later]]


def test_an_ion_between_interstitial_sites_is_an_interstitial() -> None:
    faces = np.array([[0.5, 0.5, 0.0]]) + CORNERS
    sites = Sites(
        A * np.concatenate([CORNERS, faces]), CELL, ("corner",) * 64 + ("interstitial",) * 64
    )
    crystal = Crystal(160, added=((0.5, 0.5, 0.0),), sigma=0.1)
    crystal.hop(40, crystal.n_ions - 1, X)
    crystal.hop(100, crystal.n_ions - 1, Y)
    hops = crystal.harvest(sites, core_radius_angstrom=0.9, interstitial_labels=["interstitial"])
    assert [hop.kind for hop in hops.hops] == ["interstitial"] * 2
    assert hops.hops[0].labels == (("interstitial", "interstitial"),)


def test_an_interstitial_that_takes_the_place_of_another_is_a_knock_off() -> None:
    faces = np.array([[0.5, 0.5, 0.0]]) + CORNERS
    sites = Sites(
        A * np.concatenate([CORNERS, faces]), CELL, ("corner",) * 64 + ("interstitial",) * 64
    )
    crystal = Crystal(100, added=((0.5, 0.5, 0.0),), sigma=0.1)
    pushed = crystal.ion(1, 1, 0)
    crystal.hop(50, crystal.n_ions - 1, np.array([0.5, 0.5, 0.0]))
    crystal.hop(51, pushed, np.array([0.5, 0.5, 0.0]))
    (hop,) = crystal.harvest(
        sites, core_radius_angstrom=0.9, interstitial_labels=["interstitial"]
    ).hops
    assert hop.kind == "knock-off"
    assert hop.ions.tolist() == [crystal.n_ions - 1, pushed]
    assert hop.labels == (("interstitial", "corner"), ("corner", "interstitial"))


def test_sites_that_are_found_by_density_give_the_same_hops() -> None:
    crystal = walking_vacancy(20)
    positions, _ = crystal.run()
    drift = positions[:, 63:].mean(axis=1, keepdims=True)
    sites = find_sites(positions[:, :63] - drift + drift[0], CELL)
    found = crystal.harvest(sites).hops
    assert [hop.ions.tolist() for hop in found] == [[ion] for _, ion, _ in crystal.steps]


def test_a_crystal_without_framework_can_be_harvested() -> None:
    metal = bulk("Cu", "sc", a=A, cubic=True).repeat(4)
    del metal[0]
    frames = np.tile(metal.positions, (60, 1, 1))
    frames[30:, 0, 2] -= A
    frames += 0.05 * np.random.default_rng(5).normal(size=frames.shape)
    (hop,) = harvest_hops(
        frames,
        CELL,
        metal.numbers,
        0.1,
        "Cu",
        lattice_sites(),
        core_radius_angstrom=1.0,
        window_ps=1.0,
        distance_angstrom=3.0,
    ).hops
    np.testing.assert_allclose(hop.vectors, [-A * Z], atol=1e-9)
    np.testing.assert_allclose(hop.environment[0, [0, 2]], A)


def test_kinds_by_their_sites() -> None:
    regular = [False] * 5 + [True]
    assert classify_hop([0], [1], interstitial=regular, occupied=False) == "vacancy"
    assert classify_hop([0], [1], interstitial=regular, occupied=True) == "interstitial"
    assert classify_hop([5], [1], interstitial=regular, occupied=False) == "interstitial"
    assert classify_hop([0, 1], [1, 2], interstitial=regular, occupied=False) == "knock-off"
    assert classify_hop([0, 1], [1, 0], interstitial=regular, occupied=False) == "concerted"
    assert classify_hop([0, 2], [1, 3], interstitial=regular, occupied=False) == "concerted"
    # A ring beside a lone hop has as many links as an open chain of all four.
    ring = classify_hop([0, 1, 2, 3], [1, 2, 0, 4], interstitial=regular, occupied=False)
    assert ring == "concerted"
    # Two ions end on one site.
    shared = classify_hop([0, 1, 2], [1, 2, 1], interstitial=regular, occupied=False)
    assert shared == "concerted"


def test_bad_input_is_refused_by_name() -> None:
    positions, numbers = Crystal(30).run()
    settings = {"core_radius_angstrom": 1.0, "window_ps": 1.0, "distance_angstrom": 3.0}
    with pytest.raises(ValueError, match=r"symbol='Na' is not in the run.*\['Cl', 'Li'\]"):
        harvest_hops(positions, CELL, numbers, 0.1, "Na", lattice_sites(), **settings)
    with pytest.raises(ValueError, match=r"positions of 128 atoms, 127 numbers"):
        harvest_hops(positions, CELL, numbers[1:], 0.1, "Li", lattice_sites(), **settings)
    with pytest.raises(ValueError, match="window_ps=0"):
        harvest_hops(
            positions, CELL, numbers, 0.1, "Li", lattice_sites(), **{**settings, "window_ps": 0}
        )
