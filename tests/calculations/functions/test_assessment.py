"""Judging an iteration and a campaign: checks, limits, and what decides them."""

import numpy as np
import pytest
from aiida import orm
from scipy.stats import norm

from aiida_mliptransport.calculations.functions.assessment import (
    assess_iteration,
    collect_history,
)
from aiida_mliptransport.calculations.functions.trust import propose_trust_levels

pytestmark = pytest.mark.medium

TARGETS = {
    "max_relative_force_rmse": 0.15,
    "min_share_accurate": 0.9,
    "max_trust_over_rmse": 3.0,
    "min_production_atoms": 64,
    "min_temperatures": 3,
    "max_relative_error_D": 0.15,
    "slope_confidence": 0.95,
}
FACTORS = {"low_factor": 2.0, "high_factor": 3.0}
#: What a blind test with an error of 0.1 eV/Å sets.
LEVELS = {"low": 0.2, "high": 0.3}


def make_errors(rmse, rms=1.0):
    return orm.Dict(
        {
            "n_frames": 12,
            "force": {
                "rmse_component": rmse,
                "relative": rmse / rms,
                "reference_rms": rms,
                "standard_error": 0.1 * rmse,
            },
            "energy": {"rmse_per_atom_eV": 0.005},
            "force_by_species": {},
        }
    )


def make_selection(largest, unphysical=0, expected=100, n_broken_off=0):
    """Return the summary of 100 frames whose deviations are even from 0 to ``largest``."""
    return orm.Dict(
        {
            "n_frames": 100,
            "n_expected_frames": expected,
            "n_broken_off": n_broken_off,
            "unphysical": unphysical,
            "accurate": 0,
            "share_accurate": 0.0,
            "deviation_quantiles_eV_A": np.linspace(0.0, largest, 201).tolist(),
            "blind": {"effective_size": 11.0},
        }
    )


def ladder_state(stage=0, n_stages=1):
    return orm.Dict(
        {"explored": {"licl": stage}, "n_at_top": int(stage == n_stages - 1), "n_stages": n_stages}
    )


def judge(**changes):
    given = {
        "iteration": orm.Int(2),
        "selection": make_selection(0.2),
        "trust_levels": orm.Dict({"low": 0.5, "high": 0.9}),
        "calibrated_levels": orm.Dict(LEVELS),
        "errors": make_errors(0.1),
        "ledger": orm.Dict({"n_labels_when_tested": 30}),
        "targets": orm.Dict(TARGETS),
        "ladder": ladder_state(),
        **changes,
    }
    return assess_iteration(**{k: v for k, v in given.items() if v is not None}).get_dict()


def assess(rmse=0.1, largest=0.2, unphysical=0, ladder=None):
    return judge(
        errors=make_errors(rmse),
        selection=make_selection(largest, unphysical),
        ladder=ladder or ladder_state(),
    )


@pytest.fixture(autouse=True)
def profile(aiida_profile):
    return aiida_profile


def test_before_a_blind_test_the_worst_member_s_training_error_sets_the_levels():
    training = orm.Dict({"final_force_rmse_eV_A": {"lowest": 0.05, "highest": 0.08}})
    levels = propose_trust_levels(results=training, parameters=orm.Dict(FACTORS))
    assert levels["high"] == pytest.approx(0.24)
    assert levels["source"] == "training"


def test_an_iteration_that_meets_every_target_is_converged():
    record = assess()
    assert record["converged"]
    assert record["checks"]["share_accurate"]["value"] == pytest.approx(1.0)


def test_the_share_of_accurate_frames_rests_on_this_iteration_s_blind_test():
    # The levels of the selection (0.5) would call all of them accurate.
    record = assess(rmse=0.1, largest=0.4)
    assert record["checks"]["share_accurate"]["value"] == pytest.approx(0.5)
    assert not record["converged"]


def test_unphysical_frames_are_not_accurate():
    assert assess(unphysical=20)["checks"]["share_accurate"]["value"] == pytest.approx(0.8)


def test_frames_that_a_run_lacks_because_it_broke_off_are_not_accurate():
    record = judge(selection=make_selection(0.2, expected=125))
    assert record["checks"]["share_accurate"]["value"] == pytest.approx(0.8)


