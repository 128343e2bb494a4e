"""Ports and exit codes of the active-learning loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm

from ...calculations.evaluate import EvaluateCalculation
from ...calculations.parameters import validation_message
from ...data.frames import FrameSetData
from ..aimd.ase import AseAimdWorkChain
from ..aimd.cp2k import Cp2kAimdWorkChain
from ..aimd.vasp import VaspAimdWorkChain
from ..explore import ExploreWorkChain
from ..label.engines import LABEL_ENGINES
from ..neb import NebWorkChain
from ..protocols import load_protocol
from ..train import TrainWorkChain
from ..transport import TransportWorkChain
from .barriers import OWN_INPUTS, barrier_problem
from .observable import observable_problem
from .problems import committee_problem, loop_problems, loop_settings, species_problem
from .resume import define_resumed
from .settings import SelectionParameters

AIMD_ENGINES = {
    "ase": AseAimdWorkChain,
    "cp2k": Cp2kAimdWorkChain,
    "vasp": VaspAimdWorkChain,
}


def define_inputs(spec: Any) -> None:
    """Declare the inputs: structures or frames to start from, and one namespace per stage."""
    # A fresh copy each time: plumpy empties the dictionary it is given.
    optional = {"required": False, "populate_defaults": False}
    spec.input_namespace(
        "structures",
        valid_type=orm.StructureData,
        dynamic=True,
        help="Cells in which frames are labelled; keep one cell size where the labeller "
        "samples the Γ point only.",
    )
    spec.input_namespace(
        "initial_frames",
        valid_type=FrameSetData,
        dynamic=True,
        required=False,
        help="Labelled frames to start from, for example of an earlier campaign.",
    )
    spec.input(
        "type_map",
        valid_type=orm.List,
        serializer=orm.to_aiida_type,
        help="Chemical symbols in the order of the potential's types.",
    )
    for name, process in AIMD_ENGINES.items():
        spec.expose_inputs(
            process,
            namespace=f"aimd.{name}",
            exclude=("structures", "max_concurrent"),
            namespace_options=dict(optional),
        )
    for name, process in LABEL_ENGINES.items():
        spec.expose_inputs(
            process,
            namespace=f"label.{name}",
            exclude=("frames", "max_concurrent"),
            namespace_options=dict(optional),
        )
    spec.expose_inputs(
        TrainWorkChain,
        namespace="training",
        exclude=("frames", "type_map", "seed", "parents", "max_concurrent"),
    )
    spec.input(
        "refinement",
        valid_type=orm.Dict,
        required=False,
        serializer=orm.to_aiida_type,
        help="Training parameters of the second and later iterations, which start from the "
        "committee before; without it every iteration trains from scratch.",
    )
    spec.input(
        "final_training",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        help="Training parameters of the final, longer training on all but the blind frames.",
    )
    spec.expose_inputs(
        ExploreWorkChain,
        namespace="explore",
        exclude=(
            "structures",
            "potentials",
            "seed",
            "conditions",
            "starts",
            "max_concurrent",
        ),
    )
    spec.input(
        "ladder",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        default=lambda: orm.Dict(load_protocol("active_learning")["ladder"]),
        help="Stages of the exploration, of growing difficulty; see LadderParameters.",
    )
    spec.expose_inputs(
        EvaluateCalculation,
        namespace="evaluate",
        exclude=("potentials", "frames", "trajectory"),
    )
    spec.expose_inputs(
        TransportWorkChain,
        namespace="transport",
        exclude=("potentials", "max_concurrent"),
        namespace_options=dict(optional),
    )
    spec.expose_inputs(
        NebWorkChain,
        namespace="neb",
        exclude=OWN_INPUTS,
        namespace_options=dict(optional),
    )
    # Potential and trajectories are given to it later.
    spec.inputs["neb"].validator = None
    spec.input(
        "selection",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        validator=_validate_selection,
        help="Parameters of the selection; see protocols/active_learning.yaml.",
    )
    spec.input(
        "targets",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        help="Targets that make a campaign converged: errors, shares, D or σ (observable), and "
        "barriers.",
    )
    spec.input(
        "budget",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        help="max_iterations and max_labels (labels tried, failed ones counted; those of one "
        "comparison of barriers may come on top).",
    )
    spec.input("seed", valid_type=orm.Int, serializer=orm.to_aiida_type, help="Base seed.")
    spec.input(
        "max_concurrent",
        valid_type=orm.Int,
        serializer=orm.to_aiida_type,
        default=lambda: orm.Int(2),
        help="Jobs that run at the same time.",
    )
    spec.input(
        "clean_workdir",
        valid_type=orm.Bool,
        serializer=orm.to_aiida_type,
        default=lambda: orm.Bool(False),
        help="Remove the working directories of all jobs when the loop has ended.",
    )
    define_resumed(spec)
    spec.inputs.validator = _validate_inputs


def define_outputs(spec: Any) -> None:
    """Declare the outputs; what there is stays attached when the loop ends early."""
    spec.output("potential", valid_type=orm.Data, help="Production potential.")
    spec.output_namespace("committee", valid_type=orm.Data, dynamic=True)
    spec.output_namespace(
        "frames", valid_type=FrameSetData, dynamic=True, help="Training frames by iteration."
    )
    spec.output_namespace(
        "blind_frames", valid_type=FrameSetData, dynamic=True, help="Never trained on."
    )
    spec.output("history", valid_type=orm.Dict, help="Iteration records and the verdict.")
    spec.output("final_errors", valid_type=orm.Dict, required=False)
    spec.output("final_predictions", valid_type=orm.ArrayData, required=False)
    spec.output("rdf_comparison", valid_type=orm.ArrayData, required=False)
    spec.expose_outputs(
        TransportWorkChain, namespace="transport", namespace_options={"required": False}
    )


def define_exit_codes(spec: Any) -> None:
    """Declare the exit codes: 3xx a stage failed, 41x a budget was spent."""
    spec.exit_code(
        301,
        "ERROR_INITIAL_MD_FAILED",
        message="The initial MD with the labeller gave no frames: {reason}",
    )
    spec.exit_code(311, "ERROR_TRAINING_FAILED", message="Training failed in {stage}: {reason}")
    spec.exit_code(312, "ERROR_EXPLORATION_FAILED", message="No trajectory from {stage}: {reason}")
    spec.exit_code(
        313,
        "ERROR_SELECTION_FAILED",
        message="No frame of {stage} could be chosen: {reason}",
    )
    spec.exit_code(
        314,
        "ERROR_LABELLING_FAILED",
        message="Labelling failed in {stage}: {reason}. What was computed before is kept.",
    )
    spec.exit_code(
        315, "ERROR_EVALUATION_FAILED", message="The blind test of {stage} failed: {reason}"
    )
    spec.exit_code(
        316,
        "ERROR_TRANSPORT_FAILED",
        message="The transport stage failed: {reason}. The potential is kept.",
    )
    spec.exit_code(
        410,
        "ERROR_LABEL_BUDGET_SPENT",
        message="The label budget was spent before the targets were met; the outputs hold "
        "what there is. Go on with `launch --resume <pk> --max-labels <n>`.",
    )
    spec.exit_code(
        411,
        "ERROR_ITERATION_BUDGET_SPENT",
        message="The iterations were spent before the targets were met; the outputs hold what "
        "there is. Go on with `launch --resume <pk> --max-iterations <n>`.",
    )


def _validate_selection(value: orm.Dict | None, _: Any) -> str | None:
    """Refuse what the first selection would refuse, before the first label is paid for."""
    if value is None:
        return None
    return validation_message(SelectionParameters, value.get_dict(), "selection")


def _validate_inputs(inputs: Mapping[str, Any], _: Any) -> str | None:
    engines = [name for name, value in inputs.get("label", {}).items() if value]
    if len(engines) != 1:
        return (
            f"label engines given: {engines or 'none'}; fill exactly one of the namespaces "
            f"label.{{{','.join(LABEL_ENGINES)}}}"
        )
    aimd = [name for name, value in inputs.get("aimd", {}).items() if value]
    if len(aimd) > 1:
        return f"aimd engines given: {aimd}; fill at most one of aimd.{{{','.join(AIMD_ENGINES)}}}"
    if not aimd and not inputs.get("initial_frames"):
        return "neither aimd nor initial_frames is given; the first training needs frames"
    drivers = inputs.get("transport", {}).get("drivers")
    committee = inputs["training"]["committee_size"]
    if problem := committee_problem(committee.value):
        return f"training.{problem}"
    if drivers is not None and drivers.value > committee.value:
        return (
            f"transport.drivers is {drivers.value}, but the committee has {committee.value} "
            "members; raise training.committee_size or let fewer drive"
        )
    settings = loop_settings(inputs)
    if problems := loop_problems(settings, inputs.get("structures", {})):
        return "\n".join(problems.values())
    return (
        species_problem(settings["targets"], inputs["type_map"].get_list())
        or observable_problem(inputs)
        or barrier_problem(inputs)
    )
