"""Ports, exit codes and validation of the transport WorkChain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida import orm

from ...calculations.lammps_md import LammpsMDCalculation, validate_inputs
from ...calculations.lammps_script import LammpsMDParameters
from ...calculations.parameters import validation_message
from ...data.potential import PotentialData
from ...data.trajectory import MDTrajectoryData
from ...science.transport.mechanism_settings import MechanismSettings
from .. import validators
from .drivers import driven_by
from .targets import ExtensionParameters


def define_inputs(spec: Any) -> None:
    """Declare the inputs."""
    spec.input_namespace(
        "structures", valid_type=orm.StructureData, dynamic=True, help="Cells to simulate."
    )
    spec.expose_inputs(
        LammpsMDCalculation,
        namespace="md",
        exclude=("structure", "parameters", "restart", "potentials"),
    )
    spec.input_namespace(
        "potentials",
        valid_type=PotentialData,
        dynamic=True,
        help="The committee; the first in order of name drives, the others give the deviation.",
    )
    spec.input(
        "drivers",
        valid_type=orm.Int,
        serializer=orm.to_aiida_type,
        default=lambda: orm.Int(1),
        validator=validators.count("drivers"),
        help="Members of the committee that drive runs of their own, in order of name. From two "
        "on, the error of every observable joins that of the sampling and of the committee.",
    )
    spec.input(
        "temperatures",
        valid_type=orm.List,
        serializer=orm.to_aiida_type,
        validator=validators.temperatures,
        help="Temperatures in K; an Arrhenius fit needs three or more.",
    )
    spec.input(
        "replicas",
        valid_type=orm.Int,
        serializer=orm.to_aiida_type,
        default=lambda: orm.Int(1),
        validator=validators.count("replicas"),
        help="Independent runs (seeds) per structure, temperature and driving member.",
    )
    spec.input(
        "parameters",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        help="MD parameters of mliptransport.lammps.md, without temperature and seed.",
    )
    spec.input(
        "melt",
        valid_type=orm.Dict,
        required=False,
        serializer=orm.to_aiida_type,
        help="temperature_K and steps of a first run per structure, from whose last frame all "
        "temperatures start: how a crystal melts. Other keys replace those of parameters.",
    )
    spec.input(
        "mean_cell",
        valid_type=orm.Dict,
        required=False,
        serializer=orm.to_aiida_type,
        help="pressure_bar and steps of an NPT run per structure, temperature and driving member; "
        "production runs in its mean cell. Other keys replace those of parameters.",
    )
    spec.input(
        "charges",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        help="Charge of each element in elementary charges; never guessed.",
    )
    spec.input(
        "analysis",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        help="Parameters of the analysis (reference frame, target of the relative error, …).",
    )
    spec.input(
        "extension",
        valid_type=orm.Dict,
        required=False,
        serializer=orm.to_aiida_type,
        validator=_validate_extension,
        help="max_segments, max_relative_error_D, max_relative_error_sigma (one standard error "
        "of the sampling over the value) and species (elements whose D counts): runs go on until "
        "both are met and all runs are equilibrated.",
    )
    spec.input(
        "mechanism",
        valid_type=orm.Dict,
        required=False,
        serializer=orm.to_aiida_type,
        validator=_validate_mechanism,
        help="hops, molecules, vibrations, van_hove: what to look for in the trajectories besides "
        "D and σ; see science.transport.mechanism_settings.",
    )
    spec.input("seed", valid_type=orm.Int, serializer=orm.to_aiida_type, help="Base seed.")
    spec.inputs.validator = _validate_inputs


def define_outputs(spec: Any) -> None:
    """Declare the outputs."""
    spec.output("observables", valid_type=orm.Dict, help="D (cm²/s), σ (mS/cm), Ea (eV), …")
    spec.output("curves", valid_type=orm.ArrayData, help="MSD (Å²) over time (ps), RDF, …")
    spec.output(
        "mechanism",
        valid_type=orm.Dict,
        required=False,
        help="Rates of hops and conversions, correlation factors, lifetimes, parts of σ, …",
    )
    spec.output(
        "mechanism_curves",
        valid_type=orm.ArrayData,
        required=False,
        help="Jump lengths, sites, numbers of molecules, densities of states, van Hove functions.",
    )
    spec.output_namespace(
        "trajectories",
        valid_type=MDTrajectoryData,
        dynamic=True,
        help="<structure>_<T>K[_member<i>]_replica<j>[_segment<k>] of the production runs.",
    )


def define_exit_codes(spec: Any) -> None:
    """Declare the exit codes."""
    spec.exit_code(
        310, "ERROR_NO_MELT", message="No run that melts a structure succeeded: {reason}"
    )
    spec.exit_code(
        311,
        "ERROR_NO_TRAJECTORY",
        message="No production run ended with a whole trajectory; see the reports of the runs.",
    )
    spec.exit_code(
        312,
        "ERROR_ANALYSIS_FAILED",
        message="The analysis failed: {reason}. The trajectories are kept as outputs.",
    )
    spec.exit_code(
        313,
        "ERROR_NO_MEAN_CELL",
        message="No NPT run gave a mean cell, so there is nothing to produce in; the first "
        "failure: {reason}",
    )
    spec.exit_code(
        314,
        "ERROR_MECHANISM_FAILED",
        message="D and σ are there, but not the mechanism: {reason}",
    )


def _validate_mechanism(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    problem = validation_message(MechanismSettings, value.get_dict())
    return f"mechanism: {problem}" if problem else None


def _validate_extension(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    problem = validation_message(ExtensionParameters, value.get_dict())
    return f"extension: {problem}" if problem else None


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what would fail in the first job, or in the analysis after the last one."""
    structures = value.get("structures") or {}
    charges = value["charges"].get_dict() if "charges" in value else None
    for name, structure in structures.items():
        missing = [] if charges is None else sorted(structure.get_symbols_set() - set(charges))
        if missing:
            return f"charges lack {missing} of structures.{name}; give the charge of every element"
    for element in value["extension"].get_dict()["species"] if "extension" in value else ():
        if not any(element in structure.get_symbols_set() for structure in structures.values()):
            return (
                f"extension.species holds {element!r}, which no structure has; name the elements "
                "whose D is to be known"
            )
    problem = _mechanism_problem(value) if "mechanism" in value else None
    if problem:
        return problem
    potentials = value.get("potentials") or {}
    if potentials and "drivers" in value and value["drivers"].value > len(potentials):
        return (
            f"drivers is {value['drivers'].value}, but there are {len(potentials)} potentials; "
            "give more members, or let fewer drive"
        )
    if "parameters" not in value:
        return None
    for stage, given in _stages(value):
        problem = validation_message(LammpsMDParameters, given)
        if problem:
            return f"{stage}: {problem}"
        for name, structure in structures.items():
            job = {"structure": structure, "parameters": orm.Dict(given)}
            if potentials:
                job["potentials"] = driven_by(potentials, 0)
            problem = validate_inputs(job, None)
            if problem:
                return f"structures.{name}, {stage}: {problem}"
    return None


