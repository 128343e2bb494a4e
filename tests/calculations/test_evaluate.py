"""Input files of an evaluation, its refusals, the runner, and one real evaluation."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames

ENTRY_POINT = "mliptransport.evaluate"


@pytest.fixture
def frames(rattled_licl):
    return FrameSetData(
        Frames.from_atoms(rattled_licl(3, seed=9)), level_of_theory={"engine": "lennard-jones"}
    ).store()


@pytest.fixture
def make_potential(tmp_path):
    def factory(content, type_map=("Li", "Cl"), roles=("model", "compressed")):
        files = {}
        for role in roles:
            files[role] = tmp_path / f"{content}-{role}.pb"
            files[role].write_bytes(f"{content} {role}".encode())
        return PotentialData("deepmd", "3.2.0", type_map, 4.0, files=files).store()

    return factory


@pytest.fixture
def inputs(make_code, frames, make_potential):
    return {
        "code": make_code("python"),
        "frames": frames,
        "potentials": {"member_1": make_potential("b"), "member_0": make_potential("a")},
        "metadata": {"options": {"max_wallclock_seconds": 600}},
    }


def test_compressed_models_go_along_in_the_order_of_the_members(generate_calc_job, inputs):
    folder, info = generate_calc_job(ENTRY_POINT, inputs)
    content = json.loads((folder / "evaluate.json").read_text())
    assert [spec["model"] for spec in content["potentials"]] == ["member_0.pb", "member_1.pb"]
    first = inputs["potentials"]["member_0"]
    assert info.local_copy_list[0] == (first.uuid, "compressed.pb", "member_0.pb")
    assert (folder / "evaluate_runner.py").exists()
    assert (folder / "calculators.py").exists()
    assert info.provenance_exclude_list == ["frames.npz"]


def test_frames_travel_as_plain_arrays(generate_calc_job, inputs):
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    with np.load(folder / "frames.npz", allow_pickle=False) as arrays:
        system = inputs["frames"].frames.systems[0]
        np.testing.assert_array_equal(arrays["system_000_positions"], system.positions)
        assert "system_000_forces" not in arrays


def test_frames_and_trajectory_both_missing_is_refused(generate_calc_job, inputs):
    del inputs["frames"]
    with pytest.raises(ValueError, match="nothing to evaluate, expected frames or trajectory"):
        generate_calc_job(ENTRY_POINT, inputs)


def test_potential_that_lacks_an_element_is_refused(generate_calc_job, inputs, make_potential):
    inputs["potentials"] = {"member_0": make_potential("c", type_map=("Li", "Br"))}
    with pytest.raises(ValueError, match=r"lacks \['Cl'\]"):
        generate_calc_job(ENTRY_POINT, inputs)


def test_unknown_parameter_is_refused(generate_calc_job, inputs):
    with pytest.raises(ValueError, match="unknown key 'strid' with value 2"):
        generate_calc_job(ENTRY_POINT, {**inputs, "parameters": orm.Dict({"strid": 2})})


@pytest.mark.medium
def test_runner_evaluates_any_registered_calculator(generate_calc_job, inputs, frames):
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    lj = {"name": "lj", "epsilon_eV": 0.2, "sigma_A": 2.2, "cutoff_A": 5.0}
    (folder / "evaluate.json").write_text(
        json.dumps({"potentials": [lj, lj], "descriptors": "species"})
    )
    subprocess.run([sys.executable, "evaluate_runner.py"], cwd=folder, check=True)
    with np.load(folder / "predictions.npz") as arrays:
        assert arrays["system_000_energies"].shape == (2, 3)
        assert arrays["system_000_forces"].shape == (2, 3, 8, 3)
        forces = arrays["system_000_forces"]
        assert np.isfinite(arrays["system_000_stresses"]).all()
        np.testing.assert_array_equal(forces[0], forces[1])
        # Newton's third law: the sum over atoms vanishes.
        np.testing.assert_allclose(forces.sum(axis=2), 0, atol=1e-10)
        assert "(lj) gives no descriptors" in str(arrays["descriptors_missing"])


@pytest.mark.deepmd
def test_real_committee_is_evaluated_against_its_labels(tiny_committee, make_code, frames):
    results, node = run_get_node(
        CalculationFactory(ENTRY_POINT),
        code=make_code("python"),
        frames=frames,
        potentials={f"member_{i}": potential for i, potential in enumerate(tiny_committee)},
        metadata={"options": {"max_wallclock_seconds": 300}},
    )
    assert node.is_finished_ok, node.exit_message
    errors = results["errors"].get_dict()
    system = frames.frames.systems[0]
    forces = results["predictions"].get_array("system_000_forces")
    rmse = np.sqrt(np.mean((forces - system.forces) ** 2))
    assert errors["force"]["rmse_component"] == pytest.approx(rmse)
    assert errors["force"]["standard_error"] > 0
    assert set(errors["force_by_species"]) == {"Li", "Cl"}
    assert errors["stress"]["n_frames"] == 3
    assert len(errors["members"]) == 2
    assert errors["deviation"]["max_force_largest"] > 0


@pytest.mark.deepmd
def test_descriptors_are_the_model_s_own_and_means_over_species(tiny_committee, make_code, frames):
    results, node = run_get_node(
        CalculationFactory(ENTRY_POINT),
        code=make_code("python"),
        frames=frames,
        potentials={f"member_{i}": potential for i, potential in enumerate(tiny_committee)},
        parameters=orm.Dict({"descriptors": "atoms"}),
        metadata={"options": {"max_wallclock_seconds": 300}},
    )
    assert node.is_finished_ok, node.exit_message
    predictions = results["predictions"]
    assert "descriptors_missing" not in predictions.base.attributes.all
    by_atom = predictions.get_array("system_000_atomic_descriptors")
    by_species = predictions.get_array("system_000_descriptors")
    # Filters [4, 8] with 4 axis neurons give 8 x 4 numbers for an atom.
    assert by_atom.shape == (3, 8, 32)
    assert by_species.shape == (3, 2, 32)
    assert by_atom.dtype == np.float32
    numbers = frames.frames.systems[0].numbers
    for kind, number in enumerate((3, 17)):
        np.testing.assert_allclose(
            by_species[:, kind], by_atom[:, numbers == number].mean(axis=1), rtol=1e-5, atol=1e-7
        )
    assert np.ptp(by_atom[:, numbers == 3], axis=1).max() > 1e-3


@pytest.mark.deepmd
@pytest.mark.parametrize("role", ["model", "compressed"])
def test_descriptors_do_not_change_under_rotation(role, tiny_committee, tmp_path, rattled_licl):
    from aiida_mliptransport.calculations.runners.evaluate_runner import deepmd_predictor

    (tmp_path / "model.pb").write_bytes(tiny_committee[0].read(role))
    _, describe = deepmd_predictor(
        {"name": "deepmd", "model": str(tmp_path / "model.pb"), "type_map": ["Li", "Cl"]}
    )
    atoms = rattled_licl(1, seed=3)[0]
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    system = Frames.from_atoms([atoms.copy(), turned]).systems[0]
    arrays = {name: getattr(system, name) for name in ("numbers", "pbc", "positions", "cells")}
    by_atom, _ = describe(arrays)
    np.testing.assert_allclose(by_atom[0], by_atom[1], atol=1e-5)
    assert np.abs(by_atom).max() > 0.01


@pytest.mark.deepmd
def test_stress_of_the_fast_path_is_that_of_finite_strain(tiny_committee, tmp_path, rattled_licl):
    """A wrong sign or a missing volume in the stress would pass every test on forces."""
    from aiida_mliptransport.calculations.runners.evaluate_runner import deepmd_predictor

    potential = tiny_committee[0]
    (tmp_path / "model.pb").write_bytes(potential.read("model"))
    predict, _ = deepmd_predictor(
        {"name": "deepmd", "model": str(tmp_path / "model.pb"), "type_map": ["Li", "Cl"]}
    )
    atoms = rattled_licl(1, seed=3)[0]
    step = 1e-4
    images = [atoms.copy() for _ in range(3)]
    for image, strain in zip(images[1:], (-step, step), strict=True):
        image.set_cell(image.cell.array @ np.diag([1 + strain, 1, 1]), scale_atoms=True)
    system = Frames.from_atoms(images).systems[0]
    arrays = {name: getattr(system, name) for name in ("numbers", "pbc", "positions", "cells")}
    predicted = predict(arrays, 0, 1)
    _, low, high = predicted["energies"]
    expected = (high - low) / (2 * step) / atoms.get_volume()
    assert predicted["stresses"][0, 0, 0] == pytest.approx(expected, rel=1e-4)
