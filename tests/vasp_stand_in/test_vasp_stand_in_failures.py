"""Each way in which the stand-in fails leaves what VASP leaves."""

from __future__ import annotations

import math
import signal
import time
import warnings
from pathlib import Path

import ase.io
import dpdata
import numpy as np
import pytest
from aiida import orm
from parsevasp.outcar import Outcar
from parsevasp.stream import Stream

from .cases import DYNAMICS, RELAXATION, SINGLE, read_xml
from .failures import MODES


def status(folder) -> dict:
    return Outcar(file_path=str(folder / "OUTCAR")).get_run_status()


def notifications(folder) -> list[str]:
    stream = Stream(file_path=str(folder / "vasp_output"))
    return [entry.shortname for entry in stream.entries]


def quiet_dpdata(path, form):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dpdata.LabeledSystem(str(path), fmt=form)


def test_a_single_point_can_fail_to_converge(run_stand_in, atoms):
    good = run_stand_in(atoms, **SINGLE).folder
    bad = run_stand_in(atoms, **SINGLE, NELM=20, SYSTEM="LiCl fail=scf").folder
    assert status(good)["electronic_converged"]
    assert not status(bad)["electronic_converged"]
    assert status(bad)["finished"]
    assert status(bad)["last_iteration_index"] == [1, 20]
    text = (bad / "OUTCAR").read_text()
    assert "EDIFF was not reached" in text
    assert "EDIFF is reached" not in text
    # What did not converge is off, by more than EDIFF.
    energies = [
        ase.io.read(f / "vasprun.xml").calc.get_property("free_energy") for f in (good, bad)
    ]
    assert energies[1] - energies[0] > 1e-5
    assert len(quiet_dpdata(bad / "vasprun.xml", "vasp/xml")) == 0


def test_a_step_of_dynamics_can_fail_to_converge_unseen(run_stand_in, atoms):
    folder = run_stand_in(atoms, **DYNAMICS, NELM=15, SYSTEM="fail=md_scf=3").folder
    found = status(folder)
    assert found["finished"]
    assert found["electronic_converged"]
    assert found["contains_nelm_breach"]
    assert not found["consistent_nelm_breach"]
    assert len(read_xml(folder)) == 4
    assert len(quiet_dpdata(folder / "vasprun.xml", "vasp/xml")) == 3
    assert len(quiet_dpdata(folder / "OUTCAR", "vasp/outcar")) == 3


def test_more_electronic_steps_mend_a_slow_convergence(run_stand_in, atoms):
    title = "slow fail=slow_scf=80"
    assert not status(run_stand_in(atoms, **SINGLE, SYSTEM=title).folder)["electronic_converged"]
    mended = run_stand_in(atoms, **SINGLE, SYSTEM=title, NELM=100).folder
    assert status(mended)["electronic_converged"]
    assert status(mended)["last_iteration_index"] == [1, 80]


def test_nelm_below_what_ediff_takes_is_not_converged(run_stand_in, atoms):
    tags = {**SINGLE, "EDIFF": 1e-8}
    assert status(run_stand_in(atoms, **tags).folder)["electronic_converged"]
    assert not status(run_stand_in(atoms, **tags, NELM=5).folder)["electronic_converged"]


@pytest.mark.medium
def test_a_killed_run_leaves_its_steps_and_breaks_off(run_stand_in, atoms):
    done = run_stand_in(atoms, process=True, **DYNAMICS, SYSTEM="fail=killed=2")
    assert done.status == -signal.SIGKILL
    assert not status(done.folder)["finished"]
    assert not (done.folder / "vasprun.xml").read_text().rstrip().endswith("</modeling>")
    assert len(read_xml(done.folder)) == 2
    assert len(ase.io.read(done.folder / "OUTCAR", index=":")) == 2
    # The CONTCAR is that of the third step: nothing is lost.
    whole = run_stand_in(atoms, **DYNAMICS).folder
    third = ase.io.read(whole / "vasprun.xml", index=2)
    contcar = ase.io.read(done.folder / "CONTCAR", format="vasp")
    np.testing.assert_allclose(contcar.get_positions(), third.get_positions(), atol=1e-7)
    assert not (done.folder / "WAVECAR").exists()


