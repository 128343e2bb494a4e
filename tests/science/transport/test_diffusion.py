"""Diffusion coefficients with known answers, and refusals where there is none."""

import json

import numpy as np
import pytest

from aiida_mliptransport.science.transport.diffusion import estimate_diffusion
from aiida_mliptransport.science.transport.walk_covariance import msd_covariance, walk_moments


def _lattice_walk(seed: int, n_frames: int, n_atoms: int, step: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    axis = rng.integers(0, 3, size=(n_frames, n_atoms, 1))
    steps = np.zeros((n_frames, n_atoms, 3))
    np.put_along_axis(steps, axis, step * rng.choice([-1.0, 1.0], size=axis.shape), axis=2)
    return np.cumsum(steps, axis=0)


def _ornstein_uhlenbeck(seed: int, n_frames: int, n_atoms: int, memory: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(n_frames, n_atoms, 3))
    series[1:] *= np.sqrt(1.0 - memory**2)
    for frame in range(1, n_frames):
        series[frame] += memory * series[frame - 1]
    return series


def _fractional_walk(seed: int, n_frames: int, n_atoms: int, exponent: float) -> np.ndarray:
    """Gaussian walk with MSD proportional to t**exponent (circulant embedding)."""
    lag = np.arange(n_frames + 1.0)
    cov = 0.5 * ((lag + 1) ** exponent + np.abs(lag - 1) ** exponent - 2 * lag**exponent)
    eigen = np.maximum(np.fft.fft(np.concatenate([cov, cov[-2:0:-1]])).real, 0.0)
    rng = np.random.default_rng(seed)
    shape = (n_atoms, 3, len(eigen))
    noise = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    steps = np.fft.fft(np.sqrt(eigen / len(eigen)) * noise).real[..., :n_frames]
    return np.cumsum(steps, axis=-1).transpose(2, 0, 1)


def test_lattice_walk_gives_step_squared_over_six_tau() -> None:
    step, dt = 2.5, 0.1
    result = estimate_diffusion(_lattice_walk(1, 2000, 40, step), dt)
    expected = step**2 / (6.0 * dt) * 1e-4
    assert result.resolved
    assert result.diffusion_cm2_s == pytest.approx(expected, abs=3 * result.standard_error_cm2_s)
    assert result.relative_error < 0.02
    assert abs(result.log_log_slope - 1.0) <= 2.5 * result.log_log_slope_error


def test_one_direction_of_an_anisotropic_walk_has_its_own_coefficient() -> None:
    scale = np.array([1.0, 1.0, 0.2])
    walk = scale * np.cumsum(np.random.default_rng(2).normal(size=(1500, 40, 3)), axis=0)
    fast, slow = estimate_diffusion(walk, 1.0, "xy"), estimate_diffusion(walk, 1.0, "z")
    assert fast.diffusion_cm2_s == pytest.approx(0.5e-4, rel=0.06)
    assert slow.diffusion_cm2_s == pytest.approx(0.02e-4, rel=0.06)
    assert slow.directions == "z"


def test_vibration_in_a_cage_between_rare_hops_does_not_enter_the_coefficient() -> None:
    rng = np.random.default_rng(3)
    hops = np.cumsum((rng.random((3000, 40, 1)) < 0.02) * rng.normal(size=(3000, 40, 3)), axis=0)
    result = estimate_diffusion(hops + 0.4 * rng.normal(size=hops.shape), 1.0)
    assert result.diffusion_cm2_s == pytest.approx(
        0.02 * 3 / 6 * 1e-4, abs=3 * result.standard_error_cm2_s
    )
    assert result.relative_error < 0.15
    assert result.offset_angstrom2 == pytest.approx(6 * 0.16, rel=0.2)


@pytest.mark.parametrize("n_atoms", [1, 20])
def test_a_caged_series_is_not_resolved_and_says_how_long_it_would_take(n_atoms: int) -> None:
    result = estimate_diffusion(_ornstein_uhlenbeck(4, 1500, n_atoms, 0.9), 0.1)
    assert not result.resolved
    assert result.diffusion_cm2_s is None
    assert "diffusive" in result.reason
    assert result.needed_length_ps > 150.0
    with pytest.raises(ValueError, match="not resolved"):
        result.interval()


def test_subdiffusion_is_not_resolved() -> None:
    result = estimate_diffusion(_fractional_walk(5, 2000, 40, 0.6), 1.0)
    assert not result.resolved
    assert result.log_log_slope < 0.8


def test_no_estimate_is_ever_negative_or_clamped() -> None:
    slow = [
        estimate_diffusion(
            _ornstein_uhlenbeck(seed, 400, 3, 0.5)
            + 0.01 * np.cumsum(np.random.default_rng(seed).normal(size=(400, 3, 3)), axis=0),
            1.0,
        )
        for seed in range(20)
    ]
    for result in slow:
        if result.resolved:
            assert result.diffusion_cm2_s >= 2 * result.standard_error_cm2_s > 0
        else:
            assert result.diffusion_cm2_s is None
            assert result.needed_length_ps > result.length_ps
    assert sum(not result.resolved for result in slow) > 10


def test_atoms_at_rest_and_short_runs_are_not_resolved() -> None:
    still = estimate_diffusion(np.ones((200, 3, 3)), 1.0)
    assert not still.resolved
    assert "nothing moved" in still.reason
    short = estimate_diffusion(_lattice_walk(6, 30, 5, 1.0), 0.5)
    assert not short.resolved
    assert short.needed_length_ps == pytest.approx(0.5 * 61)
    assert "30 frames" in short.reason


def test_replicas_join_to_the_error_of_one_long_run() -> None:
    walk = np.cumsum(np.random.default_rng(7).normal(size=(3000, 20, 3)), axis=0)
    parts = [walk[:1000], walk[1000:2000], walk[2000:]]
    joined, single = estimate_diffusion(parts, 1.0), estimate_diffusion(walk, 1.0)
    assert joined.n_trajectories == 3
    assert joined.diffusion_cm2_s == pytest.approx(0.5e-4, abs=4 * joined.standard_error_cm2_s)
    assert joined.relative_error == pytest.approx(single.relative_error, rel=0.3)
    assert joined.length_ps == pytest.approx(2997.0)


def test_ions_that_move_in_pairs_count_as_half_as_many() -> None:
    walk = np.cumsum(np.random.default_rng(8).normal(size=(2000, 20, 3)), axis=0)
    single = estimate_diffusion(walk, 1.0)
    double = estimate_diffusion(np.repeat(walk, 2, axis=1), 1.0)
    assert double.diffusion_cm2_s == pytest.approx(single.diffusion_cm2_s, rel=1e-2)
    assert double.standard_error_cm2_s == pytest.approx(single.standard_error_cm2_s, rel=0.1)


def test_independent_components_are_counted_right() -> None:
    walk = np.cumsum(np.random.default_rng(9).normal(size=(2000, 30, 3)), axis=0)
    assert walk_moments([walk], 2).n_components == pytest.approx(90, rel=0.05)
    assert walk_moments([walk.sum(axis=1, keepdims=True)], 2).n_components == pytest.approx(
        3, rel=0.05
    )


def test_analytic_covariance_is_the_scatter_of_random_walks() -> None:
    lags = np.array([1, 3, 10])
    expected = msd_covariance(lags, 3.0 * np.arange(22.0), [100], 3.0, 0.0)
    walks = np.cumsum(np.random.default_rng(10).normal(size=(100, 3000, 3)), axis=0)
    samples = np.array(
        [((walks[lag:] - walks[:-lag]) ** 2).sum(axis=2).mean(axis=0) for lag in lags]
    )
    np.testing.assert_allclose(np.cov(samples), expected, rtol=0.15)


def test_fit_and_blocks_that_disagree_give_a_warning_and_the_larger_error() -> None:
    # All the motion is in one tenth of the run: increments are not stationary.
    rng = np.random.default_rng(11)
    speed = np.where(np.arange(3000) // 300 == 4, 10.0, 0.05)
    walk = np.cumsum(speed[:, None, None] * rng.normal(size=(3000, 30, 3)), axis=0)
    result = estimate_diffusion(walk, 1.0)
    assert "differ by more than a factor" in result.warning
    if result.resolved:
        assert result.standard_error_cm2_s == pytest.approx(result.block_error_cm2_s)


def test_unit_of_time_scales_the_result_and_translation_leaves_it() -> None:
    walk = _lattice_walk(12, 800, 10, 1.0)
    base = estimate_diffusion(walk, 1.0)
    fast = estimate_diffusion(walk + 100.0, 0.01)
    assert fast.diffusion_cm2_s == pytest.approx(100 * base.diffusion_cm2_s, rel=1e-6)
    assert fast.relative_error == pytest.approx(base.relative_error, rel=1e-4)


def test_length_for_a_target_error_grows_with_its_inverse_square() -> None:
    result = estimate_diffusion(_lattice_walk(13, 800, 10, 1.0), 1.0)
    assert result.length_for(result.relative_error / 2) == pytest.approx(4 * result.length_ps)


def test_the_result_fits_into_json() -> None:
    result = estimate_diffusion(_lattice_walk(14, 400, 5, 1.0), 1.0)
    assert json.loads(json.dumps(result.as_dict()))["resolved"] is True


def test_bad_input_is_refused_by_name() -> None:
    walk = _lattice_walk(15, 100, 2, 1.0)
    with pytest.raises(ValueError, match="dt_ps is 0"):
        estimate_diffusion(walk, 0.0)
    with pytest.raises(ValueError, match="directions are 'xq'"):
        estimate_diffusion(walk, 1.0, "xq")
    with pytest.raises(ValueError, match="same number of atoms"):
        estimate_diffusion([walk, walk[:, :1]], 1.0)
    walk[7, 0, 0] = np.inf
    with pytest.raises(ValueError, match="frame 7"):
        estimate_diffusion(walk, 1.0)


def turned_walk(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of an anisotropic walk in turned axes, and its tensor D in cm²/s."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    steps = rng.normal(size=(1000, 8, 3)) * np.sqrt([0.1, 0.2, 0.4])
    return np.cumsum(steps @ axes, axis=0), axes.T @ np.diag([0.05, 0.1, 0.2]) @ axes * 1e-4


@pytest.mark.medium
def test_the_tensor_of_an_anisotropic_walk_has_calibrated_errors() -> None:
    held = np.zeros((3, 3))
    for seed in range(200):
        positions, truth = turned_walk(seed)
        estimate = estimate_diffusion(positions, 1.0)
        assert estimate.tensor_cm2_s is not None
        tensor, error = np.array(estimate.tensor_cm2_s), np.array(estimate.tensor_error_cm2_s)
        assert np.trace(tensor) / 3 == pytest.approx(estimate.diffusion_cm2_s, rel=1e-9)
        np.testing.assert_allclose(tensor, tensor.T, rtol=1e-9)
        held += np.abs(tensor - truth) < 1.96 * error
    # 95 % of 200, give or take three standard deviations.
    assert held.min() >= 0.95 * 200 - 3 * np.sqrt(200 * 0.95 * 0.05)
    assert held.mean() / 200 > 0.93


def test_a_direction_without_motion_has_no_diffusion() -> None:
    positions, _ = turned_walk(1)
    positions[..., 2] = 0.0
    estimate = estimate_diffusion(positions, 1.0)
    assert estimate.tensor_cm2_s is not None
    assert estimate.tensor_cm2_s[2][2] == pytest.approx(0.0, abs=1e-15)
    assert estimate.tensor_cm2_s[0][0] > 0.0
