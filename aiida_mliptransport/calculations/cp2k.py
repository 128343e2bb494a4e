"""CalcJob that labels frames or runs MD with CP2K from typed settings, without a free input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type

from ..data.frames import FrameSetData
from ..data.trajectory import MDTrajectoryData
from ..science.frames import System
from .cp2k_base import BaseCp2kCalculation, Cp2kTask, write_text
from .cp2k_input import (
    REFERENCE_CELL_FILE,
    REFERENCE_TRAJECTORY_FILE,
    cell_text,
    force_eval,
    label_motion,
    md_motion,
    relax_motion,
    relax_run_type,
    xyz_text,
)
from .cp2k_settings import (
    Cp2kMDParameters,
    Cp2kRelaxParameters,
    Cp2kSettings,
    stress_is_analytic,
)
from .parameters import validation_message

#: Ports that say what a run does; the others say how, and are exposed by WorkChains.
TASK_INPUTS = ("frames", "structure", "md", "relax", "restart")


class Cp2kLabelCalculation(BaseCp2kCalculation):
    """Label ``frames`` of one composition, or run MD from ``structure``, or relax it.

    Every frame of MD and of the path of a relaxation is a label.

    Energy, forces and stress come from CP2K's Quickstep; the input is rendered from typed
    ``parameters``, the free one of the parent class is gone.
    """

    _DEFAULT_PARSER = "mliptransport.cp2k"

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
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
            315,
            "ERROR_NOT_RELAXED",
            message="Not relaxed after {n_steps} steps: the largest force is {force} eV/Å. The "
            "structure and {n_frames} labels are kept; raise relax.steps.",
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

    @classmethod
    def validate_inputs(cls, value: Mapping[str, Any], port: Any) -> str | None:
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
        return super().validate_inputs(value, port)

    @classmethod
    def problem(
        cls, value: Mapping[str, Any], settings: Cp2kSettings, system: System
    ) -> str | None:
        if _moves_cell(value) and not stress_is_analytic(settings, system.cells):
            return (
                "hubbard is set for a run that moves the cell, and the cell is narrower than "
                "10 Å, where CP2K's stress lacks a part; take a supercell"
            )
        return None

    def task(self, folder: Folder, settings: Cp2kSettings, system: System) -> Cp2kTask:
        seed, run_type = None, "MD"
        if "md" in self.inputs:
            md = Cp2kMDParameters.model_validate(self.inputs.md.get_dict())
            motion, seed = md_motion(md), md.seed
        elif "relax" in self.inputs:
            relax = Cp2kRelaxParameters.model_validate(self.inputs.relax.get_dict())
            motion, run_type = relax_motion(relax), relax_run_type(relax)
        else:
            motion = label_motion(system.n_frames)
            write_text(folder, REFERENCE_TRAJECTORY_FILE, xyz_text(system))
            write_text(folder, REFERENCE_CELL_FILE, cell_text(system))
        # A guess from wave functions of unrelated frames is worth one frame at most.
        extrapolation = "ASPC" if "md" in self.inputs else "USE_PREV_WF"
        elements = sorted(set(system.symbols))
        return Cp2kTask(
            run_type=run_type,
            force_eval=force_eval(
                settings, elements, system.cells, extrapolation, self.basis_names()
            ),
            motion=motion,
            files=(
                self._DEFAULT_TRAJECT_XYZ_FILE_NAME,
                self._DEFAULT_TRAJECT_FORCES_FILE_NAME,
                self._DEFAULT_TRAJECT_CELL_FILE_NAME,
                f"{self._DEFAULT_PROJECT_NAME}-1.ener",
                f"{self._DEFAULT_PROJECT_NAME}-1.restart",
            ),
            seed=seed,
            restart=self.inputs.get("restart"),
        )


def _validate_md(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(Cp2kMDParameters, value.get_dict())


def _validate_relax(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(Cp2kRelaxParameters, value.get_dict())


def _moves_cell(inputs: Mapping[str, Any]) -> bool:
    if "relax" in inputs:
        return bool(inputs["relax"].get_dict().get("cell"))
    return "md" in inputs and inputs["md"].get_dict().get("ensemble") == "npt"
