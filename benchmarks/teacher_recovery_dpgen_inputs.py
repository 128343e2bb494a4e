"""What DP-GEN starts from in ``teacher_recovery_dpgen.py``: the teacher's frames and its files."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from aiida_mliptransport.backends.deepmd_input import DeepmdTrainParameters, training_input
from aiida_mliptransport.calculations import runners
from aiida_mliptransport.calculations.ase_parameters import MDParameters
from aiida_mliptransport.calculations.threads import THREAD_VARIABLES
from aiida_mliptransport.science.frames import System

#: As many as the campaign runs side by side.
JOBS_AT_A_TIME = 2
LABEL_SCRIPT = Path(__file__).with_name("teacher_recovery_dpgen_label.py")
#: Files below the folder of a run.
CALCULATOR, STARTS, FIRST_FRAMES = "calculator.json", "start_*.vasp", "initial"


@dataclass(frozen=True)
class Settings:
    """What the campaign says, in the layout of its protocol.

    Attributes
    ----------
    calculator
        The teacher, as the package's own labelling jobs take it.
    first, runs
        Parameters of the first MD, and runs at each temperature.
    explore, replicas
        Parameters of the exploration, and runs at each temperature.
    train, final
        Training of an iteration and of the last committee.
    """

    calculator: dict[str, Any]
    temperatures_K: list[float]
    first: dict[str, Any]
    runs: int
    explore: dict[str, Any]
    replicas: int
    train: DeepmdTrainParameters
    final: DeepmdTrainParameters
    members: int
    labels_per_iteration: int
    max_iterations: int
    share_accurate: float
    trust_eV_A: tuple[float, float]

    @property
    def type_map(self) -> list[str]:
        found: list[str] = self.calculator["type_map"]
        return found


def teacher_job(
    folder: Path,
    calculator: Mapping[str, Any],
    task: str,
    system: System,
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Run a job of the package's runner for ASE, and return the arrays of the frames it ended.

    Parameters
    ----------
    task
        ``md`` from the only frame of ``system``, or ``label`` for all of its frames.

    Returns
    -------
    dict
        ``energies``, ``forces`` and so on, and ``rows``: the numbers of these frames.
    """
    folder.mkdir(parents=True)
    for name in ("numbers", "positions", "cells", "pbc"):
        np.save(folder / f"system_000_{name}.npy", getattr(system, name))
    job = {
        "task": task,
        "calculator": calculator,
        "stress": True,
        "parameters": dict(parameters or {}),
        "systems": [{"charge": system.charge, "multiplicity": system.multiplicity}],
    }
    (folder / "job.json").write_text(json.dumps(job))
    runner = Path(runners.__file__).with_name("ase_runner.py")
    with (folder / "progress.log").open("w") as log:
        status = subprocess.run(
            [sys.executable, str(runner)], cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
        ).returncode  # fmt: skip
    if status:
        raise SystemExit(f"the teacher's job in {folder} failed; see progress.log there")
    found = {path.stem[8:]: np.load(path) for path in folder.glob("out_000_*.npy")}
    rows = np.flatnonzero(found.pop("state"))
    return {"rows": rows, **{name: values[rows] for name, values in found.items()}}


def first_run(
    folder: Path, settings: Settings, start: Atoms, temperature: float, seed: int
) -> System:
    """Run the teacher's MD from displaced ions, and return the labelled frames that are kept.

    Ions at random places heat a run; one that gets too hot for the runner stops there, and there
    may be no frame to keep.
    """
    parameters = dict(settings.first)
    amplitude, discard = (parameters.pop(k) for k in ("initial_displacement_A", "discard_steps"))
    shifts = np.random.default_rng(seed).normal(scale=amplitude, size=(len(start), 3))
    displaced = System(
        numbers=start.numbers,
        positions=(start.positions + shifts - shifts.mean(axis=0))[None],
        cells=start.cell.array[None],
        pbc=start.pbc,
    )
    md = MDParameters(**parameters, temperature_K=temperature, seed=seed)
    found = teacher_job(folder, settings.calculator, "md", displaced, md.model_dump())
    frames = System(
        numbers=start.numbers,
        cells=np.repeat(displaced.cells, len(found["rows"]), axis=0),
        pbc=start.pbc,
        **{name: found[name] for name in ("positions", "energies", "forces", "stresses")},
    )
    return frames.take(np.flatnonzero(found["rows"] * md.trajectory_stride >= discard))


