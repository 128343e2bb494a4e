"""VASP through aiida-vasp: labels and MD frames in our units, and no label that is none.

VASP is licensed, so the stand-in of tests/vasp_stand_in runs in its place: its files are read by
the real aiida-vasp, its numbers are those of a pair potential.
"""

import subprocess
import time
import zipfile

import ase.io
import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import WorkflowFactory
from aiida.storage.sqlite_zip.backend import SqliteZipBackend
from ase import units
from ase.build import bulk
from vasp_stand_in.calculators import lennard_jones

from aiida_mliptransport.calculations.vasp_md import stop_request
from aiida_mliptransport.calculations.vasp_potcars import (
    Potcar,
    PotcarError,
    electrons,
    read_potcar,
)
from aiida_mliptransport.calculations.vasp_settings import VaspSettings
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.parsers.vasp_frames import continues, read_steps, vasp_order
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.tools.archive import export_study
from aiida_mliptransport.tools.ledger import job_labels
from aiida_mliptransport.tools.lineage import trace
from aiida_mliptransport.workflows.aimd.vasp import VaspAimdWorkChain
from aiida_mliptransport.workflows.label.vasp import VaspLabelWorkChain
from aiida_mliptransport.workflows.vasp import VaspInputError

pytestmark = pytest.mark.medium


def licl(seed, a=5.1, charge=0):
    """Rocksalt whose atoms alternate by element, some of them outside of the cell."""
    atoms = bulk("LiCl", "rocksalt", a=a, cubic=True)
    atoms.rattle(0.1, seed=seed)
    if charge:
        atoms.info["charge"] = charge
    return atoms


def expected(atoms):
    atoms = atoms.copy()
    atoms.calc = lennard_jones()
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)


def options(fail=None):
    found = {"max_wallclock_seconds": 120, "resources": {"num_machines": 1}}
    if fail:
        found["environment_variables"] = {"VASP_STAND_IN_FAIL": fail}
    return found


@pytest.fixture
def label_builder(vasp_code, potcar_family):
    def factory(images, fail=None, family=potcar_family, settings=None, **changes):
        builder = VaspLabelWorkChain.get_builder_from_protocol(
            vasp_code,
            family,
            frames=FrameSetData(Frames.from_atoms(images)),
            settings={"potentials": {"Li": "Li_sv"}, **(settings or {})},
            protocol="fast",
            options=options(fail),
        )
        builder.reuse_labels = orm.Bool(False)
        if fail:
            # What aiida-vasp's handlers would try again costs seconds each time.
            builder.vasp.max_iterations = orm.Int(1)
        for key, value in changes.items():
            builder[key] = value
        return builder

    return factory


#: How the runs of one batch end: lattice parameter (Å) by which they are told apart, failure of the
#: stand-in, and its class; None where there is a label.
ENDS = (
    (5.10, None, None),
    (5.12, None, None),
    (5.14, "scf", "scf_unconverged"),
    (5.18, "nan=1", "not_finite"),
    (5.22, "no_output", "missing_output"),
    (5.26, "truncated=0.5", "crashed"),
    (5.30, "edddav", "crashed"),
    # Killed after its whole step.
    (5.34, "killed=1", None),
)
_BATCH = {}


@pytest.fixture
def batch(label_builder, monkeypatch):
    """Images, results and node of one WorkChain whose runs end in all ways."""
    if not _BATCH:
        images = [licl(seed, a) for seed, (a, _, _) in enumerate(ENDS)]
        fail = ";".join(f"{mode}@VOLUME={round(a**3)}" for a, mode, _ in ENDS if mode)
        monkeypatch.setattr(VaspLabelWorkChain, "max_retries", lambda *_: 0)
        results, node = run_get_node(label_builder(images, fail))
        _BATCH.update(images=images, results=results, node=node)
    return _BATCH


