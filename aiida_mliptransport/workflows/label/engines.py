"""The engines that label, by the name of their namespace in a WorkChain that labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

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


def fill_label(
    builder: ProcessBuilder,
    engine: str,
    code: orm.AbstractCode,
    elements: list[str],
    engine_options: Mapping[str, Any],
    **settings: Any,
) -> None:
    """Fill the namespace ``label.<engine>`` of a WorkChain that labels.

    Parameters
    ----------
    code
        That of the engine; Python for the engines that ASE runs.
    elements
        Chemical symbols of what will be labelled: that is known later, but POTCARs are chosen now.
    engine_options, settings
        Arguments of the engine's ``get_builder_from_protocol``.
    """
    known = {"elements": elements} if engine == "vasp" else {}
    made = LABEL_ENGINES[engine].get_builder_from_protocol(
        code=code, **engine_options, **known, **settings
    )
    builder.label[engine]._merge(without(made, "frames", "max_concurrent"))


def without(builder: ProcessBuilder, *names: str) -> dict[str, Any]:
    """Return the inputs of a builder but for some, as another one takes them."""
    return {key: value for key, value in builder._inputs(prune=True).items() if key not in names}
