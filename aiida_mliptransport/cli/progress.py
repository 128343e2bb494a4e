"""Show where a campaign stands: drawn in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .common import duration, plain_rows, rich_table

if TYPE_CHECKING:
    from ..tools.progress import IterationProgress, Progress

HEADERS = (
    "iteration", "at", "trained on", "labels", "accurate %", "candidate %", "failed %",
    "blind RMSE eV/Å", "of RMS %", "converged",
)  # fmt: skip

#: Seconds between two looks at the database.
POLL_SECONDS = 3.0


def show(progress: Progress) -> None:
    """Print the state once."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(drawn(progress))
        return
    for line in lines(progress):
        click.echo(line)


def follow(pk: int, read: Callable[[int], Progress], poll: float = POLL_SECONDS) -> Progress:
    """Show the state until the process ends; return the last one."""
    if not sys.stdout.isatty():
        return _follow_plainly(pk, read, poll)
    from rich.live import Live

    progress = read(pk)
    with Live(drawn(progress), refresh_per_second=2) as live:
        while not progress.ended:
            time.sleep(poll)
            progress = read(pk)
            live.update(drawn(progress))
    return progress


def _follow_plainly(pk: int, read: Callable[[int], Progress], poll: float) -> Progress:
    last = ""
    told: set[int] = set()
    while True:
        progress = read(pk)
        for iteration in progress.iterations:
            if iteration.blind_force_rmse is not None and iteration.number not in told:
                told.add(iteration.number)
                click.echo(iteration_line(iteration))
        line = f"{progress.stage or progress.state}, {counts(progress)}"
        if line != last:
            click.echo(f"[{duration(progress.elapsed_s)}] {line}")
            last = line
        if progress.ended:
            click.echo(headline(progress))
            return progress
        time.sleep(poll)


def headline(progress: Progress) -> str:
    """Return one line: what, its state, and why it ended."""
    name = f"{progress.label or progress.kind} <{progress.pk}>"
    parts = [f"{name}: {progress.state}"]
    if progress.exit_status:
        parts.append(f"exit code {progress.exit_status}")
    if progress.converged is not None:
        parts.append("converged" if progress.converged else "not converged")
    if progress.stop_reason:
        parts.append(progress.stop_reason)
    elif progress.message:
        parts.append(progress.message)
    if progress.finish_requested and not progress.ended:
        parts.append("asked to finish after this iteration")
    return ", ".join(parts)


def counts(progress: Progress) -> str:
    """Return labels and jobs in words."""
    failed = f" ({progress.n_failed_labels} failed)" if progress.n_failed_labels else ""
    broken = f", {progress.n_jobs_failed} failed" if progress.n_jobs_failed else ""
    return (
        f"{progress.n_labels} labels{failed}, {progress.n_jobs_ended} of {progress.n_jobs} jobs "
        f"done{broken}, {len(progress.running)} at work"
    )


def iteration_line(iteration: IterationProgress) -> str:
    """Return one line about an assessed iteration."""
    accurate = _percent(iteration.accurate, iteration.n_frames)
    relative = None if iteration.relative is None else round(100 * iteration.relative)
    return (
        f"iteration {iteration.number}: blind force RMSE {iteration.blind_force_rmse:.3f} eV/Å "
        f"({relative} % of the force RMS), {accurate} % accurate, {iteration.n_labels} new labels"
    )


def lines(progress: Progress) -> list[str]:
    """Return the state as plain lines."""
    result = [headline(progress), f"{duration(progress.elapsed_s)}, {counts(progress)}"]
    if progress.stage:
        result.append(f"now: {progress.stage}")
    if progress.iterations:
        result += plain_rows(HEADERS, _rows(progress))
    for job in progress.running:
        result.append(f"job {job.pk} {job.where}: {job.kind}, {job.state}, {duration(job.seconds)}")
    return result


def drawn(progress: Progress) -> Any:
    """Return the state as something that rich draws."""
    from rich.console import Group
    from rich.text import Text

    good = progress.state == "finished" and not progress.exit_status
    style = "bold green" if good else "bold red" if progress.ended else "bold"
    parts: list[Any] = [
        Text(headline(progress), style=style),
        Text(f"{duration(progress.elapsed_s)}, {counts(progress)}"),
    ]
    if progress.stage:
        parts.append(Text(f"now: {progress.stage}", style="cyan"))
    if progress.iterations:
        parts.append(rich_table(HEADERS, _rows(progress)))
    if progress.running:
        cells = [
            [str(job.pk), job.where, job.kind, job.state, duration(job.seconds)]
            for job in progress.running
        ]
        parts.append(rich_table(("job", "where", "kind", "state", "since"), cells))
    return Group(*parts)


def _rows(progress: Progress) -> list[list[str]]:
    return [
        [
            str(entry.number),
            entry.step.replace("_", " "),
            _text(entry.n_training_frames),
            str(entry.n_labels),
            _percent(entry.accurate, entry.n_frames),
            _percent(entry.candidate, entry.n_frames),
            _percent(entry.failed, entry.n_frames),
            "–" if entry.blind_force_rmse is None else f"{entry.blind_force_rmse:.3f}",
            "–" if entry.relative is None else f"{100 * entry.relative:.1f}",
            "–" if entry.converged is None else "yes" if entry.converged else "no",
        ]
        for entry in progress.iterations
    ]


def _percent(part: int | None, total: int | None) -> str:
    return "–" if part is None or not total else f"{100 * part / total:.0f}"


def _text(value: int | None) -> str:
    return "–" if value is None else str(value)
