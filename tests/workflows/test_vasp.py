"""VASP through aiida-vasp: labels and MD frames in our units, and no label that is none.

VASP is licensed, so the stand-in of tests/vasp_stand_in runs in its place: its files are read by
the real aiida-vasp, its numbers are those of a pair potential.
"""

import zipfile

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import WorkflowFactory
from aiida.storage.sqlite_zip.backend import SqliteZipBackend
from ase.build import bulk
from vasp_stand_in.calculators import lennard_jones

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.tools.archive import export_study
from aiida_mliptransport.tools.ledger import job_labels
from aiida_mliptransport.tools.lineage import trace
from aiida_mliptransport.workflows.aimd.vasp import VaspAimdWorkChain
from aiida_mliptransport.workflows.label.vasp import VaspLabelWorkChain
from aiida_mliptransport.workflows.vasp import VaspInputError

pytestmark = pytest.mark.medium


def licl(seed, amplitude=0.1):
    """Rocksalt whose atoms alternate by element, some of them outside of the cell."""
    atoms = bulk("LiCl", "rocksalt", a=5.1, cubic=True)
    atoms.rattle(amplitude, seed=seed)
    return atoms


def expected(atoms):
    atoms = atoms.copy()
    atoms.calc = lennard_jones()
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)


@pytest.fixture
def label(vasp_code, potcar_family):
    def factory(images, fail=None, **changes):
        options = {"max_wallclock_seconds": 120, "resources": {"num_machines": 1}}
        if fail:
            options["environment_variables"] = {"VASP_STAND_IN_FAIL": fail}
        builder = VaspLabelWorkChain.get_builder_from_protocol(
            vasp_code,
            potcar_family,
            frames=FrameSetData(Frames.from_atoms(images)),
            settings={"potentials": {"Li": "Li_sv"}, **changes.pop("settings", {})},
            protocol="fast",
            options=options,
        )
        builder.reuse_labels = orm.Bool(False)
        if fail:
            # What aiida-vasp's handlers would try again costs seconds each time.
            builder.vasp.max_iterations = orm.Int(1)
        for key, value in changes.items():
            builder[key] = value
        return run_get_node(builder)

    return factory


def test_labels_are_free_energies_with_their_forces_in_ase_units_and_signs(label):
    images = [licl(1), licl(2)]
    results, node = label(images)
    assert node.is_finished_ok, node.exit_message
    frames = results["frames"].frames
    assert frames.identities() == Frames.from_atoms(images).identities()
    (system,) = frames
    for row, atoms in enumerate(images):
        energy, forces, stress = expected(atoms)
        assert system.energies[row] == pytest.approx(energy, abs=1e-6)
        np.testing.assert_allclose(system.forces[row], forces, atol=1e-6)
        np.testing.assert_allclose(system.stresses[row], stress, atol=1e-7)
    level = results["frames"].level_of_theory
    assert (level["engine"], level["functional"]) == ("vasp", "PBE")
    assert level["potentials"] == {"Cl": "Cl", "Li": "Li_sv"}
    assert set(level["potcars_sha512"]) == {"Li", "Cl"}
    assert level["gamma_cell_atoms"] == 8
    assert results["frames"].engine_version == "6.4.2"


def test_every_label_is_reached_from_its_vasp_run(label):
    results, _ = label([licl(3)])
    (run,) = [
        n for n in results["frames"].base.links.get_incoming().all_nodes()
        if n.process_label == "join_labels"
    ]  # fmt: skip
    sources = [n for n in run.base.links.get_incoming().all_nodes() if isinstance(n, FrameSetData)]
    read = [n.creator for n in sources if n.creator is not None]
    assert [n.process_label for n in read] == ["read_vasp_label"]
    trajectory = read[0].inputs.trajectory
    assert trajectory.creator.process_label == "VaspCalculation"
    lineage = trace(results["frames"])
    assert (lineage.labelled_frames, lineage.labelling_jobs) == (1, [trajectory.creator.pk])
    assert job_labels(trajectory.creator) == 1


