"""Selection strategies: what each prefers, what all share, and the batch around them."""

import inspect

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import chisquare, special_ortho_group

from aiida_mliptransport.science.selection import farthest_point_sampling
from aiida_mliptransport.science.selection.batch import choose_batch
from aiida_mliptransport.science.selection.pool import Pool, informativeness
from aiida_mliptransport.science.selection.strategies import STRATEGIES, get_strategy
from aiida_mliptransport.science.selection.trust import FrameClass

from .synthetic_pool import synthetic_pool

NONE = np.empty((0, 8))
NAMES = list(STRATEGIES)
GREEDY = ["fps", "mobile", "dopt", "quality_diversity"]


def choose(name: str, pool: Pool, number: int, seed: int = 1, known: np.ndarray = NONE):
    return STRATEGIES[name].choose(pool, number, seed, known)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_frames_and_none_twice(name: str) -> None:
    pool = synthetic_pool()
    one, two = choose(name, pool, 30), choose(name, pool, 30)
    np.testing.assert_array_equal(one, two)
    assert len(set(one.tolist())) == 30


@pytest.mark.parametrize("name", ["random", "dpgen"])
def test_another_seed_draws_other_frames(name: str) -> None:
    pool = synthetic_pool()
    assert set(choose(name, pool, 30)) != set(choose(name, pool, 30, seed=2))


@pytest.mark.parametrize("name", NAMES)
def test_a_shorter_batch_is_the_beginning_of_a_longer_one(name: str) -> None:
    pool = synthetic_pool()
    np.testing.assert_array_equal(choose(name, pool, 10), choose(name, pool, 30)[:10])


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_pool_gives_nothing(name: str) -> None:
    pool = synthetic_pool().take(np.arange(0))
    assert len(choose_batch(pool, STRATEGIES[name], 5, seed=1)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_says_where_its_idea_is_from(name: str) -> None:
    assert len(inspect.getdoc(STRATEGIES[name].choose) or "") > 40


def test_random_draws_every_frame_equally_often() -> None:
    pool = synthetic_pool(20)
    drawn = np.concatenate([choose("random", pool, 5, seed=seed) for seed in range(400)])
    assert chisquare(np.bincount(drawn, minlength=20)).pvalue > 1e-3


def test_dpgen_draws_only_between_the_trust_levels_and_there_uniformly() -> None:
    pool = synthetic_pool(60)
    candidates = np.flatnonzero(pool.labels == FrameClass.CANDIDATE.value)
    drawn = np.concatenate([choose("dpgen", pool, 5, seed=seed) for seed in range(600)])
    assert set(drawn) == set(candidates)
    assert chisquare(np.bincount(drawn, minlength=60)[candidates]).pvalue > 1e-3
    assert len(choose("dpgen", pool, 60)) == len(candidates)


def test_fps_is_farthest_point_sampling_weighted_by_the_deviation() -> None:
    pool = synthetic_pool()
    pool = pool.take(np.flatnonzero(pool.labels == FrameClass.CANDIDATE.value))
    direct = farthest_point_sampling(pool.descriptors, 20, weights=pool.max_deviation)
    np.testing.assert_array_equal(choose("fps", pool, 20), direct.indices)


def test_mobile_prefers_the_frame_whose_mobile_atom_deviates() -> None:
    pool = synthetic_pool(2, descriptors=np.array([[1.0] * 8, [-1.0] * 8]))
    atoms = np.array([[0.1, 0.1, 0.4, 0.1], [0.3, 0.1, 0.1, 0.1]])
    pool = synthetic_pool(
        2,
        descriptors=pool.descriptors,
        atomic_deviation=atoms,
        max_deviation=atoms.max(axis=1),
        labels=np.array(["candidate"] * 2),
    )
    assert choose("fps", pool, 1)[0] == 0
    assert choose("mobile", pool, 1)[0] == 1
    assert choose("quality_diversity", pool, 1)[0] == 1


def test_a_hop_outweighs_a_somewhat_larger_deviation_at_rest() -> None:
    atoms, hops = np.full((2, 4), 0.1), np.zeros((2, 4))
    atoms[0, 0], atoms[1, 1], hops[1, 1] = 0.3, 0.2, 1.0
    pool = synthetic_pool(2, atomic_deviation=atoms, hop_weights=hops)
    np.testing.assert_allclose(informativeness(pool), [0.3, 0.4])
    framework = np.roll(hops, 2, axis=1)
    still = synthetic_pool(2, atomic_deviation=atoms, hop_weights=framework)
    np.testing.assert_allclose(informativeness(still), [0.3, 0.2])


def test_without_deviations_of_atoms_the_frame_s_own_counts() -> None:
    hops = np.zeros((3, 4))
    hops[2, 0] = 0.5
    pool = synthetic_pool(
        3, atomic_deviation=None, max_deviation=np.array([0.1, 0.2, 0.3]), hop_weights=hops
    )
    np.testing.assert_allclose(informativeness(pool), [0.1, 0.2, 0.45])


def test_places_without_atoms_are_not_read() -> None:
    numbers = np.array([[3, 17, 0], [3, 3, 17]])
    atoms = np.array([[0.2, 0.1, np.nan], [0.1, 0.3, 0.9]])
    pool = Pool(np.eye(2), numbers=numbers, atomic_deviation=atoms, mobile=(3,))
    np.testing.assert_allclose(informativeness(pool), [0.2, 0.3])


def test_dopt_needs_no_committee_and_takes_what_the_training_set_lacks() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, 8))
    known = rng.normal(size=(100, 8))
    rows[31, 5] = 15.0
    assert choose("dopt", Pool(rows), 3, known=known)[0] == 31
    learned = np.concatenate([known, np.repeat(rows[31:32], 100, axis=0)])
    assert 31 not in choose("dopt", Pool(rows), 3, known=learned)


