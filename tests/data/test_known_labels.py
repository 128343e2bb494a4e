"""Labels that a profile holds are found by what a frame is and by how it was labelled."""

import numpy as np
import pytest

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.known_labels import find_known_labels, labelled_sets, same_physics
from aiida_mliptransport.science.frames import Frames, System

LEVEL = {"engine": "ase", "calculator": "known-labels-test", "charge": 0, "multiplicity": 1}


def frames_of(n_frames, seed, labelled=False):
    rng = np.random.default_rng(seed)
    labels = (
        {"energies": rng.normal(size=n_frames), "forces": rng.normal(size=(n_frames, 2, 3))}
        if labelled
        else {}
    )
    positions = np.random.default_rng(seed + 1).uniform(0, 9, size=(n_frames, 2, 3))
    return Frames(
        (
            System(
                numbers=np.array([3, 17]),
                positions=positions,
                cells=np.repeat(np.eye(3)[None] * 10.0, n_frames, axis=0),
                pbc=np.array([True] * 3),
                **labels,
            ),
        )
    )


@pytest.fixture
def stored(aiida_profile):
    def store(n_frames, seed, level):
        node = FrameSetData(frames_of(n_frames, seed, labelled=True), level_of_theory=level)
        return node.store()

    return store


def test_levels_are_equal_but_for_what_frames_add():
    assert same_physics(LEVEL, {**LEVEL, "gamma_cell_atoms": 16, "charge": 1})
    assert not same_physics(LEVEL, {**LEVEL, "calculator": "other"})


def test_the_fewest_sets_that_hold_most_of_the_frames_are_named(stored):
    part, whole = stored(3, 5, LEVEL), stored(6, 5, LEVEL)
    other = stored(2, 50, LEVEL)
    wanted = Frames.join([frames_of(6, 5), frames_of(2, 50), frames_of(2, 90)])
    known = find_known_labels({key: LEVEL[key] for key in ("engine", "calculator")}, wanted)
    assert [node.pk for node in known.values()] == [whole.pk, other.pk]
    assert part.pk not in [node.pk for node in known.values()]


def test_labels_of_another_level_are_not_taken(stored):
    level = {**LEVEL, "calculator": "known-labels-other"}
    stored(2, 7, {**level, "accuracy": 0.1})
    assert find_known_labels({**level, "accuracy": 1.0}, frames_of(2, 7)) == {}
    assert [pk for pk, *_ in labelled_sets({**level, "accuracy": 0.1})]


def test_nothing_is_known_of_an_engine_that_says_nothing():
    assert find_known_labels({}, frames_of(2, 7)) == {}
