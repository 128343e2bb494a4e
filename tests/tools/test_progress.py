"""Progress is read from the links of a campaign while it runs and after it ended."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames, System
from aiida_mliptransport.tools.progress import ProgressWatch, read_progress


class Graph:
    """Builds a campaign's graph node by node, without running anything."""

    def __init__(self, **inputs) -> None:
        self.root = orm.WorkChainNode(label="licl-melt")
        for label, data in inputs.items():
            self.root.base.links.add_incoming(data.store(), LinkType.INPUT_WORK, label)
        self.root.set_process_state("running")
        self.root.set_process_label("ActiveLearningWorkChain")
        self.root.set_checkpoint("a checkpoint")
        self.root.store()

    def child(self, label, parent=None, kind=orm.WorkChainNode, ended=True, **outputs):
        node = kind()
        link = LinkType.CALL_WORK if kind is orm.WorkChainNode else LinkType.CALL_CALC
        node.base.links.add_incoming(parent or self.root, link, label)
        node.set_process_state("finished" if ended else "waiting")
        if ended:
            node.set_exit_status(0)
        else:
            node.set_checkpoint("a checkpoint")
        node.store()
        for name, data in outputs.items():
            returned = kind is orm.WorkChainNode
            if returned:
                data.store()
            data.base.links.add_incoming(
                node, LinkType.RETURN if returned else LinkType.CREATE, name
            )
            data.store()
        if ended:
            node.seal()
        return node

    def end(self, status, **outputs):
        for name, data in outputs.items():
            data.store().base.links.add_incoming(self.root, LinkType.RETURN, name)
        self.root.set_process_state("finished")
        self.root.set_exit_status(status)
        self.root.delete_checkpoint()
        self.root.seal()


def labelled(n: int) -> FrameSetData:
    system = System(
        numbers=[3],
        positions=np.arange(3.0 * n).reshape(n, 1, 3),
        cells=np.tile(np.eye(3) * 4, (n, 1, 1)),
        pbc=[True] * 3,
        energies=np.zeros(n),
        forces=np.zeros((n, 1, 3)),
    )
    return FrameSetData(Frames((system,)), level_of_theory={"engine": "test"})


def no_failures() -> orm.Dict:
    return orm.Dict({"failures": []})


@pytest.fixture
def graph():
    built = Graph()
    yield built
    end_open(built)


def end_open(built):
    for node in [built.root, *built.root.called_descendants]:
        if not node.is_sealed:
            node.set_process_state("killed")
            node.delete_checkpoint()
            node.seal()


def first_iteration(graph):
    graph.child("aimd", frames=labelled(10), failures=no_failures())
    graph.child("iteration_01_train")
    graph.child("iteration_01_explore")
    selection = {"n_frames": 200, "accurate": 150, "candidate": 40, "failed": 10}
    graph.child("iteration_01_select", kind=orm.CalcFunctionNode, selection=orm.Dict(selection))
    failures = orm.Dict({"failures": [{"index": 0, "class": "crashed"}]})
    graph.child("iteration_01_label_blind", frames=labelled(3), failures=failures)


def test_a_campaign_that_just_started_says_so(graph):
    progress = read_progress(graph.root.pk)
    assert progress.stage == "start"
    assert progress.state == "running"
    assert not progress.ended
    assert progress.iterations == []


@pytest.mark.medium
def test_selection_and_labels_are_known_before_the_iteration_was_assessed(graph):
    first_iteration(graph)
    evaluate = graph.child("iteration_01_evaluate", kind=orm.CalcJobNode, ended=False)
    progress = read_progress(graph.root.pk)
    (iteration,) = progress.iterations
    assert (iteration.accurate, iteration.candidate, iteration.failed) == (150, 40, 10)
    assert (iteration.n_labels, iteration.n_failed_labels) == (3, 1)
    assert iteration.blind_force_rmse is None
    assert iteration.step == "evaluate"
    assert (progress.n_labels, progress.n_failed_labels) == (13, 1)
    assert progress.stage == "iteration 1: blind tests"
    assert [(job.pk, job.where) for job in progress.running] == [
        (evaluate.pk, "iteration_01_evaluate")
    ]
    assert (progress.n_jobs, progress.n_jobs_ended) == (1, 0)


