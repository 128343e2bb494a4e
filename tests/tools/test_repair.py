"""Orphans are found and closed; what can still go on is left alone or sent again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from aiida import orm
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


def test_a_child_without_state_and_checkpoint_is_sealed_as_excepted(parent, others):
    child = child_of(parent)
    assert new(repair.seal_orphans(), others) == [child.pk]
    assert child.is_excepted
    assert child.is_sealed
    assert repair.seal_orphans() == []


def test_a_process_with_a_checkpoint_is_no_orphan(parent, others):
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


@pytest.fixture
def dead_broker(monkeypatch, tmp_path):
    """The broker's process is gone; its queue lies in the returned folder."""
    broker = get_manager().get_broker()
    monkeypatch.setattr(type(broker), "check_service_reachable", lambda self: False)
    monkeypatch.setattr(repair, "_queue_folder", lambda broker: tmp_path / "tasks")
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
