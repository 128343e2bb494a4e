"""Commands that show, pass on and trace results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import load_node, load_process, load_profile, print_table

if TYPE_CHECKING:
    from ..tools.lineage import Group, Lineage

#: PKs shown for one group of the tree.
SHOWN_PKS = 6


@click.command()
@click.argument("process", metavar="PK")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Default: report-PK.html.")
@click.pass_context
def report(ctx: click.Context, process: str, output: str | None) -> None:
    """Write one HTML file with numbers, error bars, figures and costs.

    \b
    Example:
      aiida-mliptransport report 1234 -o licl.html
    """
    load_profile(ctx)
    node = load_process(process)
    from ..report.html import write_report

    path = Path(output or f"report-{node.pk}.html")
    if not path.parent.is_dir():
        raise click.ClickException(f"{path}: there is no folder {path.parent}; make it first")
    write_report(node, path)
    click.echo(f"wrote {path}")


@click.command()
@click.argument("node", metavar="PK")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="Name of the archive."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.pass_context
def export(ctx: click.Context, node: str, output: str, force: bool) -> None:
    """Write a study with all its provenance to an AiiDA archive.

    What a killed worker left behind is closed first; licensed POTCAR text is refused.

    \b
    Example:
      aiida-mliptransport export 1234 -o study.aiida
    """
    load_profile(ctx)
    from ..tools.archive import export_study

    path = export_study(load_node(node), output, overwrite=force)
    click.echo(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")


@click.command()
@click.argument("node", metavar="PK")
@click.option("--point", help="One point of the observables, for example licl64_1200K.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def lineage(ctx: click.Context, node: str, point: str | None, as_json: bool) -> None:
    """Trace a result down to the frames and the labelling jobs it rests on.

    PK is that of observables, a potential, frames, a trajectory or a WorkChain. Works the same
    where an archive was imported.

    \b
    Examples:
      aiida-mliptransport lineage 1234
      aiida-mliptransport lineage 1240 --point licl64_1200K
    """
    load_profile(ctx)
    from ..tools.lineage import trace

    result = trace(load_node(node), point)
    if as_json:
        import json

        click.echo(json.dumps(result.as_dict(), indent=2))
        return
    _print_lineage(result)


@click.command()
@click.argument("process", metavar="PK")
@click.option("--name", default="campaign", show_default=True, help="First word of the line.")
@click.option("--mobile", required=True, help="Element whose D and activation energy are shown.")
@click.pass_context
def summary(ctx: click.Context, process: str, name: str, mobile: str) -> None:
    """Print one line with the numbers of an ended campaign.

    D and the conductivity are those at the middle temperature of the production runs.

    \b
    Example:
      aiida-mliptransport summary 1234 --mobile Li
    """
    load_profile(ctx)
    from ..tools.summary import summary_line

    click.echo(summary_line(load_process(process), name, mobile))


def _print_lineage(result: Lineage) -> None:
    for line in tree_lines(result.tree):
        click.echo(line)
    click.echo()
    print_table(
        ("job", "jobs", "failed", "cached", "labels", "wall h", "core-hours"),
        [
            (r.kind, r.n_jobs, r.n_failed, r.n_cached, r.n_labels, r.wall_hours, r.core_hours)
            for r in result.costs
        ],
    )
    click.echo()
    click.echo(
        f"{result.root_kind} <{result.root}> rests on {result.training_frames} training frames, "
        f"{result.labelled_frames} labelled frames of {len(result.labelling_jobs)} labelling jobs, "
        f"{len(result.imports)} declared import(s) and {result.core_hours:.3g} core-hours"
    )
    for level in result.levels_of_theory:
        click.echo(f"level of theory: {_flat(level)}")


def tree_lines(group: Group, prefix: str = "", last: bool = True, root: bool = True) -> list[str]:
    """Return the tree as lines; like nodes stand in one line."""
    count = len(group.pks)
    pks = ", ".join(str(pk) for pk in group.pks[:SHOWN_PKS])
    more = f", … {count - SHOWN_PKS} more" if count > SHOWN_PKS else ""
    many = f"{count} × " if count > 1 else ""
    note = f" ({group.note})" if group.note else ""
    branch = "" if root else ("└─ " if last else "├─ ")
    result = [f"{prefix}{branch}{many}{group.kind} <{pks}{more}>{note}"]
    below = prefix if root else prefix + ("   " if last else "│  ")
    for number, source in enumerate(group.sources):
        result += tree_lines(source, below, number == len(group.sources) - 1, root=False)
    return result


def _flat(level: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in level.items())
