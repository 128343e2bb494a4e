"""Parser of ``EvaluateCalculation``: errors against the labels, deviation of the committee."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser
from ase.data import chemical_symbols
from numpy.typing import NDArray

from ..calculations.evaluate import (
    LOG_FILE,
    PREDICTIONS_FILE,
    EvaluateParameters,
    evaluated_frames,
)
from ..calculations.walltime import WALLTIME_FILE
from ..science.frames import Frames
from ..science.selection import (
    ForceErrors,
    SpeciesForceErrors,
    force_deviation,
    force_rmse,
    summarise_deviation,
)
from .disk import disk_full_is_declared
from .framework import version_warnings
from .text import read_text

#: AiiDA's own code for a job that its scheduler ended at the time limit.
SCHEDULER_OUT_OF_WALLTIME = 120

_NOISE = re.compile(r"libcud|implib-gen|^\s*$")

#: Prediction kind to an array per system with the committee as the first axis.
Predictions = dict[str, list[NDArray[np.float64]]]


class EvaluateParser(Parser):
    """Read one evaluation."""

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach predictions, and errors where the frames have labels."""
        path = Path(kwargs["retrieved_temporary_folder"]) / PREDICTIONS_FILE
        names = self.retrieved.base.repository.list_object_names()
        if not path.exists():
            if WALLTIME_FILE in names or self.node.exit_status == SCHEDULER_OUT_OF_WALLTIME:
                return self.exit_codes.ERROR_OUT_OF_WALLTIME
            return self.exit_codes.ERROR_NO_PREDICTIONS.format(reason=self._reason())
        inputs = self.node.inputs
        parameters = EvaluateParameters.model_validate(inputs.parameters.get_dict())
        frames = evaluated_frames(
            {
                name: inputs[name]
                for name in ("frames", "trajectory", "parameters")
                if name in inputs
            }
        )
        members = sorted(inputs.potentials)
        try:
            predictions = read_predictions(path, frames, len(members))
        except PredictionsError as error:
            return self.exit_codes.ERROR_NO_PREDICTIONS.format(reason=str(error))
        keep_forces = parameters.store_forces
        if keep_forces is None:
            keep_forces = "frames" in inputs
        array = prediction_arrays(predictions, keep_forces)
        missing = add_descriptors(array, path)
        self.out("predictions", array)

        for number, name in enumerate(members):
            count = broken_frames(predictions, number)
            if count:
                return self.exit_codes.ERROR_NOT_FINITE.format(
                    name=name, count=count, total=frames.n_frames
                )
        if frames.labelled:
            table = error_table(frames, predictions, members, parameters)
            table["warnings"] = self._version_warnings() + ([missing] if missing else [])
            self.out("errors", orm.Dict(table))
        return None

    def _version_warnings(self) -> list[str]:
        text = read_text(self.retrieved, LOG_FILE)
        found = re.search(r"^framework deepmd-kit v?(\S+)$", text, re.MULTILINE)
        version = found.group(1) if found else ""
        return version_warnings(dict(self.node.inputs.potentials), "the evaluation", version)

    def _reason(self) -> str:
        text = read_text(self.retrieved, LOG_FILE)
        lines = [line for line in text.splitlines() if not _NOISE.search(line)]
        return lines[-1].strip() if lines else f"{LOG_FILE} is empty"


class PredictionsError(ValueError):
    """The predictions are not those of the frames that were to be evaluated."""


def read_predictions(path: Path, frames: Frames, n_members: int) -> Predictions:
    """Read ``predictions.npz``: kind to an array per system, ``(M, n, …)``.

    Raises
    ------
    PredictionsError
        If the file is cut off or no such archive, or an array is missing or has another shape.
    """
    shapes: dict[str, tuple[int, ...]] = {"energies": (), "forces": (3,), "stresses": (3, 3)}
    predictions: Predictions = {kind: [] for kind in shapes}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for number, system in enumerate(frames):
                for kind, shape in shapes.items():
                    array = archive[f"system_{number:03d}_{kind}"]
                    atoms = (system.n_atoms,) if kind == "forces" else ()
                    expected = (n_members, system.n_frames, *atoms, *shape)
                    if array.shape != expected:
                        raise PredictionsError(
                            f"{kind} of system {number} have the shape {array.shape}, expected "
                            f"{expected}"
                        )
                    predictions[kind].append(array)
    except PredictionsError:
        raise
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error, TypeError) as error:
        raise PredictionsError(f"{path.name} is not readable: {error}") from error
    return predictions


def broken_frames(predictions: Predictions, member: int) -> int:
    """Return on how many frames a member's energy or forces are not finite."""
    return sum(
        int(np.count_nonzero(~np.isfinite(energies[member] + forces[member].sum(axis=(1, 2)))))
        for energies, forces in zip(predictions["energies"], predictions["forces"], strict=True)
    )


def prediction_arrays(predictions: Predictions, keep_forces: bool) -> orm.ArrayData:
    """Return the node of what the driving member predicts, and of the committee's deviation."""
    array = orm.ArrayData()
    for number, forces in enumerate(predictions["forces"]):
        prefix = f"system_{number:03d}"
        energies, stresses = predictions["energies"][number], predictions["stresses"][number]
        array.set_array(f"{prefix}_energies", energies[0])
        array.set_array(f"{prefix}_member_energies", energies)
        array.set_array(f"{prefix}_stresses", stresses[0])
        if keep_forces:
            array.set_array(f"{prefix}_forces", forces[0])
        if len(forces) > 1:
            deviation = force_deviation(forces)
            summary = summarise_deviation(deviation)
            array.set_array(f"{prefix}_force_deviation", deviation)
            array.set_array(f"{prefix}_max_force_deviation", summary.max)
            array.set_array(f"{prefix}_mean_force_deviation", summary.mean)
    return array


