"""CalcJob that labels frames or runs MD with CP2K from typed settings, without a free input."""

from __future__ import annotations

from collections.abc import Mapping
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
from ..data.trajectory import MDTrajectoryData
from ..science.frames import Frames
from .cp2k_data import basis_files, check_entries
from .cp2k_input import (
    COORDINATES_FILE,
    DISPERSION_FILE,
    POTENTIAL_FILE,
    REFERENCE_CELL_FILE,
    REFERENCE_TRAJECTORY_FILE,
    RESTART_FILE,
    cell_text,
    cp2k_input,
    force_eval,
    label_motion,
    md_motion,
    relax_motion,
    relax_run_type,
    xyz_text,
)
from .cp2k_job import check_files, job_system
from .cp2k_settings import (
    Cp2kMDParameters,
    Cp2kRelaxParameters,
    Cp2kSettings,
    level_of_theory,
    stress_is_analytic,
)
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

#: Ports that say what a run does; the others say how, and are exposed by WorkChains.
TASK_INPUTS = ("frames", "structure", "md", "relax", "restart")

#: Share of the wall clock that CP2K leaves for its last step, and the least that makes sense (s).
_WALLTIME_SHARE = 0.1
_WALLTIME_LEAST = 120


class Cp2kLabelCalculation(Cp2kCalculation):
    """Label ``frames`` of one composition, or run MD from ``structure``, or relax it.

    Every frame of MD and of the path of a relaxation is a label.

    Energy, forces and stress come from CP2K's Quickstep; the input is rendered from typed
    ``parameters``, the free one of the parent class is gone.
    """

    _DEFAULT_PARSER = "mliptransport.cp2k"

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
        spec.input(
            "frames",
            valid_type=FrameSetData,
            required=False,
            help="Frames of one composition to label; their cells may differ.",
        )
        spec.input(
            "structure",
            valid_type=orm.StructureData,
            required=False,
            help="Start of MD or of a relaxation, periodic; in place of frames.",
        )
        spec.input(
            "md",
            valid_type=orm.Dict,
            required=False,
            serializer=to_aiida_type,
            validator=_validate_md,
            help="ensemble (nvt, npt, nve), temperature_K, steps, timestep_fs, trajectory_stride, "
            "thermostat_damping_fs, pressure_bar, pressure_coupling, barostat_damping_fs, seed; "
            "with structure only.",
        )
        spec.input(
            "relax",
            valid_type=orm.Dict,
            required=False,
            serializer=to_aiida_type,
            validator=_validate_relax,
            help="force_tolerance_eV_A, steps, cell (relaxed too, at no pressure), "
            "pressure_tolerance_bar; with structure only.",
        )
        spec.input(
            "restart",
            valid_type=orm.SinglefileData,
            required=False,
            help="State at the end of an earlier run of the same structure and kind: this one goes "
            "on from it, with its step numbers. MD has md.steps more, with its velocities; "
            "relax.steps count from the beginning.",
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
            "kinetic part).",
        )
        spec.output(
            "failures",
            valid_type=orm.Dict,
            required=False,
            help="'failures': index, identity, class and message of every frame without a label.",
        )
        spec.output(
            "trajectory",
            valid_type=MDTrajectoryData,
            required=False,
            help="MD: unwrapped positions (Å), forces (eV/Å), thermo; unconverged steps included.",
        )
        spec.output(
            "structure",
            valid_type=orm.StructureData,
            required=False,
            help="Relaxation: the last structure, relaxed or not.",
        )
        spec.output(
            "restart",
            valid_type=orm.SinglefileData,
            required=False,
            help="MD, relaxation: positions, velocities, cell, thermostat and step at the end.",
        )
        spec.output(
            "results",
            valid_type=orm.Dict,
            required=False,
            help="Counts, CP2K's version, seconds per frame, whether the run reached its end, S² "
            "and spin density of each label, what a relaxation came to.",
        )
        spec.default_output_node = "results"
        spec.exit_code(
            310,
            "ERROR_ABORTED",
            message="CP2K aborted after {n_frames} labels, which are kept: {reason}",
        )
        spec.exit_code(
            311,
            "ERROR_NO_FRAMES",
            message="CP2K gave no label: {reason}",
        )
        spec.exit_code(
            315,
            "ERROR_NOT_RELAXED",
            message="Not relaxed after {n_steps} steps: the largest force is {force} eV/Å. The "
            "structure and {n_frames} labels are kept; raise relax.steps.",
        )
        spec.exit_code(
            314,
            "ERROR_INTERRUPTED",
            invalidates_cache=True,
            message="CP2K ended after {n_frames} labels, which are kept, without saying why "
            "(killed, out of memory?).",
        )
        spec.exit_code(
            400,
            "ERROR_OUT_OF_WALLTIME",
            invalidates_cache=True,
            message="Out of wall clock time after {n_frames} labels, which are kept; raise "
            "max_wallclock_seconds or label fewer frames in one job.",
        )
        spec.exit_code(
            450,
            "ERROR_SCF_NOT_CONVERGED",
            message="No frame converged. Raise scf.max_scf or scf.outer_max_scf, or use "
            "scf.minimizer 'cg'.",
        )
        declare_disk_full(spec)

    @classmethod
    def validate_inputs(cls, value: Mapping[str, Any], _: Any) -> str | None:
        """Refuse inputs that no job could use; ports that an exposing workflow leaves out pass."""
        tasks = [name for name in ("md", "relax") if name in value]
        if "frames" in value and "structure" in value:
            return "frames and structure are given, expected one of them"
        if "frames" in value and tasks:
            return f"frames and {tasks[0]} are given, expected {tasks[0]} with structure only"
        if "structure" in value and len(tasks) != 1:
            return (
                f"structure is given with {' and '.join(tasks) or 'neither md nor relax'}, "
                "expected the parameters of one of them"
            )
        if "restart" in value and not tasks:
            return "restart is given without md or relax, expected the parameters of one of them"
        if "parameters" not in value or not ("frames" in value or "structure" in value):
            return None
        settings = Cp2kSettings.model_validate(value["parameters"].get_dict())
        try:
            system = job_system(value, settings)
            if "files" in value:
                check_files(value["files"])
                check_entries(settings, sorted(set(system.symbols)), value["files"])
            complete_level_of_theory(level_of_theory(settings, {}), Frames((system,)))
            if _moves_cell(value) and not stress_is_analytic(settings, system.cells):
                return (
                    "hubbard is set for a run that moves the cell, and the cell is narrower than "
                    "10 Å, where CP2K's stress lacks a part; take a supercell"
                )
        except ValueError as error:
            return str(error)
        return None

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Render the input, write coordinates and cells, and name the data files."""
        options = self.inputs.metadata.options
        settings = Cp2kSettings.model_validate(self.inputs.parameters.get_dict())
        files = self.inputs.files
        system = job_system(self.inputs, settings)
        calcinfo = CalcInfo()
        targets = {f"BASIS_SETS_{i}": node for i, node in enumerate(basis_files(files))}
        names = list(targets)
        targets[POTENTIAL_FILE] = files["potential"]
        if "restart" in self.inputs:
            targets[RESTART_FILE] = self.inputs.restart
        if settings.dispersion != "none":
            targets[DISPERSION_FILE] = files["dispersion"]
        calcinfo.local_copy_list = [
            (node.uuid, node.filename, target) for target, node in targets.items()
        ]
        seed, run_type = None, "MD"
        if "md" in self.inputs:
            md = Cp2kMDParameters.model_validate(self.inputs.md.get_dict())
            motion, seed = md_motion(md), md.seed
        elif "relax" in self.inputs:
            relax = Cp2kRelaxParameters.model_validate(self.inputs.relax.get_dict())
            motion, run_type = relax_motion(relax), relax_run_type(relax)
        else:
            motion = label_motion(system.n_frames)
            _write(folder, REFERENCE_TRAJECTORY_FILE, xyz_text(system))
            _write(folder, REFERENCE_CELL_FILE, cell_text(system))
        # A guess from wave functions of unrelated frames is worth one frame at most.
        extrapolation = "ASPC" if "md" in self.inputs else "USE_PREV_WF"
        force = force_eval(
            settings, sorted(set(system.symbols)), system.cells, extrapolation, names
        )
        _write(folder, COORDINATES_FILE, xyz_text(system.take([0])))
        seconds = options.get("max_wallclock_seconds")
        content = cp2k_input(
            self._DEFAULT_PROJECT_NAME,
            force,
            motion,
            run_type=run_type,
            seed=seed,
            walltime_s=(
                int(seconds * (1 - _WALLTIME_SHARE))
                if seconds and seconds >= _WALLTIME_LEAST
                else None
            ),
            restart="restart" in self.inputs,
        )
        _write(folder, options.input_filename, Cp2kInput(content).render() + "\n")

        codeinfo = CodeInfo()
        codeinfo.cmdline_params = ["-i", options.input_filename]
        codeinfo.code_uuid = self.inputs.code.uuid
        codeinfo.stdout_name = options.output_filename
        codeinfo.join_files = True
        calcinfo.codes_info = [codeinfo]
        calcinfo.prepend_text = walltime_guard(seconds)
        calcinfo.prepend_text += thread_limits(options.resources.get("num_cores_per_mpiproc") or 1)
        calcinfo.retrieve_list = [options.output_filename, WALLTIME_FILE]
        project = self._DEFAULT_PROJECT_NAME
        calcinfo.retrieve_temporary_list = [
            self._DEFAULT_TRAJECT_XYZ_FILE_NAME,
            self._DEFAULT_TRAJECT_FORCES_FILE_NAME,
            self._DEFAULT_TRAJECT_CELL_FILE_NAME,
            f"{project}-1.ener",
            f"{project}-1.restart",
        ]
        return calcinfo


def _write(folder: Folder, name: str, text: str) -> None:
    with folder.open(name, "w", encoding="utf-8") as handle:
        handle.write(text)


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(Cp2kSettings, value.get_dict())


def _validate_md(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(Cp2kMDParameters, value.get_dict())


def _validate_relax(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(Cp2kRelaxParameters, value.get_dict())


def _moves_cell(inputs: Mapping[str, Any]) -> bool:
    if "relax" in inputs:
        return bool(inputs["relax"].get_dict().get("cell"))
    return "md" in inputs and inputs["md"].get_dict().get("ensemble") == "npt"
