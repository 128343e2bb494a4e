"""MSD by FFT against the definition, and its identities."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_mliptransport.science.transport.msd import (
    msd_by_species,
    msd_collective,
    msd_distinct,
    msd_self,
    species_sums,
)


def _walk(seed: int, n_frames: int, n_atoms: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=(n_frames, n_atoms, 3)), axis=0)


def _naive(positions: np.ndarray, lag: int) -> np.ndarray:
    parts = [(positions[k + lag] - positions[k]) ** 2 for k in range(len(positions) - lag)]
    return np.mean(parts, axis=(0, 1))


@pytest.mark.parametrize("n_frames", [2, 7, 64, 101])
def test_fft_msd_equals_the_double_loop_at_every_lag(n_frames: int) -> None:
    positions = _walk(1, n_frames, 4) + 1e4
    result = msd_self(positions)
    expected = np.array([_naive(positions, lag) for lag in range(n_frames)])
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("max_lag", [1, 10, 99])
def test_fewer_lags_are_the_first_of_all_lags(max_lag: int) -> None:
    positions, sums = _walk(9, 100, 5), _walk(10, 100, 2)
    few, all_lags = msd_self(positions, max_lag), msd_self(positions)
    np.testing.assert_allclose(few, all_lags[: max_lag + 1], rtol=1e-9)
    few, all_lags = msd_collective(sums, max_lag), msd_collective(sums)
    np.testing.assert_allclose(few, all_lags[: max_lag + 1], rtol=1e-9, atol=1e-9)


def test_the_random_walk_of_mdanalysis_has_its_published_norm() -> None:
    """‖MSD‖₂ of the file RANDOM_WALK, from MDAnalysis' own test of its MSD without FFT."""
    files = pytest.importorskip("MDAnalysisTests.datafiles")
    universe = pytest.importorskip("MDAnalysis").Universe(files.RANDOM_WALK_TOPO, files.RANDOM_WALK)
    positions = np.array([step.positions.copy() for step in universe.trajectory])
    norm = np.linalg.norm(msd_self(positions).sum(axis=1))
    assert norm == pytest.approx(3932.399274871, rel=1e-9)


def test_extra_memory_is_less_than_one_and_a_half_times_the_input() -> None:
    positions = _walk(11, 2000, 400)
    species = ["Li", "Cl"] * 200
    tracemalloc.start()
    try:
        msd_self(positions)
        msd_collective(species_sums(positions, species)[1])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * positions.nbytes


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_frames=st.integers(2, 60),
    n_atoms=st.integers(2, 9),
    shift=st.floats(-1e3, 1e3),
    unit=st.floats(1e-3, 1e3),
)
def test_translation_relabelling_and_units_leave_the_msd_as_they_must(
    seed: int, n_frames: int, n_atoms: int, shift: float, unit: float
) -> None:
    positions = _walk(seed, n_frames, n_atoms)
    own = msd_self(positions)
    order = np.random.default_rng(seed).permutation(n_atoms)
    changed = unit * (positions[:, order] + shift)
    np.testing.assert_allclose(msd_self(changed), unit**2 * own, rtol=1e-6, atol=1e-8 * unit**2)
    # Reversed in time, every pair of frames has the same distance.
    np.testing.assert_allclose(msd_self(positions[::-1]), own, rtol=1e-8, atol=1e-8)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), n_frames=st.integers(6, 60), cut=st.floats(0.2, 0.8))
def test_two_parts_hold_the_origins_of_the_whole_but_those_across_the_cut(
    seed: int, n_frames: int, cut: float
) -> None:
    positions = _walk(seed, n_frames, 3)
    where = int(np.clip(cut * n_frames, 2, n_frames - 2))
    parts = positions[:where], positions[where:]
    joined = sum((len(part) - 1) * msd_self(part, 1)[1] for part in parts)
    across = np.mean((positions[where] - positions[where - 1]) ** 2, axis=0)
    whole = (n_frames - 1) * msd_self(positions, 1)[1]
    np.testing.assert_allclose(joined + across, whole, rtol=1e-8)


def test_chunks_over_atoms_do_not_change_the_msd() -> None:
    positions = _walk(2, 50, 9)
    np.testing.assert_allclose(msd_self(positions, chunk_bytes=1), msd_self(positions), rtol=1e-12)


def test_ballistic_motion_gives_velocity_squared_times_time_squared() -> None:
    time = np.arange(20.0)
    positions = time[:, None, None] * np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(
        msd_self(positions), time[:, None] ** 2 * np.array([1.0, 4.0, 9.0]), rtol=1e-9, atol=1e-9
    )


def test_self_msd_of_each_species_uses_only_its_atoms() -> None:
    positions = _walk(3, 40, 5)
    result = msd_by_species(positions, ["Li", "Cl", "Li", "Cl", "Li"])
    np.testing.assert_allclose(result["Li"], msd_self(positions[:, [0, 2, 4]]), rtol=1e-12)
    np.testing.assert_allclose(result["Cl"], msd_self(positions[:, [1, 3]]), rtol=1e-12)


def test_collective_cross_terms_equal_the_double_loop() -> None:
    sums = _walk(4, 30, 3)
    result = msd_collective(sums)
    for lag in (1, 5, 29):
        step = sums[lag:] - sums[: len(sums) - lag]
        expected = np.mean(np.einsum("tic,tjc->tijc", step, step), axis=0)
        np.testing.assert_allclose(result[lag], expected, rtol=1e-9, atol=1e-9)


def test_species_sums_give_the_total_msd_of_all_ions() -> None:
    positions = _walk(5, 60, 6)
    names, sums = species_sums(positions, ["Cl", "Li", "Cl", "Li", "Cl", "Li"])
    assert names == ("Cl", "Li")
    whole = msd_self(positions.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(msd_collective(sums).sum(axis=(1, 2)), whole, rtol=1e-9, atol=1e-8)


def test_distinct_part_of_independent_walkers_is_zero_within_its_error() -> None:
    positions = _walk(6, 4000, 50)
    own = msd_self(positions, 4).sum(axis=1)
    total = msd_self(positions.sum(axis=1, keepdims=True), 4).sum(axis=1) / 50
    # One collective series of 4000 steps in 3 directions: sqrt(2 / 12000) = 1.3 %.
    assert abs(msd_distinct(total, own)[1]) / own[1] < 3 * 0.013


def test_float32_positions_are_accumulated_in_double_precision() -> None:
    positions = _walk(7, 500, 3).astype(np.float32)
    np.testing.assert_allclose(
        msd_self(positions), msd_self(positions.astype(np.float64)), rtol=1e-12
    )


def test_nan_is_refused_with_the_number_of_the_frame() -> None:
    positions = _walk(8, 20, 2)
    positions[13, 1, 2] = np.nan
    with pytest.raises(ValueError, match="frame 13"):
        msd_self(positions)


@pytest.mark.parametrize("shape", [(5, 3), (1, 4, 3), (5, 4, 2), (5, 0, 3)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        msd_self(np.zeros(shape))
