"""How labelling of many structures at a time scales: wall time, memory and database size.

Usage: python benchmarks/scale.py [--profile NAME] [--labels 125 250 500 1000] [--workers 1 2 4]

Needs a profile of its own with a stopped daemon: the size is that of the whole database.
Lennard-Jones argon in 50 cells of different size is labelled by a trivial calculator, five frames
a job, up to 50 jobs in flight. Each run has a daemon of its own with the given number of workers:
first one worker and growing numbers of labels, then the largest number and more workers.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from aiida import load_profile, orm
from aiida.engine import ProcessBuilder, submit
from aiida.engine.daemon.client import get_daemon_client
from aiida.manage import get_manager
from ase.build import bulk

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.label.ase import AseLabelWorkChain

POLL_SECONDS = 0.5
STRUCTURES = 50
FRAMES_PER_JOB = 5
ARGON = {"name": "lj", "epsilon_eV": 0.0104, "sigma_A": 3.4, "cutoff_A": 6.0}


@dataclass(frozen=True)
class Run:
    """One labelling: seconds, bytes, and the largest values seen while it ran."""

    n_labels: int
    n_workers: int
    wall: float
    worker_bytes: int
    database_bytes: int
    checkpoint_bytes: int

    def row(self) -> str:
        """Return a line of the table."""
        return (
            f"{self.n_labels:5d} labels {self.n_workers} worker(s): {self.wall:7.1f} s, "
            f"{1000 * self.wall / self.n_labels:5.0f} ms a label, workers "
            f"{self.worker_bytes / 1e6:6.0f} MB, database {self.database_bytes / 1e6:6.1f} MB, "
            f"checkpoint {self.checkpoint_bytes / 1e3:5.0f} kB"
        )


def frames(n_labels: int, seed: int) -> FrameSetData:
    """Return rattled argon in cells of different size, as many frames of each."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(n_labels):
        edge = 5.2 + 0.02 * (number % STRUCTURES)
        atoms = bulk("Ar", "fcc", a=edge, cubic=True)
        atoms.rattle(0.1, rng=rng)
        images.append(atoms)
    return FrameSetData(Frames.from_atoms(images))


def database_bytes() -> int:
    """Return the size of the profile's SQLite database."""
    folder = Path(get_manager().get_profile().storage_config["filepath"])
    return sum(path.stat().st_size for path in folder.glob("database.sqlite*"))


def worker_bytes() -> int:
    """Return the resident memory of all workers of the daemon.

    The supervisor's children are looked at: asked while jobs run, it may not answer in time.
    """
    children = psutil.Process(get_daemon_client().get_daemon_pid()).children()
    workers = [child for child in children if "worker" in child.cmdline()]
    return sum(worker.memory_info().rss for worker in workers)


def watched(builder: ProcessBuilder) -> tuple[orm.ProcessNode, float, int, int]:
    """Submit, and return the ended process, its seconds, and the largest memory and checkpoint."""
    start = time.monotonic()
    node = submit(builder)
    memory = checkpoint = 0
    while not node.is_terminated:
        time.sleep(POLL_SECONDS)
        memory = max(memory, worker_bytes())
        checkpoint = max(checkpoint, len(node.checkpoint or ""))
    return node, time.monotonic() - start, memory, checkpoint


def measure(code: orm.AbstractCode, n_labels: int, n_workers: int, seed: int) -> Run:
    """Label with a fresh daemon, and look at it while it works."""
    subprocess.run(["verdi", "daemon", "start", str(n_workers)], check=True, capture_output=True)
    # The daemon has a new broker, and the connection to the one before would lose the task.
    get_manager().reset_broker()
    get_manager().reset_runner()
    before = database_bytes()
    builder = AseLabelWorkChain.get_builder_from_protocol(
        code,
        frames(n_labels, seed),
        calculator=ARGON,
        max_concurrent=STRUCTURES,
        protocol="fast",
        overrides={"batch_size": FRAMES_PER_JOB, "reuse_labels": False},
    )
    node, wall, memory, checkpoint = watched(builder)
    command = ["verdi", "daemon", "stop", "--timeout", "120"]
    subprocess.run(command, check=True, capture_output=True)
    if not node.is_finished_ok:
        raise SystemExit(f"labelling {node.pk} ended with: {node.exit_message or node.exception}")
    if node.outputs.frames.n_frames != n_labels:
        raise SystemExit(f"labelling {node.pk} gave {node.outputs.frames.n_frames} labels")
    return Run(n_labels, n_workers, wall, memory, database_bytes() - before, checkpoint)


def exponent(labels: Sequence[int], values: Sequence[float]) -> float:
    """Return the exponent of a quantity in the number of labels, by least squares of logarithms."""
    return float(np.polyfit(np.log(labels), np.log(values), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile")
    parser.add_argument("--code", default="python@localhost")
    parser.add_argument("--labels", type=int, nargs="+", default=[125, 250, 500, 1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    load_profile(arguments.profile)
    code = orm.load_code(arguments.code)
    most = max(arguments.labels)
    plans = [(n, arguments.workers[0]) for n in sorted(arguments.labels)]
    plans += [(most, workers) for workers in arguments.workers[1:]]
    runs = []
    for number, (n_labels, n_workers) in enumerate(plans):
        runs.append(measure(code, n_labels, n_workers, 1000 * arguments.seed + number))
        print(runs[-1].row(), flush=True)
    grown = runs[: len(arguments.labels)]
    labels = [run.n_labels for run in grown]
    largest = grown[-1]
    line = f"scale: labels={most} wall_s={largest.wall:.0f}"
    if len(labels) > 1:
        for name in ("wall", "database_bytes", "worker_bytes", "checkpoint_bytes"):
            found = exponent(labels, [getattr(run, name) for run in grown])
            line += f" exponent_{name.removesuffix('_bytes')}={found:.2f}"
    for run in runs[len(grown) :]:
        line += f" speed_{run.n_workers}_workers={largest.wall / run.wall:.2f}"
    print(line)


if __name__ == "__main__":
    main()
