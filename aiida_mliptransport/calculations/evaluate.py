"""CalcJob that evaluates a committee of potentials on labelled frames or on a trajectory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type
from pydantic import BaseModel, ConfigDict, Field

from ..backends import PotentialError, PotentialSpec, get_backend
from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from ..data.trajectory import MDTrajectoryData
from ..science.frames import Frames
from .disk import declare_disk_full
from .parameters import validation_message
from .threads import thread_limits
from .walltime import WALLTIME_FILE, walltime_guard

PREDICTIONS_FILE = "predictions.npz"
LOG_FILE = "evaluate.log"
RUNNERS = ("evaluate_runner.py", "calculators.py")


class EvaluateParameters(BaseModel):
    """How to evaluate.

    Attributes
    ----------
    stride
        Of a trajectory every ``stride``-th frame is evaluated.
    store_forces
        Whether the predicted forces are kept; by default those on frames are and those on a
        trajectory are not.
    descriptors
        Whether descriptors of the driving member are kept: ``none``, their mean over the atoms of
        each ``species``, or also those of all ``atoms``.
    bootstrap
        What is resampled for the error bar of the force RMSE: ``frames`` (for decorrelated ones),
        or ``origins`` (whole trajectories).
    n_bootstrap, seed
        Number of resamplings and their seed.
    """

    model_config = ConfigDict(extra="forbid")

    stride: int = Field(default=1, gt=0)
    store_forces: bool | None = None
    descriptors: Literal["none", "species", "atoms"] = "none"
    bootstrap: Literal["frames", "origins"] = "frames"
    n_bootstrap: int = Field(default=1000, gt=1)
    seed: int = Field(default=1, ge=0)


class EvaluateCalculation(CalcJob):
    """Compare potentials with labels, and with each other, on the same frames."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input_namespace(
            "potentials",
            valid_type=PotentialData,
            dynamic=True,
            help="Committee; the first in the order of names is the one that drives MD.",
        )
        spec.input(
            "frames",
            valid_type=FrameSetData,
            required=False,
            help="Frames; where they are labelled, errors are given.",
        )
        spec.input(
            "trajectory",
            valid_type=MDTrajectoryData,
            required=False,
            help="Trajectory to evaluate in the place of frames.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            default=lambda: orm.Dict({}),
            validator=_validate_parameters,
            help="stride, store_forces, descriptors, bootstrap, n_bootstrap, seed.",
        )
        spec.inputs.validator = _validate_inputs
        spec.inputs["metadata"]["options"]["resources"].default = {
            "num_machines": 1,
            "num_mpiprocs_per_machine": 1,
        }
        spec.inputs["metadata"]["options"]["withmpi"].default = False
        spec.inputs["metadata"]["options"]["parser_name"].default = "mliptransport.evaluate"

        spec.output(
            "errors",
            valid_type=orm.Dict,
            required=False,
            help="Errors of the driving member (force, force_by_species, energy, stress), of the "
            "committee's mean (committee_mean) and of each member; eV/Å per force component, "
            "eV/atom, eV/Å³. Only for labelled frames.",
        )
        spec.output(
            "predictions",
            valid_type=orm.ArrayData,
            help="Per system system_000: energies (n,) eV, stresses (n, 3, 3) eV/Å³ and forces "
            "(n, N, 3) eV/Å of the driving member, member_energies (M, n); for two members or "
            "more max_force_deviation, mean_force_deviation (n,) and force_deviation (n, N) eV/Å; "
            "where asked for, descriptors (n, S, D) of the driving member, means over the atoms of "
            "each species in the order of its type map, and atomic_descriptors (n, N, D). The "
            "attribute descriptors_missing says why there are none.",
        )
        spec.default_output_node = "errors"
        spec.exit_code(
            300,
            "ERROR_NO_PREDICTIONS",
            invalidates_cache=True,
            message="the runner wrote no predictions: {reason}",
        )
        spec.exit_code(
            310,
            "ERROR_NOT_FINITE",
            message="potential {name!r} gives NaN or infinity on {count} of {total} frames",
        )
        spec.exit_code(
            400,
            "ERROR_OUT_OF_WALLTIME",
            invalidates_cache=True,
            message="out of wall clock time; raise max_wallclock_seconds or the stride",
        )
        declare_disk_full(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the frames and the description of each potential, and send the runner."""
        root = Path(folder.abspath)
        np.savez(root / "frames.npz", **frame_arrays(evaluated_frames(self.inputs)))
        specs, copies = place_potentials(self.inputs.potentials)
        parameters = EvaluateParameters.model_validate(self.inputs.parameters.get_dict())
        with folder.open("evaluate.json", "w") as handle:
            json.dump(
                {
                    "potentials": [get_backend(s.backend).calculator_spec(s) for s in specs],
                    "descriptors": parameters.descriptors,
                },
                handle,
                indent=2,
                sort_keys=True,
            )
        for name in RUNNERS:
            source = files("aiida_mliptransport.calculations.runners").joinpath(name)
            with folder.open(name, "w") as handle:
                handle.write(source.read_text())

        info = CodeInfo()
        info.code_uuid = self.inputs.code.uuid
        info.cmdline_params = [RUNNERS[0]]
        info.stdout_name = LOG_FILE
        info.join_files = True
        calcinfo = CalcInfo()
        calcinfo.codes_info = [info]
        calcinfo.local_copy_list = copies
        calcinfo.prepend_text = (
            walltime_guard(self.inputs.metadata.options.get("max_wallclock_seconds"))
            + thread_limits()
        )
        # The frames are inputs of this process: a second copy in its node would only cost space.
        calcinfo.provenance_exclude_list = ["frames.npz"]
        calcinfo.retrieve_list = [LOG_FILE, WALLTIME_FILE]
        calcinfo.retrieve_temporary_list = [PREDICTIONS_FILE]
        return calcinfo


def evaluated_frames(inputs: Any) -> Frames:
    """Return the frames that a job with these inputs evaluates, in order."""
    if "frames" in inputs:
        return inputs["frames"].frames
    trajectory = inputs["trajectory"]
    stride = EvaluateParameters.model_validate(inputs["parameters"].get_dict()).stride
    return trajectory.take(np.arange(0, trajectory.n_frames, stride))


def frame_arrays(frames: Frames) -> dict[str, np.ndarray]:
    """Return the arrays of ``frames.npz``: what the runner needs of each system."""
    arrays = {}
    for number, system in enumerate(frames):
        prefix = f"system_{number:03d}"
        for name in ("numbers", "pbc", "positions", "cells"):
            arrays[f"{prefix}_{name}"] = getattr(system, name)
        arrays[f"{prefix}_spin"] = np.array([system.charge, system.multiplicity])
    return arrays


def place_potentials(
    potentials: Mapping[str, PotentialData],
) -> tuple[list[PotentialSpec], list[tuple[str, str, str]]]:
    """Return the potentials as they lie in the run directory, and the files to copy there.

    Raises
    ------
    PotentialError
        If a potential lacks the file that a run needs.
    """
    specs, copies = [], []
    for name in sorted(potentials):
        node = potentials[name]
        roles = get_backend(node.spec().backend).run_roles()
        role = next((role for role in roles if role in node.files), None)
        if role is None:
            if roles:
                raise PotentialError(
                    f"potentials.{name} has files in the roles {sorted(node.files)}, expected one "
                    f"of {list(roles)}"
                )
            specs.append(node.spec({}))
            continue
        target = name + PurePosixPath(node.files[role]).suffix
        copies.append((node.uuid, node.files[role], target))
        specs.append(node.spec({role: target}))
    return specs, copies


def _validate_parameters(value: orm.Dict, _: Any) -> str | None:
    return validation_message(EvaluateParameters, value.get_dict())


def _validate_inputs(value: Mapping[str, Any], namespace: Any) -> str | None:
    if any(name not in namespace for name in ("frames", "trajectory", "potentials")):
        return None  # a WorkChain that exposes these inputs fills the others in itself
    given = [name for name in ("frames", "trajectory") if name in value]
    if len(given) != 1:
        return f"{' and '.join(given) or 'nothing'} to evaluate, expected frames or trajectory"
    if not value.get("potentials"):
        return "potentials is empty, expected one or more"
    try:
        specs, _copies = place_potentials(value["potentials"])
        get_backend(specs[0].backend).check_elements(specs, value[given[0]].elements)
    except PotentialError as error:
        return str(error)
    return None