def add_descriptors(array: orm.ArrayData, path: Path) -> str | None:
    """Add the descriptors of ``predictions.npz``; return why there are none though asked for."""
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            if key.endswith("_descriptors"):
                array.set_array(key, archive[key])
        if "descriptors_missing" not in archive.files:
            return None
        reason = str(archive["descriptors_missing"])
    array.base.attributes.set("descriptors_missing", reason)
    return reason


def error_table(
    frames: Frames, predictions: Predictions, members: list[str], parameters: EvaluateParameters
) -> dict[str, Any]:
    """Return the errors of the driving member, of the mean of all, and of each member."""

    def of(chosen: Any) -> dict[str, Any]:
        return prediction_errors(
            frames,
            {kind: [chosen(array) for array in arrays] for kind, arrays in predictions.items()},
            parameters,
        )

    each = [of(lambda array, m=m: array[m]) for m in range(len(members))]
    table = {
        "n_frames": frames.n_frames,
        "driving_member": members[0],
        "bootstrap": parameters.bootstrap,
        **each[0],
        "committee_mean": of(lambda array: array.mean(axis=0)),
        "members": [{"name": name, **errors} for name, errors in zip(members, each, strict=True)],
        "deviation": deviation_table(predictions) if len(members) > 1 else None,
    }
    return table


def prediction_errors(
    frames: Frames, predictions: Predictions, parameters: EvaluateParameters
) -> dict[str, Any]:
    """Return the errors of one prediction per frame: force, force_by_species, energy, stress."""
    groups = None
    if parameters.bootstrap == "origins" and all(s.origins is not None for s in frames):
        groups = np.concatenate([system.origins for system in frames])
    forces = force_rmse(
        predictions["forces"],
        [system.forces for system in frames],
        [system.numbers for system in frames],
        rng=np.random.default_rng(parameters.seed),
        groups=groups,
        n_bootstrap=parameters.n_bootstrap,
    )
    return {
        "force": _force_entry(forces),
        "force_by_species": {
            chemical_symbols[number]: _force_entry(errors)
            for number, errors in forces.per_species.items()
        },
        "energy": energy_errors(frames, predictions["energies"]),
        "stress": stress_errors(frames, predictions["stresses"]),
    }


def _force_entry(errors: SpeciesForceErrors | ForceErrors) -> dict[str, Any]:
    """Return errors in eV/Å; ``relative`` is the component RMSE over the RMS of the labels."""
    return {
        "rmse_component": errors.rmse,
        "rmse_vector": errors.vector_rmse,
        "mae_component": errors.mae,
        "reference_rms": errors.force_rms,
        # JSON has no infinity: without any reference force there is no relative error.
        "relative": errors.relative_rmse if errors.force_rms > 0 else None,
        "standard_error": errors.rmse_error,
        "n_forces": errors.n_forces,
    }


def energy_errors(frames: Frames, energies: list[NDArray[np.float64]]) -> dict[str, float]:
    """Return errors in eV/atom; the shifted RMSE leaves out the mean error, a matter of bias."""
    error = np.concatenate(
        [
            (ours - system.energies) / system.n_atoms
            for ours, system in zip(energies, frames, strict=True)
        ]
    )
    return {
        "rmse_per_atom_eV": float(np.sqrt(np.mean(error**2))),
        "mae_per_atom_eV": float(np.mean(np.abs(error))),
        "mean_error_per_atom_eV": float(np.mean(error)),
        "rmse_shifted_per_atom_eV": float(np.std(error)),
    }


def stress_errors(frames: Frames, stresses: list[NDArray[np.float64]]) -> dict[str, Any] | None:
    """Return errors per component in eV/Å³ over the frames with stress, None if none has one."""
    pairs = [
        (ours, system.stresses)
        for ours, system in zip(stresses, frames, strict=True)
        if system.stresses is not None and np.isfinite(ours).all()
    ]
    if not pairs:
        return None
    error = np.concatenate([(ours - theirs).ravel() for ours, theirs in pairs])
    reference = np.concatenate([theirs.ravel() for _, theirs in pairs])
    return {
        "rmse_component_eV_A3": float(np.sqrt(np.mean(error**2))),
        "mae_component_eV_A3": float(np.mean(np.abs(error))),
        "reference_rms_eV_A3": float(np.sqrt(np.mean(reference**2))),
        "n_frames": len(error) // 9,
    }


def deviation_table(predictions: Predictions) -> dict[str, float]:
    """Return the distribution over frames of the committee's force deviation, eV/Å."""
    summaries = [summarise_deviation(force_deviation(f)) for f in predictions["forces"]]
    largest = np.concatenate([summary.max for summary in summaries])
    mean = np.concatenate([summary.mean for summary in summaries])
    return {
        "max_force_median": float(np.median(largest)),
        "max_force_percentile_90": float(np.percentile(largest, 90)),
        "max_force_largest": float(largest.max()),
        "mean_force_mean": float(mean.mean()),
    }
