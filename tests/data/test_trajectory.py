"""Known answers for the storage of molecular dynamics trajectories."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm

from aiida_mliptransport.data.trajectory import (
    SCHEMA_VERSION,
    MDTrajectoryData,
    TrajectoryError,
    _chunk_shape,
)
from aiida_mliptransport.science.frames import frame_identity


def content(n_frames=7, n_atoms=5, seed=0, **changes):
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 8, (n_atoms, 3))
    walk = np.concatenate([np.zeros((1, n_atoms, 3)), rng.normal(size=(n_frames - 1, n_atoms, 3))])
    steps = 100 * np.arange(n_frames)
    values = {
        "numbers": [3, 17, 3, 17, 3][:n_atoms],
        "pbc": True,
        "steps": steps,
        "times_ps": steps * 1e-3,
        "positions": start + walk.cumsum(axis=0),
        "cells": np.tile(np.eye(3) * 8.0, (n_frames, 1, 1)),
        "thermo": {"step": steps, "temperature_K": rng.uniform(290, 310, n_frames)},
        "info": {"ensemble": "nvt", "completed": True},
    }
    return {**values, **changes}


def test_positions_come_back_unwrapped_to_single_precision_of_the_displacement():
    given = content()
    node = MDTrajectoryData(**given).store()
    loaded = orm.load_node(node.pk)
    assert np.abs(loaded.positions() - given["positions"]).max() < 1e-6
    assert np.array_equal(loaded.reference, given["positions"][0])
    assert np.array_equal(loaded.positions(frames=[0])[0], given["positions"][0])
    assert loaded.completed
    assert loaded.elements == ["Li", "Cl"]
    assert loaded.masses[0] == pytest.approx(6.94, abs=0.01)


@pytest.mark.parametrize("chunk_bytes", [12, 24, 60, 200, 10_000])
def test_frames_and_atoms_are_chosen_alike_whatever_the_chunks_are(chunk_bytes):
    given = content(n_frames=11)
    velocities = np.random.default_rng(1).normal(size=(11, 5, 3))
    node = MDTrajectoryData(**given, velocities=velocities, chunk_bytes=chunk_bytes)
    every = given["positions"]
    assert np.allclose(node.positions(), every, atol=1e-6)
    assert np.allclose(node.positions(slice(2, 9, 3), [4, 1]), every[2:9:3][:, [4, 1]], atol=1e-6)
    assert np.allclose(node.positions([9, 0, 9]), every[[9, 0, 9]], atol=1e-6)
    assert np.allclose(node.velocities(slice(-2, None)), velocities[-2:], atol=1e-6)


def test_iterators_give_bounded_blocks_that_cover_all():
    given = content(n_frames=11)
    node = MDTrajectoryData(**given, chunk_bytes=100)
    blocks = list(node.iter_frames(block_bytes=24 * 5 * 3))
    assert [b[1].shape[0] for b in blocks] == [3, 3, 3, 2]
    assert np.allclose(np.concatenate([b[1] for b in blocks]), given["positions"], atol=1e-6)
    columns = list(node.iter_atoms(block_bytes=24 * 11 * 2))
    assert [b[1].shape[1] for b in columns] == [2, 2, 1]
    assert np.allclose(
        np.concatenate([b[1] for b in columns], axis=1), given["positions"], atol=1e-6
    )


def test_chunks_cut_both_axes_and_keep_the_limit():
    frames, atoms = _chunk_shape(100_000, 10_000, 12, 64 * 1024**2)
    assert frames * atoms * 12 <= 64 * 1024**2
    assert frames < 100_000
    assert atoms < 10_000
    assert _chunk_shape(10, 10, 12, 64 * 1024**2) == (10, 10)


def test_equal_trajectories_have_equal_hashes_and_others_do_not():
    first = MDTrajectoryData(**content()).store()
    second = MDTrajectoryData(**content()).store()
    other = MDTrajectoryData(**content(seed=1)).store()
    assert first.base.caching.get_hash() == second.base.caching.get_hash()
    assert first.base.caching.get_hash() != other.base.caching.get_hash()


def test_taken_frames_name_their_origin_and_step():
    given = content()
    node = MDTrajectoryData(**given)
    (system,) = node.take([4, 2])
    assert system.steps.tolist() == [400, 200]
    identity = frame_identity(
        np.array(given["numbers"]), given["positions"][0], given["cells"][0], np.ones(3, bool)
    )
    assert set(system.origins) == {identity} == {node.identity}
    assert not system.labelled
    assert node.take([]).n_frames == 0


def test_species_and_deviations_come_back():
    species = {
        "names": ["Li", "Cl"],
        "steps": [0, 5],
        "times_ps": [0, 0.005],
        "displacements": np.ones((2, 2, 3)),
        "velocities": np.zeros((2, 2, 3)),
    }
    deviations = {"steps": [0, 100], "max_force": [0.1, 0.2]}
    node = MDTrajectoryData(**content(), species=species, deviations=deviations).store()
    assert node.species["names"] == ["Li", "Cl"]
    assert np.array_equal(node.species["displacements"], species["displacements"])
    assert np.array_equal(node.species["reference"], np.zeros((2, 3)))
    assert node.deviations["max_force"].tolist() == [0.1, 0.2]
    assert node.deviations["steps"].dtype == np.int64
    assert MDTrajectoryData(**content()).deviations is None
    assert MDTrajectoryData(**content()).species is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": [0, 1, 2, 3, 3, 4, 5]}, "increase"),
        ({"steps": [], "times_ps": []}, "0 frames"),
        ({"cells": np.eye(3)}, r"cells has shape \(3, 3\), expected \(7, 3, 3\)"),
        ({"positions": np.zeros((7, 4, 3))}, r"positions has shape \(7, 4, 3\)"),
        ({"forces": np.zeros((7, 4, 3))}, r"forces has shape \(7, 4, 3\)"),
        ({"thermo": {"temperature_K": [1.0]}}, "'step'"),
        ({"thermo": {"step": [0, 1], "pe": [1.0]}}, r"thermo\['pe'\]"),
    ],
)
def test_an_inconsistent_trajectory_is_refused_with_the_name_of_the_array(changes, message):
    with pytest.raises(TrajectoryError, match=message):
        MDTrajectoryData(**content(**changes))


def test_a_position_that_is_not_finite_is_refused_with_its_step():
    positions = content()["positions"].copy()
    positions[5, 1, 2] = np.nan
    with pytest.raises(TrajectoryError, match="step 500"):
        MDTrajectoryData(**content(positions=positions))


def test_what_was_not_stored_says_how_to_store_it():
    with pytest.raises(TrajectoryError, match="store_velocities"):
        MDTrajectoryData(**content()).velocities()


def test_a_newer_schema_is_refused():
    node = MDTrajectoryData(**content())
    node.base.attributes.set("schema_version", SCHEMA_VERSION + 1)
    with pytest.raises(TrajectoryError, match="upgrade"):
        _ = node.steps
    with pytest.raises(TrajectoryError, match="upgrade"):
        node.positions()
