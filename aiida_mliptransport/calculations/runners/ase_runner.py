"""Label frames, run MD, relax a structure or find a path by ASE; needs no AiiDA there.

Reads ``job.json`` and ``system_###_*.npy`` from the working directory. Results are arrays on disk
that grow row by row, so that a job that is killed keeps what it computed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from ase import Atoms, units
from calculators import (
    CalculatorError,
    CalculatorUnavailableError,
    describe,
    engine_version,
    evaluate,
    failure_kind,
    make_calculator,
)

JOB_FILE = "job.json"
ENGINE_FILE = "engine.json"
RESULTS_FILE = "results.json"
FAILURES_FILE = "failures.jsonl"

#: An MD run this much hotter than asked for has exploded.
EXPLOSION_FACTOR = 10.0
EXPLOSION_FLOOR_K = 10_000.0


class Rows:
    """Arrays of one system on disk, one row a frame; ``state`` is 1 where the row is complete."""

    def __init__(self, prefix, count, **shapes):
        self._arrays = {
            name: np.lib.format.open_memmap(
                f"{prefix}_{name}.npy", mode="w+", dtype=np.float64, shape=(count, *shape)
            )
            for name, shape in shapes.items()
        }
        self._state = np.lib.format.open_memmap(
            f"{prefix}_state.npy", mode="w+", dtype=np.int8, shape=(count,)
        )

    def write(self, row, **values):
        """Write one row and mark it complete after its values are on disk."""
        for name, value in values.items():
            if value is not None:
                self._arrays[name][row] = value
                self._arrays[name].flush()
        self._state[row] = 1
        self._state.flush()


class Failures:
    """Lines of ``failures.jsonl``: where, class of failure and message."""

    def __init__(self):
        self.count = 0
        Path(FAILURES_FILE).write_text("")

    def add(self, error, **where):
        record = {**where, "class": failure_kind(error), "message": str(error) or repr(error)}
        self.count += 1
        with open(FAILURES_FILE, "a") as handle:
            handle.write(json.dumps(record) + "\n")
        print("failed:", json.dumps(record), flush=True)


class ExplodedError(RuntimeError):
    """The temperature of an MD run left every reasonable range."""


def load_system(number, info):
    """Return (atoms of the first frame, positions (n, N, 3), cells (n, 3, 3)) of one system."""
    prefix = f"system_{number:03d}"
    read = {n: np.load(f"{prefix}_{n}.npy") for n in ("numbers", "positions", "cells", "pbc")}
    atoms = Atoms(
        numbers=read["numbers"],
        positions=read["positions"][0],
        cell=read["cells"][0],
        pbc=read["pbc"],
    )
    atoms.info.update(info)
    return atoms, read["positions"], read["cells"]


def calculator_for(job, atoms):
    return make_calculator(job["calculator"], atoms.info["charge"], atoms.info["multiplicity"])


def label_shapes(job, atoms):
    shapes = {"energies": (), "forces": (len(atoms), 3)}
    if job["stress"] and atoms.pbc.all():
        shapes["stresses"] = (3, 3)
    return shapes


def label(job, failures):
    """Label every frame from scratch, so that a label does not depend on the batch it was in."""
    done = 0
    for number, info in enumerate(job["systems"]):
        atoms, positions, cells = load_system(number, info)
        rows = Rows(f"out_{number:03d}", len(positions), **label_shapes(job, atoms))
        for frame in range(len(positions)):
            start = time.perf_counter()
            image = atoms.copy()
            image.positions[:] = positions[frame]
            image.cell[:] = cells[frame]
            try:
                image.calc = calculator_for(job, atoms)
                energy, forces, stress = evaluate(image, job["stress"])
            except CalculatorError:
                raise
            except Exception as error:  # noqa: BLE001 - one bad frame must not lose the others
                failures.add(error, system=number, frame=frame)
                continue
            rows.write(frame, energies=energy, forces=forces, stresses=stress)
            done += 1
            print(
                f"frame {frame + 1}/{len(positions)} of system {number}: {energy:.6f} eV, "
                f"{time.perf_counter() - start:.2f} s",
                flush=True,
            )
    return {"completed": True, "n_labelled": done}


def draw_velocities(atoms, temperature, rng):
    """Set Maxwell–Boltzmann velocities of zero total momentum and exactly this temperature."""
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * temperature)
    momenta -= masses * momenta.sum(axis=0) / masses.sum()
    kinetic = 0.5 * (momenta**2 / masses).sum()
    target = 0.5 * (3 * len(atoms) - 3) * units.kB * temperature
    atoms.set_momenta(momenta * np.sqrt(target / kinetic))


def temperature_of(atoms):
    """Return the temperature in K; the centre of mass is at rest and has no share in it."""
    return 2.0 * atoms.get_kinetic_energy() / ((3 * len(atoms) - 3) * units.kB)


def make_dynamics(atoms, parameters, rng):
    """Return the integrator; the stochastic ones draw from ``rng``."""
    from ase.md.bussi import Bussi
    from ase.md.langevin import Langevin
    from ase.md.verlet import VelocityVerlet

    timestep = parameters["timestep_fs"] * units.fs
    damping = parameters["thermostat_damping_fs"] * units.fs
    temperature = parameters["temperature_K"]
    if parameters["ensemble"] == "nve":
        return VelocityVerlet(atoms, timestep)
    if parameters["thermostat"] == "langevin":
        return Langevin(
            atoms,
            timestep,
            temperature_K=temperature,
            friction=1.0 / damping,
            fixcm=False,
            rng=rng,
        )
    return Bussi(atoms, timestep, temperature_K=temperature, taut=damping, rng=rng)


def md(job, failures):
    """Run MD; every ``trajectory_stride``-th step is a labelled frame."""
    from ase.constraints import FixCom

    parameters = job["parameters"]
    atoms, _, _ = load_system(0, job["systems"][0])
    rng = np.random.default_rng(parameters["seed"])
    atoms.calc = calculator_for(job, atoms)
    draw_velocities(atoms, parameters["temperature_K"], rng)
    atoms.set_constraint(FixCom())
    dynamics = make_dynamics(atoms, parameters, rng)
    recorder = Recorder(job, atoms)
    start = time.perf_counter()
    step, stopped = -parameters["equilibration_steps"], None
    try:
        recorder.record(step)
        while step < parameters["steps"]:
            dynamics.run(1)
            step += 1
            check_explosion(atoms, parameters)
            recorder.record(step)
    except CalculatorError:
        raise
    except Exception as error:  # noqa: BLE001 - frames before the failure are good labels
        failures.add(error, system=0, frame=recorder.row(step), step=step)
        stopped = f"step {step}: {error}"
    taken = step + parameters["equilibration_steps"]
    return {
        "completed": stopped is None,
        "stopped": stopped,
        "last_step": step,
        "n_frames": recorder.n_frames,
        "seconds_per_step": (time.perf_counter() - start) / max(1, taken),
    }


def check_explosion(atoms, parameters):
    limit = max(EXPLOSION_FACTOR * parameters["temperature_K"], EXPLOSION_FLOOR_K)
    temperature = temperature_of(atoms)
    if not temperature < limit:
        raise ExplodedError(f"temperature is {temperature:.0f} K, above {limit:.0f} K: exploded")


class Recorder:
    """Writes frames, thermodynamic output and species displacements of an MD run."""

    def __init__(self, job, atoms):
        self.atoms, self.parameters, self.stress = atoms, job["parameters"], job["stress"]
        self.n_frames = 0
        parameters = self.parameters
        steps, count = parameters["steps"], len(atoms)
        self.frames = Rows(
            "out_000",
            steps // parameters["trajectory_stride"] + 1,
            positions=(count, 3),
            velocities=(count, 3),
            **label_shapes(job, atoms),
        )
        # step, potential and kinetic energy (eV), temperature (K), pressure (bar)
        self.thermo = Rows("thermo", steps // parameters["thermo_stride"] + 1, values=(5,))
        self.species = None
        if parameters["species_stride"]:
            self.groups = [atoms.numbers == number for number in np.unique(atoms.numbers)]
            self.species = Rows(
                "species",
                steps // parameters["species_stride"] + 1,
                centres=(len(self.groups), 3),
                velocities=(len(self.groups), 3),
            )

    def row(self, step):
        """Return the row of the frame at ``step``, None if none is due there."""
        stride = self.parameters["trajectory_stride"]
        return step // stride if step >= 0 and step % stride == 0 else None

    def record(self, step):
        """Write what is due at ``step``; nothing during the equilibration."""
        if step < 0:
            return
        atoms = self.atoms
        # Positions are never wrapped here: the integrator moves atoms out of the cell.
        velocities = atoms.get_velocities() * 1000.0 * units.fs
        row = self.row(step)
        if row is not None:
            energy, forces, stress = evaluate(atoms, self.stress)
            self.frames.write(
                row,
                positions=atoms.positions,
                velocities=velocities,
                energies=energy,
                forces=forces,
                stresses=stress,
            )
            self.n_frames += 1
            print(f"step {step}: {energy:.6f} eV, {temperature_of(atoms):.0f} K", flush=True)
        if step % self.parameters["thermo_stride"] == 0:
            energy, _, stress = evaluate(atoms, self.stress)
            kinetic = atoms.get_kinetic_energy()
            pressure = 0.0
            if stress is not None:
                virial = -np.trace(stress) / 3.0
                pressure = (virial + 2.0 * kinetic / (3.0 * atoms.get_volume())) / (
                    1e5 * units.Pascal
                )
            values = (step, energy, kinetic, temperature_of(atoms), pressure)
            self.thermo.write(step // self.parameters["thermo_stride"], values=values)
        if self.species and step % self.parameters["species_stride"] == 0:
            masses = atoms.get_masses()
            self.species.write(
                step // self.parameters["species_stride"],
                centres=self._means(atoms.positions, masses),
                velocities=self._means(velocities, masses),
            )

    def _means(self, values, masses):
        return [np.average(values[group], axis=0, weights=masses[group]) for group in self.groups]


def relax(job, failures):
    """Relax positions, and the cell where asked; every step is a labelled frame."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    parameters = job["parameters"]
    atoms, _, _ = load_system(0, job["systems"][0])
    atoms.calc = calculator_for(job, atoms)
    target = FrechetCellFilter(atoms) if parameters["cell"] else atoms
    optimizer = BFGS(target, logfile=None)
    rows = Rows(
        "out_000",
        parameters["steps"] + 1,
        positions=(len(atoms), 3),
        cells=(3, 3),
        **label_shapes(job, atoms),
    )
    counter = {"row": 0}

    def record():
        energy, forces, stress = evaluate(atoms, job["stress"])
        rows.write(
            counter["row"],
            positions=atoms.positions,
            cells=atoms.cell.array,
            energies=energy,
            forces=forces,
            stresses=stress,
        )
        print(f"step {counter['row']}: {energy:.6f} eV", flush=True)
        counter["row"] += 1

    optimizer.attach(record, interval=1)
    converged, stopped = False, None
    try:
        converged = bool(
            optimizer.run(fmax=parameters["force_tolerance_eV_A"], steps=parameters["steps"])
        )
    except CalculatorError:
        raise
    except Exception as error:  # noqa: BLE001 - the path before the failure holds good labels
        failures.add(error, system=0, frame=counter["row"])
        stopped = f"step {counter['row']}: {error}"
    return {
        "completed": converged,
        "stopped": stopped,
        "n_frames": counter["row"],
    }


