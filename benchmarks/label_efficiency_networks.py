"""Committees of Deep Potentials for ``label_efficiency.py``: train, and evaluate all frames."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from label_efficiency_pools import RecordedPool
from numpy.typing import NDArray

from aiida_mliptransport.backends.deepmd_input import (
    CHECKPOINT_FOLDER,
    DeepmdTrainParameters,
    commands,
    training_input,
)
from aiida_mliptransport.science.formats import write_deepmd
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.protocols import load_protocol

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """What a committee says of the frames of a recorded pool; NaN for those without a use.

    Attributes
    ----------
    forces
        ``(M, n, N, 3)`` in eV/Å.
    descriptors
        Of the first member: mean over the atoms of each species, ``(n, S·D)``.
    """

    forces: FloatArray
    descriptors: FloatArray


def parameters(pool: RecordedPool, steps: int) -> DeepmdTrainParameters:
    """Return the networks and the training of the protocol ``fast``, with so many steps."""
    content = load_protocol("train", "fast")["parameters"]
    content["compress"] = False
    content["model"]["descriptor"]["rcut"] = pool.cutoff_A
    # No virial: the recorded frames of one pool have none.
    content["loss"].update(start_pref_v=0.0, limit_pref_v=0.0)
    content["training"].update(numb_steps=steps, disp_freq=100, save_freq=steps)
    content["learning_rate"]["decay_steps"] = max(1, steps // 40)
    return DeepmdTrainParameters.model_validate(content)


class Committees:
    """Trains committees in processes that are forked from one that has imported DeePMD-kit."""

    def __init__(self, pool: RecordedPool, steps: int, members: int, jobs: int) -> None:
        self._pool, self._members, self._parameters = pool, members, parameters(pool, steps)
        # More threads make small models slower. Set before the server of forks starts.
        for kind in ("OMP_NUM_THREADS", "DP_INTRA_OP_PARALLELISM_THREADS",
                     "DP_INTER_OP_PARALLELISM_THREADS"):  # fmt: skip
            os.environ.setdefault(kind, "1")
        context = multiprocessing.get_context("forkserver")
        # Importing DeePMD-kit takes longer than a short training.
        context.set_forkserver_preload(["deepmd.tf.entrypoints.main", "deepmd.infer"])
        # A TensorFlow graph cannot be emptied: each training has a process of its own.
        self._executor = ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1)

    def train(self, frames: NDArray[np.int64], seed: int, folder: Path) -> Predictions:
        """Train on frames of the pool and evaluate all of its frames.

        Members differ in their seed: ``seed``, ``seed`` + 1, … The folder is removed at the end.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        system = self._pool.system
        write_deepmd(folder / "train", Frames((system.take(frames),)), self._pool.type_map)
        used = self._pool.used(frames)
        np.savez(
            folder / "frames.npz",
            numbers=system.numbers,
            positions=system.positions[used],
            cells=system.cells[used],
        )
        content = [
            training_input(
                self._parameters,
                self._pool.type_map,
                ["../train/system_000"],
                seed + member,
                has_stress=False,
            )
            for member in range(self._members)
        ]
        steps = commands(self._parameters, restart=False, parent=None)
        running = []
        for member, text in enumerate(content):
            run = folder / f"member_{member}"
            (run / CHECKPOINT_FOLDER).mkdir(parents=True)
            (run / "input.json").write_text(json.dumps(text))
            running.append(
                self._executor.submit(_member, run, steps, self._pool.type_map, member == 0)
            )
        for job in running:
            job.result()
        forces = np.full((self._members, *system.positions.shape), np.nan)
        for member in range(self._members):
            with np.load(folder / f"member_{member}" / "predictions.npz") as found:
                forces[member, used] = found["forces"]
                if member == 0:
                    described = found["descriptors"]
        descriptors = np.full((system.n_frames, described.shape[1]), np.nan)
        descriptors[used] = described
        shutil.rmtree(folder)
        return Predictions(forces, descriptors)


def _member(
    folder: Path, steps: list[tuple[str, list[str]]], type_map: list[str], describe: bool
) -> None:
    """Run the ``steps`` of ``dp`` in ``folder``, and write what the model predicts."""
    os.chdir(folder)
    # What DeePMD-kit says goes to files: twelve lines a training would bury the tables.
    log = os.open("log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from deepmd.tf.entrypoints.main import main

    for _, arguments in steps:
        main(arguments)
    _predict(type_map, describe)


def _predict(type_map: list[str], describe: bool) -> None:
    from ase.data import chemical_symbols
    from deepmd.infer import DeepPot

    with np.load("../frames.npz") as stored:
        numbers, positions, cells = stored["numbers"], stored["positions"], stored["cells"]
    types = np.array([type_map.index(chemical_symbols[number]) for number in numbers])
    model = DeepPot("model.pb")
    forces, descriptors = [], []
    for start in range(0, len(positions), 100):
        part = slice(start, start + 100)
        n = len(positions[part])
        arguments = positions[part].reshape(n, -1), cells[part].reshape(n, 9), types
        forces.append(np.asarray(model.eval(*arguments)[1]).reshape(n, -1, 3))
        if describe:
            by_atom = np.asarray(model.eval_descriptor(*arguments)).reshape(n, len(types), -1)
            descriptors.append(
                np.concatenate(
                    [by_atom[:, types == kind].mean(axis=1) for kind in np.unique(types)], axis=1
                )
            )
    arrays = {"forces": np.concatenate(forces)}
    if describe:
        arrays["descriptors"] = np.concatenate(descriptors)
    np.savez("predictions.npz", **arrays)
