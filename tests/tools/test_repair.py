"""Orphans are found and closed; what can still go on is left alone or sent again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from datetime import timedelta

import pytest
from aiida import orm
from aiida.brokers.zeromq.communicator import ZeromqCommunicator
from aiida.brokers.zeromq.server import ZeromqBrokerServer
from aiida.common import timezone
from aiida.common.links import LinkType
from aiida.manage import get_manager

from aiida_mliptransport.tools import repair

pytestmark = pytest.mark.medium


@pytest.fixture
def parent():
    node = orm.WorkChainNode()
    node.set_process_state("running")
    node.set_checkpoint("a checkpoint")
    node.store()
    yield node
    if not node.is_sealed:
        node.set_process_state("killed")
        node.delete_checkpoint()
        node.seal()


@pytest.fixture
def others(parent):
    """PKs of processes that other tests left in the session's profile."""
    known = orm.QueryBuilder().append(orm.ProcessNode, project="id").all(flat=True)
    return set(known) - {parent.pk}


@pytest.fixture
def no_daemon(monkeypatch):
    """No daemon, though tests before may have started one that lasts for the session."""
    monkeypatch.setattr(repair, "daemon_is_running", lambda: False)


def new(nodes, others):
    return [node.pk for node in nodes if node.pk not in others]


def child_of(parent, state=None, checkpoint=None):
    node = orm.CalcFunctionNode()
    node.base.links.add_incoming(parent, LinkType.CALL_CALC, "step")
    if state:
        node.set_process_state(state)
    if checkpoint:
        node.set_checkpoint(checkpoint)
    return node.store()


def test_a_child_without_state_and_checkpoint_is_sealed_as_excepted(parent, others, no_daemon):
    child = child_of(parent)
    assert new(repair.seal_orphans(), others) == [child.pk]
    assert child.is_excepted
    assert child.is_sealed
    assert new(repair.seal_orphans(), others) == []


def test_a_process_with_a_checkpoint_is_no_orphan(parent, others, no_daemon):
    child = child_of(parent, "waiting", "a checkpoint")
    assert new(repair.find_orphans(), others) == []
    child.delete_checkpoint()
    repair.seal_orphans()


def test_a_calcfunction_at_work_under_a_running_daemon_is_left_alone(parent, others, monkeypatch):
    child = child_of(parent, "running")
    monkeypatch.setattr(repair, "daemon_is_running", lambda: True)
    hour_ago = timezone.now() - timedelta(hours=1)
    monkeypatch.setattr(repair, "_workers_started", lambda: hour_ago)
    assert new(repair.find_orphans(), others) == []
    monkeypatch.setattr(repair, "_workers_started", timezone.now)
    assert new(repair.find_orphans(), others) == [child.pk]
    repair.seal_orphans()


def test_a_process_run_by_hand_gets_ten_minutes(monkeypatch):
    node = orm.CalcFunctionNode()
    node.set_process_state("running")
    node.store()
    assert node.pk not in [n.pk for n in repair.find_orphans()]
    monkeypatch.setattr(repair, "GRACE", timedelta(0))
    assert node.pk in [n.pk for n in repair.seal_orphans()]


def test_a_process_that_ended_and_was_not_closed_keeps_its_state(parent, others, monkeypatch):
    child = child_of(parent, "finished", "a checkpoint")
    monkeypatch.setattr(repair, "daemon_is_running", lambda: True)
    hour_ago = timezone.now() - timedelta(hours=1)
    monkeypatch.setattr(repair, "_workers_started", lambda: hour_ago)
    # A worker may be about to close it.
    assert new(repair.find_orphans(), others) == []
    monkeypatch.setattr(repair, "CLOSING", timedelta(0))
    assert new(repair.seal_orphans(), others) == [child.pk]
    assert child.is_finished
    assert child.is_sealed
    assert child.checkpoint is None


def test_a_process_that_ended_is_not_sent_again(parent, others, monkeypatch, dead_broker):
    monkeypatch.setattr(repair, "SETTLE_SECONDS", 0.0)
    child = child_of(parent, "finished", "a checkpoint")
    assert new(repair.find_lost(), others) == [parent.pk]
    repair.close(child)


@pytest.fixture
def dead_broker(monkeypatch, tmp_path):
    """The broker's process is gone; its queue lies in the returned folder."""
    broker = get_manager().get_broker()
    monkeypatch.setattr(type(broker), "check_service_reachable", lambda self: False)
    monkeypatch.setattr(repair, "queue_folder", lambda broker: tmp_path / "tasks")
    return tmp_path / "tasks"


def test_a_process_without_a_task_is_sent_again_once(parent, others, monkeypatch, dead_broker):
    monkeypatch.setattr(repair, "SETTLE_SECONDS", 0.0)
    assert new(repair.resend_lost(), others) == [parent.pk]
    tasks = [json.loads(path.read_text()) for path in (dead_broker / "pending").glob("*.json")]
    sent = [task["body"]["args"]["pid"] for task in tasks]
    assert sent.count(parent.pk) == 1
    assert repair.find_lost() == []


def test_looking_at_the_queue_does_not_move_tasks_that_workers_hold(parent, others, dead_broker):
    held = dead_broker / "processing" / "1_abc.json"
    held.parent.mkdir(parents=True)
    held.write_text(json.dumps({"body": {"args": {"pid": parent.pk}}}))
    assert new(repair.find_lost(), others) == []
    assert held.exists()
    state = repair.broker_state()
    assert (state.alive, state.pending, state.processing) == (False, 0, 1)


WAIT_SECONDS = 30

#: A worker that takes a task, says so, and never ends it.
WORKER = """
import sys
from concurrent.futures import Future
from threading import Event
from aiida.brokers.zeromq.communicator import ZeromqCommunicator

def take(communicator, task):
    print("taken", flush=True)
    return Future()

communicator = ZeromqCommunicator(sys.argv[1])
communicator.start()
communicator.add_task_subscriber(take)
print("ready", flush=True)
Event().wait()
"""


class DeafServer(ZeromqBrokerServer):
    """A broker that looks for dead workers too early when the first connection ends."""

    missed = False

    def _probe_workers(self):
        if self.missed:
            super()._probe_workers()
        self.missed = True


@pytest.fixture
def deaf_broker(monkeypatch, tmp_path):
    """The profile's broker misses the death of its first worker."""
    # A socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="deaf") as sockets:
        server = DeafServer(tmp_path / "storage", sockets)
        server.start()
        ended = threading.Event()

        def serve():
            while not ended.is_set():
                server.run_once(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        broker = type(get_manager().get_broker())
        monkeypatch.setattr(broker, "check_service_reachable", lambda self: True)
        monkeypatch.setattr(broker, "_router_endpoint", server.router_endpoint)
        yield server
        ended.set()
        thread.join()
        server.stop()


def wait_for(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_task_that_a_dead_worker_holds_goes_to_another(deaf_broker):
    taken = []

    def take(communicator, task):
        taken.append(task)
        return Future()

    command = [sys.executable, "-c", WORKER, deaf_broker.router_endpoint]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with ZeromqCommunicator(deaf_broker.router_endpoint) as other:
        assert worker.stdout.readline() == "ready\n"
        other.task_send("a task", no_reply=True)
        assert worker.stdout.readline() == "taken\n"
        other.add_task_subscriber(take)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        wait_for(lambda: deaf_broker.missed)
        assert taken == []
        assert repair.release_dead_workers()
        wait_for(lambda: taken)
        assert taken == ["a task"]
