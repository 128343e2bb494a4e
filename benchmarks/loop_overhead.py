"""Wall time of a campaign against the same jobs driven by a plain shell loop, in one run.

Usage: python benchmarks/loop_overhead.py CAMPAIGN.yaml|PK [--profile NAME]

Launches the campaign in a profile with a running daemon and waits for its end, or takes one that
has ended. Then it runs the submission scripts of all its jobs once more from the shell: stage after
stage, as many at a time as the campaign ran. Working directories must be on this machine.
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


def run_shell_loop(groups: list[list[orm.CalcJobNode]], at_once: int, scratch: Path) -> float:
    """Run copies of all jobs, group after group, and return the wall time in seconds."""
    copies = []
    for group in groups:
        folders = []
        for job in group:
            target = scratch / str(job.pk)
            shutil.copytree(job.outputs.remote_folder.get_remote_path(), target)
            folders.append(target)
        copies.append(folders)
    start = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        for folders in copies:
            list(pool.map(run_script, folders))
    return time.monotonic() - start


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
        shell_wall = run_shell_loop(groups, at_once, Path(scratch))
    n_jobs = sum(len(group) for group in groups)
    print(f"{n_jobs} jobs in {len(groups)} stages, {at_once} at a time")
    print(
        f"loop_overhead: campaign_s={campaign_wall:.0f} shell_s={shell_wall:.0f} "
        f"ratio={campaign_wall / shell_wall:.2f}"
    )


if __name__ == "__main__":
    main()