def test_labels_are_free_energies_with_their_forces_in_ase_units_and_signs(batch):
    frames = batch["results"]["frames"].frames
    images = [
        image for image, (_, _, kind) in zip(batch["images"], ENDS, strict=True) if kind is None
    ]
    assert frames.identities() == Frames.from_atoms(images).identities()
    (system,) = frames
    for row, atoms in enumerate(images):
        energy, forces, stress = expected(atoms)
        assert system.energies[row] == pytest.approx(energy, abs=1e-6)
        np.testing.assert_allclose(system.forces[row], forces, atol=1e-6)
        np.testing.assert_allclose(system.stresses[row], stress, atol=1e-7)
    level = batch["results"]["frames"].level_of_theory
    assert (level["engine"], level["functional"]) == ("vasp", "PBE")
    assert "potcar_functional" not in level
    assert level["potentials"] == {"Cl": "Cl", "Li": "Li_sv"}
    assert set(level["potcars_sha512"]) == {"Li", "Cl"}
    assert level["gamma_cell_atoms"] == 8
    assert batch["results"]["frames"].engine_version == "6.4.2"


def test_a_failed_run_gives_a_record_and_no_label_and_leaves_the_others(batch):
    assert batch["node"].exit_status == 310, batch["node"].exit_status
    failures = batch["results"]["failures"]["failures"]
    assert [(failure["index"], failure["class"]) for failure in failures] == [
        (index, kind) for index, (_, _, kind) in enumerate(ENDS) if kind is not None
    ]
    assert all(failure["message"] for failure in failures)


def test_every_label_is_reached_from_its_vasp_run(batch):
    frames = batch["results"]["frames"]
    (run,) = [
        n for n in frames.base.links.get_incoming().all_nodes() if n.process_label == "join_labels"
    ]
    sources = [n for n in run.base.links.get_incoming().all_nodes() if isinstance(n, FrameSetData)]
    read = [n.creator for n in sources if n.creator is not None]
    assert [n.process_label for n in read] == ["read_vasp_label"] * 3
    trajectories = [n.inputs.trajectory for n in read]
    assert {n.creator.process_label for n in trajectories} == {"VaspCalculation"}
    lineage = trace(frames)
    assert lineage.labelled_frames == 3
    assert sorted(lineage.labelling_jobs) == sorted(n.creator.pk for n in trajectories)
    assert [job_labels(n.creator) for n in trajectories] == [1, 1, 1]


def test_an_archive_holds_the_hash_of_a_potential_and_not_its_licensed_text(batch, tmp_path):
    path = export_study(batch["node"], tmp_path / "study.aiida")
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


def test_an_unconverged_scf_is_no_label_and_is_tried_again_with_more_iterations(label_builder):
    results, node = run_get_node(
        label_builder(
            [licl(4)], "slow_scf=15", settings={"scf": {"max_scf": 8}}, quorum=orm.Float(1.0)
        )
    )
    assert node.is_finished_ok, node.exit_message
    energy, *_ = expected(licl(4))
    assert results["frames"].frames.systems[0].energies[0] == pytest.approx(energy, abs=1e-6)


def test_charge_spin_dispersion_and_u_reach_vasp_and_the_level_of_theory(label_builder):
    settings = {
        "functional": "PBEsol",
        "dispersion": "D3(BJ)",
        "charge": 1,
        "multiplicity": 2,
        "spin_polarized": True,
        "magnetic_moments": {"Cl": 0.6},
        "hubbard": {"Cl": {"orbital": "p", "u_eV": 2.5}},
    }
    image = licl(9, charge=1)
    image.info["multiplicity"] = 2
    results, node = run_get_node(label_builder([image], settings=settings))
    assert node.is_finished_ok, node.exit_message
    (run,) = [n for n in node.called_descendants if n.process_label == "VaspCalculation"]
    incar = run.inputs.parameters.get_dict()
    # The fakes claim 1 and 7 valence electrons: 32 in the neutral cell.
    wanted = {"gga": "PS", "ivdw": 12, "nelect": 31.0, "nupdown": 1, "ispin": 2, "ldau": True}
    assert {tag: incar[tag] for tag in wanted} == wanted
    # The order is VASP's: lithium before chlorine.
    assert incar["magmom"] == " ".join(["0.0"] * 4 + ["0.6"] * 4)
    assert (incar["ldautype"], incar["ldaul"], incar["ldauu"]) == (2, [-1, 1], [0.0, 2.5])
    text = run.outputs.retrieved.base.repository.get_object_content("OUTCAR")
    assert float(text.split("NELECT =")[1].split()[0]) == 31.0
    level = results["frames"].level_of_theory
    # There are no POTCARs of PBEsol: it is run with those of PBE, and says so.
    assert (level["functional"], level["potcar_functional"]) == ("PBEsol", "PBE")
    assert (level["charge"], level["multiplicity"], level["dispersion"]) == (1, 2, "D3(BJ)")
    assert level["hubbard"] == {"Cl": {"orbital": "p", "u_eV": 2.5}}
    assert results["frames"].frames.systems[0].charge == 1


