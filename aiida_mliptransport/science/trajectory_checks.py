"""Refuse a trajectory whose frames would spoil an analysis, one frame at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .frames import FloatArray, IntArray

#: Part of a cell that an atom may cross between two wrapped frames before unwrapping is a guess.
LARGEST_STEP = 0.4


class TrajectoryFileError(ValueError):
    """A trajectory cannot be analysed; the message names the file and the frame."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a file.

    Attributes
    ----------
    step : int or None
        MD step, where the file holds it.
    symbols : tuple of str
        Chemical symbol of each atom.
    positions : (N, 3) float
        Å.
    cell : (3, 3) float
        Lattice vectors in rows, Å.
    unwrapped : bool
        Whether positions were written unwrapped.
    ids : (N,) int, optional
        The program's own numbers of the atoms, where the file holds them.
    velocities : (N, 3) float, optional
        Å/ps, where they were asked for.
    """

    step: int | None
    symbols: tuple[str, ...]
    positions: FloatArray
    cell: FloatArray
    unwrapped: bool
    ids: IntArray | None = None
    velocities: FloatArray | None = None


@dataclass(eq=False)
class FrameChecks:
    """Checks of consecutive frames of the file `name`; holds the first frame and all steps."""

    name: str
    first: Frame | None = None
    steps: list[int] = field(default_factory=list)
    n_frames: int = 0

    def add(self, frame: Frame) -> None:
        """Check the next frame.

        Raises
        ------
        TrajectoryFileError
            For values that are not finite, another number or order of atoms than in the first
            frame, no cell, repeated or missing steps.
        """
        where = f"{self.name}, frame {self.n_frames} (the first is 0)"
        if self.first is None:
            self.first = frame
        _check_atoms(where, frame, self.first)
        if not np.isfinite(frame.positions).all():
            atom = int(np.argwhere(~np.isfinite(frame.positions))[0, 0])
            raise TrajectoryFileError(
                f"{where}: the position of atom {atom} is not finite; cut the trajectory "
                "before the run broke"
            )
        if frame.velocities is not None and not np.isfinite(frame.velocities).all():
            atom = int(np.argwhere(~np.isfinite(frame.velocities))[0, 0])
            raise TrajectoryFileError(
                f"{where}: the velocity of atom {atom} is not finite; cut the trajectory "
                "before the run broke"
            )
        if not np.isfinite(frame.cell).all() or abs(np.linalg.det(frame.cell)) < 1e-9:
            raise TrajectoryFileError(
                f"{where} has no cell of finite volume, and σ needs one; give a periodic cell"
            )
        if frame.step is not None:
            self._check_step(frame.step)
        self.n_frames += 1

    def times_ps(self, interval_ps: float | None, timestep_fs: float | None) -> FloatArray:
        """Return the times of all frames (n,) from the steps, or from the time between two.

        Raises
        ------
        TrajectoryFileError
            For fewer than two frames, and where steps are needed and the file holds none.
        """
        if self.n_frames < 2:
            raise TrajectoryFileError(
                f"{self.name} has {self.n_frames} frames, expected two or more; is it complete?"
            )
        if timestep_fs is not None and self.steps:
            steps = np.array(self.steps)
            return (steps - steps[0]).astype(float) * (timestep_fs * 1e-3)
        if interval_ps is None:
            raise TrajectoryFileError(
                f"{self.name} holds no step numbers; give interval_ps, the time between two frames"
            )
        return np.arange(self.n_frames, dtype=float) * interval_ps

    def _check_step(self, step: int) -> None:
        self.steps.append(step)
        if len(self.steps) < 2:
            return
        number, before, stride = len(self.steps) - 1, self.steps[-2], step - self.steps[-2]
        if stride <= 0:
            raise TrajectoryFileError(
                f"{self.name}, frame {number} is step {step} after step {before}; "
                "repeated frames (often from a restart) count an origin twice: remove them"
            )
        expected = self.steps[1] - self.steps[0]
        if stride != expected:
            raise TrajectoryFileError(
                f"{self.name}, frame {number} is {stride} steps after the one before, expected "
                f"{expected}; frames are missing, or the stride changed: use one part"
            )


def shortest_steps(steps: FloatArray, cells: FloatArray, name: str, start: int = 0) -> FloatArray:
    """Return displacements between frames (n, N, 3) in Å as their shortest periodic images.

    Parameters
    ----------
    steps : (n, N, 3) float
        Differences of wrapped positions from frame ``start`` on.
    cells : (n, 3, 3) float
        Cell of the later frame of each.

    Raises
    ------
    TrajectoryFileError
        If an atom moves by more than 0.4 of a cell vector between two frames.
    """
    fractional = np.matmul(steps, np.linalg.inv(cells))
    fractional -= np.rint(fractional)
    if np.abs(fractional).max(initial=0.0) > LARGEST_STEP:
        index = np.argwhere(np.abs(fractional) > LARGEST_STEP)[0]
        frame, atom, axis = (int(i) for i in index)
        raise TrajectoryFileError(
            f"{name}: atom {atom} moves by {abs(fractional[frame, atom, axis]):.2f} of cell vector "
            f"{'abc'[axis]} between frames {start + frame} and {start + frame + 1}, so its image "
            "is a guess; write frames more often, or unwrapped positions (xu yu zu)"
        )
    return np.asarray(np.matmul(fractional, cells))


def _check_atoms(where: str, frame: Frame, first: Frame) -> None:
    if len(frame.symbols) != len(first.symbols):
        raise TrajectoryFileError(
            f"{where} has {len(frame.symbols)} atoms, expected {len(first.symbols)} as in frame 0; "
            "ions that appear or vanish have no displacement"
        )
    # A reader hands on one tuple as long as nothing changes, so this is no loop over atoms.
    if frame.symbols is not first.symbols and frame.symbols != first.symbols:
        pairs = zip(frame.symbols, first.symbols, strict=True)
        atom = next(i for i, (here, there) in enumerate(pairs) if here != there)
        raise TrajectoryFileError(
            f"{where}: atom {atom} is {frame.symbols[atom]}, expected {first.symbols[atom]} as in "
            "frame 0; sort the atoms of every frame in one order"
        )
    if frame.ids is not None and first.ids is not None and frame.ids is not first.ids:
        other = np.flatnonzero(frame.ids != first.ids)
        if len(other):
            atom = int(other[0])
            raise TrajectoryFileError(
                f"{where}: atom {atom} has the id {frame.ids[atom]}, expected {first.ids[atom]} as "
                "in frame 0; dump the same atoms in every frame"
            )
