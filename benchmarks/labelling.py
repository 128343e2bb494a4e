"""Cost of labelling by CP2K through AiiDA against the bare executable on the same frames.

Usage: python benchmarks/labelling.py [--profile NAME] [--code cp2k@localhost] [--seed 1]

Needs a profile with a running daemon, and CP2K on this machine. Labels rattled LiCl three
times, one job at a time: expensive frames in one batch (a trajectory of given frames, REFTRAJ), the
same frames in jobs of their own, and many cheap frames in one batch. The submission script of every
job is then run once more without AiiDA.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from aiida import load_profile, orm
from aiida.engine import submit
from ase.build import bulk
from loop_overhead import copy_inputs, run_script, seconds_with_a_code
from storage import node_bytes

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.label.cp2k import Cp2kLabelWorkChain

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Run:
    """Labels of one WorkChain: wall times in seconds, and bytes in the repository."""

    n_labels: int
    wall: float
    code: float
    bare: float
    label_bytes: int
    job_bytes: int

    @property
    def overhead(self) -> float:
        """Seconds without a running code, per label."""
        return (self.wall - self.code) / self.n_labels

    def row(self, name: str) -> str:
        """Return a line of the table."""
        n = self.n_labels
        return (
            f"{name:<28} {n:4d} labels  {self.wall / n:7.2f} s a label  code {self.code / n:7.2f}  "
            f"bare {self.bare / n:7.2f}  AiiDA {self.overhead:5.2f}  "
            f"{3600 * n / self.wall:6.0f} labels/h"
        )


def frames(repeats: tuple[int, int, int], number: int, seed: int) -> FrameSetData:
    """Return rattled rock-salt LiCl, 8 atoms for each repeat."""
    images = []
    for index in range(number):
        atoms = bulk("LiCl", "rocksalt", a=5.3, cubic=True).repeat(repeats)
        atoms.rattle(0.15, seed=1000 * seed + index)
        images.append(atoms)
    return FrameSetData(Frames.from_atoms(images))


def label(code: orm.AbstractCode, given: FrameSetData, batch_size: int, protocol: str) -> Run:
    """Label frames through the daemon, then run the scripts of the jobs without it."""
    builder = Cp2kLabelWorkChain.get_builder_from_protocol(
        code,
        given,
        max_concurrent=1,
        protocol=protocol,
        overrides={"batch_size": batch_size, "reuse_labels": False},
    )
    node = submit(builder)
    while not node.is_terminated:
        time.sleep(POLL_SECONDS)
    if not node.is_finished_ok:
        raise SystemExit(f"labelling {node.pk} ended with: {node.exit_message or node.exception}")
    jobs = [job for job in node.called_descendants if isinstance(job, orm.CalcJobNode)]
    copied = [job.pk for job in jobs if job.base.caching.is_created_from_cache]
    if copied:
        raise SystemExit(f"jobs {copied} came from the cache; give another --seed")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / str(job.pk) for job in jobs]
        for job, folder in zip(jobs, folders, strict=True):
            folder.mkdir()
            copy_inputs(job, folder)
        start = time.monotonic()
        for folder in folders:
            run_script(folder)
        bare = time.monotonic() - start
    return Run(
        n_labels=given.n_frames,
        wall=(node.mtime - node.ctime).total_seconds(),
        code=seconds_with_a_code(jobs),
        bare=bare,
        label_bytes=node_bytes(node.outputs.frames),
        job_bytes=sum(node_bytes(job) + node_bytes(job.outputs.retrieved) for job in jobs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile")
    parser.add_argument("--code", default="cp2k@localhost")
    parser.add_argument("--seed", type=int, default=1, help="Another one avoids the cache.")
    parser.add_argument("--expensive", type=int, default=6, help="Frames of 32 atoms.")
    parser.add_argument("--cheap", type=int, default=100, help="Frames of 8 atoms.")
    arguments = parser.parse_args()
    load_profile(arguments.profile)
    code = orm.load_code(arguments.code)
    large = frames((2, 2, 1), arguments.expensive, arguments.seed)
    small = frames((1, 1, 1), arguments.cheap, arguments.seed)
    batch = label(code, large, arguments.expensive, "fast")
    print(batch.row("32 atoms, one batch"), flush=True)
    single = label(code, large, 1, "fast")
    print(single.row("32 atoms, single jobs"), flush=True)
    cheap = label(code, small, arguments.cheap, "fast")
    print(cheap.row("8 atoms, one batch"), flush=True)
    for name, run in (("32 atoms", batch), ("8 atoms", cheap)):
        print(
            f"{name}: {run.label_bytes / run.n_labels:.0f} bytes a label in the frames, "
            f"{run.job_bytes / run.n_labels:.0f} in the files of the jobs"
        )
    print(
        f"labelling: expensive_s={batch.bare / batch.n_labels:.1f} "
        f"overhead_share={batch.wall / batch.code - 1:.3f} "
        f"overhead_share_single={single.wall / single.code - 1:.3f} "
        f"cheap_overhead_s={cheap.overhead:.3f} "
        f"wall_over_bare={batch.wall / batch.bare:.3f} "
        f"single_over_reftraj={single.bare / batch.bare:.2f} "
        f"bytes_per_label={cheap.label_bytes / cheap.n_labels:.0f} "
        f"file_bytes_per_label={cheap.job_bytes / cheap.n_labels:.0f}"
    )


if __name__ == "__main__":
    main()
