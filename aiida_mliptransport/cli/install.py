"""Commands that make the codes and look for what is wrong."""

from __future__ import annotations

import click

from .common import load_profile, print_table


@click.command()
@click.option(
    "--config",
    type=click.Path(),
    help="YAML file with computers and codes, in place of what is found on this machine.",
)
@click.option("--work-dir", type=click.Path(), help="Folder in which jobs run on localhost.")
@click.pass_context
def setup(ctx: click.Context, config: str | None, work_dir: str | None) -> None:
    """Find dp, lmp, cp2k and python, and make AiiDA codes of them.

    Programs beside the running Python come first, then those on PATH. What is there is kept, so
    the command can be run again. Jobs of this package with the same inputs are taken from the
    profile from then on, unless its caching options were set before.

    \b
    Examples:
      aiida-mliptransport setup
      aiida-mliptransport setup --config codes.yaml
    \b
    codes.yaml:
      computers:
        cluster: {hostname: login.cluster.org, scheduler: core.slurm, work_dir: /scratch/me}
      codes:
        dp: {computer: cluster, executable: /opt/deepmd/bin/dp, prepend_text: module load deepmd}
    """
    load_profile(ctx)
    from ..tools.installation import missing, setup_caching, setup_from_file, setup_localhost

    done = setup_from_file(config) if config else setup_localhost(work_dir)
    done.append(setup_caching())
    print_table(("what", "action", "detail"), [(m.what, m.action, m.detail) for m in done])
    absent = [name for name in missing(done) if name != "cp2k"]
    if absent:
        raise click.ClickException(
            f"not found: {', '.join(absent)}; install what the table says and run setup again"
        )


@click.command()
@click.option(
    "--repair",
    is_flag=True,
    help="End stray workers, close orphaned processes, send lost tasks again.",
)
@click.option("--no-codes", is_flag=True, help="Do not start the programs.")
@click.pass_context
def doctor(ctx: click.Context, repair: bool, no_codes: bool) -> None:
    """Look for what is wrong, and print the command that mends it.

    Ends with exit code 1 if there is a problem. After a crash, or when something was killed, run
    it with --repair, and then `verdi daemon start` if the daemon does not run.

    \b
    Examples:
      aiida-mliptransport doctor
      aiida-mliptransport doctor --repair
    """
    load_profile(ctx)
    from ..tools.doctor import examine

    if repair:
        _repair()
    problems = 0
    for finding in examine(codes=not no_codes):
        mark = click.style("ok ", fg="green") if finding.ok else click.style("BAD", fg="red")
        click.echo(f"{mark} {finding.subject}: {finding.detail}")
        if not finding.ok:
            problems += 1
            click.echo(f"    mend it: {finding.remedy}")
    if problems:
        click.echo(f"{problems} problem(s)")
        ctx.exit(1)


def _repair() -> None:
    from aiida.engine.daemon.client import DaemonException

    from ..tools.daemon import end_strays, forget_dead_broker, restart_deaf_workers
    from ..tools.repair import release_dead_workers, resend_lost, seal_orphans

    for entry in end_strays():
        click.echo(f"ended {entry.role} {entry.pid}, left behind by a killed daemon")
    if forget_dead_broker():
        click.echo("removed the files of a broker that is gone")
    try:
        for entry in restart_deaf_workers():
            click.echo(f"replaced worker {entry.pid}, which did not hear the broker")
    except DaemonException as error:
        click.echo(f"workers were not replaced: {error}; run `verdi daemon restart`", err=True)
    release_dead_workers()
    for node in seal_orphans():
        click.echo(f"closed {node.process_label}<{node.pk}>, left behind by a killed worker")
    try:
        for node in resend_lost():
            click.echo(f"sent the task of {node.process_label}<{node.pk}> again")
    except DaemonException as error:
        click.echo(f"tasks were not sent again: {error}", err=True)
