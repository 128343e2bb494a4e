"""RDFs and coordination numbers of lattices and gases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_mliptransport.science.transport.rdf import partial_rdfs, smallest_height

FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
TRICLINIC = np.array([[12.0, 0.0, 0.0], [4.0, 11.0, 0.0], [-3.0, 2.0, 10.0]])


def _crystal(basis: np.ndarray, a: float, repeat: int) -> tuple[np.ndarray, np.ndarray]:
    grid = np.stack(np.meshgrid(*[np.arange(repeat)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    return a * (grid + basis).reshape(-1, 3), a * repeat * np.eye(3)


@pytest.mark.parametrize("cell", [10.0 * np.eye(3), TRICLINIC])
def test_an_ideal_gas_gives_one(cell: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    frames = rng.random((200, 60, 3)) @ cell
    rdfs = partial_rdfs(frames, ["A"] * 20 + ["B"] * 40, cell, bin_width=0.5)
    assert set(rdfs) == {("A", "A"), ("A", "B"), ("B", "B")}
    for rdf in rdfs.values():
        outer = rdf.g[len(rdf.g) // 2 :]
        np.testing.assert_allclose(outer, 1.0, atol=0.06)
        assert outer.mean() == pytest.approx(1.0, abs=0.015)


def test_fcc_has_twelve_neighbours_and_rock_salt_six() -> None:
    positions, cell = _crystal(FCC, 4.0, 3)
    jitter = 0.03 * np.random.default_rng(2).normal(size=(5, *positions.shape))
    fcc = partial_rdfs(positions + jitter, ["X"] * len(positions), cell)["X", "X"]
    assert fcc.coordination_number() == pytest.approx(12.0)
    assert fcc.r[np.argmax(fcc.g)] == pytest.approx(4.0 / np.sqrt(2), abs=0.1)
    salt = np.concatenate([positions, positions + np.array([2.0, 0, 0])]) + np.tile(
        jitter, (1, 2, 1)
    )
    names = ["Cl"] * len(positions) + ["Li"] * len(positions)
    assert partial_rdfs(salt, names, cell)["Cl", "Li"].coordination_number() == pytest.approx(6.0)


def test_one_atom_in_a_primitive_cell_sees_its_images() -> None:
    a = 4.0
    primitive = 0.5 * a * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    rdf = partial_rdfs(np.zeros((1, 1, 3)), ["X"], primitive, r_max=4.5)["X", "X"]
    # Shells of fcc: 12 at a/√2 and 6 at a.
    assert rdf.coordination_number(3.2) == pytest.approx(12.0)
    assert rdf.coordination_number(4.3) == pytest.approx(18.0)


def test_a_small_cell_beyond_its_half_gives_the_shells_of_the_supercell() -> None:
    small, small_cell = _crystal(FCC, 4.0, 1)
    large, large_cell = _crystal(FCC, 4.0, 4)
    one = partial_rdfs(small[None], ["X"] * 4, small_cell, r_max=7.03, bin_width=0.095)["X", "X"]
    many = partial_rdfs(large[None], ["X"] * 256, large_cell, r_max=7.03, bin_width=0.095)["X", "X"]
    np.testing.assert_allclose(one.running_cn, many.running_cn, rtol=1e-12)
    # The large cell sees no image of an atom, so its like density is (N - 1)/V.
    np.testing.assert_allclose(one.g, many.g * 255 / 256, rtol=1e-12)


def test_any_choice_of_cell_vectors_gives_the_same_numbers() -> None:
    frame = np.random.default_rng(6).random((1, 40, 3)) @ TRICLINIC
    species = ["A"] * 15 + ["B"] * 25
    # The same lattice: rotated, mirrored, its vectors in another order and sheared into long ones.
    mirror = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]
    mirror *= -np.sign(np.linalg.det(mirror))
    sheared = np.array([[0, 1, 0], [1, 0, 0], [0, 2, 1]]) @ TRICLINIC
    one = partial_rdfs(frame, species, TRICLINIC, r_max=9.0)
    other = partial_rdfs(frame @ mirror, species, sheared @ mirror, r_max=9.0)
    for pair in one:
        np.testing.assert_allclose(one[pair].running_cn, other[pair].running_cn, atol=2 / 15)
        assert one[pair].running_cn[-1] == pytest.approx(other[pair].running_cn[-1], rel=0.002)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-50.0, 50.0), reach=st.floats(3.0, 12.0))
def test_translation_and_relabelling_leave_the_counts(
    seed: int, shift: float, reach: float
) -> None:
    rng = np.random.default_rng(seed)
    frame = rng.random((1, 12, 3)) @ TRICLINIC
    order = rng.permutation(12)
    species = np.array(["A"] * 5 + ["B"] * 7)
    one = partial_rdfs(frame, species.tolist(), TRICLINIC, reach, 0.5)
    other = partial_rdfs(frame[:, order] + shift, species[order].tolist(), TRICLINIC, reach, 0.5)
    for pair, rdf in one.items():
        # Single precision may put one pair (two entries of a like pair) into the next bin.
        np.testing.assert_allclose(rdf.running_cn, other[pair].running_cn, atol=2.01 / 5)


def test_distances_in_a_skewed_cell_equal_a_search_over_images() -> None:
    rng = np.random.default_rng(3)
    frame = rng.random((15, 3)) @ TRICLINIC
    reach = smallest_height(TRICLINIC) / 2
    rdf = partial_rdfs(frame[None] + 25.0 * TRICLINIC[0], ["X"] * 15, TRICLINIC)["X", "X"]
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), axis=-1).reshape(-1, 3) @ TRICLINIC
    vectors = frame[:, None, None] - frame[None, :, None] + shifts
    distances = np.linalg.norm(vectors, axis=-1).ravel()
    neighbours = ((distances > 1e-9) & (distances <= reach)).sum()
    assert rdf.running_cn[-1] == pytest.approx(neighbours / 15)
    assert rdf.edges[-1] == pytest.approx(reach)


def test_running_numbers_of_both_sides_hold_the_ratio_of_the_counts() -> None:
    frames = np.random.default_rng(4).random((20, 30, 3)) * 10.0
    rdf = partial_rdfs(frames, ["A"] * 10 + ["B"] * 20, 10.0 * np.eye(3))["A", "B"]
    np.testing.assert_allclose(rdf.running_cn * 10, rdf.running_cn_reverse * 20)


def test_cells_may_change_from_frame_to_frame() -> None:
    base, cell = _crystal(FCC, 4.0, 2)
    scales = np.array([1.0, 1.05])
    frames = scales[:, None, None] * base
    rdf = partial_rdfs(frames, ["X"] * 32, scales[:, None, None] * cell)["X", "X"]
    assert rdf.coordination_number(3.2) == pytest.approx(12.0)


def test_g_without_a_minimum_says_to_raise_r_max() -> None:
    positions, cell = _crystal(FCC, 4.0, 3)
    rdf = partial_rdfs(positions[None], ["X"] * 108, cell, r_max=2.85)["X", "X"]
    with pytest.raises(ValueError, match="raise r_max"):
        rdf.coordination_number()


def test_a_flat_cell_and_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="spans no volume"):
        partial_rdfs(np.zeros((1, 2, 3)), ["X", "X"], np.diag([1.0, 1.0, 0.0]))
    frames = np.random.default_rng(5).random((3, 2, 3))
    frames[2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="frame 2"):
        partial_rdfs(frames, ["X", "X"], np.eye(3), bin_width=0.1)
