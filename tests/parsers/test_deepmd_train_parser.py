"""What the parser of a DeePMD training makes of learning curves and missing files."""

from __future__ import annotations

import copy

import pytest
from aiida import orm

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

ENTRY_POINT = "mliptransport.deepmd.train"
HEADER = "#  step      rmse_trn    rmse_e_trn    rmse_f_trn    rmse_v_trn         lr\n"
REMARK = "# If there is no available reference data, rmse_*_{val,trn} will print nan\n"
LOG = "DEEPMD INFO    Source:            v3.2.0\nlibcudart.so.12 is missing\nlast words\n"
MODELS = {"model.pb": b"frozen", "compressed.pb": b"tables"}


def curve(forces, stride=100, virial="1.0e-02"):
    rows = [
        f"{i * stride:7d} {force * 30:.2e} 1.00e-03 {force:.2e} {virial} 1.0e-03\n"
        for i, force in enumerate(forces)
    ]
    return HEADER + REMARK + "".join(rows)


GOOD = curve([0.8, 0.4, 0.2, 0.15, 0.12, 0.1])


@pytest.fixture
def inputs(tiny_training, rattled_licl):
    parameters = copy.deepcopy(tiny_training)
    parameters["training"] = {"numb_steps": 500, "disp_freq": 100, "save_freq": 100}
    return {
        "frames": {
            "initial": FrameSetData(
                Frames.from_atoms(rattled_licl(2, seed=1)), level_of_theory={"engine": "test"}
            )
        },
        "parameters": orm.Dict(parameters),
        "type_map": orm.List(["Li", "Cl"]),
        "seed": orm.Int(7),
    }


@pytest.fixture
def parse(parse_files, inputs):
    def run(lcurve, temporary=MODELS, checkpoint=True, **extra):
        retrieved = {"train.log": LOG.encode(), **extra}
        if lcurve is not None:
            retrieved["lcurve.out"] = lcurve.encode()
        if checkpoint:
            retrieved["checkpoint"] = b'model_checkpoint_path: "model.ckpt-500"'
        results, node = parse_files(ENTRY_POINT, ENTRY_POINT, inputs, retrieved, temporary)
        return results, node

    return run


def test_finished_training_gives_potential_with_both_files(parse):
    results, node = parse(GOOD)
    assert node.is_finished_ok, node.exit_message
    potential = results["potential"]
    assert potential.read("model") == b"frozen"
    assert potential.read("compressed") == b"tables"
    assert potential.type_map == ["Li", "Cl"]
    assert potential.cutoff == 4.0
    assert potential.seed == 7
    assert potential.framework_version == "3.2.0"
    assert potential.trained_on_stress
    assert results["learning_curve"].get_array("rmse_f_trn")[-1] == pytest.approx(0.1)
    assert results["results"]["last_step"] == 500
    assert results["results"]["n_frames"] == 2


def test_equal_models_have_equal_hashes(parse):
    hashes = {
        parse(GOOD)[0]["potential"].store().base.caching.compute_hash(),
        parse(GOOD)[0]["potential"].store().base.caching.compute_hash(),
    }
    assert len(hashes) == 1


def test_stress_prefactors_of_zero_mean_not_trained_on_stress(parse, inputs):
    content = inputs["parameters"].get_dict()
    content["loss"].update(start_pref_v=0, limit_pref_v=0)
    inputs["parameters"] = orm.Dict(content)
    assert not parse(GOOD)[0]["potential"].trained_on_stress


def test_nan_in_the_force_error_is_named_with_its_step(parse):
    _, node = parse(curve([0.8, 0.4, float("nan"), float("nan"), float("nan"), float("nan")]))
    assert node.exit_status == 310
    assert "from step 200" in node.exit_message


def test_nan_of_a_label_that_a_system_lacks_is_no_failure(parse):
    _, node = parse(curve([0.8, 0.4, 0.2, 0.15, 0.12, 0.1], virial="nan"))
    assert node.is_finished_ok


def test_model_worse_than_no_forces_at_all_has_diverged(parse, inputs):
    rms = inputs["frames"]["initial"].base.attributes.get("force_rms")
    results, node = parse(curve([rms, rms, rms, 3 * rms, 5 * rms, 5 * rms]))
    assert node.exit_status == 311
    assert "5 times the RMS" in node.exit_message
    assert "potential" not in results
    assert "learning_curve" in results


def test_finished_training_without_checkpoint_is_a_failure(parse):
    _, node = parse(GOOD, temporary={}, checkpoint=False)
    assert node.exit_status == 312


def test_missing_frozen_model_names_the_last_words_of_dp(parse):
    _, node = parse(GOOD, temporary={}, **{"freeze.log": b"reason\nlibcudart.so is missing\n"})
    assert node.exit_status == 313
    assert node.exit_message.endswith("reason")


def test_failed_compression_keeps_the_uncompressed_model(parse):
    results, node = parse(GOOD, temporary={"model.pb": b"frozen"})
    assert node.exit_status == 314
    assert set(results["potential"].files) == {"model"}


def test_walltime_with_a_checkpoint_can_be_restarted(parse):
    _, node = parse(curve([0.8, 0.4, 0.3]), temporary={}, _walltime_exceeded=b"60\n")
    assert node.exit_status == 400
    assert "step 200" in node.exit_message


@pytest.mark.parametrize("lcurve", [None, curve([0.8])])
def test_walltime_before_the_first_checkpoint_has_its_own_code(parse, lcurve):
    _, node = parse(lcurve, temporary={}, checkpoint=False, _walltime_exceeded=b"60\n")
    assert node.exit_status == 401


def test_model_frozen_from_an_earlier_checkpoint_is_not_taken_for_the_final_one(parse):
    results, node = parse(curve([0.8, 0.4, 0.3]))
    assert node.exit_status == 402
    assert "step 200 of 500" in node.exit_message
    assert "potential" not in results


def test_refused_input_gives_the_last_words_of_dp(parse):
    _, node = parse(None, temporary={}, checkpoint=False)
    assert node.exit_status == 300
    assert "last words" in node.exit_message


def test_steps_that_a_restart_wrote_again_are_kept_once(parse):
    text = curve([0.8, 0.4, 0.35]) + "    200 3.0e+00 1.0e-03 3.00e-01 1e-2 1e-3\n"
    text += "    300 3.0e+00 1.0e-03 2.00e-01 1e-2 1e-3\n    400 3 1e-3 0.2 1e-2 1e-3\n"
    text += "    500 3.0e+00 1.0e-03 2.00e-01 1e-2 1e-3\n    6"
    results, node = parse(text)
    assert node.is_finished_ok, node.exit_message
    array = results["learning_curve"]
    assert array.get_array("step").tolist() == [0, 100, 200, 300, 400, 500]
    assert array.get_array("rmse_f_trn")[2] == pytest.approx(0.3)
