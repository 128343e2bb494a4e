"""Labelled frames of CP2K runs that were made elsewhere: a folder of a run, or one main output."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase.data import atomic_masses, atomic_numbers
from scipy import constants

from .cp2k_labels import LabelTable, label_table
from .cp2k_output import ENERGY_TOLERANCE, MainOutput, read_main_output, read_table, read_xyz
from .frames import FloatArray, Frames, FramesError, System, frame_identity
from .label_checks import Dropped
from .units import EV_ANGSTROM3_TO_BAR, HARTREE_BOHR_EV_ANGSTROM, HARTREE_EV

#: How the files of a run end that hold its frames.
POSITIONS_END, FORCES_END, CELLS_END = "-pos-1.xyz", "-frc-1.xyz", "-1.cell"

_ELECTRON_MASSES_PER_U = constants.atomic_mass / constants.m_e
_NUMBER = r"(-?\d+\.\d+(?:E[-+]\d+)?)"
_COORDINATES_HEAD = re.compile(r"MODULE QUICKSTEP:\s+ATOMIC COORDINATES IN ANGSTROM", re.IGNORECASE)
_COORDINATES_ROW = re.compile(
    rf"^\s+\d+\s+\d+\s+([A-Z][a-z]?)\s+\d+\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s"
)
_FORCES_HEAD = "ATOMIC FORCES in [a.u.]"
_FORCES_ROW = re.compile(rf"^\s+\d+\s+\d+\s+([A-Z][a-z]?)\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*$")
_VECTOR = re.compile(
    rf"^ CELL\| Vector ([abc]) \[angstrom\]:\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s", re.MULTILINE
)


def is_cp2k_folder(path: str | Path) -> bool:
    """Whether a folder holds the trajectory of a CP2K run."""
    return any(Path(path).glob(f"*{POSITIONS_END}"))


def read_cp2k(path: str | Path, dropped: list[Dropped] | None = None) -> Frames:
    """Read labelled frames of a run (a folder) or of a single point (its main output).

    A folder holds ``<project>-pos-1.xyz``, ``<project>-frc-1.xyz``, ``<project>-1.cell`` and the
    main output (``*.out`` or ``*.log``), which alone says what converged. Stress is that of
    FORCE_EVAL in the main output; without it ``<project>-1.stress`` less the kinetic part, which
    takes ``<project>-vel-1.xyz``. Charge and multiplicity are in an output of medium print level;
    without, they become 0 and 1.

    Parameters
    ----------
    dropped
        Takes the frames that are no labels, unconverged ones first of all, with their number in
        the file and why; without it they are an error.

    Raises
    ------
    FramesError
        If a file is missing or there are several, or frames are no labels and ``dropped`` is None.
    """
    source = Path(path)
    frames, problems = _read_folder(source) if source.is_dir() else _read_single_point(source)
    if problems and dropped is None:
        first = problems[0]
        raise FramesError(f"{path}: frame {first.index} is no label: {first.reason}")
    if dropped is not None:
        dropped += problems
    return frames


def _read_folder(folder: Path) -> tuple[Frames, list[Dropped]]:
    trajectory = _only(folder, [f"*{POSITIONS_END}"], "trajectory")
    project = trajectory.name.removesuffix(POSITIONS_END)
    text = _main_output(folder)
    output = read_main_output(text)
    positions = read_xyz(trajectory.read_text())
    forces = read_xyz(_needed(folder / f"{project}{FORCES_END}", "MOTION/PRINT/FORCES"))
    cells = read_table(_needed(folder / f"{project}{CELLS_END}", "MOTION/PRINT/CELL"), 11)
    if not positions.steps:
        raise FramesError(f"{trajectory} holds no whole frame, expected XYZ with 'i = …' lines")
    numbers = _numbers(positions.symbols.tolist(), trajectory)
    steps = positions.steps
    if output.relaxed:
        # At its end CP2K evaluates the last frame once more and writes it as another step.
        steps = [step for step in steps if step <= output.last_step]
    printed = any(evaluation.stress is not None for evaluation in output.evaluations)
    energies = dict(zip(positions.steps, positions.energies, strict=True))
    table = label_table(
        steps, output, positions, forces, cells, _first_step(output, energies), printed
    )
    stresses = table.stresses if printed else _stresses_of_file(folder, project, table, numbers)
    rows = {step: row for row, step in enumerate(positions.steps)}
    problems = [
        Dropped(rows[step], f"{kind}: {message}")
        for step, (kind, message) in sorted(table.failures.items())
    ]
    if not table.steps:
        return Frames(()), problems
    charge, multiplicity = _state(text)
    pbc = np.array([True] * 3)
    origin = frame_identity(numbers, table.positions[0], table.cells[0], pbc, charge, multiplicity)
    system = System(
        numbers=numbers,
        positions=np.array(table.positions),
        cells=np.array(table.cells),
        pbc=pbc,
        charge=charge,
        multiplicity=multiplicity,
        energies=np.array(table.energies),
        forces=np.array(table.forces),
        stresses=None if stresses is None else np.array(stresses),
        origins=np.array([origin] * len(table.steps)),
        steps=np.array(table.steps),
    )
    return Frames((system,)), problems


def _first_step(output: MainOutput, energies: dict[int, float | None]) -> int:
    """Return the step of the first evaluation, which is named nowhere, by its energy."""
    if not output.evaluations or output.evaluations[0].energy is None:
        return 0
    first = output.evaluations[0].energy / HARTREE_EV
    same = [s for s, e in energies.items() if e is not None and abs(e - first) < ENERGY_TOLERANCE]
    return same[0] if same else 0


def _stresses_of_file(
    folder: Path, project: str, table: LabelTable, numbers: npt.NDArray[np.int64]
) -> list[FloatArray] | None:
    """Return stresses (eV/Å³) of ``.stress`` without the kinetic part, None where files lack."""
    files = [folder / f"{project}{end}" for end in ("-1.stress", "-vel-1.xyz")]
    if not all(file.is_file() for file in files):
        return None
    pressures = read_table(files[0].read_text(), 11)
    velocities = read_xyz(files[1].read_text())
    rows = {step: row for row, step in enumerate(velocities.steps)}
    masses = atomic_masses[numbers] * _ELECTRON_MASSES_PER_U
    stresses = []
    for step, cell in zip(table.steps, table.cells, strict=True):
        if step not in pressures or step not in rows:
            return None
        total = np.array(pressures[step][1:10]).reshape(3, 3) / EV_ANGSTROM3_TO_BAR
        speed = velocities.values[rows[step]]
        kinetic = np.einsum("i,ia,ib->ab", masses, speed, speed) * HARTREE_EV
        stresses.append(kinetic / abs(np.linalg.det(cell)) - total)
    return stresses


def _read_single_point(file: Path) -> tuple[Frames, list[Dropped]]:
    text = file.read_text(encoding="utf-8", errors="replace")
    output = read_main_output(text)
    if output.version is None:
        raise FramesError(f"{file} is no main output of CP2K; expected lines that begin 'CP2K|'")
    if len(output.evaluations) != 1:
        raise FramesError(
            f"{file} has {len(output.evaluations)} energies, expected that of one structure; "
            "give the folder of a run with several"
        )
    lines = text.splitlines()
    coordinates = _rows(lines, _COORDINATES_HEAD.search, _COORDINATES_ROW)
    forces = _rows(lines, lambda line: _FORCES_HEAD in line, _FORCES_ROW)
    vectors = {match.group(1): match.groups()[1:] for match in _VECTOR.finditer(text)}
    periodicity = re.search(r"^ CELL\| Periodicity\s+(\w+)\s*$", text, re.MULTILINE)
    missing = [
        name
        for name, there in (
            (
                "coordinates and cell (GLOBAL/PRINT_LEVEL MEDIUM)",
                coordinates and len(vectors) == 3 and periodicity,
            ),
            ("forces (FORCE_EVAL/PRINT/FORCES)", forces),
        )
        if not there
    ]
    if missing or periodicity is None:
        raise FramesError(f"{file} holds no {' and no '.join(missing)}; print them")
    (evaluation,) = output.evaluations
    if evaluation.converged is not True or evaluation.energy is None:
        return Frames(()), [Dropped(0, "scf_unconverged: the SCF did not converge")]
    charge, multiplicity = _state(text)
    stress = evaluation.stress
    system = System(
        numbers=_numbers([symbol for symbol, _ in coordinates], file),
        positions=np.array([[row for _, row in coordinates]]),
        cells=np.array([[[float(x) for x in vectors[letter]] for letter in "abc"]]),
        pbc=np.array([letter in periodicity.group(1) for letter in "XYZ"]),
        charge=charge,
        multiplicity=multiplicity,
        energies=np.array([evaluation.energy]),
        forces=np.array([[row for _, row in forces]]) * HARTREE_BOHR_EV_ANGSTROM,
        stresses=None if stress is None else stress[None],
    )
    return Frames((system,)), []


def _rows(
    lines: Sequence[str], is_head: Callable[[str], Any], pattern: re.Pattern[str]
) -> list[tuple[str, list[float]]]:
    """Return element and numbers of the first table below a heading."""
    rows: list[tuple[str, list[float]]] = []
    heads = [number for number, line in enumerate(lines) if is_head(line)]
    for line in lines[heads[0] + 1 :] if heads else []:
        match = pattern.match(line)
        if match:
            rows.append((match.group(1), [float(x) for x in match.groups()[1:]]))
        elif rows:
            break
    return rows


def _only(folder: Path, patterns: Sequence[str], what: str) -> Path:
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if len(found) != 1:
        names = [path.name for path in found]
        raise FramesError(
            f"{folder} holds {len(found)} files {list(patterns)} {names[:5]}, expected one {what}; "
            "keep one run in a folder"
        )
    return found[0]


def _main_output(folder: Path) -> str:
    """Return the text of the one main output of a folder."""
    texts = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for pattern in ("*.out", "*.log")
        for path in sorted(folder.glob(pattern))
    }
    found = {name: text for name, text in texts.items() if " CP2K| version string" in text}
    if len(found) != 1:
        raise FramesError(
            f"{folder} holds {len(found)} main outputs of CP2K (*.out, *.log) {sorted(found)}, "
            "expected the one of this run: it alone says which frames converged"
        )
    return next(iter(found.values()))


def _needed(file: Path, section: str) -> str:
    if not file.is_file():
        raise FramesError(f"{file} is missing; CP2K writes it where {section} is on")
    return file.read_text()


def _numbers(names: Sequence[str], file: Path) -> npt.NDArray[np.int64]:
    """Return atomic numbers; a kind may be called after its element with digits, like Fe1."""
    symbols = [name.rstrip("0123456789_").capitalize() for name in names]
    unknown = sorted({n for n, s in zip(names, symbols, strict=True) if s not in atomic_numbers})
    if unknown:
        raise FramesError(f"{file} names atoms {unknown}, expected chemical symbols")
    return np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64)


def _state(text: str) -> tuple[int, int]:
    """Return charge and multiplicity where the output names them, else 0 and 1."""
    values = []
    for name, default in (("Charge", 0), ("Multiplicity", 1)):
        match = re.search(rf"^ DFT\| {name}\s+(-?\d+)\s*$", text, re.MULTILINE)
        values.append(int(match.group(1)) if match else default)
    return values[0], values[1]
