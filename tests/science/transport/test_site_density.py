"""Sites of known places are found in their density, in cells of any shape."""

import numpy as np
import pytest

from aiida_mliptransport.science.transport.reference import framework, remove_drift
from aiida_mliptransport.science.transport.site_density import find_sites
from aiida_mliptransport.science.transport.sites import assign_sites

TRICLINIC = np.array([[9.0, 0.0, 0.0], [3.0, 8.0, 0.0], [-2.0, 2.5, 8.5]])
SCALED = np.array([[0.02, 0.01, 0.98], [0.5, 0.5, 0.5], [0.5, 0.02, 0.25], [0.1, 0.6, 0.75]])
CUBE = 10.0 * np.eye(3)


def _rattle(seed: int, places: np.ndarray, n_frames: int, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n_frames, len(places), 3))
    return places + sigma * noise


def _nearest(found: np.ndarray, expected: np.ndarray, cell: np.ndarray) -> np.ndarray:
    found = found @ np.linalg.inv(cell) % 1.0 @ cell
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    gaps = found[:, None, None] - expected[None, :, None] + (shifts @ cell)[None, None]
    return np.linalg.norm(gaps, axis=3).min(axis=2)


@pytest.mark.parametrize("skew", [0, 1, 7])
def test_density_maxima_are_the_sites_in_every_basis_of_the_lattice(skew: int) -> None:
    basis = np.array([[1, 0, 0], [skew, 1, 0], [-skew, skew, 1]])
    frames = _rattle(1, SCALED @ TRICLINIC, 1500, 0.3)
    sites = find_sites(frames, basis @ TRICLINIC)
    gaps = _nearest(sites.positions, SCALED @ TRICLINIC, TRICLINIC)
    assert len(sites.positions) == 4
    assert set(gaps.argmin(axis=1)) == {0, 1, 2, 3}
    # The centroid of 1500 positions scatters by 0.3/√1500 = 0.008 Å in each direction.
    assert gaps.min(axis=1).max() < 0.04
    scaled = sites.positions @ np.linalg.inv(basis @ TRICLINIC)
    assert (scaled >= 0.0).all()
    assert (scaled < 1.0).all()


def test_sites_are_found_relative_to_a_drifting_framework() -> None:
    ions = _rattle(2, SCALED @ TRICLINIC, 800, 0.2)
    host = _rattle(3, np.array([[1.0, 1.0, 1.0], [5.0, 5.0, 5.0]]), 800, 0.001)
    moving = np.concatenate([ions, host], axis=1) + 0.02 * np.arange(800)[:, None, None]
    still = remove_drift(moving, ["Li"] * 4 + ["O"] * 2, framework("O"))[:, :4]
    sites = find_sites(still, TRICLINIC)
    assert _nearest(sites.positions, SCALED @ TRICLINIC, TRICLINIC).min(axis=1).max() < 0.05
    assert (assign_sites(still, sites, 1.2).core_fraction) > 0.99


def test_a_rarely_visited_site_is_found_only_above_the_least_occupancy() -> None:
    rng = np.random.default_rng(4)
    main, rare = np.array([2.0, 2.0, 2.0]), np.array([4.5, 2.0, 2.0])
    away = rng.random(4000) < 0.03
    frames = np.where(away[:, None], rare, main)[:, None] + 0.2 * rng.normal(size=(4000, 1, 3))
    assert len(find_sites(frames, CUBE).positions) == 1
    assert len(find_sites(frames, CUBE, min_occupancy=0.01).positions) == 2


def test_one_broad_site_found_twice_is_an_error() -> None:
    rng = np.random.default_rng(5)
    rod = np.array([5.0, 5.0, 5.0]) + 0.05 * rng.normal(size=(4000, 1, 3))
    # Uniform between two narrow peaks at its ends, 1.9 Å apart.
    ends = rng.random(4000) < 0.4
    rod[:, 0, 0] += np.where(ends, rng.choice([-0.95, 0.95], 4000), rng.uniform(-0.95, 0.95, 4000))
    with pytest.raises(ValueError, match="found twice: raise width_angstrom"):
        find_sites(rod, CUBE, width_angstrom=0.2)
    assert len(find_sites(rod, CUBE, width_angstrom=0.9).positions) == 1


def test_a_gas_too_thin_for_a_site_is_refused() -> None:
    frames = np.random.default_rng(6).uniform(0.0, 10.0, size=(500, 1, 3))
    with pytest.raises(ValueError, match=r"no site holds 0\.5 ions on average"):
        find_sites(frames, CUBE, min_occupancy=0.5)


def test_bad_positions_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"positions have shape \(5, 3\)"):
        find_sites(np.zeros((5, 3)), CUBE)
    frames = np.ones((5, 2, 3))
    frames[3, 1, 2] = np.nan
    with pytest.raises(ValueError, match="NaN or an infinity in frame 3"):
        find_sites(frames, CUBE)
