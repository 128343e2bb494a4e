"""OSZICAR and stdout: one line an electronic step, one an ionic step."""

from __future__ import annotations

from collections.abc import Iterator

from .fortran import NOTICE, exponential
from .ionic import Frame
from .job import Job

VERSION = "6.4.2 stand-in"

HEADER = (
    "       N       E                     dE             d eps       ncg     rms          rms(c)"
)


def banner(job: Job) -> str:
    """Return the first lines of stdout."""
    elements = "".join(f"{element:<2}" for element in job.elements)
    lines = [
        " running    1 mpi-ranks, with    1 threads/rank, on    1 nodes",
        " distrk:  each k-point on    1 cores,    1 groups",
        " distr:  one band on    1 cores,    1 groups",
        f" vasp.{VERSION} ({NOTICE}; energies: ASE calculator {job.calculator})",
        f" POSCAR found type information on POSCAR {elements}",
        f" POSCAR found :  {len(job.elements)} types and  {job.n_atoms:6d} ions",
    ]
    if tuple(name.split("_")[0].split("/")[0] for name in job.poscar.named) != job.elements:
        lines += [
            " WARNING: type information on POSCAR and POTCAR are incompatible",
            " POTCAR overwrites the type information in POSCAR",
        ]
    return "\n".join(
        [*lines, " POSCAR, INCAR and KPOINTS ok, starting setup", " entering main loop"]
    )


def electronic_lines(frame: Frame) -> Iterator[str]:
    """Yield one line for each electronic step."""
    before = 0.0
    for number, energies in enumerate(frame.electrons.steps, start=1):
        change = energies.free - before
        yield (
            f"DAV: {number:3d}    {exponential(energies.free, 19, 12)}"
            f"   {exponential(change, 12, 5)}  {exponential(change, 12, 5)}"
            f" {100:5d}  {exponential(frame.electrons.residual, 10, 3)}"
        )
        before = energies.free


def ionic_line(frame: Frame, job: Job, previous_energy: float) -> str:
    """Return the line of an ionic step; ``previous_energy`` in eV is zero before the first."""
    final = frame.electrons.final
    free, zero = exponential(final.free, 14, 8), exponential(final.extrapolated, 14, 8)
    if job.is_dynamics:
        total = exponential(final.free + frame.kinetic_energy, 14, 8)
        return (
            f"{frame.index:7d} T= {frame.temperature:5.0f}. E= {total} F= {free} E0= {zero}"
            f"  EK= {exponential(frame.kinetic_energy, 12, 5)} SP= {exponential(0.0, 9, 2)}"
            f" SK= {exponential(0.0, 9, 2)}"
        )
    # Without ionic steps VASP gives the entropy term here.
    before = previous_energy if job.parameters["NSW"] > 0 else final.without_entropy
    change = final.free - before
    line = f"{frame.index:4d} F= {free} E0= {zero}  d E ={exponential(change, 13, 6)}"
    if job.parameters["ISPIN"] == 2:
        line += f"  mag= {magnetization(job):10.4f}"
    return line


def magnetization(job: Job) -> float:
    """Return the total moment in µB: that of MAGMOM, or none where the INCAR gives none."""
    return float(sum(job.parameters["MAGMOM"])) if "MAGMOM" in job.tags else 0.0
