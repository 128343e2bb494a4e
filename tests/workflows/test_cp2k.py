"""CP2K settings, inputs and data files; and the real program: retries, MD."""

from __future__ import annotations

import io

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState, run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.calculations.cp2k import Cp2kLabelCalculation
from aiida_mliptransport.calculations.cp2k_data import (
    Cp2kDataError,
    check_entries,
    entries,
    find_data_folder,
    load_files,
)
from aiida_mliptransport.calculations.cp2k_input import cell_text, xyz_text
from aiida_mliptransport.calculations.cp2k_settings import Cp2kSettings, level_of_theory
from aiida_mliptransport.calculations.parameters import validation_message
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.aimd.cp2k import Cp2kAimdWorkChain
from aiida_mliptransport.workflows.label.cp2k import Cp2kLabelWorkChain
from aiida_mliptransport.workflows.label.cp2k_scf import retry_settings
from aiida_mliptransport.workflows.protocols import ProtocolError, list_protocols, load_protocol

BASIS = """\
# A comment about Li and Cl
 Li SZV-TEST SZV-TEST-q3
 1
 2 0 0 1 1
      7.133127574876  0.277443782336
 Cl SZV-TEST SZV-TEST-q7
 1
 2 0 0 1 1
      2.379078117601  0.349064979100
"""
POTENTIALS = """\
Li GTH-PBE-q3 GTH-PBE
    3
     0.40000000    4   -14.08115455
#
Cl GTH-PBE-q7 GTH-PBE
    2    5
     0.41000000    2    -6.39208181
"""
SETTINGS = {
    "basis_set": "SZV-TEST",
    "potential": "GTH-PBE",
    "cutoff_Ry": 200,
    "relative_cutoff_Ry": 30,
    "dispersion": "none",
}


def licl(seed, strain=0.0):
    atoms = bulk("LiCl", "rocksalt", a=5.3, cubic=True)
    atoms.rattle(0.15, seed=seed)
    atoms.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
    return atoms


def frame_set(images):
    return FrameSetData(Frames.from_atoms(images))


def single_file(content, name):
    return orm.SinglefileData(io.BytesIO(content.encode()), filename=name)


@pytest.fixture
def files():
    return {
        "basis_set": single_file(BASIS, "BASIS_TEST"),
        "potential": single_file(POTENTIALS, "POTENTIALS_TEST"),
    }


def problem(**inputs):
    return Cp2kLabelCalculation.validate_inputs({"parameters": orm.Dict(SETTINGS), **inputs}, None)


def test_the_input_holds_settings_frames_and_cells(make_code, generate_calc_job, files):
    images = [licl(1), licl(2, strain=0.05)]
    folder, info = generate_calc_job(
        "mliptransport.cp2k",
        {
            "code": make_code("cp2k-fake", "/bin/true"),
            "frames": frame_set(images),
            "files": files,
            "parameters": orm.Dict(SETTINGS),
            "metadata": {"options": {"max_wallclock_seconds": 1000}},
        },
    )
    content = (folder / "aiida.inp").read_text()
    for line in (
        "CUTOFF 200.0", "BASIS_SET SZV-TEST", "LAST_SNAPSHOT 2", "VARIABLE_VOLUME .TRUE.",
        "WALLTIME 900", "STRESS_TENSOR ANALYTICAL", "BASIS_SET_FILE_NAME BASIS_SETS_0",
    ):  # fmt: skip
        assert line in content
    assert "VDW_POTENTIAL" not in content
    cells = np.loadtxt(folder / "aiida-reftraj.cell")
    np.testing.assert_allclose(cells[:, 2:11].reshape(2, 3, 3), [a.cell.array for a in images])
    np.testing.assert_allclose(cells[:, 11], [a.get_volume() for a in images])
    lines = (folder / "aiida-reftraj.xyz").read_text().splitlines()
    assert len(lines) == 2 * 10
    np.testing.assert_allclose([float(x) for x in lines[12].split()[1:]], images[1].positions[0])
    assert {target for _, _, target in info.local_copy_list} == {"BASIS_SETS_0", "POTENTIALS"}
    assert "timeout" in info.prepend_text


