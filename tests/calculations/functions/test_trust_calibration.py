"""Trust levels from blind frames: by species, with a fall-back, and why."""

import numpy as np
import pytest
from aiida import orm

from aiida_mliptransport.calculations.functions.trust import calibrate_trust_levels
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames, System

pytestmark = pytest.mark.medium

NUMBERS = np.array([3, 3, 17])
CALIBRATION = {
    "coverage": 0.95,
    "min_independent": 20,
    "accurate_error": 0.5,
    "failed_error": 1.0,
}
SETTINGS = {
    "calibration": CALIBRATION,
    "trust_levels": None,
    "low_factor": 1.5,
    "high_factor": 2.25,
}
RMSE = 0.4


@pytest.fixture(autouse=True)
def profile(aiida_profile):
    return aiida_profile


def blind(n, ratios, seed=0):
    """Return frames of two Li and one Cl whose error is ``ratios`` times the deviation."""
    rng = np.random.default_rng(seed)
    forces = rng.normal(size=(n, 3, 3))
    deviation = rng.uniform(0.1, 0.3, size=(n, 3))
    # The worst atom of lithium is worst in both, so that the ratio is exact.
    deviation[:, 1] = 0.5 * deviation[:, 0]
    ratio = np.array([ratios[z] for z in NUMBERS]) * np.linspace(0.5, 1.0, n)[:, None]
    direction = rng.normal(size=(n, 3, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    system = System(
        numbers=NUMBERS,
        positions=rng.uniform(0, 5, size=(n, 3, 3)),
        cells=np.repeat(5.0 * np.eye(3)[None], n, axis=0),
        pbc=np.ones(3, dtype=bool),
        energies=np.zeros(n),
        forces=forces,
    )
    predictions = orm.ArrayData()
    predictions.set_array("system_000_forces", forces + (ratio * deviation)[..., None] * direction)
    predictions.set_array("system_000_force_deviation", deviation)
    return FrameSetData(Frames((system,)), level_of_theory={"engine": "test"}), predictions


def selection(n, size):
    return orm.Dict({"n_blind_chosen": n, "blind": {"effective_size": size}})


def calibrate(tests, selections, allowed=0.15, **changes):
    nodes = {}
    for name, (frames, predictions) in tests.items():
        nodes |= {f"frames__{name}": frames, f"predictions__{name}": predictions}
    made = calibrate_trust_levels(
        errors=orm.Dict({"force": {"rmse_component": RMSE, "reference_rms": 1.0}}),
        parameters=orm.Dict({**SETTINGS, **changes}),
        targets=orm.Dict({"max_trust_over_rmse": 3.0, "max_relative_force_rmse": allowed}),
        **nodes,
        **{f"selection__{name}": node for name, node in selections.items()},
    )
    return made["levels"].get_dict(), made["points"]


def test_each_species_gets_the_bounds_of_its_own_errors():
    levels, points = calibrate({"current": blind(30, {3: 2.0, 17: 4.0})}, {"a": selection(30, 30)})
    assert levels["source"] == "calibrated"
    species = levels["by_species"]
    # 30 frames: the bounds for 95 % are the smallest and the largest ratio.
    for symbol, ratio in (("Li", 2.0), ("Cl", 4.0)):
        bounds = species[symbol]["error_over_deviation"]
        assert bounds["upper"] == pytest.approx(ratio)
        assert bounds["lower"] == pytest.approx(0.5 * ratio)
        assert species[symbol]["low"] == pytest.approx(0.5 * species[symbol]["force_rms"] / ratio)
    assert levels["low"] == pytest.approx(species["Cl"]["low"])
    assert points.get_array("Li_error") == pytest.approx(
        points.get_array("Li_deviation") * 2.0 * np.linspace(0.5, 1.0, 30)
    )


def test_the_upper_level_stays_below_the_multiple_of_the_blind_error():
    levels, _ = calibrate({"current": blind(30, {3: 0.2, 17: 0.2})}, {"a": selection(30, 30)})
    assert levels["high"] == pytest.approx(3.0 * RMSE)
    assert levels["low"] == pytest.approx(2.0 * RMSE)
    assert any("lowered" in reason for reason in levels["reasons"])


def test_too_few_independent_frames_leave_the_factors_and_say_so():
    levels, _ = calibrate({"current": blind(30, {3: 2.0, 17: 4.0})}, {"a": selection(30, 12.0)})
    assert levels["source"] == "blind test"
    assert levels["low"] == pytest.approx(1.5 * RMSE)
    assert levels["calibration"] == "not available"
    reason = levels["by_species"]["Li"]["reason"]
    assert reason == "not available: 12.0 independent blind frames, 20 are needed"


def test_a_model_better_than_asked_for_is_measured_by_what_was_asked_for():
    few = {"current": blind(12, {3: 2.0, 17: 4.0})}
    levels, _ = calibrate(few, {"a": selection(12, 12.0)}, allowed=0.6)
    assert levels["low"] == pytest.approx(1.5 * 0.6)
    assert (levels["source"], levels["force_rmse"]) == ("target", RMSE)
    assert "better than the 0.6 asked for" in levels["reasons"][0]
    many = {"current": blind(30, {3: 0.2, 17: 0.2})}
    levels, _ = calibrate(many, {"a": selection(30, 30)}, allowed=0.6)
    assert levels["high"] == pytest.approx(3.0 * 0.6)


def test_fixed_levels_are_the_fall_back_where_they_are_given():
    fixed = {"low": 0.11, "high": 0.22}
    frames = {"current": blind(12, {3: 2.0, 17: 4.0})}
    levels, _ = calibrate(frames, {"a": selection(12, 12.0)}, trust_levels=fixed)
    assert (levels["low"], levels["high"], levels["source"]) == (0.11, 0.22, "given")


def test_earlier_blind_frames_count_too():
    tests = {
        "current": blind(15, {3: 2.0, 17: 4.0}, seed=1),
        "earlier": blind(15, {3: 3.0, 17: 4.0}, seed=2),
    }
    levels, points = calibrate(tests, {"a": selection(15, 15.0), "b": selection(15, 12.0)})
    assert levels["source"] == "calibrated"
    assert levels["by_species"]["Li"]["n_independent"] == pytest.approx(30**2 / (15 + 15**2 / 12))
    assert levels["by_species"]["Li"]["error_over_deviation"]["upper"] == pytest.approx(3.0)
    assert len(points.get_array("Cl_error")) == 30


def test_a_committee_of_equal_members_is_not_calibrated():
    frames, predictions = blind(30, {3: 2.0, 17: 4.0})
    predictions.set_array("system_000_force_deviation", np.zeros((30, 3)))
    levels, _ = calibrate({"current": (frames, predictions)}, {"a": selection(30, 30)})
    assert levels["source"] == "blind test"
    assert "deviation is zero" in levels["by_species"]["Li"]["reason"]


def test_no_calibration_is_made_where_none_is_asked_for():
    levels, _ = calibrate(
        {"current": blind(30, {3: 2.0, 17: 4.0})}, {"a": selection(30, 30)}, calibration=None
    )
    assert levels["source"] == "blind test"
    assert levels["calibration"] == "not asked for"
