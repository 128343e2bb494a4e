"""The command that searches barriers and sets them beside the labeller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import duration, load_node, load_profile, print_table

if TYPE_CHECKING:
    from aiida import orm

    from ..report.model_barriers import BarrierPath

#: Seconds between two looks at a process that is waited for.
POLL_SECONDS = 2.0


@click.command("neb")
@click.argument("barrier_file", type=click.Path(), metavar="BARRIERS.yaml")
@click.option(
    "--potential",
    required=True,
    metavar="PK",
    help="A potential, or a campaign or training whose committee is taken.",
)
@click.option(
    "--trajectories",
    metavar="PK",
    help="An exploration, transport process or campaign in whose runs 'harvest' finds hops.",
)
@click.option(
    "--engine",
    type=click.Choice(["ase", "cp2k", "vasp", "teacher"]),
    help="What labels the images, in place of the engine in the file.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, print the paths, submit nothing.")
@click.option("--wait", is_flag=True, help="Return with a table when the search has ended.")
@click.pass_context
def launch_neb(
    ctx: click.Context,
    barrier_file: str,
    potential: str,
    trajectories: str | None,
    engine: str | None,
    dry_run: bool,
    wait: bool,
) -> None:
    """Search the barriers of a potential, and set them beside those of the labeller.

    The file names ends of paths, a crystal and directions in it, or how hops are found in runs.
    Without an engine only the potential is asked.

    \b
    Examples:
      aiida-mliptransport launch neb barriers.yaml --potential 1234 --wait
      aiida-mliptransport launch neb hops.yaml --potential 1234 --trajectories 1234 --engine cp2k
    """
    from ..campaign.barriers import build_barriers, launch_barriers, load_barrier_file

    content = load_barrier_file(barrier_file, engine)
    load_profile(ctx)
    nodes = (load_node(potential), load_node(trajectories) if trajectories else None)
    if dry_run:
        builder = build_barriers(content, *nodes)
        given = [f"{name}: from its two ends" for name in sorted(builder.initial or {})]
        if content.directions is not None:
            given += [
                f"{content.directions.symbol} along {d}" for d in content.directions.directions
            ]
        if content.harvest is not None:
            given.append(f"hops of {content.harvest.symbol} in {len(builder.trajectories)} runs")
        for line in given:
            click.echo(line)
        click.echo(f"labelled by {content.engine or 'nothing'}; nothing was submitted")
        return
    node = launch_barriers(content, *nodes)
    click.echo(f"{content.name!r} is process {node.pk}")
    if not wait:
        click.echo(f"when it has ended: aiida-mliptransport report {node.pk}")
        return
    wait_for(node)
    _show(node)


def wait_for(node: orm.ProcessNode) -> None:
    """Return when a process has ended; say on the way how many of its jobs are done."""
    import time

    from ..tools.progress import read_progress

    last = ""
    while not (progress := read_progress(node.pk)).ended:
        line = (
            f"{progress.n_jobs_ended} of {progress.n_jobs} jobs done, "
            f"{len(progress.running)} at work"
        )
        if line != last:
            click.echo(f"[{duration(progress.elapsed_s)}] {line}", err=True)
            last = line
        time.sleep(POLL_SECONDS)


def require_success(node: orm.ProcessNode) -> None:
    """End the command with the reason if a process did not end well."""
    from ..workflows.submission import failure_reason

    if not node.is_finished_ok:
        raise click.ClickException(f"process {node.pk}: {failure_reason(node)}")


def _show(node: orm.ProcessNode) -> None:
    from ..report.collect import collect

    found = collect(node).barriers
    paths = found.paths if found is not None else ()
    if paths:
        print_table(
            ("path", "moving", "barrier (eV)", "back (eV)", "labeller (eV)", "force error (eV/Å)"),
            [_row(path) for path in paths],
        )
    for reason in found.refused if found is not None else ():
        click.echo(f"refused: {reason}")
    require_success(node)


def _row(path: BarrierPath) -> tuple[str, ...]:
    ours, theirs = path.profile("potential"), path.profile("labels")
    return (
        path.name,
        path.moving,
        "–" if ours is None else f"{ours.barrier:.3f}",
        "–" if ours is None else f"{ours.reverse_barrier:.3f}",
        "–" if theirs is None else f"{theirs.barrier:.3f}",
        "–" if path.force_error is None else f"{path.force_error:.3f}",
    )
