"""Find and mend what a killed worker or broker left behind: orphans and lost tasks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from aiida import orm
from aiida.common import timezone
from aiida.engine.daemon.client import DaemonException, get_daemon_client
from aiida.manage import get_manager

from ..workflows.submission import close, is_orphan, is_unclosed
from ..workflows.task_queue import SETTLE_SECONDS, queue_folder, queued_processes
from .daemon import supervisor_pid

#: A process without a checkpoint that is younger than this may be a calcfunction at work.
GRACE = timedelta(minutes=10)

#: A process that ended longer ago and is not sealed will never be: that takes milliseconds.
CLOSING = timedelta(seconds=10)

#: Recipient of a message that only asks whether the broker answers.
NOBODY = "mliptransport-nobody"

#: Seconds in which a living broker answers.
ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class BrokerState:
    """Tasks and workers as the broker knows them; None where it cannot tell.

    ``alive`` is False when the broker's process is gone.
    """

    alive: bool
    pending: int | None
    processing: int | None
    workers: int | None


def find_orphans(among: Iterable[orm.ProcessNode] | None = None) -> list[orm.ProcessNode]:
    """Return processes that can neither go on nor have ended, or ended and were not closed.

    A running calcfunction has no checkpoint either. So while a daemon runs a process counts only
    if its caller ended, if no living worker is old enough to run it, or if it is older than ten
    minutes; a process that no other called (run by hand) always needs the ten minutes. One that
    has ended counts if no living worker is old enough to close it, or after ten seconds.
    """
    nodes = unfinished() if among is None else list(among)
    started = _workers_started()
    return [
        node
        for node in nodes
        if (is_orphan(node) and _abandoned(node, started))
        or (is_unclosed(node) and _unattended(node, started))
    ]


def unfinished() -> list[orm.ProcessNode]:
    """Return all processes that have not ended, that is: are not sealed."""
    refresh()
    query = orm.QueryBuilder().append(orm.ProcessNode, project=["id", "attributes.sealed"])
    pks = [pk for pk, sealed in query.all() if not sealed]
    return [orm.load_node(pk) for pk in sorted(pks)]


def seal_orphans(among: Iterable[orm.ProcessNode] | None = None) -> list[orm.ProcessNode]:
    """Close all orphans, so that archives can hold them; return them.

    Those that have not ended are marked as excepted.
    """
    orphans = find_orphans(among)
    for node in orphans:
        close(node)
    return orphans


def broker_state() -> BrokerState | None:
    """Return what the broker says, or None if the profile has no broker.

    RabbitMQ does not tell who works on what, so only whether it answers.
    """
    broker = get_manager().get_broker()
    if broker is None:
        return None
    alive = bool(broker.check_service_reachable())
    folder = queue_folder(broker)
    if folder is None:
        return BrokerState(alive, None, None, None)
    status = broker.probe_service_status() if alive else {}
    if status.get("pid") != broker._get_service_pid():
        status = {}  # of the broker before this one
    return BrokerState(
        alive,
        len(list((folder / "pending").glob("*.json"))),
        len(list((folder / "processing").glob("*.json"))),
        status.get("task_subscribers"),
    )


def release_dead_workers() -> bool:
    """Make the broker look for dead workers and give their tasks to others.

    AiiDA's broker (aiida-core 2.9.4) looks for them only when a connection ends. When a worker is
    killed it may look a moment too early, and then holds that worker's tasks until another
    connection ends. So this opens a connection, waits for an answer on it, and closes it.

    Returns
    -------
    bool
        Whether such a broker answered; RabbitMQ needs no help.
    """
    from aiida.brokers.zeromq.broker import ZeromqBroker
    from aiida.brokers.zeromq.communicator import ZeromqCommunicator

    broker = get_manager().get_broker()
    if not isinstance(broker, ZeromqBroker) or not broker.check_service_reachable():
        return False
    endpoint = broker._router_endpoint
    if endpoint is None:
        return False
    with ZeromqCommunicator(endpoint) as communicator:
        try:
            # The answer is that there is nobody of that name.
            communicator.rpc_send(NOBODY, None).exception(timeout=ANSWER_SECONDS)
        except TimeoutError:
            return False
    return True


def find_lost() -> list[orm.ProcessNode]:
    """Return processes that could go on but have no task in the broker's queue.

    Raises
    ------
    DaemonException
        With RabbitMQ while the daemon runs: tasks that workers hold are not visible then.
    """
    first = _without_task()
    if not first:
        return []
    time.sleep(SETTLE_SECONDS)
    second = {node.pk for node in _without_task()}
    return [node for node in first if node.pk in second]


def resend_lost() -> list[orm.ProcessNode]:
    """Send the task of every lost process again and return these processes."""
    lost = find_lost()
    if not lost:
        return []
    broker = get_manager().get_broker()
    folder = queue_folder(broker)
    if folder is not None and not broker.check_service_reachable():
        # The broker lives in the daemon and reads its queue when it starts.
        for node in lost:
            _write_task(folder, node.pk)
        return lost
    controller = get_manager().get_process_controller()
    for node in lost:
        controller.continue_process(node.pk, nowait=False, no_reply=True)
    return lost


def daemon_is_running() -> bool:
    return supervisor_pid() is not None


def refresh() -> None:
    """End the session's transaction: SQLite would go on reading the state at its start."""
    storage = get_manager().get_profile_storage()
    if hasattr(storage, "get_session"):
        storage.get_session().commit()


def _abandoned(node: orm.ProcessNode, started: datetime | None) -> bool:
    old = bool(timezone.now() - node.mtime > GRACE)
    if node.caller is None:
        return old
    if not daemon_is_running() or node.caller.is_terminated:
        return True
    return old or (started is not None and node.ctime < started)


def _unattended(node: orm.ProcessNode, started: datetime | None) -> bool:
    if not daemon_is_running() or timezone.now() - node.mtime > CLOSING:
        return True
    return started is not None and node.mtime < started


def _workers_started() -> datetime | None:
    """Return when the oldest living worker started, or None if that is not known."""
    client = get_daemon_client()
    if not daemon_is_running():
        return None
    try:
        info = client.get_worker_info(timeout=10)["info"]
    except DaemonException:
        return None
    times = [entry["create_time"] for entry in info.values() if isinstance(entry, dict)]
    return datetime.fromtimestamp(min(times), tz=timezone.utc) if times else None


def _without_task() -> list[orm.ProcessNode]:
    active = [
        node
        for node in unfinished()
        if node.checkpoint is not None
        and node.process_state is not None
        and not node.is_terminated
        and not node.paused
    ]
    if not active:
        return []
    known = _tasks()
    return [node for node in active if node.pk not in known]


def _tasks() -> set[int]:
    broker = get_manager().get_broker()
    folder = queue_folder(broker)
    if folder is not None:
        return queued_processes(folder)
    if daemon_is_running():
        raise DaemonException(
            "RabbitMQ hides the tasks that workers hold: run `verdi daemon stop` first"
        )
    from aiida.engine.processes.control import get_process_tasks

    return set(get_process_tasks(broker))


def _write_task(folder: Path, pk: int) -> None:
    from aiida.brokers.zeromq.queue import PersistentQueue
    from plumpy.process_comms import create_continue_body

    # nowait=False keeps the task until the process ends, as a submission does.
    body = create_continue_body(pid=pk, nowait=False)
    PersistentQueue(folder).push(uuid.uuid4().hex, {"body": body, "no_reply": True})
