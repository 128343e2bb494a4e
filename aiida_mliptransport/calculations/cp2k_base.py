"""What all CalcJobs of CP2K share: settings, data files, how a run ends, how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type
from aiida_cp2k.calculations import Cp2kCalculation
from aiida_cp2k.utils import Cp2kInput

from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..science.frames import Frames, System
from .cp2k_data import basis_files, check_entries
from .cp2k_input import (
    COORDINATES_FILE,
    DISPERSION_FILE,
    POTENTIAL_FILE,
    RESTART_FILE,
    cp2k_input,
    xyz_text,
)
from .cp2k_job import check_files, job_system
from .cp2k_settings import Cp2kSettings, level_of_theory
from .disk import declare_disk_full
from .parameters import validation_message
from .threads import thread_limits
from .walltime import WALLTIME_FILE, walltime_guard

#: Ports of the parent class that would let anything into the input, or that nothing here reads.
_REMOVED_INPUTS = (
    "trajectory", "settings", "parent_calc_folder", "kpoints", "file", "basissets", "pseudos",
    "pseudos_upf",
)  # fmt: skip
_REMOVED_OUTPUTS = ("output_parameters", "output_structure", "output_trajectory", "output_bands")

#: Share of the wall clock that CP2K leaves for its last step, and the least that makes sense (s).
_WALLTIME_SHARE = 0.1
_WALLTIME_LEAST = 120


@dataclass(frozen=True)
class Cp2kTask:
    """What one kind of job adds to the input, and the files that it leaves.

    ``restart`` is a state to go on from. Of ``files`` only what the parser reads is kept.
    """

    run_type: str
    force_eval: Mapping[str, Any]
    motion: Mapping[str, Any]
    files: tuple[str, ...]
    seed: int | None = None
    restart: orm.SinglefileData | None = None


class BaseCp2kCalculation(Cp2kCalculation):
    """A run of CP2K's Quickstep whose input is rendered from typed ``parameters``.

    The free input of the parent class is gone. A subclass says what a run does by ``task``.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        for name in _REMOVED_INPUTS:
            del spec.inputs[name]
        for name in _REMOVED_OUTPUTS:
            del spec.outputs[name]
        spec.outputs.dynamic = False
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_validate_parameters,
            help="functional, dispersion, basis_set, basis_sets, potential, potentials, cutoff_Ry, "
            "relative_cutoff_Ry, n_grids, eps_default, k_points, electronic_temperature_K, charge, "
            "multiplicity, unrestricted, magnetization, hubbard, scf (method, eps_scf, max_scf, "
            "outer_max_scf, minimizer, …).",
        )
        spec.input_namespace(
            "files",
            valid_type=orm.SinglefileData,
            dynamic=True,
            help="CP2K's data files: 'basis_set' (more as 'basis_set_1', …), 'potential', and "
            "'dispersion' (dftd3.dat) where a dispersion correction is on.",
        )
        spec.inputs.validator = cls.validate_inputs
        options = spec.inputs["metadata"]["options"]
        options["resources"].default = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
        options["resources"].required = False
        options["withmpi"].default = False
        options["parser_name"].default = cls._DEFAULT_PARSER

        spec.output(
            "frames",
            valid_type=FrameSetData,
            required=False,
            help="Converged frames: energies eV, forces eV/Å, stresses eV/Å³ (ASE's sign, no "
            "kinetic part) where the run has them.",
        )
        spec.output(
            "failures",
            valid_type=orm.Dict,
            required=False,
            help="'failures': index, identity, class and message of every frame without a label.",
        )
        # Both are of aiida-cp2k; the next run may well have what this one lost.
        spec.exit_code(
            200,
            "ERROR_NO_RETRIEVED_FOLDER",
            invalidates_cache=True,
            message="The retrieved folder data node could not be accessed.",
        )
        spec.exit_code(
            210,
            "ERROR_OUTPUT_MISSING",
            invalidates_cache=True,
            message="CP2K wrote no output; the scheduler's output says why it did not start.",
        )
        spec.exit_code(
            310,
            "ERROR_ABORTED",
            invalidates_cache=True,
            message="CP2K aborted after {n_frames} labels, which are kept: {reason}",
        )
        spec.exit_code(
            311,
            "ERROR_NO_FRAMES",
            invalidates_cache=True,
            message="CP2K gave no label: {reason}",
        )
        spec.exit_code(
            314,
            "ERROR_INTERRUPTED",
            invalidates_cache=True,
            message="CP2K ended after {n_frames} labels, which are kept, without saying why "
            "(killed, out of memory?).",
        )
        declare_disk_full(spec)

    @classmethod
    def validate_inputs(cls, value: Mapping[str, Any], port: Any) -> str | None:
        """Refuse inputs that no job could use; ports that an exposing workflow leaves out pass."""
        if "parameters" not in value or not any(
            name in value for name in ("frames", "structure", "path")
        ):
            return None
        settings = Cp2kSettings.model_validate(value["parameters"].get_dict())
        try:
            system = job_system(value, settings)
            if "files" in value:
                check_files(value["files"])
                check_entries(settings, sorted(set(system.symbols)), value["files"])
            complete_level_of_theory(level_of_theory(settings, {}), Frames((system,)))
            return cls.problem(value, settings, system)
        except ValueError as error:
            return str(error)

    @classmethod
    def problem(
        cls, value: Mapping[str, Any], settings: Cp2kSettings, system: System
    ) -> str | None:
        """Return why these settings and frames do not fit this kind of run, None where they do."""
        raise NotImplementedError

    def task(self, folder: Folder, settings: Cp2kSettings, system: System) -> Cp2kTask:
        """Write the files of this kind of run, and return the rest of its input."""
        raise NotImplementedError

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Render the input, write coordinates and cells, and name the data files."""
        options = self.inputs.metadata.options
        settings = Cp2kSettings.model_validate(self.inputs.parameters.get_dict())
        files = self.inputs.files
        system = job_system(self.inputs, settings)
        task = self.task(folder, settings, system)
        calcinfo = CalcInfo()
        targets = dict(zip(self.basis_names(), basis_files(files), strict=True))
        targets[POTENTIAL_FILE] = files["potential"]
        if task.restart is not None:
            targets[RESTART_FILE] = task.restart
        if settings.dispersion != "none":
            targets[DISPERSION_FILE] = files["dispersion"]
        calcinfo.local_copy_list = [
            (node.uuid, node.filename, target) for target, node in targets.items()
        ]
        write_text(folder, COORDINATES_FILE, xyz_text(system.take([0])))
        seconds = options.get("max_wallclock_seconds")
        content = cp2k_input(
            self._DEFAULT_PROJECT_NAME,
            task.force_eval,
            task.motion,
            run_type=task.run_type,
            seed=task.seed,
            walltime_s=(
                int(seconds * (1 - _WALLTIME_SHARE))
                if seconds and seconds >= _WALLTIME_LEAST
                else None
            ),
            restart=task.restart is not None,
        )
        write_text(folder, options.input_filename, Cp2kInput(content).render() + "\n")

        codeinfo = CodeInfo()
        codeinfo.cmdline_params = ["-i", options.input_filename]
        codeinfo.code_uuid = self.inputs.code.uuid
        codeinfo.stdout_name = options.output_filename
        codeinfo.join_files = True
        calcinfo.codes_info = [codeinfo]
        calcinfo.prepend_text = walltime_guard(seconds)
        calcinfo.prepend_text += thread_limits(options.resources.get("num_cores_per_mpiproc") or 1)
        calcinfo.retrieve_list = [options.output_filename, WALLTIME_FILE]
        calcinfo.retrieve_temporary_list = list(task.files)
        return calcinfo

    def basis_names(self) -> list[str]:
        """Return the names of the basis-set files in the folder of the run."""
        return [f"BASIS_SETS_{number}" for number in range(len(basis_files(self.inputs.files)))]


def write_text(folder: Folder, name: str, text: str) -> None:
    with folder.open(name, "w", encoding="utf-8") as handle:
        handle.write(text)


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(Cp2kSettings, value.get_dict())
