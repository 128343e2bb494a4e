"""Speed and memory of the transport analysis against its peers, on one core in one run.

Usage: python benchmarks/transport_speed.py [--stream-gb 10] [--plot speed.png] ...

Times are processor times, the best of several rounds in which all candidates take turns. Peers
that are not installed are named: pip install 'aiida-mliptransport[benchmarks]'.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import tempfile
import warnings
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import freud
import numpy as np
from scipy import fft
from timing import Array, Candidates, best_times, show
from transport_dump import CHARGES, time_reading, time_stream
from transport_peers import msd_peers

from aiida_mliptransport.science.transport.msd import msd_collective, msd_self, species_sums
from aiida_mliptransport.science.transport.rdf import partial_rdfs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atoms", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--rdf-atoms", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stream-gb", type=float, default=0.1, help="Size of the dump, GB.")
    parser.add_argument("--scratch", type=Path, help="Folder for the dump and what it needs.")
    parser.add_argument("--plot", type=Path, help="Draw cost against atoms and frames (PNG).")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    freud.set_num_threads(1)
    figures: dict[str, float] = {}
    figures |= time_msd(arguments.atoms, arguments.frames, arguments.rounds)
    figures |= time_rdf(arguments.rdf_atoms, arguments.rounds)
    figures |= time_slopes(arguments.rounds, arguments.plot)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        figures |= time_reading(Path(folder), min(0.03, arguments.stream_gb))
        figures |= time_stream(Path(folder), arguments.stream_gb)
    print("transport_speed:", " ".join(f"{key}={value:.3g}" for key, value in figures.items()))


def walk(n_frames: int, n_atoms: int) -> Array:
    """Return a random walk (n_frames, n_atoms, 3), made in place so that nothing else is held."""
    rng = np.random.default_rng(0)
    positions = np.empty((n_frames, n_atoms, 3))
    rng.standard_normal(out=positions)
    for frame in range(1, n_frames):
        positions[frame] += positions[frame - 1]
    return positions


def time_msd(n_atoms: int, n_frames: int, rounds: int) -> dict[str, float]:
    """MSD at all lags, Onsager terms, the bare transform and the peers."""
    msd_collective(species_sums(walk(20, 4), list("ABCD"))[1])
    msd_self(walk(20, 4))
    positions = walk(n_frames, n_atoms)
    species = [list(CHARGES)[i % 4] for i in range(n_atoms)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    msd_self(positions)
    extra = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    series = np.ascontiguousarray(positions.reshape(n_frames, -1).T)
    ours = "msd_self, all lags"
    candidates: Candidates = {
        ours: lambda: msd_self(positions),
        "Onsager terms of 4 species": lambda: msd_collective(species_sums(positions, species)[1]),
        "bare forward FFT": lambda: bare_transform(series),
    }
    times = best_times(candidates | msd_peers(positions), rounds)
    show(f"MSD of {n_atoms} atoms, {n_frames} frames", times, ours)
    print(f"  extra memory of msd_self: {extra / positions.nbytes:.2f} of the input")
    figures = {
        "msd_s": times[ours],
        "msd_over_fft": times[ours] / times["bare forward FFT"],
        "msd_memory_over_input": extra / positions.nbytes,
        "onsager_share": times["Onsager terms of 4 species"] / times[ours],
    }
    for key, name in (
        ("mdanalysis", "MDAnalysis EinsteinMSD(fft=True)"),
        ("diffusion_analyzer", "pymatgen DiffusionAnalyzer"),
    ):
        if name in times:
            figures[f"{key}_over_msd"] = times[name] / times[ours]
    return figures


def bare_transform(series: Array) -> None:
    """Forward FFT of every coordinate, padded, in chunks; nothing is done with it."""
    n_fft = fft.next_fast_len(2 * series.shape[1] - 1, real=True)
    for start in range(0, len(series), 24):
        fft.rfft(series[start : start + 24], n=n_fft, axis=-1)


def time_rdf(n_atoms: int, rounds: int) -> dict[str, float]:
    """RDF to 8 Å of a gas as dense as a solid, against freud called with nothing around it."""
    edge = (n_atoms / 0.05) ** (1 / 3)
    frame = np.random.default_rng(1).random((n_atoms, 3)) * edge
    box, cell = freud.box.Box.cube(edge), edge * np.eye(3)
    species = [list(CHARGES)[i % 4] for i in range(n_atoms)]
    alone = "freud alone"
    times = best_times(
        {
            alone: lambda: freud.density.RDF(160, 8.0).compute((box, frame)).rdf,
            "partial_rdfs, one species": lambda: partial_rdfs(
                frame[None], ["Li"] * n_atoms, cell, 8.0
            ),
            "partial_rdfs, all pairs of four": lambda: partial_rdfs(
                frame[None], species, cell, 8.0
            ),
        },
        2 * rounds,
    )
    show(f"RDF of {n_atoms} atoms to 8 Å", times, alone)
    return {
        "rdf_over_freud": times["partial_rdfs, one species"] / times[alone],
        "rdf_pairs_over_freud": times["partial_rdfs, all pairs of four"] / times[alone],
    }


def time_slopes(rounds: int, plot: Path | None) -> dict[str, float]:
    """Cost against atoms and frames, and the exponents fitted to it."""
    series = {
        "atoms": (np.array([50, 100, 200, 400, 800, 1600]), 2000),
        "frames": (np.array([500, 1000, 2000, 4000, 8000, 16000]), 200),
    }
    measured: dict[str, tuple[Array, Array, str]] = {}
    exponents = {}
    for kind, (sizes, other) in series.items():
        runs: Candidates = {}
        for size in sizes:
            positions = walk(other, size) if kind == "atoms" else walk(size, other)
            runs[str(size)] = lambda positions=positions: msd_self(positions)
        seconds = np.array(list(best_times(runs, rounds).values()))
        exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        exponents[f"exponent_{kind}"] = exponent
        fixed = f"{other} {'frames' if kind == 'atoms' else 'atoms'}"
        measured[kind] = sizes, seconds, fixed
        costs = ", ".join(f"{n}: {s:.4f} s" for n, s in zip(sizes, seconds, strict=True))
        print(f"msd_self against {kind} ({fixed}): {costs}; exponent {exponent:.2f}")
    if plot is not None:
        draw(measured, exponents, plot)
    return exponents


def draw(
    measured: dict[str, tuple[Array, Array, str]], exponents: dict[str, float], path: Path
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    for axes, (kind, (sizes, seconds, fixed)) in zip(
        figure.subplots(1, 2, sharey=True), measured.items(), strict=True
    ):
        exponent = exponents[f"exponent_{kind}"]
        middle = np.exp(np.mean(np.log(seconds)) - exponent * np.mean(np.log(sizes)))
        axes.loglog(sizes, seconds, "o", label=f"msd_self, {fixed}")
        axes.loglog(sizes, middle * sizes**exponent, "k-", lw=1, label=f"exponent {exponent:.2f}")
        axes.set_xlabel(f"number of {kind}")
        axes.set_ylabel("processor time (s)" if kind == "atoms" else "")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
