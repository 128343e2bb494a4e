"""How an exploration runs: general MD parameters, and conditions of one structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..calculations.lammps_script import LammpsMDParameters
from ..calculations.parameters import validation_message
from . import validators

#: Set for each run by the workflow.
RUN_KEYS = ("temperature_K", "seed")

#: What ``conditions`` may say of a structure.
CONDITIONS = ("temperatures_K", "pressures_bar", "parameters")


def conditions_problem(
    own: Mapping[str, Any],
    where: str,
    parameters: Mapping[str, Any] | None = None,
    pressures: Sequence[float] | None = None,
) -> str | None:
    """Return why runs of one structure cannot be under its own conditions, or None.

    Parameters
    ----------
    own
        What ``conditions`` says of the structure.
    where
        Key of ``own``, for the message.
    parameters, pressures
        The general ones, whose place ``own`` takes; without parameters only ``own`` is looked at.
    """
    unknown = sorted(set(own) - set(CONDITIONS))
    if unknown:
        return f"{where} holds {unknown}, expected some of {list(CONDITIONS)}"
    changes = own.get("parameters", {})
    double = [key for key in RUN_KEYS if key in changes]
    if double:
        return f"{where}.parameters holds {double}; give temperatures_K, and no seed"
    for key, problem_of in (
        ("temperatures_K", validators.temperatures_problem),
        ("pressures_bar", validators.pressures_problem),
    ):
        problem = problem_of(own[key], f"{where}.{key}") if own.get(key) is not None else None
        if problem:
            return problem
    if parameters is None:
        return None
    merged = run_parameters(parameters, own, pressures)
    return validation_message(LammpsMDParameters, merged, f"{where}.parameters")


def parameters_problem(given: Mapping[str, Any], where: str) -> str | None:
    """Return why the general MD parameters, whose key is ``where``, cannot be, or None."""
    double = [key for key in RUN_KEYS if key in given]
    if double:
        return f"{where} holds {double}, which the workflow sets for each run; remove them"
    return validation_message(LammpsMDParameters, run_parameters(given, {}, None), where)


def run_parameters(
    parameters: Mapping[str, Any], own: Mapping[str, Any], pressures: Sequence[float] | None
) -> dict[str, Any]:
    """Return MD parameters as some run of a structure would have them."""
    merged = {**parameters, **own.get("parameters", {}), "temperature_K": 1.0, "seed": 1}
    if own.get("pressures_bar", pressures):
        merged |= {"ensemble": "npt", "pressure_bar": 1.0}
    return merged
