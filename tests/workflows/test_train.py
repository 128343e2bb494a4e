"""A committee's training: seeds, retries, restarts and quorum; one real committee."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState, run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager

from aiida_mliptransport.backends.deepmd_input import DeepmdTrainParameters
from aiida_mliptransport.calculations.deepmd_train import DeepmdTrainCalculation
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.protocols import list_protocols, load_protocol
from aiida_mliptransport.workflows.train import TrainWorkChain

pytestmark = pytest.mark.medium


@pytest.fixture
def frames(rattled_licl):
    return FrameSetData(
        Frames.from_atoms(rattled_licl(2, seed=1)), level_of_theory={"engine": "lennard-jones"}
    ).store()


@pytest.fixture
def inputs(make_code, frames, tiny_training):
    return {
        "frames": {"initial": frames},
        "parameters": orm.Dict(tiny_training),
        "type_map": orm.List(["Li", "Cl"]),
        "committee_size": orm.Int(3),
        "seed": orm.Int(5),
        "train": {"code": make_code("dp-fake", "/bin/dp")},
    }


@pytest.fixture
def potential(tmp_path):
    (tmp_path / "model.pb").write_bytes(b"frozen")
    files = {"model": tmp_path / "model.pb"}
    return PotentialData("deepmd", "3.2.0", ("Li", "Cl"), 4.0, files=files).store()


@pytest.fixture
def started(inputs):
    """Return a factory of a WorkChain whose children are made by hand."""

    def factory(**changes):
        process = instantiate_process(
            get_manager().get_runner(), TrainWorkChain, **{**inputs, **changes}
        )
        process.setup()
        return process

    return factory


@pytest.fixture
def end_job(computer, tmp_path):
    """Return a function that makes a child of a WorkChain which ended in some way."""

    def end(process, label, exit_label=None, potential=True):
        node = orm.CalcJobNode(computer=computer)
        node.base.links.add_incoming(process.node, link_type=LinkType.CALL_CALC, link_label=label)
        node.store()
        outputs = {"remote_folder": orm.RemoteData(remote_path=f"/{label}", computer=computer)}
        if potential:
            (tmp_path / "m.pb").write_bytes(label.encode())
            files = {"model": tmp_path / "m.pb"}
            outputs["potential"] = PotentialData("deepmd", "3", ("Li", "Cl"), 4.0, files=files)
            outputs["results"] = orm.Dict({"final": {"rmse_f_trn": 0.1}, "last_step": 50})
            outputs["learning_curve"] = orm.ArrayData()
        for name, output in outputs.items():
            output.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label=name)
            output.store()
        code = DeepmdTrainCalculation.exit_codes[exit_label] if exit_label else None
        node.set_exit_status(code.status if code else 0)
        node.set_exit_message(code.message if code else None)
        node.set_process_state(ProcessState.FINISHED)
        node.seal()
        process.ctx.pending.remove(label)
        process.job_ended(label)
        return node

    return end


def test_members_differ_only_in_their_seed(started):
    process = started()
    jobs = [process.job(f"member_{i}")[1] for i in range(3)]
    assert len({job["seed"].value for job in jobs}) == 3
    assert len({job["parameters"].uuid for job in jobs}) == 1
    assert [job["seed"].value for job in jobs] == [
        started().job(f"member_{i}")[1]["seed"].value for i in range(3)
    ]


@pytest.mark.parametrize("failure", ["ERROR_NAN_IN_LEARNING_CURVE", "ERROR_DIVERGED"])
def test_bad_luck_is_retried_once_with_another_seed(started, end_job, failure):
    process = started()
    end_job(process, "member_0", failure, potential=False)
    assert process.ctx.pending == ["member_1", "member_2", "member_0_retry"]
    seeds = [process.job(label)[1]["seed"].value for label in ("member_0", "member_0_retry")]
    assert seeds[0] != seeds[1]
    process.ctx.pending = ["member_0_retry"]
    end_job(process, "member_0_retry", failure, potential=False)
    assert process.ctx.pending == []


def test_training_out_of_time_goes_on_from_its_checkpoint_with_the_same_seed(started, end_job):
    process = started(committee_size=orm.Int(1))
    node = end_job(process, "member_0", "ERROR_OUT_OF_WALLTIME", potential=False)
    assert process.ctx.pending == ["member_0_restart_1"]
    _, job = process.job("member_0_restart_1")
    assert job["checkpoint"].uuid == node.outputs.remote_folder.uuid
    assert job["seed"].value == process.job("member_0")[1]["seed"].value


def test_restarts_are_counted(started, end_job):
    process = started(committee_size=orm.Int(1), max_restarts=orm.Int(1))
    end_job(process, "member_0", "ERROR_OUT_OF_WALLTIME", potential=False)
    end_job(process, "member_0_restart_1", "ERROR_TRAINING_INTERRUPTED", potential=False)
    assert process.ctx.pending == []


@pytest.mark.parametrize(
    "failure", ["ERROR_TRAINING_FAILED", "ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT"]
)
def test_failures_that_would_come_again_are_not_repeated(started, end_job, failure):
    process = started(committee_size=orm.Int(1))
    end_job(process, "member_0", failure, potential=False)
    assert process.ctx.pending == []


def test_two_of_three_members_are_a_quorum_and_keep_their_names(started, end_job):
    process = started()
    end_job(process, "member_0", "ERROR_FREEZE_FAILED", potential=False)
    for label in ("member_1", "member_2"):
        end_job(process, label)
    assert process.results() is None
    assert set(process.outputs["potentials"]) == {"member_1", "member_2"}
    members = process.outputs["results"]["members"]
    assert members["member_0"] == {"trained": False}
    assert members["member_1"]["last_step"] == 50


def test_below_the_quorum_what_there_is_is_attached_with_an_exit_code(started, end_job):
    process = started()
    end_job(process, "member_0")
    for label in ("member_1", "member_2"):
        end_job(process, label, "ERROR_FREEZE_FAILED", potential=False)
    code = process.results()
    assert code.status == 310
    assert "1 of 3 members were trained, 2 are needed: member_1: dp freeze" in code.message
    assert set(process.outputs["potentials"]) == {"member_0"}


def test_member_that_could_not_be_compressed_counts(started, end_job):
    process = started(committee_size=orm.Int(1))
    end_job(process, "member_0", "ERROR_COMPRESS_FAILED")
    assert process.results() is None
    assert set(process.outputs["potentials"]) == {"member_0"}


def test_each_member_starts_from_its_own_parent(started, potential, tmp_path):
    (tmp_path / "other.pb").write_bytes(b"other")
    files = {"model": tmp_path / "other.pb"}
    other = PotentialData("deepmd", "3.2.0", ("Li", "Cl"), 4.0, files=files).store()
    process = started(parents={"member_0": potential, "member_1": other})
    assert process.job("member_1")[1]["parent"].uuid == other.uuid
    assert process.job("member_2")[1]["parent"].uuid == potential.uuid


def test_wrong_inputs_are_refused_before_any_job(started, frames):
    with pytest.raises(ValueError, match=r"type_map \['Li'\] lacks \['Cl'\]"):
        started(type_map=orm.List(["Li"]))
    with pytest.raises(ValueError, match="committee_size is 0"):
        started(committee_size=orm.Int(0))
    other = FrameSetData(frames.frames, level_of_theory={"engine": "another"}).store()
    with pytest.raises(ValueError, match="different levels of theory"):
        started(frames={"initial": frames, "iteration_01": other})


@pytest.mark.parametrize("protocol", list(list_protocols("train")))
def test_every_protocol_gives_valid_parameters(protocol):
    inputs = load_protocol("train", protocol)
    parameters = DeepmdTrainParameters.model_validate(inputs["parameters"])
    assert parameters.training.numb_steps >= parameters.training.save_freq
    assert inputs["committee_size"] >= 2


def test_builder_takes_overrides_and_options(make_code, frames):
    builder = TrainWorkChain.get_builder_from_protocol(
        code=make_code("dp-fake", "/bin/dp"),
        frames={"initial": frames},
        type_map=["Li", "Cl"],
        protocol="fast",
        overrides={"committee_size": 2, "parameters": {"training": {"numb_steps": 7000}}},
        options={"max_wallclock_seconds": 60},
    )
    assert builder.committee_size.value == 2
    assert builder.parameters["training"]["numb_steps"] == 7000
    assert builder.parameters["model"]["descriptor"]["neuron"] == [10, 20, 40]
    assert builder.train.metadata.options["max_wallclock_seconds"] == 60


@pytest.mark.deepmd
def test_real_committee_is_trained(inputs, make_code, tiny_training):
    results, node = run_get_node(
        TrainWorkChain,
        **{
            **inputs,
            "parameters": orm.Dict({**tiny_training, "compress": False}),
            "committee_size": orm.Int(2),
            "train": {
                "code": make_code("dp"),
                "metadata": {"options": {"max_wallclock_seconds": 300}},
            },
        },
    )
    assert node.is_finished_ok, node.exit_message
    potentials = results["potentials"]
    assert set(potentials) == {"member_0", "member_1"}
    assert potentials["member_0"].read("model") != potentials["member_1"].read("model")
    assert results["results"]["n_trained"] == 2
