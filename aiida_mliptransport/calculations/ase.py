"""CalcJobs that label frames, run MD or relax a structure with a calculator of ASE."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type

from ..backends import PotentialError, get_backend
from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..data.potential import PotentialData
from ..data.trajectory import MDTrajectoryData
from ..science.frames import Frames, System
from .ase_parameters import (
    MDParameters,
    RelaxParameters,
    calculator_message,
    complete_calculator,
)
from .disk import declare_disk_full
from .parameters import validation_message
from .runners.calculators import describe
from .threads import thread_limits
from .walltime import WALLTIME_FILE, walltime_guard

RUNNER = "ase_runner.py"
RUNNER_FILES = (RUNNER, "band.py", "calculators.py")
JOB_FILE = "job.json"
ENGINE_FILE = "engine.json"
RESULTS_FILE = "results.json"
FAILURES_FILE = "failures.jsonl"
LOG_FILE = "progress.log"


class AseCalculation(CalcJob):
    """What the ASE jobs share: a calculator by name, or a potential; one runner."""

    #: Task of the runner.
    task: str

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input(
            "calculator",
            valid_type=orm.Dict,
            required=False,
            serializer=to_aiida_type,
            help="Calculator by name and its settings: {'name': 'tblite', 'method': 'GFN1-xTB'}.",
        )
        spec.input(
            "potential",
            valid_type=PotentialData,
            required=False,
            help="Potential that takes the place of a calculator.",
        )
        spec.inputs.validator = cls.validate_inputs
        spec.inputs["metadata"]["options"]["resources"].default = {
            "num_machines": 1,
            "num_mpiprocs_per_machine": 1,
        }
        spec.inputs["metadata"]["options"]["withmpi"].default = False
        spec.inputs["metadata"]["options"]["parser_name"].default = "mliptransport.ase"
        spec.output(
            "frames",
            valid_type=FrameSetData,
            required=False,
            help="Labelled frames: energies eV, forces eV/Å, stresses eV/Å³ (ASE's sign, no "
            "kinetic part).",
        )
        spec.output(
            "failures",
            valid_type=orm.Dict,
            required=False,
            help="'failures': index, identity, class and message of every frame without a label.",
        )
        spec.exit_code(
            202, "ERROR_INVALID_CALCULATOR", message="the calculator was refused: {reason}"
        )
        spec.exit_code(
            300,
            "ERROR_RUNNER_FAILED",
            invalidates_cache=True,
            message="the runner failed: {reason}",
        )
        spec.exit_code(
            310,
            "ERROR_NO_FRAMES",
            invalidates_cache=True,
            message="no frame got a label: {reason}",
        )
        spec.exit_code(
            320, "ERROR_CALCULATOR_UNAVAILABLE", invalidates_cache=True, message="{reason}"
        )
        spec.exit_code(
            400,
            "ERROR_OUT_OF_WALLTIME",
            invalidates_cache=True,
            message="out of wall clock time; {n_frames} frames are kept",
        )
        spec.exit_code(
            401,
            "ERROR_INTERRUPTED",
            invalidates_cache=True,
            message="the job ended before it was done; {n_frames} frames are kept: {reason}",
        )
        declare_disk_full(spec)

    @classmethod
    def validate_inputs(cls, value: Mapping[str, Any], _: Any) -> str | None:
        """Refuse inputs that no job could use."""
        if ("calculator" in value) == ("potential" in value):
            given = "both" if "calculator" in value else "neither"
            return f"{given} of 'calculator' and 'potential' given, expected one of them"
        frames = cls.input_frames(value)
        if frames is None:
            return None
        return _calculator_problem(value, frames)

    @classmethod
    def input_frames(cls, value: Mapping[str, Any]) -> Frames | None:
        """Return the configurations of the inputs, None where they are not given yet."""
        if "structure" not in value:
            return None
        return frames_of(value["structure"], charge_of(value))

    def job_parameters(self) -> dict[str, Any]:
        """Return the task's own parameters for the runner."""
        return {}

    def retrieve_arrays(self) -> list[str]:
        """Return the patterns of the arrays that the parser reads."""
        return ["out_*.npy"]

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the runner, its JSON and the arrays."""
        frames = self.input_frames(self.inputs)
        assert frames is not None
        info = CalcInfo()
        info.local_copy_list = []
        spec = self._calculator_spec(info)
        arrays = []
        for number, system in enumerate(frames.systems):
            for name in ("numbers", "positions", "cells", "pbc"):
                arrays.append(f"system_{number:03d}_{name}.npy")
                buffer = io.BytesIO()
                np.save(buffer, getattr(system, name), allow_pickle=False)
                folder.create_file_from_filelike(io.BytesIO(buffer.getvalue()), arrays[-1])
        job = {
            "task": self.task,
            "calculator": spec,
            "stress": "potential" not in self.inputs or self.inputs.potential.trained_on_stress,
            "parameters": self.job_parameters(),
            "systems": [
                {"charge": system.charge, "multiplicity": system.multiplicity}
                for system in frames.systems
            ],
        }
        with folder.open(JOB_FILE, "w") as handle:
            json.dump(job, handle, indent=2, sort_keys=True)
        runners = files("aiida_mliptransport.calculations.runners")
        for name in RUNNER_FILES:
            with folder.open(name, "w") as handle:
                handle.write(runners.joinpath(name).read_text())

        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = [RUNNER]
        code.stdout_name = LOG_FILE
        code.join_files = True
        info.codes_info = [code]
        info.prepend_text = (
            walltime_guard(self.inputs.metadata.options.get("max_wallclock_seconds"))
            + thread_limits()
        )
        # The configurations are inputs of this process: a second copy would only cost space.
        info.provenance_exclude_list = arrays
        info.retrieve_list = [ENGINE_FILE, RESULTS_FILE, FAILURES_FILE, LOG_FILE, WALLTIME_FILE]
        info.retrieve_temporary_list = self.retrieve_arrays()
        return info

    def _calculator_spec(self, info: CalcInfo) -> dict[str, Any]:
        if "calculator" in self.inputs:
            return complete_calculator(self.inputs.calculator.get_dict())
        potential = self.inputs.potential
        backend = get_backend(potential.spec().backend)
        names = dict(potential.files)
        wanted = next((role for role in backend.run_roles() if role in names), None)
        if wanted is not None:
            names = {wanted: names[wanted]}
            info.local_copy_list.append((potential.uuid, names[wanted], names[wanted]))
        return backend.calculator_spec(potential.spec(files=names))


class AseLabelCalculation(AseCalculation):
    """Label frames: energy, forces, and stress where the cell is periodic."""

    task = "label"

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input("frames", valid_type=FrameSetData, help="Frames to label; labels are not used.")
        spec.default_output_node = "failures"

    @classmethod
    def input_frames(cls, value: Mapping[str, Any]) -> Frames | None:
        return value["frames"].frames if "frames" in value else None


class AseMDCalculation(AseCalculation):
    """Run MD in a fixed cell; every ``trajectory_stride``-th step is a labelled frame."""

    task = "md"

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input("structure", valid_type=orm.StructureData, help="Periodic structure.")
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=settings_validator(MDParameters),
            help="ensemble, temperature_K, steps, timestep_fs, thermostat, thermostat_damping_fs, "
            "seed, strides, equilibration_steps (not recorded), store_velocities, store_forces.",
        )
        spec.output(
            "trajectory",
            valid_type=MDTrajectoryData,
            required=False,
            help="Unwrapped positions (Å), also of a run that stopped early.",
        )
        spec.output("results", valid_type=orm.Dict, required=False, help="Summary of the run.")
        spec.default_output_node = "results"
        spec.exit_code(
            311,
            "ERROR_MD_STOPPED",
            invalidates_cache=True,
            message="the run stopped early, the frames before are kept: {reason}",
        )

    def job_parameters(self) -> dict[str, Any]:
        return MDParameters.model_validate(self.inputs.parameters.get_dict()).model_dump()

    def retrieve_arrays(self) -> list[str]:
        return ["out_*.npy", "thermo_*.npy", "species_*.npy"]


class AseRelaxCalculation(AseCalculation):
    """Relax a structure; every step is a labelled frame."""

    task = "relax"

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input("structure", valid_type=orm.StructureData, help="Periodic structure.")
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=settings_validator(RelaxParameters),
            default=lambda: orm.Dict(RelaxParameters().model_dump()),
            help="force_tolerance_eV_A, steps, cell.",
        )
        spec.output(
            "structure", valid_type=orm.StructureData, required=False, help="Relaxed structure."
        )
        spec.output("results", valid_type=orm.Dict, required=False, help="Summary of the run.")
        spec.default_output_node = "results"
        spec.exit_code(
            312,
            "ERROR_NOT_RELAXED",
            message="forces are not below the tolerance, the last structure is kept: {reason}",
        )

    @classmethod
    def validate_inputs(cls, value: Mapping[str, Any], port: Any) -> str | None:
        message = super().validate_inputs(value, port)
        if message is not None or "potential" not in value or "parameters" not in value:
            return message
        if value["parameters"].get_dict().get("cell") and not value["potential"].trained_on_stress:
            return (
                "cell is True and the potential was trained without stress; train it on frames "
                "with stress or keep the cell"
            )
        return None

    def job_parameters(self) -> dict[str, Any]:
        return RelaxParameters.model_validate(self.inputs.parameters.get_dict()).model_dump()


def charge_of(inputs: Mapping[str, Any]) -> tuple[int, int]:
    """Return charge and multiplicity that the calculator gives a structure."""
    content = inputs["calculator"].get_dict() if "calculator" in inputs else {}
    return int(content.get("charge") or 0), int(content.get("multiplicity") or 1)


def frames_of(structure: orm.StructureData, state: tuple[int, int]) -> Frames:
    """Return one unlabelled frame with a structure's positions."""
    atoms = structure.get_ase()
    return Frames(
        (
            System(
                numbers=atoms.numbers,
                positions=atoms.positions[None],
                cells=atoms.cell.array[None],
                pbc=atoms.pbc,
                charge=state[0],
                multiplicity=state[1],
            ),
        )
    )


def _calculator_problem(value: Mapping[str, Any], frames: Frames) -> str | None:
    if "structure" in value and not all(value["structure"].pbc):
        return (
            f"structure has pbc {value['structure'].pbc}, expected a cell that is periodic in all "
            "three directions"
        )
    try:
        if "potential" in value:
            spec = value["potential"].spec()
            get_backend(spec.backend).check_elements([spec], frames.elements)
            return None
        content = value["calculator"].get_dict()
        message = calculator_message(content, frames.elements)
        if message is not None:
            return message
        complete_level_of_theory(describe(complete_calculator(content)), frames)
    except (PotentialError, ValueError) as error:
        return str(error)
    for system in frames.systems:
        for key in ("charge", "multiplicity"):
            given = content.get(key)
            if given is not None and given != getattr(system, key):
                return (
                    f"calculator: {key} is {given}, the frames have {getattr(system, key)}; give "
                    f"both the same {key}"
                )
    return None


def settings_validator(model: type) -> Any:
    """Return the validator of a port that takes the settings of ``model``."""

    def validate(value: orm.Dict | None, _: Any) -> str | None:
        return None if value is None else validation_message(model, value.get_dict())

    return validate
