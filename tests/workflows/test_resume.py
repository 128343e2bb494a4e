"""A campaign goes on from its last whole iteration, whatever ended it."""

from types import SimpleNamespace

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.active_learning import ActiveLearningWorkChain, resume

pytestmark = pytest.mark.medium


@pytest.fixture(autouse=True)
def profile(aiida_profile):
    return aiida_profile


def cell():
    return orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.1, cubic=True))


def frames(n):
    images = []
    for number in range(n):
        atoms = bulk("LiCl", "rocksalt", a=5.1 + 0.01 * number, cubic=True)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=0.0 * atoms.positions)
        images.append(atoms)
    return FrameSetData(Frames.from_atoms(images), level_of_theory={"engine": "test"})


class Loop:
    """A process of the loop with the children that it had when it ended."""

    def __init__(self, **inputs):
        self.node = orm.WorkChainNode()
        self.node.set_metadata_inputs({"structures": {}, "evaluate": {"metadata": {"a": 1}}})
        budget = orm.Dict({"max_iterations": 2, "max_labels": 100})
        for label, value in {"structures__licl": cell(), "budget": budget, **inputs}.items():
            node = value if value.is_stored else value.store()
            self.node.base.links.add_incoming(node, LinkType.INPUT_WORK, label)
        self.node.store()

    def child(self, label, status=0, **outputs):
        child = orm.WorkChainNode()
        child.base.links.add_incoming(self.node, LinkType.CALL_WORK, label)
        child.set_process_state(ProcessState.FINISHED)
        child.set_exit_status(status)
        child.store()
        for name, node in outputs.items():
            node = node if node.is_stored else node.store()
            node.base.links.add_incoming(child, LinkType.RETURN, name)
        child.seal()

    def iteration(self, number, labels, whole=True, converged=False, labelled=True):
        stage = f"iteration_{number:02d}"
        self.child(f"{stage}_train", potentials__member_0=orm.Int(number))
        self.child(
            f"{stage}_select",
            selection=orm.Dict({"n_blind_chosen": number}),
            candidates=frames(number),
        )
        self.child(f"{stage}_move_on", result=orm.Dict({"stages": {"licl": number}}))
        self.child(f"{stage}_starts_licl", start_0=cell())
        self.child(f"{stage}_label_blind", frames=frames(number + 1))
        if whole:
            self.child(f"{stage}_calibrate", levels=orm.Dict({"low": 0.1 * number, "high": 1.0}))
            record = {
                "iteration": number, "n_labels_when_tested": labels, "converged": converged,
                "decision": {"met": []},
            }  # fmt: skip
            self.child(f"{stage}_assess", result=orm.Dict(record))
            if labelled and not converged:
                self.child(f"{stage}_label_candidates", frames=frames(number))


@pytest.fixture
def broken_off():
    """A loop that was killed while it labelled in its third iteration."""
    loop = Loop()
    failures = orm.Dict({"failures": [{}, {}]})
    loop.child("aimd", frames=frames(5), failures=failures, trajectories__licl_900K_run0=cell())
    loop.child("start_licl", result=cell())
    loop.iteration(1, 12)
    loop.iteration(2, 19)
    loop.iteration(3, 30, whole=False)
    return loop


def test_the_state_is_that_after_the_last_whole_iteration(broken_off):
    state = resume._state(broken_off.node)
    assert sorted(state["frames"]) == ["initial", "iteration_01", "iteration_02"]
    assert sorted(state["blind_frames"]) == ["iteration_01", "iteration_02"]
    # Those when the second iteration was tested, and its candidates.
    assert state["labels"].value == 21
    assert state["trust_levels"]["low"] == pytest.approx(0.2)
    assert state["committee"]["member_0"].value == 2
    assert list(state["structures"]) == ["licl"]
    assert list(state["labeller_runs"]) == ["licl_900K_run0"]
    assert state["ladder_state"]["stages"] == {"licl": 2}
    assert list(state["starts"]) == ["licl_replica0"]


def test_the_other_inputs_are_those_of_the_process_with_its_job_options(broken_off):
    inputs = resume.resume_inputs(broken_off.node, {"max_iterations": 5})
    assert inputs["budget"].get_dict() == {"max_iterations": 5, "max_labels": 100}
    assert inputs["structures"]["licl"].uuid == broken_off.node.inputs.structures.licl.uuid
    assert inputs["evaluate"] == {"metadata": {"a": 1}}
    assert inputs["resumed"]["labels"].value == 21


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, "max_iterations is 2 and process .* has spent 2: raise it, .* --max-iterations 4"),
        ({"max_iterations": 9, "max_labels": 21}, "max_labels is 21 .* --max-labels 42"),
    ],
)
def test_a_budget_that_is_spent_already_is_to_be_raised(broken_off, budget, message):
    with pytest.raises(resume.NothingToResumeError, match=message):
        resume.resume_inputs(broken_off.node, budget)


def test_the_loop_takes_the_state_up(broken_off):
    ctx = SimpleNamespace(trust=None, ladder_state=None, stop_reason="", iteration=0, records={})
    resume.restore(ctx, resume._state(broken_off.node))
    assert (ctx.iteration, ctx.labels) == (2, 21)
    assert sorted(ctx.records) == ["record__01", "record__02"]
    assert sorted(ctx.selections) == ["iteration_01", "iteration_02"]
    assert ctx.ladder_state["stages"] == {"licl": 2}
    assert list(ctx.starts) == ["licl_replica0"]
    assert ctx.stop_reason == ""


