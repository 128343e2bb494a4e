"""Readers of what LAMMPS writes during a run: binary dump, columns of text, and its messages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_MAGIC = b"DUMPCUSTOM"
#: A field longer than this is not a LAMMPS header but garbage.
_MAX_TEXT = 4096

_BLOW_UP = re.compile(
    r"lost atoms|atoms? (?:is|are)? ?lost|non-numeric|out of range atoms|bond atoms|"
    r"neighbor list overflow|too many neighbor bins|box bounds are invalid|"
    r"(?:pressure|box dimensions|temperature) .*(?:nan|not finite)",
    re.IGNORECASE,
)
_UNKNOWN_STYLE = re.compile(r"(?:unrecognized|unknown) (?:pair|kspace|atom|fix) style", re.I)
_MODEL = re.compile(r"deepmd-kit (?:c api )?error|open of file .* failed|plugin", re.IGNORECASE)


class DumpError(ValueError):
    """A dump is not what a run of this package writes; the message says what was found."""


@dataclass(frozen=True)
class _Frame:
    step: int
    time: float
    cell: FloatArray
    n_atoms: int
    #: (offset in doubles' bytes, rows) of each chunk; one per MPI process.
    blocks: tuple[tuple[int, int], ...]


class BinaryDump:
    """A binary ``dump custom`` sorted by id, read frame by frame.

    Frames after the first that is cut off, or has another number of atoms, are not read;
    ``truncated`` and ``lost_atoms`` tell.

    Attributes
    ----------
    columns : list of str
    steps : (n,) int
    times : (n,) float
        In the time unit of the run (ps).
    cells : (n, 3, 3) float
        Lower triangular, Å.
    """

    def __init__(self, path: Path, n_atoms: int) -> None:
        self.n_atoms = n_atoms
        self.truncated = False
        self.lost_atoms = False
        self.columns: list[str] = []
        self._frames: list[_Frame] = []
        self._bytes: npt.NDArray[np.uint8] = (
            np.memmap(path, dtype=np.uint8, mode="r")
            if path.stat().st_size
            else np.empty(0, dtype=np.uint8)
        )
        self._scan()
        self.steps = np.array([f.step for f in self._frames], dtype=np.int64)
        self.times = np.array([f.time for f in self._frames])
        self.cells = np.array([f.cell for f in self._frames]).reshape(-1, 3, 3)

    def _scan(self) -> None:
        cursor = _Cursor(self._bytes)
        while cursor.left:
            try:
                frame = self._read_header(cursor)
            except EOFError:
                self.truncated = True
                return
            except DumpError:
                if not self._frames:
                    raise
                self.truncated = True
                return
            if frame.n_atoms != self.n_atoms:
                self.lost_atoms = True
                return
            self._frames.append(frame)

    def _read_header(self, cursor: _Cursor) -> _Frame:
        length = -cursor.int64()
        if length != len(_MAGIC) or cursor.bytes(length) != _MAGIC:
            raise DumpError(
                "the dump does not start with DUMPCUSTOM: it was not written by LAMMPS of 2021 or "
                "later; use a newer LAMMPS"
            )
        endian, revision = cursor.int32(), cursor.int32()
        if endian != 1 or revision < 2:
            raise DumpError(
                f"binary dump with byte order mark {endian} and revision {revision}, expected 1 "
                "and 2 or more"
            )
        step, n_atoms, triclinic = cursor.int64(), cursor.int64(), cursor.int32()
        cursor.bytes(6 * 4)
        bounds = cursor.doubles(6).reshape(3, 2)
        tilts = cursor.doubles(3) if triclinic else np.zeros(3)
        size = cursor.int32()
        cursor.text()
        time = float(cursor.doubles(1)[0]) if cursor.bytes(1) != b"\0" else float("nan")
        self.columns = cursor.text().split()
        if len(self.columns) != size or self.columns[0] != "id":
            raise DumpError(f"the dump has columns {self.columns}, expected {size} with 'id' first")
        blocks = []
        for _ in range(cursor.int32()):
            count = cursor.int32()
            blocks.append((cursor.offset, count // size))
            cursor.skip(8 * count)
        rows = sum(rows for _, rows in blocks)
        return _Frame(step, time, _cell(bounds, tilts), min(n_atoms, rows), tuple(blocks))

    def rows(self, frame: int, atoms: slice = slice(None)) -> FloatArray:
        """Return all columns (n_atoms, n_columns) of the chosen atoms of a frame, by id."""
        first, last, _ = atoms.indices(self.n_atoms)
        size = len(self.columns)
        parts = [
            np.ndarray((rows, size), dtype="<f8", buffer=self._bytes, offset=offset)
            for offset, rows in self._frames[frame].blocks
        ]
        table = parts[0] if len(parts) == 1 else np.concatenate(parts)
        chosen = np.array(table[first:last])
        if np.array_equal(chosen[:, 0], np.arange(first + 1, last + 1)):
            return chosen
        order = np.argsort(table[:, 0], kind="stable")
        return np.array(table[order][first:last])

    def column(self, *names: str) -> DumpColumns:
        """Return an array-like (n, N) or (n, N, k) of columns."""
        return DumpColumns(self, [self.columns.index(name) for name in names])


class DumpColumns:
    """Columns of a dump that look like an array and read only the slices asked for.

    ``frames`` restricts to some frames of the dump; ``rotation`` (3, 3) turns vectors.
    """

    def __init__(
        self,
        dump: BinaryDump,
        columns: list[int],
        frames: npt.NDArray[np.int64] | None = None,
        rotation: FloatArray | None = None,
    ) -> None:
        self._dump = dump
        self._columns = columns
        self._frames = np.arange(len(dump.steps)) if frames is None else np.asarray(frames)
        self._rotation = rotation
        self.shape = (len(self._frames), dump.n_atoms, len(columns))

    def restrict(
        self, frames: npt.NDArray[np.int64], rotation: FloatArray | None = None
    ) -> DumpColumns:
        return DumpColumns(self._dump, self._columns, frames, rotation)

    def __getitem__(self, key: tuple[slice, slice]) -> FloatArray:
        frames, atoms = key
        first, last, _ = atoms.indices(self.shape[1])
        chosen = self._frames[frames]
        result = np.empty((len(chosen), last - first, self.shape[2]))
        for i, frame in enumerate(chosen):
            result[i] = self._dump.rows(int(frame), atoms)[:, self._columns]
        return result if self._rotation is None else result @ self._rotation

    def n_finite_frames(self) -> int:
        """Return the number of frames before the first with a value that is not finite."""
        for i in range(self.shape[0]):
            if not np.isfinite(self[i : i + 1, 0 : self.shape[1]]).all():
                return i
        return self.shape[0]


class _Cursor:
    """Reads little-endian fields one after the other; EOFError where the bytes end."""

    def __init__(self, content: npt.NDArray[np.uint8]) -> None:
        self._content = content
        self.offset = 0

    @property
    def left(self) -> int:
        return len(self._content) - self.offset

    def skip(self, count: int) -> None:
        if count < 0 or count > self.left:
            raise EOFError
        self.offset += count

    def bytes(self, count: int) -> bytes:
        start = self.offset
        self.skip(count)
        return self._content[start : self.offset].tobytes()

    def int32(self) -> int:
        return int.from_bytes(self.bytes(4), "little", signed=True)

    def int64(self) -> int:
        return int.from_bytes(self.bytes(8), "little", signed=True)

    def doubles(self, count: int) -> FloatArray:
        return np.frombuffer(self.bytes(8 * count), dtype="<f8")

    def text(self) -> str:
        length = self.int32()
        if length > _MAX_TEXT:
            raise DumpError(f"a text of {length} bytes in the header of the dump")
        return self.bytes(length).decode("ascii", errors="replace")


def _cell(bounds: FloatArray, tilts: FloatArray) -> FloatArray:
    """Return the cell of a box whose bounds enclose the tilted box, as LAMMPS writes them."""
    xy, xz, yz = tilts
    x = bounds[0, 1] - bounds[0, 0] - (max(0, xy, xz, xy + xz) - min(0, xy, xz, xy + xz))
    y = bounds[1, 1] - bounds[1, 0] - (max(0, yz) - min(0, yz))
    z = bounds[2, 1] - bounds[2, 0]
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])


def read_columns(text: str, n_columns: int) -> FloatArray:
    """Return the rows (n, n_columns) of a text file whose comments start with ``#``.

    A title without ``#`` and a last line that was cut off are left out.
    """
    rows = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < n_columns or line.lstrip().startswith("#"):
            continue
        try:
            rows.append([float(field) for field in fields[:n_columns]])
        except ValueError:
            continue
    if rows and not text.endswith("\n"):
        rows.pop()
    return np.array(rows, dtype=np.float64).reshape(-1, n_columns)


def read_deviations(text: str, first_step: int) -> dict[str, npt.NDArray[Any]]:
    """Return the committee's deviation of DeePMD's ``out_file``, from ``first_step`` on.

    Steps in the first column, then maximum, minimum and mean deviation of the virial (eV) and of
    the forces (eV/Å). Rows before the last restart of the step counter are the equilibration.
    """
    rows = read_columns(text, 7)
    drops = np.flatnonzero(np.diff(rows[:, 0]) < 0)
    rows = rows[drops[-1] + 1 :] if len(drops) else rows
    rows = rows[rows[:, 0] >= first_step]
    rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
    names = ("max_virial", "min_virial", "mean_virial", "max_force", "min_force", "mean_force")
    return {
        "steps": rows[:, 0].astype(np.int64),
        **{name: rows[:, i] for i, name in enumerate(names, start=1)},
    }


@dataclass(frozen=True)
class Messages:
    """What LAMMPS said on its standard output.

    Attributes
    ----------
    version : str
    framework_version : str
        Of the DeePMD plugin, without the leading v; empty if it did not speak.
    error : str or None
        First ``ERROR`` line.
    kind : str or None
        ``blow_up``, ``unknown_style``, ``model`` or ``other``.
    timed_out : bool
    warnings : list of str
        Without repetitions.
    katom_step_per_s : float or None
        Of the last run.
    """

    version: str
    framework_version: str
    error: str | None
    kind: str | None
    timed_out: bool
    warnings: list[str]
    katom_step_per_s: float | None


def read_messages(text: str) -> Messages:
    """Return version, error, warnings and speed from the standard output."""
    plugin = re.search(r"Info of deepmd-kit:[\s\S]{0,400}?source: +v?(\S+)", text)
    version = re.search(r"^LAMMPS \((.+)\)", text, re.MULTILINE)
    found = re.search(r"^ERROR.*$", text, re.MULTILINE)
    error = found.group(0).strip() if found else None
    if error is None and (model := re.search(r"^.*DeePMD-kit (?:C API )?Error.*$", text, re.M)):
        error = model.group(0).strip()
    kind = None
    if error is not None:
        kind = "other"
        for name, pattern in (
            ("unknown_style", _UNKNOWN_STYLE), ("model", _MODEL), ("blow_up", _BLOW_UP)
        ):  # fmt: skip
            if pattern.search(error):
                kind = name
                break
    speed = re.findall(
        r"^Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms", text, re.M
    )
    rate = None
    if speed and float(speed[-1][0]) > 0:
        seconds, steps, atoms = speed[-1]
        rate = int(steps) * int(atoms) / float(seconds) / 1000.0
    warnings = re.findall(r"^WARNING:? ?(.*)$", text, re.MULTILINE)
    return Messages(
        version=version.group(1) if version else "",
        framework_version=plugin.group(1) if plugin else "",
        error=error,
        kind=kind,
        timed_out="Wall time limit reached" in text,
        warnings=list(dict.fromkeys(w.strip() for w in warnings))[:20],
        katom_step_per_s=rate,
    )
