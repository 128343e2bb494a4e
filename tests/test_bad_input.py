"""Bad input gets a clear error before anything is paid for, and a full disk loses nothing."""

from __future__ import annotations

import copy
import errno
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory, ParserFactory
from ase.build import bulk

from aiida_mliptransport.calculations.ase import AseLabelCalculation
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.parsers import ase as ase_parser
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.active_learning import ActiveLearningWorkChain
from aiida_mliptransport.workflows.transport import TransportWorkChain

pytestmark = pytest.mark.medium


def licl() -> orm.StructureData:
    return orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.13, cubic=True))


def create(builder: Any) -> Any:
    """Return the process as ``submit`` makes it, which is where inputs are checked."""
    return instantiate_process(get_manager().get_runner(), builder)


@pytest.fixture
def potential(tmp_path) -> Callable[..., PotentialData]:
    def factory(version: str = "3.2.0", stress: bool = True) -> PotentialData:
        path = tmp_path / "model.pb"
        path.write_bytes(b"frozen")
        return PotentialData(
            "deepmd", version, ("Li", "Cl"), 4.0, files={"model": path}, trained_on_stress=stress
        )

    return factory


# ---------------------------------------------------------------- the loop


@pytest.fixture
def loop(make_code) -> Callable[..., Any]:
    codes = {
        name: make_code(f"absent-{name}", f"/absent/{name}") for name in ("dp", "lmp", "python")
    }

    def factory(**changes: Any) -> Any:
        given = {
            "codes": codes,
            "structures": {"licl": licl()},
            "engine": "ase",
            "temperatures": [1200.0],
            "engine_options": {"calculator": {"name": "tblite"}},
            "protocol": "fast",
        }
        return ActiveLearningWorkChain.get_builder_from_protocol(**{**given, **changes})

    return factory


def test_good_input_is_taken(loop):
    create(loop())


def test_a_loop_without_a_label_engine_lists_those_there_are(loop):
    builder = loop()
    del builder.label["ase"]
    with pytest.raises(ValueError, match=r"label engines given: none; fill exactly one .*ase,cp2k"):
        create(builder)


def test_a_loop_with_two_label_engines_names_both(loop, make_code, potential):
    builder = loop()
    builder.label.teacher.teacher.code = make_code("absent-python", "/absent/python")
    builder.label.teacher.teacher.potential = potential()
    with pytest.raises(ValueError, match=r"label engines given: \['ase', 'teacher'\]"):
        create(builder)


def test_a_loop_without_first_frames_says_where_they_may_come_from(loop):
    builder = loop()
    del builder.aimd["ase"]
    with pytest.raises(ValueError, match="neither aimd nor initial_frames is given"):
        create(builder)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"trust_levels": {"low": 0.3, "high": 0.3}}, r"low must be below high"),
        ({"trust_levels": {"low": 0.3, "high": 0.1}}, r"low=0\.3 and high=0\.1"),
        ({"trust_levels": {"low": 0.1}}, r"'selection\.trust_levels\.high' is missing"),
        ({"trust_levels": {"low": "a", "high": 0.1}}, r"selection\.trust_levels"),
        ({"calibration": {"coverage": 2.0}}, r"selection\.calibration\.coverage is 2\.0"),
        ({"low_factor": 3.0, "high_factor": 3.0}, r"low_factor is 3\.0 and high_factor 3\.0"),
        ({"n_candidate": 3}, r"unknown key 'selection\.n_candidate' with value 3"),
        ({"strategy": "dpgne"}, r"selection\.strategy is 'dpgne', expected one of"),
        ({"mobile": ["Lithium"]}, r"selection\.mobile is \['Lithium'\]"),
        ({"hops": 2.5}, r"selection\.hops is 2\.5, expected window_ps and jump_A"),
        ({"min_separation_ps": -1.0}, r"selection\.min_separation_ps is -1\.0"),
    ],
)
def test_a_selection_that_cannot_work_is_refused_before_the_first_label(loop, selection, message):
    builder = loop()
    given = orm.Dict({**builder.selection.get_dict(), **selection})
    with pytest.raises(ValueError, match=message):
        builder.selection = given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"targets\.observable needs the transport stage"),
        ({"species": None}, r"quantity is 'D' and species None"),
        ({"length": 3}, r"unknown key 'targets\.observable\.length'"),
    ],
)
def test_an_observable_that_cannot_be_measured_is_refused(loop, changes, message):
    builder = loop()
    target = {
        "quantity": "D", "species": "Li", "temperature_K": 1000, "length_ps": 5.0,
        "max_relative_error": 0.2, **changes,
    }  # fmt: skip
    builder.targets = orm.Dict({**builder.targets.get_dict(), "observable": target})
    with pytest.raises(ValueError, match=message):
        create(builder)


