"""Reading of LAMMPS dumps against the peers, and the analysis of one larger than memory."""

from __future__ import annotations

import resource
import threading
import time
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from timing import Candidates, bar, best_times, show

from aiida_mliptransport.science.lammps_dump import iterate_dump
from aiida_mliptransport.science.trajectory_stream import stream_dump
from aiida_mliptransport.science.transport.reference import BARYCENTRIC
from aiida_mliptransport.science.transport.streamed import analyse_stream

CHARGES = {"Li": 1.0, "P": 5.0, "S": -2.0, "Cl": -4.0}
MEMORY_LIMIT = 2 * 1000**3


def write_dump(path: Path, gigabytes: float, n_atoms: int = 10_000) -> int:
    """Write a random walk of four species as a LAMMPS text dump; returns its frames."""
    rng = np.random.default_rng(2)
    edge = (n_atoms / 0.05) ** (1 / 3)
    positions = rng.random((n_atoms, 3)) * edge
    header = f"ITEM: NUMBER OF ATOMS\n{n_atoms}\nITEM: BOX BOUNDS pp pp pp\n" + f"0 {edge}\n" * 3
    names = list(CHARGES)
    rows = "".join(f"{i + 1} {i % 4 + 1} {names[i % 4]} %.5f %.5f %.5f \n" for i in range(n_atoms))
    n_frames = 0
    with path.open("w") as handle, bar(f"writing {gigabytes:g} GB") as told:
        while handle.tell() < gigabytes * 1e9:
            handle.write(f"ITEM: TIMESTEP\n{100 * n_frames}\n{header}")
            handle.write(
                "ITEM: ATOMS id type element xu yu zu \n" + rows % tuple(positions.ravel().tolist())
            )
            positions += rng.normal(0.0, 0.1, size=positions.shape)
            n_frames += 1
            told(handle.tell(), int(gigabytes * 1e9))
    return n_frames


def time_reading(folder: Path, gigabytes: float) -> dict[str, float]:
    """Reading of a dump, against the readers of ASE and MDAnalysis."""
    path = folder / "small.lammpstrj"
    write_dump(path, gigabytes)
    megabytes = path.stat().st_size / 1e6

    def with_ase() -> None:
        from ase.io import iread

        for _ in iread(path, index=":", format="lammps-dump-text"):
            pass

    def with_mdanalysis() -> None:
        import MDAnalysis

        universe = MDAnalysis.Universe(
            str(path),
            format="LAMMPSDUMP",
            topology_format="LAMMPSDUMP",
            lammps_coordinate_convention="unwrapped",
        )
        for _ in universe.trajectory:
            pass

    candidates: Candidates = {"iterate_dump": lambda: list(iterate_dump(path)), "ASE": with_ase}
    try:
        import MDAnalysis  # noqa: F401

        candidates["MDAnalysis"] = with_mdanalysis
    except ImportError:
        print("not installed: MDAnalysis")
    times = best_times(candidates, 2)
    path.unlink()
    show(f"reading a dump of {megabytes:.0f} MB", times, "iterate_dump")
    figures = {"dump_MB_per_s": megabytes / times["iterate_dump"]}
    return figures | {
        f"{name.lower()}_over_dump": seconds / times["iterate_dump"]
        for name, seconds in times.items()
        if name != "iterate_dump"
    }


def time_stream(folder: Path, gigabytes: float) -> dict[str, float]:
    """D and σ of a dump in a process that may allocate 2 GB, and its peak memory."""
    path = folder / "large.lammpstrj"
    n_frames = write_dump(path, gigabytes)
    receiver, sender = Pipe(duplex=False)
    child = get_context("spawn").Process(target=stream, args=(path, folder, sender), daemon=True)
    child.start()
    sender.close()
    figures: dict[str, float] = receiver.recv()
    child.join()
    print(
        f"stream of {path.stat().st_size / 1e9:.2f} GB, {n_frames} frames: "
        f"read {figures['stream_read_s']:.1f} s, analysed {figures['stream_analyse_s']:.1f} s; "
        f"peak {figures['stream_own_GB']:.2f} GB, with mapped files {figures['stream_rss_GB']:.2f}"
    )
    return {"stream_GB": path.stat().st_size / 1e9} | figures


def stream(path: Path, folder: Path, sender: Connection) -> None:
    """Analyse a dump with at most 2 GB of memory of this process's own."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    peak = {"RssAnon": 0.0}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            lines = Path("/proc/self/status").read_text().splitlines()
            anonymous = next(line for line in lines if line.startswith("RssAnon"))
            peak["RssAnon"] = max(peak["RssAnon"], 1024.0 * int(anonymous.split()[1]))

    threading.Thread(target=watch, daemon=True).start()
    start = time.process_time()
    with (
        bar("streaming") as told,
        stream_dump(path, BARYCENTRIC, timestep_fs=1.0, scratch=folder, progress=told) as held,
    ):
        read = time.process_time()
        result = analyse_stream(held, CHARGES, 300.0)
        end = time.process_time()
    done.set()
    for name, estimate in result.diffusion.items():
        print(f"  D({name}) = {estimate.diffusion_cm2_s} ± {estimate.standard_error_cm2_s} cm²/s")
    sender.send(
        {
            "stream_read_s": read - start,
            "stream_analyse_s": end - read,
            "stream_own_GB": peak["RssAnon"] / 1e9,
            "stream_rss_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        }
    )
