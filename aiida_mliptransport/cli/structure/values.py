"""Values of options that are pairs, such as ``Li=1``, as dictionaries."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from ..trajectory_options import parse_charges


def charges_option(required: bool) -> Callable[..., Any]:
    """Return the option ``--charges``, the oxidation states of elements."""

    def parse(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        return None if value is None else parse_charges(value)

    return click.option(
        "--charges",
        required=required,
        callback=parse,
        help="Oxidation state of every element, as Li=1,Cl=-1; never guessed.",
    )


bond_option = click.option(
    "--bond",
    "bonds",
    multiple=True,
    metavar="A-B=LENGTH",
    callback=lambda ctx, param, value: pairs(value, float, "C-O=1.6") or None,
    help="Longest bond in Å of a molecular group, which is kept whole, as P-S=2.4. Repeat.",
)


def pairs(items: Sequence[str], convert: Callable[[str], Any], example: str) -> dict[str, Any]:
    """Return a dictionary of items such as ``Li=1``; the last equals sign divides.

    Raises
    ------
    click.BadParameter
        If an item is no pair, its value cannot be converted, or a name comes twice.
    """
    found: dict[str, Any] = {}
    for item in items:
        name, equals, value = item.rpartition("=")
        try:
            converted = convert(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise click.BadParameter(f"{item!r} is no pair; expected such as {example}")
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice; expected once")
        found[name] = converted
    return found


def occupancies(items: Sequence[str]) -> dict[str, dict[str, float]] | None:
    """Return shares by site of items such as ``Li:Li=0.5,Na=0.5``."""
    found: dict[str, dict[str, float]] = {}
    for item in items:
        site, colon, shares = item.partition(":")
        if not colon or site in found:
            raise click.BadParameter(
                f"{item!r} is no occupancy of a new site; expected such as Li:Li=0.5,Na=0.25"
            )
        found[site] = pairs(shares.split(","), float, "Li=0.5")
    return found or None


def settings_of(items: Sequence[str]) -> dict[str, Any]:
    """Return settings of items such as ``method=GFN2-xTB``; the first equals sign divides.

    A value that is JSON counts as such, else it is text.
    """
    found: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{item!r} is no setting; expected such as method=GFN2-xTB")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found
