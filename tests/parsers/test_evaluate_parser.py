"""Errors and deviations that the parser of an evaluation makes of predictions."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from aiida import orm

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

ENTRY_POINT = "mliptransport.evaluate"


@pytest.fixture
def frames(rattled_licl):
    return FrameSetData(
        Frames.from_atoms(rattled_licl(4, seed=5)), level_of_theory={"engine": "lennard-jones"}
    )


@pytest.fixture
def inputs(frames, tmp_path):
    (tmp_path / "model.pb").write_bytes(b"frozen")
    files = {"model": tmp_path / "model.pb"}
    return {
        "frames": frames,
        "parameters": orm.Dict({"n_bootstrap": 200}),
        "potentials": {
            f"member_{i}": PotentialData("deepmd", "3.2.0", ("Li", "Cl"), 4.0, files=files)
            for i in range(2)
        },
    }


def predictions(frames, shifts, energy=0.0):
    """Return predictions.npz of members whose forces on Li are off by ``shifts`` along x."""
    system = frames.frames.systems[0]
    forces = np.stack([system.forces] * len(shifts))
    for member, shift in enumerate(shifts):
        forces[member][:, system.numbers == 3, 0] += shift
    buffer = io.BytesIO()
    np.savez(
        buffer,
        system_000_energies=np.stack([system.energies + energy * system.n_atoms] * len(shifts)),
        system_000_forces=forces,
        system_000_stresses=np.stack([system.stresses + 0.01] * len(shifts)),
    )
    return {"predictions.npz": buffer.getvalue()}


@pytest.fixture
def parse(parse_files, inputs):
    def run(temporary, **retrieved):
        return parse_files(ENTRY_POINT, ENTRY_POINT, inputs, retrieved, temporary)

    return run


def test_errors_of_driving_member_mean_and_species_are_apart(parse, frames):
    results, node = parse(predictions(frames, [0.3, -0.3], energy=0.02))
    assert node.is_finished_ok, node.exit_message
    errors = results["errors"].get_dict()
    # One of three components of half of the atoms is off by 0.3 eV/Å.
    assert errors["force"]["rmse_component"] == pytest.approx(0.3 / math.sqrt(6))
    assert errors["force"]["rmse_vector"] == pytest.approx(0.3 / math.sqrt(2))
    assert errors["force"]["standard_error"] == pytest.approx(0, abs=1e-12)
    assert errors["force_by_species"]["Li"]["rmse_component"] == pytest.approx(0.3 / math.sqrt(3))
    assert errors["force_by_species"]["Cl"]["rmse_component"] == pytest.approx(0, abs=1e-12)
    assert errors["committee_mean"]["force"]["rmse_component"] == pytest.approx(0, abs=1e-12)
    assert errors["energy"]["rmse_per_atom_eV"] == pytest.approx(0.02)
    assert errors["energy"]["rmse_shifted_per_atom_eV"] == pytest.approx(0, abs=1e-9)
    assert errors["stress"]["rmse_component_eV_A3"] == pytest.approx(0.01)
    assert [member["name"] for member in errors["members"]] == ["member_0", "member_1"]
    relative = 0.3 / math.sqrt(6) / frames.base.attributes.get("force_rms")
    assert errors["force"]["relative"] == pytest.approx(relative)


def test_deviation_is_the_spread_of_force_vectors(parse, frames):
    results, _ = parse(predictions(frames, [0.3, -0.3]))
    array = results["predictions"]
    deviation = array.get_array("system_000_force_deviation")
    lithium = frames.frames.systems[0].numbers == 3
    np.testing.assert_allclose(deviation[:, lithium], 0.3)
    np.testing.assert_allclose(deviation[:, ~lithium], 0, atol=1e-12)
    np.testing.assert_allclose(array.get_array("system_000_max_force_deviation"), 0.3)
    assert results["errors"]["deviation"]["max_force_largest"] == pytest.approx(0.3)


def test_single_potential_has_errors_and_no_deviation(parse, inputs, frames):
    del inputs["potentials"]["member_1"]
    results, node = parse(predictions(frames, [0.3]))
    assert node.is_finished_ok
    assert results["errors"]["deviation"] is None
    assert "system_000_force_deviation" not in results["predictions"].get_arraynames()


def test_unlabelled_frames_give_deviation_and_no_errors(parse, inputs, frames):
    inputs["frames"] = FrameSetData(frames.frames.without_labels())
    results, node = parse(predictions(frames, [0.3, -0.3]))
    assert node.is_finished_ok
    assert "errors" not in results
    assert results["predictions"].get_array("system_000_max_force_deviation").shape == (4,)


def test_frames_without_stress_have_no_stress_error(parse, inputs, frames):
    from dataclasses import replace

    system = replace(frames.frames.systems[0], stresses=None)
    inputs["frames"] = FrameSetData(Frames((system,)), level_of_theory={"engine": "lj"})
    results, _ = parse(predictions(frames, [0.3, -0.3]))
    assert results["errors"]["stress"] is None


def test_nan_forces_name_the_member_and_keep_the_predictions(parse, frames):
    results, node = parse(predictions(frames, [0.3, float("nan")]))
    assert node.exit_status == 310
    assert "'member_1' gives NaN or infinity on 4 of 4 frames" in node.exit_message
    assert "predictions" in results


def test_missing_predictions_give_the_last_words_of_the_runner(parse):
    _, node = parse({}, **{"evaluate.log": b"Traceback\nModuleNotFoundError: deepmd\n"})
    assert node.exit_status == 300
    assert "ModuleNotFoundError: deepmd" in node.exit_message


def test_walltime_is_told_from_a_crash(parse):
    _, node = parse({}, _walltime_exceeded=b"60\n")
    assert node.exit_status == 400


def test_descriptors_are_kept_as_the_runner_wrote_them(parse, frames):
    content = io.BytesIO(predictions(frames, [0.0, 0.1])["predictions.npz"])
    rows = np.arange(4 * 2 * 3, dtype=np.float32).reshape(4, 2, 3)
    buffer = io.BytesIO()
    with np.load(content) as arrays:
        np.savez(buffer, **arrays, system_000_descriptors=rows)
    results, _ = parse({"predictions.npz": buffer.getvalue()})
    stored = results["predictions"].get_array("system_000_descriptors")
    np.testing.assert_array_equal(stored, rows)
    assert stored.dtype == np.float32


def test_a_potential_without_descriptors_is_named_in_the_warnings(parse, frames):
    content = io.BytesIO(predictions(frames, [0.0, 0.1])["predictions.npz"])
    reason = "the driving potential (lj) gives no descriptors"
    buffer = io.BytesIO()
    with np.load(content) as arrays:
        np.savez(buffer, **arrays, descriptors_missing=np.array(reason))
    results, _ = parse({"predictions.npz": buffer.getvalue()})
    assert results["predictions"].base.attributes.get("descriptors_missing") == reason
    assert reason in results["errors"]["warnings"]