@pytest.mark.parametrize(
    ("functional", "family", "refused"),
    [
        ("PW91", "pw91_family", None),
        ("PW91", "potcar_family", "functional is PW91 and the POTCARs are of .*'Li': 'PBE'"),
        ("PBE", "pw91_family", "functional is PBE and the POTCARs are of .*'Li': 'PW91'"),
        ("PBEsol", "pw91_family", "expected all of PBEsol or all of PBE"),
    ],
)
def test_potcars_of_another_functional_are_refused(
    label_builder, request, functional, family, refused
):
    builder = label_builder(
        [licl(1)], family=request.getfixturevalue(family), settings={"functional": functional}
    )
    if refused is None:
        process = instantiate_process(get_manager().get_runner(), builder)
        assert process.level_of_theory()["functional"] == functional
        assert "potcar_functional" not in process.level_of_theory()
    else:
        with pytest.raises(ValueError, match=refused):
            instantiate_process(get_manager().get_runner(), builder)


@pytest.mark.parametrize(
    ("settings", "charge", "message"),
    [
        ({}, 1, "frames have charge 1 and parameters.charge is 0"),
        ({"charge": 1}, 0, "frames have charge 0 and parameters.charge is 1"),
        (
            {"multiplicity": 3, "spin_polarized": True},
            0,
            "frames have multiplicity 1 and parameters.multiplicity is 3",
        ),
    ],
)
def test_charge_and_spin_of_frames_and_settings_must_agree(
    label_builder, settings, charge, message
):
    with pytest.raises(ValueError, match=message):
        instantiate_process(
            get_manager().get_runner(),
            label_builder([licl(1, charge=charge)], settings=settings),
        )


def test_a_charge_without_electrons_and_a_potcar_without_valence_are_refused():
    settings = VaspSettings(
        functional="PBE", cutoff_eV=300, energy_tolerance_eV=1e-5, potentials={"Li": "Li"}, charge=2
    )
    with pytest.raises(PotcarError, match="charge is 2 and the cell has 2 valence electrons"):
        electrons(settings, {"Li": Potcar("abc", "PE", 1.0)}, ["Li", "Li"])
    with pytest.raises(PotcarError, match="no line with LEXCH or ZVAL"):
        read_potcar("abcdef", "TITEL = US Li")


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
            options=options(fail),
        )  # fmt: skip
        for key, value in changes.items():
            builder[key] = value
        return run_get_node(builder)

    return factory


def test_md_frames_that_are_not_converged_not_numbers_or_cut_off_are_no_labels(aimd):
    fail = "md_scf=5@VOLUME=133;nan=5@VOLUME=136;killed=6@VOLUME=139"
    structures = {"scf": licl(12), "nan": licl(15, 5.14), "killed": licl(13, 5.18)}
    results, node = aimd(structures, fail=fail)
    assert node.is_finished_ok, node.exit_message
    steps = [int(step) for system in results["frames"].frames for step in system.steps]
    # In the order of their names: killed, nan, scf. VASP's fifth ionic step is step 4.
    assert steps == [2, 4, 2, 6, 2, 6]
    failures = results["failures"]["failures"]
    assert [(f["run"], f["index"], f["class"]) for f in failures] == [
        ("nan_600K_run0", 2, "not_finite"),
        ("scf_600K_run0", 2, "scf_unconverged"),
    ]
    completed = {name: t.completed for name, t in results["trajectories"].items()}
    assert completed == {"killed_600K_run0": False, "nan_600K_run0": True, "scf_600K_run0": True}
    assert results["trajectories"]["scf_600K_run0"].steps.tolist() == [0, 2, 4, 6]
    # The killed one was run once: it was not its time that was up.
    jobs = [c for c in node.called_descendants if c.process_label == "VaspMDCalculation"]
    assert len(jobs) == 3


