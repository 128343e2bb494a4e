"""Call link labels of a campaign, put into words."""

from __future__ import annotations

import re

_ITERATION = re.compile(r"iteration_(\d+)_(\w+)$")

#: Last part of a call link label → stage, in the order of the tables.
STAGES = {
    "aimd": "Initial MD",
    "train": "Training",
    "explore": "Exploration",
    "describe": "Selection",
    "move_on": "Selection",
    "select": "Selection",
    "label_candidates": "Labels: candidates",
    "label_blind": "Labels: blind test",
    "evaluate": "Blind tests",
    "evaluate_earlier": "Blind tests",
    "observable": "Short transport MD",
    "calibrate": "Assessment",
    "assess": "Assessment",
    "neb": "Barriers",
    "judge_barriers": "Barriers",
    "final_train": "Final training",
    "final_evaluate": "Final blind test",
    "final_neb": "Final barriers",
    "transport": "Transport MD",
}


def split_iteration(label: str) -> tuple[int | None, str]:
    """Return (number, step) of ``iteration_01_train``; (None, label) for any other label."""
    match = _ITERATION.match(label)
    return (int(match[1]), match[2]) if match else (None, label)


def stage_of(path: tuple[str, ...], transport_only: bool) -> str:
    """Return the stage of a process from the call link labels that lead to it."""
    if transport_only:
        return STAGES["transport"]
    _, step = split_iteration(path[0])
    return STAGES.get(step, humanise(step))


def stage_order(stage: str) -> tuple[int, str]:
    """Sort key: the known stages in order, others after them by name."""
    known = list(STAGES.values())
    return (known.index(stage), "") if stage in known else (len(known), stage)


def humanise(name: str) -> str:
    """Return a key as words: ``share_accurate`` → ``Share accurate``."""
    words = name.replace("__", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