def test_frames_are_written_to_a_precision_that_keeps_their_identity():
    system = Frames.from_atoms([licl(1)]).systems[0]
    rows = [line.split() for line in xyz_text(system).splitlines()[2:]]
    np.testing.assert_allclose(
        [[float(x) for x in row[1:]] for row in rows], system.positions[0], atol=1e-11
    )
    assert len(cell_text(system).splitlines()) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cutof_Ry": 300}, "unknown key 'cutof_Ry'"),
        ({"cutoff_Ry": 5}, "cutoff_Ry is 5"),
        ({"basis_set": "X\n&END"}, "basis_set is"),
        ({"basis_sets": {"Xx": "SZV"}}, "chemical symbols"),
        ({"k_points": [2, 2, 2]}, "set scf.method to 'diagonalization'"),
        ({"electronic_temperature_K": 500.0}, "full occupation"),
        ({"functional": "B3LYP"}, "functional is 'B3LYP'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name_and_value(change, words):
    assert words in validation_message(Cp2kSettings, {**SETTINGS, **change})


def test_a_missing_basis_set_is_named_with_element_and_file(files):
    settings = Cp2kSettings.model_validate({**SETTINGS, "basis_sets": {"Li": "TZVP-TEST"}})
    with pytest.raises(Cp2kDataError, match=r"basis set 'TZVP-TEST' for Li in BASIS_TEST.*SZV-T"):
        check_entries(settings, ["Cl", "Li"], files)


def test_an_element_without_potential_is_refused_before_submission(files):
    sodium = Atoms("NaCl", positions=[[0, 0, 0], [2.8, 0, 0]], cell=[6, 6, 6], pbc=True)
    message = problem(frames=frame_set([sodium]), files=files)
    assert "Na" in message
    assert "BASIS_TEST" in message


def test_dispersion_needs_its_file(files):
    settings = Cp2kSettings.model_validate({**SETTINGS, "dispersion": "D3(BJ)"})
    with pytest.raises(Cp2kDataError, match=r"dftd3\.dat"):
        check_entries(settings, ["Li"], files)


def test_names_of_entries_are_read_without_comments_and_numbers():
    assert entries(BASIS) == {
        "Li": {"SZV-TEST", "SZV-TEST-q3"},
        "Cl": {"SZV-TEST", "SZV-TEST-q7"},
    }
    assert entries(POTENTIALS)["Cl"] == {"GTH-PBE-q7", "GTH-PBE"}


def test_a_missing_data_folder_or_file_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("CP2K_DATA_DIR", raising=False)
    with pytest.raises(Cp2kDataError, match="CP2K_DATA_DIR"):
        find_data_folder(str(tmp_path / "bin" / "cp2k"))
    with pytest.raises(Cp2kDataError, match="'ABSENT' is not in"):
        load_files(tmp_path, ["ABSENT"], "GTH_POTENTIALS", None)


def test_the_data_folder_is_found_beside_the_executable(tmp_path, monkeypatch):
    monkeypatch.delenv("CP2K_DATA_DIR", raising=False)
    (tmp_path / "bin").mkdir()
    (tmp_path / "share" / "cp2k").mkdir(parents=True)
    (tmp_path / "share" / "cp2k" / "GTH_POTENTIALS").write_text(POTENTIALS)
    assert find_data_folder(str(tmp_path / "bin" / "cp2k")) == tmp_path / "share" / "cp2k"


def test_frames_of_two_compositions_or_without_cell_are_refused(files):
    other = licl(1)[[0, 1]]
    assert "2 systems" in problem(frames=frame_set([licl(1), other]), files=files)
    molecule = Atoms("LiCl", positions=[[0, 0, 0], [2.0, 0, 0]])
    assert "periodic" in problem(frames=frame_set([molecule]), files=files)


def test_charge_of_frames_and_settings_must_agree(files):
    charged = licl(1)
    charged.info["charge"] = 1
    assert "parameters.charge is 0" in problem(frames=frame_set([charged]), files=files)


def test_another_file_content_is_another_level_of_theory_and_other_scf_settings_are_not():
    one = Cp2kSettings.model_validate(SETTINGS)
    retries = [Cp2kSettings.model_validate(content) for content in retry_settings(SETTINGS)]
    assert len(retries) == 2
    for retry in retries:
        assert retry != one
        assert level_of_theory(retry, {"potential": "a"}) == level_of_theory(
            one, {"potential": "a"}
        )
    assert level_of_theory(one, {"potential": "a"}) != level_of_theory(one, {"potential": "b"})


@pytest.mark.parametrize("protocol", sorted(list_protocols("cp2k")))
def test_every_protocol_gives_valid_settings(protocol):
    inputs = load_protocol("cp2k", protocol)
    assert validation_message(Cp2kSettings, inputs["settings"]) is None
    parameters = orm.Dict(inputs["aimd"]["parameters"])
    assert Cp2kAimdWorkChain.validate_parameters(parameters, None) is None


def test_unknown_settings_are_refused_by_the_builder(make_code):
    with pytest.raises(ProtocolError, match="cutof_Ry"):
        Cp2kLabelWorkChain.get_builder_from_protocol(
            make_code("cp2k-fake", "/bin/true"), settings={"cutof_Ry": 300}
        )


# From here on with the real program; small basis, and for the tests that check no physics a low
# cutoff.

FAST = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "cutoff_Ry": 120,
    "relative_cutoff_Ry": 20,
    "scf": {"eps_scf": 1e-5},
}