def test_an_archive_holds_the_hash_of_a_potential_and_not_its_licensed_text(label, tmp_path):
    _, node = label([licl(16)])
    path = export_study(node, tmp_path / "study.aiida")
    backend = SqliteZipBackend(SqliteZipBackend.create_profile(path))
    try:
        query = orm.QueryBuilder(backend=backend)
        query.append(orm.Data, project="node_type")
        types = query.all(flat=True)
    finally:
        backend.close()
    assert any("PotcarData" in kind for kind in types)
    assert not any("PotcarFileData" in kind for kind in types)
    with zipfile.ZipFile(path) as archive:
        assert not any(b"End of Dataset" in archive.read(name) for name in archive.namelist())


def test_an_unconverged_scf_is_no_label_and_is_tried_again_with_more_iterations(label):
    results, node = label(
        [licl(4)], fail="slow_scf=15", settings={"scf": {"max_scf": 8}}, quorum=orm.Float(1.0)
    )
    assert node.is_finished_ok, node.exit_message
    energy, *_ = expected(licl(4))
    assert results["frames"].frames.systems[0].energies[0] == pytest.approx(energy, abs=1e-6)


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        ("scf", "scf_unconverged"),
        ("nan=1", "not_finite"),
        ("no_output", "missing_output"),
        ("truncated=0.5", "crashed"),
        ("edddav", "crashed"),
    ],
)
def test_a_failed_run_gives_a_record_and_no_label(label, fail, kind):
    results, node = label([licl(5)], fail=fail)
    assert node.exit_status == 310, node.exit_status
    assert "frames" not in results
    (failure,) = results["failures"]["failures"]
    assert (failure["index"], failure["class"]) == (0, kind), failure["message"]
    assert failure["message"]


def test_a_run_that_was_killed_after_its_whole_step_gives_its_label(label):
    results, node = label([licl(6)], fail="killed=1")
    assert node.is_finished_ok, node.exit_message
    energy, *_ = expected(licl(6))
    assert results["frames"].frames.systems[0].energies[0] == pytest.approx(energy, abs=1e-6)


def test_one_failed_frame_leaves_the_others(label):
    odd = licl(8)
    odd.set_cell(odd.cell * 1.02, scale_atoms=True)
    volume = round(odd.get_volume())
    results, node = label([licl(7), odd], fail=f"scf@VOLUME={volume}", quorum=orm.Float(0.5))
    assert node.is_finished_ok, node.exit_message
    assert results["frames"].n_frames == 1
    (failure,) = results["failures"]["failures"]
    assert (failure["index"], failure["class"]) == (1, "scf_unconverged")


def test_a_missing_potential_is_named_before_any_job(vasp_code, potcar_family):
    with pytest.raises(VaspInputError, match=r"lacks a POTCAR.*uploadfamily"):
        VaspLabelWorkChain.get_builder_from_protocol(
            vasp_code,
            potcar_family,
            frames=FrameSetData(Frames.from_atoms([licl(1)])),
            settings={"potentials": {"Li": "Li_GW"}},
        )


@pytest.fixture
def aimd(vasp_code, potcar_family):
    def factory(structures, fail=None, parameters=None, **changes):
        options = {"max_wallclock_seconds": 120, "resources": {"num_machines": 1}}
        if fail:
            options["environment_variables"] = {"VASP_STAND_IN_FAIL": fail}
        builder = VaspAimdWorkChain.get_builder_from_protocol(
            vasp_code,
            potcar_family,
            structures={k: orm.StructureData(ase=v) for k, v in structures.items()},
            temperatures=[600.0],
            protocol="fast",
            overrides={
                "aimd": {
                    "runs": 1,
                    "parameters": {
                        "steps": 8, "trajectory_stride": 2, "discard_steps": 2, **(parameters or {})
                    },
                }
            },
            options=options,
        )  # fmt: skip
        for key, value in changes.items():
            builder[key] = value
        return run_get_node(builder)

    return factory


