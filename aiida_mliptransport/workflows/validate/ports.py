"""Ports, exit codes and validation of the validation WorkChain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm

from ...backends import PotentialError, get_backend
from ...calculations.ase import AseRelaxCalculation
from ...calculations.evaluate import EvaluateCalculation
from ...calculations.parameters import validation_message
from ...data.frames import FrameSetData
from ...data.potential import PotentialData
from ...data.trajectory import MDTrajectoryData
from ...science.validation import ValidationSettings
from ..explore import ExploreWorkChain
from ..label.engines import LABEL_ENGINES

#: A namespace that may stay empty.
OPTIONAL = {"required": False, "populate_defaults": False}


def define_inputs(spec: Any) -> None:
    """Declare the inputs."""
    spec.input_namespace(
        "potentials",
        valid_type=PotentialData,
        dynamic=True,
        help="The committee; the first in order of name drives, and is what is validated.",
    )
    spec.input_namespace(
        "structures",
        valid_type=orm.StructureData,
        dynamic=True,
        required=False,
        help="Structures that cells are built from, by name.",
    )
    spec.input(
        "checks",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        validator=_validate_checks,
        help="Check to its settings and tolerances; what is missing or None is not done. See "
        "science.validation.settings and protocols/validate.yaml.",
    )
    spec.expose_inputs(
        EvaluateCalculation,
        namespace="evaluate",
        exclude=("potentials", "frames", "trajectory", "parameters"),
    )
    for name, process in LABEL_ENGINES.items():
        spec.expose_inputs(
            process,
            namespace=f"label.{name}",
            exclude=("frames", "max_concurrent"),
            namespace_options=dict(OPTIONAL),
        )
    _define_relaxations(spec)
    spec.expose_inputs(
        ExploreWorkChain,
        namespace="explore",
        exclude=("potentials", "structures", "starts", "max_concurrent"),
        namespace_options=dict(OPTIONAL),
    )
    for name, kind, text in (
        ("blind_frames", FrameSetData, "Labelled frames never trained on, by temperature or so."),
        ("unseen_frames", FrameSetData, "Labelled frames of compositions never trained on."),
        ("training_frames", FrameSetData, "What it was trained on: gives the shortest distances."),
        ("trajectories", MDTrajectoryData, "MD of the potential, <structure>_<T>K_replica<i>."),
        ("aimd", MDTrajectoryData, "MD of the labeller for RDFs, <structure>_<T>K[_replica<i>]."),
    ):
        spec.input_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)
    spec.inputs.validator = validate_inputs


def _define_relaxations(spec: Any) -> None:
    spec.expose_inputs(
        AseRelaxCalculation,
        namespace="relax",
        exclude=("structure", "potential", "calculator"),
        namespace_options={**OPTIONAL, "help": "Relaxations with the potential ('lattice')."},
    )
    spec.expose_inputs(
        AseRelaxCalculation,
        namespace="reference_relax",
        exclude=("structure",),
        namespace_options={**OPTIONAL, "help": "Relaxations with the labeller ('lattice')."},
    )
    # The structures are given to the jobs later.
    spec.inputs["relax"].validator = None
    spec.inputs["reference_relax"].validator = None
    spec.input_namespace(
        "reference_structures",
        valid_type=orm.StructureData,
        dynamic=True,
        required=False,
        help="Structures that the labeller relaxed elsewhere, by name ('lattice').",
    )


def define_outputs(spec: Any) -> None:
    """Declare the outputs."""
    spec.output(
        "validation",
        valid_type=orm.Dict,
        required=False,
        help="'lines': check, subject, quantity, unit, potential, labeller, difference, "
        "uncertainty (one standard deviation), tolerance, verdict (pass, fail, warn, not "
        "available) and reason; 'counts' by verdict; 'passed'.",
    )
    spec.output(
        "curves",
        valid_type=orm.ArrayData,
        required=False,
        help="<check>_<subject>__<curve>: energies (eV), frequencies (THz), RDFs, …",
    )
    spec.output_namespace(
        "labels",
        valid_type=FrameSetData,
        dynamic=True,
        required=False,
        help="<check>_<subject>: labelled cells.",
    )
    spec.output_namespace(
        "trajectories",
        valid_type=MDTrajectoryData,
        dynamic=True,
        required=False,
        help="MD that was run for the stability, by run.",
    )


def define_exit_codes(spec: Any) -> None:
    """Declare the exit codes."""
    spec.exit_code(
        310, "ERROR_NOTHING_VALIDATED", message="No check could be made; the first said: {reason}"
    )
    spec.exit_code(
        410,
        "ERROR_CHECKS_INCOMPLETE",
        message="Not all checks could be made, the others are in 'validation': {reason}",
    )


def _validate_checks(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    problem = validation_message(ValidationSettings, value.get_dict())
    return f"checks: {problem}" if problem else None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what would end a check before its first job."""
    if not value.get("potentials") or "checks" not in value:
        return None
    filled = [name for name, inputs in value.get("label", {}).items() if inputs]
    if len(filled) > 1:
        return f"label has {filled}, expected one engine"
    settings = ValidationSettings.model_validate(value["checks"].get_dict())
    structures = value.get("structures") or {}
    try:
        for check in settings.frame_checks().values():
            if not check.subjects(list(structures)):
                return f"checks.{check.name} needs a structure, structures is empty"
    except ValueError as error:
        return str(error)
    return _unknown_elements(value)


def _unknown_elements(value: Mapping[str, Any]) -> str | None:
    first = value["potentials"][sorted(value["potentials"])[0]].spec()
    found = {
        f"structures.{name}": sorted(node.get_symbols_set())
        for name, node in (value.get("structures") or {}).items()
    }
    for namespace in ("blind_frames", "unseen_frames"):
        for name, node in (value.get(namespace) or {}).items():
            if not node.labelled:
                return f"{namespace}.{name} has no labels, expected labelled frames"
            found[f"{namespace}.{name}"] = node.elements
    for where, elements in found.items():
        try:
            get_backend(first.backend).check_elements([first], elements)
        except PotentialError as error:
            return f"{where}: {error}"
    return None