def test_labels_of_finished_batches_count_while_the_labelling_runs(graph):
    label = graph.child("iteration_01_label_candidates", ended=False)
    graph.child("batch_000", parent=label, kind=orm.CalcJobNode, frames=labelled(5))
    graph.child("batch_001", parent=label, kind=orm.CalcJobNode, ended=False)
    progress = read_progress(graph.root.pk)
    assert progress.n_labels == 5
    assert (progress.n_jobs, progress.n_jobs_ended) == (2, 1)
    graph.child("join_labels", parent=label, kind=orm.CalcFunctionNode, frames=labelled(5))
    assert read_progress(graph.root.pk).n_labels == 5


@pytest.mark.medium
def test_labels_of_the_campaign_that_goes_on_count_and_given_frames_do_not():
    given = {"initial_frames__mine": labelled(20), "resumed__frames__mine": labelled(20)}
    earlier = {
        "resumed__frames__initial": labelled(10),
        "resumed__frames__iteration_01": labelled(4),
        "resumed__blind_frames__iteration_01": labelled(3),
    }
    graph = Graph(**given, **earlier)
    graph.child("iteration_02_label_blind", frames=labelled(2), failures=no_failures())
    assert read_progress(graph.root.pk).n_labels == 19
    end_open(graph)


def test_the_record_of_an_assessed_iteration_is_shown(graph):
    first_iteration(graph)
    record = {
        "iteration": 1,
        "n_training_frames": 10,
        "trust_levels": {"low": 0.2, "high": 0.3},
        "blind": {"force_rmse": 0.08, "relative": 0.12},
        "converged": False,
    }
    graph.child("iteration_01_assess", kind=orm.CalcFunctionNode, result=orm.Dict(record))
    graph.child("iteration_01_label_candidates", frames=labelled(4), failures=no_failures())
    graph.child("iteration_01_neb", labels=labelled(5))
    progress = read_progress(graph.root.pk)
    assert progress.n_labels == 10 + 3 + 4 + 5
    (iteration,) = progress.iterations
    assert iteration.step == "label_candidates"
    assert iteration.n_labels == 12
    assert iteration.n_training_frames == 10
    assert iteration.blind_force_rmse == 0.08
    assert iteration.relative == 0.12
    assert iteration.trust_high == 0.3
    assert iteration.converged is False


def test_the_end_tells_why_and_whether_it_converged(graph):
    history = {"iterations": [], "stop_reason": "error targets met", "converged": True}
    graph.end(0, history=orm.Dict(history))
    progress = read_progress(graph.root.pk)
    assert progress.ended
    assert progress.converged is True
    assert progress.stop_reason == "error targets met"
    assert progress.stage == ""


def test_a_data_node_has_no_progress():
    node = orm.Int(1).store()
    with pytest.raises(ValueError, match=f"node {node.pk} is a Int, expected a process"):
        read_progress(node.pk)


def test_a_watch_reads_again_only_where_something_happened(graph, monkeypatch):
    readings = []

    def counted(pk):
        readings.append(pk)
        return read_progress(pk)

    monkeypatch.setattr("aiida_mliptransport.tools.progress.read_progress", counted)
    watch = ProgressWatch()
    assert watch(graph.root.pk).n_jobs == 0
    assert watch(graph.root.pk).n_jobs == 0
    assert len(readings) == 1
    label = graph.child("iteration_01_label_candidates", ended=False)
    graph.child("batch_000", parent=label, kind=orm.CalcJobNode, ended=False)
    assert watch(graph.root.pk).n_jobs == 1
    graph.end(0, history=orm.Dict({"iterations": [], "stop_reason": "x", "converged": True}))
    assert watch(graph.root.pk).ended
    assert len(readings) == 3
    monkeypatch.setattr("aiida_mliptransport.tools.progress.MAX_AGE_SECONDS", -1.0)
    watch(graph.root.pk)
    assert len(readings) == 4
