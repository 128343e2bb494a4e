"""Commands that launch a campaign, watch it, and ask it to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import duration, load_process, load_profile, print_table

if TYPE_CHECKING:
    from aiida import orm

    from ..campaign.schema import Campaign
    from ..tools.progress import Progress


@click.command("campaign")
@click.argument("campaign_file", type=click.Path(), metavar="CAMPAIGN.yaml", required=False)
@click.option(
    "--resume",
    "resumed",
    metavar="PK",
    help="Go on from the last whole iteration of a campaign that has ended; without a file.",
)
@click.option("--max-labels", type=click.IntRange(min=1), help="With --resume: the new budget.")
@click.option("--max-iterations", type=click.IntRange(min=1), help="With --resume: the new budget.")
@click.option("--dry-run", is_flag=True, help="Check everything, print the jobs, submit nothing.")
@click.option(
    "--engine",
    type=click.Choice(["ase", "cp2k", "vasp", "teacher"]),
    help="Label engine, in place of the one in the file.",
)
@click.option("--wait", is_flag=True, help="Return when the campaign has ended.")
@click.option("--follow", "follow_", is_flag=True, help="Show progress until it has ended.")
@click.pass_context
def launch_campaign(
    ctx: click.Context,
    campaign_file: str | None,
    resumed: str | None,
    max_labels: int | None,
    max_iterations: int | None,
    dry_run: bool,
    engine: str | None,
    wait: bool,
    follow_: bool,
) -> None:
    """Check a campaign file and submit it to the daemon.

    \b
    Examples:
      aiida-mliptransport launch campaign.yaml --dry-run
      aiida-mliptransport launch campaign.yaml --engine cp2k --follow
      aiida-mliptransport launch --resume 1234 --max-iterations 12
    """
    budget = {
        name: value
        for name, value in (("max_labels", max_labels), ("max_iterations", max_iterations))
        if value is not None
    }
    if resumed is not None:
        if campaign_file is not None:
            raise click.UsageError("--resume takes the inputs of the process; leave the file out")
        if engine is not None:
            raise click.UsageError("--resume keeps the engine of the campaign; leave --engine out")
        load_profile(ctx)
        _resume(load_process(resumed), budget, dry_run, wait, follow_)
        return
    if campaign_file is None:
        raise click.UsageError("give CAMPAIGN.yaml, or --resume PK")
    if budget:
        raise click.UsageError(
            "--max-labels and --max-iterations go with --resume; set 'budget' in the file"
        )
    from ..campaign.schema import load_campaign

    campaign = load_campaign(campaign_file, engine=engine)
    if dry_run:
        _dry_run(ctx, campaign)
        return
    load_profile(ctx)
    from ..campaign.launch import launch as submit_campaign

    node = submit_campaign(campaign)
    click.echo(f"campaign {campaign.name!r} is process {node.pk}")
    _submitted(node.pk, wait, follow_)


def _submitted(pk: int, wait: bool, follow_: bool) -> None:
    if follow_ or wait:
        _end(_watch(pk, quiet=not follow_))
    else:
        click.echo(f"watch it with: aiida-mliptransport status {pk} --follow")


def _resume(
    node: orm.ProcessNode, budget: dict[str, int], dry_run: bool, wait: bool, follow_: bool
) -> None:
    from ..campaign.resume import resume, resumed_inputs

    if dry_run:
        state = resumed_inputs(node, budget)["resumed"]
        click.echo(
            f"would go on from process {node.pk} after {len(state.get('records', {}))} iterations "
            f"with {state['labels'].value} labels spent; nothing was submitted"
        )
        return
    new = resume(node, budget)
    click.echo(f"process {new.pk} goes on from process {node.pk}")
    _submitted(new.pk, wait, follow_)


@click.command()
@click.argument("process", metavar="PK")
@click.option("--follow", "follow_", is_flag=True, help="Go on until the process ends.")
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
@click.pass_context
def status(ctx: click.Context, process: str, follow_: bool, as_json: bool) -> None:
    """Show where a campaign stands: iterations, errors, labels, jobs.

    AiiDA's built-in broker may hold the tasks of a killed worker until somebody connects to it;
    this does.

    \b
    Examples:
      aiida-mliptransport status 1234
      aiida-mliptransport status 1234 --follow
    """
    load_profile(ctx)
    node = load_process(process)
    from ..tools.progress import ProgressWatch, read_progress
    from ..tools.repair import release_dead_workers
    from .progress import follow, show

    release_dead_workers()
    if as_json:
        import json

        click.echo(json.dumps(read_progress(node.pk).as_dict(), indent=2))
    elif follow_:
        follow(node.pk, ProgressWatch())
    else:
        show(read_progress(node.pk))


@click.command()
@click.argument("process", metavar="PK")
@click.pass_context
def finish(ctx: click.Context, process: str) -> None:
    """Ask a running campaign to end after this iteration with what there is.

    The final training and the transport stage still run.

    \b
    Example:
      aiida-mliptransport finish 1234
    """
    load_profile(ctx)
    node = load_process(process)
    from ..campaign.launch import request_finish

    request_finish(node)
    click.echo(f"process {node.pk} will end after its present iteration with what there is")


def _dry_run(ctx: click.Context, campaign: Campaign) -> None:
    from ..campaign.launch import load_codes, needed_codes
    from ..campaign.planning import plan

    result = plan(campaign)
    print_table(
        ("stage", "jobs", "work", "core-hours (about)"),
        [(row.stage, row.n_jobs, row.work, row.core_hours) for row in result.rows],
        title=f"{campaign.name}: protocol {campaign.protocol}, engine {campaign.engine}",
    )
    click.echo(
        f"at most {result.n_jobs} jobs, {result.max_labels} labels and {result.max_iterations} "
        f"iterations; about {result.core_hours:.3g} core-hours, "
        f"{duration(3600 * result.wall_hours)} with {campaign.max_concurrent} jobs at a time"
    )
    load_profile(ctx)
    load_codes(campaign)
    click.echo(f"codes: {', '.join(needed_codes(campaign).values())}; nothing was submitted")


def _watch(pk: int, quiet: bool) -> Progress:
    from ..tools.progress import ProgressWatch
    from .progress import POLL_SECONDS, follow

    if not quiet:
        return follow(pk, ProgressWatch())
    import time

    watch = ProgressWatch()
    while not (progress := watch(pk)).ended:
        time.sleep(POLL_SECONDS)
    return progress


def _end(progress: Progress) -> None:
    """Exit with 0 for a campaign that ended with results, also when it did not converge."""
    from .progress import headline

    budget_spent = progress.exit_status is not None and 400 <= progress.exit_status < 500
    if progress.state == "finished" and (not progress.exit_status or budget_spent):
        click.echo(headline(progress))
        return
    raise click.ClickException(f"{headline(progress)}; see `verdi process report {progress.pk}`")