@pytest.mark.parametrize(
    ("namespace", "changes", "message"),
    [
        (
            "ladder",
            {"stages": [{}, {"parameters": {"step": 9}}]},
            r"stages\[1\]\.parameters.step'",
        ),
        ("targets", {"max_relative_force_rmse": "low"}, r"max_relative_force_rmse is 'low'"),
        ("targets", {"max_relative_force_rmse_by_species": {"li": 0.1}}, r"names \['li'\]"),
        ("budget", {"max_labels": 0}, r"budget\.max_labels is 0"),
    ],
)
def test_settings_that_fail_only_when_they_are_reached_are_refused(
    loop, namespace, changes, message
):
    builder = loop()
    builder[namespace] = orm.Dict({**builder[namespace].get_dict(), **changes})
    with pytest.raises(ValueError, match=message):
        create(builder)


def test_a_loop_needs_a_replica_for_the_blind_test_and_a_committee(loop):
    with pytest.raises(ValueError, match=r"explore\.replicas is 1 .* set explore\.replicas to 2"):
        create(loop(overrides={"explore": {"replicas": 1}}))
    with pytest.raises(ValueError, match=r"training\.committee_size is 1, expected 2 or more"):
        create(loop(overrides={"train": {"committee_size": 1}}))


def test_the_general_pressures_hold_for_a_stage_as_well(loop):
    builder = loop()
    builder.explore.pressures = [1.0]
    create(builder)
    stages = [{"pressures_bar": [1.0, 1.2]}]
    builder.ladder = orm.Dict({**builder.ladder.get_dict(), "stages": stages})
    with pytest.raises(ValueError, match=r"ladder\.stages\[0\]\.pressures_bar is \[1\.0, 1\.2\]"):
        create(builder)


def test_trust_levels_in_the_right_order_are_taken(loop):
    builder = loop()
    levels = {"trust_levels": {"low": 0.1, "high": 0.3}}
    builder.selection = orm.Dict({**builder.selection.get_dict(), **levels})
    create(builder)


# ---------------------------------------------------------------- production runs


@pytest.fixture
def transport(make_code, potential) -> Callable[..., Any]:
    def factory(**changes: Any) -> Any:
        given = {
            "code": make_code("absent-lmp", "/absent/lmp"),
            "structures": {"melt": licl()},
            "potentials": {"member_0": potential()},
            "temperatures": [900.0, 1000.0, 1100.0],
            "charges": {"Li": 1, "Cl": -1},
            "protocol": "fast",
        }
        return TransportWorkChain.get_builder_from_protocol(**{**given, **changes})

    return factory


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"charges": {"Li": 1}}, r"charges lack \['Cl'\] of structures\.melt"),
        ({"temperatures": [900.0, 900.2]}, "differ by 1 K"),
        ({"temperatures": []}, "expected one or more positive numbers in K"),
        ({"overrides": {"replicas": 0}}, "replicas is 0"),
        ({"overrides": {"parameters": {"steps": -1}}}, "steps is -1"),
        ({"overrides": {"melt": {"temperature_K": 2000.0, "steps": -1}}}, "steps is -1"),
    ],
)
def test_production_that_would_fail_after_hours_is_refused_at_once(transport, changes, message):
    create(transport())
    with pytest.raises(ValueError, match=message):
        create(transport(**changes))


def test_production_at_constant_pressure_needs_a_potential_trained_on_stress(transport, potential):
    builder = transport()
    changes = {"ensemble": "npt", "pressure_bar": 1.0}
    builder.parameters = orm.Dict({**builder.parameters.get_dict(), **changes})
    create(builder)
    builder.potentials = {"member_0": potential(stress=False)}
    message = r"structures\.melt, parameters: .*not trained on stress.*use 'nvt'"
    with pytest.raises(ValueError, match=message):
        create(builder)


def test_production_without_a_cell_is_refused(transport):
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.pbc = False
    message = r"structures\.melt, parameters: structure has pbc \(False"
    with pytest.raises(ValueError, match=message):
        create(transport(structures={"melt": orm.StructureData(ase=atoms)}))


def test_production_of_an_element_that_the_potential_does_not_know_is_refused(transport):
    structures = {"melt": orm.StructureData(ase=bulk("NaCl", "rocksalt", a=5.64, cubic=True))}
    with pytest.raises(ValueError, match=r"lacks \['Na'\]"):
        create(transport(structures=structures, charges={"Na": 1, "Cl": -1}))


def test_a_loop_checks_its_production_runs_before_the_first_label(loop):
    production = {"transport_structures": {"big": licl()}, "transport_temperatures": [900.0]}
    create(loop(charges={"Li": 1, "Cl": -1}, **production))
    with pytest.raises(ValueError, match=r"charges lack \['Cl'\] of structures\.big"):
        create(loop(charges={"Li": 1}, **production))


