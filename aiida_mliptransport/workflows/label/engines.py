"""The engines that label, by the name of their namespace in a WorkChain that labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ase import AseLabelWorkChain
from .cp2k import Cp2kLabelWorkChain
from .replay import ReplayLabelWorkChain
from .teacher import TeacherLabelWorkChain
from .vasp import VaspLabelWorkChain

LABEL_ENGINES = {
    "ase": AseLabelWorkChain,
    "cp2k": Cp2kLabelWorkChain,
    "vasp": VaspLabelWorkChain,
    "teacher": TeacherLabelWorkChain,
    "replay": ReplayLabelWorkChain,
}


def engine_of(namespace: Mapping[str, Any]) -> str | None:
    """Return the name of the engine whose namespace is filled."""
    filled = [name for name, inputs in namespace.items() if inputs]
    return filled[0] if filled else None
