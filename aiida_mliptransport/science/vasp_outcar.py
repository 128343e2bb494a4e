"""Read the ionic steps of an OUTCAR, as an image of a band writes it, whole or broken off."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .frames import FloatArray

_VERSION = re.compile(r"\bvasp\.(\d+(?:\.\d+)*)")
_ENERGY = re.compile(r"free  energy   TOTEN\s*=\s*(\S+)")
_FORCES = "TOTAL-FORCE (eV/Angst)"
_ELECTRONIC = re.compile(r"-\s*Iteration\s")


@dataclass(frozen=True, eq=False)
class OutcarStep:
    """One ionic step of N atoms.

    Attributes
    ----------
    positions, energy, forces
        ``(N, 3)`` Å, to five decimals and wrapped as VASP likes; free energy, eV; ``(N, 3)`` eV/Å:
        of the atoms, without springs. What is no number there is NaN.
    electronic_steps
        SCF iterations.
    """

    positions: FloatArray
    energy: float
    forces: FloatArray
    electronic_steps: int

    @property
    def finite(self) -> bool:
        """Whether energy and forces are numbers."""
        return bool(math.isfinite(self.energy) and np.isfinite(self.forces).all())


@dataclass(frozen=True, eq=False)
class Outcar:
    """What the OUTCAR of a run says.

    Attributes
    ----------
    steps
        Whole ionic steps, in order.
    reached_accuracy
        VASP says that the forces, in a band those of all images, are below EDIFFG.
    stopped
        A STOPCAR ended it.
    finished
        It came to its end: the timing is there.
    vtst
        The program has the VTST tools.
    """

    version: str
    steps: tuple[OutcarStep, ...]
    reached_accuracy: bool
    stopped: bool
    finished: bool
    vtst: bool


def read_outcar(text: str) -> Outcar:
    """Return what an OUTCAR says.

    In a band VASP prints the forces of the electrons and ions under ``TOTAL-FORCE``, and those of
    the chain apart (VASP manual, nudged elastic bands). The free energy of an ionic step follows
    its forces; a step without it is not whole.
    """
    version = _VERSION.search(text)
    return Outcar(
        version=version.group(1) if version else "",
        steps=tuple(_steps(text)),
        reached_accuracy="reached required accuracy" in text,
        stopped="soft stop encountered" in text,
        finished="General timing and accounting" in text,
        vtst="VTST: version" in text,
    )


def _steps(text: str) -> Iterator[OutcarStep]:
    # A last line without its end may lack digits.
    lines = iter(text.splitlines()[: None if text.endswith("\n") else -1])
    electronic, table = 0, np.empty((0, 6))
    for line in lines:
        if _ELECTRONIC.search(line):
            electronic += 1
        elif _FORCES in line:
            table = _table(lines)
        elif len(table) and (match := _ENERGY.search(line)):
            yield OutcarStep(table[:, :3], _number(match.group(1)), table[:, 3:], electronic)
            electronic, table = 0, np.empty((0, 6))


def _table(lines: Iterator[str]) -> FloatArray:
    """Return position and force of each atom, (N, 6), between two rules; (0, 6) without the end."""
    rows: list[list[float]] = []
    next(lines, "")
    for line in lines:
        if line.startswith(" ---"):
            return np.array(rows, dtype=np.float64).reshape(-1, 6)
        rows.append((([_number(word) for word in line.split()]) + 6 * [math.nan])[:6])
    return np.empty((0, 6))


def _number(word: str) -> float:
    """Return a number; NaN for the asterisks of one that is too long."""
    try:
        return float(word)
    except ValueError:
        return math.nan
