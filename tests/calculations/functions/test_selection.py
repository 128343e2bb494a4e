"""Selection of frames from explorations: classes, explosions, duplicates, the blind test."""

import numpy as np
import pytest
from aiida import orm
from lif_trajectory import lif, lif_trajectory

from aiida_mliptransport.calculations.functions.selection import select_frames
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.trajectory import MDTrajectoryData
from aiida_mliptransport.science.frames import Frames, System
from aiida_mliptransport.science.selection import (
    STRATEGIES,
    farthest_point_sampling,
    radial_descriptor,
)

pytestmark = pytest.mark.medium

PARAMETERS = {
    "n_candidates": 4,
    "n_blind": 3,
    "blind_replica": 1,
    "blind_start_ps": 0.02,
    "descriptor_cutoff_A": 5.0,
    "duplicate_tolerance": 1e-6,
    "screening": {},
    "top_up": False,
}
TRUST = {"low": 0.1, "high": 0.3}


def make_trajectory(deviation, seed=0, explode_at=None):
    """Return a rattled LiF crystal with the given deviations, flying apart from a frame on."""
    rng = np.random.default_rng(seed)
    crystal = lif().positions
    positions = crystal + 0.05 * rng.standard_normal((len(deviation), *crystal.shape))
    if explode_at is not None:
        positions[explode_at:, 1] = positions[explode_at:, 0] + 0.2
    return lif_trajectory(positions, deviation, completed=explode_at is None)


def select(trajectories, known=None, evaluations=None, **changes):
    return select_frames(
        parameters=orm.Dict({**PARAMETERS, **changes}),
        trust_levels=orm.Dict(TRUST),
        seed=orm.Int(7),
        **{f"trajectory__{key}": node for key, node in trajectories.items()},
        **{f"known__{key}": node for key, node in (known or {}).items()},
        **(evaluations or {}),
    )


@pytest.fixture
def runs(aiida_profile):
    deviation = np.tile([0.05, 0.2, 0.5, 0.15], 5)
    rng = np.random.default_rng(3)
    return {
        "lif_300K_replica0": make_trajectory(deviation, seed=1),
        "lif_300K_replica1": make_trajectory(rng.uniform(0.02, 0.09, 20), seed=2),
    }


def test_frames_are_counted_by_class(runs):
    selection = select(runs)["selection"].get_dict()
    assert (selection["accurate"], selection["candidate"], selection["failed"]) == (25, 10, 5)
    assert selection["unphysical"] == 0
    assert selection["share_accurate"] == 25 / 40
    assert sum(selection["deviation_histogram"]["counts"]) == 40


def test_candidates_come_only_from_training_trajectories_and_blind_ones_only_from_theirs(runs):
    made = select(runs)
    origin = {key: node.identity for key, node in runs.items()}
    candidates = made["candidates"].frames.systems[0]
    blind = made["blind"].frames.systems[0]
    assert set(candidates.origins) == {origin["lif_300K_replica0"]}
    assert set(blind.origins) == {origin["lif_300K_replica1"]}
    assert made["candidates"].n_frames == 4
    assert made["blind"].n_frames == 3


