"""Selection of frames from explorations: classes, explosions, duplicates, the blind test."""

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk

from aiida_mliptransport.calculations.functions.selection import select_frames
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.trajectory import MDTrajectoryData

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
    atoms = bulk("LiF", "rocksalt", a=4.03, cubic=True)
    rng = np.random.default_rng(seed)
    n = len(deviation)
    positions = atoms.positions + 0.05 * rng.standard_normal((n, len(atoms), 3))
    if explode_at is not None:
        positions[explode_at:, 1] = positions[explode_at:, 0] + 0.2
    steps = 10 * np.arange(n)
    return MDTrajectoryData(
        numbers=atoms.numbers,
        pbc=atoms.pbc,
        steps=steps,
        times_ps=0.01 * np.arange(n),
        positions=positions,
        cells=np.repeat(atoms.cell.array[None], n, axis=0),
        thermo={"step": steps},
        deviations={
            "steps": steps,
            "max_force": np.asarray(deviation, dtype=float),
            "mean_force": np.asarray(deviation, dtype=float) / 2,
            "min_force": np.zeros(n),
        },
        info={"temperature_K": 300.0, "completed": explode_at is None},
    ).store()


def select(trajectories, known=None, **changes):
    return select_frames(
        parameters=orm.Dict({**PARAMETERS, **changes}),
        trust_levels=orm.Dict(TRUST),
        seed=orm.Int(7),
        **{f"trajectory__{key}": node for key, node in trajectories.items()},
        **{f"known__{key}": node for key, node in (known or {}).items()},
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
