"""CalcJob that trains, freezes and compresses one DeePMD model with ``dp``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type

from ..backends.deepmd_input import (
    CHECKPOINT_FOLDER,
    LEARNING_CURVE,
    MAX_SEED,
    DeepmdTrainParameters,
    commands,
    training_input,
)
from ..data.frames import FrameSetData, MixedLevelsOfTheoryError, one_level_of_theory
from ..data.potential import PotentialData
from ..science.formats import write_deepmd
from ..science.frames import Frames, System
from .disk import declare_disk_full
from .parameters import validation_message
from .threads import thread_limits
from .walltime import WALLTIME_FILE, walltime_guard

TRAINING_FOLDER = "data"
VALIDATION_FOLDER = "validation"
PARENT_STEM = "parent"

#: Written by dp train: its input with the defaults and the automatic numbers filled in.
RESOLVED_INPUT = "out.json"


class DeepmdTrainCalculation(CalcJob):
    """Train one member of a committee, freeze it and compress it in one job.

    A parent potential makes it a finetuning from the parent's frozen model; a checkpoint makes it
    the continuation of a training that ran out of time.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input_namespace(
            "frames",
            valid_type=FrameSetData,
            dynamic=True,
            help="Labelled frames (eV, eV/Å, eV/Å³) of one level of theory, one node an iteration.",
        )
        spec.input(
            "validation",
            valid_type=FrameSetData,
            required=False,
            help="Labelled frames that only the learning curve sees.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_validate_parameters,
            help="DeePMD-kit sections model, learning_rate, loss and training, without data, type "
            "map and seeds; and backend, compress, divergence_ratio.",
        )
        spec.input(
            "type_map",
            valid_type=orm.List,
            serializer=to_aiida_type,
            help="Chemical symbols in the order of the model's type indices.",
        )
        spec.input(
            "seed",
            valid_type=orm.Int,
            serializer=to_aiida_type,
            validator=_validate_seed,
            help="Seed of the initial weights and of the order of the data.",
        )
        spec.input(
            "parent",
            valid_type=PotentialData,
            required=False,
            help="DeePMD potential of the same architecture from which the training starts.",
        )
        spec.input(
            "checkpoint",
            valid_type=orm.RemoteData,
            required=False,
            help="Remote folder of an interrupted training with the same inputs, to be continued.",
        )
        spec.inputs.validator = _validate_inputs
        spec.inputs["metadata"]["options"]["resources"].default = {
            "num_machines": 1,
            "num_mpiprocs_per_machine": 1,
        }
        spec.inputs["metadata"]["options"]["withmpi"].default = False
        spec.inputs["metadata"]["options"]["parser_name"].default = "mliptransport.deepmd.train"

        spec.output(
            "potential",
            valid_type=PotentialData,
            help="Frozen model (role model) and the compressed one (role compressed).",
        )
        spec.output(
            "learning_curve",
            valid_type=orm.ArrayData,
            required=False,
            help="Columns of lcurve.out under their DeePMD-kit names: step, rmse_e_* (eV/atom), "
            "rmse_f_* (eV/Å), rmse_v_* (eV/atom), lr.",
        )
        spec.output(
            "results",
            valid_type=orm.Dict,
            required=False,
            help="Counts of frames, steps done, last errors and settings of the training.",
        )
        spec.default_output_node = "results"
        spec.exit_code(
            300,
            "ERROR_TRAINING_FAILED",
            invalidates_cache=True,
            message="dp train ended without a learning curve: {reason}",
        )
        spec.exit_code(
            310,
            "ERROR_NAN_IN_LEARNING_CURVE",
            message="the learning curve is not finite from step {step}; another seed or a lower "
            "start_lr may help",
        )
        spec.exit_code(
            311,
            "ERROR_DIVERGED",
            message="the force RMSE ends at {rmse:.3g} eV/Å, which is {ratio:.3g} times the RMS of "
            "the training forces",
        )
        spec.exit_code(
            312,
            "ERROR_CHECKPOINT_MISSING",
            invalidates_cache=True,
            message="dp train ended at step {step} without writing a checkpoint",
        )
        spec.exit_code(
            313,
            "ERROR_FREEZE_FAILED",
            invalidates_cache=True,
            message="dp freeze gave no model: {reason}",
        )
        spec.exit_code(
            314,
            "ERROR_COMPRESS_FAILED",
            message="dp compress gave no model, the uncompressed one is kept: {reason}",
        )
        spec.exit_code(
            400,
            "ERROR_OUT_OF_WALLTIME",
            invalidates_cache=True,
            message="out of wall clock time at step {step}; give the remote folder as 'checkpoint'",
        )
        spec.exit_code(
            401,
            "ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT",
            invalidates_cache=True,
            message="out of wall clock time before the first checkpoint; raise "
            "max_wallclock_seconds or lower save_freq",
        )
        spec.exit_code(
            402,
            "ERROR_TRAINING_INTERRUPTED",
            invalidates_cache=True,
            message="dp train stopped at step {step} of {steps}; give the remote folder as "
            "'checkpoint': {reason}",
        )
        declare_disk_full(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write data and input, and the steps train, freeze and compress."""
        parameters = DeepmdTrainParameters.model_validate(self.inputs.parameters.get_dict())
        type_map = self.inputs.type_map.get_list()
        training = training_frames(self.inputs.frames)
        root = Path(folder.abspath)
        systems = write_deepmd(root / TRAINING_FOLDER, training, type_map)
        validation: list[Path] = []
        if "validation" in self.inputs:
            validation = write_deepmd(
                root / VALIDATION_FOLDER, plain_frames(self.inputs.validation.frames), type_map
            )
        content = training_input(
            parameters,
            type_map,
            [str(path.relative_to(root)) for path in systems],
            self.inputs.seed.value,
            validation_systems=[str(path.relative_to(root)) for path in validation],
            has_stress=any(system.stresses is not None for system in training),
            has_force_weights=any(system.force_weights is not None for system in training),
        )
        if "parent" in self.inputs and self.inputs.parent.parameters.get("sel"):
            # A frozen model keeps statistics per neighbour slot, so its child has as many.
            content["model"]["descriptor"]["sel"] = self.inputs.parent.parameters["sel"]
        with folder.open("input.json", "w") as handle:
            json.dump(content, handle, indent=2, sort_keys=True)

        calcinfo = CalcInfo()
        parent = None
        calcinfo.local_copy_list = []
        if "parent" in self.inputs and "checkpoint" not in self.inputs:
            name = self.inputs.parent.files["model"]
            parent = PARENT_STEM + Path(name).suffix
            calcinfo.local_copy_list.append((self.inputs.parent.uuid, name, parent))
        calcinfo.remote_copy_list = []
        if "checkpoint" in self.inputs:
            remote = self.inputs.checkpoint
            for name in (CHECKPOINT_FOLDER, LEARNING_CURVE):
                calcinfo.remote_copy_list.append(
                    (remote.computer.uuid, f"{remote.get_remote_path()}/{name}", name)
                )
        steps = commands(parameters, restart="checkpoint" in self.inputs, parent=parent)
        calcinfo.codes_info = []
        for name, arguments in steps:
            info = CodeInfo()
            info.code_uuid = self.inputs.code.uuid
            info.cmdline_params = arguments
            info.stdout_name = f"{name}.log"
            info.join_files = True
            calcinfo.codes_info.append(info)
        calcinfo.prepend_text = (
            walltime_guard(self.inputs.metadata.options.get("max_wallclock_seconds"))
            + thread_limits()
            + f"mkdir -p {CHECKPOINT_FOLDER}\n"
        )
        # The frames are inputs of this process: a second copy in its node would only cost space.
        calcinfo.provenance_exclude_list = [TRAINING_FOLDER, VALIDATION_FOLDER]
        record = (
            f"{CHECKPOINT_FOLDER}/checkpoint"
            if parameters.backend == "tensorflow"
            else "checkpoint"
        )
        calcinfo.retrieve_list = [
            LEARNING_CURVE,
            *(f"{name}.log" for name, _ in steps),
            record,
            WALLTIME_FILE,
        ]
        calcinfo.retrieve_temporary_list = [
            RESOLVED_INPUT,
            *(arguments[arguments.index("-o") + 1] for _, arguments in steps if "-o" in arguments),
        ]
        return calcinfo


def training_frames(nodes: Mapping[str, FrameSetData]) -> Frames:
    """Join the frames of all nodes, in the order of their names, for a training.

    Where one system has force weights, the others get weights of 1: DeePMD-kit weighs forces
    by system or not at all.
    """
    frames = Frames.join(plain_frames(nodes[name].frames) for name in sorted(nodes))
    if not any(system.force_weights is not None for system in frames):
        return frames
    return Frames.join(
        replace(system, force_weights=np.ones(system.forces.shape[:2]))
        if system.force_weights is None
        else system
        for system in frames
    )


def plain_frames(frames: Frames) -> Frames:
    """Return frames without origins, which would keep frames of one kind in separate systems."""
    return Frames.join(_without_origins(system) for system in frames)


def _without_origins(system: System) -> System:
    return replace(system, origins=None, steps=None)


def _validate_parameters(value: orm.Dict, _: Any) -> str | None:
    return validation_message(DeepmdTrainParameters, value.get_dict())


def _validate_seed(value: orm.Int, _: Any) -> str | None:
    if not 0 < value.value <= MAX_SEED:
        return f"seed is {value.value}, expected 1 to {MAX_SEED}"
    return None


def _validate_inputs(value: Mapping[str, Any], namespace: Any) -> str | None:
    # A WorkChain that exposes these inputs may leave some out and fill them in itself.
    if "frames" in namespace and not value.get("frames"):
        return "frames is empty, expected one or more labelled frame sets"
    return check_frames(value) or check_parent(value)


def check_frames(value: Mapping[str, Any]) -> str | None:
    """Return what is wrong with frames, validation and type map, or None."""
    if not {"frames", "type_map"} <= set(value):
        return None
    named = {f"frames.{name}": node for name, node in value["frames"].items()}
    if "validation" in value:
        named["validation"] = value["validation"]
    type_map = value["type_map"].get_list()
    for name, node in named.items():
        if not node.labelled:
            return f"{name} has no labels, expected energies and forces on every frame; label it"
        missing = [element for element in node.elements if element not in type_map]
        if missing:
            return f"type_map {type_map} lacks {missing} of {name}; add them"
    try:
        one_level_of_theory(named)
    except MixedLevelsOfTheoryError as error:
        return str(error)
    return None


def check_parent(value: Mapping[str, Any]) -> str | None:
    """Return why a training cannot start from the parent, or None."""
    if "parent" not in value or "type_map" not in value:
        return None
    parent = value["parent"]
    kind = parent.spec().backend
    if kind != "deepmd" or "model" not in parent.files:
        return (
            f"parent is a {kind!r} potential with files {sorted(parent.files)}, expected "
            "a DeePMD one with its uncompressed model"
        )
    if parent.type_map != value["type_map"].get_list():
        return (
            f"parent has the type map {parent.type_map}, expected {value['type_map'].get_list()}: "
            "a model keeps the types it was made with; train from scratch to add elements"
        )
    return None
