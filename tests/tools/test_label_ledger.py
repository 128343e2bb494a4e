"""The ledger counts each frame once, and names what was paid for twice."""

import numpy as np
import pytest
from aiida import orm
from aiida.engine import calcfunction

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames, System
from aiida_mliptransport.tools.label_ledger import label_ledger

LEVEL = {"engine": "ase", "calculator": "ledger-test"}


@calcfunction
def joined(first, second):
    frames = Frames.join([first.frames, second.frames])
    return FrameSetData(frames, level_of_theory=first.level_of_theory)


@pytest.fixture
def sets(aiida_profile):
    rng = np.random.default_rng(11)
    positions = rng.uniform(0, 9, size=(5, 2, 3))

    def node(rows):
        n = len(rows)
        system = System(
            numbers=np.array([3, 17]),
            positions=positions[rows],
            cells=np.repeat(np.eye(3)[None] * 10.0, n, axis=0),
            pbc=np.array([True] * 3),
            energies=np.zeros(n),
            forces=np.ones((n, 2, 3)),
        )
        return FrameSetData(Frames((system,)), level_of_theory=LEVEL, engine_version="9.9").store()

    return node([0, 1, 2]), node([2, 3, 4])


def test_joined_sets_cost_nothing_and_common_frames_are_named(sets):
    first, second = sets
    together = joined(first, second)
    assert isinstance(together, orm.Data)
    (row,) = [row for row in label_ledger() if row.level.get("calculator") == "ledger-test"]
    assert row.sets == [first.pk, second.pk]
    assert row.n_labels == 5
    assert list(row.twice.values()) == [[first.pk, second.pk]]
    assert row.versions == ["9.9"]
