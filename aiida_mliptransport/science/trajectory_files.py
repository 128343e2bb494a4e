"""Read an MD trajectory from a file as unwrapped arrays, and refuse what would spoil an analysis.

LAMMPS text dumps are read here, frame after frame; everything else through ASE (extended XYZ,
XDATCAR, ASE's own format and what else it knows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from ase.io import iread

from .frames import FloatArray, IntArray

#: Part of a cell that an atom may cross between two wrapped frames before unwrapping is a guess.
LARGEST_STEP = 0.4


class TrajectoryFileError(ValueError):
    """A trajectory cannot be analysed; the message names the file and the frame."""


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
    """

    symbols: tuple[str, ...]
    positions: FloatArray
    cells: FloatArray
    times_ps: FloatArray

    @property
    def masses(self) -> FloatArray:
        """Standard masses (N,), u."""
        masses: FloatArray = atomic_masses[[atomic_numbers[name] for name in self.symbols]]
        return masses

    @property
    def volume_angstrom3(self) -> float:
        """Mean volume of the cell, Å³."""
        return float(np.abs(np.linalg.det(self.cells)).mean())


@dataclass(frozen=True, eq=False)
class _Frame:
    step: int | None
    symbols: tuple[str, ...]
    positions: FloatArray
    cell: FloatArray
    unwrapped: bool


