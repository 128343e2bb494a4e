"""Read what the ASE runner left: labelled frames, trajectory, failures, also of a killed job."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser
from ase.data import chemical_symbols

from ..calculations.ase import (
    ENGINE_FILE,
    FAILURES_FILE,
    LOG_FILE,
    RESULTS_FILE,
    AseLabelCalculation,
    AseMDCalculation,
    AseRelaxCalculation,
    charge_of,
    frames_of,
)
from ..calculations.ase_parameters import MDParameters
from ..calculations.walltime import WALLTIME_FILE
from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..data.trajectory import MDTrajectoryData
from ..science.frames import Frames, System
from .disk import disk_full_is_declared
from .text import read_text

#: Labels and the names of their arrays.
LABELS = ("energies", "forces", "stresses")

#: What MD writes at strides of its own, and the names of the arrays.
SERIES = {"thermo": ("state", "values"), "species": ("state", "centres", "velocities")}


class AseParser(Parser):
    """Parser of the jobs that label, run MD or relax."""

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read all complete rows, then say how the job ended."""
        self._folder = Path(kwargs["retrieved_temporary_folder"])
        engine = self._json(ENGINE_FILE, "level_of_theory", "engine_version")
        results = self._json(RESULTS_FILE, "completed")
        if results is not None and "error" in results:
            if results["unavailable"]:
                return self.exit_codes.ERROR_CALCULATOR_UNAVAILABLE.format(reason=results["error"])
            return self.exit_codes.ERROR_INVALID_CALCULATOR.format(reason=results["error"])
        self._walltime = WALLTIME_FILE in self.retrieved.base.repository.list_object_names()
        if engine is None:
            return self._ended_early(0)
        self._engine = engine
        self._broken = ""
        self._records = self._failure_records()
        count = self._parse_task(results or {})
        if results is None:
            return self._ended_early(count)
        return self._status(results, count)

    def _parse_task(self, results: dict[str, Any]) -> int:
        """Put out what there is; return the number of frames."""
        task = self.node.process_class
        if issubclass(task, AseLabelCalculation):
            return self._parse_label()
        if issubclass(task, AseMDCalculation):
            return self._parse_md(results)
        return self._parse_relax(results)

    def _status(self, results: dict[str, Any], count: int) -> ExitCode | None:
        task = self.node.process_class
        if self._broken:
            return self.exit_codes.ERROR_INTERRUPTED.format(
                n_frames=count, reason=f"{self._broken} is missing or cannot be read"
            )
        if count == 0:
            reason = self._records[0]["message"] if self._records else self._log_end()
            return self.exit_codes.ERROR_NO_FRAMES.format(reason=reason)
        if not results["completed"] and issubclass(task, AseMDCalculation):
            return self.exit_codes.ERROR_MD_STOPPED.format(reason=results["stopped"])
        if not results["completed"] and issubclass(task, AseRelaxCalculation):
            return self.exit_codes.ERROR_NOT_RELAXED.format(
                reason=results["stopped"] or f"{count - 1} steps were not enough"
            )
        return None

    def _ended_early(self, count: int) -> ExitCode:
        if self._walltime:
            return self.exit_codes.ERROR_OUT_OF_WALLTIME.format(n_frames=count)
        if count == 0:
            return self.exit_codes.ERROR_RUNNER_FAILED.format(reason=self._log_end())
        return self.exit_codes.ERROR_INTERRUPTED.format(n_frames=count, reason=self._log_end())

    def _parse_label(self) -> int:
        """Put out labelled frames; what has no label is in the failures."""
        given = self.node.inputs.frames.frames.without_labels()
        known = {(r.get("system"), r["frame"]): r for r in self._records}
        parts, failures, index = [], [], 0
        for number, system in enumerate(given.systems):
            rows = self._rows(f"out_{number:03d}")
            good = _complete_rows(rows, system.n_frames)
            if good.any():
                chosen = np.flatnonzero(good)
                part = system.take(chosen)
                parts.append(_labelled(part, rows, chosen))
            identities = system.identities()
            for frame in np.flatnonzero(~good):
                record = known.get((number, int(frame)), self._lost())
                failures.append(failure(index + int(frame), identities[frame], record))
            index += system.n_frames
        self._put_frames(Frames.join(parts), failures)
        return sum(part.n_frames for part in parts)

    def _parse_md(self, results: dict[str, Any]) -> int:
        """Put out labelled frames, the trajectory and a summary."""
        rows = self._rows("out_000")
        parameters = MDParameters.model_validate(self.node.inputs.parameters.get_dict())
        start = frames_of(self.node.inputs.structure, charge_of(self.node.inputs)).systems[0]
        good = _complete_rows(rows, parameters.steps // parameters.trajectory_stride + 1)
        chosen = np.flatnonzero(good)
        steps = chosen * parameters.trajectory_stride
        failures = [failure(r["frame"], None, r) for r in self._records]
        if not len(chosen):
            self._put_frames(Frames(()), failures)
            return 0
        system = System(
            numbers=start.numbers,
            positions=rows["positions"][chosen],
            cells=np.repeat(start.cells, len(chosen), axis=0),
            pbc=start.pbc,
            charge=start.charge,
            multiplicity=start.multiplicity,
            origins=np.array(start.identities() * len(chosen)),
            steps=steps,
        )
        self._put_frames(Frames((_labelled(system, rows, chosen),)), failures)
        # Without them there are labels, but no trajectory.
        self._broken = self._broken_series(parameters)
        if self._broken:
            return len(chosen)
        completed = bool(results.get("completed", False))
        thermo = self._thermo()
        self.out(
            "trajectory",
            MDTrajectoryData(
                numbers=system.numbers,
                pbc=system.pbc,
                steps=steps,
                times_ps=steps * parameters.timestep_fs * 1e-3,
                positions=system.positions,
                cells=system.cells,
                thermo=thermo,
                species=self._species(parameters, system),
                velocities=rows["velocities"][chosen] if parameters.store_velocities else None,
                forces=rows["forces"][chosen] if parameters.store_forces else None,
                info={
                    "ensemble": parameters.ensemble,
                    "temperature_K": parameters.temperature_K,
                    "timestep_fs": parameters.timestep_fs,
                    "seed": parameters.seed,
                    "completed": completed,
                },
            ),
        )
        summary = {
            "completed": completed,
            "n_frames": len(chosen),
            "last_step": int(results.get("last_step", steps[-1])),
            "engine_version": self._engine["engine_version"],
            "mean_temperature_K": float(np.mean(thermo["temperature_K"])),
        }
        for key in ("stopped", "seconds_per_step"):
            if results.get(key) is not None:
                summary[key] = results[key]
        self.out("results", orm.Dict(summary))
        return len(chosen)

    def _broken_series(self, parameters: MDParameters) -> str:
        """Return the first of the series that were asked for and are not there, else nothing."""
        asked = ["thermo"] if parameters.species_stride is None else list(SERIES)
        for name in asked:
            if not set(SERIES[name]) <= set(self._rows(name)):
                return name
        return ""

    def _thermo(self) -> dict[str, np.ndarray]:
        rows = self._rows("thermo")
        values = rows["values"][rows["state"] == 1]
        names = ("potential_energy_eV", "kinetic_energy_eV", "temperature_K", "pressure_bar")
        columns = {name: values[:, i] for i, name in enumerate(names, start=1)}
        return {"step": values[:, 0].astype(int), **columns}

    def _species(self, parameters: MDParameters, system: System) -> dict[str, Any] | None:
        if parameters.species_stride is None:
            return None
        rows = self._rows("species")
        chosen = np.flatnonzero(rows["state"] == 1)
        steps = chosen * parameters.species_stride
        centres = rows["centres"][chosen]
        return {
            "steps": steps,
            "times_ps": steps * parameters.timestep_fs * 1e-3,
            "displacements": centres - centres[0],
            "velocities": rows["velocities"][chosen],
            "names": [chemical_symbols[number] for number in np.unique(system.numbers)],
            "reference": centres[0],
        }

    def _parse_relax(self, results: dict[str, Any]) -> int:
        """Put out the path as labelled frames, and its end as a structure."""
        rows = self._rows("out_000")
        structure = self.node.inputs.structure
        start = frames_of(structure, charge_of(self.node.inputs)).systems[0]
        chosen = np.flatnonzero(_complete_rows(rows, len(rows.get("state", ()))))
        failures = [failure(r["frame"], None, r) for r in self._records]
        if not len(chosen):
            self._put_frames(Frames(()), failures)
            return 0
        system = System(
            numbers=start.numbers,
            positions=rows["positions"][chosen],
            cells=rows["cells"][chosen],
            pbc=start.pbc,
            charge=start.charge,
            multiplicity=start.multiplicity,
            origins=np.array(start.identities() * len(chosen)),
            steps=chosen,
        )
        system = _labelled(system, rows, chosen)
        self._put_frames(Frames((system,)), failures)
        relaxed = structure.clone()
        relaxed.reset_cell(system.cells[-1].tolist())
        relaxed.reset_sites_positions(system.positions[-1].tolist())
        self.out("structure", relaxed)
        assert system.energies is not None
        assert system.forces is not None
        summary = {
            "completed": bool(results.get("completed", False)),
            "n_steps": len(chosen) - 1,
            "energy_eV": float(system.energies[-1]),
            "max_force_eV_A": float(np.linalg.norm(system.forces[-1], axis=1).max()),
            "engine_version": self._engine["engine_version"],
        }
        self.out("results", orm.Dict(summary))
        return len(chosen)

    def _put_frames(self, frames: Frames, failures: list[dict[str, Any]]) -> None:
        self.out("failures", orm.Dict({"failures": failures}))
        if frames.n_frames:
            self.out(
                "frames",
                FrameSetData(
                    frames,
                    level_of_theory=complete_level_of_theory(
                        self._engine["level_of_theory"], frames
                    ),
                    engine_version=self._engine["engine_version"],
                ),
            )

    def _rows(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays of one system by name; empty where the job wrote none."""
        arrays = {}
        for path in sorted(self._folder.glob(f"{prefix}_*.npy")):
            try:
                arrays[path.stem[len(prefix) + 1 :]] = np.load(path, allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                self.logger.warning(f"{path.name} is not readable: {error}")
                return {}
        return arrays

    def _json(self, name: str, *keys: str) -> dict[str, Any] | None:
        """Return a JSON file of the job, None where it is missing, cut off or lacks a key."""
        try:
            content = json.loads(read_text(self.retrieved, name))
        except json.JSONDecodeError:
            return None
        if not isinstance(content, dict) or any(key not in content for key in keys):
            return None
        return content

    def _failure_records(self) -> list[dict[str, Any]]:
        records = []
        for line in read_text(self.retrieved, FAILURES_FILE).splitlines(True):
            # A line without its end was being written when the job was killed.
            if not line.endswith("\n"):
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                record = None
            if isinstance(record, dict) and {"frame", "class", "message"} <= set(record):
                records.append(record)
            else:
                self.logger.warning(f"{FAILURES_FILE} has a line that is no failure: {line[:80]!r}")
        return records

    def _lost(self) -> dict[str, str]:
        if self._walltime:
            return {"class": "walltime", "message": "the job ran out of wall clock time before it"}
        return {"class": "missing_output", "message": "the job ended before it wrote this frame"}

    def _log_end(self) -> str:
        lines = read_text(self.retrieved, LOG_FILE).strip().splitlines()
        return lines[-1] if lines else "it left no output"


def _complete_rows(rows: dict[str, np.ndarray], count: int) -> np.ndarray:
    """Return which rows are complete and finite (count,)."""
    if "state" not in rows or len(rows["state"]) != count:
        return np.zeros(count, dtype=bool)
    good = rows["state"] == 1
    for array in rows.values():
        if len(array) != count:
            return np.zeros(count, dtype=bool)
        good = good & np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    return np.asarray(good)


def _labelled(system: System, rows: dict[str, np.ndarray], chosen: np.ndarray) -> System:
    return replace(system, **{name: rows[name][chosen] for name in LABELS if name in rows})


def failure(index: int | None, identity: str | None, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": index,
        "identity": identity,
        "class": record["class"],
        "message": record["message"],
    }
