"""Hops, molecules, vibrations and displacements of planted trajectories, through one door."""

import numpy as np
import pytest
from hop_walks import CELL as HOP_CELL
from hop_walks import lattice_walk, rattle
from pydantic import ValidationError
from synthetic_species import CELL, hopping_hydrogen

from aiida_mliptransport.science.transport.mechanism import (
    MechanismResult,
    MechanismRun,
    analyse_mechanism,
)
from aiida_mliptransport.science.transport.mechanism_rows import mechanism_rows
from aiida_mliptransport.science.transport.mechanism_settings import MechanismSettings
from aiida_mliptransport.science.transport.reference import LABORATORY
from aiida_mliptransport.science.units import ANGSTROM2_PS_TO_CM2_S

SHARE = 0.02


def hopping_lithium(n_runs: int, n_frames: int = 1500, n_ions: int = 8) -> list[MechanismRun]:
    runs = []
    for seed in range(n_runs):
        places, _ = lattice_walk(seed, n_frames, n_ions, SHARE)
        positions = rattle(seed + 100, places, 0.1)
        cells = np.broadcast_to(HOP_CELL, (n_frames, 3, 3))
        runs.append(MechanismRun(positions, cells, 0.5))
    return runs


def analyse(runs: list[MechanismRun], symbols: list[str], **settings: object) -> MechanismResult:
    masses = np.ones(len(symbols))
    charges = {"O": 0.0, "H": 1.0}
    wanted = MechanismSettings.model_validate(settings)
    return analyse_mechanism(runs, symbols, masses, 300.0, charges, LABORATORY, wanted)


def test_hops_of_several_runs_are_counted_together() -> None:
    given = {
        "scaled_positions": [(0.1 / 2.5, 0.2 / 2.5, 0.3 / 2.5)],
        "repeats": (4, 4, 4),
    }
    settings = {
        "Li": {
            "core_radius_A": 0.8,
            "sites": given,
            "concerted": {"window_ps": 0.5, "distance_A": 3.0},
            "layers": {"normal": (0, 0, 1), "spacing_A": 2.5},
        }
    }
    one = analyse(hopping_lithium(1), ["Li"] * 8, hops=settings).record["hops"]["Li"]
    both = analyse(hopping_lithium(2), ["Li"] * 8, hops=settings).record["hops"]["Li"]
    assert both["method"] == "given sites"
    assert both["n_sites"] == 64
    assert both["n_hops"] > 1.7 * one["n_hops"]
    assert both["rate"]["standard_error_per_ps"] < 0.85 * one["rate"]["standard_error_per_ps"]
    low, high = both["rate"]["interval_95"]
    assert low < SHARE / 0.5 < high
    low, high = both["diffusion"]["correlation_factor_interval_95"]
    assert low < 1.0 < high
    random = SHARE / 0.5 * 2.5**2 / 6.0 * ANGSTROM2_PS_TO_CM2_S
    assert both["diffusion"]["random_cm2_s"] == pytest.approx(random, rel=0.15)
    # Two of six directions leave the layer.
    low, high = both["layers"]["share_between"]["interval_95"]
    assert low < 1 / 3 < high
    concerted = both["concerted"]
    assert concerted["share"]["value"] == pytest.approx(concerted["share_by_chance"], abs=0.05)


def test_sites_that_are_found_give_the_same_hops_as_those_given() -> None:
    result = analyse(hopping_lithium(2), ["Li"] * 8, hops={"Li": {"core_radius_A": 0.7}})
    hops = result.record["hops"]["Li"]
    assert hops["method"] == "sites found by density"
    assert hops["warning"] == ""
    assert hops["mean_length_A"] == pytest.approx(2.5, abs=0.02)
    low, high = hops["rate"]["interval_95"]
    assert low < SHARE / 0.5 < high
    lengths = result.curves["hops_Li_length_A"], result.curves["hops_Li_length_count"]
    assert lengths[0][lengths[1].argmax()] == pytest.approx(2.5)
    assert result.curves["hops_Li_occupancy"].sum() == pytest.approx(8.0, abs=0.1)