@pytest.mark.parametrize("name", GREEDY)
def test_rotation_and_shift_of_the_descriptor_change_nothing(name: str) -> None:
    pool = synthetic_pool()
    turn = special_ortho_group.rvs(8, random_state=3)
    known = np.random.default_rng(4).normal(size=(20, 8))
    moved = synthetic_pool(descriptors=pool.descriptors @ turn + 2.0)
    np.testing.assert_array_equal(
        choose(name, pool, 20, known=known), choose(name, moved, 20, known=known @ turn + 2.0)
    )


def test_quality_diversity_takes_one_of_each_kind_before_the_second_of_the_worst() -> None:
    """Twelve near-copies of the most uncertain frame would fill a batch ranked by deviation."""
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.eye(8)[:6], [12, 2, 2, 2, 2, 2], axis=0)
    rows = kinds + 1e-3 * rng.normal(size=kinds.shape)
    deviation = np.where(kinds[:, 0] == 1, 0.45, 0.15) + 0.01 * rng.uniform(size=22)
    pool = Pool(rows, max_deviation=deviation)
    assert (kinds[np.argsort(-deviation)[:6], 0] == 1).all()
    chosen = choose("quality_diversity", pool, 6)
    assert kinds[chosen[0], 0] == 1
    assert len(np.unique(kinds[chosen].argmax(axis=1))) == 6


@pytest.mark.parametrize("name", ["fps", "mobile", "quality_diversity"])
def test_of_failed_frames_the_least_uncertain_come_first(name: str) -> None:
    rows = np.array([[1.0] * 8, [-1.0] * 8])
    deviation = np.array([5.0, 0.6])
    pool = Pool(rows, max_deviation=deviation, labels=np.array(["failed"] * 2))
    assert choose(name, pool, 1)[0] == 1


@pytest.mark.parametrize("name", ["fps", "mobile", "quality_diversity"])
def test_a_pool_without_deviations_is_refused_where_they_are_needed(name: str) -> None:
    with pytest.raises(ValueError, match=r"has no max_deviation: evaluate the frames"):
        choose(name, Pool(np.eye(8)), 2)


def test_dpgen_without_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has no labels: classify"):
        choose("dpgen", Pool(np.eye(8)), 2)


def test_an_unknown_strategy_is_refused_with_the_names() -> None:
    with pytest.raises(ValueError, match=r"'dpegn', expected one of \['random', 'dpgen', 'fps'"):
        get_strategy("dpegn")


