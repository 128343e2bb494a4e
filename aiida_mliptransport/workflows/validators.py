"""Validators of the inputs that several workflows have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from aiida import orm


def temperatures(value: orm.List | None, _: Any) -> str | None:
    """Refuse what is no list of temperatures; see :func:`temperatures_problem`."""
    return None if value is None else temperatures_problem(value.get_list(), "temperatures")


def pressures(value: orm.List | None, _: Any) -> str | None:
    """Refuse what is no list of pressures; see :func:`pressures_problem`."""
    return None if value is None else pressures_problem(value.get_list(), "pressures")


def temperatures_problem(given: Any, name: str) -> str | None:
    """Return why ``given`` is no list of positive temperatures (K) that differ when rounded.

    Runs are named after the rounded temperature.
    """
    if not _are_finite(given) or min(given) <= 0:
        return f"{name} is {given!r}, expected one or more positive numbers in K"
    if len({round(t) for t in given}) < len(given):
        return f"{name} is {given}, expected values that differ by 1 K or more"
    return None


def pressures_problem(given: Any, name: str) -> str | None:
    """Return why ``given`` is no list of pressures (bar) that differ when rounded."""
    if not _are_finite(given):
        return f"{name} is {given!r}, expected one or more numbers in bar"
    if len({round(p) for p in given}) < len(given):
        return f"{name} is {given}, expected values that differ by 1 bar or more"
    return None


def count(name: str) -> Callable[[orm.Int | None, Any], str | None]:
    """Return a validator of a number of things that must be 1 or more."""

    def validator(value: orm.Int | None, _: Any) -> str | None:
        if value is not None and value.value < 1:
            return f"{name} is {value.value}, expected 1 or more"
        return None

    return validator


def _are_finite(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(_is_finite(item) for item in given)


def _is_finite(number: Any) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and math.isfinite(number)
