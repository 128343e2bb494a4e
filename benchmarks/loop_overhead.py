"""Wall time of a campaign against the same jobs driven by a plain shell loop, in one run.

Usage: python benchmarks/loop_overhead.py CAMPAIGN.yaml|PK [--profile NAME]

Launches the campaign in a profile with a running daemon and waits for its end, or takes one that
has ended. The wall time is set beside the time in which at least one of its codes ran, and beside
that of a shell loop: the submission scripts of all its jobs once more, stage after stage, as many
at a time as the campaign ran. Working directories must be on this machine.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from aiida import load_profile, orm

from aiida_mliptransport.campaign.launch import launch
from aiida_mliptransport.campaign.schema import load_campaign

POLL_SECONDS = 0.5


def run_campaign(given: str) -> tuple[orm.WorkChainNode, float]:
    """Return the ended campaign and its wall time in seconds."""
    node = orm.load_node(given) if given.isdigit() else launch(load_campaign(given))
    while not node.is_terminated:
        time.sleep(POLL_SECONDS)
    return node, (node.mtime - node.ctime).total_seconds()


def stages(campaign: orm.WorkChainNode) -> list[list[orm.CalcJobNode]]:
    """Return the jobs in the order of their creation, those of one parent together."""
    jobs = [n for n in campaign.called_descendants if isinstance(n, orm.CalcJobNode)]
    jobs.sort(key=lambda job: job.pk)
    return [list(group) for _, group in groupby(jobs, key=lambda job: job.caller.pk)]


def run_script(folder: Path) -> None:
    """Run one submission script as the scheduler would."""
    subprocess.run(["bash", "_aiidasubmit.sh"], cwd=folder, check=True)


def started_file(job: orm.CalcJobNode) -> Path:
    """Return the file that is made when the job's script starts, and stays empty."""
    path = Path(job.outputs.remote_folder.get_remote_path()) / "_scheduler-stdout.txt"
    # Jobs write to files of their own.
    if path.stat().st_size:
        raise SystemExit(f"job {job.pk} wrote to {path.name}, so its start is not known")
    return path


def seconds_with_a_code(jobs: list[orm.CalcJobNode]) -> float:
    """Return the wall time in which at least one of the jobs' scripts ran."""
    spans = []
    for job in jobs:
        started = started_file(job)
        files = [path for path in started.parent.rglob("*") if path.is_file()]
        spans.append((started.stat().st_mtime, max(path.stat().st_mtime for path in files)))
    total, end = 0.0, 0.0
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def copy_inputs(job: orm.CalcJobNode, target: Path) -> None:
    """Copy what was in the working directory before the job ran.

    What it left there must not be found by its repetition: a training would go on from its own
    checkpoint and be done at once.
    """
    started = started_file(job)
    source = started.parent
    for path in sorted(source.rglob("*")):
        if path.is_dir():
            (target / path.relative_to(source)).mkdir(parents=True, exist_ok=True)
        elif path.stat().st_mtime < started.stat().st_mtime:
            shutil.copy2(path, target / path.relative_to(source))


def run_shell_loop(groups: list[list[orm.CalcJobNode]], at_once: int, scratch: Path) -> list[float]:
    """Run copies of all jobs, group after group, and return the wall time of each in seconds."""
    copies = []
    for group in groups:
        folders = []
        for job in group:
            target = scratch / str(job.pk)
            target.mkdir()
            copy_inputs(job, target)
            folders.append(target)
        copies.append(folders)
    walls = []
    with ThreadPoolExecutor(at_once) as pool:
        for folders in copies:
            start = time.monotonic()
            list(pool.map(run_script, folders))
            walls.append(time.monotonic() - start)
    return walls


def campaign_seconds(group: list[orm.CalcJobNode]) -> float:
    """Wall time of the jobs of one stage in the campaign."""
    first, last = min(job.ctime for job in group), max(job.mtime for job in group)
    return (last - first).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", help="campaign file, or PK of an ended campaign")
    parser.add_argument("--profile")
    arguments = parser.parse_args()
    load_profile(arguments.profile)
    node, campaign_wall = run_campaign(arguments.campaign)
    groups = stages(node)
    at_once = node.inputs.max_concurrent.value
    with tempfile.TemporaryDirectory() as scratch:
        walls = run_shell_loop(groups, at_once, Path(scratch))
    shell_wall = sum(walls)
    codes_wall = seconds_with_a_code([job for group in groups for job in group])
    n_jobs = sum(len(group) for group in groups)
    for group, wall in zip(groups, walls, strict=True):
        name = f"{len(group)} × {group[0].process_label}"
        print(f"  {name:<36} campaign {campaign_seconds(group):6.1f} s, shell {wall:6.1f} s")
    print(f"{n_jobs} jobs in {len(groups)} stages, {at_once} at a time")
    print(
        f"loop_overhead: campaign_s={campaign_wall:.0f} codes_s={codes_wall:.0f} "
        f"shell_s={shell_wall:.0f} ratio_to_codes={campaign_wall / codes_wall:.2f} "
        f"ratio_to_shell={campaign_wall / shell_wall:.2f}"
    )


if __name__ == "__main__":
    main()
