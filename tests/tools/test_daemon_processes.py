"""The daemon's processes in the process table: whose they are, and what is done with stray ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiida.manage import get_config, get_manager

from aiida_mliptransport.tools import daemon

pytestmark = pytest.mark.medium

#: A program that does nothing, under the command line of a process of the daemon.
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def start(aiida_profile):
    """Return a function that starts a process which looks like one of the daemon's."""
    started = []

    def factory(role, profile=aiida_profile.name, marked=True, home=None):
        command = [sys.executable, "-c", SLEEP, "verdi", "-p", profile, "daemon", role]
        environment = {**os.environ, "AIIDA_PATH": str(home or get_config().dirpath)}
        if marked:
            environment["PYTHONUNBUFFERED"] = "True"
        started.append(subprocess.Popen(command, env=environment))
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


def test_a_broker_whose_pid_another_program_has_is_forgotten(aiida_profile, monkeypatch, tmp_path):
    broker = get_manager().get_broker()
    path = tmp_path / "broker.pid"
    monkeypatch.setattr(broker, "_service_pid_file", path)
    path.write_text(f"aiida-zeromq-broker {os.getpid()}")
    assert broker.check_service_reachable()
    assert daemon.forget_dead_broker()
    assert not broker.check_service_reachable()
    assert not daemon.forget_dead_broker()


def test_a_living_broker_is_not_forgotten(start, monkeypatch, tmp_path):
    broker = get_manager().get_broker()
    path = tmp_path / "broker.pid"
    monkeypatch.setattr(broker, "_service_pid_file", path)
    path.write_text(f"aiida-zeromq-broker {start('broker').pid}")
    assert not daemon.forget_dead_broker()
    assert path.exists()
