"""Between two explorations: stages move by the share of accurate frames, starts are diverse."""

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk
from lif_trajectory import lif, lif_trajectory

from aiida_mliptransport.calculations.functions.ladder import (
    choose_starts,
    move_on_ladder,
    scale_to_volume,
    structure_of,
)

pytestmark = pytest.mark.medium

LADDER = {"stages": [{}, {}, {}], "move_on": 0.9, "move_back": 0.5, "starts": "explored"}
SELECTION = {
    "blind_replica": 1,
    "blind_start_ps": 0.0,
    "descriptor_cutoff_A": 5.0,
    "screening": {},
}
TRUST = {"low": 0.1, "high": 0.3}


@pytest.fixture(autouse=True)
def profile(aiida_profile):
    return aiida_profile


def counts(accurate, total=10, expected=None):
    """Return a run of which so many frames deviate by less than the lower level."""
    largest = TRUST["low"] * total / accurate
    return {
        "n_frames": total,
        "n_expected_frames": expected or total,
        "unphysical": 0,
        "deviation_quantiles_eV_A": np.linspace(0.0, largest, 41).tolist(),
    }


def move(stages, runs):
    """Move on after runs; one that is only a number of expected frames left no trajectory."""
    by_trajectory = {key: run for key, run in runs.items() if isinstance(run, dict)}
    expected = {
        key: {"n_expected_frames": run["n_expected_frames"] if key in by_trajectory else run}
        for key, run in runs.items()
    }
    return move_on_ladder(
        selection=orm.Dict({"by_trajectory": by_trajectory, "runs": expected}),
        trust_levels=orm.Dict(TRUST),
        stages=orm.Dict({"stages": stages}),
        ladder=orm.Dict(LADDER),
    ).get_dict()


def test_every_structure_moves_by_its_own_share():
    after = move(
        {"licl": 1, "licl2": 1, "nacl": 1},
        {
            "licl_300K_replica0": counts(10),
            "licl_300K_replica1": counts(8),
            "licl2_300K_replica0": counts(4),
            "nacl_300K_replica0": counts(7),
        },
    )
    assert after["share_accurate"] == pytest.approx({"licl": 0.9, "licl2": 0.4, "nacl": 0.7})
    assert after["stages"] == {"licl": 2, "licl2": 0, "nacl": 1}
    assert after["n_at_top"] == 0


def test_a_structure_counts_at_the_top_only_when_it_was_explored_there():
    assert move({"a": 1}, {"a_300K_replica0": counts(10)})["n_at_top"] == 0
    assert move({"a": 2}, {"a_300K_replica0": counts(10)})["n_at_top"] == 1


def test_a_structure_that_was_not_explored_stays_where_it_is():
    after = move({"a": 1}, {})
    assert after["share_accurate"] == {"a": None}
    assert after["stages"] == {"a": 1}


def test_a_structure_whose_runs_gave_no_frame_goes_back():
    after = move({"a": 1}, {"a_300K_replica0": 100, "a_300K_replica1": 100})
    assert after["share_accurate"] == {"a": 0.0}
    assert after["stages"] == {"a": 0}


def test_what_a_run_lacks_that_broke_off_is_not_accurate():
    runs = {"a_300K_replica0": counts(100, 100), "a_300K_replica1": counts(12, 12, expected=100)}
    after = move({"a": 1}, runs)
    assert after["share_accurate"]["a"] == pytest.approx(112 / 200)
    assert after["stages"] == {"a": 1}


def test_a_run_belongs_to_the_structure_with_the_longest_fitting_name():
    assert structure_of("li_vac_300K_replica0", ["li", "li_vac"]) == "li_vac"
    assert structure_of("na_300K_replica0", ["li"]) is None


def crystal(displacements, deviation, temperatures=None):
    """Return LiF frames in which the first atom is displaced by the given lengths (Å)."""
    positions = np.repeat(lif().positions[None], len(displacements), axis=0)
    positions[:, 0, 0] += displacements
    thermo = {"step": 10 * np.arange(len(displacements)), "temperature_K": temperatures}
    return lif_trajectory(positions, deviation, thermo=thermo if temperatures else None)


def first_x(structure):
    return structure.get_ase().positions[0, 0]


def test_starts_are_far_from_one_another_and_no_frame_that_the_model_does_not_know():
    run = crystal([0.0, 0.01, 0.3, 0.6, 0.02], [0.05, 0.05, 0.2, 0.9, 0.05])
    made = choose_starts(
        number=orm.Int(2),
        parameters=orm.Dict({**SELECTION, "blind_replica": 2}),
        trust_levels=orm.Dict(TRUST),
        trajectory__lif_300K_replica0=run,
    )
    assert sorted(made) == ["start_0", "start_1"]
    assert first_x(made["start_0"]) == pytest.approx(0.3)
    assert first_x(made["start_1"]) == pytest.approx(0.0)
    assert made["start_0"].creator is not None


def test_only_the_blind_run_begins_where_a_blind_run_was():
    made = choose_starts(
        number=orm.Int(3),
        parameters=orm.Dict(SELECTION),
        trust_levels=orm.Dict(TRUST),
        trajectory__lif_300K_replica0=crystal([0.0, 0.1], [0.05, 0.05]),
        trajectory__lif_300K_replica1=crystal([0.3, 0.5], [0.05, 0.05]),
        trajectory__lif_300K_replica2=crystal([0.2], [0.05]),
    )
    found = {label: round(first_x(structure), 3) for label, structure in made.items()}
    assert {found["start_0"], found["start_2"]} <= {0.0, 0.1, 0.2}
    assert found["start_1"] in (0.3, 0.5)


def test_starts_keep_away_from_the_earlier_ones():
    run = crystal([0.0, 0.3], [0.05, 0.05])
    parameters = orm.Dict({**SELECTION, "blind_replica": 2})
    given = {"parameters": parameters, "trust_levels": orm.Dict(TRUST)}
    first = choose_starts(number=orm.Int(1), trajectory__lif_300K_replica0=run, **given)
    second = choose_starts(
        number=orm.Int(2),
        trajectory__lif_300K_replica0=run,
        start__lif_replica0=first["start_0"],
        **given,
    )
    assert len(second) == 1
    assert first_x(second["start_0"]) != pytest.approx(first_x(first["start_0"]), abs=0.1)


def test_no_run_begins_from_a_frame_that_the_screening_refuses():
    run = crystal([0.0, 0.3, 0.6], [0.05, 0.05, 0.05], temperatures=[300.0, 310.0, 900.0])
    made = choose_starts(
        number=orm.Int(3),
        parameters=orm.Dict({**SELECTION, "screening": {"max_temperature": 800.0}}),
        trust_levels=orm.Dict(TRUST),
        trajectory__lif_300K_replica0=run,
    )
    assert sorted(first_x(start) for start in made.values()) == pytest.approx([0.0, 0.3])


def test_without_a_known_frame_there_is_no_start():
    made = choose_starts(
        number=orm.Int(2),
        parameters=orm.Dict(SELECTION),
        trust_levels=orm.Dict(TRUST),
        trajectory__lif_300K_replica0=crystal([0.0, 0.3], [0.9, 0.9]),
    )
    assert made == {}


def test_a_start_is_scaled_to_a_volume_with_its_atoms():
    structure = orm.StructureData(ase=bulk("LiF", "rocksalt", a=4.0, cubic=True))
    scaled = scale_to_volume(structure=structure, volume_A3=orm.Float(125.0)).get_ase()
    assert scaled.cell.lengths() == pytest.approx([5.0] * 3)
    assert scaled.get_distance(0, 1, mic=True) == pytest.approx(2.5)
