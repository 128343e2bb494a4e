"""Labels that come from a recorded pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.tools.label_ledger import label_ledger
from aiida_mliptransport.workflows.label.replay import ReplayLabelWorkChain

pytestmark = pytest.mark.medium

LEVEL = {"engine": "recorded", "functional": "PBE", "charge": 0, "multiplicity": 1}


def recorded(n, seed, element="Cu"):
    """Return rattled frames whose labels are plain numbers, not those of any potential."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n):
        atoms = bulk(element, cubic=True)
        atoms.positions += rng.normal(scale=0.1, size=(4, 3))
        images.append(atoms)
    (system,) = Frames.from_atoms(images).systems
    return replace(
        system,
        energies=np.arange(n) + 100.0 * seed,
        forces=rng.normal(size=(n, 4, 3)),
        stresses=rng.normal(size=(n, 3, 3)),
    )


def pool_node(*systems, **level):
    return FrameSetData(
        Frames.join(systems), level_of_theory={**LEVEL, **level}, engine_version="7"
    )


def replay(frames, pool, quorum=1.0):
    node = FrameSetData(Frames.join(frames).without_labels())
    return run_get_node(ReplayLabelWorkChain, frames=node, pool=pool, quorum=orm.Float(quorum))


def test_chosen_frames_get_the_labels_that_were_recorded_and_no_job_runs():
    first, second = recorded(6, 1), recorded(4, 2, "Ag")
    pool = pool_node(first, second)
    results, node = replay([second.take([3, 0]), first.take([5])], pool)
    assert node.is_finished_ok
    silver, copper = results["frames"].frames.systems
    np.testing.assert_array_equal(silver.energies, [203.0, 200.0])
    np.testing.assert_array_equal(silver.forces, second.forces[[3, 0]])
    np.testing.assert_array_equal(copper.energies, [105.0])
    np.testing.assert_array_equal(copper.stresses, first.stresses[[5]])
    assert results["frames"].level_of_theory == pool.level_of_theory
    assert results["frames"].engine_version == "7"
    # They count against a budget as labels that were made.
    assert results["failures"].get_dict() == {
        "failures": [],
        "n_tried": 3,
        "n_labelled": 3,
        "n_known": 0,
    }
    assert not [child for child in node.called_descendants if isinstance(child, orm.CalcJobNode)]
    (taken,) = [child for child in node.called if child.process_label == "take_known_labels"]
    sources = taken.base.links.get_incoming(link_type=LinkType.INPUT_CALC).all_nodes()
    assert pool.pk in [source.pk for source in sources]


def test_a_frame_that_is_a_hair_off_is_a_failure_and_not_answered_by_its_neighbour():
    system = recorded(3, 3)
    positions = system.positions.copy()
    positions[1, 2, 0] += 1e-4
    moved = replace(system, positions=positions)
    results, node = replay([moved], pool_node(system), quorum=0.6)
    assert node.is_finished_ok
    np.testing.assert_array_equal(results["frames"].frames.systems[0].energies, [300.0, 302.0])
    (failure,) = results["failures"]["failures"]
    assert (failure["index"], failure["class"]) == (1, "not_in_pool")
    assert failure["identity"] == moved.identities()[1]


def test_frames_of_which_none_is_in_the_pool_end_below_the_quorum_without_labels():
    results, node = replay([recorded(2, 4)], pool_node(recorded(2, 5)))
    assert node.exit_status == 310
    assert "frames" not in results
    assert [f["class"] for f in results["failures"]["failures"]] == ["not_in_pool"] * 2


def test_labels_of_the_profile_that_the_pool_does_not_hold_are_not_used():
    system = recorded(3, 6)
    pool_node(system).store()
    results, _ = replay([system], pool_node(system.take([0, 1])), quorum=0.5)
    assert [f["index"] for f in results["failures"]["failures"]] == [2]


def test_the_ledger_counts_what_was_replayed_as_copies_of_the_pool():
    system = recorded(4, 7)
    pool = pool_node(system, functional="replayed only")
    replay([system.take([1, 2])], pool)
    (row,) = [row for row in label_ledger() if row.level.get("functional") == "replayed only"]
    assert (row.sets, row.n_labels, row.twice) == ([pool.pk], 4, {})


def test_a_pool_without_labels_is_refused():
    bare = FrameSetData(Frames((recorded(1, 8).without_labels(),)))
    with pytest.raises(ValueError, match="pool has frames without labels"):
        replay([recorded(1, 8)], bare)


def test_a_builder_takes_the_quorum_of_the_protocol():
    pool = pool_node(recorded(1, 9))
    builder = ReplayLabelWorkChain.get_builder_from_protocol(
        pool, protocol="stringent", overrides={"quorum": 0.9}
    )
    assert (builder.quorum, builder.pool) == (0.9, pool)
    assert "batch_size" not in builder
