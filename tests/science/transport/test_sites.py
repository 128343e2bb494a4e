"""Sites given in a reference cell, and the ions on them, in cells of any shape."""

import numpy as np
import pytest

from aiida_mliptransport.science.transport.sites import Sites, assign_sites, sites_from_reference

TRICLINIC = np.array([[9.0, 0.0, 0.0], [3.0, 8.0, 0.0], [-2.0, 2.5, 8.5]])
SCALED = np.array([[0.02, 0.01, 0.98], [0.5, 0.5, 0.5], [0.5, 0.02, 0.25], [0.1, 0.6, 0.75]])
CUBE = 10.0 * np.eye(3)


def _nearest(found: np.ndarray, expected: np.ndarray, cell: np.ndarray) -> np.ndarray:
    found = found @ np.linalg.inv(cell) % 1.0 @ cell
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    gaps = found[:, None, None] - expected[None, :, None] + (shifts @ cell)[None, None]
    return np.linalg.norm(gaps, axis=3).min(axis=2)


@pytest.mark.parametrize("twin", [[1.0, 1.0, 1.2], [1.0, 1.0, 10.9], [-9.0, 11.0, 1.1]])
def test_a_site_given_twice_is_an_error_also_through_the_boundary(twin: list[float]) -> None:
    with pytest.raises(ValueError, match=r"sites 0 and 2 are .* one site is there twice"):
        sites_from_reference([[1.0, 1.0, 1.0], [5.0, 5.0, 5.0], twin], CUBE, CUBE)


def test_reference_sites_are_repeated_and_strained_to_the_simulated_cell() -> None:
    reference = TRICLINIC
    cell = np.array([[2], [1], [3]]) * (1.02 * reference)
    labels = ["a", "b", "b", "c"]
    sites = sites_from_reference(SCALED @ reference, reference, cell, (2, 1, 3), labels)
    grid = np.stack(np.meshgrid(range(2), range(1), range(3), indexing="ij"), -1).reshape(-1, 1, 3)
    expected = ((SCALED + grid).reshape(-1, 3)) @ (1.02 * reference)
    assert _nearest(sites.positions, expected, cell).min(axis=0).max() < 1e-9
    assert len(sites.positions) == 24
    assert [sites.labels.count(name) for name in "abc"] == [6, 12, 6]
    for index, name in enumerate(sites.labels):
        scaled = sites.positions[index] @ np.linalg.inv(1.02 * reference) % 1.0
        own = np.abs((scaled - SCALED + 0.5) % 1.0 - 0.5).max(axis=1).argmin()
        assert labels[own] == name


def test_repeats_that_do_not_make_the_cell_are_refused() -> None:
    with pytest.raises(ValueError, match=r"do not make the cell .* strain 1.00"):
        sites_from_reference([[0.0, 0.0, 0.0]], CUBE, 2.0 * CUBE)


def test_an_ion_leaves_its_site_only_when_it_enters_another_core() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), CUBE, ("site",) * 2)
    x = np.array([2.4, 1.2, 2.4, 2.6, 3.1, 2.4, 1.5, 2.9, 3.3, 2.0, 2.4, 1.9])
    path = np.stack([x, np.full(12, 5.0), np.full(12, 5.0)], axis=1)[:, None]
    assignment = assign_sites(path, sites, 1.0)
    assert assignment.site[:, 0].tolist() == [-1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0]
    assert assignment.core_fraction == pytest.approx(5 / 12)


@pytest.mark.parametrize("skew", [0, 3])
def test_assignment_follows_the_unwrapped_image_in_a_skewed_cell(skew: int) -> None:
    cell = np.array([[1, 0, 0], [skew, 1, 0], [-skew, skew, 1]]) @ TRICLINIC
    sites = sites_from_reference(SCALED @ TRICLINIC, cell, cell)
    rng = np.random.default_rng(8)
    images = rng.integers(-9, 10, size=(300, 5, 3))
    chosen = rng.integers(0, 4, size=(300, 5))
    places = sites.positions[chosen] + images @ cell
    shift = rng.normal(size=(300, 5, 3))
    shift *= rng.uniform(0.0, 1.4, size=(300, 5, 1)) / np.linalg.norm(shift, axis=2, keepdims=True)
    assignment = assign_sites(places + shift, sites, 1.45)
    np.testing.assert_array_equal(assignment.site, chosen)
    np.testing.assert_array_equal(assignment.image, images)
    assert assignment.core_fraction == 1.0


def test_cores_that_overlap_are_refused() -> None:
    sites = Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), CUBE, ("site",) * 2)
    with pytest.raises(ValueError, match=r"3\.000 Å apart, expected more than 3\.2 Å; cores"):
        assign_sites(np.zeros((3, 1, 3)), sites, 1.6)


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"1 labels for 2 sites"):
        Sites(np.array([[1.0, 5.0, 5.0], [4.0, 5.0, 5.0]]), CUBE, ("site",))
    with pytest.raises(ValueError, match="spans no volume"):
        Sites(np.array([[1.0, 5.0, 5.0]]), np.ones((3, 3)), ("site",))
    with pytest.raises(ValueError, match="core_radius_angstrom is 0"):
        assign_sites(np.ones((5, 2, 3)), Sites(np.ones((1, 3)), CUBE, ("site",)), 0.0)
