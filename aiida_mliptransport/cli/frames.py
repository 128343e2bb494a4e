"""The command group ``frames``: what labels there are, and what they cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .common import load_node, load_profile, print_table

if TYPE_CHECKING:
    from ..tools.label_ledger import LevelOfTheoryRow

#: Keys of a level of theory that a table shows; the rest is in --json.
_SHOWN = ("engine", "method", "functional", "dispersion", "calculator", "basis_set", "cutoff_Ry",
          "cutoff_eV")  # fmt: skip


@click.group()
def frames() -> None:
    """Labelled frames of the profile; `verdi data mliptransport.frames` has more.

    \b
    Example:
      aiida-mliptransport frames ledger
    """


@frames.command("ledger")
@click.argument("node", metavar="[PK]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def ledger(ctx: click.Context, node: str | None, as_json: bool) -> None:
    """List labels by level of theory; with a PK, what this frame set cost.

    A frame that was labelled at a level of theory is not labelled again: label WorkChains take it
    from the profile (input reuse_labels).

    \b
    Examples:
      aiida-mliptransport frames ledger
      aiida-mliptransport frames ledger 1234
    """
    load_profile(ctx)
    if node is not None:
        _cost(node, as_json)
        return
    from ..tools.label_ledger import label_ledger

    rows = label_ledger()
    if as_json:
        click.echo(json.dumps([_plain(row) for row in rows], indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo("the profile holds no labelled frames")
        return
    print_table(
        ("level of theory", "labels", "sets", "labelled twice", "program version"),
        [
            (_summary(row), row.n_labels, len(row.sets), len(row.twice), ", ".join(row.versions))
            for row in rows
        ],
    )
    for row in rows:
        pairs = sorted({tuple(pks) for pks in row.twice.values()})
        for pks in pairs[:5]:
            count = sum(tuple(found) == pks for found in row.twice.values())
            click.echo(f"note: sets {', '.join(map(str, pks))} hold {count} frames in common")


def _cost(identifier: str, as_json: bool) -> None:
    from ..data.frames import FrameSetData
    from ..tools.lineage import trace

    node = load_node(identifier)
    if not isinstance(node, FrameSetData):
        raise click.ClickException(
            f"node {node.pk} is a {type(node).__name__}, expected frames; see `verdi data "
            "mliptransport.frames list`"
        )
    result = trace(node)
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=2))
        return
    print_table(
        ("job", "jobs", "failed", "cached", "labels", "core-hours"),
        [
            (row.kind, row.n_jobs, row.n_failed, row.n_cached, row.n_labels, row.core_hours)
            for row in result.costs
        ],
    )
    click.echo(
        f"frames <{node.pk}>: {node.n_frames} frames, {result.core_hours:.3g} core-hours in "
        f"{sum(row.n_jobs for row in result.costs)} jobs, "
        f"{len(result.imports)} declared import(s)"
    )


def _plain(row: LevelOfTheoryRow) -> dict[str, object]:
    return {
        "level_of_theory": row.level,
        "n_labels": row.n_labels,
        "sets": row.sets,
        "labelled_twice": row.twice,
        "engine_versions": row.versions,
    }


def _summary(row: LevelOfTheoryRow) -> str:
    shown = [f"{row.level[key]}" for key in _SHOWN if row.level.get(key) not in (None, "none")]
    return " ".join(shown)
