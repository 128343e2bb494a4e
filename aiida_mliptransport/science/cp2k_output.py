"""Read what CP2K writes in reference trajectories and MD, frame by frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .frames import FloatArray, StrArray
from .units import EV_ANGSTROM3_TO_GPA, HARTREE_EV

#: Largest difference (hartree) of one energy in two files; the shorter one has ten decimals.
ENERGY_TOLERANCE = 1e-8

_NUMBER = r"([-+]?\d+\.\d+(?:[EeDd][-+]?\d+)?)"
_ENERGY = re.compile(rf"^ ENERGY\| Total FORCE_EVAL .*?:?\s{_NUMBER}\s*$")
_STEP = re.compile(r"^ MD\| Step number\s+(\d+)\s*$")
_STRESS_HEAD = re.compile(r"^ STRESS\| Analytical stress tensor \[(\w+)\]")
_STRESS_ROW = re.compile(rf"^ STRESS\|\s+[xyz]\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*$")
_OPTIMIZATION_STEP = re.compile(r"^ OPTIMIZATION STEP:\s+(\d+)\s*$")
_SPIN_DENSITY = re.compile(rf"^\s+Integrated absolute spin density\s*:\s+{_NUMBER}\s*$")
_SPIN_SQUARED = re.compile(
    rf"^\s+Ideal and single determinant S\*\*2\s*:\s+{_NUMBER}\s+{_NUMBER}\s*$"
)
_VERSION = re.compile(r"^ CP2K\| version string:\s+(.*\S)\s*$")
_COMMENT = re.compile(r"i\s*=\s*(\d+)(?:.*?time\s*=\s*([-+.\dEe]+))?(?:.*?E\s*=\s*([-+.\dEe]+))?")

#: What the program says at the end of a wave-function optimisation. The last one counts: an inner
#: loop of an outer one that converges later also says that it did not.
_VERDICTS = (
    ("SCF run converged in", True),
    ("outer SCF loop converged in", True),
    ("SCF run NOT converged", False),
    ("outer SCF loop FAILED to converge", False),
    ("Leaving inner SCF loop after reaching", False),
)


@dataclass
class Evaluation:
    """One energy evaluation in the main output; ``step`` is known once the program names it.

    ``spin_density`` is the integral of its absolute value (unpaired electrons), ``spin_squared``
    the expectation value of S² of the determinant; both where each spin has its own orbitals.
    """

    energy: float | None = None
    converged: bool | None = None
    stress: FloatArray | None = None
    step: int | None = None
    spin_density: float | None = None
    spin_squared: float | None = None


@dataclass(frozen=True)
class MainOutput:
    """The main output: evaluations in order, version, and how it ended.

    ``relaxed``: an optimization met its limits.
    """

    evaluations: list[Evaluation]
    version: str | None
    finished: bool
    out_of_time: bool
    abort_message: str | None
    relaxed: bool = False

    @property
    def last_step(self) -> int:
        """The last step of MD or an optimization that it names; 0 where it names none."""
        return max((e.step for e in self.evaluations if e.step is not None), default=0)


@dataclass(frozen=True)
class XyzFrames:
    """Whole frames of one XYZ file of CP2K, by step."""

    symbols: StrArray
    steps: list[int]
    times_fs: list[float]
    energies: list[float | None]
    values: FloatArray


def read_main_output(text: str) -> MainOutput:
    """Read CP2K's main output, whole or cut off.

    Energies in eV. Stress in eV/Å³ with ASE's sign: CP2K prints the pressure tensor, and what it
    prints for FORCE_EVAL has no kinetic part, unlike the file of MOTION. An evaluation belongs to
    the step of MD that the program names next, or of an optimization that it named before; the
    first one of a run is named nowhere.
    """
    evaluations: list[Evaluation] = []
    current = Evaluation()
    version = None
    rows: list[list[float]] | None = None
    scale = 1.0
    for line in text.splitlines():
        if rows is not None:
            row = _STRESS_ROW.match(line)
            if row:
                rows.append([_float(value) for value in row.groups()])
                if len(rows) == 3:
                    (evaluations[-1] if evaluations else current).stress = -np.array(rows) * scale
                    rows = None
            continue
        for words, verdict in _VERDICTS:
            if words in line:
                current.converged = verdict
        if match := _ENERGY.match(line):
            current.energy = _float(match.group(1)) * HARTREE_EV
            evaluations.append(current)
            current = Evaluation()
        elif match := _STRESS_HEAD.match(line):
            rows, scale = [], _pressure_scale(match.group(1))
        elif (match := _STEP.match(line)) and evaluations:
            evaluations[-1].step = int(match.group(1))
        elif match := _OPTIMIZATION_STEP.match(line):
            current.step = int(match.group(1))
        elif match := _SPIN_DENSITY.match(line):
            current.spin_density = _float(match.group(1))
        elif match := _SPIN_SQUARED.match(line):
            current.spin_squared = _float(match.group(2))
        elif match := _VERSION.match(line):
            version = match.group(1)
    if current.converged is not None:
        evaluations.append(current)
    return MainOutput(
        evaluations=evaluations,
        version=version,
        finished="PROGRAM STOPPED IN" in text or "PROGRAM ENDED AT" in text,
        out_of_time="exceeded requested execution time" in text,
        abort_message=_abort_message(text),
        relaxed="OPTIMIZATION COMPLETED" in text,
    )


def _float(text: str) -> float:
    return float(text.replace("D", "E").replace("d", "e"))


def _pressure_scale(unit: str) -> float:
    """Return eV/Å³ per unit of the printed stress."""
    scales = {"GPa": 1.0, "bar": 1e-4, "kbar": 0.1, "Pa": 1e-9, "MPa": 1e-3}
    if unit not in scales:
        raise ValueError(f"stress is printed in {unit!r}, expected one of {sorted(scales)}")
    return scales[unit] / EV_ANGSTROM3_TO_GPA


def _abort_message(text: str) -> str | None:
    """Return the words in the box that CP2K draws when it aborts."""
    start = text.rfind("[ABORT]")
    if start < 0:
        return None
    words = []
    for line in text[start:].splitlines():
        inside = re.sub(r"^[ *\\/_|OM]*", "", line.replace("[ABORT]", "")).rstrip(" *")
        words += [] if set(inside) <= set("_/\\| ") else inside.split()
        if re.search(r"\.F:\d+", line):
            break
    return " ".join(words) or None


def read_xyz(text: str) -> XyzFrames:
    """Read positions (Å), forces or velocities (atomic units) that CP2K writes as XYZ.

    A frame that is cut off is left out. A frame that a restart wrote again replaces the first one.
    """
    frames: dict[int, tuple[float, float | None, FloatArray]] = {}
    symbols: list[str] = []
    lines = text.splitlines(keepends=True)
    first = 0
    while first < len(lines) and lines[first].strip():
        if not lines[first].strip().isdigit():
            break
        size = int(lines[first])
        block = lines[first : first + size + 2]
        # A last line without its end may lack digits.
        if len(block) < size + 2 or not block[-1].endswith("\n"):
            break
        comment = _COMMENT.search(block[1])
        rows = [line.split() for line in block[2:]]
        if comment is None or any(len(row) < 4 for row in rows):
            break
        symbols = [row[0] for row in rows]
        time, energy = comment.group(2), comment.group(3)
        frames[int(comment.group(1))] = (
            float(time) if time else 0.0,
            float(energy) if energy else None,
            np.array([[float(x) for x in row[1:4]] for row in rows]),
        )
        first += size + 2
    steps = sorted(frames)
    return XyzFrames(
        symbols=np.array(symbols, dtype=np.str_),
        steps=steps,
        times_fs=[frames[step][0] for step in steps],
        energies=[frames[step][1] for step in steps],
        values=np.array([frames[step][2] for step in steps]).reshape(len(steps), len(symbols), 3),
    )


def read_table(text: str, columns: int) -> dict[int, list[float]]:
    """Read a table of CP2K (``.cell``, ``.ener``) as step to its other columns."""
    return {int(row[0]): row[1:] for row in _rows(text, columns)}


def _rows(text: str, columns: int) -> Iterator[list[float]]:
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("#") or not line.endswith("\n"):
            continue
        words = line.split()
        if len(words) >= columns:
            yield [float(word) for word in words]


def restart_step(text: str) -> int | None:
    """Return the MD step of a restart file, or None where the file is cut off or none.

    CP2K names the step in the section MD; the file ends with the end of a section.
    """
    found = re.search(r"^\s*STEP_START_VAL\s+(\d+)\s*$", text, re.MULTILINE)
    lines = text.strip().splitlines()
    if found is None or not lines or not lines[-1].strip().startswith("&END"):
        return None
    return int(found.group(1))
