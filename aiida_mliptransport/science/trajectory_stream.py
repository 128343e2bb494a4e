"""Hold a LAMMPS dump that is larger than memory as displacements on disk, to be read by atoms."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from .frames import FloatArray
from .lammps_dump import Progress, count_frames, is_dump, iterate_dump
from .trajectory_checks import Frame, FrameChecks, TrajectoryFileError, shortest_steps
from .trajectory_files import mean_volume, require_time, standard_masses
from .transport.reference import ReferenceFrame, species_sums_in_frame

Float32Array = npt.NDArray[np.float32]

#: Frames are gathered up to this size before they are written: each atom then gets a run of
#: neighbouring bytes, not one number per page.
BUFFER_BYTES = 128 * 1024**2
_MOST_FRAMES_PER_BUFFER = 1024


@dataclass(frozen=True, eq=False)
class StreamedTrajectory:
    """A trajectory of which only sums are in memory.

    Attributes
    ----------
    symbols : tuple of str
        Chemical symbol of each atom.
    cells : (n, 3, 3) float
        Lattice vectors in rows, Å.
    times_ps : (n,) float
        Evenly spaced, ps.
    counts : dict
        Element to its number of atoms, in the order of their first atom.
    sums : (n, S, 3) float
        Displacement from the first frame summed over the atoms of each element, in
        ``reference_frame``, Å.
    reference_frame : ReferenceFrame
    """

    symbols: tuple[str, ...]
    cells: FloatArray
    times_ps: FloatArray
    counts: dict[str, int]
    sums: FloatArray
    reference_frame: ReferenceFrame
    folder: Path

    @property
    def volume_angstrom3(self) -> float:
        """Mean volume of the cell, Å³."""
        return mean_volume(self.cells)

    def displacements(self, element: str) -> Float32Array:
        """Return displacements (n, N_element, 3) from the first frame in ``reference_frame``, Å.

        A memory map with the frames of one atom side by side. It is opened anew in each call,
        so that its pages are let go with it.
        """
        shape = (self.counts[element], 3, len(self.times_ps))
        stored = np.memmap(_file(self.folder, element), dtype=np.float32, mode="r", shape=shape)
        return stored.transpose(2, 0, 1)


@contextmanager
def stream_dump(
    path: str | Path,
    reference_frame: ReferenceFrame,
    interval_ps: float | None = None,
    timestep_fs: float | None = None,
    elements: Sequence[str] | None = None,
    scratch: str | Path | None = None,
    progress: Progress | None = None,
) -> Iterator[StreamedTrajectory]:
    """Read a LAMMPS text dump frame by frame, with the checks of ``read_trajectory``.

    Displacements go to files of float32 in a temporary folder, which is removed at the end of
    the ``with`` block; sums over species stay in memory in float64. A dump of
    10 GB (10 000 atoms, 27 000 frames) takes 0.5 GB of memory, analysis included; pages of the
    files that the system keeps while they are read come on top and are given back.

    Parameters
    ----------
    path, interval_ps, timestep_fs, elements, progress
        As in ``read_trajectory``.
    reference_frame
        What displacements are relative to.
    scratch
        Folder with room for 12 bytes for each atom of each frame; default: the system's
        temporary folder.

    Raises
    ------
    TrajectoryFileError
        As ``read_trajectory``; also if the file is no LAMMPS dump or the disk is too full.
    """
    source = Path(path)
    require_time(source.name, interval_ps, timestep_fs)
    if not is_dump(source):
        raise TrajectoryFileError(
            f"{source.name} is no LAMMPS text dump, and only such files are streamed; convert it, "
            "or read it with read_trajectory"
        )
    with TemporaryDirectory(prefix="trajectory-", dir=scratch) as folder:
        checks = FrameChecks(source.name)
        writer = _Writer(source.name, count_frames(source), reference_frame, Path(folder))
        for frame in iterate_dump(source, elements, progress):
            checks.add(frame)
            writer.add(frame)
        times = checks.times_ps(interval_ps, timestep_fs)
        yield writer.finish(times)


class _Writer:
    """Gathers frames in a buffer and writes the frames of one atom side by side."""

    start: FloatArray
    last: FloatArray
    moved: FloatArray

    def __init__(
        self, name: str, n_frames: int, reference_frame: ReferenceFrame, folder: Path
    ) -> None:
        self.name = name
        self.n_frames = n_frames
        self.reference_frame = reference_frame
        self.folder = folder
        self.number = 0
        self.buffered = 0
        self.cells = np.empty((n_frames, 3, 3))

    def add(self, frame: Frame) -> None:
        """Take the next frame, which has passed the checks."""
        if self.number == 0:
            self._start(frame)
        if frame.unwrapped:
            self.moved = frame.positions - self.start
        elif self.number > 0:
            step = (frame.positions - self.last)[None]
            self.moved = (
                self.moved + shortest_steps(step, frame.cell[None], self.name, self.number - 1)[0]
            )
        self.last = frame.positions
        self.cells[self.number] = frame.cell
        self.sums[self.number] = self.membership @ self.moved
        self.buffer[self.buffered] = self.moved[self.by_element]
        self.number += 1
        self.buffered += 1
        if self.buffered == len(self.buffer):
            self._write()

    def finish(self, times_ps: FloatArray) -> StreamedTrajectory:
        """Write what is left and return the whole."""
        self._write()
        return StreamedTrajectory(
            self.symbols,
            self.cells[: self.number],
            times_ps,
            self.counts,
            self._in_frame(self.sums),
            self.reference_frame,
            self.folder,
        )

    def _start(self, frame: Frame) -> None:
        self.symbols = frame.symbols
        names = np.array(frame.symbols)
        self.counts = {name: int((names == name).sum()) for name in dict.fromkeys(frame.symbols)}
        self.masses = dict(zip(self.counts, standard_masses(list(self.counts)), strict=True))
        self.membership = np.array([names == name for name in self.counts], dtype=float)
        self.by_element = np.concatenate([np.flatnonzero(names == name) for name in self.counts])
        self.sums = np.zeros((self.n_frames, len(self.counts), 3))
        self._in_frame(self.sums[:1])
        size = 12 * len(names)
        free = shutil.disk_usage(self.folder).free
        if size * self.n_frames > 0.95 * free:
            raise TrajectoryFileError(
                f"{self.name}: {size * self.n_frames / 1e9:.1f} GB are needed in {self.folder}, "
                f"{free / 1e9:.1f} GB are free; give another folder as scratch"
            )
        for name, count in self.counts.items():
            shape = (count, 3, self.n_frames)
            np.memmap(_file(self.folder, name), dtype=np.float32, mode="w+", shape=shape)
        depth = min(_MOST_FRAMES_PER_BUFFER, self.n_frames, max(1, BUFFER_BYTES // size))
        self.buffer = np.empty((depth, len(names), 3), dtype=np.float32)
        self.start = self.last = frame.positions
        self.moved = np.zeros_like(frame.positions)

    def _in_frame(self, sums: FloatArray) -> FloatArray:
        return species_sums_in_frame(
            sums, list(self.counts), self.counts, self.reference_frame, self.masses
        )

    def _write(self) -> None:
        """Take the drift off the buffered frames and append them to the files."""
        frames = slice(self.number - self.buffered, self.number)
        # The first frame, which sets the zero, and the buffered ones.
        sums = np.concatenate([self.sums[:1], self.sums[frames]])
        drift = (sums - self._in_frame(sums))[1:, 0] / next(iter(self.counts.values()))
        block = self.buffer[: self.buffered]
        block -= drift[:, None].astype(np.float32)
        first = 0
        for name, count in self.counts.items():
            # Opened for one block only, so that written pages do not count as this process's.
            shape = (count, 3, self.n_frames)
            stored = np.memmap(_file(self.folder, name), dtype=np.float32, mode="r+", shape=shape)
            stored[..., frames] = block[:, first : first + count].transpose(1, 2, 0)
            first += count
        self.buffered = 0


def _file(folder: Path, element: str) -> Path:
    return folder / f"displacements_{element}.float32"
