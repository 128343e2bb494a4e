"""CalcJob that finds the minimum-energy path between two structures with a calculator of ASE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type

from ..data.frames import FrameSetData
from ..science.barriers import EndPoints, check_end_points
from ..science.frames import Frames, System
from .ase import AseCalculation, charge_of, settings_validator
from .ase_parameters import NebParameters

BAND_FILE = "band.npz"


class AseNebCalculation(AseCalculation):
    """Find the minimum-energy path between two structures by a nudged elastic band.

    ``frames`` are the images of the last step in their order, both ends included, without stress;
    a band that is not done keeps them too.
    """

    task = "neb"

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input(
            "initial", valid_type=orm.StructureData, required=False, help="Start of the path."
        )
        spec.input(
            "final",
            valid_type=orm.StructureData,
            required=False,
            help="End of the path: the same atoms in the same order and cell.",
        )
        spec.input(
            "path",
            valid_type=FrameSetData,
            required=False,
            help="Images to begin with, both ends included, instead of 'initial' and 'final'.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=settings_validator(NebParameters),
            default=lambda: orm.Dict(NebParameters().model_dump()),
            help="images, climb, spring_eV_A2, force_tolerance_eV_A, steps, relax_ends, "
            "end_force_tolerance_eV_A, end_steps, charge, multiplicity.",
        )
        spec.inputs["metadata"]["options"]["parser_name"].default = "mliptransport.ase.neb"
        spec.output(
            "results",
            valid_type=orm.Dict,
            required=False,
            help="barrier_eV (highest image over the initial one), reverse_barrier_eV, "
            "reaction_energy_eV, max_force_eV_A and the history of both by step.",
        )
        spec.default_output_node = "results"
        declare_band_ends(spec)
        spec.exit_code(
            315,
            "ERROR_BAND_STOPPED",
            invalidates_cache=True,
            message="the calculator failed on an image, the band before is kept: {reason}",
        )

    @classmethod
    def validate_inputs(cls, value: Mapping[str, Any], port: Any) -> str | None:
        problem = paths_problem(value)
        if problem is not None:
            return problem
        return super().validate_inputs(value, port)

    @classmethod
    def input_frames(cls, value: Mapping[str, Any]) -> Frames | None:
        if "path" in value:
            return value["path"].frames.without_labels()
        return ends_of(value) if "initial" in value else None

    def job_parameters(self) -> dict[str, Any]:
        return NebParameters.model_validate(self.inputs.parameters.get_dict()).model_dump()

    def retrieve_arrays(self) -> list[str]:
        return [BAND_FILE]


def declare_band_ends(spec: CalcJobProcessSpec) -> None:
    """Declare how a band on a potential ends that is no path, or not yet one."""
    spec.exit_code(
        311,
        "ERROR_END_NOT_RELAXED",
        message="an end of the path has no minimum within the steps: {reason}",
    )
    spec.exit_code(
        312,
        "ERROR_BAND_NOT_CONVERGED",
        message="forces on the band are not below the tolerance, the last one is kept: {reason}",
    )
    spec.exit_code(
        313, "ERROR_IMAGE_EXPLODED", message="an image left every reasonable range: {reason}"
    )
    spec.exit_code(314, "ERROR_ENDS_COLLAPSED", message="there is no path to find: {reason}")


def paths_problem(value: Mapping[str, Any]) -> str | None:
    """Return why 'initial' and 'final', or 'path', are no beginning of a band, or None."""
    given = sorted(name for name in ("initial", "final", "path") if name in value)
    if given not in (["final", "initial"], ["path"]):
        return f"{given} given, expected 'initial' and 'final', or 'path' alone"
    if "path" in value:
        systems = value["path"].frames.systems
        if len(systems) != 1 or systems[0].n_frames < 3:
            return (
                f"path has {[system.n_frames for system in systems]} frames by composition, "
                "expected one composition with 3 images or more"
            )
        return None
    try:
        ends_of(value)
    except ValueError as error:
        return str(error)
    return None


def ends_of(inputs: Mapping[str, Any]) -> Frames:
    """Return the two ends of a path as frames of one system.

    Raises
    ------
    EndPointsError
        If they are not two states of the same atoms.
    """
    initial, final = inputs["initial"].get_ase(), inputs["final"].get_ase()
    check_end_points(EndPoints(initial, final))
    charge, multiplicity = charge_of(inputs)
    if "potential" in inputs and "parameters" in inputs:
        parameters = NebParameters.model_validate(inputs["parameters"].get_dict())
        charge, multiplicity = parameters.charge, parameters.multiplicity
    return Frames(
        (
            System(
                numbers=initial.numbers,
                positions=np.stack([initial.positions, final.positions]),
                cells=np.stack([initial.cell.array, final.cell.array]),
                pbc=initial.pbc,
                charge=charge,
                multiplicity=multiplicity,
            ),
        )
    )