def test_hops_by_displacement_need_no_sites() -> None:
    settings = {"Li": {"window_ps": 2.5, "threshold_A": 1.5}}
    hops = analyse(hopping_lithium(2), ["Li"] * 8, hops=settings).record["hops"]["Li"]
    assert hops["method"] == "displacement"
    assert hops["rate"]["rate_per_ps"] == pytest.approx(SHARE / 0.5, rel=0.2)


def test_cores_that_miss_most_positions_are_warned_of() -> None:
    places, _ = lattice_walk(1, 600, 4, SHARE)
    spread = rattle(2, places, 0.6)
    run = MechanismRun(spread, np.broadcast_to(HOP_CELL, (600, 3, 3)), 0.5)
    given = {"scaled_positions": [(0.04, 0.08, 0.12)], "repeats": (4, 4, 4)}
    hops = analyse([run], ["Li"] * 4, hops={"Li": {"core_radius_A": 0.4, "sites": given}})
    assert "in the core of a site" in hops.record["hops"]["Li"]["warning"]


@pytest.mark.medium
def test_molecules_convert_and_carry_charge_at_planted_rates() -> None:
    chance = 0.05
    runs = []
    for seed in (3, 4):
        positions = hopping_hydrogen(seed, 1000, chance)[0]
        runs.append(MechanismRun(positions, np.broadcast_to(CELL, (1000, 3, 3)), 1.0))
    symbols = ["O"] * 64 + ["H"] * 4
    settings = {"bonds": {"O-H": (1.2, 1.4)}, "central": "O"}
    result = analyse(runs, symbols, molecules=settings)
    record = result.record["molecules"]
    # 60 bare O and 4 HO in each cell, but for two H on one O now and then.
    assert record["species"]["O"]["number"] == pytest.approx(60.0, abs=0.5)
    assert record["species"]["HO"]["number"] == pytest.approx(4.0, abs=0.5)
    low, high = record["species"]["HO"]["decay"]["interval_95"]
    # Its own H leaves, or another one joins.
    assert low < chance * (1 + 4 * 3 / 64 / 4) < high
    conversions = {(row["from"], row["to"]): row for row in record["conversions"]["rates"]}
    low, high = conversions["HO", "O"]["rate"]["interval_95"]
    assert low < chance < high
    terms = record["charge_transport"]["sigma_mS_cm"]
    assert record["charge_transport"]["resolved"]
    assert terms["vehicular"] == pytest.approx(0.0, abs=1e-9)
    assert terms["structural"] == pytest.approx(terms["total"], rel=0.05)
    counted = result.curves["molecules_converted_HO_to_O"]
    assert counted[-1] * 2 == conversions["HO", "O"]["n_atoms"]


@pytest.mark.medium
def test_charges_that_do_not_fit_leave_the_rest_and_say_why() -> None:
    positions = hopping_hydrogen(3, 300, 0.05)[0]
    run = MechanismRun(positions, np.broadcast_to(CELL, (300, 3, 3)), 1.0)
    settings = {"bonds": {"O-H": (1.2, 1.4)}, "charges": {"HO": -1}}
    record = analyse([run], ["O"] * 64 + ["H"] * 4, molecules=settings).record["molecules"]
    assert not record["charge_transport"]["resolved"]
    assert "charges lack" in record["charge_transport"]["reason"]
    assert record["species"]["O"]["number"] > 50


def vibrating(seed: int, n_frames: int = 4000) -> MechanismRun:
    """Six atoms that oscillate at 5 THz about their places, and their velocities (dt = 5 fs)."""
    rng = np.random.default_rng(seed)
    time = 0.005 * np.arange(n_frames)[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, (1, 6, 3))
    omega = 2 * np.pi * 5.0
    places = rng.uniform(0, 10, (1, 6, 3))
    positions = places + 0.1 * np.sin(omega * time + phase)
    velocities = 0.1 * omega * np.cos(omega * time + phase)
    cells = np.broadcast_to(10 * np.eye(3), (n_frames, 3, 3))
    return MechanismRun(positions, cells, 0.005, velocities)


