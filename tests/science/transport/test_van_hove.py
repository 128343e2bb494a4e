"""Van Hove functions and the non-Gaussian parameter of walks, hops, gases and lattices."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import erf

from aiida_mliptransport.science.transport.rdf import partial_rdfs
from aiida_mliptransport.science.transport.van_hove import (
    distinct_van_hove,
    non_gaussian_parameter,
    self_van_hove,
)

TRICLINIC = np.array([[12.0, 0.0, 0.0], [4.0, 11.0, 0.0], [-3.0, 2.0, 10.0]])
STUDENT = stats.t.ppf(0.975, 9)


def _walk(seed: int, n_frames: int, n_atoms: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=(n_frames, n_atoms, 3)), axis=0)


def _hops(seed: int, n_frames: int, n_atoms: int, rate: float) -> np.ndarray:
    """Jumps of 2 Å in random directions, with probability `rate` per frame."""
    rng = np.random.default_rng(seed)
    step = rng.normal(size=(n_frames, n_atoms, 3))
    step *= 2.0 / np.linalg.norm(step, axis=-1, keepdims=True)
    return np.cumsum(step * (rng.random((n_frames, n_atoms, 1)) < rate), axis=0)


def _shells(edges: np.ndarray) -> np.ndarray:
    return 4.0 / 3.0 * np.pi * np.diff(edges**3)


def _gaussian(edges: np.ndarray, sigma: float) -> np.ndarray:
    """Shell averages of a Gaussian with `sigma` per direction."""
    x = edges / (np.sqrt(2.0) * sigma)
    inside = erf(x) - 2.0 / np.sqrt(np.pi) * x * np.exp(-(x**2))
    return np.diff(inside) / _shells(edges)


def test_a_random_walk_has_the_gaussian_self_part() -> None:
    result = self_van_hove(_walk(1, 3000, 20), 0.5, [0.5, 2.0, 8.0], r_max=12.0, bin_width=0.5)
    np.testing.assert_allclose(result.times_ps, [0.5, 2.0, 8.0])
    for row, lag in enumerate((1, 4, 16)):
        exact = _gaussian(result.edges, np.sqrt(lag))
        populated = exact * _shells(result.edges) > 0.01
        ratio = result.density[row][populated] / exact[populated]
        np.testing.assert_allclose(ratio, 1.0, atol=0.1)
        whole = (result.density[row] * _shells(result.edges)).sum() + result.share_beyond[row]
        assert whole == pytest.approx(1.0, rel=1e-12)
    assert result.share_beyond[2] == pytest.approx(stats.chi2.sf(12.0**2 / 16, 3), rel=0.3)
    np.testing.assert_allclose(
        result.radial_probability[0], 4 * np.pi * result.r**2 * result.density[0], rtol=0.4
    )


def test_intervals_of_the_self_part_cover_the_gaussian() -> None:
    hits = []
    for seed in range(100, 180):
        result = self_van_hove(_walk(seed, 500, 8), 1.0, [1, 5], r_max=6.0, bin_width=1.0)
        for row, lag in ((0, 1), (1, 5)):
            exact = _gaussian(result.edges, np.sqrt(lag))
            populated = exact * _shells(result.edges) * 500 * 8 / lag > 20
            width = STUDENT * result.standard_error[row]
            hits.extend((np.abs(result.density[row] - exact) <= width)[populated])
    assert 0.92 <= np.mean(hits) <= 0.98


def test_a_random_walk_has_no_non_gaussian_parameter() -> None:
    lags = [1, 5, 20, 100]
    result = non_gaussian_parameter(_walk(2, 5000, 20), 1.0, lags)
    assert result.resolved
    for value, error in zip(result.alpha_2, result.standard_error, strict=True):
        assert abs(value) < 3.5 * error
        assert error < 0.05
    np.testing.assert_allclose(result.msd_angstrom2, 3.0 * np.array(lags), rtol=0.1)


def test_two_speeds_give_the_known_non_gaussian_parameter() -> None:
    # Half of the walkers three times as fast: 2 (1 + 81) / (1 + 9)² - 1 = 0.64.
    walk = _walk(3, 4000, 40) * np.repeat([1.0, 3.0], 20)[None, :, None]
    result = non_gaussian_parameter(walk, 1.0, [1, 10])
    for value, error in zip(result.alpha_2, result.standard_error, strict=True):
        assert value == pytest.approx(0.64, abs=4 * error)
        assert error < 0.05


def test_rare_hops_have_the_non_gaussian_parameter_of_their_poisson_law_within_errors() -> None:
    rate, lag, hits = 0.05, 10, 0
    mean, pairs = lag * rate, lag * (lag - 1) * rate**2
    exact = 0.6 * (mean + 5.0 / 3.0 * pairs) / mean**2 - 1.0
    for seed in range(200, 280):
        # Twice the length at which one walk in thirty is not resolved.
        result = non_gaussian_parameter(_hops(seed, 4000, 8, rate), 1.0, [lag])
        hits += abs(result.alpha_2[0] - exact) <= STUDENT * result.standard_error[0]
    assert 0.88 <= hits / 80 <= 1.0


def test_too_few_hops_do_not_resolve_the_non_gaussian_parameter() -> None:
    result = non_gaussian_parameter(_hops(4, 2000, 8, 0.0015), 1.0, [1, 10])
    assert not result.resolved
    assert result.alpha_2 == (None, None)
    assert "50 are needed; run longer" in result.reason
    assert result.msd_angstrom2[0] > 0.0
    still = non_gaussian_parameter(np.zeros((100, 3, 3)), 1.0, [1])
    assert still.alpha_2 == (None,)


def test_independent_runs_are_joined() -> None:
    runs = [_walk(5, 400, 6), _walk(6, 900, 6)]
    result = self_van_hove(runs, 1.0, [3], r_max=30.0, bin_width=1.0)
    steps = np.concatenate([run[3:] - run[:-3] for run in runs])
    counts, _ = np.histogram(np.linalg.norm(steps, axis=-1), bins=result.edges)
    expected = counts / counts.sum() / _shells(result.edges)
    np.testing.assert_allclose(result.density[0], expected, rtol=1e-12)


@pytest.mark.parametrize("second", ["A", "B"])
def test_the_distinct_part_at_time_zero_is_the_radial_distribution_function(second: str) -> None:
    rng = np.random.default_rng(7)
    frames = (rng.random((30, 3)) + 0.05 * rng.normal(size=(40, 30, 3))) @ TRICLINIC
    labels = ["A"] * 12 + ["B"] * 18
    rdf = partial_rdfs(frames, labels, TRICLINIC, bin_width=0.25)["A", second]
    result = distinct_van_hove(frames, labels, "A", second, TRICLINIC, 1.0, [0.0], bin_width=0.25)
    np.testing.assert_allclose(result.edges, rdf.edges)
    np.testing.assert_allclose(result.g[0], rdf.g, rtol=1e-10, atol=1e-12)
    assert rdf.g.max() > 0.0


@pytest.mark.medium
def test_an_ideal_gas_has_a_distinct_part_of_one_within_its_errors() -> None:
    hits, values = [], []
    for seed in range(12):
        start = np.random.default_rng(seed).random((20, 3)) @ TRICLINIC
        result = distinct_van_hove(
            start + _walk(seed, 100, 20),
            ["A"] * 20,
            "A",
            "A",
            TRICLINIC,
            1.0,
            [0, 5],
            None,
            0.5,
            50,
        )
        outer = slice(3, None)
        hits.append(np.abs(result.g - 1.0)[:, outer] <= STUDENT * result.standard_error[:, outer])
        values.append(result.g[:, outer].mean(axis=1))
    np.testing.assert_allclose(np.mean(values, axis=0), 1.0, atol=0.03)
    assert 0.88 <= np.mean(hits) <= 0.99


@pytest.mark.parametrize("second", ["A", "B"])
def test_distinct_distances_equal_a_search_over_images(second: str) -> None:
    rng = np.random.default_rng(8)
    frames = rng.random((12, 3)) @ TRICLINIC + _walk(8, 30, 12)
    labels = np.array(["A"] * 5 + ["B"] * 7)
    result = distinct_van_hove(frames, labels, "A", second, TRICLINIC, 1.0, [2], bin_width=0.5)
    shifts = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3) @ TRICLINIC
    counts = np.zeros(len(result.r))
    for origin in range(28):
        for i in np.flatnonzero(labels == "A"):
            for j in np.flatnonzero(labels == second):
                if i != j:
                    vectors = frames[origin + 2, j] - frames[origin, i] + shifts
                    counts += np.histogram(np.linalg.norm(vectors, axis=1), bins=result.edges)[0]
    n_pairs = 5 * 4 if second == "A" else 5 * 7
    density = n_pairs / abs(np.linalg.det(TRICLINIC))
    np.testing.assert_allclose(
        result.g[0], counts / 28 / density / _shells(result.edges), rtol=1e-10, atol=1e-12
    )


def test_atoms_that_follow_each_other_on_sites_fill_the_hole_at_the_origin() -> None:
    # Six atoms on a ring of sites along x, one site further each frame.
    sites = 2.0 * (np.arange(6)[None, :] + np.arange(40)[:, None])
    frames = np.zeros((40, 6, 3))
    frames[:, :, 0] = sites
    cell = np.diag([12.0, 8.0, 8.0])
    result = distinct_van_hove(frames, ["X"] * 6, "X", "X", cell, 1.0, [0, 1], bin_width=0.5)
    density = 5 / 768.0 * 4.0 / 3.0 * np.pi * 0.5**3
    assert result.g[0, 0] == 0.0
    assert result.g[1, 0] == pytest.approx(1.0 / density)


def test_unusable_lags_radii_and_species_are_refused() -> None:
    walk = _walk(9, 100, 4)
    for lag in (0.0, 11.0):
        with pytest.raises(ValueError, match="expected 1 to 10 ps"):
            non_gaussian_parameter(walk, 1.0, [1.0, lag])
    args = (walk, ["A"] * 3 + ["B"])
    with pytest.raises(ValueError, match="at most half the smallest cell height, 5"):
        distinct_van_hove(*args, "A", "A", TRICLINIC, 1.0, [1], r_max=9.0)
    with pytest.raises(ValueError, match="'B' only"):
        distinct_van_hove(*args, "B", "B", TRICLINIC, 1.0, [1])
    with pytest.raises(ValueError, match=r"\['C'\] are not in"):
        distinct_van_hove(*args, "A", "C", TRICLINIC, 1.0, [1])
    with pytest.raises(ValueError, match="0 < bin_width < r_max"):
        self_van_hove(walk, 1.0, [1], r_max=0.05)
    walk[17, 0, 0] = np.nan
    with pytest.raises(ValueError, match="frame 17"):
        self_van_hove(walk, 1.0, [1], r_max=5.0)
