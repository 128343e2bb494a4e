"""CalcJob that runs molecular dynamics with LAMMPS from typed settings, without a free script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type
from aiida_lammps.calculations.raw import LammpsRawCalculation
from ase import Atoms

from ..backends import LammpsPair, PotentialError
from ..data.potential import PotentialData
from ..data.trajectory import MDTrajectoryData
from .disk import declare_disk_full
from .lammps_pair import lammps_pair, run_files
from .lammps_script import (
    DATA_FILE,
    DUMP_FILE,
    RESTART_INPUT_FILE,
    RESTART_OUTPUT_FILE,
    SPECIES_FILE,
    STATE_FILE,
    THERMO_FILE,
    LammpsMDParameters,
    render_data,
    render_script,
    restricted_cell,
)
from .parameters import validation_message
from .threads import thread_limits
from .walltime import WALLTIME_FILE, walltime_guard


class LammpsMDCalculation(LammpsRawCalculation):
    """Run MD in LAMMPS with one potential or a committee, of which the first member drives.

    The script is rendered from ``parameters``; the free ``script`` of the parent class is gone.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        for name in ("script", "files", "filenames", "settings"):
            del spec.inputs[name]
        spec.input(
            "structure",
            valid_type=orm.StructureData,
            help="Periodic start structure (Å); with a restart it names the atoms.",
        )
        spec.input_namespace(
            "potentials",
            valid_type=PotentialData,
            dynamic=True,
            help="Potentials by name (member_0, member_1, …); the first in order of name drives, "
            "the others give the deviation of the forces.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_validate_parameters,
            help="ensemble (nvt, npt, nve), temperature_K, pressure_bar, pressure_coupling (iso, "
            "aniso, tri), steps, equilibration_steps (run first, not recorded), timestep_fs, "
            "thermostat_damping_fs, barostat_damping_fs, seed, trajectory_stride, thermo_stride, "
            "species_stride, deviation_stride (steps), store_velocities, store_forces.",
        )
        spec.input(
            "restart",
            valid_type=orm.SinglefileData,
            required=False,
            help="Output 'restart' of an earlier run, which goes on for 'steps' further steps.",
        )
        spec.inputs.validator = validate_inputs
        options = spec.inputs["metadata"]["options"]
        options["resources"].default = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
        options["withmpi"].default = False
        options["parser_name"].default = "mliptransport.lammps.md"

        spec.output(
            "trajectory",
            valid_type=MDTrajectoryData,
            required=False,
            help="Unwrapped positions (Å), thermo, species displacements; also of a run that blew "
            "up, up to the last whole finite frame.",
        )
        spec.output(
            "restart",
            valid_type=orm.SinglefileData,
            required=False,
            help="State from which another run goes on: positions, velocities, thermostat.",
        )
        spec.outputs["results"].required = False
        spec.outputs[
            "results"
        ].help = (
            "Last thermo values, speed (katom-step/s), LAMMPS version, whether completed, warnings."
        )
        spec.default_output_node = "results"
        # Of aiida-lammps: whatever LAMMPS says itself, also of memory, files and devices.
        spec.exit_code(
            309,
            "ERROR_PARSER_DETECTED_LAMMPS_RUN_ERROR",
            invalidates_cache=True,
            message="LAMMPS stopped: {error}",
        )
        spec.exit_code(
            310,
            "ERROR_BLOW_UP",
            message="The dynamics blew up after step {step} ({reason}); what came before is kept. "
            "Label frames of it, or use a shorter timestep.",
        )
        spec.exit_code(
            311,
            "ERROR_NOT_FINITE",
            message="Energies or positions are not finite after step {step}; what came before is "
            "kept. Check the start structure for atoms on top of each other.",
        )
        spec.exit_code(
            312,
            "ERROR_DUMP_TRUNCATED",
            invalidates_cache=True,
            message="The dump is cut off after {n_frames} whole frames, which are kept. Is the "
            "disk full?",
        )
        spec.exit_code(
            313,
            "ERROR_NO_FRAMES",
            invalidates_cache=True,
            message="LAMMPS wrote no whole frame: {reason}",
        )
        spec.exit_code(
            314,
            "ERROR_INTERRUPTED",
            invalidates_cache=True,
            message="LAMMPS ended after step {step} without saying why (killed, out of memory?); "
            "what came before is kept.",
        )
        spec.exit_code(
            320,
            "ERROR_UNKNOWN_STYLE",
            invalidates_cache=True,
            message="LAMMPS does not know what the potential needs: {reason}. Load the plugin (set "
            "LAMMPS_PLUGIN_PATH in the code's prepend_text, or use the lmp that deepmd-kit "
            "installs), or a LAMMPS built with that package.",
        )
        spec.exit_code(
            321,
            "ERROR_POTENTIAL_UNREADABLE",
            invalidates_cache=True,
            message="LAMMPS cannot read the potential: {reason}. Use a LAMMPS plugin of the "
            "framework version that made it.",
        )
        spec.exit_code(
            400,
            "ERROR_OUT_OF_WALLTIME",
            invalidates_cache=True,
            message="Out of wall clock time after step {step}; the trajectory so far is kept. Go "
            "on from the output 'restart' where there is one.",
        )
        spec.exit_code(
            401,
            "ERROR_OUT_OF_WALLTIME_BEFORE_PRODUCTION",
            invalidates_cache=True,
            message="Out of wall clock time before the first recorded step; raise "
            "max_wallclock_seconds or lower equilibration_steps.",
        )
        declare_disk_full(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write data file and script, and name the files of potentials and restart."""
        options = self.inputs.metadata.options
        parameters = LammpsMDParameters.model_validate(self.inputs.parameters.get_dict())
        atoms = self.inputs.structure.get_ase()
        pair = _pair(self.inputs.potentials, atoms, parameters)
        restart = "restart" in self.inputs
        script = render_script(
            parameters,
            pair,
            n_types=len(set(atoms.get_chemical_symbols())),
            cell=restricted_cell(atoms.cell.array)[0],
            restart=restart,
            max_wallclock_seconds=options.get("max_wallclock_seconds"),
        )
        with folder.open(options.input_filename, "w") as handle:
            handle.write(script)

        calcinfo = CalcInfo()
        calcinfo.local_copy_list = [
            (node.uuid, source, target)
            for node, source, target in run_files(self.inputs.potentials)
        ]
        if restart:
            node = self.inputs.restart
            calcinfo.local_copy_list.append((node.uuid, node.filename, RESTART_INPUT_FILE))
        else:
            with folder.open(DATA_FILE, "w") as handle:
                handle.write(render_data(atoms, dict(pair.charges)))
        codeinfo = CodeInfo()
        codeinfo.cmdline_params = ["-in", options.input_filename, "-log", "none", "-nocite"]
        codeinfo.code_uuid = self.inputs.code.uuid
        codeinfo.stdout_name = options.output_filename
        calcinfo.codes_info = [codeinfo]
        calcinfo.prepend_text = walltime_guard(options.get("max_wallclock_seconds"))
        calcinfo.prepend_text += thread_limits(options.resources.get("num_cores_per_mpiproc") or 1)
        calcinfo.retrieve_list = [options.output_filename, WALLTIME_FILE]
        calcinfo.retrieve_temporary_list = [
            DUMP_FILE, THERMO_FILE, SPECIES_FILE, STATE_FILE, RESTART_OUTPUT_FILE
        ]  # fmt: skip
        if pair.deviation_file is not None:
            calcinfo.retrieve_temporary_list.append(pair.deviation_file)
        return calcinfo


def ran_out_of_time(run: orm.CalcJobNode) -> bool:
    """Whether a run ended for wall clock time, with what it made so far."""
    return bool(run.exit_status == LammpsMDCalculation.exit_codes.ERROR_OUT_OF_WALLTIME.status)


def _pair(
    potentials: Mapping[str, PotentialData], atoms: Atoms, parameters: LammpsMDParameters
) -> LammpsPair:
    return lammps_pair(
        potentials,
        atoms.get_chemical_symbols(),
        deviation_stride=parameters.deviation_stride or parameters.trajectory_stride,
        moves_cell=parameters.ensemble == "npt",
    )


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(LammpsMDParameters, value.get_dict())


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Check what needs several inputs; those that an exposing workflow leaves out are not there."""
    structure = value.get("structure")
    if structure is not None:
        if not all(structure.pbc):
            return (
                f"structure has pbc {tuple(structure.pbc)}, expected a cell that is periodic along "
                "all three vectors; put the atoms in a periodic cell"
            )
        if abs(structure.get_cell_volume()) < 1e-6:
            return f"structure has cell {structure.cell} without volume; set a cell"
        if structure.is_alloy or structure.has_vacancies:
            return "structure has partially occupied sites; order it before the MD"
    potentials = value.get("potentials")
    if potentials is None or structure is None or value.get("parameters") is None:
        return None
    if not potentials:
        return "potentials is empty, expected one potential or a committee"
    parameters = LammpsMDParameters.model_validate(value["parameters"].get_dict())
    try:
        _pair(potentials, structure.get_ase(), parameters)
    except PotentialError as error:
        return str(error)
    return None
