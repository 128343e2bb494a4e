"""The doctor names each problem with the command that mends it."""

from __future__ import annotations

import stat
from types import SimpleNamespace

import pytest
from aiida import orm

from aiida_mliptransport.tools import doctor
from aiida_mliptransport.tools.installation import find_program
from aiida_mliptransport.tools.repair import BrokerState

LMP = 'echo "LAMMPS (22 Jul 2025)"; echo "ERROR: {}"; exit 1'
CP2K = """echo " CP2K version 2023.1"
echo '   D __COMPILE_X="y" -D __DATA'
echo '   _DIR="{}" -D __SHORT="x"'
"""


@pytest.fixture
def program(tmp_path, computer):
    """Return a factory of codes whose program is a shell script."""

    def factory(name: str, script: str) -> orm.InstalledCode:
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return orm.InstalledCode(label=name, computer=computer, filepath_executable=str(path))

    return factory


def examine(name, code):
    return doctor._examine_code(name, code)


def test_a_program_that_is_not_there_is_told(computer):
    code = orm.InstalledCode(label="dp", computer=computer, filepath_executable="/no/dp")
    (finding,) = examine("dp", code)
    assert not finding.ok
    assert "/no/dp does not exist" in finding.detail
    assert "aiida-mliptransport setup" in finding.remedy


def test_a_program_that_breaks_shows_its_last_line(program):
    (finding,) = examine("dp", program("dp", "echo 'libcudart.so.12: cannot open'; exit 1"))
    assert not finding.ok
    assert finding.detail == "does not run: libcudart.so.12: cannot open"


def test_the_version_of_deepmd_is_found(program):
    (finding,) = examine("dp", program("dp", "echo 'DeePMD-kit v3.2.0'"))
    assert finding.ok
    assert finding.detail == "DeePMD-kit 3.2.0"


def test_a_lammps_without_the_plugin_is_told(program):
    found, plugin = examine("lmp", program("lmp", LMP.format("Unrecognized pair style 'deepmd'")))
    assert found.ok
    assert found.detail == "LAMMPS 22 Jul 2025"
    assert not plugin.ok
    assert "LAMMPS_PLUGIN_PATH" in plugin.remedy


def test_a_lammps_that_knows_the_pair_style_is_fine(program):
    findings = examine("lmp", program("lmp", LMP.format("Illegal pair_style command")))
    assert all(finding.ok for finding in findings)


@pytest.mark.medium
@pytest.mark.lammps
def test_the_installed_lammps_runs_as_setup_finds_it_and_as_the_tests_do(computer, lammps):
    path = find_program("lmp")
    installed = orm.InstalledCode(label="lmp", computer=computer, filepath_executable=path)
    for code in (installed, lammps):
        found, plugin = examine("lmp", code)
        assert found.ok, found.detail
        assert plugin.ok, plugin.detail


def test_the_code_s_own_environment_is_used(tmp_path, computer, program):
    code = program("dp", 'echo "DeePMD-kit v$FOR_TEST"')
    code = orm.InstalledCode(
        label="dp",
        computer=computer,
        filepath_executable=str(code.get_executable()),
        prepend_text="export FOR_TEST=9.9.9",
    )
    assert examine("dp", code)[0].detail == "DeePMD-kit 9.9.9"


@pytest.mark.medium
def test_missing_basis_files_are_named(program, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    code = program("cp2k", CP2K.format(data))
    assert examine("cp2k", code)[1].detail == f"{data} lacks {list(doctor.CP2K_FILES)}"
    for name in doctor.CP2K_FILES:
        (data / name).write_text("")
    assert examine("cp2k", code)[1].ok


def test_a_python_without_ase_is_told(program):
    code = program("python", "echo 'ase -'; echo 'numpy 2.0'; echo 'deepmd -'; echo 'tblite -'")
    (finding,) = examine("python", code)
    assert not finding.ok
    assert finding.detail == "lacks ['ase']"
    assert finding.remedy.endswith("-m pip install ase numpy")


@pytest.mark.medium
def test_a_stopped_daemon_is_a_problem_with_its_command(aiida_profile, monkeypatch):
    monkeypatch.setattr(doctor, "supervisor_pid", lambda: None)
    findings = {finding.subject: finding for finding in doctor.examine(codes=False)}
    assert not findings["daemon"].ok
    assert findings["daemon"].remedy == "verdi daemon start"


def process(pid, role):
    return SimpleNamespace(pid=pid, role=role)


@pytest.mark.parametrize(("supervisor", "stop"), [(None, False), (5, True)])
def test_processes_of_a_killed_daemon_are_told(monkeypatch, supervisor, stop):
    monkeypatch.setattr(doctor, "supervisor_pid", lambda: supervisor)
    monkeypatch.setattr(doctor, "strays", lambda: [process(7, "worker"), process(8, "broker")])
    (finding,) = doctor._strays()
    assert not finding.ok
    assert finding.detail.startswith("worker 7, broker 8: ")
    assert "doctor --repair" in finding.remedy
    assert ("verdi daemon stop" in finding.remedy) == stop


@pytest.fixture
def running_daemon(monkeypatch):
    """A daemon runs, whose workers and broker are as the test says."""
    monkeypatch.setattr(doctor, "supervisor_pid", lambda: 5)
    monkeypatch.setattr(doctor, "CONNECT_SECONDS", 0.0)

    def state(broker, deaf=()):
        monkeypatch.setattr(doctor, "broker_state", lambda: broker)
        monkeypatch.setattr(doctor, "deaf_workers", lambda: list(deaf))
        (finding,) = doctor._broker()
        return finding

    return state


def test_workers_that_lost_their_broker_are_told(running_daemon):
    finding = running_daemon(BrokerState(True, 7, 0, 1), [process(7, "worker")])
    assert not finding.ok
    assert "7 task(s)" in finding.detail
    assert "worker(s) 7 do not hear it" in finding.detail
    assert finding.remedy == "aiida-mliptransport doctor --repair"


def test_a_broker_without_workers_is_told(running_daemon):
    finding = running_daemon(BrokerState(True, 7, 0, 0))
    assert "no worker is connected" in finding.detail
    assert finding.remedy == "verdi daemon restart"
    assert "was killed" in running_daemon(BrokerState(False, 7, 0, None)).detail


def test_too_few_slots_are_told(monkeypatch):
    class Client:
        def get_status(self, timeout):
            return {}

        def get_number_of_workers(self, timeout):
            return 1

    monkeypatch.setattr(doctor, "get_daemon_client", Client)
    monkeypatch.setattr(doctor, "supervisor_pid", lambda: 5)
    monkeypatch.setattr(doctor, "strays", list)
    monkeypatch.setattr(doctor, "get_config_option", lambda name: 2)
    slots = doctor._daemon()[1]
    assert not slots.ok
    assert "worker_process_slots 200" in slots.remedy
