"""Screening: planted defects are found and named; only what precedes a crash survives."""

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.selection import (
    ScreeningCriteria,
    contact_limits_from_frames,
    physical_window,
    screen_frames,
)

PBC = np.ones(3, dtype=bool)


def rock_salt(n_frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, cells and numbers of a thermally shaken 64-atom LiCl crystal."""
    atoms = bulk("LiCl", "rocksalt", a=5.14, cubic=True).repeat(2)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(n_frames, len(atoms), 3))
    cells = np.tile(atoms.cell.array, (n_frames, 1, 1))
    return atoms.positions + noise, cells, atoms.numbers


def test_a_thermally_shaken_crystal_is_physical_throughout() -> None:
    result = screen_frames(*_ordered(rock_salt(10)))
    assert result.counts() == {"physical": 10}
    assert result.physical.all()


def test_planted_fragmentation_leaves_only_the_frames_before_the_crash() -> None:
    positions, cells, numbers = rock_salt(20)
    # From frame 13 on the crystal bursts: the atoms fly apart in a cell that was inflated.
    for step, frame in enumerate(range(13, 20), start=1):
        cells[frame] *= 1 + step
        positions[frame] *= 1 + step
    # One frame that looks healthy again after the crash must not come back.
    positions[18], cells[18] = positions[0], cells[0]
    criteria = ScreeningCriteria(volume_ratio=None)
    result = screen_frames(positions, cells, PBC, numbers, criteria=criteria)
    assert physical_window(result.physical) == 13
    assert result.counts() == {"physical": 14, "isolated_atom": 6}


def test_an_atom_that_lost_all_neighbours_is_named() -> None:
    positions, cells, numbers = rock_salt(2)
    cells[:, 2, 2] *= 2.5
    positions[1, 5, 2] = 18.0
    criteria = ScreeningCriteria(contact_scale=0.5)
    result = screen_frames(positions, cells, PBC, numbers, criteria=criteria)
    assert result.reasons.tolist() == ["physical", "isolated_atom"]
    assert "Cl 5" in result.details[1]


def test_a_molecule_that_left_the_others_is_a_fragment() -> None:
    positions, cells, numbers = rock_salt(2)
    cells[:, 2, 2] *= 2.5
    positions[1, :2] = [[2.0, 2.0, 18.0], [2.0, 4.3, 18.0]]
    result = screen_frames(positions, cells, PBC, numbers)
    assert result.reasons.tolist() == ["physical", "fragmented"]
    assert result.details[1] == "2 fragments, 2 atoms off the largest"


def test_a_close_contact_across_the_boundary_of_a_triclinic_cell_is_found() -> None:
    cell = np.array([[6.0, 0, 0], [3.0, 5.2, 0], [-2.0, 1.0, 6.0]])
    fractional = np.array([[0.02, 0.5, 0.5], [0.98, 0.5, 0.5], [0.5, 0.98, 0.1]])
    result = screen_frames(
        (fractional @ cell)[None], cell[None], PBC, np.array([3, 17, 17]), criteria=None
    )
    assert result.reasons.tolist() == ["close_contact"]
    assert result.details[0] == "Li–Cl at 0.24 Å (limit 1.38)"


def test_each_kind_of_blow_up_has_its_own_reason() -> None:
    positions, cells, numbers = rock_salt(7)
    energies, deviations = np.full(7, -200.0), np.full(7, 0.1)
    temperatures = np.full(7, 1000.0)
    positions[1, 0, 0] = np.nan
    energies[2] = np.inf
    deviations[3] = np.nan
    temperatures[4] = 9000.0
    energies[5] = -200.0 - 64 * 1.5
    cells[6] *= 0.7
    result = screen_frames(
        positions,
        cells,
        PBC,
        numbers,
        criteria=ScreeningCriteria(max_temperature=4000.0),
        temperatures=temperatures,
        energies=energies,
        deviations=deviations,
    )
    assert result.reasons.tolist() == [
        "physical",
        *["non_finite"] * 3,
        "hot",
        "energy_jump",
        "bad_cell",
    ]
    assert result.details[1:6] == (
        "not finite: positions",
        "not finite: energies",
        "not finite: deviations",
        "9000 K above 4000 K",
        "-1.5 eV/atom from the reference",
    )


def test_a_flat_cell_is_a_reason_not_a_crash() -> None:
    positions, cells, numbers = rock_salt(2)
    cells[1, 2] = cells[1, 1]
    criteria = ScreeningCriteria(volume_ratio=None)
    result = screen_frames(positions, cells, PBC, numbers, criteria=criteria)
    assert result.reasons.tolist() == ["physical", "bad_cell"]


def test_limits_measured_on_good_frames_catch_what_radii_let_pass() -> None:
    positions, cells, numbers = rock_salt(20)
    limits = contact_limits_from_frames(positions, cells, PBC, numbers, margin=0.85)
    assert set(limits) == {(3, 3), (3, 17), (17, 17)}
    squeezed = positions[:1].copy()
    # Atoms 0 and 1 are neighbours along x: Li moves up to its Cl.
    squeezed[0, 0] = squeezed[0, 1] - [1.5, 0, 0]
    loose = screen_frames(squeezed, cells[:1], PBC, numbers)
    measured = ScreeningCriteria(contact_limits=limits)
    tight = screen_frames(squeezed, cells[:1], PBC, numbers, criteria=measured)
    assert loose.reasons.tolist() == ["physical"]
    assert tight.reasons.tolist() == ["close_contact"]


def test_a_passing_collision_ends_nothing_when_persistence_allows_it() -> None:
    flags = np.array([1, 1, 0, 1, 1, 1, 0, 0, 0, 1], dtype=bool)
    assert physical_window(flags) == 2
    assert physical_window(flags, persistence=2) == 6
    assert physical_window(flags, persistence=4) == 10


def test_a_trajectory_that_stops_in_a_bad_frame_is_cut_there() -> None:
    assert physical_window(np.array([1, 1, 1, 0], dtype=bool), persistence=3) == 3


def test_a_healthy_or_empty_trajectory_is_kept_whole() -> None:
    assert physical_window(np.ones(5, dtype=bool)) == 5
    assert physical_window(np.empty(0, dtype=bool)) == 0


def test_a_series_of_another_length_is_refused_by_name() -> None:
    positions, cells, numbers = rock_salt(3)
    with pytest.raises(ValueError, match=r"temperatures has shape \(2,\), expected \(3,\)"):
        screen_frames(positions, cells, PBC, numbers, temperatures=np.ones(2))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"contact_scale": -1.0}, "contact_scale=-1.0: expected a positive finite number"),
        ({"volume_ratio": (2.0, 0.5)}, "0 < smallest < largest"),
        ({"contact_limits": {(17, 3): 1.0}}, r"contact_limits has \(17, 3\).*lower, higher"),
    ],
)
def test_senseless_criteria_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScreeningCriteria(**wrong)  # type: ignore[arg-type]


def _ordered(
    frames: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    positions, cells, numbers = frames
    return positions, cells, PBC, numbers
