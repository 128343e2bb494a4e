"""Typed settings of the active-learning loop."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...calculations.parameters import validation_message
from ...science.selection import conformal_rank, next_stage


class CalibrationParameters(BaseModel):
    """How trust levels are calibrated; see ``calculations.functions.trust``.

    Attributes
    ----------
    coverage
        Probability with which each bound on the error holds.
    min_independent
        Independent blind frames of a species below which it is not calibrated.
    accurate_error, failed_error
        Force error of the worst atom below which a frame is accurate, above which it has failed;
        over the RMS force vector of the species.
    """

    model_config = ConfigDict(extra="forbid")

    coverage: float = Field(gt=0, lt=1)
    min_independent: int = Field(ge=2)
    accurate_error: float = Field(gt=0)
    failed_error: float = Field(gt=0)

    @model_validator(mode="after")
    def _fits(self) -> CalibrationParameters:
        if self.accurate_error >= self.failed_error:
            raise ValueError(
                f"accurate_error is {self.accurate_error} and failed_error {self.failed_error}, "
                "expected the first below the second"
            )
        conformal_rank(self.min_independent, self.min_independent, self.coverage)
        return self


class ObservableTarget(BaseModel):
    """The number for which the potential is made, and how well it must be known.

    Attributes
    ----------
    quantity
        ``D`` of ``species``, or ``sigma``.
    temperature_K, length_ps
        Of the short production runs, one for each member of the committee.
    structure
        Name among ``transport.structures``; may be left out where there is one.
    max_relative_error
        Half the 95 % interval (sampling and committee) over the value, and the change since the
        iteration before, are to be at most this.
    """

    model_config = ConfigDict(extra="forbid")

    quantity: Literal["D", "sigma"] = "D"
    species: str | None = None
    temperature_K: float = Field(gt=0)
    length_ps: float = Field(gt=0)
    structure: str | None = None
    max_relative_error: float = Field(gt=0)

    @model_validator(mode="after")
    def _names_a_species(self) -> ObservableTarget:
        if (self.quantity == "D") != (self.species is not None):
            raise ValueError(
                f"quantity is {self.quantity!r} and species {self.species!r}, expected an element "
                "for D, and none for sigma"
            )
        return self


class BarrierTarget(BaseModel):
    """How well the labeller's barriers must be met.

    Attributes
    ----------
    target_eV
        Largest difference between the barriers of the potential and of the labeller, on the images
        of the potential's band.
    """

    model_config = ConfigDict(extra="forbid")

    target_eV: float = Field(gt=0)


class LadderStage(BaseModel):
    """One stage of an exploration; what it leaves out is as without a ladder.

    Attributes
    ----------
    temperatures_K, pressures_bar
        Of the runs; pressures make them NPT.
    volume_scale
        Volume over that of the start structure, for runs at constant volume.
    structures
        Structure to the one that is explored in its place: another composition, or more defects.
    parameters
        MD parameters, such as ``steps`` for longer runs.
    """

    model_config = ConfigDict(extra="forbid")

    temperatures_K: list[float] | None = Field(default=None, min_length=1)
    pressures_bar: list[float] | None = Field(default=None, min_length=1)
    volume_scale: float | None = Field(default=None, gt=0)
    structures: dict[str, str] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_both(self) -> LadderStage:
        if self.pressures_bar is not None and self.volume_scale is not None:
            raise ValueError(
                f"pressures_bar is {self.pressures_bar} and volume_scale {self.volume_scale}, "
                "expected at most one of them: a pressure changes the volume by itself"
            )
        return self

    def conditions(self) -> dict[str, Any]:
        """Return what an exploration takes of it for one structure."""
        given = {"temperatures_K": self.temperatures_K, "pressures_bar": self.pressures_bar}
        found: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        return {**found, "parameters": self.parameters} if self.parameters else found


class LadderParameters(BaseModel):
    """How explorations become harder, and where their runs begin.

    Attributes
    ----------
    stages
        In their order; every structure begins at the first. One stage where there is no ladder.
    move_on, move_back
        Share of accurate frames from which on a structure goes to the next stage, and below which
        it goes back to the one before.
    starts
        ``first``: all runs begin from the labeller's last frame; ``explored``: from the second
        iteration on, every replica from a frame of the exploration before, far from the others.
    """

    model_config = ConfigDict(extra="forbid")

    stages: list[LadderStage] = Field(min_length=1)
    move_on: float
    move_back: float
    starts: Literal["first", "explored"]

    @field_validator("stages", mode="before")
    @classmethod
    def _one_where_none(cls, value: Any) -> Any:
        return [{}] if value is None else value

    @model_validator(mode="after")
    def _shares(self) -> LadderParameters:
        next_stage(0, 1, None, move_on=self.move_on, move_back=self.move_back)
        return self


def ladder_problem(given: Mapping[str, Any], structures: Collection[str]) -> str | None:
    """Return why a ladder cannot be, or names structures that are not there; else None."""
    problem = validation_message(LadderParameters, given)
    if problem:
        return problem
    for number, stage in enumerate(LadderParameters.model_validate(given).stages):
        for name in [*stage.structures, *stage.structures.values()]:
            if name not in structures:
                return (
                    f"stages[{number}].structures names {name!r}, expected some of "
                    f"{sorted(structures)}"
                )
    return None
