"""Messages about wrong parameters, and thread limits of jobs."""

from __future__ import annotations

import subprocess

import pytest
from pydantic import BaseModel, ConfigDict, Field

from aiida_mliptransport.calculations.parameters import validation_message
from aiida_mliptransport.calculations.threads import thread_limits


class Example(BaseModel):
    model_config = ConfigDict(extra="forbid")

    steps: int = Field(gt=0)
    stride: int = 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"steps": -1}, ["steps is -1", "greater than 0"]),
        ({"steps": 1, "strde": 2}, ["unknown key 'strde' with value 2", "steps, stride"]),
        ({}, ["key 'steps' is missing"]),
    ],
)
def test_message_names_key_value_and_what_was_expected(content, words):
    message = validation_message(Example, content)
    assert all(word in message for word in words)


class Nested(BaseModel):
    model_config = ConfigDict(extra="forbid")

    examples: list[Example]


def test_message_names_the_whole_path_and_the_keys_that_are_known_there():
    content = {"examples": [{"steps": 1}, {"steps": 1, "strde": 2}]}
    message = validation_message(Nested, content, "loop.stages[2]")
    path = "loop.stages[2].examples[1].strde"
    assert message == f"unknown key '{path}' with value 2; known keys are steps, stride"
    assert validation_message(Nested, {}, "loop") == "key 'loop.examples' is missing; add it"


def test_right_parameters_give_no_message():
    assert validation_message(Example, {"steps": 3}) is None


def test_threads_of_the_user_are_kept_and_others_limited():
    script = thread_limits() + 'echo "$OMP_NUM_THREADS $DP_INTRA_OP_PARALLELISM_THREADS"'
    run = subprocess.run(
        ["bash", "-c", script],
        env={"OMP_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["4", "1"]
