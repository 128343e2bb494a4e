"""What is wrong with the settings of the loop, told before anything is paid for.

Campaign files and the inputs of the WorkChain are checked by the same functions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ...calculations.parameters import validation_message
from ..conditions import conditions_problem
from ..train import QUORUM
from .settings import (
    BudgetParameters,
    LadderParameters,
    LadderStage,
    SelectionParameters,
    TargetParameters,
)

#: Sections in which no key needs another section.
MODELS: dict[str, type[BaseModel]] = {
    "selection": SelectionParameters,
    "targets": TargetParameters,
    "budget": BudgetParameters,
}


def loop_settings(inputs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings among the inputs of the loop as :func:`loop_problems` takes them."""
    explore = inputs["explore"]
    pressures = explore.get("pressures")
    return {
        **{name: inputs[name].get_dict() for name in (*MODELS, "ladder")},
        "explore": {
            "replicas": explore["replicas"].value,
            "parameters": explore["parameters"].get_dict(),
            "pressures": pressures.get_list() if pressures is not None else None,
        },
    }


def loop_problems(
    settings: Mapping[str, Mapping[str, Any]], structures: Collection[str]
) -> dict[str, str]:
    """Return what is wrong with the settings of the loop, by the section that is to be mended.

    Parameters
    ----------
    settings
        ``selection``, ``targets``, ``budget`` and ``ladder``, and of ``explore`` ``replicas``,
        ``parameters`` and, where there are any, ``pressures`` (bar).
    structures
        Names of the structures.
    """
    explore = settings["explore"]
    found = {
        name: validation_message(model, settings[name], name) for name, model in MODELS.items()
    }
    if not found["selection"]:
        blind_replica = settings["selection"]["blind_replica"]
        found["explore"] = _replicas_problem(explore["replicas"], blind_replica)
    found["ladder"] = _ladder_problem(settings["ladder"], structures, explore)
    if not any(found.values()):
        found["explore"] = _length_problem(
            LadderParameters.model_validate(settings["ladder"]).stages,
            explore["parameters"],
            settings["selection"]["blind_start_ps"],
        )
    return {name: problem for name, problem in found.items() if problem}


def committee_problem(size: Any) -> str | None:
    """Return why a committee of this size cannot judge frames, or None."""
    if isinstance(size, int) and size >= QUORUM:
        return None
    return (
        f"committee_size is {size!r}, expected {QUORUM} or more: how far the forces of the members "
        "differ decides which frames are labelled"
    )


def species_problem(targets: Mapping[str, Any], elements: Collection[str]) -> str | None:
    """Return which targets are on species that no structure has, or None."""
    unknown = sorted(set(targets.get("max_relative_force_rmse_by_species") or {}) - set(elements))
    if not unknown:
        return None
    return (
        f"targets.max_relative_force_rmse_by_species names {unknown}, expected some of "
        f"{sorted(elements)}: the error of others is never known"
    )


def _replicas_problem(replicas: Any, blind_replica: int) -> str | None:
    if isinstance(replicas, int) and replicas > max(1, blind_replica):
        return None
    return (
        f"explore.replicas is {replicas!r} and selection.blind_replica {blind_replica}, expected "
        "two replicas or more, numbered from 0, with the one for the blind test among them; set "
        f"explore.replicas to {max(2, blind_replica + 1)} or more"
    )


def _ladder_problem(
    given: Mapping[str, Any], structures: Collection[str], explore: Mapping[str, Any]
) -> str | None:
    problem = validation_message(LadderParameters, given, "ladder")
    if problem:
        return problem
    parameters = explore["parameters"]
    for number, stage in enumerate(LadderParameters.model_validate(given).stages):
        where = f"ladder.stages[{number}]"
        for name in [*stage.structures, *stage.structures.values()]:
            if name not in structures:
                return f"{where}.structures names {name!r}, expected some of {sorted(structures)}"
        problem = (
            conditions_problem(stage.conditions(), where, parameters, explore.get("pressures"))
            or _strides_problem(stage.parameters, where, parameters)
            or _volume_problem(stage, where, explore.get("pressures"))
        )
        if problem:
            return problem
    return None


def _volume_problem(stage: LadderStage, where: str, pressures: Any) -> str | None:
    """Return why a stage cannot have its volume, or None."""
    if stage.volume_scale is None or pressures is None:
        return None
    return (
        f"{where}.volume_scale is {stage.volume_scale}, but explore.pressures {pressures} makes "
        "the runs NPT, and a pressure changes the volume by itself; remove one of the two"
    )


def _length_problem(
    stages: Sequence[LadderStage], general: Mapping[str, Any], blind_start_ps: float
) -> str | None:
    """Return why the runs of a stage would give no frame for the blind test, or None."""
    for stage in stages:
        parameters = {**general, **stage.parameters}
        steps = parameters["steps"]
        length_ps = steps * parameters["timestep_fs"] * 1e-3
        if length_ps < blind_start_ps:
            return (
                f"explorations of {steps} steps are {length_ps:.3g} ps long and "
                f"selection.blind_start_ps is {blind_start_ps}, expected longer runs: no frame "
                "before it is taken for the blind test; raise explore.parameters.steps"
            )
    return None


def _strides_problem(own: Mapping[str, Any], where: str, general: Mapping[str, Any]) -> str | None:
    """Return why frames of a stage would lack the deviation by which they are chosen, or None."""
    merged = {**general, **own}
    frames, deviations = merged["trajectory_stride"], merged.get("deviation_stride")
    if deviations is None or frames % deviations == 0:
        return None
    changed = {"trajectory_stride", "deviation_stride"} & set(own)
    return (
        f"{where if changed else 'explore'}.parameters: trajectory_stride is {frames} and "
        f"deviation_stride {deviations}, expected a multiple of it: a frame without its deviation "
        "cannot be chosen"
    )
