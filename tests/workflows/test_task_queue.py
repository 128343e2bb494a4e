"""Which processes have a task in the built-in broker's queue, read from its files."""

from __future__ import annotations

import json

import pytest
from aiida import orm
from aiida.engine import ProcessState
from aiida.manage import get_manager

from aiida_mliptransport.workflows import task_queue

pytestmark = pytest.mark.medium


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Return a function that puts a task for a process into an otherwise empty queue."""
    monkeypatch.setattr(task_queue, "queue_folder", lambda broker: tmp_path)
    monkeypatch.setattr(task_queue, "SETTLE_SECONDS", 0.0)

    def put(pk, place="pending"):
        path = tmp_path / place / f"1_{pk}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"body": {"task": "continue", "args": {"pid": pk}}}))

    put.folder = tmp_path
    return put


@pytest.fixture
def waiting(aiida_profile):
    node = orm.WorkChainNode()
    node.set_process_state(ProcessState.WAITING)
    node.set_checkpoint("a checkpoint")
    node.store()
    yield node
    node.set_process_state(ProcessState.KILLED)
    node.delete_checkpoint()
    node.seal()


@pytest.mark.parametrize("place", ["pending", "processing"])
def test_a_task_that_waits_or_is_at_work_counts(queue, waiting, place):
    assert task_queue.has_no_task(waiting, None)
    queue(waiting.pk, place)
    assert not task_queue.has_no_task(waiting, None)


def test_a_task_that_is_just_being_written_is_no_error(queue):
    queue(1)
    (queue.folder / "pending" / "2_2.json").write_text('{"body": {"ar')
    (queue.folder / "pending" / "3_3.json").write_text("{}")
    assert task_queue.queued_processes(queue.folder) == {1}


def test_a_task_that_arrives_late_counts(queue, waiting, monkeypatch):
    monkeypatch.setattr(task_queue.time, "sleep", lambda seconds: queue(waiting.pk))
    assert not task_queue.has_no_task(waiting, None)


def test_a_process_that_has_ended_needs_no_task(queue, aiida_profile):
    node = orm.WorkChainNode()
    node.set_process_state(ProcessState.FINISHED)
    assert not task_queue.has_no_task(node.store().seal(), None)


def test_the_queue_of_another_broker_is_not_visible(waiting):
    assert task_queue.queue_folder(object()) is None
    assert not task_queue.has_no_task(waiting, object())
    assert task_queue.queue_folder(get_manager().get_broker()).name == "tasks"