# ---------------------------------------------------------------- versions of the framework


@pytest.mark.parametrize("version", ["3.1.0", "3.2.0"])
def test_a_parent_of_another_framework_version_is_a_warning_in_the_results(
    parse_files, potential, tiny_training, rattled_licl, version
):
    parameters = copy.deepcopy(tiny_training)
    parameters["training"] = {"numb_steps": 200, "disp_freq": 100, "save_freq": 100}
    level = {"engine": "test"}
    inputs = {
        "frames": {
            "initial": FrameSetData(
                Frames.from_atoms(rattled_licl(2, seed=1)), level_of_theory=level
            )
        },
        "parameters": orm.Dict(parameters),
        "type_map": orm.List(["Li", "Cl"]),
        "seed": orm.Int(7),
        "parent": potential(version),
    }
    lines = ["#  step   rmse_trn   rmse_e_trn   rmse_f_trn   lr"]
    lines += [f"{step} 1.0 1.0e-03 1.0e-01 1.0e-03" for step in (0, 100, 200)]
    results, node = parse_files(
        "mliptransport.deepmd.train",
        "mliptransport.deepmd.train",
        inputs,
        {
            "train.log": b"DEEPMD INFO    Source:            v3.2.0\n",
            "lcurve.out": ("\n".join(lines) + "\n").encode(),
            "checkpoint": b"x",
        },
        {"model.pb": b"frozen", "compressed.pb": b"tables"},
    )
    assert node.is_finished_ok, node.exit_message
    expected = "potential parent was made by deepmd 3.1.0, dp runs it with 3.2.0"
    assert results["results"]["warnings"] == ([expected] if version == "3.1.0" else [])


def test_an_evaluation_warns_of_potentials_of_another_framework_version(
    parse_files, potential, rattled_licl, tmp_path
):
    frames = FrameSetData(
        Frames.from_atoms(rattled_licl(3, seed=5)), level_of_theory={"engine": "test"}
    )
    system = frames.frames.systems[0]
    path = tmp_path / "predictions.npz"
    np.savez(
        path,
        system_000_energies=system.energies[None],
        system_000_forces=system.forces[None],
        system_000_stresses=system.stresses[None],
    )
    results, node = parse_files(
        "mliptransport.evaluate",
        "mliptransport.evaluate",
        {
            "frames": frames,
            "parameters": orm.Dict({"n_bootstrap": 10}),
            "potentials": {"member_0": potential("3.1.0")},
        },
        {"evaluate.log": b"noise\nframework deepmd-kit 3.2.0\npotential 1 of 1: done\n"},
        {"predictions.npz": path.read_bytes()},
    )
    assert node.is_finished_ok, node.exit_message
    assert results["errors"]["warnings"] == [
        "potential member_0 was made by deepmd 3.1.0, the evaluation runs it with 3.2.0"
    ]


# ---------------------------------------------------------------- what a user can mend


@pytest.mark.parametrize(
    ("calculation", "name"),
    [
        ("ase.label", "ERROR_CALCULATOR_UNAVAILABLE"),
        ("ase.label", "ERROR_RUNNER_FAILED"),
        ("deepmd.train", "ERROR_TRAINING_FAILED"),
        ("evaluate", "ERROR_NO_PREDICTIONS"),
        ("lammps.md", "ERROR_DUMP_TRUNCATED"),
        ("lammps.md", "ERROR_POTENTIAL_UNREADABLE"),
        ("lammps.md", "ERROR_UNKNOWN_STYLE"),
        ("cp2k", "ERROR_INTERRUPTED"),
        ("cp2k", "ERROR_DISK_FULL"),
        # What a program says itself, or a file that is not there, may be a fault of one run.
        ("ase.label", "ERROR_NO_FRAMES"),
        ("ase.md", "ERROR_MD_STOPPED"),
        ("ase.neb", "ERROR_BAND_STOPPED"),
        ("cp2k", "ERROR_NO_RETRIEVED_FOLDER"),
        ("cp2k", "ERROR_OUTPUT_MISSING"),
        ("cp2k", "ERROR_ABORTED"),
        ("cp2k.neb", "ERROR_NO_FRAMES"),
        ("deepmd.train", "ERROR_CHECKPOINT_MISSING"),
        ("deepmd.train", "ERROR_FREEZE_FAILED"),
        ("lammps.md", "ERROR_PARSER_DETECTED_LAMMPS_RUN_ERROR"),
        ("lammps.md", "ERROR_NO_FRAMES"),
        ("lammps.neb", "ERROR_PARSER_DETECTED_LAMMPS_RUN_ERROR"),
        ("lammps.neb", "ERROR_NO_FRAMES"),
        ("vasp.neb", "ERROR_ABORTED"),
    ],
)
def test_a_fault_that_may_pass_is_not_taken_from_the_cache(calculation, name):
    codes = CalculationFactory(f"mliptransport.{calculation}").exit_codes
    assert codes[name].invalidates_cache