def read_trajectory(
    path: str | Path,
    interval_ps: float | None = None,
    timestep_fs: float | None = None,
    elements: Sequence[str] | None = None,
    fmt: str | None = None,
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

    Raises
    ------
    TrajectoryFileError
        For fewer than two frames, values that are not finite, another number or order of atoms,
        repeated or missing steps, no cell, or an atom that moved too far to be unwrapped.
    """
    source = Path(path)
    if interval_ps is None and timestep_fs is None:
        raise TrajectoryFileError(
            f"{source.name}: the time between frames is unknown; give interval_ps, or timestep_fs "
            "for a LAMMPS dump"
        )
    if fmt == "lammps-dump" or (fmt is None and _is_dump(source)):
        frames = _read_dump(source, elements)
    else:
        frames = _read_ase(source, fmt)
    first: _Frame | None = None
    steps: list[int | None] = []
    positions: list[FloatArray] = []
    cells: list[FloatArray] = []
    for number, frame in enumerate(frames):
        first = first or frame
        _check_frame(source.name, number, frame, first)
        steps.append(frame.step)
        positions.append(frame.positions)
        cells.append(frame.cell)
    if first is None or len(positions) < 2:
        raise TrajectoryFileError(
            f"{source.name} has {len(positions)} frames, expected two or more; is it complete?"
        )
    coordinates, lattice = np.array(positions), np.array(cells)
    if not first.unwrapped:
        coordinates = unwrap(coordinates, lattice, source.name)
    return TrajectoryFile(
        first.symbols, coordinates, lattice, _times(source.name, steps, interval_ps, timestep_fs)
    )


def unwrap(positions: FloatArray, cells: FloatArray, name: str = "trajectory") -> FloatArray:
    """Return unwrapped positions (n, N, 3) from wrapped ones, Å.

    Raises
    ------
    TrajectoryFileError
        If an atom moves by more than 0.4 of a cell vector between two frames.
    """
    inverse = np.linalg.inv(cells)
    steps = np.diff(positions, axis=0)
    fractional = np.einsum("tni,tij->tnj", steps, inverse[1:])
    fractional -= np.rint(fractional)
    far = np.argwhere(np.abs(fractional) > LARGEST_STEP)
    if len(far):
        frame, atom, axis = (int(index) for index in far[0])
        raise TrajectoryFileError(
            f"{name}: atom {atom} moves by {abs(fractional[frame, atom, axis]):.2f} of cell vector "
            f"{'abc'[axis]} between frames {frame} and {frame + 1}, so its image is a guess; write "
            "frames more often, or unwrapped positions (xu yu zu)"
        )
    result = np.empty_like(positions)
    result[0] = positions[0]
    np.cumsum(np.einsum("tni,tij->tnj", fractional, cells[1:]), axis=0, out=result[1:])
    result[1:] += positions[0]
    return result


def _check_frame(name: str, number: int, frame: _Frame, first: _Frame) -> None:
    where = f"{name}, frame {number} (the first is 0)"
    if len(frame.symbols) != len(first.symbols):
        raise TrajectoryFileError(
            f"{where} has {len(frame.symbols)} atoms, expected {len(first.symbols)} as in frame 0; "
            "ions that appear or vanish have no displacement"
        )
    if frame.symbols != first.symbols:
        atom = next(
            i for i, pair in enumerate(zip(frame.symbols, first.symbols, strict=True))
            if pair[0] != pair[1]
        )  # fmt: skip
        raise TrajectoryFileError(
            f"{where}: atom {atom} is {frame.symbols[atom]}, expected {first.symbols[atom]} as in "
            "frame 0; sort the atoms of every frame in one order"
        )
    bad = np.argwhere(~np.isfinite(frame.positions))
    if len(bad):
        raise TrajectoryFileError(
            f"{where}: the position of atom {int(bad[0][0])} is not finite; cut the trajectory "
            "before the run broke"
        )
    if not np.isfinite(frame.cell).all() or abs(np.linalg.det(frame.cell)) < 1e-9:
        raise TrajectoryFileError(
            f"{where} has no cell of finite volume, and σ needs one; give a periodic cell"
        )


def _times(
    name: str,
    steps: list[int | None],
    interval_ps: float | None,
    timestep_fs: float | None,
) -> FloatArray:
    known = [step for step in steps if step is not None]
    if len(known) != len(steps):
        if interval_ps is None:
            raise TrajectoryFileError(
                f"{name} holds no step numbers; give interval_ps, the time between two frames"
            )
        return np.arange(len(steps), dtype=float) * interval_ps
    series: IntArray = np.array(known)
    strides = np.diff(series)
    repeated = np.flatnonzero(strides <= 0)
    if len(repeated):
        frame = int(repeated[0]) + 1
        raise TrajectoryFileError(
            f"{name}, frame {frame} is step {series[frame]} after step {series[frame - 1]}; "
            "repeated frames (often from a restart) count an origin twice: remove them"
        )
    uneven = np.flatnonzero(strides != strides[0])
    if len(uneven):
        frame = int(uneven[0]) + 1
        raise TrajectoryFileError(
            f"{name}, frame {frame} is {strides[frame - 1]} steps after the one before, expected "
            f"{strides[0]}; frames are missing, or the stride changed: use one part"
        )
    if timestep_fs is not None:
        return (series - series[0]).astype(float) * (timestep_fs * 1e-3)
    return np.arange(len(series), dtype=float) * float(interval_ps or 0.0)


def _read_ase(path: Path, fmt: str | None) -> Iterator[_Frame]:
    for atoms in iread(path, index=":", format=fmt):
        yield _Frame(
            None, tuple(atoms.get_chemical_symbols()), atoms.positions, atoms.cell.array, False
        )


def _is_dump(path: Path) -> bool:
    with path.open(errors="replace") as handle:
        return handle.readline().startswith("ITEM: ")


def _read_dump(path: Path, elements: Sequence[str] | None) -> Iterator[_Frame]:
    with path.open() as handle:
        number = 0
        while line := handle.readline():
            if not line.strip():
                continue
            try:
                yield _dump_frame(handle, line, elements)
            except (ValueError, IndexError) as error:
                if isinstance(error, TrajectoryFileError):
                    raise TrajectoryFileError(f"{path.name}, frame {number}: {error}") from error
                raise TrajectoryFileError(
                    f"{path.name}, frame {number} is cut off or no LAMMPS dump ({error}); remove "
                    "what follows the last whole frame"
                ) from error
            number += 1


def _dump_frame(handle: IO[str], line: str, elements: Sequence[str] | None) -> _Frame:
    step, n_atoms, cell, origin = None, 0, None, np.zeros(3)
    while not line.startswith("ITEM: ATOMS"):
        if line.startswith("ITEM: TIMESTEP"):
            step = int(handle.readline())
        elif line.startswith("ITEM: NUMBER OF ATOMS"):
            n_atoms = int(handle.readline())
        elif line.startswith("ITEM: BOX BOUNDS"):
            cell, origin = _dump_cell([handle.readline().split() for _ in range(3)], line)
        elif not line:
            raise ValueError("no ITEM: ATOMS")
        line = handle.readline()
    if step is None or cell is None:
        raise ValueError("TIMESTEP or BOX BOUNDS is missing")
    columns = line.split()[2:]
    rows = [handle.readline().split() for _ in range(n_atoms)]
    if any(len(row) != len(columns) for row in rows):
        raise ValueError(f"a row has not the {len(columns)} columns {columns}")
    order = np.argsort([int(row[columns.index("id")]) for row in rows], kind="stable")
    kinds = _dump_symbols(columns, rows, elements)
    positions, unwrapped = _dump_positions(columns, rows, cell, origin)
    return _Frame(step, tuple(kinds[i] for i in order), positions[order], cell, unwrapped)


def _dump_cell(bounds: list[list[str]], line: str) -> tuple[FloatArray, FloatArray]:
    values = np.array(bounds, dtype=float)
    if "abc origin" in line:
        return values[:, :3], values[:, 3]
    (xlo, xhi), (ylo, yhi), (zlo, zhi) = values[:, :2]
    xy = xz = yz = 0.0
    if values.shape[1] == 3:
        # LAMMPS writes the box that bounds the tilted cell.
        xy, xz, yz = values[:, 2]
        xlo, xhi = xlo - min(0.0, xy, xz, xy + xz), xhi - max(0.0, xy, xz, xy + xz)
        ylo, yhi = ylo - min(0.0, yz), yhi - max(0.0, yz)
    cell = np.array([[xhi - xlo, 0.0, 0.0], [xy, yhi - ylo, 0.0], [xz, yz, zhi - zlo]])
    return cell, np.array([xlo, ylo, zlo])


def _dump_symbols(
    columns: list[str], rows: list[list[str]], elements: Sequence[str] | None
) -> list[str]:
    if "element" in columns:
        return [row[columns.index("element")] for row in rows]
    if elements is None:
        raise TrajectoryFileError(
            "the dump has no column 'element'; give elements, the symbols of types 1, 2, …"
        )
    types = [int(row[columns.index("type")]) for row in rows]
    if max(types) > len(elements):
        raise TrajectoryFileError(
            f"there is an atom of type {max(types)}, but elements has {len(elements)} symbols: "
            f"{list(elements)}"
        )
    return [elements[kind - 1] for kind in types]


def _dump_positions(
    columns: list[str], rows: list[list[str]], cell: FloatArray, origin: FloatArray
) -> tuple[FloatArray, bool]:
    for names, scaled, unwrapped in (
        (("xu", "yu", "zu"), False, True),
        (("xsu", "ysu", "zsu"), True, True),
        (("x", "y", "z"), False, False),
        (("xs", "ys", "zs"), True, False),
    ):
        if all(name in columns for name in names):
            where = [columns.index(name) for name in names]
            values: FloatArray = np.array([[row[i] for i in where] for row in rows], dtype=float)
            return (values @ cell + origin if scaled else values), unwrapped
    raise TrajectoryFileError(
        f"the columns {columns} hold no positions; dump xu yu zu (best), xsu ysu zsu, x y z or "
        "xs ys zs"
    )
