"""Checks of errors and of the observable, and the words for what decided."""

import pytest

from aiida_mliptransport.calculations.functions.checks import (
    decision,
    error_checks,
    observable_checks,
    observable_record,
)

ERRORS = {
    "force": {"relative": 0.12},
    "force_by_species": {"Li": {"relative": 0.2}, "Cl": {"relative": 0.1}},
    "energy": {"rmse_per_atom_eV": 0.02, "rmse_shifted_per_atom_eV": 0.003},
    "stress": {"rmse_component_eV_A3": 0.001},
}
TARGET = {
    "quantity": "D", "species": "Li", "temperature_K": 1200.0, "max_relative_error": 0.2,
    "length_ps": 20.0,
}  # fmt: skip


def observables(value=4.0e-5, low=3.6e-5, high=4.5e-5, **changes):
    entry = {
        "D_cm2_s": value, "interval_95": [low, high], "resolved": True, "reason": "",
        "dominant_error": "model", **changes,
    }  # fmt: skip
    sigma = {
        "sigma_mS_cm": 900.0, "interval_95": [800.0, 1000.0], "resolved": True,
        "dominant_error": "sampling",
    }  # fmt: skip
    return {"points": [{"diffusion": {"Li": entry}, "conductivity": sigma}]}


def test_only_the_targets_that_are_given_are_checked():
    checks = error_checks(ERRORS, {"max_relative_force_rmse": 0.15})
    assert list(checks) == ["relative_force_rmse"]
    assert checks["relative_force_rmse"]["passed"]


def test_energy_species_and_stress_are_checked_in_the_units_of_their_targets():
    checks = error_checks(
        ERRORS,
        {
            "max_relative_force_rmse": 0.15,
            "max_relative_force_rmse_by_species": {"Li": 0.15, "Cl": 0.15},
            "max_energy_rmse_meV_atom": 4.0,
            "max_stress_rmse_GPa": 0.1,
        },
    )
    assert checks["energy_rmse_meV_atom"]["value"] == pytest.approx(3.0)
    assert checks["stress_rmse_GPa"]["value"] == pytest.approx(0.160218, rel=1e-5)
    assert [name for name, check in checks.items() if not check["passed"]] == [
        "relative_force_rmse_Li",
        "stress_rmse_GPa",
    ]


def test_a_target_for_what_was_not_trained_is_missed_not_forgotten():
    checks = error_checks(
        {"force": {"relative": 0.1}, "stress": None},
        {"max_relative_force_rmse": 0.15, "max_stress_rmse_GPa": 0.5},
    )
    assert not checks["stress_rmse_GPa"]["passed"]
    assert decision(checks)["missed"] == ["stress_rmse_GPa: not known, at most 0.5"]


def test_the_larger_side_of_the_joint_interval_counts():
    record = observable_record(observables(), TARGET)
    assert record["relative_half_width"] == pytest.approx(0.125)
    assert record["dominant_error"] == "model"
    sigma = observable_record(observables(), {**TARGET, "quantity": "sigma", "species": None})
    assert sigma["value"] == 900.0


@pytest.mark.parametrize(
    ("now", "before", "passed"),
    [
        (4.0e-5, 3.8e-5, (True, True)),
        (4.0e-5, 3.0e-5, (True, False)),
        (4.0e-5, None, (True, False)),
        (3.1e-5, 3.1e-5, (False, True)),
    ],
)
def test_the_loop_may_stop_when_the_observable_is_known_and_stands_still(now, before, passed):
    record = observable_record(observables(value=now), TARGET)
    previous = None if before is None else {"value": before}
    checks = observable_checks(record, previous, TARGET)
    assert tuple(c["passed"] for c in checks.values()) == passed


def test_an_unresolved_observable_says_how_long_the_runs_should_be():
    record = observable_record(
        observables(resolved=False, reason="slope 0.6", needed_length_ps=240.0), TARGET
    )
    assert record["value"] is None
    assert record["reason"] == "slope 0.6; about 240 ps of MD in all would do, raise length_ps"
    assert not any(c["passed"] for c in observable_checks(record, {"value": 1.0}, TARGET).values())


def test_runs_that_failed_leave_their_reason():
    assert observable_record(None, TARGET, "it blew up")["reason"] == "it blew up"


def test_the_decision_names_value_and_limit():
    words = decision(error_checks(ERRORS, {"max_relative_force_rmse": 0.1}))
    assert words == {"met": [], "missed": ["relative_force_rmse: 0.12, at most 0.1"]}
