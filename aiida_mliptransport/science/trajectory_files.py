"""Read an MD trajectory from a file as unwrapped arrays, and refuse what would spoil an analysis.

LAMMPS text dumps are read in blocks; everything else through ASE (extended XYZ, XDATCAR, ASE's
own format and what else it knows). A dump larger than memory: `trajectory_stream`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from ase.io import iread
from ase.units import fs

from .frames import FloatArray
from .lammps_dump import Progress, is_dump, iterate_dump
from .trajectory_checks import Frame, FrameChecks, TrajectoryFileError, shortest_steps

__all__ = [
    "TrajectoryFile",
    "TrajectoryFileError",
    "mean_volume",
    "read_trajectory",
    "standard_masses",
    "unwrap",
]


@dataclass(frozen=True, eq=False)
class TrajectoryFile:
    """A trajectory with one atom order.

    Attributes
    ----------
    symbols : tuple of str
        Chemical symbol of each atom.
    positions : (n, N, 3) float
        Unwrapped, Å.
    cells : (n, 3, 3) float
        Lattice vectors in rows, Å.
    times_ps : (n,) float
        Evenly spaced, ps.
    velocities : (n, N, 3) float, optional
        Å/ps, where they were asked for.
    """

    symbols: tuple[str, ...]
    positions: FloatArray
    cells: FloatArray
    times_ps: FloatArray
    velocities: FloatArray | None = None

    @property
    def masses(self) -> FloatArray:
        """Standard masses (N,), u."""
        return standard_masses(self.symbols)

    @property
    def volume_angstrom3(self) -> float:
        """Mean volume of the cell, Å³."""
        return mean_volume(self.cells)


def standard_masses(symbols: Sequence[str]) -> FloatArray:
    """Return the standard mass of each atom (N,), u."""
    masses: FloatArray = atomic_masses[[atomic_numbers[name] for name in symbols]]
    return masses


def mean_volume(cells: FloatArray) -> float:
    """Return the mean volume of cells (n, 3, 3), Å³."""
    return float(np.abs(np.linalg.det(cells)).mean())


def read_trajectory(
    path: str | Path,
    interval_ps: float | None = None,
    timestep_fs: float | None = None,
    elements: Sequence[str] | None = None,
    fmt: str | None = None,
    progress: Progress | None = None,
    velocities: bool = False,
) -> TrajectoryFile:
    """Read a trajectory, unwrap it, and check every frame.

    Wrapped positions are unwrapped by summing the shortest displacements from frame to frame,
    each in the cell of its later frame, which keeps diffusion right where the cell fluctuates
    (J. Chem. Phys. 153, 021101 (2020)).

    Parameters
    ----------
    path
        LAMMPS text dump (``id``, ``element`` or ``type``, and ``xu yu zu``, ``xsu ysu zsu``,
        ``x y z`` or ``xs ys zs``), or what ASE reads.
    interval_ps
        Time between two frames, ps; needed unless steps and ``timestep_fs`` give it.
    timestep_fs
        MD time step of a LAMMPS dump, fs; times are then its steps.
    elements
        Chemical symbols of the types 1, 2, … of a dump without the column ``element``.
    fmt
        Format name of ASE, where the file name does not tell; ``lammps-dump`` for a dump.
    progress
        Called while a dump is read, with the bytes read so far and in all.
    velocities
        Whether velocities are read too: columns ``vx vy vz`` of a dump in LAMMPS units metal, or
        momenta or velocities as ASE knows them.

    Raises
    ------
    TrajectoryFileError
        For fewer than two frames, values that are not finite, another number or order of atoms,
        repeated or missing steps, no cell, an atom that moved too far to be unwrapped, or
        velocities that are not there.
    """
    source = Path(path)
    require_time(source.name, interval_ps, timestep_fs)
    if fmt == "lammps-dump" or (fmt is None and is_dump(source)):
        frames = iterate_dump(source, elements, progress, velocities)
    else:
        frames = _read_ase(source, fmt, velocities)
    checks = FrameChecks(source.name)
    positions: list[FloatArray] = []
    cells: list[FloatArray] = []
    moving: list[FloatArray] = []
    for frame in frames:
        checks.add(frame)
        positions.append(frame.positions)
        cells.append(frame.cell)
        if frame.velocities is not None:
            moving.append(frame.velocities)
    times = checks.times_ps(interval_ps, timestep_fs)
    assert checks.first is not None
    coordinates, lattice = np.array(positions), np.array(cells)
    if not checks.first.unwrapped:
        coordinates = unwrap(coordinates, lattice, source.name)
    return TrajectoryFile(
        checks.first.symbols, coordinates, lattice, times, np.array(moving) if velocities else None
    )


def require_time(name: str, interval_ps: float | None, timestep_fs: float | None) -> None:
    """Raise TrajectoryFileError where nothing tells the time between two frames."""
    if interval_ps is None and timestep_fs is None:
        raise TrajectoryFileError(
            f"{name}: the time between frames is unknown; give interval_ps, or timestep_fs "
            "for a LAMMPS dump"
        )


def unwrap(positions: FloatArray, cells: FloatArray, name: str = "trajectory") -> FloatArray:
    """Return unwrapped positions (n, N, 3) from wrapped ones, Å.

    Raises
    ------
    TrajectoryFileError
        If an atom moves by more than 0.4 of a cell vector between two frames.
    """
    steps = shortest_steps(np.diff(positions, axis=0), cells[1:], name)
    result = np.empty_like(positions)
    result[0] = positions[0]
    np.cumsum(steps, axis=0, out=result[1:])
    result[1:] += positions[0]
    return result


def _read_ase(path: Path, fmt: str | None, velocities: bool) -> Iterator[Frame]:
    for number, atoms in enumerate(iread(path, index=":", format=fmt)):
        if velocities and not atoms.has("momenta"):
            raise TrajectoryFileError(
                f"{path.name}, frame {number} (the first is 0) holds no velocities; write momenta "
                "or velocities"
            )
        yield Frame(
            None,
            tuple(atoms.get_chemical_symbols()),
            atoms.positions,
            atoms.cell.array,
            False,
            velocities=atoms.get_velocities() * (1000.0 * fs) if velocities else None,
        )
