"""Bonds planted at known frames, in any cell, with noise that must not count."""

from collections.abc import Iterator

import numpy as np
import pytest

from aiida_mliptransport.science.transport.bonds import BondRadii, follow_bonds

TRICLINIC = np.array([[12.0, 0.0, 0.0], [4.0, 11.0, 0.0], [-3.0, 2.0, 10.0]])
RADII = [BondRadii("Al", "Cl", 2.6, 3.2)]


def _pair(distances: list[float], cell: np.ndarray = TRICLINIC) -> np.ndarray:
    """An Al next to a corner of the cell and a Cl across it, images apart, at given distances."""
    direction = np.array([-0.6, -0.64, -0.48])
    aluminium = np.full(3, 0.1) @ cell
    chlorine = aluminium + np.array(distances)[:, None] * direction + np.array([2, -1, 3]) @ cell
    return np.stack([np.broadcast_to(aluminium, chlorine.shape), chlorine], axis=1)


def _bonded(distances: list[float], radii: list[BondRadii] = RADII, **keywords: float) -> list[int]:
    frames = _pair(distances)
    bonds = follow_bonds(frames, ["Al", "Cl"], TRICLINIC, radii, **{"dt_ps": 0.1, **keywords})
    return [len(pairs) for pairs in bonds]


def test_a_bond_forms_below_the_inner_and_breaks_above_the_outer_radius() -> None:
    distances = [4.0, 3.1, 2.7, 2.5, 2.9, 3.1, 3.3, 3.1, 2.61, 2.59]
    assert _bonded(distances) == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1]


@pytest.mark.medium
@pytest.mark.parametrize(("start", "state"), [(2.4, 1), (4.0, 0)])
def test_noise_between_the_radii_changes_nothing(start: float, state: int) -> None:
    noise = np.random.default_rng(1).uniform(2.61, 3.19, 500)
    assert np.ptp(np.sign(noise - 2.9)) == 2
    assert _bonded([start, *noise]) == [state] * 501


def test_a_persistent_change_is_dated_to_its_first_frame_and_a_short_one_is_dropped() -> None:
    radii = [BondRadii("Cl", "Al", 2.9, 2.9)]
    near, far = 2.5, 3.5
    distances = [near] * 5 + [far] * 3 + [near] * 4 + [far] * 4 + [near] * 2 + [far] * 6
    states = _bonded(distances, radii, persistence_ps=0.3)
    # Three frames far span 0.2 ps only; four span 0.3 ps.
    assert states == [1] * 12 + [0] * 12
    late = _bonded([near] * 8 + [far] * 3, radii, persistence_ps=0.3)
    assert late == [1] * 11
    assert _bonded([far, near, near, near, near, near], radii, persistence_ps=0.2) == [1] * 6


def test_bonds_of_a_skewed_cell_equal_a_search_over_all_images() -> None:
    rng = np.random.default_rng(2)
    cell = 0.6 * TRICLINIC
    names = np.array(["Al"] * 6 + ["Cl"] * 12 + ["C"] * 3)
    frame = rng.uniform(-2.0, 2.0, (21, 3)) @ cell
    radii = [BondRadii("Al", "Cl", 2.0, 3.0), BondRadii("Al", "Al", 3.0, 4.4)]
    (bonds,) = follow_bonds(frame[None], names, cell, radii, 1.0)
    shifts = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3) @ cell
    vectors = frame[:, None, None] - frame[None, :, None] + shifts
    nearest = np.linalg.norm(vectors, axis=-1).min(axis=-1)
    # The first frame takes the middle of the two radii.
    limit = np.zeros((21, 21))
    limit[:6, :6], limit[:6, 6:18] = 3.7, 2.5
    expected = np.argwhere(np.triu(nearest < limit, 1))
    assert len(expected) > 10
    np.testing.assert_array_equal(bonds, expected)


def test_cells_may_change_from_frame_to_frame() -> None:
    cells = np.array([8.0, 8.0, 5.0, 5.0])[:, None, None] * np.eye(3)
    frames = np.tile([[[0.5, 0.0, 0.0], [4.0, 0.0, 0.0]]], (4, 1, 1))
    bonds = follow_bonds(frames, ["Al", "Cl"], cells, RADII, 1.0)
    assert [len(pairs) for pairs in bonds] == [0, 0, 1, 1]


@pytest.mark.parametrize(("persistence_ps", "ahead"), [(0.0, 1), (0.5, 6)])
def test_frames_are_read_one_by_one_and_not_kept(persistence_ps: float, ahead: int) -> None:
    read = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal read
        for frame in _pair([2.0] * 40):
            read += 1
            yield frame

    bonds = follow_bonds(frames(), ["Al", "Cl"], TRICLINIC, RADII, 0.1, persistence_ps)
    for index, _ in enumerate(bonds):
        assert read == min(index + ahead, 40)
    assert index == 39


@pytest.mark.parametrize(
    ("radii", "message"),
    [
        ([], "empty"),
        ([BondRadii("Al", "Br", 2.0, 3.0)], "Br"),
        ([BondRadii("Al", "Cl", 2.0, 3.0), BondRadii("Cl", "Al", 2.0, 3.0)], "more than once"),
        ([BondRadii("Al", "Cl", 2.5, 2.5)], "recrossing"),
    ],
)
def test_radii_that_cannot_work_are_refused(radii: list[BondRadii], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _bonded([2.0], radii)


def test_bad_input_is_refused_with_the_frame_named() -> None:
    with pytest.raises(ValueError, match="form and"):
        BondRadii("Al", "Cl", 3.0, 2.0)
    frames = _pair([2.0, 2.0, np.nan])
    with pytest.raises(ValueError, match="frame 2"):
        list(follow_bonds(frames, ["Al", "Cl"], TRICLINIC, RADII, 0.1))
    with pytest.raises(ValueError, match="frame 0 has shape"):
        list(follow_bonds(frames, ["Al", "Cl", "Cl"], TRICLINIC, RADII, 0.1))
    for n_cells, more in ((1, "more"), (3, "2 frames")):
        cells = np.repeat(TRICLINIC[None], n_cells, axis=0)
        with pytest.raises(ValueError, match=more):
            list(follow_bonds(frames[:2], ["Al", "Cl"], cells, RADII, 0.1))
    with pytest.raises(ValueError, match="dt_ps is 0"):
        _bonded([2.0], dt_ps=0.0)
