"""What the commands share: the profile, nodes by PK, tables for people and for pipes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aiida import orm


def load_profile(ctx: click.Context) -> None:
    """Load the profile that ``-p`` names, or the default one; keep one that is loaded."""
    with warnings.catch_warnings():
        # AiiDA warns that it makes its folder; what is missing is said below.
        warnings.simplefilter("ignore", UserWarning)
        from aiida import load_profile as aiida_load_profile
        from aiida.common.exceptions import ConfigurationError
        from aiida.manage import get_manager

    name = ctx.find_root().obj
    loaded = get_manager().get_profile()
    if loaded is not None and name in (None, loaded.name):
        return
    try:
        aiida_load_profile(name, allow_switch=True)
    except ConfigurationError as error:
        known = _profiles()
        what = f"no AiiDA profile {name!r}" if name else "no AiiDA profile"
        hint = f"name one of {known} with -p" if known else "make one: `verdi presto --use-zeromq`"
        raise click.ClickException(f"{what} could be loaded ({error}); {hint}") from error


def _profiles() -> list[str]:
    from aiida.manage import get_config

    return list(get_config().profile_names)


def load_node(identifier: str) -> orm.Node:
    """Return the node with this PK, UUID or label."""
    from aiida import orm
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.manage import get_manager

    profile = get_manager().get_profile()
    try:
        return orm.load_node(identifier)
    except (NotExistent, ValueError) as error:
        raise click.ClickException(
            f"there is no node {identifier!r} in profile {profile.name if profile else '?'!r}; "
            "see `verdi process list -a`"
        ) from error
    except MultipleObjectsError as error:
        raise click.ClickException(
            f"{identifier!r} fits several nodes; give the whole PK or UUID"
        ) from error


def load_process(identifier: str) -> orm.ProcessNode:
    """Return the process with this PK, UUID or label."""
    from aiida import orm

    node = load_node(identifier)
    if not isinstance(node, orm.ProcessNode):
        raise click.ClickException(
            f"node {identifier} is a {type(node).__name__}, expected a process; see "
            "`verdi process list -a`"
        )
    return node


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table: drawn in a terminal, aligned columns elsewhere."""
    cells = [[_cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(rich_table(headers, cells, title))
        return
    if title:
        click.echo(title)
    for line in plain_rows(headers, cells):
        click.echo(line)


def rich_table(headers: Sequence[str], cells: Sequence[Sequence[str]], title: str = "") -> object:
    """Return a drawn table; columns of numbers are aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", header_style="bold")
    for number, header in enumerate(headers):
        column = [row[number] for row in cells]
        numeric = all(cell[:1].isdigit() or cell in ("", "–") for cell in column)
        table.add_column(header, justify="right" if numeric and column else "left")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def plain_rows(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Return aligned lines."""
    rows = [list(headers), *(list(row) for row in cells)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(headers))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Return ``1 h 05 min``, ``4 min 10 s`` or ``12 s``."""
    total = round(seconds)
    if total >= 3600:
        return f"{total // 3600} h {total % 3600 // 60:02d} min"
    if total >= 60:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total} s"
