"""Read LAMMPS text dumps in blocks of frames, at the speed of a parser written in C."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .frames import FloatArray, IntArray
from .trajectory_checks import Frame, TrajectoryFileError

#: Text parsed in one go: enough to hide the cost of a call, little beside an array of frames.
BLOCK_BYTES = 16 * 1024**2

#: Columns of positions: names, scaled by the cell, unwrapped; the first found is used.
_POSITIONS = (
    (("xu", "yu", "zu"), False, True),
    (("xsu", "ysu", "zsu"), True, True),
    (("x", "y", "z"), False, False),
    (("xs", "ys", "zs"), True, False),
)
_VELOCITIES = ("vx", "vy", "vz")
_START = b"ITEM: TIMESTEP"

#: Called with the bytes read so far and in all.
Progress = Callable[[int, int], None]


def is_dump(path: Path) -> bool:
    """Return whether a file starts like a LAMMPS text dump."""
    with path.open("rb") as handle:
        return handle.read(6) == b"ITEM: "


def count_frames(path: Path) -> int:
    """Return the number of frames that start in a dump, by a scan that parses nothing."""
    count, tail = 0, b""
    with path.open("rb") as handle:
        while block := handle.read(BLOCK_BYTES):
            count += (tail + block).count(_START)
            tail = block[-(len(_START) - 1) :]
    return count


def iterate_dump(
    path: Path,
    elements: Sequence[str] | None = None,
    progress: Progress | None = None,
    velocities: bool = False,
) -> Iterator[Frame]:
    """Yield the frames of a dump, their atoms sorted by id.

    Parameters
    ----------
    path
        Text dump with ``id``, ``element`` or ``type``, and ``xu yu zu``, ``xsu ysu zsu``,
        ``x y z`` or ``xs ys zs``.
    elements
        Chemical symbols of the types 1, 2, … of a dump without the column ``element``.
    progress
        Called after each block with the bytes read so far and in all.
    velocities
        Whether ``vx vy vz`` are read too.

    Raises
    ------
    TrajectoryFileError
        If a frame is cut off or lacks columns; the message names it.
    """
    parser = _Parser(path.name, elements, velocities)
    total = path.stat().st_size
    group: list[_RawFrame] = []
    for number, (raw, read) in enumerate(_raw_frames(path)):
        frame = parser.split(number, raw)
        if group and (frame.columns, frame.n_atoms) != (group[0].columns, group[0].n_atoms):
            yield from parser.frames(group)
            group = []
        group.append(frame)
        if sum(len(each.body) for each in group) >= BLOCK_BYTES:
            yield from parser.frames(group)
            group = []
            if progress is not None:
                progress(read, total)
    if group:
        yield from parser.frames(group)
    if progress is not None:
        progress(total, total)


@dataclass(frozen=True, eq=False)
class _RawFrame:
    number: int
    step: int
    n_atoms: int
    columns: tuple[str, ...]
    cell: FloatArray
    origin: FloatArray
    body: bytes


def _raw_frames(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the text of each frame from its time step on, and the bytes read so far."""
    read, rest = 0, b""
    with path.open("rb") as handle:
        while block := handle.read(BLOCK_BYTES):
            read += len(block)
            searched = max(1, len(rest) - len(_START))
            rest += block
            start = 0
            while (end := rest.find(_START, max(searched, start + 1))) >= 0:
                if rest.startswith(_START, start):
                    yield rest[start:end], read
                start = end
            rest = rest[start:]
    if rest.startswith(_START):
        yield rest, read