def test_truncated_files_break_off_in_the_middle(run_stand_in, atoms):
    whole = run_stand_in(atoms, **DYNAMICS).folder
    done = run_stand_in(atoms, **DYNAMICS, SYSTEM="fail=truncated=0.7")
    assert done.status == 1
    for name in ("vasprun.xml", "OUTCAR"):
        sizes = [(folder / name).stat().st_size for folder in (whole, done.folder)]
        assert sizes[1] < 0.75 * sizes[0]
    assert not status(done.folder)["finished"]
    assert 0 < len(read_xml(done.folder)) < 4


def test_a_run_can_end_without_any_output(run_stand_in, atoms):
    done = run_stand_in(atoms, **SINGLE, files={"fail": "no_output\n"})
    assert done.status == 1
    assert done.stdout == ""
    assert not (done.folder / "vasprun.xml").exists()
    assert not (done.folder / "CONTCAR").exists()


def test_nan_is_what_readers_get(run_stand_in, atoms):
    folder = run_stand_in(atoms, **DYNAMICS, SYSTEM="fail=nan=2").folder
    frames = read_xml(folder)
    bad = [bool(np.isnan(frame.get_forces()).any()) for frame in frames]
    assert bad == [False, True, False, False]
    assert math.isnan(frames[1].get_potential_energy())
    assert "NaN" in (folder / "OUTCAR").read_text()


def test_numbers_too_long_for_their_field_are_asterisks(run_stand_in, atoms):
    folder = run_stand_in(atoms, **SINGLE, SYSTEM="fail=overflow").folder
    for name in ("vasprun.xml", "OUTCAR"):
        assert "*******" in (folder / name).read_text()
    with pytest.raises(ValueError, match=r"\*\*\*"):
        ase.io.read(folder / "vasprun.xml").get_forces()


@pytest.mark.parametrize(
    ("mode", "tags", "name"),
    [
        ("brmix", SINGLE, "brmix"),
        ("zbrent", RELAXATION, "zbrent"),
        ("edddav", SINGLE, "edddav_zhegv"),
    ],
)
def test_an_error_of_vasp_stops_the_run(run_stand_in, atoms, mode, tags, name):
    done = run_stand_in(atoms, **tags, SYSTEM=f"fail={mode}")
    assert done.status == 1
    assert notifications(done.folder) == [name]
    assert not status(done.folder)["finished"]


@pytest.mark.parametrize(
    ("mode", "name", "converged"),
    [("brmix_warning", "brmix", True), ("eddrmm", "eddrmm_zhegv", False)],
)
def test_an_error_of_vasp_may_be_printed_by_a_run_that_goes_on(
    run_stand_in, atoms, mode, name, converged
):
    done = run_stand_in(atoms, **SINGLE, SYSTEM=f"fail={mode}")
    assert done.status == 0
    assert notifications(done.folder) == [name]
    assert status(done.folder)["finished"]
    assert status(done.folder)["electronic_converged"] is converged


def test_a_good_run_prints_nothing_that_a_reader_takes_for_an_error(run_stand_in, atoms):
    assert notifications(run_stand_in(atoms, **SINGLE).folder) == []
    assert notifications(run_stand_in(atoms, **RELAXATION).folder) == []


def test_the_environment_decides_before_the_file_and_the_file_before_the_title(
    run_stand_in, atoms, monkeypatch
):
    both = {"SYSTEM": "fail=brmix", "files": {"fail": "edddav"}}
    assert notifications(run_stand_in(atoms, **SINGLE, **both).folder) == ["edddav_zhegv"]
    monkeypatch.setenv("VASP_STAND_IN_FAIL", "brmix")
    assert notifications(run_stand_in(atoms, **SINGLE, **both).folder) == ["brmix"]


@pytest.mark.parametrize(
    ("condition", "strikes"),
    [
        ("ALGO=Fast", True),
        ("ALGO=Normal", False),
        ("NELM=60", True),
        ("NATOMS=8", True),
        ("NATOMS=9", False),
        ("VOLUME=118", True),
        ("VELOCITIES=T", False),
        ("WAVECAR=T", True),
    ],
)
def test_a_failure_may_depend_on_the_inputs(run_stand_in, atoms, condition, strikes):
    files = {"WAVECAR": "a file of an earlier run"}
    title = f"fail=brmix@{condition}"
    done = run_stand_in(atoms, **SINGLE, ALGO="Fast", SYSTEM=title, files=files)
    assert (done.status == 1) is strikes