@pytest.fixture
def job(cp2k_job):
    return cp2k_job


@pytest.mark.cp2k
def test_a_frame_that_does_not_converge_never_becomes_a_label(job):
    settings = {**FAST, "scf": {"max_scf": 2, "outer_max_scf": 1, "method": "diagonalization"}}
    results, node = job(settings, frames=frame_set([licl(1)]))
    assert node.exit_status == 450
    assert "frames" not in results
    (failure,) = results["failures"]["failures"]
    assert failure["class"] == "scf_unconverged"


@pytest.mark.cp2k
def test_frames_that_did_not_converge_are_labelled_by_the_patient_retry(make_code):
    images = [licl(1), licl(2, strain=0.1)]
    builder = Cp2kLabelWorkChain.get_builder_from_protocol(
        make_code("cp2k"),
        frames=frame_set(images),
        settings={**FAST, "scf": {"eps_scf": 1e-5, "max_scf": 7}},
        protocol="fast",
        options={"max_wallclock_seconds": 300},
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert results["frames"].frames.identities() == Frames.from_atoms(images).identities()
    assert results["failures"].get_dict() == {
        "failures": [],
        "n_tried": 2,
        "n_labelled": 2,
        "n_known": 0,
    }
    exit_codes = [c.exit_status for c in node.called if isinstance(c, orm.CalcJobNode)]
    assert exit_codes[0] == 450
    assert results["frames"].level_of_theory["gamma_cell_atoms"] == 8
    # A label does not depend on which frame came before: the grid follows the cell.
    alone, _ = run_get_node(
        Cp2kLabelWorkChain.get_builder_from_protocol(
            make_code("cp2k"), frames=frame_set(images[1:]), settings=FAST, protocol="fast"
        )
    )
    np.testing.assert_allclose(
        alone["frames"].frames.systems[0].forces[0],
        results["frames"].frames.systems[0].forces[1],
        atol=5e-3,
    )


MD = {"temperature_K": 900.0, "timestep_fs": 1.0, "trajectory_stride": 2, "seed": 3}


@pytest.mark.cp2k
def test_md_goes_on_from_its_state_with_its_velocities_and_repeats_no_step(job):
    structure = orm.StructureData(ase=licl(1))

    def run(steps, **inputs):
        parameters = orm.Dict({**MD, "ensemble": "nvt", "steps": steps})
        results, node = job(FAST, structure=structure, md=parameters, **inputs)
        assert node.is_finished_ok, node.exit_message
        return results

    whole, first = run(6), run(3)
    assert first["results"]["last_step"] == 3
    state = first["restart"].get_content()
    assert "date" not in state
    assert "working dir" not in state
    second = run(3, restart=first["restart"])
    assert second["results"]["last_step"] == 6
    assert second["trajectory"].steps.tolist() == [4, 6]
    assert second["trajectory"].completed
    assert second["frames"].frames.systems[0].steps.tolist() == [4, 6]
    reference = whole["trajectory"].positions()
    assert whole["trajectory"].steps.tolist() == [0, 2, 4, 6]
    # Another start of the SCF moves the atoms by far less than the dynamics does in a step.
    np.testing.assert_allclose(second["trajectory"].positions(), reference[2:], atol=1e-4)
    assert np.abs(reference[3] - reference[2]).max() > 1e-2


@pytest.mark.cp2k
def test_md_at_constant_pressure_labels_each_frame_in_its_own_cell(job):
    parameters = orm.Dict({**MD, "ensemble": "npt", "pressure_coupling": "tri", "steps": 2})
    results, node = job(FAST, structure=orm.StructureData(ase=licl(1)), md=parameters)
    assert node.is_finished_ok, node.exit_message
    (system,) = results["frames"].frames
    assert system.steps.tolist() == [0, 2]
    assert np.abs(system.cells[1] - system.cells[0]).max() > 1e-4
    static, node = job(FAST, frames=FrameSetData(results["frames"].frames.without_labels()))
    assert node.is_finished_ok, node.exit_message
    (again,) = static["frames"].frames
    # The grid of the MD is that of its first cell: the second frame differs by its error.
    np.testing.assert_allclose(again.forces[0], system.forces[0], atol=2e-3)
    np.testing.assert_allclose(again.stresses[0], system.stresses[0], atol=2e-4)
    np.testing.assert_allclose(again.forces[1], system.forces[1], atol=5e-2)


@pytest.mark.cp2k
def test_a_run_out_of_time_goes_on_and_one_that_came_no_further_does_not(make_code, computer):
    builder = Cp2kAimdWorkChain.get_builder_from_protocol(
        make_code("cp2k"),
        structures={"licl": orm.StructureData(ase=licl(1))},
        temperatures=[1000.0],
        settings=FAST,
        protocol="fast",
        overrides={"aimd": {"runs": 1, "parameters": {"steps": 10}}},
    )
    process = instantiate_process(get_manager().get_runner(), builder)
    process.setup()

    def end(label, last_step):
        node = orm.CalcJobNode(computer=computer)
        node.base.links.add_incoming(process.node, link_type=LinkType.CALL_CALC, link_label=label)
        node.store()
        outputs = {
            "restart": single_file(f"STEP_START_VAL {last_step}\n&END X\n", "restart"),
            "results": orm.Dict({"last_step": last_step}),
        }
        for name, output in outputs.items():
            output.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label=name)
            output.store()
        node.set_exit_status(400)
        node.set_process_state(ProcessState.FINISHED)
        node.seal()
        process.ctx[label] = node
        process.ctx.pending.remove(label)
        process.job_ended(label)
        return outputs["restart"]

    first = process.job("licl_1000K_run0")[1]
    state = end("licl_1000K_run0", 4)
    assert process.ctx.pending == ["licl_1000K_run0_segment01"]
    second = process.job("licl_1000K_run0_segment01")[1]
    assert second["restart"].pk == state.pk
    assert second["md"]["steps"] == 6
    assert second["md"]["seed"] == first["md"]["seed"]
    starts = [
        np.array([site.position for site in run["structure"].sites]) for run in (first, second)
    ]
    np.testing.assert_array_equal(*starts)
    end("licl_1000K_run0_segment01", 7)
    assert process.job("licl_1000K_run0_segment02")[1]["md"]["steps"] == 3
    end("licl_1000K_run0_segment02", 7)
    assert process.ctx.pending == []