def test_md_frames_have_the_labels_of_single_points_without_the_kinetic_part(aimd):
    results, node = aimd({"licl": licl(11)})
    assert node.is_finished_ok, node.exit_message
    (system,) = results["frames"].frames
    assert system.steps.tolist() == [2, 4, 6]
    for row, atoms in enumerate(results["frames"].frames.to_atoms()):
        energy, forces, stress = expected(atoms)
        assert system.energies[row] == pytest.approx(energy, abs=1e-5)
        np.testing.assert_allclose(system.forces[row], forces, atol=1e-4)
        np.testing.assert_allclose(system.stresses[row], stress, atol=1e-5)
    (trajectory,) = results["trajectories"].values()
    assert trajectory.steps.tolist() == [0, 2, 4, 6]
    assert trajectory.completed
    moved = np.abs(np.diff(trajectory.positions(), axis=0)).max()
    assert 0.001 < moved < 0.5


def test_md_frames_whose_scf_took_all_iterations_are_failures(aimd):
    results, node = aimd({"licl": licl(12)}, fail="md_scf=5")
    assert node.is_finished_ok, node.exit_message
    # VASP's fifth ionic step is step 4 after the start.
    assert results["frames"].frames.systems[0].steps.tolist() == [2, 6]
    (failure,) = results["failures"]["failures"]
    assert (failure["index"], failure["class"]) == (2, "scf_unconverged")


def test_md_frames_before_and_after_a_nan_are_kept(aimd):
    results, node = aimd({"licl": licl(15)}, fail="nan=5")
    assert node.is_finished_ok, node.exit_message
    assert results["frames"].frames.systems[0].steps.tolist() == [2, 6]
    (failure,) = results["failures"]["failures"]
    assert (failure["index"], failure["class"]) == (2, "not_finite")


def test_a_run_that_was_killed_keeps_its_whole_frames(aimd):
    results, node = aimd({"licl": licl(13)}, fail="killed=6")
    assert node.is_finished_ok, node.exit_message
    assert results["frames"].frames.systems[0].steps.tolist() == [2, 4]
    (trajectory,) = results["trajectories"].values()
    assert not trajectory.completed
    # It was run once: aiida-vasp's restart would begin with new velocities.
    children = [c for c in node.called_descendants if c.process_label == "VaspCalculation"]
    assert len(children) == 1


def test_seeds_make_runs_and_repeat_them(aimd):
    def last(**changes):
        parameters = {"steps": 2, "trajectory_stride": 1, "discard_steps": 0}
        results, _ = aimd({"licl": licl(14)}, parameters=parameters, **changes)
        return [t.positions()[-1] for _, t in sorted(results["trajectories"].items())]

    first, again = last(runs=orm.Int(2)), last(runs=orm.Int(1))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - first[1]).max() > 1e-3


def test_a_campaign_labels_and_runs_md_with_vasp_at_one_level_of_theory(
    vasp_code, potcar_family, make_code
):
    work_chain = WorkflowFactory("mliptransport.active_learning")
    python = make_code("python")
    builder = work_chain.get_builder_from_protocol(
        codes={"dp": python, "lmp": python, "python": python, "vasp": vasp_code},
        structures={"licl": orm.StructureData(ase=licl(1))},
        engine="vasp",
        temperatures=[900.0],
        engine_options={
            "potential_family": potcar_family,
            "settings": {"potentials": {"Li": "Li_sv"}, "cutoff_eV": 450.0},
        },
        protocol="fast",
    )
    label, aimd = builder.label.vasp.vasp, builder.aimd.vasp.vasp
    assert label.parameters.get_dict() == aimd.parameters.get_dict()
    assert label.parameters["cutoff_eV"] == 450.0
    assert label.parameters["potentials"] == {"Cl": "Cl", "Li": "Li_sv"}
    assert label.code.pk == vasp_code.pk