def _mechanism_problem(value: Mapping[str, Any]) -> str | None:
    """Refuse what the trajectories will not hold."""
    settings = MechanismSettings.model_validate(value["mechanism"].get_dict())
    for name, structure in (value.get("structures") or {}).items():
        absent = sorted(settings.elements - structure.get_symbols_set())
        if absent:
            return f"mechanism names {absent}, which structures.{name} does not have"
    stored = value["parameters"].get_dict().get("store_velocities") if "parameters" in value else 1
    if settings.vibrations is not None and not stored:
        return (
            "mechanism.vibrations needs velocities; set parameters.store_velocities to true and "
            "parameters.trajectory_stride to a few femtoseconds"
        )
    return None


def _stages(value: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and MD parameters of each kind of run, with stand-ins for what comes later."""
    base = {"temperature_K": 1.0, **value["parameters"].get_dict(), "seed": 1}
    yield "parameters", base
    if "melt" in value:
        yield "melt", {**base, **value["melt"].get_dict()}
    if "mean_cell" in value:
        yield "mean_cell", mean_cell_parameters(base, value["mean_cell"].get_dict())


def mean_cell_parameters(
    parameters: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the MD parameters of the NPT run that gives the mean cell."""
    return {**parameters, "ensemble": "npt", **changes}