@pytest.mark.parametrize(
    ("calculation", "name"),
    [
        ("cp2k", "ERROR_SCF_NOT_CONVERGED"),
        ("deepmd.train", "ERROR_DIVERGED"),
        ("deepmd.train", "ERROR_COMPRESS_FAILED"),
        ("evaluate", "ERROR_NOT_FINITE"),
        ("lammps.md", "ERROR_BLOW_UP"),
        ("ase.neb", "ERROR_BAND_NOT_CONVERGED"),
    ],
)
def test_what_comes_out_the_same_with_the_same_inputs_is_taken_from_the_cache(calculation, name):
    codes = CalculationFactory(f"mliptransport.{calculation}").exit_codes
    assert not codes[name].invalidates_cache


# ---------------------------------------------------------------- full disk


class FullDisk:
    """A folder of which every use fails as a full disk does."""

    def __fspath__(self) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("calculation", "parser"),
    [
        ("ase.label", "ase"),
        ("ase.md", "ase"),
        ("cp2k", "cp2k"),
        ("deepmd.train", "deepmd.train"),
        ("evaluate", "evaluate"),
        ("lammps.md", "lammps.md"),
    ],
)
def test_every_parser_ends_with_a_declared_code_when_the_disk_is_full(
    aiida_profile, computer, calculation, parser
):
    node = orm.CalcJobNode(
        computer=computer, process_type=f"aiida.calculations:mliptransport.{calculation}"
    )
    node.set_option("output_filename", "run.out")
    node.store()
    retrieved = orm.FolderData()
    retrieved.base.repository.put_object_from_bytes(b"", "run.out")
    retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
    retrieved.store()
    instance = ParserFactory(f"mliptransport.{parser}")(node)
    instance.out("half", orm.Dict({}))
    code = instance.parse(retrieved_temporary_folder=FullDisk())
    assert code.status == 420
    assert "No space left on device" in code.message
    assert "still in the remote folder" in code.message
    assert not instance.outputs


def test_another_error_of_the_system_is_not_called_a_full_disk(aiida_profile, computer):
    class NoFolder:
        def __fspath__(self) -> str:
            raise PermissionError(errno.EACCES, "Permission denied")

    node = orm.CalcJobNode(
        computer=computer, process_type="aiida.calculations:mliptransport.evaluate"
    ).store()
    with pytest.raises(PermissionError):
        ParserFactory("mliptransport.evaluate")(node).parse(retrieved_temporary_folder=NoFolder())


@pytest.fixture
def label_inputs() -> dict[str, Any]:
    atoms = bulk("Cu", cubic=True)
    atoms.positions += np.random.default_rng(1).normal(scale=0.1, size=(4, 3))
    return {"frames": FrameSetData(Frames.from_atoms([atoms])), "calculator": {"name": "emt"}}


def write_to_a_full_disk(*_: Any, **__: Any) -> None:
    # The kernel's own full disk.
    with open("/dev/full", "wb") as handle:
        handle.write(b"x" * 65536)


def read_again(node: orm.CalcJobNode, inputs: dict[str, Any]) -> None:
    outputs, again = run_get_node(
        AseLabelCalculation,
        code=node.inputs.code,
        remote_folder=node.outputs.remote_folder,
        **inputs,
    )
    assert again.is_finished_ok, again.exit_message
    assert outputs["frames"].n_frames == 1
    assert again.get_job_id() is None


def test_labels_that_the_parser_could_not_write_are_read_again_without_another_run(
    make_code, label_inputs, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(ase_parser, "FrameSetData", write_to_a_full_disk)
        _, node = run_get_node(AseLabelCalculation, code=make_code("python"), **label_inputs)
    assert node.exit_status == 420
    assert "submit the same inputs with the output 'remote_folder'" in node.exit_message
    assert "frames" not in node.outputs
    read_again(node, label_inputs)


def test_labels_that_the_repository_could_not_store_are_read_again_without_another_run(
    make_code, label_inputs, monkeypatch
):
    label_inputs["frames"].store()
    with monkeypatch.context() as patch:
        patch.setattr(FrameSetData, "store", write_to_a_full_disk)
        with pytest.raises(OSError, match="No space left on device"):
            run_get_node(AseLabelCalculation, code=make_code("python"), **label_inputs)
    query = orm.QueryBuilder().append(orm.CalcJobNode, tag="job")
    node = query.order_by({"job": {"id": "desc"}}).first(flat=True)
    assert node.is_excepted
    assert "No space left on device" in node.exception
    read_again(node, label_inputs)