def test_seeds_repeat_runs_also_those_that_go_on_after_their_time_was_up(aimd):
    """The second run is stopped after three steps and goes on with its velocities."""
    parameters = {"steps": 7, "discard_steps": 0, "ensemble": "nve"}
    whole, node = aimd({"licl": licl(14)}, parameters=parameters, runs=orm.Int(2))
    assert node.is_finished_ok, node.exit_message
    first, other = (whole["trajectories"][f"licl_600K_run{i}"] for i in range(2))
    assert first.steps.tolist() == [0, 2, 4, 6]
    assert np.abs(first.positions()[-1] - other.positions()[-1]).max() > 1e-3

    stopped, node = aimd(
        {"licl": licl(14)}, parameters=parameters, fail="stop=3@VELOCITIES=F", runs=orm.Int(1)
    )
    assert node.is_finished_ok, node.exit_message
    assert stopped["failures"]["failures"] == []
    names = ["licl_600K_run0", "licl_600K_run0_segment01"]
    assert sorted(stopped["trajectories"]) == names
    segments = [stopped["trajectories"][name] for name in names]
    assert [segment.steps.tolist() for segment in segments] == [[0, 2], [4, 6]]
    assert [segment.completed for segment in segments] == [False, True]
    joined = np.concatenate([segment.positions() for segment in segments])
    # CONTCAR holds velocities of eight digits.
    np.testing.assert_allclose(joined, first.positions(), atol=1e-5)
    # The vasp.md jobs: what the second starts from is what the first left.
    jobs = sorted(
        (c for c in node.called_descendants if c.process_label == "VaspMDCalculation"),
        key=lambda job: job.pk,
    )
    assert [job.inputs.parameters["nsw"] for job in jobs] == [7, 4]
    contcar = jobs[0].outputs.retrieved.base.repository.get_object_content("CONTCAR")
    assert jobs[1].inputs.restart.get_content() == contcar
    assert jobs[1].base.repository.get_object_content("POSCAR") == contcar
    frames = list(stopped["frames"].frames)
    assert [int(step) for system in frames for step in system.steps] == [0, 2, 4, 6]
    assert len({origin for system in frames for origin in system.origins}) == 1


def test_a_contcar_that_is_not_of_the_next_step_is_not_gone_on_from(run_stand_in):
    atoms = licl(17)
    atoms = atoms[vasp_order(atoms.numbers)]
    tags = {"IBRION": 0, "POTIM": 2.0, "TEBEG": 600, "SMASS": -3, "ISIF": 2, "EDIFF": 1e-6}
    contcars = {
        n: (run_stand_in(atoms, NSW=n, **tags).folder / "CONTCAR").read_text() for n in (3, 4, 5)
    }
    frames = ase.io.read(run_stand_in(atoms, NSW=4, **tags).folder / "vasprun.xml", index=":")
    order = np.arange(len(atoms))
    count = len(frames)
    steps = read_steps(
        {
            "positions": [frame.get_scaled_positions() for frame in frames],
            "cells": [frame.cell.array for frame in frames],
            "forces": [frame.get_forces() for frame in frames],
            "stress": np.zeros((count, 3, 3)),
            "energy_free": np.zeros(count),
            "electronic_steps": np.ones(count),
        },
        order,
    )
    kick = frames[-1].get_forces() / atoms.get_masses()[:, None] * (2.0 * units.fs) ** 2
    assert continues(contcars[4], steps, order, kick)
    assert not continues(contcars[3], steps, order, kick)
    assert not continues(contcars[5], steps, order, kick)
    lines = contcars[4].splitlines(keepends=True)
    for length in range(len(lines)):
        assert not continues("".join(lines[:length]), steps, order, kick), length
    assert not continues(contcars[4].rstrip()[:-1], steps, order, kick)


@pytest.mark.parametrize("program", ["sleep 4", "true"])
def test_vasp_is_asked_to_stop_before_its_time_is_up_and_no_process_is_left(tmp_path, program):
    script = f"set -u\n{stop_request(2)}{program}\n"
    begin = time.monotonic()
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    if program == "true":
        assert time.monotonic() - begin < 1.5
        time.sleep(1.5)
        assert not (tmp_path / "STOPCAR").exists()
    else:
        assert (tmp_path / "STOPCAR").read_text() == "LSTOP = .TRUE.\n"


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
