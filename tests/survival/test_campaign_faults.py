"""One run of one program fails in a campaign: it ends with a result, or says what failed."""

from __future__ import annotations

import sys

import pytest
from aiida import orm
from aiida.engine import run_get_node
from driver import campaign_builder
from harness import STAND_IN_TRAINING
from test_faults import COMMANDS, PROGRAMS, check_ended, jobs

pytestmark = pytest.mark.medium

MEMBERS = 3

#: Steps of the final training, which tell it from that of the iteration.
FINAL_STEPS = 30

#: The ``number``-th run of a stage is spoiled, all others are as they should be.
WRAPPER = """#!/bin/bash
export PYTHONPATH={programs}
if {is_stage}; then
  n=1; until mkdir {runs}.$n 2> /dev/null; do n=$((n + 1)); done
  [ $n != {number} ] || exec {python} {programs}/spoil.py {fault} {command} "$@"
fi
exec {command} "$@"
"""

#: Program of each stage, and how a run of it is told by its arguments and files.
STAGES = {
    "train": ("dp", '[ "$1" = train ]'),
    "final_train": ("dp", f'[ "$1" = train ] && grep -q \'"numb_steps": {FINAL_STEPS}\' *.json'),
    "explore": ("lmp", "true"),
    "label": ("python", '[ "$1" = ase_runner.py ]'),
    "evaluate": ("python", '[ "$1" = evaluate_runner.py ]'),
}

#: Exit status of a loop whose iterations are spent, with all its results.
ITERATIONS_SPENT = 411

SLOW = pytest.mark.slow


@pytest.fixture
def run_campaign(make_code, tmp_path):
    """Return a function that runs a campaign in which one run of a program fails."""

    def run(stage, fault, number):
        program, is_stage = STAGES[stage]
        path = tmp_path / program
        path.write_text(
            WRAPPER.format(
                programs=PROGRAMS, is_stage=is_stage, runs=tmp_path / "run", number=number,
                python=sys.executable, fault=fault, command=COMMANDS[program],
            )
        )  # fmt: skip
        path.chmod(0o755)
        sound = tmp_path / "python"
        if program != "python":
            sound.write_text(f'#!/bin/bash\nPYTHONPATH={PROGRAMS} exec {sys.executable} "$@"\n')
            sound.chmod(0o755)
        paths = {"dp": PROGRAMS / "dp", "lmp": PROGRAMS / "lmp", "python": sound, program: path}
        label = f"{stage}-{fault}-{number}"
        codes = {name: make_code(f"{name}-{label}", str(where)) for name, where in paths.items()}
        builder = campaign_builder(codes, 1, STAND_IN_TRAINING, {})
        builder.training.committee_size = orm.Int(MEMBERS)
        longer = {**STAND_IN_TRAINING["training"], "numb_steps": FINAL_STEPS}
        builder.final_training = orm.Dict({**builder.final_training.get_dict(), "training": longer})
        # One job at a time, so that the number of a run says which one it is.
        builder.max_concurrent = orm.Int(1)
        _, node = run_get_node(builder)
        return node

    return run


@pytest.mark.parametrize(
    ("stage", "fault", "number", "status"),
    [
        ("final_train", "exit_1", 2, ITERATIONS_SPENT),
        # The second run is that of the blind test, which then has no frame.
        ("explore", "exit_1", 2, ITERATIONS_SPENT),
        pytest.param("explore", "nan", 1, ITERATIONS_SPENT, marks=SLOW),
        pytest.param("train", "nan", 1, ITERATIONS_SPENT, marks=SLOW),
        pytest.param("train", "exit_1", 1, ITERATIONS_SPENT, marks=SLOW),
        pytest.param("explore", "garbage", 1, ITERATIONS_SPENT, marks=SLOW),
        pytest.param("explore", "exit_1", 1, ITERATIONS_SPENT, marks=SLOW),
        pytest.param("label", "exit_1", 2, ITERATIONS_SPENT, marks=SLOW),
        pytest.param("evaluate", "exit_1", 1, 315, marks=SLOW),
        pytest.param("evaluate", "garbage", 2, ITERATIONS_SPENT, marks=SLOW),
    ],
)
def test_a_campaign_in_which_one_run_fails(run_campaign, stage, fault, number, status):
    node = run_campaign(stage, fault, number)
    check_ended(node)
    assert len([job for job in jobs(node) if not job.is_finished_ok]) == 1
    assert node.exit_status == status, node.exit_message
    assert node.outputs.history["stop_reason"]
    for record in node.outputs.history["iterations"]:
        assert (record["blind"] is None) == (stage == "explore" and number == 2)
        assert record["checks"]["runs_broken_off"]["value"] == (stage == "explore")
        # Candidates come from the first run, and a spoiled one has none.
        assert ("iteration_01" in node.outputs.frames) == ((stage, number) != ("explore", 1))
    trained = len(node.outputs.committee)
    assert trained == MEMBERS - (stage == "final_train")
