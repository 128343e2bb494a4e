"""Bytes in the repository per MD frame and per label, against the files the programs wrote.

Usage: python benchmarks/storage.py PK [--profile NAME]

PK is a finished active-learning process on this machine, whose working directories still exist.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from aiida import load_profile, orm

from aiida_mliptransport.calculations.lammps_script import DUMP_FILE, SPECIES_FILE, THERMO_FILE
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.trajectory import MDTrajectoryData

#: What LAMMPS writes of a trajectory: coordinates, thermodynamics, species sums and deviations.
DUMP_FILES = (DUMP_FILE, THERMO_FILE, SPECIES_FILE, "model_devi.out")


def node_bytes(node: orm.Data) -> int:
    """Return the size of all files of a node."""
    repository = node.base.repository
    return sum(
        len(repository.get_object_content(str(folder / name), mode="rb"))
        for folder, _, names in repository.walk()
        for name in names
    )


def remote_bytes(job: orm.CalcJobNode, *names: str) -> int:
    """Return the size of files in the working directory of a job on this machine."""
    folder = Path(job.outputs.remote_folder.get_remote_path())
    return sum((folder / name).stat().st_size for name in names if (folder / name).exists())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pk", type=int)
    parser.add_argument("--profile")
    arguments = parser.parse_args()
    load_profile(arguments.profile)
    campaign = orm.load_node(arguments.pk)
    jobs = [n for n in campaign.called_descendants if isinstance(n, orm.CalcJobNode)]
    stored = raw = frames = 0
    for job in jobs:
        node = job.outputs.trajectory if "trajectory" in job.outputs else None
        if job.process_label != "LammpsMDCalculation" or not isinstance(node, MDTrajectoryData):
            continue
        stored += node_bytes(node)
        raw += remote_bytes(job, *DUMP_FILES)
        frames += node.n_frames
    label_stored = label_raw = labels = 0
    for job in jobs:
        if "frames" not in job.outputs or not isinstance(job.outputs.frames, FrameSetData):
            continue
        label_stored += node_bytes(job.outputs.frames)
        folder = Path(job.outputs.remote_folder.get_remote_path())
        label_raw += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        labels += job.outputs.frames.n_frames
    print(f"MD: {frames} frames, {stored} bytes stored, {raw} bytes of raw dumps")
    print(f"labels: {labels} frames, {label_stored} bytes stored, {label_raw} bytes of raw files")
    print(
        f"storage: md_bytes_per_frame={stored / frames:.0f} md_ratio={stored / raw:.3f} "
        f"label_bytes_per_frame={label_stored / labels:.0f} "
        f"label_ratio={label_stored / label_raw:.3f}"
    )


if __name__ == "__main__":
    main()
