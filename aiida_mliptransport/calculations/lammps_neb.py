"""CalcJob that finds the minimum-energy path between two structures with LAMMPS over partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type
from aiida_lammps.calculations.raw import LammpsRawCalculation

from ..backends import PotentialError
from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from ..science.barriers import continuous, idpp_path
from ..science.frames import System
from .ase_neb import declare_band_ends, ends_of, paths_problem
from .ase_parameters import NebParameters
from .disk import declare_disk_full
from .lammps_neb_script import LOG_BASE, band_script, data_file, image_files
from .lammps_pair import lammps_pair, run_files
from .lammps_script import render_data, restricted_cell
from .parameters import validation_message
from .threads import thread_limits
from .walltime import WALLTIME_FILE, walltime_guard


class LammpsNebCalculation(LammpsRawCalculation):
    """Find the minimum-energy path between two structures by a nudged elastic band.

    Each image has MPI processes of its own, so the job asks for as many as there are images with
    both ends, or a multiple. Parameters, results and meaning are those of ``mliptransport.ase.neb``
    but for two things: the images between the ends begin between those that were given, not
    between the relaxed ones; and where ``climb`` is set, half of ``steps`` is for the band before
    it climbs.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        for name in ("script", "files", "filenames", "settings"):
            del spec.inputs[name]
        for name in ("initial", "final"):
            spec.input(
                name,
                valid_type=orm.StructureData,
                required=False,
                help=f"The {name} structure; both ends have the same atoms in one order and cell.",
            )
        spec.input(
            "path",
            valid_type=FrameSetData,
            required=False,
            help="Images to begin with, both ends included, instead of 'initial' and 'final'.",
        )
        spec.input("potential", valid_type=PotentialData, help="What the band is found on.")
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_validate_parameters,
            default=lambda: orm.Dict(NebParameters().model_dump()),
            help="images, climb, spring_eV_A2, force_tolerance_eV_A, steps, relax_ends, "
            "end_force_tolerance_eV_A, end_steps, charge, multiplicity.",
        )
        spec.inputs.validator = validate_inputs
        options = spec.inputs["metadata"]["options"]
        options["withmpi"].default = True
        options["parser_name"].default = "mliptransport.lammps.neb"

        spec.output(
            "frames",
            valid_type=FrameSetData,
            required=False,
            help="Images of the last step that all wrote, in order, both ends included, with "
            "energies (eV) and forces (eV/Å) of the potential.",
        )
        spec.outputs["results"].required = False
        spec.outputs["results"].help = (
            "barrier_eV (highest image over the initial one), reverse_barrier_eV, "
            "reaction_energy_eV, max_force_eV_A and the history of both by step."
        )
        spec.default_output_node = "results"
        _define_exit_codes(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write one data file an image and the script, and name the files of the potential."""
        options = self.inputs.metadata.options
        parameters = NebParameters.model_validate(self.inputs.parameters.get_dict())
        images = starting_images(self.inputs)
        cell = restricted_cell(images.cells[0])[0]
        pair = lammps_pair(_potentials(self.inputs), images.symbols)
        for number, atoms in enumerate(images.to_atoms()):
            with folder.open(data_file(number), "w") as handle:
                handle.write(render_data(atoms, dict(pair.charges)))
        with folder.open(options.input_filename, "w") as handle:
            handle.write(band_script(parameters, pair, images.n_frames, cell))

        calcinfo = CalcInfo()
        calcinfo.local_copy_list = [
            (node.uuid, source, target)
            for node, source, target in run_files(_potentials(self.inputs))
        ]
        codeinfo = CodeInfo()
        each = n_processes(options.resources) // images.n_frames
        codeinfo.cmdline_params = [
            "-partition", f"{images.n_frames}x{each}", "-in", options.input_filename,
            "-log", "none", "-plog", LOG_BASE, "-pscreen", "none", "-nocite",
        ]  # fmt: skip
        codeinfo.code_uuid = self.inputs.code.uuid
        codeinfo.stdout_name = options.output_filename
        calcinfo.codes_info = [codeinfo]
        calcinfo.prepend_text = walltime_guard(options.get("max_wallclock_seconds"))
        calcinfo.prepend_text += thread_limits(options.resources.get("num_cores_per_mpiproc") or 1)
        calcinfo.retrieve_list = [options.output_filename, WALLTIME_FILE]
        calcinfo.retrieve_temporary_list = [
            name for number in range(images.n_frames) for name in image_files(number)
        ]
        return calcinfo


def starting_images(inputs: Mapping[str, Any]) -> System:
    """Return the images that the band begins with, in order, both ends included.

    Raises
    ------
    EndPointsError
        If the ends are not two states of the same atoms.
    """
    if "path" in inputs:
        return continuous(inputs["path"].frames.systems[0].without_labels())
    parameters = NebParameters.model_validate(inputs["parameters"].get_dict())
    return idpp_path(ends_of(inputs).systems[0], parameters.images)


def n_processes(resources: Mapping[str, Any]) -> int:
    """Return how many MPI processes a job asks for."""
    total = resources.get("tot_num_mpiprocs")
    if total is None:
        total = resources.get("num_machines", 1) * resources.get("num_mpiprocs_per_machine", 1)
    return int(total)


def _potentials(inputs: Mapping[str, Any]) -> dict[str, PotentialData]:
    return {"potential": inputs["potential"]}


def _define_exit_codes(spec: CalcJobProcessSpec) -> None:
    # Of aiida-lammps: whatever LAMMPS says itself, also of memory, files and devices.
    spec.exit_code(
        309,
        "ERROR_PARSER_DETECTED_LAMMPS_RUN_ERROR",
        invalidates_cache=True,
        message="LAMMPS stopped: {error}",
    )
    spec.exit_code(
        310,
        "ERROR_NO_FRAMES",
        invalidates_cache=True,
        message="LAMMPS wrote no whole band: {reason}",
    )
    declare_band_ends(spec)
    spec.exit_code(
        315,
        "ERROR_INTERRUPTED",
        invalidates_cache=True,
        message="LAMMPS ended after step {step} without saying why (killed, out of memory?); the "
        "band of that step is kept.",
    )
    spec.exit_code(
        316,
        "ERROR_PARTITIONS",
        invalidates_cache=True,
        message="LAMMPS saw another number of processes than images: {reason}. Is the mpirun of "
        "the computer of the MPI that LAMMPS was built with?",
    )
    spec.exit_code(
        320,
        "ERROR_UNKNOWN_STYLE",
        invalidates_cache=True,
        message="LAMMPS does not know what the band needs: {reason}. Load the plugin of the "
        "potential, and use a LAMMPS with the packages REPLICA (bands) and EXTRA-FIX (forces).",
    )
    spec.exit_code(
        321,
        "ERROR_POTENTIAL_UNREADABLE",
        invalidates_cache=True,
        message="LAMMPS cannot read the potential: {reason}. Use a LAMMPS plugin of the framework "
        "version that made it.",
    )
    spec.exit_code(
        400,
        "ERROR_OUT_OF_WALLTIME",
        invalidates_cache=True,
        message="Out of wall clock time after step {step} of the band, which is kept; raise "
        "max_wallclock_seconds, or go on from these images.",
    )
    declare_disk_full(spec)


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(NebParameters, value.get_dict())


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Check what needs several inputs; those that an exposing workflow leaves out are not there."""
    problem = paths_problem(value)
    if problem or not {"potential", "parameters"} <= set(value):
        return problem
    parameters = NebParameters.model_validate(value["parameters"].get_dict())
    given = value["path"].frames.systems[0] if "path" in value else ends_of(value).systems[0]
    count = given.n_frames if "path" in value else parameters.images + 2
    try:
        lammps_pair(_potentials(value), given.symbols)
    except PotentialError as error:
        return str(error)
    if not all(given.pbc):
        return (
            f"the structures have pbc {tuple(bool(x) for x in given.pbc)}, expected a cell that "
            "is periodic along all three vectors"
        )
    return processes_problem(value, count)


def processes_problem(value: Mapping[str, Any], n_images: int) -> str | None:
    """Return why a job cannot give each of the images (both ends included) a process, or None."""
    code = value.get("code")
    if code is not None and code.with_mpi is False:
        return (
            f"code {code.full_label} is set to run without MPI, and each image has a process of "
            "its own; give a code of LAMMPS with with_mpi true, or unset: rename this one with "
            f"`verdi code relabel {code.full_label} {code.label}-serial` and make it again"
        )
    processes = n_processes(value["metadata"]["options"]["resources"])
    if processes % n_images:
        return (
            f"metadata.options.resources ask for {processes} MPI processes and the band has "
            f"{n_images} images with both ends, expected as many or a multiple: give "
            f"{{'num_machines': 1, 'num_mpiprocs_per_machine': {n_images}}}"
        )
    return None
