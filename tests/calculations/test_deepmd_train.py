"""Input files of a DeePMD training, its refusals, and one real training."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory
from ase.build import bulk

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.formats import read_deepmd
from aiida_mliptransport.science.frames import Frames

ENTRY_POINT = "mliptransport.deepmd.train"
LEVEL = {"engine": "test", "functional": "PBE"}
PARAMETERS = {
    "model": {
        "descriptor": {"type": "se_e2_a", "rcut": 5.5, "sel": [32, 32], "neuron": [4, 8]},
        "fitting_net": {"neuron": [8, 8]},
    },
    "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 10},
    "loss": {"start_pref_f": 1000, "limit_pref_f": 10, "start_pref_v": 0.1, "limit_pref_v": 1},
    "training": {"numb_steps": 100, "disp_freq": 10, "save_freq": 50, "batch_size": 2},
}


def labelled(n=3, seed=0, stress=True, weights=False, level=LEVEL, symbols="LiCl"):
    rng = np.random.default_rng(seed)
    atoms = bulk(symbols, "rocksalt", a=5.1, cubic=True)
    images = []
    for _ in range(n):
        image = atoms.copy()
        image.positions += rng.normal(0, 0.1, image.positions.shape)
        images.append(image)
    system = Frames.from_atoms(images).systems[0]
    shape = system.positions.shape
    system = replace(
        system,
        energies=rng.normal(size=n),
        forces=rng.normal(size=shape),
        stresses=rng.normal(size=(n, 3, 3)) if stress else None,
        force_weights=np.full(shape[:2], 2.0) if weights else None,
        origins=np.array(["a"] * n),
        steps=np.arange(n),
    )
    return FrameSetData(Frames((system,)), level_of_theory=level).store()


@pytest.fixture
def inputs(make_code):
    return {
        "code": make_code("dp-fake", "/bin/dp"),
        "frames": {"initial": labelled()},
        "parameters": orm.Dict(copy.deepcopy(PARAMETERS)),
        "type_map": orm.List(["Li", "Cl"]),
        "seed": orm.Int(42),
        "metadata": {"options": {"max_wallclock_seconds": 600}},
    }


def changed(inputs, *path, value):
    content = inputs["parameters"].get_dict()
    target = content
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return {**inputs, "parameters": orm.Dict(content)}


def read_input(folder):
    return json.loads((folder / "input.json").read_text())


def test_one_job_trains_freezes_and_compresses(generate_calc_job, inputs):
    _, info = generate_calc_job(ENTRY_POINT, inputs)
    assert [code.cmdline_params for code in info.codes_info] == [
        ["train", "input.json"],
        ["freeze", "-c", "ckpt", "-o", "model.pb"],
        ["compress", "-i", "model.pb", "-o", "compressed.pb", "--step", "0.01"],
    ]
    assert set(info.retrieve_temporary_list) == {"model.pb", "compressed.pb", "out.json"}
    assert "timeout --kill-after" in info.prepend_text
    assert 'OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"' in info.prepend_text


def test_frames_of_all_nodes_become_one_system_of_a_kind_outside_the_node(
    generate_calc_job, inputs
):
    inputs["frames"]["iteration_01"] = labelled(2, seed=1)
    folder, info = generate_calc_job(ENTRY_POINT, inputs)
    frames = read_deepmd(folder / "data")
    assert [system.n_frames for system in frames] == [5]
    first = inputs["frames"]["initial"].frames.systems[0]
    np.testing.assert_allclose(frames.systems[0].forces[:3], first.forces)
    np.testing.assert_allclose(frames.systems[0].stresses[:3], first.stresses)
    assert info.provenance_exclude_list == ["data", "validation"]
    assert read_input(folder)["training"]["training_data"] == {
        "systems": ["data/system_000"],
        "batch_size": 2,
    }


def test_seed_reaches_weights_and_data_order(generate_calc_job, inputs):
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    content = read_input(folder)
    assert content["model"]["descriptor"]["seed"] == 42
    assert content["model"]["fitting_net"]["seed"] == 42
    assert content["training"]["seed"] == 42


def test_frames_without_stress_switch_the_virial_off(generate_calc_job, inputs):
    inputs["frames"] = {"initial": labelled(stress=False)}
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    loss = read_input(folder)["loss"]
    assert loss["start_pref_v"] == loss["limit_pref_v"] == 0.0


def test_frames_with_and_without_stress_are_separate_systems(generate_calc_job, inputs):
    inputs["frames"]["iteration_01"] = labelled(2, seed=1, stress=False)
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    content = read_input(folder)
    assert content["training"]["training_data"]["systems"] == ["data/system_000", "data/system_001"]
    assert content["loss"]["limit_pref_v"] == 1
    assert (folder / "data/system_000/set.000/virial.npy").exists()
    assert not (folder / "data/system_001/set.000/virial.npy").exists()


def test_force_weights_take_over_the_force_prefactor_and_default_to_one(generate_calc_job, inputs):
    inputs["frames"]["iteration_01"] = labelled(2, seed=1, weights=True)
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    loss = read_input(folder)["loss"]
    assert (loss["start_pref_f"], loss["limit_pref_f"]) == (0.0, 0.0)
    assert (loss["start_pref_pf"], loss["limit_pref_pf"]) == (1000, 10)
    weights = np.load(folder / "data/system_000/set.000/atom_pref.npy")
    np.testing.assert_array_equal(weights, [[1.0] * 8] * 3 + [[2.0] * 8] * 2)


def test_no_force_weights_means_no_weighted_loss(generate_calc_job, inputs):
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    assert "start_pref_pf" not in read_input(folder)["loss"]


def test_validation_frames_are_written_apart(generate_calc_job, inputs):
    inputs["validation"] = labelled(2, seed=3)
    folder, _ = generate_calc_job(ENTRY_POINT, inputs)
    assert read_input(folder)["training"]["validation_data"]["systems"] == ["validation/system_000"]


def potential(tmp_path, type_map=("Li", "Cl"), **metadata):
    (tmp_path / "model.pb").write_bytes(b"frozen")
    files = {"model": tmp_path / "model.pb"}
    return PotentialData("deepmd", "3.2.0", type_map, 5.5, files=files, **metadata).store()


def test_finetuning_starts_from_the_uncompressed_parent(generate_calc_job, inputs, tmp_path):
    parent = potential(tmp_path)
    _, info = generate_calc_job(ENTRY_POINT, {**inputs, "parent": parent})
    assert info.codes_info[0].cmdline_params[-2:] == ["--init-frz-model", "parent.pb"]
    assert info.local_copy_list == [(parent.uuid, "model.pb", "parent.pb")]


def test_finetuning_keeps_the_neighbour_slots_of_the_parent(generate_calc_job, inputs, tmp_path):
    parent = potential(tmp_path, parameters={"sel": [20, 24]})
    folder, _ = generate_calc_job(ENTRY_POINT, {**inputs, "parent": parent})
    assert read_input(folder)["model"]["descriptor"]["sel"] == [20, 24]


def test_restart_copies_checkpoint_and_learning_curve(generate_calc_job, inputs, computer):
    remote = orm.RemoteData(remote_path="/scratch/before", computer=computer).store()
    _, info = generate_calc_job(ENTRY_POINT, {**inputs, "checkpoint": remote})
    assert info.codes_info[0].cmdline_params[-2:] == ["--restart", "ckpt/model.ckpt"]
    assert info.remote_copy_list == [
        (computer.uuid, "/scratch/before/ckpt", "ckpt"),
        (computer.uuid, "/scratch/before/lcurve.out", "lcurve.out"),
    ]


def test_pytorch_backend_changes_commands_and_file_names(generate_calc_job, inputs):
    _, info = generate_calc_job(ENTRY_POINT, changed(inputs, "backend", value="pytorch"))
    assert info.codes_info[0].cmdline_params == ["--pt", "train", "input.json"]
    assert info.retrieve_temporary_list == ["out.json", "model.pth", "compressed.pth"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("training", "save_freq"), 25, "save_freq is 25, expected a multiple of disp_freq=10"),
        (("training", "seed"), 3, "sets \\['seed'\\]"),
        (("training", "training_data"), {}, "sets \\['training_data'\\]"),
        (("model", "type_map"), ["Li"], "expected it as the input 'type_map'"),
        (("model", "descriptor", "seed"), 1, "sets a seed in \\['descriptor'\\]"),
        (("training", "numb_steps"), 0, "training.numb_steps is 0"),
        (("nonsense",), 0, "unknown key 'nonsense'"),
    ],
)
def test_wrong_parameters_are_refused(generate_calc_job, inputs, path, value, message):
    with pytest.raises(ValueError, match=message):
        generate_calc_job(ENTRY_POINT, changed(inputs, *path, value=value))


def test_two_levels_of_theory_are_refused(generate_calc_job, inputs):
    inputs["frames"]["iteration_01"] = labelled(level={**LEVEL, "functional": "PBEsol"})
    with pytest.raises(ValueError, match=r"functional: 'PBE' and 'PBEsol'"):
        generate_calc_job(ENTRY_POINT, inputs)


def test_validation_of_another_level_of_theory_is_refused(generate_calc_job, inputs):
    inputs["validation"] = labelled(level={**LEVEL, "functional": "PBEsol"})
    with pytest.raises(ValueError, match="validation"):
        generate_calc_job(ENTRY_POINT, inputs)


def test_type_map_without_an_element_of_the_frames_is_refused(generate_calc_job, inputs):
    with pytest.raises(ValueError, match=r"type_map \['Li'\] lacks \['Cl'\] of frames.initial"):
        generate_calc_job(ENTRY_POINT, {**inputs, "type_map": orm.List(["Li"])})


def test_unlabelled_frames_are_refused(generate_calc_job, inputs):
    frames = FrameSetData(inputs["frames"]["initial"].frames.without_labels()).store()
    with pytest.raises(ValueError, match=r"frames.initial has no labels"):
        generate_calc_job(ENTRY_POINT, {**inputs, "frames": {"initial": frames}})


def test_parent_with_another_type_map_is_refused(generate_calc_job, inputs, tmp_path):
    parent = potential(tmp_path, type_map=("Cl", "Li"))
    with pytest.raises(ValueError, match="a model keeps the types it was made with"):
        generate_calc_job(ENTRY_POINT, {**inputs, "parent": parent})


@pytest.mark.deepmd
def test_real_training_gives_both_models_and_a_learning_curve(tiny_committee):
    first, second = tiny_committee
    assert set(first.files) == {"model", "compressed"}
    assert first.type_map == ["Li", "Cl"]
    assert first.cutoff == 4.0
    assert first.trained_on_stress
    assert first.framework_version
    assert first.read("model") != second.read("model")
    curve = first.creator.outputs.learning_curve
    assert curve.get_array("step").tolist() == [0, 10, 20, 30, 40, 50]
    assert first.creator.outputs.results["n_frames"] == 12
    stored = first.creator.base.repository.list_object_names()
    assert "data" not in stored
    assert "input.json" in stored
    content = first.read("model")
    assert str(first.creator.outputs.remote_folder.get_remote_path()).encode() not in content


def real_inputs(potential):
    """Return inputs of one more training like that of the given potential."""
    node = potential.creator
    return {
        "code": node.inputs.code,
        "frames": {"initial": node.inputs.frames.initial},
        "parameters": node.inputs.parameters,
        "type_map": node.inputs.type_map,
        "seed": node.inputs.seed,
        "metadata": {"options": {"max_wallclock_seconds": 300}},
    }


@pytest.mark.deepmd
def test_same_seed_gives_the_same_learning_curve_and_the_same_bytes(tiny_committee):
    first = tiny_committee[0]
    results, node = run_get_node(CalculationFactory(ENTRY_POINT), **real_inputs(first))
    assert node.is_finished_ok, node.exit_message
    before = first.creator.outputs.learning_curve
    for name in before.get_arraynames():
        np.testing.assert_array_equal(
            results["learning_curve"].get_array(name), before.get_array(name)
        )
    assert results["potential"].base.attributes.get("sha256") == first.base.attributes.get("sha256")


@pytest.mark.deepmd
def test_real_restart_goes_on_from_the_checkpoint(tiny_committee):
    first = tiny_committee[0]
    inputs = changed(real_inputs(first), "training", "numb_steps", value=80)
    inputs = changed(inputs, "compress", value=False)
    inputs["checkpoint"] = first.creator.outputs.remote_folder
    results, node = run_get_node(CalculationFactory(ENTRY_POINT), **inputs)
    assert node.is_finished_ok, node.exit_message
    steps = results["learning_curve"].get_array("step")
    assert steps[-1] == 80
    assert 10 in steps
    log = node.outputs.retrieved.base.repository.get_object_content("train.log")
    assert "restart from model" in log


@pytest.mark.deepmd
def test_real_finetuning_starts_where_the_parent_ended(tiny_committee):
    first = tiny_committee[0]
    inputs = changed(real_inputs(first), "compress", value=False)
    results, node = run_get_node(CalculationFactory(ENTRY_POINT), **inputs, parent=first)
    assert node.is_finished_ok, node.exit_message
    before = first.creator.outputs.learning_curve.get_array("rmse_f_trn")
    after = results["learning_curve"].get_array("rmse_f_trn")
    assert after[0] < 0.8 * before[0]
    log = node.outputs.retrieved.base.repository.get_object_content("train.log")
    assert "from the frozen model" in log
