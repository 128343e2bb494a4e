"""Ports and exit codes of the barrier search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm

from ..calculations.ase_neb import AseNebCalculation
from ..calculations.ase_parameters import NebParameters
from ..calculations.cp2k_neb import Cp2kNebCalculation
from ..calculations.evaluate import EvaluateCalculation
from ..calculations.lammps_neb import LammpsNebCalculation, processes_problem
from ..calculations.parameters import validation_message
from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from ..data.trajectory import MDTrajectoryData
from ..science.barriers import EndPoints, EndPointsError, HarvestSettings, check_end_points
from .label.engines import LABEL_ENGINES, engine_of
from .vasp_neb import VaspNebWorkChain

#: What relaxes the labeller's own band, by the name of its namespace in ``reference``. All take
#: ``path`` and put out ``frames`` (the images in order, with energies and forces) and ``results``.
BAND_ENGINES = {"ase": AseNebCalculation, "cp2k": Cp2kNebCalculation, "vasp": VaspNebWorkChain}

#: What relaxes the bands on the potential, by the name of its namespace.
POTENTIAL_BAND_ENGINES = {"neb": AseNebCalculation, "neb_lammps": LammpsNebCalculation}

#: Where an engine's settings are that may state the charge of the cell.
SETTINGS_OF_ENGINES = {"ase": "calculator", "cp2k": "parameters", "vasp": "parameters"}


def define_inputs(spec: Any) -> None:
    """Declare paths, potentials, and what labels."""
    optional = {"required": False, "populate_defaults": False}
    for name in ("initial", "final"):
        spec.input_namespace(
            name,
            valid_type=orm.StructureData,
            dynamic=True,
            required=False,
            help=f"The {name} structures, by path.",
        )
    spec.input(
        "host",
        valid_type=orm.StructureData,
        required=False,
        help="Crystal in which 'directions' are sought.",
    )
    spec.input(
        "directions",
        valid_type=orm.Dict,
        required=False,
        serializer=orm.to_aiida_type,
        help="symbol (the ion that jumps) and directions, a list of [u, v, w]; also mechanism, "
        "max_length_A, max_angle_degrees, min_width_A.",
    )
    spec.input_namespace(
        "trajectories",
        valid_type=MDTrajectoryData,
        dynamic=True,
        required=False,
        help="Runs in which 'harvest' looks for hops, named as a transport stage names them.",
    )
    spec.input(
        "harvest",
        valid_type=orm.Dict,
        required=False,
        serializer=orm.to_aiida_type,
        validator=_validate_harvest,
        help="symbol, core_radius_A, window_ps and distance_A; see HarvestSettings.",
    )
    spec.input("potential", valid_type=PotentialData, help="What the bands are found on.")
    spec.input_namespace(
        "committee",
        valid_type=PotentialData,
        dynamic=True,
        required=False,
        help="Potentials that judge the images, usually with 'potential' among them.",
    )
    spec.expose_inputs(
        EvaluateCalculation,
        namespace="evaluate",
        exclude=("potentials", "frames", "trajectory"),
        namespace_options=dict(optional),
    )
    for name, process in POTENTIAL_BAND_ENGINES.items():
        spec.expose_inputs(
            process,
            namespace=name,
            exclude=("initial", "final", "path", "potential", "calculator"),
            namespace_options=dict(optional),
        )
        # The ends are given to the jobs later.
        spec.inputs[name].validator = None
    for name, process in LABEL_ENGINES.items():
        spec.expose_inputs(
            process,
            namespace=f"label.{name}",
            exclude=("frames", "max_concurrent"),
            namespace_options=dict(optional),
        )
    for name, process in BAND_ENGINES.items():
        spec.expose_inputs(
            process,
            namespace=f"reference.{name}",
            exclude=("initial", "final", "path"),
            namespace_options=dict(optional),
        )
        spec.inputs["reference"][name].validator = None
    spec.inputs.validator = validate_inputs


def define_outputs(spec: Any) -> None:
    """Declare images, labels and barriers."""
    spec.output_namespace(
        "paths",
        valid_type=FrameSetData,
        dynamic=True,
        required=False,
        help="Images by path, both ends included, with energies and forces of the potential; "
        "also of bands that are not converged.",
    )
    spec.output("labels", valid_type=FrameSetData, required=False, help="The same, labelled.")
    spec.output_namespace(
        "reference_paths",
        valid_type=FrameSetData,
        dynamic=True,
        required=False,
        help="Images of the labeller's own bands.",
    )
    spec.output(
        "barriers",
        valid_type=orm.Dict,
        required=False,
        help="By path: barrier, reverse barrier and reaction energy (eV) of the potential, of "
        "the labeller on the same images and on its own band, the force errors (eV/Å), and "
        "what the committee says.",
    )
    spec.output("profiles", valid_type=orm.ArrayData, required=False, help="Energies by path.")


def define_exit_codes(spec: Any) -> None:
    """Declare the exit codes: what there is stays attached."""
    spec.exit_code(
        310, "ERROR_NO_ENDS", message="no path can be built along these directions: {reason}"
    )
    spec.exit_code(311, "ERROR_NO_BAND", message="no band has an image: {reason}")
    spec.exit_code(
        312,
        "ERROR_BANDS_NOT_CONVERGED",
        message="these bands are not converged, what they have is kept: {reason}",
    )
    spec.exit_code(
        320, "ERROR_LABELLING_FAILED", message="the labeller failed on the images: {reason}"
    )


def _validate_harvest(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    return validation_message(HarvestSettings, value.get_dict())


def paths_problem(value: Mapping[str, Any]) -> str | None:
    """Return why the given paths, directions and harvest do not fit together, or None."""
    initial, final = (sorted(value.get(name, {})) for name in ("initial", "final"))
    if initial != final:
        return f"initial has {initial} and final {final}, expected the same names of paths"
    if ("host" in value) != ("directions" in value):
        return "one of 'host' and 'directions' is given, expected both or neither"
    if not initial and "directions" not in value and "harvest" not in value:
        return (
            "no path is given: expected 'initial' and 'final', 'host' and 'directions', or "
            "'harvest' and 'trajectories'"
        )
    return None


def engine_problem(value: Mapping[str, Any]) -> str | None:
    """Return why it is not said what relaxes the bands on the potential, or None."""
    given = [name for name in POTENTIAL_BAND_ENGINES if value.get(name)]
    if len(given) != 1:
        return f"{given} given, expected one of {list(POTENTIAL_BAND_ENGINES)}"
    if given == ["neb_lammps"]:
        # Jobs are submitted later, and their own check would then end the whole search.
        job = value["neb_lammps"]
        images = NebParameters.model_validate(job["parameters"].get_dict()).images
        problem = processes_problem(job, images + 2)
        return None if problem is None else f"neb_lammps: {problem}"
    return None


def state_problem(value: Mapping[str, Any]) -> str | None:
    """Return why the labeller computes another charge or spin than the images have, or None."""
    engine = engine_of(value.get("label", {}))
    bands = next((value[name] for name in POTENTIAL_BAND_ENGINES if value.get(name)), None)
    if engine not in SETTINGS_OF_ENGINES or bands is None or "parameters" not in bands:
        return None
    port = SETTINGS_OF_ENGINES[engine]
    job = value["label"][engine].get(engine, {})
    if port not in job:
        return None
    images = NebParameters.model_validate(bands["parameters"].get_dict())
    for name in ("charge", "multiplicity"):
        stated = job[port].get_dict().get(name)
        # An ASE calculator without its own takes that of the frames.
        if stated is None and engine != "ase":
            stated = NebParameters.model_fields[name].default
        if stated is not None and stated != getattr(images, name):
            return (
                f"label.{engine}.{engine}.{port}: {name} is {stated}, and the images have "
                f"{getattr(images, name)} by the {name} of the band; give both the same, in a "
                f"file '{name}' of '{engine}' and of 'parameters'"
            )
    return None


def _ends_problem(value: Mapping[str, Any]) -> str | None:
    """Return why a given pair of structures is no path, or None."""
    for name, initial in value.get("initial", {}).items():
        try:
            check_end_points(EndPoints(initial.get_ase(), value["final"][name].get_ase()))
        except EndPointsError as error:
            return f"initial.{name} and final.{name}: {error}"
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Return why the inputs do not fit together, or None."""
    if ("harvest" in value) != bool(value.get("trajectories")):
        return "one of 'harvest' and 'trajectories' is given, expected both or neither"
    problem = (
        paths_problem(value)
        or _ends_problem(value)
        or engine_problem(value)
        or state_problem(value)
    )
    if problem:
        return problem
    if value.get("committee") and "code" not in value.get("evaluate", {}):
        return "committee is given and evaluate.code is not, expected the Python that evaluates it"
    for namespace in ("label", "reference"):
        filled = [name for name, inputs in value.get(namespace, {}).items() if inputs]
        if len(filled) > 1:
            return f"{namespace} has {filled}, expected one engine"
    return None
