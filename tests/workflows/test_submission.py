"""Submitting a child once: what is adopted, what is sealed, what runs anew."""

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState, calcfunction

from aiida_mliptransport.workflows.submission import (
    ORPHAN_MESSAGE,
    FanOutWorkChain,
    close,
    find_child,
    is_orphan,
    is_unclosed,
)

pytestmark = pytest.mark.medium


@calcfunction
def double(value):
    return orm.Int(2 * value.value)


class Doubler(FanOutWorkChain):
    """Run one calcfunction twice under one label, as a step that a killed worker repeats."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("value", valid_type=orm.Int)
        spec.output("first", valid_type=orm.Int)
        spec.output("second", valid_type=orm.Int)
        spec.outline(cls.run_twice)

    def run_twice(self):
        self.out("first", self.run_once("double", double, value=self.inputs.value)["result"])
        self.out("second", self.run_once("double", double, value=self.inputs.value)["result"])


class HalfClosed(FanOutWorkChain):
    """Find a calcfunction that ended, with its output, under a worker that then was killed."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("value", valid_type=orm.Int)
        spec.output("double", valid_type=orm.Int)
        spec.outline(cls.leave, cls.find)

    def leave(self):
        node = orm.CalcFunctionNode()
        node.base.links.add_incoming(self.node, LinkType.CALL_CALC, "double")
        node.store()
        output = orm.Int(2 * self.inputs.value.value)
        output.base.links.add_incoming(node, LinkType.CREATE, "result")
        output.store()
        node.set_exit_status(0)
        node.set_process_state(ProcessState.FINISHED)

    def find(self):
        self.out("double", self.run_once("double", double, value=self.inputs.value)["result"])


@pytest.fixture
def family(aiida_profile):
    """Return a parent and a factory of its children in a given state."""
    parent = orm.WorkChainNode().store()

    def child(label, state=None, checkpoint=None, seal=False):
        node = orm.WorkChainNode()
        node.base.links.add_incoming(parent, link_type=LinkType.CALL_WORK, link_label=label)
        node.store()
        if checkpoint is not None:
            node.set_checkpoint(checkpoint)
        if state is not None:
            node.set_process_state(state)
        if seal:
            node.seal()
        return node

    return parent, child


def test_a_child_with_a_checkpoint_is_adopted(family):
    parent, child = family
    node = child("run", ProcessState.WAITING, checkpoint="state")
    assert find_child(parent, "run").pk == node.pk


def test_a_finished_child_is_adopted(family):
    parent, child = family
    node = child("run", ProcessState.FINISHED, seal=True)
    assert find_child(parent, "run").pk == node.pk


def test_a_child_that_was_left_behind_is_an_orphan_and_not_adopted(family):
    parent, child = family
    node = child("run")
    assert is_orphan(node)
    assert find_child(parent, "run") is None


def test_a_child_whose_worker_was_killed_before_it_closed_it_keeps_its_result(family):
    parent, child = family
    node = child("run", ProcessState.FINISHED, checkpoint="state")
    assert find_child(parent, "run").pk == node.pk
    assert not is_orphan(node)
    assert is_unclosed(node)
    close(node)
    assert node.is_sealed
    assert node.is_finished
    assert node.checkpoint is None


def test_a_calcfunction_that_ended_and_was_not_closed_is_closed_and_not_run_again(aiida_profile):
    from aiida.engine import run_get_node

    outputs, node = run_get_node(HalfClosed, value=orm.Int(4))
    assert outputs["double"].value == 8
    (child,) = node.called
    assert child.is_finished_ok
    assert child.is_sealed


def test_an_orphan_is_sealed_as_excepted(family):
    _, child = family
    node = child("run")
    close(node)
    assert node.is_sealed
    assert node.is_excepted
    assert node.exception == ORPHAN_MESSAGE


def test_a_killed_or_excepted_child_is_not_adopted(family):
    parent, child = family
    child("run", ProcessState.EXCEPTED, seal=True)
    child("run", ProcessState.KILLED, seal=True)
    assert find_child(parent, "run") is None


def test_children_with_other_labels_are_not_mistaken(family):
    parent, child = family
    child("run_1", ProcessState.FINISHED, seal=True)
    assert find_child(parent, "run") is None


def test_a_calcfunction_runs_once_under_one_label(aiida_profile):
    from aiida.engine import run_get_node

    outputs, node = run_get_node(Doubler, value=orm.Int(4))
    assert outputs["first"].value == 8
    assert outputs["first"].uuid == outputs["second"].uuid
    assert len(node.called) == 1


def test_no_job_at_a_time_is_refused(aiida_profile):
    from aiida.engine import run

    with pytest.raises(ValueError, match="max_concurrent is 0, expected 1 or more"):
        run(Doubler, value=orm.Int(4), max_concurrent=orm.Int(0))
