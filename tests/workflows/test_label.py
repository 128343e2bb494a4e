"""Labelling WorkChains: order, retries, quarantine, quorum, level of theory."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import CalcJob, ProcessState, run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.label.ase import AseLabelWorkChain, patient_calculator
from aiida_mliptransport.workflows.protocols import ProtocolError

pytestmark = pytest.mark.medium


def copper(seed, element="Cu"):
    atoms = bulk(element, cubic=True)
    atoms.positions += np.random.default_rng(seed).normal(scale=0.1, size=(4, 3))
    return atoms


def licl(seed, repeat=(1, 1, 1)):
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True) * repeat
    atoms.positions += np.random.default_rng(seed).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def colliding():
    atoms = copper(0)
    atoms.positions[1] = atoms.positions[0]
    return atoms


@pytest.fixture
def label(make_code):
    def factory(images, calculator, **changes):
        builder = AseLabelWorkChain.get_builder_from_protocol(
            make_code("python"),
            frames=FrameSetData(Frames.from_atoms(images)),
            calculator=calculator,
            protocol="fast",
        )
        # The tests share a profile and some frames.
        builder.reuse_labels = orm.Bool(False)
        for key, value in changes.items():
            builder[key] = value
        return run_get_node(builder)

    return factory


EMT_SPEC = {"name": "emt"}
LJ_SPEC = {"name": "lj", "epsilon_eV": 0.01, "sigma_A": 2.3}


def called(node, kind=orm.CalcJobNode):
    return [child for child in node.called if isinstance(child, kind)]


def test_batches_are_joined_in_the_order_of_the_frames(label):
    images = [copper(0), copper(1), copper(2, "Ag"), copper(3, "Ag"), copper(4, "Ag")]
    results, node = label(images, EMT_SPEC, batch_size=orm.Int(2))
    assert node.is_finished_ok
    assert len(called(node)) == 3
    frames = results["frames"].frames
    assert frames.identities() == Frames.from_atoms(images).identities()
    energies = np.concatenate([system.energies for system in frames.systems])
    for image, energy in zip(images, energies, strict=True):
        image.calc = EMT()
        assert energy == pytest.approx(image.get_potential_energy(), abs=1e-9)
    assert results["failures"].get_dict() == {
        "failures": [],
        "n_tried": 5,
        "n_labelled": 5,
        "n_known": 0,
    }
    assert results["frames"].level_of_theory["method"] == "EMT"
    creator = results["frames"].creator
    assert creator.process_label == "join_labels"
    inputs = creator.base.links.get_incoming(link_type=LinkType.INPUT_CALC).all_nodes()
    assert {n.creator.pk for n in inputs if isinstance(n, FrameSetData) and n.labelled} == {
        job.pk for job in called(node)
    }


def test_a_frame_that_cannot_be_labelled_is_tried_twice_and_quarantined(label):
    images = [copper(1), colliding(), copper(2)]
    results, node = label(images, LJ_SPEC, quorum=orm.Float(0.6))
    assert node.is_finished_ok
    identities = Frames.from_atoms(images).identities()
    failures = results["failures"].get_dict()
    assert [(f["index"], f["identity"], f["class"]) for f in failures["failures"]] == [
        (1, identities[1], "not_finite")
    ]
    assert (failures["n_tried"], failures["n_labelled"]) == (3, 2)
    assert results["frames"].frames.identities() == [identities[0], identities[2]]
    # Two jobs side by side for all, then one for the frame that failed.
    sizes = [job.inputs.frames.n_frames for job in sorted(called(node), key=lambda n: n.pk)]
    assert sizes == [2, 1, 1]


def test_below_the_quorum_the_labels_there_are_come_with_an_error(label):
    results, node = label([copper(1), colliding()], LJ_SPEC, quorum=orm.Float(0.9))
    assert node.exit_status == 310
    assert "1 of 2 frames" in node.exit_message
    assert results["frames"].n_frames == 1
    assert len(results["failures"]["failures"]) == 1


def test_a_job_that_crashes_does_not_end_the_workchain(label, make_code):
    """The program is not a Python: every job fails, and the frames are quarantined as crashed."""
    builder = AseLabelWorkChain.get_builder_from_protocol(
        make_code("false", "/bin/false"),
        frames=FrameSetData(Frames.from_atoms([copper(0), copper(1)])),
        calculator=EMT_SPEC,
    )
    builder.reuse_labels = orm.Bool(False)
    results, node = run_get_node(builder)
    assert node.exit_status == 310
    assert "frames" not in results
    assert [f["class"] for f in results["failures"]["failures"]] == ["crashed", "crashed"]


def test_two_cell_sizes_at_the_gamma_point_are_refused_before_any_job(label):
    with pytest.raises(ValueError, match="cells of one size"):
        label([licl(0), licl(1, (2, 1, 1))], {"name": "tblite"})


def test_an_unknown_element_is_refused_before_any_job(label):
    with pytest.raises(ValueError, match="no parameters for"):
        label([licl(0)], EMT_SPEC)


@pytest.mark.tblite
def test_an_unconverged_scf_is_tried_again_with_more_iterations(label):
    results, node = label([licl(0)], {"name": "tblite", "max_iterations": 4})
    assert node.is_finished_ok
    jobs = sorted(called(node), key=lambda n: n.pk)
    assert [job.exit_status for job in jobs] == [310, 0]
    assert jobs[1].inputs.calculator["max_iterations"] == 16
    assert results["frames"].level_of_theory["gamma_cell_atoms"] == 8
    # More iterations are not other physics.
    assert "max_iterations" not in results["frames"].level_of_theory


def test_the_patient_calculator_has_the_same_physics():
    patient = patient_calculator({"name": "tblite", "max_iterations": 100})
    assert patient["max_iterations"] == 400
    assert (patient["method"], patient["accuracy"]) == ("GFN1-xTB", 1.0)
    assert patient_calculator(EMT_SPEC) == EMT_SPEC


def test_protocols_and_overrides_set_the_inputs(make_code):
    builder = AseLabelWorkChain.get_builder_from_protocol(
        make_code("python"),
        protocol="stringent",
        overrides={"batch_size": 4},
        options={"max_wallclock_seconds": 60},
    )
    assert builder.batch_size == 4
    assert builder.quorum == 0.95
    assert builder.ase.calculator["accuracy"] == 0.1
    assert builder.ase.metadata.options["max_wallclock_seconds"] == 60
    with pytest.raises(ProtocolError, match="batchsize"):
        AseLabelWorkChain.get_builder_from_protocol(make_code("python"), overrides={"batchsize": 4})


def test_frames_that_the_profile_knows_are_not_labelled_again(label):
    images = [copper(21), copper(22), copper(23)]
    first, _ = label(images[:2], EMT_SPEC)
    results, node = label(images, EMT_SPEC, reuse_labels=orm.Bool(True))
    assert node.is_finished_ok
    assert [job.inputs.frames.n_frames for job in called(node)] == [1]
    assert results["failures"].get_dict() == {
        "failures": [],
        "n_tried": 3,
        "n_labelled": 3,
        "n_known": 2,
    }
    frames, known = results["frames"].frames, first["frames"].frames
    assert frames.identities() == Frames.from_atoms(images).identities()
    (system,), (before,) = frames, known
    np.testing.assert_array_equal(system.energies[:2], before.energies)
    np.testing.assert_array_equal(system.forces[:2], before.forces)
    (taken,) = [child for child in node.called if child.process_label == "take_known_labels"]
    sources = taken.base.links.get_incoming(link_type=LinkType.INPUT_CALC).all_nodes()
    assert first["frames"].pk in [source.pk for source in sources]
    # All known: no job at all, and the same content.
    again, node = label(images, EMT_SPEC, reuse_labels=orm.Bool(True))
    assert node.is_finished_ok
    assert called(node) == []
    assert again["failures"]["n_known"] == 3
    assert again["frames"].frames.identities() == frames.identities()
    assert (
        again["frames"].base.caching.compute_hash() == results["frames"].base.caching.compute_hash()
    )


def test_labels_of_another_level_of_theory_are_not_reused(label):
    images = [copper(31)]
    label(images, EMT_SPEC)
    results, node = label(images, LJ_SPEC, reuse_labels=orm.Bool(True))
    assert len(called(node)) == 1
    assert results["failures"]["n_known"] == 0


@pytest.fixture
def process_of(make_code):
    """Return a factory of a labelling process that was set up but runs nothing."""

    def factory(images, batch_size):
        builder = AseLabelWorkChain.get_builder_from_protocol(
            make_code("python"), frames=FrameSetData(Frames.from_atoms(images)), calculator=EMT_SPEC
        )
        builder.reuse_labels = orm.Bool(False)
        builder.batch_size = orm.Int(batch_size)
        builder.max_concurrent = orm.Int(1)
        process = instantiate_process(get_manager().get_runner(), builder)
        process.setup()
        return process

    return factory


def end_first_job(process, computer, status):
    """End the first pending job with an exit status that the scheduler gave, without output."""
    label = process.ctx.pending.pop(0)
    node = orm.CalcJobNode(computer=computer)
    node.base.links.add_incoming(process.node, link_type=LinkType.CALL_CALC, link_label=label)
    node.store()
    node.set_exit_status(status)
    node.set_process_state(ProcessState.FINISHED)
    node.seal()
    process.ctx[label] = node
    process.job_ended(label)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ERROR_SCHEDULER_OUT_OF_MEMORY", "out_of_memory"),
        ("ERROR_SCHEDULER_NODE_FAILURE", "node_failure"),
        ("ERROR_SCHEDULER_OUT_OF_WALLTIME", "walltime"),
    ],
)
def test_a_job_that_the_machine_ended_is_tried_once_more_in_smaller_batches(
    process_of, computer, code, kind
):
    process = process_of([copper(seed) for seed in range(41, 45)], batch_size=4)
    status = CalcJob.exit_codes[code].status
    end_first_job(process, computer, status)
    batches = [process.ctx.batches[label] for label in process.ctx.pending]
    assert [len(batch["indices"]) for batch in batches] == [1, 1, 1, 1]
    assert {tuple(batch["classes"]) for batch in batches} == {(kind,)}
    while process.ctx.pending:
        end_first_job(process, computer, status)
    assert [f["class"] for f in process.ctx.quarantined] == [kind] * 4
    process.results()
    failures = process.outputs["failures"]["failures"]
    assert [(f["index"], f["class"]) for f in failures] == [(i, kind) for i in range(4)]


@pytest.mark.parametrize(
    ("code", "retries"),
    [("ERROR_SCHEDULER_OUT_OF_MEMORY", 0), ("ERROR_SCHEDULER_NODE_FAILURE", 1)],
)
def test_a_lone_frame_is_tried_again_only_where_the_job_did_not_lack_room(
    process_of, computer, code, retries
):
    process = process_of([copper(51)], batch_size=8)
    end_first_job(process, computer, CalcJob.exit_codes[code].status)
    assert len(process.ctx.pending) == retries
    assert len(process.ctx.quarantined) == 1 - retries


def test_another_class_of_failure_in_a_retry_has_a_retry_of_its_own(process_of, computer):
    process = process_of([copper(61), copper(62)], batch_size=2)
    end_first_job(process, computer, CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_MEMORY.status)
    first, _ = process.ctx.pending
    end_first_job(process, computer, CalcJob.exit_codes.ERROR_SCHEDULER_NODE_FAILURE.status)
    assert process.ctx.batches[f"{first}_retry_000"]["classes"] == ["out_of_memory", "node_failure"]
    assert process.ctx.quarantined == []