def test_a_failure_may_strike_once(run_stand_in, atoms, tmp_path):
    title = f"fail=brmix@ONCE={tmp_path}/struck"
    states = [run_stand_in(atoms, **SINGLE, SYSTEM=title).status for _ in range(3)]
    assert states == [1, 0, 0]


def test_a_condition_on_what_no_run_has_is_refused(run_stand_in, atoms):
    done = run_stand_in(atoms, **SINGLE, SYSTEM="fail=brmix@WEATHER=rain")
    assert done.status == 1
    assert "WEATHER" in done.stdout


def test_stopcar_ends_a_run_after_a_step_and_in_order(run_stand_in, atoms):
    stop = {"STOPCAR": "LSTOP = .TRUE.\n"}
    done = run_stand_in(atoms, **DYNAMICS, files=stop)
    assert done.status == 0
    assert status(done.folder)["finished"]
    assert len(read_xml(done.folder)) == 1
    assert "soft stop encountered!" in (done.folder / "OUTCAR").read_text()


@pytest.mark.medium
def test_a_slow_run_takes_its_time_in_each_step(run_stand_in, atoms):
    begin = time.monotonic()
    run_stand_in(atoms, **{**DYNAMICS, "NSW": 3}, SYSTEM="fail=walltime=0.5")
    assert time.monotonic() - begin > 1.5


@pytest.mark.medium
@pytest.mark.parametrize(
    ("tags", "exit_status"),
    [
        ({**SINGLE, "SYSTEM": "fail=scf"}, 701),
        ({**SINGLE, "SYSTEM": "fail=brmix"}, 700),
        ({**SINGLE, "SYSTEM": "fail=brmix_warning"}, 703),
        ({**DYNAMICS, "SYSTEM": "fail=killed=2"}, 700),
        ({**SINGLE, "SYSTEM": "fail=no_output"}, 352),
        ({**RELAXATION, "NSW": 2}, 702),
        ({**SINGLE, "SYSTEM": "fail=overflow"}, 1005),
        # What is not converged, or not a number, inside of molecular dynamics goes unseen.
        ({**DYNAMICS, "SYSTEM": "fail=md_scf=2"}, 0),
        ({**DYNAMICS, "SYSTEM": "fail=nan=2"}, 0),
    ],
    ids=lambda value: value.get("SYSTEM", "ionic") if isinstance(value, dict) else "",
)
def test_aiida_vasp_gives_its_exit_codes(run_stand_in, parse_files, atoms, tags, exit_status):
    done = run_stand_in(atoms, process="killed" in tags.get("SYSTEM", ""), **tags)
    names = ("CONTCAR", "OUTCAR", "vasprun.xml", "vasp_output")
    files = {name: done.folder / name for name in names}
    incar = {tag.lower(): value for tag, value in tags.items()}
    _, node = parse_files(
        "vasp.vasp",
        "vasp.vasp",
        {"parameters": orm.Dict(incar), "settings": orm.Dict({})},
        {name: path.read_bytes() for name, path in files.items() if path.exists()},
    )
    assert node.exit_status == exit_status, node.exit_message


@pytest.mark.medium
def test_the_workchain_of_aiida_vasp_mends_a_slow_convergence(vasp_code, potcar_family, atoms):
    from aiida.engine import run_get_node
    from aiida.plugins import WorkflowFactory

    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh([1, 1, 1])
    _, node = run_get_node(
        WorkflowFactory("vasp.v2.vasp"),
        code=vasp_code,
        structure=orm.StructureData(ase=atoms),
        kpoints=kpoints,
        parameters=orm.Dict({"incar": {"nsw": 0, "system": "fail=slow_scf=80"}}),
        potential_family=orm.Str(potcar_family),
        potential_mapping=orm.Dict({"Li": "Li_sv", "Cl": "Cl"}),
        # aiida-vasp asks for MPI by default, and the stand-in is a code without.
        options=orm.Dict({"resources": {"num_machines": 1}, "withmpi": False}),
    )
    assert node.is_finished_ok, node.exit_message
    calls = sorted(node.called, key=lambda call: call.pk)
    assert [call.exit_status for call in calls] == [701, 0]
    assert calls[1].inputs.parameters["nelm"] > 80


def test_the_readme_names_every_mode():
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    assert [mode for mode in MODES if f"`{mode}" not in text] == []
