"""The processes of a profile's daemon, as the operating system sees them, and ending stray ones.

The supervisor (circus) starts the broker, the workers and a process that counts what they use. When
it is killed they go on without it, and a daemon that is started then puts others beside them. When
the broker is killed the supervisor starts another, which the workers that are there never find
(aiida-core 2.9.4). A killed broker leaves the file that says where its sockets were, and a worker
that reads it before the next broker has written its own listens there for ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from aiida.brokers.zeromq.broker import ZeromqBroker
from aiida.engine.daemon.client import DaemonClient, get_daemon_client
from aiida.manage import get_config, get_manager

#: Word of the command line that tells what a process of the daemon does.
ROLES = {"start-circus": "supervisor", "broker": "broker", "worker": "worker"}

#: How the command line of the process that counts begins after ``python -c``.
STATISTICS = "from circus import stats"

#: Set for every process that the daemon starts, and for none that a user starts by hand.
MARK = ("PYTHONUNBUFFERED", "True")

#: Seconds in which a process ends by itself when it is asked to; a worker closes its connections.
GRACE_SECONDS = 20.0

#: Seconds in which the supervisor has started another broker.
RESPAWN_SECONDS = 10.0

#: Seconds in which a worker that has started is connected to the broker.
CONNECT_SECONDS = 20.0

#: Seconds in which the supervisor has started other workers.
RESTART_SECONDS = 60


@dataclass(frozen=True)
class DaemonProcess:
    """One process of the daemon: its role and its parent's PID.

    The role is supervisor, broker, worker or statistics.
    """

    process: psutil.Process
    role: str
    parent: int

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def started(self) -> float:
        """Seconds since 1970."""
        return float(self.process.create_time())


def daemon_processes() -> list[DaemonProcess]:
    """Return the living processes that the daemon of the loaded profile started, by PID."""
    return sorted(_processes(get_daemon_client()), key=lambda found: found.pid)


def _processes(client: DaemonClient) -> Iterator[DaemonProcess]:
    home = os.path.realpath(get_config().dirpath)
    for process in psutil.process_iter():
        try:
            role = _role(process.cmdline(), client.profile.name)
            if role is None:
                continue
            environment = process.environ()
            if environment.get(MARK[0]) != MARK[1]:
                continue
            if os.path.realpath(environment.get("AIIDA_PATH", "")) == home:
                yield DaemonProcess(process, role, process.ppid())
        except psutil.Error:
            continue  # it ended meanwhile, or belongs to another user


def _role(words: list[str], profile: str) -> str | None:
    """Return the role in a command line ``verdi -p PROFILE daemon ROLE``, None for others.

    That of the process that counts has the name of the profile's log instead.
    """
    if any(word.startswith(STATISTICS) for word in words):
        log = f"circus-{profile}.log"
        return "statistics" if any(os.path.basename(word) == log for word in words) else None
    if "daemon" not in words or profile not in words:
        return None
    following = words[words.index("daemon") + 1 :]
    return ROLES.get(following[0]) if following else None


def supervisor_pid() -> int | None:
    """Return the PID of the living supervisor, None if there is none.

    AiiDA takes a daemon for running while its PID file is there, also when it was killed.
    """
    client = get_daemon_client()
    if client.get_daemon_pid() is None or client._is_pid_file_stale:
        return None
    pid: int | None = client.get_daemon_pid()
    return pid


def was_killed() -> bool:
    """Whether the supervisor is gone and left its PID file, as it does when it is killed."""
    return get_daemon_client().get_daemon_pid() is not None and supervisor_pid() is None


def strays() -> list[DaemonProcess]:
    """Return the processes that no living supervisor looks after, workers first."""
    supervisor = supervisor_pid()
    found = [
        entry
        for entry in daemon_processes()
        if entry.role != "supervisor" and entry.parent != supervisor
    ]
    return sorted(found, key=lambda entry: (entry.role != "worker", entry.pid))


def end_strays() -> list[DaemonProcess]:
    """End stray processes; return them.

    What they worked on goes on under the next daemon. A stray broker that a living daemon uses is
    left alone, because that daemon would not start another.
    """
    alive = supervisor_pid() is not None
    chosen = [entry for entry in strays() if entry.role != "broker" or not alive]
    for entry in chosen:
        _end(entry.process)
    return chosen


def deaf_workers() -> list[DaemonProcess]:
    """Return workers that are older than the broker: they still listen to the one before it."""
    processes = daemon_processes()
    brokers = [entry for entry in processes if entry.role == "broker"]
    if not brokers:
        return []
    started = max(entry.started for entry in brokers)
    return [entry for entry in processes if entry.role == "worker" and entry.started < started]


def restart_deaf_workers() -> list[DaemonProcess]:
    """Let the supervisor replace its workers if some do not hear the broker; return these."""
    if supervisor_pid() is None:
        return []
    _wait_for_broker()
    deaf = deaf_workers() or _unconnected_workers()
    if deaf:
        get_daemon_client().restart_daemon(wait=True, timeout=RESTART_SECONDS)
    return deaf


def _wait_for_broker() -> None:
    """Give the supervisor the time to start another broker, where it looks after one."""
    broker = get_manager().get_broker()
    if not isinstance(broker, ZeromqBroker):
        return
    deadline = time.monotonic() + RESPAWN_SECONDS
    while time.monotonic() < deadline and not _has_sockets(broker):
        time.sleep(0.1)


def _has_sockets(broker: ZeromqBroker) -> bool:
    """Whether a living broker has written where its sockets are, so that workers find it."""
    pid = broker._get_service_pid()
    if pid is None or not broker.check_service_reachable():
        return False
    try:
        written = broker._service_sockets_file.stat().st_mtime
        # The clock of files is coarser than that of processes.
        return bool(written > psutil.Process(pid).create_time() - 0.1)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False


def _unconnected_workers() -> list[DaemonProcess]:
    """Return the workers if the broker knows of none, though they had the time to connect."""
    broker = get_manager().get_broker()
    if not isinstance(broker, ZeromqBroker):
        return []
    status = broker.probe_service_status()
    if status.get("pid") != broker._get_service_pid() or status.get("task_subscribers") != 0:
        return []
    workers = [entry for entry in daemon_processes() if entry.role == "worker"]
    if any(time.time() - entry.started < CONNECT_SECONDS for entry in workers):
        return []
    return workers


def forget_dead_broker() -> bool:
    """Remove what a broker left that is gone: its PID file, and where its sockets were.

    Another program may have that PID now, as after a reboot: AiiDA would take it for the broker and
    start none. Workers would listen at the old sockets.
    """
    broker = get_manager().get_broker()
    if not isinstance(broker, ZeromqBroker):
        return False
    pid = broker._get_service_pid()
    if pid is not None and psutil.pid_exists(pid) and _is_broker(psutil.Process(pid)):
        return False
    # One that starts writes where its sockets are before its PID.
    if any(entry.role == "broker" for entry in daemon_processes()):
        return False
    found = [path for path in (broker._service_pid_file, broker._service_sockets_file)
             if path.exists()]  # fmt: skip
    for path in found:
        path.unlink(missing_ok=True)
    return bool(found)


def _is_broker(process: Any) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return any(word == "broker" or "aiida.brokers" in word for word in words)


def _end(process: Any) -> None:
    try:
        process.terminate()
        process.wait(GRACE_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(GRACE_SECONDS)
    except psutil.NoSuchProcess:
        return
