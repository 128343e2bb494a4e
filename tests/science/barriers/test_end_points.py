"""End points that fit are measured, and those that make no path are refused by name."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.science.barriers import (
    EndPoints,
    EndPointsError,
    check_end_points,
    closest_approach,
    match_order,
)

A = 4.05


def aluminium() -> Atoms:
    return bulk("Al", "fcc", a=A, cubic=True).repeat(3)


def vacancy_hop() -> tuple[Atoms, Atoms]:
    """An atom of fcc aluminium hops over a face of the cell into the vacancy beside it."""
    initial = aluminium()
    across = int(np.argmin(np.linalg.norm(initial.positions - [0, 2.5 * A, 2.5 * A], axis=1)))
    final = initial.copy()
    final.positions[across] = initial.positions[0]
    return initial[1:], final[1:]


def test_a_hop_over_the_face_of_the_cell_is_as_long_as_the_neighbours_are_apart() -> None:
    path = EndPoints(*vacancy_hop())
    (ion,) = path.moving_ions()
    np.testing.assert_allclose(path.displacements[ion], [0, A / 2, A / 2], atol=1e-12)
    assert path.path_length == pytest.approx(A / np.sqrt(2))
    assert check_end_points(path) == ()


def test_the_way_through_the_window_of_fcc_is_known() -> None:
    approach = closest_approach(EndPoints(*vacancy_hop()))
    assert approach is not None
    # The four atoms of the window: √3/2 of the nearest distance, which is also that at the ends.
    assert approach.ratio == pytest.approx(np.sqrt(3) / 2)
    assert approach.fraction == pytest.approx(0.5)
    assert approach.end_distance == pytest.approx(A / np.sqrt(2))


def test_unwrapped_positions_keep_their_long_way() -> None:
    initial = aluminium()[1:]
    final = initial.copy()
    final.positions[5] += [2 * A, 0, 0]
    assert EndPoints(initial, final, minimum_image=False).path_length == pytest.approx(2 * A)
    assert EndPoints(initial, final).path_length == pytest.approx(A)


def test_an_atom_more_is_refused() -> None:
    initial, final = vacancy_hop()
    with pytest.raises(EndPointsError, match=r"Al107 \(107 atoms\).*Al106 \(106 atoms\)"):
        EndPoints(initial, final[1:])


def test_another_element_is_refused() -> None:
    initial, final = vacancy_hop()
    final.numbers[3] = 29
    with pytest.raises(EndPointsError, match=r"Al107 .*Al106Cu .*expected the same atoms"):
        EndPoints(initial, final)


def test_another_order_is_refused_and_can_be_mended() -> None:
    initial, final = vacancy_hop()
    for atoms in (initial, final):
        atoms.numbers[[4, 9]] = 29
    (moved,) = EndPoints(initial, final).moving_ions()
    order = np.random.default_rng(1).permutation(len(final))
    with pytest.raises(
        EndPointsError, match=r"\d atoms differ in their element.*one order of atoms"
    ):
        EndPoints(initial, final[order])
    matched = match_order(initial, final[order])
    np.testing.assert_array_equal(matched.positions, final.positions)
    np.testing.assert_array_equal(EndPoints(initial, matched).moving_ions(), [moved])


def test_vacancies_made_in_two_copies_shift_the_order_which_is_warned_of() -> None:
    # Removing different atoms shifts the indices between them: no element tells.
    crystal = aluminium()
    initial, final = crystal.copy(), crystal.copy()
    del initial[0]
    del final[3]
    warnings = check_end_points(EndPoints(initial, final))
    assert "3 ions move, but only 1 would" in warnings[0]
    mended = EndPoints(initial, match_order(initial, final))
    assert check_end_points(mended) == ()
    assert mended.path_length == pytest.approx(A / np.sqrt(2))


def test_another_cell_is_refused_with_how_far_it_is_off() -> None:
    initial, final = vacancy_hop()
    final.cell[2, 0] += 0.02
    with pytest.raises(EndPointsError, match=r"differ by up to 0\.0200 Å.*relax the final"):
        EndPoints(initial, final)
    final.cell[2, 0] -= 0.0199
    assert len(EndPoints(initial, final).moving_ions()) == 1


def test_another_periodicity_and_nan_are_refused() -> None:
    initial, final = vacancy_hop()
    final.pbc = (True, True, False)
    with pytest.raises(EndPointsError, match="pbc is"):
        EndPoints(initial, final)
    final.pbc = True
    final.positions[7, 1] = np.nan
    with pytest.raises(EndPointsError, match=r"final structure: .*atoms \[7\]"):
        EndPoints(initial, final)


def test_ends_between_which_nothing_moves_are_refused() -> None:
    initial, _ = vacancy_hop()
    final = initial.copy()
    final.rattle(0.05, seed=1)
    final.positions[3, 0] += 3 * A
    with pytest.raises(
        EndPointsError, match=r"no atom moves: .* 0\.\d+ Å, expected more than 0\.5"
    ):
        check_end_points(EndPoints(initial, final))


def test_two_atoms_that_exchange_places_are_refused() -> None:
    initial = aluminium()
    final = initial.copy()
    final.positions[[0, 1]] = initial.positions[[1, 0]]
    with pytest.raises(EndPointsError, match=r"Al 0 and Al 1 come to 0\.000 Å .* at 0\.50 of"):
        check_end_points(EndPoints(initial, final))


def test_an_exchange_round_a_ring_of_four_is_a_path() -> None:
    initial = bulk("Cu", "sc", a=2.5, cubic=True).repeat(4)
    ring = [0, 16, 20, 4]
    final = initial.copy()
    final.positions[ring] = initial.positions[np.roll(ring, -1)]
    path = EndPoints(initial, final)
    approach = closest_approach(path)
    assert approach is not None
    assert approach.ratio == pytest.approx(np.sqrt(0.5))
    (warning,) = check_end_points(path)
    assert "4 ions move, but only 0 would" in warning


def test_atoms_that_come_close_are_warned_of() -> None:
    initial = Atoms("LiClLi", [[0, 0, 0], [2, 0.6, 0], [0, 6, 0]], cell=[12] * 3, pbc=True)
    final = initial.copy()
    final.positions[0] = [4, 0, 0]
    (warning,) = check_end_points(EndPoints(initial, final))
    assert "Li 0 and Cl 1 come to 0.600 Å of each other at 0.50" in warning
    assert "IDPP" in warning


def test_a_displacement_of_half_the_cell_may_go_two_ways() -> None:
    initial = Atoms("Li2", [[0, 0, 0], [1, 4, 4]], cell=[8, 8, 8], pbc=True)
    final = initial.copy()
    final.positions[0, 0] = 3.97
    with pytest.raises(EndPointsError, match=r"Li 0 may go two ways.* 3\.970 .* 4\.030 Å"):
        check_end_points(EndPoints(initial, final))
    assert check_end_points(EndPoints(initial, final, minimum_image=False)) == ()
    final.positions[0, 0] = 3.9
    assert check_end_points(EndPoints(initial, final)) == ()
    final.positions[0, 0] = 3.97
    for atoms in (initial, final):
        atoms.pbc = (False, True, True)
    assert check_end_points(EndPoints(initial, final)) == ()


def test_another_order_of_atoms_is_named_where_it_looks_like_two_ways() -> None:
    initial = bulk("LiCl", "rocksalt", a=5.13, cubic=True).repeat(2)
    del initial[0]
    order = np.concatenate([np.flatnonzero(initial.numbers == n)[::-1] for n in (3, 17)])
    back = np.argsort(np.argsort(initial.numbers, kind="stable"), kind="stable")
    final = initial[order][back]
    with pytest.raises(EndPointsError, match=r"two ways.*ions move, but only \d+ would"):
        check_end_points(EndPoints(initial, final))


def test_a_molecule_has_end_points_too() -> None:
    initial = Atoms("OH", [[0, 0, 0], [0, 0, 1]])
    final = Atoms("OH", [[0, 0, 0], [0, 0.8, -0.6]])
    path = EndPoints(initial, final)
    assert path.path_length == pytest.approx(np.sqrt(0.8**2 + 1.6**2))
    (warning,) = check_end_points(path)
    assert "H 1 and O 0 come to 0.447 Å" in warning


def test_the_second_way_is_seen_in_a_skewed_cell() -> None:
    cell = [[8.0, 0, 0], [15.9, 3.0, 0], [0, 0, 9.0]]
    initial = Atoms("Li2", [[0, 0, 0], [1, 1, 4.5]], cell=cell, pbc=True)
    final = initial.copy()
    # Half of b - 2a, the shortest vector of the lattice.
    final.positions[0] = [-0.05, 1.5, 0]
    with pytest.raises(EndPointsError, match="two ways"):
        check_end_points(EndPoints(initial, final))