def neb(job, failures):
    """Find the minimum-energy path between two structures, or from a given path."""
    from band import BandError, find_path

    atoms, positions, _ = load_system(0, job["systems"][0])
    try:
        return find_path(atoms, positions, calculator_for(job, atoms), job["parameters"])
    except CalculatorError:
        raise
    except BandError as error:
        return {"completed": False, "kind": error.kind, "stopped": str(error)}
    except Exception as error:  # noqa: BLE001 - the band before the failure is kept
        failures.add(error, system=0, frame=None)
        return {"completed": False, "kind": failure_kind(error), "stopped": str(error)}


TASKS = {"label": label, "md": md, "relax": relax, "neb": neb}


def main():
    """Run the task of ``job.json``; return the exit status of the program."""
    job = json.loads(Path(JOB_FILE).read_text())
    failures = Failures()
    start = time.perf_counter()
    try:
        engine = {
            "level_of_theory": describe(job["calculator"]),
            "engine_version": engine_version(job["calculator"]),
        }
        Path(ENGINE_FILE).write_text(json.dumps(engine, sort_keys=True))
        results = TASKS[job["task"]](job, failures)
    except CalculatorError as error:
        unavailable = isinstance(error, CalculatorUnavailableError)
        results = {"completed": False, "error": str(error), "unavailable": unavailable}
    results["seconds"] = time.perf_counter() - start
    Path(RESULTS_FILE).write_text(json.dumps(results, sort_keys=True))
    return 1 if "error" in results else 0


if __name__ == "__main__":
    sys.exit(main())
