"""The daemon's processes in the process table: whose they are, and what is done with stray ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from aiida.manage import get_config, get_manager

from aiida_mliptransport.tools import daemon

pytestmark = pytest.mark.medium

#: A program that does nothing, under the command line of a process of the daemon.
SLEEP = "import time; time.sleep(60)"

#: The same under the command line of the process that counts for the supervisor.
COUNT = "from circus import stats; import time; time.sleep(60)"


@pytest.fixture
def start(aiida_profile):
    """Return a function that starts a process which looks like one of the daemon's."""
    started = []

    def factory(role, profile=aiida_profile.name, marked=True, home=None, command=None):
        words = command or [SLEEP, "verdi", "-p", profile, "daemon", role]
        environment = {**os.environ, "AIIDA_PATH": str(home or get_config().dirpath)}
        if marked:
            environment["PYTHONUNBUFFERED"] = "True"
        started.append(subprocess.Popen([sys.executable, "-c", *words], env=environment))
        return started[-1]

    yield factory
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def no_daemon(monkeypatch):
    monkeypatch.setattr(daemon, "supervisor_pid", lambda: None)


def pids(found, started):
    own = {process.pid for process in started}
    return [entry.pid for entry in found if entry.pid in own]


def test_only_processes_that_this_profile_s_daemon_started_count(start, tmp_path):
    own = start("worker")
    others = [
        start("worker", profile="another"),
        start("worker", marked=False),
        start("worker", home=tmp_path),
        start("status"),
    ]
    assert pids(daemon.daemon_processes(), [own, *others]) == [own.pid]


def test_what_a_living_supervisor_started_is_no_stray(start, monkeypatch):
    worker = start("worker")
    monkeypatch.setattr(daemon, "supervisor_pid", os.getpid)
    assert pids(daemon.strays(), [worker]) == []
    monkeypatch.setattr(daemon, "supervisor_pid", lambda: os.getpid() + 1)
    assert pids(daemon.strays(), [worker]) == [worker.pid]


def test_stray_workers_and_then_the_broker_are_ended(start, no_daemon):
    broker, worker = start("broker"), start("worker")
    assert pids(daemon.strays(), [broker, worker]) == [worker.pid, broker.pid]
    assert pids(daemon.end_strays(), [broker, worker]) == [worker.pid, broker.pid]
    assert worker.poll() is not None
    assert broker.poll() is not None


def test_what_counts_for_a_killed_daemon_is_ended_and_that_of_another_profile_is_not(
    start, no_daemon, aiida_profile
):
    own, other = (
        start("worker", command=[COUNT, "--log-output", f"/anywhere/circus-{name}.log"])
        for name in (aiida_profile.name, "another")
    )
    (found,) = [entry for entry in daemon.strays() if entry.pid in (own.pid, other.pid)]
    assert (found.pid, found.role) == (own.pid, "statistics")
    assert pids(daemon.end_strays(), [own, other]) == [own.pid]
    assert own.poll() is not None
    assert other.poll() is None