def test_a_mobile_species_that_no_frame_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mobile=\(11,\).*expected some of \[3, 17\]"):
        informativeness(synthetic_pool(3, mobile=(11,)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array(["failed"])}, r"labels of the pool has shape \(1,\)"),
        ({"numbers": np.ones(4)}, r"numbers of the pool have shape \(4,\)"),
        ({"hop_weights": np.full((4, 4), 1.5)}, "between 0 and 1"),
        ({"hop_weights": np.ones((4, 3))}, r"hop_weights of the pool has shape \(4, 3\)"),
        ({"times_ps": None}, "one of run and times_ps"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        synthetic_pool(4, **change)


# ------------------------------------------------------------------ the batch


@pytest.mark.parametrize("name", NAMES)
def test_no_two_of_a_batch_are_near_copies_or_close_in_time(name: str) -> None:
    pool = synthetic_pool(80)
    copies = synthetic_pool(80, descriptors=pool.descriptors + 1e-4)
    both = Pool(
        np.concatenate([pool.descriptors, copies.descriptors]),
        max_deviation=np.tile(pool.max_deviation, 2),
        labels=np.tile(pool.labels, 2),
        run=np.tile(pool.run, 2),
        times_ps=np.tile(pool.times_ps, 2),
    )
    known = pool.descriptors[:5]
    chosen = choose_batch(
        both,
        STRATEGIES[name],
        15,
        seed=1,
        known=known,
        tolerance=0.01,
        min_separation_ps=0.2,
    )
    assert len(chosen) == 15
    rows = both.descriptors[chosen]
    distance = cdist(rows, np.concatenate([rows, known])) + np.eye(15, 20)
    assert distance.min() > 0.01
    for one, two in zip(*np.triu_indices(15, 1), strict=True):
        if both.run[chosen[one]] == both.run[chosen[two]]:
            assert abs(both.times_ps[chosen[one]] - both.times_ps[chosen[two]]) > 0.199


def test_frames_exactly_the_separation_apart_are_both_chosen() -> None:
    pool = synthetic_pool(4, run=np.zeros(4, dtype=int), times_ps=0.1 * np.arange(4))
    chosen = choose_batch(pool, STRATEGIES["random"], 4, seed=0, min_separation_ps=0.3)
    assert set(chosen.tolist()) <= {0, 3} or len(chosen) == 1
    ends = choose_batch(
        pool.take(np.array([0, 3])), STRATEGIES["random"], 2, seed=0, min_separation_ps=0.3
    )
    assert len(ends) == 2


@pytest.mark.parametrize("seed", range(6))
def test_fps_with_a_tolerance_chooses_as_masked_farthest_points_do(seed: int) -> None:
    """What select_frames chose before strategies had names, copies in the pool included."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(60, 4))
    rows = np.concatenate([rows, rows[rng.integers(0, 60, 40)] + 0.05 * rng.normal(size=(40, 4))])
    deviation = rng.uniform(0.1, 0.5, 100)
    known = rows[:3] + 0.01 if seed % 2 else None
    before = farthest_point_sampling(rows, 70, weights=deviation, known=known, tolerance=0.15)
    pool = Pool(rows, max_deviation=deviation)
    now = choose_batch(pool, STRATEGIES["fps"], 70, seed=1, known=known, tolerance=0.15)
    np.testing.assert_array_equal(now, before.indices)


def test_known_frames_of_another_descriptor_are_refused() -> None:
    with pytest.raises(ValueError, match=r"known has shape \(2, 3\), expected \(m, 8\)"):
        choose_batch(synthetic_pool(), STRATEGIES["fps"], 2, seed=1, known=np.ones((2, 3)))


def test_a_separation_without_times_is_refused() -> None:
    with pytest.raises(ValueError, match="without run and times_ps"):
        choose_batch(Pool(np.eye(3)), STRATEGIES["dopt"], 2, seed=1, min_separation_ps=0.1)


def test_accurate_frames_come_last_and_only_where_asked() -> None:
    fps = STRATEGIES["fps"]
    assert (FrameClass.ACCURATE,) not in fps.groups(top_up=False)
    assert fps.groups(top_up=True)[-1] == (FrameClass.ACCURATE,)
    assert STRATEGIES["dpgen"].groups(top_up=True) == ((FrameClass.CANDIDATE,),)
