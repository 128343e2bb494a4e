"""Settings of the loop: all protocols fit, and what would fail days later is told at once."""

from __future__ import annotations

from copy import deepcopy

import pytest

from aiida_mliptransport.workflows.active_learning.problems import (
    committee_problem,
    loop_problems,
    species_problem,
)
from aiida_mliptransport.workflows.protocols import load_protocol, merged


def problems(changes=None, protocol="fast"):
    """Return the problems of a protocol with changes, which may be of any section."""
    settings = {**load_protocol("active_learning", protocol)}
    settings["explore"] = load_protocol("explore", protocol)
    return loop_problems(merged(deepcopy(settings), changes or {}), ["licl", "lif"])


@pytest.mark.parametrize("protocol", ["fast", "balanced", "stringent"])
def test_every_protocol_fits(protocol):
    assert problems(protocol=protocol) == {}


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"parameters": {"step": 2000}}, "unknown key 'ladder.stages[1].parameters.step'"),
        ({"parameters": {"steps": 2000.0}}, "ladder.stages[1].parameters.steps is 2000.0"),
        ({"parameters": {"seed": 3}}, "ladder.stages[1].parameters holds ['seed']"),
        ({"parameters": {"temperature_K": 9.0}}, "parameters holds ['temperature_K']"),
        (
            {"parameters": {"deviation_stride": 7}},
            "ladder.stages[1].parameters: trajectory_stride is 10 and deviation_stride 7",
        ),
        (
            {"parameters": {"trajectory_stride": 25}},
            "ladder.stages[1].parameters: trajectory_stride is 25 and deviation_stride 10",
        ),
        ({"parameters": {"ensemble": "npt"}}, "ladder.stages[1].parameters pressure_bar is None"),
        ({"temperatures_K": [-5]}, "ladder.stages[1].temperatures_K is [-5.0]"),
        ({"temperatures_K": [1000, 1000.2]}, "differ by 1 K or more"),
        ({"temperatures_K": ["1000"]}, "ladder.stages[1].temperatures_K[0] is '1000'"),
        ({"pressures_bar": [1.0, 1.2]}, "ladder.stages[1].pressures_bar is [1.0, 1.2]"),
        ({"structures": {"licl": "nacl"}}, "ladder.stages[1].structures names 'nacl'"),
        ({"temperature_K": [900]}, "known keys are parameters, pressures_bar, structures, temp"),
    ],
)
def test_a_stage_that_no_exploration_would_take_is_named(stage, words):
    found = problems({"ladder": {"stages": [{}, stage]}})
    assert list(found) == ["ladder"]
    assert words in found["ladder"]


def test_a_volume_beside_pressures_is_refused():
    found = problems(
        {"ladder": {"stages": [{"volume_scale": 1.1}]}, "explore": {"pressures": [1.0]}}
    )
    assert "ladder.stages[0].volume_scale is 1.1, but explore.pressures [1.0]" in found["ladder"]


@pytest.mark.parametrize(
    "changes",
    [
        {"explore": {"parameters": {"steps": 50, "timestep_fs": 1.0}}},
        {"ladder": {"stages": [{}, {"parameters": {"steps": 50, "timestep_fs": 1.0}}]}},
    ],
)
def test_runs_too_short_for_a_blind_frame_are_refused(changes):
    changes = {**changes, "selection": {"blind_start_ps": 0.2}}
    assert problems(changes)["explore"].startswith("explorations of 50 steps are 0.05 ps long and")


def test_stages_that_can_be_run_are_taken():
    stages = [
        {},
        {"temperatures_K": [1000, 1001], "volume_scale": 1.1, "structures": {"licl": "lif"}},
        {"pressures_bar": [0.0, 5000], "parameters": {"steps": 9000, "pressure_coupling": "tri"}},
        {"parameters": {"trajectory_stride": 30, "deviation_stride": 15}},
        {"parameters": {"deviation_stride": None}},
    ]
    assert problems({"ladder": {"stages": stages}}) == {}


def test_strides_that_do_not_fit_without_a_ladder_are_named_where_they_are():
    found = problems({"explore": {"parameters": {"deviation_stride": 3}}})
    assert found["ladder"].startswith("explore.parameters: trajectory_stride is 10")


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("targets", {"max_relative_force_rmse": None}, "targets.max_relative_force_rmse is None"),
        ("targets", {"max_relative_force_rmse": "0.1"}, "targets.max_relative_force_rmse is '0.1'"),
        ("targets", {"max_relative_force_rmse": 0.0}, "greater than 0"),
        ("targets", {"max_force_rmse": 0.1}, "unknown key 'targets.max_force_rmse'"),
        (
            "targets",
            {"max_relative_force_rmse_by_species": {"Li": "low"}},
            "targets.max_relative_force_rmse_by_species.Li is 'low'",
        ),
        ("targets", {"min_share_accurate": 90}, "targets.min_share_accurate is 90"),
        ("targets", {"observable": {"quantity": "sigma"}}, "'targets.observable.temperature_K'"),
        ("targets", {"barriers": {"target_eV": -1.0}}, "targets.barriers.target_eV is -1.0"),
        ("budget", {"max_iterations": 0}, "budget.max_iterations is 0"),
        ("budget", {"max_labels": 100.5}, "budget.max_labels is 100.5"),
        ("budget", {"max_hours": 3}, "known keys are max_iterations, max_labels"),
        ("selection", {"n_candidate": 3}, "unknown key 'selection.n_candidate'"),
        ("selection", {"n_blind": 0}, "selection.n_blind is 0"),
        ("selection", {"blind_replica": "1"}, "selection.blind_replica is '1'"),
        ("ladder", {"move_on": "0.9"}, "ladder.move_on is '0.9'"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(section, changes, words):
    found = problems({section: changes})
    assert list(found) == [section]
    assert words in found[section]


def test_targets_that_are_left_out_by_null_are_taken():
    left_out = {
        "max_relative_force_rmse_by_species": None,
        "max_energy_rmse_meV_atom": None,
        "max_stress_rmse_GPa": None,
    }
    assert problems({"targets": left_out}) == {}


@pytest.mark.parametrize(
    ("replicas", "blind_replica", "enough"), [(1, 1, 2), (1, 0, 2), (2, 2, 3), (3, 5, 6)]
)
def test_the_blind_test_needs_a_replica_and_the_candidates_another(replicas, blind_replica, enough):
    def found(replicas):
        given = {"explore": {"replicas": replicas}, "selection": {"blind_replica": blind_replica}}
        return problems(given)

    assert f"set explore.replicas to {enough} or more" in found(replicas)["explore"]
    assert found(enough) == {}


def test_one_potential_is_no_committee():
    assert committee_problem(2) is None
    assert "committee_size is 1, expected 2 or more" in committee_problem(1)


def test_a_target_on_a_species_that_is_not_there_is_named():
    targets = {"max_relative_force_rmse_by_species": {"li": 0.1, "Cl": 0.1}}
    assert "names ['li'], expected some of ['Cl', 'Li']" in species_problem(targets, ["Li", "Cl"])
    targets = {"max_relative_force_rmse_by_species": {"Li": 0.1}}
    assert species_problem(targets, ["Li", "Cl"]) is None
    assert species_problem({"max_relative_force_rmse_by_species": None}, ["Li"]) is None