def test_a_worker_that_does_not_listen_is_killed(start, no_daemon, monkeypatch):
    monkeypatch.setattr(daemon, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(sys.modules[__name__], "SLEEP", "import signal, time, pathlib, sys\n"
                        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP)  # fmt: skip
    worker = start("worker")
    time.sleep(0.5)
    assert pids(daemon.end_strays(), [worker]) == [worker.pid]
    assert worker.poll() is not None


def test_a_stray_broker_that_a_living_daemon_uses_is_left_alone(start, monkeypatch):
    broker = start("broker")
    monkeypatch.setattr(daemon, "supervisor_pid", lambda: os.getpid() + 1)
    assert pids(daemon.end_strays(), [broker]) == []
    assert broker.poll() is None


def test_a_worker_that_is_older_than_the_broker_does_not_hear_it(start):
    before = start("worker")
    time.sleep(0.05)
    broker = start("broker")
    time.sleep(0.05)
    after = start("worker")
    assert pids(daemon.deaf_workers(), [before, broker, after]) == [before.pid]


def test_a_daemon_whose_pid_file_was_left_behind_does_not_run(aiida_profile, monkeypatch):
    client = daemon.get_daemon_client()
    path = Path(client.circus_pid_file)
    monkeypatch.setattr(type(client), "circus_pid_file", str(path.with_name("stale.pid")))
    assert daemon.supervisor_pid() is None
    assert not daemon.was_killed()
    path.with_name("stale.pid").write_text(str(os.getpid()))
    # AiiDA takes it for running.
    assert client.is_daemon_running
    assert daemon.supervisor_pid() is None
    assert daemon.was_killed()


@pytest.fixture
def broker_files(aiida_profile, monkeypatch, tmp_path):
    """The broker of the profile with files of its own, and no process of a daemon."""
    broker = get_manager().get_broker()
    for name in ("pid", "sockets", "status"):
        monkeypatch.setattr(broker, f"_service_{name}_file", tmp_path / f"broker.{name}")
    monkeypatch.setattr(daemon, "daemon_processes", list)
    return broker


def test_a_broker_whose_pid_another_program_has_is_forgotten(broker_files):
    broker_files._service_pid_file.write_text(f"aiida-zeromq-broker {os.getpid()}")
    assert broker_files.check_service_reachable()
    assert daemon.forget_dead_broker()
    assert not broker_files.check_service_reachable()
    assert not daemon.forget_dead_broker()


def test_where_the_sockets_of_a_killed_broker_were_is_forgotten(broker_files):
    broker_files._service_sockets_file.write_text("/tmp/gone")
    assert daemon.forget_dead_broker()
    assert broker_files._router_endpoint is None


def test_a_living_broker_is_not_forgotten(start, broker_files):
    path = broker_files._service_pid_file
    path.write_text(f"aiida-zeromq-broker {start('broker').pid}")
    assert not daemon.forget_dead_broker()
    assert path.exists()


def test_a_broker_that_is_about_to_write_its_pid_is_not_forgotten(start, broker_files, monkeypatch):
    process = psutil.Process(start("broker").pid)
    entry = daemon.DaemonProcess(process, "broker", os.getpid())
    monkeypatch.setattr(daemon, "daemon_processes", lambda: [entry])
    broker_files._service_sockets_file.write_text("/tmp/new")
    assert not daemon.forget_dead_broker()
    assert broker_files._service_sockets_file.exists()


def test_a_broker_is_waited_for_until_it_has_written_its_sockets(start, broker_files):
    sockets = broker_files._service_sockets_file
    sockets.write_text("/tmp/of_the_one_before")
    os.utime(sockets, (0, 0))
    broker_files._service_pid_file.write_text(f"aiida-zeromq-broker {start('broker').pid}")
    assert not daemon._has_sockets(broker_files)
    sockets.write_text("/tmp/own")
    assert daemon._has_sockets(broker_files)


def test_workers_that_never_connected_are_replaced(start, broker_files, monkeypatch):
    worker, broker = start("worker"), start("broker")
    entries = [
        daemon.DaemonProcess(psutil.Process(process.pid), role, os.getpid())
        for process, role in ((worker, "worker"), (broker, "broker"))
    ]
    monkeypatch.setattr(daemon, "daemon_processes", lambda: entries)
    broker_files._service_pid_file.write_text(f"aiida-zeromq-broker {broker.pid}")
    status = {"pid": broker.pid, "task_subscribers": 0}
    broker_files._service_status_file.write_text(json.dumps(status))
    assert daemon._unconnected_workers() == []
    monkeypatch.setattr(daemon, "CONNECT_SECONDS", 0.0)
    assert [entry.pid for entry in daemon._unconnected_workers()] == [worker.pid]
    broker_files._service_status_file.write_text(json.dumps({**status, "task_subscribers": 1}))
    assert daemon._unconnected_workers() == []