def test_vibrations_come_from_the_velocities_of_all_runs() -> None:
    runs = [vibrating(1), vibrating(2)]
    result = analyse(runs, ["O"] * 2 + ["H"] * 4, vibrations={"resolution_THz": 0.5})
    frequencies, total = result.curves["vdos_THz"], result.curves["vdos_total"]
    assert frequencies[total.argmax()] == pytest.approx(5.0, abs=0.3)
    assert np.trapezoid(total, frequencies) == pytest.approx(15.0, rel=1e-6)
    parts = result.curves["vdos_O"] + result.curves["vdos_H"]
    np.testing.assert_allclose(parts, total, rtol=1e-9)
    assert result.record["vibrations"]["n_segments"] >= 8


def test_vibrations_without_velocities_are_refused() -> None:
    with pytest.raises(ValueError, match=r"vibrations need velocities.*store_velocities: true"):
        analyse(hopping_lithium(1, 50), ["Li"] * 8, vibrations={"resolution_THz": 0.5})


def test_a_part_that_the_data_do_not_carry_leaves_the_others() -> None:
    settings = {"Li": {"core_radius_A": 0.7, "min_occupancy": 50.0}}
    lags = {"lags_ps": [1.0]}
    result = analyse(hopping_lithium(1, 400), ["Li"] * 8, hops=settings, van_hove=lags)
    assert "no site holds 50.0 ions" in result.record["hops"]["Li"]["reason"]
    assert result.record["non_gaussian"]["Li"]["times_ps"] == [1.0]
    row = mechanism_rows(result.record)["hop_rate_Li"]
    assert not row["resolved"]
    assert "no site holds" in row["reason"]


def test_random_walks_are_gaussian() -> None:
    rng = np.random.default_rng(5)
    walk = rng.uniform(0, 20, (12, 3)) + np.cumsum(0.3 * rng.normal(size=(3000, 12, 3)), axis=0)
    run = MechanismRun(walk, np.broadcast_to(20 * np.eye(3), (3000, 3, 3)), 1.0)
    settings = {"lags_ps": [5.0, 20.0], "r_max_A": 8.0, "pairs": [("Li", "Li")]}
    result = analyse([run], ["Li"] * 12, van_hove=settings)
    record = result.record["non_gaussian"]["Li"]
    for value, error in zip(record["alpha_2"], record["standard_error"], strict=True):
        assert abs(value) < 4 * error
    assert result.curves["van_hove_self_Li"].shape == (2, 80)
    far = result.curves["van_hove_distinct_r"] > 5.0
    distinct = result.curves["van_hove_distinct_Li_Li"][:, far]
    assert distinct.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected hops, molecules, vibrations or van_hove"),
        ({"hops": {"Li": {}}}, "expected core_radius_A alone"),
        ({"hops": {"Li": {"core_radius_A": 1.0, "window_ps": 1.0}}}, "core_radius_A alone"),
        ({"hops": {"Li": {"window_ps": 1.0}}}, "both of the others"),
        ({"molecules": {"bonds": {"AlCl": (2.5, 3.0)}}}, "expected a pair of elements as 'Al-Cl'"),
        ({"molecules": {"bonds": {"Al-Cl": (3.0, 2.5)}}}, "larger radius last"),
        ({"molecules": {"bonds": {"Al-Cl": (2.5, 3)}, "states": ["AlCl4"]}}, "no central element"),
        ({"hop": {}, "vibrations": {"resolution_THz": 1.0}}, "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MechanismSettings.model_validate(settings)


def test_an_absent_element_and_unequal_strides_are_refused() -> None:
    runs = hopping_lithium(2, 50)
    settings = {"Na": {"core_radius_A": 0.7}}
    with pytest.raises(ValueError, match=r"is asked for \['Na'\]"):
        analyse(runs, ["Li"] * 8, hops=settings)
    other = MechanismRun(runs[1].positions, runs[1].cells, 1.0)
    with pytest.raises(ValueError, match="runs of one stride"):
        analyse([runs[0], other], ["Li"] * 8, hops={"Li": {"core_radius_A": 0.7}})
