"""Parser of LAMMPS MD: trajectory, restart state and results, also of runs that failed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from ..calculations.lammps_script import (
    DUMP_FILE,
    RESTART_OUTPUT_FILE,
    SPECIES_FILE,
    STATE_FILE,
    THERMO_FILE,
    THERMO_KEYWORDS,
    LammpsMDParameters,
    restricted_cell,
    type_elements,
)
from ..calculations.walltime import WALLTIME_FILE
from ..data.trajectory import MDTrajectoryData
from .disk import disk_full_is_declared
from .framework import version_warnings
from .lammps_files import (
    BinaryDump,
    DumpError,
    Messages,
    read_columns,
    read_deviations,
    read_messages,
)
from .text import read_text

DEVIATION_FILE = "model_devi.out"


class LammpsMDParser(Parser):
    """Read our own files; the log is used for messages only."""

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach what there is, then say what went wrong first."""
        output_name = self.node.get_option("output_filename") or "lammps.out"
        names = self.retrieved.base.repository.list_object_names()
        if output_name not in names:
            return self.exit_codes.ERROR_OUTFILE_MISSING
        self.folder = Path(kwargs["retrieved_temporary_folder"])
        self.messages = read_messages(read_text(self.retrieved, output_name))
        self.parameters = LammpsMDParameters.model_validate(self.node.inputs.parameters.get_dict())
        first_step, last_step = self._state()
        expected = None if first_step is None else first_step + self.parameters.steps
        completed = last_step is not None and last_step == expected
        try:
            trajectory, finite, dump = self._trajectory(
                first_step or 0, completed, in_order=last_step is not None
            )
        except DumpError as error:
            return self.exit_codes.ERROR_NO_FRAMES.format(reason=str(error))
        if trajectory is not None:
            self.out("trajectory", trajectory)
        restart = self.folder / RESTART_OUTPUT_FILE
        if last_step is not None and finite and restart.exists() and restart.stat().st_size:
            self.out("restart", orm.SinglefileData(restart))
        timed_out = self.messages.timed_out or WALLTIME_FILE in names
        out_of_walltime = timed_out and finite and not completed
        self._results(trajectory, completed and finite, out_of_walltime, last_step)
        return self._verdict(first_step, completed, finite, trajectory, dump, timed_out)

    def _state(self) -> tuple[int | None, int | None]:
        text = self._text(STATE_FILE)
        found = {name: int(step) for name, step in re.findall(r"(\w+_step) (\d+)\n", text)}
        return found.get("first_step"), found.get("last_step")

    def _text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _trajectory(
        self, first_step: int, completed: bool, in_order: bool
    ) -> tuple[MDTrajectoryData | None, bool, BinaryDump | None]:
        """Return the trajectory, whether all of it was finite, and the dump.

        ``in_order``: LAMMPS ended by itself, be it for its time limit, and wrote its state.
        """
        path = self.folder / DUMP_FILE
        structure = self.node.inputs.structure.get_ase()
        thermo, finite = self._thermo()
        if not path.exists():
            return None, finite, None
        dump = BinaryDump(path, len(structure))
        # A segment starts after its parent's last frame, which LAMMPS writes again.
        keep = dump.steps >= first_step + (1 if "restart" in self.node.inputs else 0)
        keep &= np.isfinite(dump.cells).all(axis=(1, 2))
        frames = np.flatnonzero(keep)
        if len(frames) == 0:
            return None, finite, dump
        _check_types(dump, int(frames[0]), structure.get_chemical_symbols())
        rotation = restricted_cell(structure.cell.array)[1]
        positions = dump.column("xu", "yu", "zu").restrict(frames)
        n_finite = positions.n_finite_frames()
        if n_finite < len(frames):
            finite = False
            frames = frames[:n_finite]
            if n_finite == 0:
                return None, finite, dump
        last = int(dump.steps[frames[-1]])
        p = self.parameters
        stored = {
            name: dump.column(*columns).restrict(frames, rotation)
            for name, columns, asked in (
                ("velocities", ("vx", "vy", "vz"), p.store_velocities),
                ("forces", ("fx", "fy", "fz"), p.store_forces),
            )
            if asked
        }
        deviations = self._deviations(first_step)
        # Where the run broke, sums and deviations after the last whole frame mean nothing. Where
        # it ended in order they are needed: the next segment goes on from the last step.
        limit = np.iinfo(np.int64).max if in_order and finite else last
        trajectory = MDTrajectoryData(
            numbers=structure.numbers,
            pbc=structure.pbc,
            steps=dump.steps[frames],
            times_ps=dump.times[frames],
            positions=dump.column("xu", "yu", "zu").restrict(frames, rotation),
            cells=dump.cells[frames] @ rotation,
            thermo={k: v[thermo["step"] <= limit] for k, v in thermo.items()},
            species=self._species(structure.get_chemical_symbols(), rotation, first_step, limit),
            deviations=(
                {k: v[deviations["steps"] <= limit] for k, v in deviations.items()}
                if deviations
                else None
            ),
            info={
                "engine": "lammps",
                "engine_version": self.messages.version,
                "ensemble": p.ensemble,
                "temperature_K": p.temperature_K,
                "pressure_bar": p.pressure_bar,
                "timestep_fs": p.timestep_fs,
                "seed": p.seed,
                "trajectory_stride": p.trajectory_stride,
                "species_stride": p.species_stride,
                "segment": "restart" in self.node.inputs,
                "completed": completed and finite,
            },
            **stored,
        )
        return trajectory, finite, dump

    def _thermo(self) -> tuple[dict[str, np.ndarray], bool]:
        """Return the thermo series up to its first row that is not finite."""
        rows = read_columns(self._text(THERMO_FILE), len(THERMO_KEYWORDS))
        if "restart" in self.node.inputs and len(rows):
            rows = rows[1:] if rows[0, 0] == (self._state()[0] or 0) else rows
        good = np.isfinite(rows).all(axis=1)
        finite = bool(good.all())
        rows = rows[: len(rows) if finite else int(np.argmin(good))]
        series: dict[str, np.ndarray] = {n: rows[:, i] for i, n in enumerate(THERMO_KEYWORDS)}
        series["step"] = series["step"].astype(np.int64)
        return series, finite

    def _species(
        self, symbols: list[str], rotation: np.ndarray, first_step: int, limit: int
    ) -> dict[str, Any] | None:
        names = type_elements(symbols)
        if self.parameters.species_stride is None:
            return None
        rows = read_columns(self._text(SPECIES_FILE), 2 + 6 * len(names))
        keep = (rows[:, 0] <= limit) & (
            rows[:, 0] >= first_step + (1 if "restart" in self.node.inputs else 0)
        )
        rows = rows[keep & np.isfinite(rows).all(axis=1)]
        if len(rows) == 0:
            return None
        vectors = rows[:, 2:].reshape(len(rows), len(names), 2, 3) @ rotation
        reference = vectors[0, :, 0]
        return {
            "names": names,
            "steps": rows[:, 0].astype(np.int64),
            "times_ps": rows[:, 1],
            "displacements": vectors[:, :, 0] - reference,
            "velocities": vectors[:, :, 1],
            "reference": reference,
        }

    def _deviations(self, first_step: int) -> dict[str, np.ndarray] | None:
        text = self._text(DEVIATION_FILE)
        if not text:
            return None
        segment = "restart" in self.node.inputs
        deviations = read_deviations(text, first_step + (1 if segment else 0))
        return deviations if len(deviations["steps"]) else None

    def _results(
        self,
        trajectory: MDTrajectoryData | None,
        completed: bool,
        out_of_walltime: bool,
        last_step: int | None,
    ) -> None:
        thermo = {} if trajectory is None else trajectory.thermo
        results = {
            "completed": completed,
            "out_of_walltime": out_of_walltime,
            "n_frames": 0 if trajectory is None else trajectory.n_frames,
            "last_step": last_step,
            "last_thermo": {k: v[-1].item() for k, v in thermo.items() if len(v)},
            "lammps_version": self.messages.version,
            "performance_katom_step_per_s": self.messages.katom_step_per_s,
            "warnings": [*self._version_warnings(), *self.messages.warnings],
            "error": self.messages.error,
        }
        self.out("results", orm.Dict(results))

    def _version_warnings(self) -> list[str]:
        links = self.node.base.links.get_incoming().all()
        potentials = {
            link.link_label.removeprefix("potentials__"): link.node
            for link in links
            if link.link_label.startswith("potentials__")
        }
        return version_warnings(potentials, "LAMMPS", self.messages.framework_version)

    def _verdict(
        self,
        first_step: int | None,
        completed: bool,
        finite: bool,
        trajectory: MDTrajectoryData | None,
        dump: BinaryDump | None,
        timed_out: bool,
    ) -> ExitCode | None:
        codes = self.exit_codes
        message: Messages = self.messages
        step = "none" if trajectory is None else int(trajectory.steps[-1])
        if message.kind == "unknown_style":
            return codes.ERROR_UNKNOWN_STYLE.format(reason=message.error)
        if message.kind == "model":
            return codes.ERROR_POTENTIAL_UNREADABLE.format(reason=message.error)
        if message.kind == "blow_up" or (dump is not None and dump.lost_atoms):
            return codes.ERROR_BLOW_UP.format(step=step, reason=message.error or "lost atoms")
        if not finite:
            return codes.ERROR_NOT_FINITE.format(step=step)
        if message.error is not None:
            return codes.ERROR_PARSER_DETECTED_LAMMPS_RUN_ERROR.format(error=message.error)
        if first_step is None and timed_out:
            return codes.ERROR_OUT_OF_WALLTIME_BEFORE_PRODUCTION
        if not completed and timed_out:
            return codes.ERROR_OUT_OF_WALLTIME.format(step=step)
        if dump is not None and dump.truncated:
            return codes.ERROR_DUMP_TRUNCATED.format(
                n_frames=0 if trajectory is None else trajectory.n_frames
            )
        if not completed:
            return codes.ERROR_INTERRUPTED.format(step=step)
        if trajectory is None:
            return codes.ERROR_NO_FRAMES.format(
                reason="the run is shorter than trajectory_stride, or the dump is empty"
            )
        return None


def _check_types(dump: BinaryDump, frame: int, symbols: list[str]) -> None:
    elements = type_elements(symbols)
    types = dump.rows(frame)[:, dump.columns.index("type")].astype(int)
    found = [elements[t - 1] if 0 < t <= len(elements) else "?" for t in types]
    if found != symbols:
        index = next(i for i, (a, b) in enumerate(zip(found, symbols, strict=True)) if a != b)
        raise DumpError(
            f"atom {index + 1} of the run is {found[index]}, of the structure {symbols[index]}; "
            "give the structure that the restart was made with"
        )