def exploration_job(settings: Settings) -> dict[str, Any]:
    """Return an entry of ``model_devi_jobs``."""
    md = settings.explore
    return {
        "sys_idx": [0],
        "temps": settings.temperatures_K,
        "ensemble": md["ensemble"],
        "nsteps": md["equilibration_steps"] + md["steps"],
        "trj_freq": md["trajectory_stride"],
        "taut": 1e-3 * md["thermostat_damping_fs"],
    }


def run_parameters(
    work: Path,
    settings: Settings,
    training: DeepmdTrainParameters,
    data: list[str],
    jobs: list[dict[str, Any]],
    train_after: bool,
) -> dict[str, Any]:
    """Return ``param.json``.

    Parameters
    ----------
    data
        Folders below ``work`` with the first training data.
    jobs
        Explorations so far and the next one.
    train_after
        Whether a committee is trained on the labels of the last exploration.
    """
    content = training_input(training, settings.type_map, [], 1, has_stress=True)
    # DP-GEN looks for the name that DeePMD-kit gives by itself. It draws the seeds.
    del content["training"]["save_ckpt"]
    batch = training.training.batch_size
    return {
        "type_map": settings.type_map,
        "mass_map": [float(atomic_masses[atomic_numbers[s]]) for s in settings.type_map],
        "init_data_prefix": str(work),
        "init_data_sys": data,
        "init_batch_size": [batch] * len(data),
        "sys_configs_prefix": str(work),
        "sys_configs": [[STARTS]],
        "sys_batch_size": [batch],
        "numb_models": settings.members,
        "train_backend": training.backend,
        "default_training_param": content,
        "dp_compress": training.compress,
        "model_devi_dt": 1e-3 * settings.explore["timestep_fs"],
        # Steps of the equilibration give no candidates, as in the campaign.
        "model_devi_skip": settings.explore["equilibration_steps"],
        "model_devi_f_trust_lo": settings.trust_eV_A[0],
        "model_devi_f_trust_hi": settings.trust_eV_A[1],
        "model_devi_jobs": jobs,
        "fp_style": "custom",
        "fp_task_max": settings.labels_per_iteration,
        # After fewer labels DP-GEN takes the committee before once more.
        "fp_task_min": 0 if train_after else settings.labels_per_iteration + 1,
        "fp_params": {
            "input_fn": "POSCAR",
            "input_fmt": "vasp/poscar",
            "output_fn": "label/system_000",
            "output_fmt": "deepmd/npy",
        },
    }


def machine(work: Path, settings: Settings) -> dict[str, Any]:
    """Return ``machine.json``: shell jobs here, each stage in as many groups as run at a time."""
    programs = Path(sys.executable).parent
    label = [sys.executable, str(LABEL_SCRIPT), str(work / CALCULATOR), "POSCAR", "label"]
    stages = {
        "train": (str(programs / "dp"), settings.members),
        "model_devi": (str(programs / "lmp"), settings.replicas * len(settings.temperatures_K)),
        "fp": (shlex.join(label), settings.labels_per_iteration),
    }
    here = {"batch_type": "Shell", "context_type": "LazyLocalContext", "local_root": "./"}
    content: dict[str, Any] = {"api_version": "1.0", "deepmd_version": "3"}
    for stage, (command, tasks) in stages.items():
        resources = {
            "number_node": 1,
            "cpu_per_node": 1,
            "gpu_per_node": 0,
            "queue_name": "",
            "group_size": ceil(tasks / JOBS_AT_A_TIME),
            "envs": dict.fromkeys(THREAD_VARIABLES, 1),
        }
        content[stage] = {"command": command, "machine": here, "resources": resources}
    return content