def test_a_resumed_loop_goes_on_with_the_next_iteration_and_runs_no_first_md(broken_off, make_code):
    codes = {
        name: make_code(f"absent-{name}", f"/absent/{name}") for name in ("dp", "lmp", "python")
    }
    builder = ActiveLearningWorkChain.get_builder_from_protocol(
        codes=codes,
        structures={"licl": cell()},
        engine="ase",
        temperatures=[1200.0],
        engine_options={"calculator": {"name": "tblite"}},
        protocol="fast",
    )
    state = resume._state(broken_off.node)
    # The stand-ins for potentials and trajectories are none, and the loop can go on without.
    stand_ins = ("committee", "labeller_runs")
    builder.resumed = {key: value for key, value in state.items() if key not in stand_ins}
    loop = instantiate_process(get_manager().get_runner(), builder)
    loop.setup()
    assert not loop.should_run_aimd()
    loop.prepare_structures()
    assert loop.ctx.start["licl"].uuid == state["structures"]["licl"].uuid
    assert loop.should_iterate()
    assert loop.stage == "iteration_03"
    assert loop.ctx.labels == 21
    assert loop.ctx.trust.uuid == state["trust_levels"].uuid
    assert sorted(loop._training_frames("x")) == ["initial", "iteration_01", "iteration_02"]


def test_a_process_that_was_itself_resumed_hands_on_what_it_was_given(broken_off):
    first = resume._state(broken_off.node)
    given = {"resumed__labels": first["labels"], "resumed__trust_levels": first["trust_levels"]}
    for name in resume.NAMESPACES:
        given |= {f"resumed__{name}__{key}": node for key, node in first[name].items()}
    again = Loop(**given)
    again.iteration(3, 31)
    state = resume._state(again.node)
    assert sorted(state["records"]) == ["iteration_01", "iteration_02", "iteration_03"]
    assert sorted(state["frames"])[-1] == "iteration_03"
    assert state["labels"].value == 34


def with_barriers(passed, judged=True):
    """A loop whose second iteration met all targets but those on barriers."""
    loop = Loop(neb__harvest=orm.Dict({}))
    loop.child("aimd", frames=frames(5))
    loop.iteration(1, 12)
    loop.iteration(2, 19, converged=True)
    if judged:
        verdict = orm.Dict({"passed": passed, "n_images": 7})
        loop.child("iteration_02_judge_barriers", verdict=verdict, frames=frames(3))
    return loop


def test_images_that_a_campaign_learned_from_are_kept_and_all_of_them_were_labels():
    state = resume._state(with_barriers(passed=False).node)
    assert sorted(state["frames"])[-1] == "iteration_02_barriers"
    assert state["labels"].value == 19 + 7
    assert list(state["barriers"]) == ["iteration_02"]
    ctx = SimpleNamespace(trust=None, ladder_state=None, stop_reason="", iteration=0, records={})
    resume.restore(ctx, state)
    assert list(ctx.barriers) == ["barriers__02"]
    assert ctx.stop_reason == ""


def test_a_campaign_whose_barriers_agree_has_only_the_final_training_left():
    state = resume._state(with_barriers(passed=True).node)
    assert sorted(state["frames"])[-1] == "iteration_01"
    ctx = SimpleNamespace(trust=None, ladder_state=None, stop_reason="", iteration=0, records={})
    resume.restore(ctx, state)
    assert ctx.stop_reason.startswith("targets met")


@pytest.mark.parametrize(("labelled", "last"), [(True, "iteration_02"), (False, "iteration_01")])
def test_where_images_cannot_be_learned_from_the_candidates_are(labelled, last):
    loop = with_barriers(passed=False, judged=False)
    verdict = orm.Dict({"passed": False, "n_images": 7})
    other = FrameSetData(frames(3).frames, level_of_theory={"engine": "another"})
    loop.child("iteration_02_judge_barriers", verdict=verdict, frames=other)
    if labelled:
        loop.child("iteration_02_label_candidates", frames=frames(2))
    state = resume._state(loop.node)
    assert max(state["records"]) == last
    assert "iteration_02_barriers" not in state["frames"]


def test_an_iteration_whose_barriers_were_not_judged_begins_anew():
    state = resume._state(with_barriers(passed=False, judged=False).node)
    assert list(state["records"]) == ["iteration_01"]


def test_an_iteration_whose_candidates_were_not_labelled_begins_anew():
    loop = Loop()
    loop.child("aimd", frames=frames(5))
    loop.iteration(1, 12)
    loop.iteration(2, 19, labelled=False)
    assert list(resume._state(loop.node)["records"]) == ["iteration_01"]


def test_where_all_targets_are_met_no_candidates_were_labelled_and_the_iteration_is_whole():
    loop = Loop()
    loop.child("aimd", frames=frames(5))
    loop.iteration(1, 12)
    loop.iteration(2, 19, converged=True)
    state = resume._state(loop.node)
    assert sorted(state["records"]) == ["iteration_01", "iteration_02"]
    assert sorted(state["frames"]) == ["initial", "iteration_01"]
    assert state["labels"].value == 19


def test_labels_of_the_first_md_count_also_those_that_failed():
    loop = Loop()
    loop.child("aimd", frames=frames(5), failures=orm.Dict({"failures": [{}, {}]}))
    state = resume._state(loop.node)
    assert state["labels"].value == 7
    assert state["records"] == {}


def test_without_first_frames_there_is_nothing_to_resume():
    with pytest.raises(resume.NothingToResumeError, match="before it had its first frames"):
        resume._state(Loop().node)
