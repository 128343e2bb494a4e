"""What the ASE parser makes of complete, partial and missing results."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk

from aiida_mliptransport.calculations.walltime import WALLTIME_FILE
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

ENGINE = {
    "level_of_theory": {"engine": "tblite", "method": "GFN1-xTB", "k_points": "gamma"},
    "engine_version": "tblite 0.5",
}


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def start():
    return bulk("LiCl", "rocksalt", a=5.13, cubic=True)


def label_arrays(state, count=8):
    n = len(state)
    forces = np.zeros((n, count, 3))
    forces[:, 0, 0] = np.arange(n)
    return {
        "state": np.array(state, dtype=np.int8),
        "energies": -np.arange(n, dtype=float),
        "forces": forces,
        "stresses": np.tile(np.eye(3) * 0.01, (n, 1, 1)),
    }


def files(arrays, prefix="out_000"):
    return {f"{prefix}_{name}.npy": npy(array) for name, array in arrays.items()}


def ended(results=None, failures=(), **more):
    retrieved = {
        "engine.json": json.dumps(ENGINE).encode(),
        "failures.jsonl": "".join(json.dumps(f) + "\n" for f in failures).encode(),
        "progress.log": b"last words\n",
    }
    if results is not None:
        retrieved["results.json"] = json.dumps(results).encode()
    return {**retrieved, **more}


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    images = []
    for _ in range(3):
        images.append(start())
        images[-1].positions += rng.normal(scale=0.1, size=(8, 3))
    return FrameSetData(Frames.from_atoms(images))


@pytest.fixture
def parse_label(parse_files, frames):
    def factory(retrieved, temporary):
        inputs = {"frames": frames, "calculator": orm.Dict({"name": "tblite"})}
        return parse_files(
            "mliptransport.ase.label", "mliptransport.ase", inputs, retrieved, temporary
        )

    return factory


def test_labels_keep_the_identity_of_their_frames(parse_label, frames):
    results, node = parse_label(ended({"completed": True}), files(label_arrays([1, 1, 1])))
    assert node.is_finished_ok
    assert results["failures"]["failures"] == []
    assert results["frames"].frames.identities() == frames.frames.identities()
    system = results["frames"].frames.systems[0]
    np.testing.assert_array_equal(system.energies, [0.0, -1.0, -2.0])
    assert results["frames"].engine_version == "tblite 0.5"


def test_a_narrow_gamma_only_cell_is_part_of_the_level_of_theory(parse_label):
    results, _ = parse_label(ended({"completed": True}), files(label_arrays([1, 1, 1])))
    assert results["frames"].level_of_theory == {
        **ENGINE["level_of_theory"],
        "gamma_cell_atoms": 8,
        "charge": 0,
        "multiplicity": 1,
    }


def test_a_frame_without_convergence_is_in_the_failures_only(parse_label, frames):
    record = {"system": 0, "frame": 1, "class": "scf_unconverged", "message": "SCF"}
    results, node = parse_label(
        ended({"completed": True}, [record]), files(label_arrays([1, 0, 1]))
    )
    assert node.is_finished_ok
    identities = frames.frames.identities()
    assert results["frames"].frames.identities() == [identities[0], identities[2]]
    assert results["failures"]["failures"] == [
        {"index": 1, "identity": identities[1], "class": "scf_unconverged", "message": "SCF"}
    ]


def test_a_label_that_is_not_finite_is_dropped(parse_label):
    arrays = label_arrays([1, 1, 1])
    arrays["forces"][2, 0, 0] = np.nan
    results, _ = parse_label(ended({"completed": True}), files(arrays))
    assert results["frames"].n_frames == 2
    assert results["failures"]["failures"][0]["index"] == 2


def test_no_label_at_all_is_an_error_that_quotes_the_first_failure(parse_label):
    records = [
        {"system": 0, "frame": n, "class": "crashed", "message": "no parameters"} for n in range(3)
    ]
    results, node = parse_label(ended({"completed": True}, records), files(label_arrays([0, 0, 0])))
    assert node.exit_status == 310
    assert "no parameters" in node.exit_message
    assert "frames" not in results


def test_a_job_out_of_walltime_keeps_its_labels(parse_label):
    retrieved = ended(None, **{WALLTIME_FILE: b"60\n"})
    results, node = parse_label(retrieved, files(label_arrays([1, 0, 0])))
    assert node.exit_status == 400
    assert results["frames"].n_frames == 1
    assert [f["class"] for f in results["failures"]["failures"]] == ["walltime"] * 2


def test_a_job_killed_from_outside_keeps_its_labels(parse_label):
    retrieved = ended(None)
    retrieved["failures.jsonl"] = b'{"system": 0, "fra'
    results, node = parse_label(retrieved, files(label_arrays([1, 0, 0])))
    assert node.exit_status == 401
    assert "last words" in node.exit_message
    assert results["frames"].n_frames == 1


def test_a_truncated_array_is_no_label(parse_label):
    temporary = files(label_arrays([1, 1, 1]))
    temporary["out_000_forces.npy"] = temporary["out_000_forces.npy"][:-40]
    results, node = parse_label(ended({"completed": True}), temporary)
    assert node.exit_status == 310
    assert "frames" not in results


def test_a_runner_that_never_started_quotes_its_output(parse_label):
    _, node = parse_label({"progress.log": b"ModuleNotFoundError: No module named 'ase'\n"}, {})
    assert node.exit_status == 300
    assert "No module named 'ase'" in node.exit_message


@pytest.mark.parametrize(("unavailable", "status"), [(True, 320), (False, 202)])
def test_a_refused_calculator_has_its_own_exit_code(parse_label, unavailable, status):
    results = {"completed": False, "error": "pip install tblite", "unavailable": unavailable}
    _, node = parse_label(ended(results), {})
    assert node.exit_status == status
    assert "pip install tblite" in node.exit_message


MD_PARAMETERS = {
    "temperature_K": 600.0,
    "steps": 20,
    "timestep_fs": 2.0,
    "seed": 3,
    "trajectory_stride": 10,
    "thermo_stride": 10,
}


@pytest.fixture
def parse_md(parse_files):
    def factory(retrieved, temporary, **changes):
        inputs = {
            "structure": orm.StructureData(ase=start()),
            "calculator": orm.Dict({"name": "tblite"}),
            "parameters": orm.Dict({**MD_PARAMETERS, **changes}),
        }
        return parse_files(
            "mliptransport.ase.md", "mliptransport.ase", inputs, retrieved, temporary
        )

    return factory


def md_files(state):
    n = len(state)
    positions = np.repeat(start().positions[None], n, axis=0)
    positions[:, 0, 0] += 7.0 * np.arange(n)
    arrays = {**label_arrays(state), "positions": positions, "velocities": np.ones((n, 8, 3))}
    thermo = np.array([[10.0 * i, -5.0, 1.0, 600.0 + i, 20.0] for i in range(n)])
    return {**files(arrays), **files({"state": state, "values": thermo}, "thermo")}


def test_md_gives_labels_with_steps_and_an_unwrapped_trajectory(parse_md):
    results, node = parse_md(
        ended({"completed": True, "last_step": 20, "seconds_per_step": 0.5}),
        md_files([1, 1, 1]),
        store_velocities=True,
    )
    assert node.is_finished_ok
    system = results["frames"].frames.systems[0]
    assert system.steps.tolist() == [0, 10, 20]
    trajectory = results["trajectory"]
    assert set(system.origins) == {trajectory.identity}
    np.testing.assert_allclose(trajectory.positions()[:, 0, 0], [0.0, 7.0, 14.0], atol=1e-6)
    np.testing.assert_allclose(trajectory.times_ps, [0.0, 0.02, 0.04])
    np.testing.assert_allclose(trajectory.velocities(), 1.0)
    np.testing.assert_allclose(trajectory.thermo["temperature_K"], [600.0, 601.0, 602.0])
    assert trajectory.completed
    assert results["results"]["mean_temperature_K"] == pytest.approx(601.0)


@pytest.mark.parametrize("content", [None, b"no array"])
def test_md_whose_thermo_cannot_be_read_keeps_its_labels(parse_md, content):
    temporary = md_files([1, 1, 1])
    del temporary["thermo_values.npy"]
    if content is not None:
        temporary["thermo_values.npy"] = content
    results, node = parse_md(ended({"completed": True, "last_step": 20}), temporary)
    assert node.exit_status == 401
    assert "thermo" in node.exit_message
    assert results["frames"].n_frames == 3
    assert "trajectory" not in results


def test_md_that_stopped_keeps_its_frames_and_says_why(parse_md):
    record = {"system": 0, "frame": 2, "step": 20, "class": "scf_unconverged", "message": "SCF"}
    results, node = parse_md(
        ended({"completed": False, "stopped": "step 20: SCF", "last_step": 20}, [record]),
        md_files([1, 1, 0]),
    )
    assert node.exit_status == 311
    assert "step 20: SCF" in node.exit_message
    assert results["frames"].n_frames == 2
    assert not results["trajectory"].completed
    assert results["failures"]["failures"][0]["class"] == "scf_unconverged"


@pytest.fixture
def parse_relax(parse_files):
    def factory(retrieved, temporary):
        inputs = {
            "structure": orm.StructureData(ase=start()),
            "calculator": orm.Dict({"name": "tblite"}),
            "parameters": orm.Dict({"cell": True}),
        }
        return parse_files(
            "mliptransport.ase.relax", "mliptransport.ase", inputs, retrieved, temporary
        )

    return factory


@pytest.mark.parametrize(("completed", "status"), [(True, 0), (False, 312)])
def test_a_relaxation_gives_its_last_structure(parse_relax, completed, status):
    cells = np.array([start().cell.array * scale for scale in (1.0, 1.01)])
    positions = np.array([start().positions * scale for scale in (1.0, 1.01)])
    arrays = {**label_arrays([1, 1]), "positions": positions, "cells": cells}
    results, node = parse_relax(ended({"completed": completed, "stopped": None}), files(arrays))
    assert node.exit_status == status
    np.testing.assert_allclose(results["structure"].cell, cells[1])
    np.testing.assert_allclose(results["structure"].get_ase().positions, positions[1])
    assert results["results"]["energy_eV"] == -1.0
