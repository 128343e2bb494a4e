"""The LAMMPS script of a nudged elastic band, one partition an image, and the files it writes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..backends import LammpsPair
from .ase_parameters import NebParameters
from .lammps_script import atom_style, is_strongly_tilted

#: Partition n, counted from 0, writes the log ``LOG_BASE.n``.
LOG_BASE = "image.log"

#: Steps between two states of the band in its files; the last one is there in any case.
STRIDE = 10

#: Columns of the dump of an image: forces are those of the potential, without springs.
DUMP_COLUMNS = "id type xu yu zu f_forces[1] f_forces[2] f_forces[3]"

#: Lines of the logs between which the band was optimised.
BAND_BEGINS = "band begins"
BAND_ENDED = "band ended"

#: A minimiser gives up after so many evaluations of the forces for each of its steps.
_EVALUATIONS_PER_STEP = 10


def data_file(number: int) -> str:
    """Return the name of the data file of an image, counted from 0."""
    return f"image.{number + 1}.data"


def dump_file(number: int) -> str:
    """Return the name of the dump of an image, counted from 0."""
    return f"image.{number + 1}.bin"


def log_file(number: int) -> str:
    """Return the name of the log of an image, counted from 0."""
    return f"{LOG_BASE}.{number}"


def image_files(number: int) -> tuple[str, str]:
    """Return the files that an image, counted from 0, leaves."""
    return dump_file(number), log_file(number)


def band_script(
    parameters: NebParameters,
    pair: LammpsPair,
    n_images: int,
    cell: npt.NDArray[np.float64],
) -> str:
    """Return the script of a band.

    The ends relax downhill by themselves first, or are held; springs between neighbours are
    proportional to their distances (``parallel neigh``) and tangents are the improved ones, as in
    ASE. Forces are compared by the largest on an atom.

    Parameters
    ----------
    parameters
    pair
        Lines of the backend.
    n_images
        Both ends included.
    cell
        Restricted cell (3, 3) in Å.
    """
    p = parameters
    names = " ".join(str(number) for number in range(1, n_images + 1))
    lines = [
        f"variable image world {names}",
        "units metal",
        f"atom_style {atom_style(dict(pair.charges))}",
        "boundary p p p",
        # Images are compared atom by atom.
        "atom_modify map array sort 0 0",
    ]
    if is_strongly_tilted(cell):
        lines.append("box tilt large")
    lines.append("read_data image.${image}.data")
    lines += pair.lines
    lines += [
        "neigh_modify every 1 delay 0 check yes one 10000 page 100000",
        "min_style fire",
        "min_modify norm max",
        f"thermo {STRIDE}",
        "thermo_style custom step pe",
        # A job that is killed leaves what it had.
        "thermo_modify format float %.15g flush yes",
    ]
    ends = (1, n_images)
    if p.relax_ends:
        limit = f"{p.end_steps} {_EVALUATIONS_PER_STEP * p.end_steps}"
        for end in ends:
            lines.append(f"partition yes {end} minimize 0.0 {p.end_force_tolerance_eV_A!r} {limit}")
            lines.append(f"partition yes {end} reset_timestep 0")
    # Before what changes the forces, so that it keeps those of the potential.
    lines.append("fix forces all store/force")
    if not p.relax_ends:
        lines += [f"partition yes {end} fix held all setforce 0.0 0.0 0.0" for end in ends]
    before, climbing = stages(p)
    lines += [
        f"fix springs all neb {p.spring_eV_A2!r} parallel neigh",
        f"dump band all custom {STRIDE} image.${{image}}.bin {DUMP_COLUMNS}",
        "dump_modify band sort id",
        f'print "{BAND_BEGINS}"',
        f"neb 0.0 {p.force_tolerance_eV_A!r} {before} {climbing} {STRIDE} none",
        f'print "{BAND_ENDED}"',
    ]
    return "\n".join(lines) + "\n"


def stages(parameters: NebParameters) -> tuple[int, int]:
    """Return the steps before and while the highest image climbs: each a multiple of ``STRIDE``."""
    chunks = -(-parameters.steps // STRIDE)
    if not parameters.climb:
        return chunks * STRIDE, 0
    before = -(-chunks // 2)
    return before * STRIDE, max(chunks - before, 1) * STRIDE