def test_chosen_candidates_have_deviations_between_the_levels(runs):
    made = select(runs)
    steps = made["candidates"].frames.systems[0].steps
    deviations = runs["lif_300K_replica0"].deviations["max_force"][steps // 10]
    assert ((deviations >= 0.1) & (deviations < 0.3)).all()


def test_no_blind_frame_is_from_the_start_that_replicas_share(runs):
    blind = select(runs, n_blind=17, blind_start_ps=0.03)["blind"].frames.systems[0]
    assert min(blind.steps) >= 30


def test_known_frames_are_not_chosen_again(runs):
    first = select(runs)["candidates"]
    second = select(runs, known={"first": first})["candidates"]
    assert not set(first.frames.identities()) & set(second.frames.identities())


def test_frames_after_an_explosion_are_dropped_and_those_before_are_kept(runs):
    runs["lif_300K_replica0"] = make_trajectory(np.full(20, 0.2), seed=1, explode_at=6)
    made = select(runs, n_candidates=20)
    record = made["selection"]["by_trajectory"]["lif_300K_replica0"]
    assert record["frames_before_explosion"] == 6
    assert record["unphysical"] == 14
    assert max(made["candidates"].frames.systems[0].steps) < 60


def still_run(n, **thermo):
    """Return a run of LiF at rest with the given thermodynamic output."""
    return lif_trajectory(np.repeat(lif().positions[None], n, axis=0), np.full(n, 0.2), **thermo)


def screened(run, runs, **screening):
    return select({**runs, "lif_300K_replica0": run}, screening=screening)["selection"][
        "by_trajectory"
    ]["lif_300K_replica0"]


def test_frames_that_are_too_hot_are_refused(runs):
    hot = np.array([300.0, 900.0, 300.0, 900.0, 900.0, 300.0])
    run = still_run(6, thermo={"step": 10 * np.arange(6), "temperature_K": hot})
    assert screened(run, runs)["reasons"] == {}
    record = screened(run, runs, max_temperature=800.0)
    assert record["reasons"] == {"hot": 3}
    assert record["frames_before_explosion"] == 3


def test_a_jump_of_the_potential_energy_ends_a_run_and_heat_does_not(runs):
    atoms = len(lif())
    # 0.7 eV per atom is more than a salt takes up that boils at 3000 K.
    energy = -40.0 + atoms * np.array([0.0, 0.3, 0.7, 0.6, -1.2, -1.2])
    run = still_run(6, thermo={"step": 10 * np.arange(6), "potential_energy_eV": energy})
    record = screened(run, runs)
    assert record["reasons"] == {"energy_jump": 2}
    assert record["frames_before_explosion"] == 4
    assert screened(run, runs, max_energy_change=None)["reasons"] == {}


def test_frames_between_two_thermodynamic_outputs_take_the_one_before(runs):
    thermo = {"step": np.array([0, 20, 45]), "temperature_K": np.array([300.0, 900.0, 300.0])}
    record = screened(still_run(6, thermo=thermo), runs, max_temperature=800.0)
    # Frames 2, 3 and 4 are at steps 20, 30 and 40.
    assert record["reasons"] == {"hot": 3}


def test_a_restarted_run_whose_output_begins_after_its_first_frame_takes_the_first(runs):
    thermo = {"step": np.array([25]), "temperature_K": np.array([900.0])}
    assert screened(still_run(3, thermo=thermo), runs, max_temperature=800.0)["reasons"] == {
        "hot": 3
    }


def near_contact(distance, labelled):
    """Return LiF frames in which the first two atoms, Li and F, are at a distance (Å)."""
    atoms = lif()
    first = int(np.argmax(atoms.numbers == 3))
    near = int(np.argmin(np.where(atoms.numbers == 9, atoms.get_distances(first, range(8)), 9.0)))
    positions = np.repeat(atoms.positions[None], 4, axis=0)
    away = atoms.get_distance(first, near, vector=True)
    positions[:, first] += away * (1.0 - distance / np.linalg.norm(away))
    if not labelled:
        return lif_trajectory(positions, np.full(4, 0.2))
    system = System(
        numbers=atoms.numbers,
        positions=positions,
        cells=np.repeat(atoms.cell.array[None], 4, axis=0),
        pbc=atoms.pbc,
        energies=np.zeros(4),
        forces=np.zeros_like(positions),
    )
    return FrameSetData(Frames((system,)), level_of_theory={"method": "none"}).store()


@pytest.mark.parametrize(("shortest", "reasons"), [(1.9, {"close_contact": 4}), (1.7, {})])
def test_labelled_frames_tell_how_close_atoms_come(runs, shortest, reasons):
    explored = {**runs, "lif_300K_replica0": near_contact(1.05, labelled=False)}
    known = {"initial": near_contact(shortest, labelled=True)}
    record = select(explored, known=known, screening={"known_contact_scale": 0.6})["selection"]
    assert record["by_trajectory"]["lif_300K_replica0"]["reasons"] == reasons
    alone = select(explored, known=known)["selection"]["by_trajectory"]["lif_300K_replica0"]
    assert alone["reasons"] == {"close_contact": 4}  # below 0.6 of the radii, 1.11 Å


def test_failed_frames_fill_up_when_candidates_are_too_few(runs):
    made = select(runs, n_candidates=12)
    assert made["selection"]["chosen_by_class"] == {"accurate": 0, "candidate": 10, "failed": 2}


def test_accurate_frames_fill_up_only_where_asked(runs):
    made = select(runs, n_candidates=17, top_up=True)
    assert made["selection"]["chosen_by_class"] == {"accurate": 2, "candidate": 10, "failed": 5}


def test_an_accurate_exploration_gives_no_candidates(runs):
    runs["lif_300K_replica0"] = make_trajectory(np.full(20, 0.01), seed=1)
    assert "candidates" not in select(runs)


def test_without_a_trajectory_for_the_blind_test_nothing_is_chosen(runs):
    del runs["lif_300K_replica1"]
    with pytest.raises(ValueError, match="no trajectory is replica 1"):
        select(runs)


def exploration(**broken):
    """Return the results of an exploration of which some runs broke off: key to frames wanted."""
    return orm.Dict(
        {
            "runs": {
                key: {"n_expected_frames": expected, "broken_off": True}
                for key, expected in broken.items()
            }
        }
    )


def test_without_a_frame_of_the_blind_run_the_others_are_still_chosen_from(runs):
    del runs["lif_300K_replica1"]
    made = select(runs, evaluations={"exploration": exploration(lif_300K_replica1=20)})
    assert "blind" not in made
    assert made["candidates"].n_frames == 4
    assert made["selection"]["n_broken_off"] == 1
    assert made["selection"]["blind"]["effective_size"] == 0.0
    # Five of the twenty frames that there are, and of the twenty that are not.
    assert made["selection"]["share_accurate"] == 5 / 40


def test_a_blind_run_that_broke_off_at_its_start_gives_no_blind_frame(runs):
    runs["lif_300K_replica1"] = make_trajectory(np.full(20, 0.05), seed=2, explode_at=2)
    made = select(runs)
    assert "blind" not in made
    assert made["candidates"].n_frames == 4


def test_trust_levels_in_the_wrong_order_are_refused(runs):
    with pytest.raises(ValueError, match="low must be below high"):
        select_frames(
            parameters=orm.Dict(PARAMETERS),
            trust_levels=orm.Dict({"low": 0.3, "high": 0.1}),
            seed=orm.Int(7),
            **{f"trajectory__{key}": node for key, node in runs.items()},
        )


def test_the_same_inputs_choose_the_same_frames(runs):
    one, two = select(runs), select(runs)
    assert one["blind"].frames.identities() == two["blind"].frames.identities()
    assert one["candidates"].frames.identities() == two["candidates"].frames.identities()


def test_unlabelled_sets_hold_no_level_of_theory(runs):
    made = select(runs)
    assert isinstance(made["candidates"], FrameSetData)
    assert made["candidates"].level_of_theory is None


def evaluation(n_frames, n_atoms=8, seed=0, descriptors=True, **attributes):
    """Return what an evaluation of a trajectory gives, with descriptors and deviations of atoms."""
    rng = np.random.default_rng(seed)
    node = orm.ArrayData()
    node.set_array("system_000_force_deviation", rng.uniform(0.0, 0.1, (n_frames, n_atoms)))
    if descriptors:
        rows = rng.normal(size=(n_frames, 2, 6)).astype(np.float32)
        node.set_array("system_000_descriptors", rows)
    for name, value in attributes.items():
        node.base.attributes.set(name, value)
    return node


def chosen_steps(made):
    return made["candidates"].frames.systems[0].steps.tolist()


def test_fps_takes_the_weighted_farthest_points_class_by_class(runs):
    """The choice of version 1 of the selection, from its parts."""
    run = runs["lif_300K_replica0"]
    deviation = run.deviations["max_force"]
    rows = radial_descriptor(
        run.positions(), run.cells, run.pbc, run.numbers, species=[3, 9], cutoff=5.0
    )
    between = np.flatnonzero((deviation >= 0.1) & (deviation < 0.3))
    above = np.flatnonzero(deviation >= 0.3)
    first = farthest_point_sampling(rows[between], 13, weights=deviation[between])
    expected = between[first.indices]
    second = farthest_point_sampling(
        rows[above], 13 - len(expected), weights=1 / deviation[above], known=rows[expected]
    )
    expected = np.concatenate([expected, above[second.indices]])
    made = select(runs, n_candidates=13)
    assert chosen_steps(made) == (10 * expected).tolist()
    assert made["selection"]["strategy"] == "fps"
    assert made["selection"]["descriptors"] == "radial"
    assert made["selection"]["notes"] == []


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_chooses_known_frames_never_and_the_wanted_number(runs, strategy):
    first = select(runs, strategy=strategy)
    assert first["candidates"].n_frames == 4
    assert first["selection"]["strategy"] == strategy
    second = select(runs, strategy=strategy, known={"first": first["candidates"]})
    identities = set(first["candidates"].frames.identities())
    assert not identities & set(second["candidates"].frames.identities())


def test_an_unknown_strategy_is_refused_with_the_names(runs):
    with pytest.raises(ValueError, match=r"'best', expected one of \['random', 'dpgen'"):
        select(runs, strategy="best")


def test_dpgen_draws_between_the_levels_and_another_seed_draws_others(runs):
    made = [
        select_frames(
            parameters=orm.Dict({**PARAMETERS, "strategy": "dpgen"}),
            trust_levels=orm.Dict(TRUST),
            seed=orm.Int(seed),
            **{f"trajectory__{key}": node for key, node in runs.items()},
        )
        for seed in (1, 1, 2)
    ]
    assert chosen_steps(made[0]) == chosen_steps(made[1])
    assert chosen_steps(made[0]) != chosen_steps(made[2])
    assert made[0]["selection"]["chosen_by_class"]["candidate"] == 4


def test_frames_of_one_run_stay_apart_in_time_also_between_classes(runs):
    runs["lif_300K_replica0"] = make_trajectory(np.repeat([0.2, 0.5], 10), seed=1)
    made = select(runs, n_candidates=12, min_separation_ps=0.03)
    steps = sorted(chosen_steps(made))
    assert min(np.diff(steps)) >= 30
    assert made["selection"]["chosen_by_class"]["candidate"] > 1
    assert made["selection"]["chosen_by_class"]["failed"] > 0


def test_the_model_s_descriptors_and_deviations_of_atoms_are_used_where_given(runs):
    deviations = np.full((20, 8), 0.05)
    numbers = runs["lif_300K_replica0"].numbers
    # At step 70 a lithium atom deviates, at all other ones a fluorine atom as much.
    deviations[:, np.flatnonzero(numbers == 9)[0]] = 0.2
    deviations[7, np.flatnonzero(numbers == 3)[0]] = 0.25
    node = evaluation(20)
    node.set_array("system_000_force_deviation", deviations)
    made = select(
        runs,
        evaluations={"evaluation__lif_300K_replica0": node},
        strategy="quality_diversity",
        mobile=["Li"],
        n_candidates=1,
    )
    assert made["selection"]["descriptors"] == "model"
    assert made["selection"]["notes"] == []
    assert chosen_steps(made) == [70]


def test_radial_descriptors_stand_in_with_a_note_where_the_model_gave_none(runs):
    node = evaluation(20, descriptors=False, descriptors_missing="the graph has no descriptors")
    made = select(runs, evaluations={"evaluation__lif_300K_replica0": node}, strategy="dopt")
    assert made["selection"]["descriptors"] == "radial"
    assert "the graph has no descriptors" in made["selection"]["notes"][0]


def test_known_frames_without_descriptors_keep_the_model_s_from_being_used(runs):
    known = {"first": select(runs)["candidates"]}
    given = {"evaluation__lif_300K_replica0": evaluation(20)}
    made = select(runs, known=known, evaluations=given, strategy="dopt")
    assert "known_evaluation__first (not given)" in made["selection"]["notes"][0]
    given["known_evaluation__first"] = evaluation(4, seed=5)
    made = select(runs, known=known, evaluations=given, strategy="dopt")
    assert made["selection"]["descriptors"] == "model"


def test_an_evaluation_of_every_second_frame_is_refused(runs):
    given = {"evaluation__lif_300K_replica0": evaluation(10)}
    with pytest.raises(ValueError, match=r"describes \[10\] frames, expected \[20\]"):
        select(runs, evaluations=given, strategy="dopt")


def test_a_hop_of_a_mobile_atom_is_found_and_chosen(runs):
    """All deviations are alike, so that only the jump of an atom to its next image tells frames."""
    hopping = make_trajectory(np.full(40, 0.2), seed=4)
    positions = hopping.positions()
    lithium = np.flatnonzero(hopping.numbers == 3)[0]
    positions[25:, lithium, 0] += 4.03
    steps = hopping.steps
    runs["lif_300K_replica0"] = MDTrajectoryData(
        numbers=hopping.numbers,
        pbc=hopping.pbc,
        steps=steps,
        times_ps=hopping.times_ps,
        positions=positions,
        cells=hopping.cells,
        thermo={"step": steps},
        deviations=hopping.deviations,
    ).store()
    flat = orm.ArrayData()
    # Descriptors of orthogonal frames: none is more diverse than another.
    flat.set_array("system_000_descriptors", np.eye(40, dtype=np.float32)[:, None])
    made = select(
        runs,
        evaluations={"evaluation__lif_300K_replica0": flat},
        strategy="quality_diversity",
        mobile=["Li"],
        hops={"window_ps": 0.05, "jump_A": 4.03},
        n_candidates=3,
    )
    assert all(abs(step - 250) <= 20 for step in chosen_steps(made))
    assert "largest deviation of a frame" in made["selection"]["notes"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mobile": ["Lithium"]}, "expected a list of chemical symbols"),
        ({"mobile": "Li"}, "expected a list of chemical symbols"),
        ({"hops": {"window_ps": 0.5}}, "expected positive window_ps"),
        ({"hops": {"window_ps": 0.5, "jump_A": -1}}, "expected positive window_ps"),
    ],
)
def test_settings_of_atoms_that_make_no_sense_are_refused(runs, change, message):
    with pytest.raises(ValueError, match=message):
        select(runs, strategy="mobile", **change)


def test_a_run_too_short_for_the_window_is_noted_and_has_no_hops(runs):
    made = select(runs, strategy="mobile", hops={"window_ps": 0.5, "jump_A": 3.0})
    assert any("no hops are looked for" in note for note in made["selection"]["notes"])