def test_a_run_that_broke_off_keeps_the_loop_going():
    # 98.8 % of all frames are accurate all the same.
    record = judge(selection=make_selection(0.2, expected=101, n_broken_off=1))
    assert record["checks"]["share_accurate"]["passed"]
    assert record["decision"]["missed"] == ["runs_broken_off: 1, at most 0"]


def test_without_a_blind_test_nothing_is_known_of_the_errors():
    record = judge(errors=None)
    assert record["blind"] is None
    assert not record["converged"]
    assert record["checks"]["relative_force_rmse"]["value"] is None
    assert record["checks"]["share_accurate"]["passed"]
    assert "relative_force_rmse: not known, at most 0.15" in record["decision"]["missed"]


def test_a_target_that_is_missed_keeps_the_loop_going():
    assert not assess(rmse=0.16)["converged"]


def test_a_loop_goes_on_until_every_structure_was_explored_at_the_last_stage():
    assert "structures_at_the_last_stage" not in assess()["checks"]
    below = assess(ladder=ladder_state(0, 2))
    assert not below["converged"]
    assert below["decision"]["missed"] == ["structures_at_the_last_stage: 0, at least 1"]
    assert assess(ladder=ladder_state(1, 2))["converged"]


def test_an_observable_that_still_moves_keeps_the_loop_going():
    target = {
        "quantity": "D", "species": "Li", "temperature_K": 1200.0, "max_relative_error": 0.2,
        "length_ps": 20.0,
    }  # fmt: skip
    entry = {
        "D_cm2_s": 4e-5, "interval_95": [3.6e-5, 4.4e-5], "resolved": True,
        "dominant_error": "sampling",
    }  # fmt: skip

    def record(before):
        return judge(
            targets=orm.Dict({**TARGETS, "observable": target}),
            observables=orm.Dict({"points": [{"diffusion": {"Li": entry}}]}),
            previous=orm.Dict({"observable": {"value": before}}),
        )

    assert record(3.9e-5)["converged"]
    moved = record(2e-5)
    assert not moved["converged"]
    assert moved["decision"]["missed"] == ["observable_change: 1, at most 0.2"]


def make_observables(slope=1.0, relative=0.05, resolved=True, temperatures=(1000, 1200, 1400)):
    return orm.Dict(
        {
            "points": [
                {
                    "n_atoms": 64,
                    "temperature_K": t,
                    "diffusion": {
                        "Li": {
                            "log_log_slope": slope,
                            "log_log_slope_error": 0.01,
                            "relative_error": relative,
                            "resolved": resolved,
                        }
                    },
                }
                for t in temperatures
            ]
        }
    )


def history(**changes):
    return collect_history(
        stop_reason=orm.Str("error targets met"),
        targets=orm.Dict(TARGETS),
        ledger=orm.Dict({"n_labels_total": 34, "n_candidates_labelled": {"2": 4}}),
        record__01=orm.Dict(assess()),
        final_errors=make_errors(0.1),
        observables=make_observables(**changes),
    ).get_dict()


def test_a_campaign_that_meets_every_target_is_converged():
    assert history()["converged"]


def test_the_history_counts_the_candidates_that_followed_an_assessment():
    made = history()
    (record,) = made["iterations"]
    counted = (record["n_labels_when_tested"], record["n_candidates_labelled"])
    assert counted == (30, 4)
    assert record["n_labels_total"] == made["n_labels_total"] == 34


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"relative": 0.2}, "relative_error_D"),
        ({"resolved": False}, "unresolved_diffusion"),
        ({"temperatures": (1000, 1200)}, "temperatures"),
        ({"slope": 0.95}, "log_log_slope_sigmas_from_1"),
    ],
)
def test_a_missed_transport_target_is_named(changes, check):
    verdict = history(**changes)
    assert not verdict["converged"]
    assert not verdict["checks"][check]["passed"]


def test_several_slopes_are_judged_together():
    # 2.2 standard errors are unlikely for one slope, and likely for the largest of three.
    check = history(slope=1.022)["checks"]["log_log_slope_sigmas_from_1"]
    assert check["value"] == pytest.approx(2.2)
    assert check["limit"] == pytest.approx(norm.ppf(1 - 0.05 / 6))
    assert check["passed"]
