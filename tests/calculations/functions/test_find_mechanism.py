"""The mechanism of planted trajectories as nodes: a barrier that is known, from hops alone."""

import numpy as np
import pytest
from aiida import orm

from aiida_mliptransport.calculations.functions.mechanism import find_mechanism
from aiida_mliptransport.data.trajectory import MDTrajectoryData
from aiida_mliptransport.science.transport import ESTIMATOR_VERSION
from aiida_mliptransport.science.units import BOLTZMANN_EV_K

pytestmark = pytest.mark.medium

SPACING, REPEATS, DT_PS = 2.5, 4, 0.5
CELL = SPACING * REPEATS * np.eye(3)
BARRIER_EV, ATTEMPTS_PER_PS = 0.2, 1.5


def rate_per_ps(temperature):
    return ATTEMPTS_PER_PS * np.exp(-BARRIER_EV / (BOLTZMANN_EV_K * temperature))


def hopping(temperature, seed, n_frames=2500, n_ions=12):
    """Ions that hop on a cubic lattice with the planted barrier."""
    rng = np.random.default_rng([seed, round(temperature)])
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    moves = rng.random((n_frames, n_ions, 1)) < -np.expm1(-rate_per_ps(temperature) * DT_PS)
    steps = axes[rng.integers(0, 6, (n_frames, n_ions))] * moves
    steps[0] = 0
    start = rng.integers(0, REPEATS, (n_ions, 3))
    places = SPACING * (start + np.cumsum(steps, axis=0))
    positions = places + 0.1 * rng.normal(size=places.shape)
    times = DT_PS * np.arange(n_frames)
    return MDTrajectoryData(
        numbers=[3] * n_ions,
        steps=np.arange(n_frames),
        times_ps=times,
        positions=positions,
        cells=np.broadcast_to(CELL, (n_frames, 3, 3)),
        thermo={
            "step": np.arange(n_frames),
            "time_ps": times,
            "potential_energy_eV": rng.normal(size=n_frames),
        },
        info={"temperature_K": temperature},
    )


def find(parameters, **trajectories):
    return find_mechanism(
        orm.Dict({"Li": 1}),
        orm.Str("laboratory"),
        orm.Dict(parameters),
        orm.Str(ESTIMATOR_VERSION),
        **trajectories,
    )


SITES = {"scaled_positions": [[0.0, 0.0, 0.0]], "repeats": [4, 4, 4]}
HOPS = {"hops": {"Li": {"core_radius_A": 0.8, "sites": SITES}}}


def test_the_barrier_of_the_hops_is_that_which_was_planted():
    temperatures = (600.0, 800.0, 1000.0)
    runs = {f"x_{t:.0f}K_replica{i}": hopping(t, i) for t in temperatures for i in range(2)}
    found = find(HOPS, **runs)
    mechanism = found["mechanism"].get_dict()
    assert [point["temperature_K"] for point in mechanism["points"]] == list(temperatures)
    for point in mechanism["points"]:
        row = point["rows"]["hop_rate_Li"]
        assert abs(row["value"] - rate_per_ps(point["temperature_K"])) < 4 * row["standard_error"]
        assert point["members"]["member_0"]["n_runs"] == 2
    fit = mechanism["arrhenius"]["x"]["hop_rate_Li"]
    assert abs(fit["Ea_eV"] - BARRIER_EV) < 3 * fit["Ea_error_eV"]
    assert fit["Ea_error_eV"] < 0.02
    assert fit["prefactor_unit"] == "1/ps"
    counts = found["mechanism_curves"].get_array("x_800K_hops_Li_length_count")
    lengths = found["mechanism_curves"].get_array("x_800K_hops_Li_length_A")
    assert lengths[counts.argmax()] == pytest.approx(SPACING)


def test_members_are_counted_apart_and_joined():
    runs = {f"x_800K_member{i}_replica0": hopping(800.0, i) for i in range(2)}
    (point,) = find(HOPS, **runs)["mechanism"]["points"]
    rates = [m["hops"]["Li"]["rate"]["rate_per_ps"] for m in point["members"].values()]
    row = point["rows"]["hop_rate_Li"]
    assert row["value"] == pytest.approx(np.sqrt(rates[0] * rates[1]))
    assert row["dominant_error"] in ("sampling", "model")
    assert row["interval_95"][0] < rate_per_ps(800.0) < row["interval_95"][1]


def test_a_number_that_one_member_lacks_is_not_resolved_and_says_whose():
    runs = {
        "x_800K_member0_replica0": hopping(800.0, 0),
        "x_800K_member1_replica0": hopping(800.0, 1, n_frames=5),
    }
    (point,) = find(HOPS, **runs)["mechanism"]["points"]
    row = point["rows"]["hop_rate_Li"]
    assert not row["resolved"]
    assert row["value"] is None
    assert row["reason"].startswith("member_1: ")
    assert row["needed_length_ps"] > 0


def test_the_same_question_has_the_same_answer():
    run = hopping(700.0, 3, n_frames=400).store()
    first, second = (find(HOPS, x_700K_replica0=run)["mechanism"] for _ in range(2))
    assert first.base.caching.compute_hash() == second.base.caching.compute_hash()