class _Parser:
    """Parses groups of frames that share columns and number of atoms.

    What seldom changes from frame to frame (ids, their order, symbols) is kept and handed on.
    """

    def __init__(self, name: str, elements: Sequence[str] | None, velocities: bool) -> None:
        self.name = name
        self.elements = elements
        self.more = _VELOCITIES if velocities else ()
        self.kinds: dict[str, int] = {}
        self.last_ids: IntArray = np.empty(0, dtype=np.int64)
        self.last_order: IntArray = np.empty(0, dtype=np.int64)
        self.last_sorted: IntArray = np.empty(0, dtype=np.int64)
        self.last_kinds: IntArray = np.empty(0, dtype=np.int64)
        self.last_symbols: tuple[str, ...] = ()

    def split(self, number: int, raw: bytes) -> _RawFrame:
        """Return a frame with its header read and its rows counted."""
        try:
            return _split(number, raw)
        except (ValueError, IndexError) as error:
            raise self._broken(number, error) from error

    def frames(self, group: Sequence[_RawFrame]) -> Iterator[Frame]:
        """Yield the frames of a group, which is parsed as one table."""
        first = group[0]
        try:
            names, scaled, unwrapped = self._positions(first)
            table = self._table(group, (*names, *self.more))
            kinds = self._kinds(table, first).reshape(len(group), first.n_atoms)
        except TrajectoryFileError:
            raise
        except ValueError as error:
            if len(group) == 1:
                raise self._broken(first.number, error) from error
            for each in group:
                yield from self.frames([each])
            return
        shape = (len(group), first.n_atoms)
        ids = table["id"].to_numpy().reshape(shape)
        values = _columns(table, names, shape)
        velocities = _columns(table, self.more, shape) if self.more else None
        for index, raw in enumerate(group):
            order, sorted_ids = self._order(ids[index])
            positions = values[index][order]
            if scaled:
                positions = positions @ raw.cell + raw.origin
            symbols = self._symbols(kinds[index][order])
            moving = None if velocities is None else velocities[index][order]
            yield Frame(raw.step, symbols, positions, raw.cell, unwrapped, sorted_ids, moving)

    def _positions(self, frame: _RawFrame) -> tuple[tuple[str, ...], bool, bool]:
        where = f"{self.name}, frame {frame.number}"
        if "id" not in frame.columns:
            raise TrajectoryFileError(f"{where}: the dump has no column 'id'; dump it")
        if "element" not in frame.columns and (
            self.elements is None or "type" not in frame.columns
        ):
            raise TrajectoryFileError(
                f"{where}: the dump has no column 'element'; give elements, the symbols of types "
                "1, 2, …"
            )
        if not all(name in frame.columns for name in self.more):
            raise TrajectoryFileError(
                f"{where}: the columns {list(frame.columns)} hold no velocities; dump vx vy vz"
            )
        for choice in _POSITIONS:
            if all(name in frame.columns for name in choice[0]):
                return choice
        raise TrajectoryFileError(
            f"{where}: the columns {list(frame.columns)} hold no positions; dump xu yu zu (best), "
            "xsu ysu zsu, x y z or xs ys zs"
        )

    def _table(self, group: Sequence[_RawFrame], names: tuple[str, ...]) -> pd.DataFrame:
        columns = group[0].columns
        text = b"".join(frame.body for frame in group)
        # One character as separator is parsed twice as fast as any white space.
        padded = b"  " in text or b"\t" in text or b"\n " in text or text[:1] in (b" ", b"\r")
        rows = sum(frame.n_atoms for frame in group)
        found = len(text.split()) if padded else text.count(b" ") + rows
        ends = 0 if padded or not text.startswith(b" ", text.index(b"\n") - 1) else rows
        if found - ends != rows * len(columns):
            raise ValueError(f"a row has not the {len(columns)} columns {list(columns)}")
        kind = "element" if "element" in columns else "type"
        types: dict[str, Any] = dict.fromkeys(names, np.float64)
        types |= {"id": np.int64, kind: "category" if kind == "element" else np.int64}
        table = pd.read_csv(
            BytesIO(text),
            sep=r"\s+" if padded else " ",
            header=None,
            names=[*columns, ""] if ends else list(columns),
            usecols=list(types),
            dtype=types,
        )
        if len(table) != rows:
            raise ValueError(f"{len(table)} rows, expected {rows}")
        return table

    def _kinds(self, table: pd.DataFrame, first: _RawFrame) -> IntArray:
        """Return a number for the symbol of each atom, the same in all groups."""
        if "element" in table:
            column = table["element"].cat
            if column.codes.min() < 0:
                raise ValueError("a row has no element")
            numbers = [self.kinds.setdefault(str(c), len(self.kinds)) for c in column.categories]
            return np.array(numbers, dtype=np.int64)[column.codes.to_numpy()]
        types, elements = table["type"].to_numpy(), list(self.elements or ())
        wrong = np.flatnonzero((types < 1) | (types > len(elements)))
        if len(wrong):
            raise TrajectoryFileError(
                f"{self.name}, frame {first.number + wrong[0] // first.n_atoms}: there is an atom "
                f"of type {types[wrong[0]]}, but elements has {len(elements)} symbols: {elements}"
            )
        numbers = [self.kinds.setdefault(name, len(self.kinds)) for name in elements]
        return np.array(numbers, dtype=np.int64)[types - 1]

    def _order(self, ids: IntArray) -> tuple[IntArray, IntArray]:
        if not np.array_equal(ids, self.last_ids):
            self.last_ids = ids.copy()
            self.last_order = np.argsort(ids, kind="stable")
            ordered = ids[self.last_order]
            if not np.array_equal(ordered, self.last_sorted):
                self.last_sorted = ordered
        return self.last_order, self.last_sorted

    def _symbols(self, kinds: IntArray) -> tuple[str, ...]:
        if not np.array_equal(kinds, self.last_kinds):
            names = list(self.kinds)
            self.last_kinds = kinds
            self.last_symbols = tuple(names[kind] for kind in kinds)
        return self.last_symbols

    def _broken(self, number: int, error: Exception) -> TrajectoryFileError:
        return TrajectoryFileError(
            f"{self.name}, frame {number} is cut off or no LAMMPS dump ({error}); remove "
            "what follows the last whole frame"
        )


def _columns(table: pd.DataFrame, names: Sequence[str], shape: tuple[int, int]) -> FloatArray:
    return np.stack([table[name].to_numpy().reshape(shape) for name in names], axis=-1)


def _split(number: int, raw: bytes) -> _RawFrame:
    atoms = raw.index(b"ITEM: ATOMS")
    end = raw.index(b"\n", atoms) + 1
    columns = tuple(raw[atoms:end].decode().split()[2:])
    lines = raw[:atoms].decode().splitlines()
    at = {line.split(maxsplit=1)[1]: i for i, line in enumerate(lines) if line.startswith("ITEM: ")}
    bounds = next(name for name in (*at, "") if name.startswith("BOX BOUNDS") or not name)
    if not bounds or "NUMBER OF ATOMS" not in at:
        raise ValueError("NUMBER OF ATOMS or BOX BOUNDS is missing")
    cell, origin = _cell([line.split() for line in lines[at[bounds] + 1 :][:3]], bounds)
    # What stands between two frames, as ITEM: TIME, belongs to the later one.
    last = raw.find(b"ITEM: ", end)
    body = raw[end:] if last < 0 else raw[end:last]
    while body.endswith(b"\n\n"):
        body = body[:-1]
    n_atoms, rows = int(lines[at["NUMBER OF ATOMS"] + 1]), body.count(b"\n")
    if rows != n_atoms or not body.endswith(b"\n"):
        raise ValueError(f"{rows} whole rows, expected {n_atoms}")
    return _RawFrame(number, int(lines[at["TIMESTEP"] + 1]), n_atoms, columns, cell, origin, body)


def _cell(bounds: list[list[str]], line: str) -> tuple[FloatArray, FloatArray]:
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
