"""Typed settings of the active-learning loop."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...calculations.functions.candidate_atoms import hop_settings, mobile_numbers
from ...science.selection import (
    ScreeningParameters,
    TrustLevels,
    conformal_rank,
    get_strategy,
    next_stage,
)

#: Calcfunctions read these numbers as they are given: what only looks like a number is refused.
_EXACT = ConfigDict(extra="forbid", strict=True)

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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


class FixedTrustLevels(BaseModel):
    """Trust levels that stand in where none are calibrated, eV/Å; see :class:`TrustLevels`."""

    model_config = _EXACT

    low: _Positive
    high: _Positive

    @model_validator(mode="after")
    def _in_order(self) -> FixedTrustLevels:
        TrustLevels(self.low, self.high)
        return self


class SelectionParameters(BaseModel):
    """How frames are chosen from an exploration; ``protocols/active_learning.yaml`` gives reasons.

    Attributes
    ----------
    n_candidates, n_blind
        Frames of an iteration to train on and to test on.
    blind_replica, blind_start_ps
        Replica that is kept for the blind test, and when its frames forgot the common start.
    calibration, trust_levels, low_factor, high_factor
        How trust levels are set; see :class:`CalibrationParameters`.
    descriptor_cutoff_A, duplicate_tolerance
        Of the descriptors that tell frames apart.
    strategy, min_separation_ps, mobile, hops
        What is chosen first; see ``calculations.functions.selection``.
    rdf_bin_A, rdf_reach_A
        Of the comparison of RDFs at the end.
    screening
        What is unphysical.
    """

    model_config = _EXACT

    n_candidates: int = Field(ge=1)
    n_blind: int = Field(ge=1)
    blind_replica: int = Field(ge=0)
    blind_start_ps: _NotNegative
    calibration: CalibrationParameters | None = None
    trust_levels: FixedTrustLevels | None = None
    low_factor: _Positive
    high_factor: _Positive
    descriptor_cutoff_A: _Positive
    duplicate_tolerance: _NotNegative
    strategy: str
    min_separation_ps: _NotNegative = 0.0
    mobile: Any = None
    hops: Any = None
    rdf_bin_A: _Positive
    rdf_reach_A: _Positive
    screening: ScreeningParameters = Field(default_factory=ScreeningParameters)

    @field_validator("strategy")
    @classmethod
    def _strategy(cls, value: str) -> str:
        get_strategy(value)
        return value

    @field_validator("mobile")
    @classmethod
    def _mobile(cls, value: Any) -> Any:
        mobile_numbers(value)
        return value

    @field_validator("hops")
    @classmethod
    def _hops(cls, value: Any) -> Any:
        hop_settings(value)
        return value

    @model_validator(mode="after")
    def _factors(self) -> SelectionParameters:
        if self.trust_levels is None and self.low_factor >= self.high_factor:
            raise ValueError(
                f"low_factor is {self.low_factor} and high_factor {self.high_factor}, expected "
                "the first below the second"
            )
        return self


class BudgetParameters(BaseModel):
    """When the loop ends without having met its targets.

    Attributes
    ----------
    max_iterations, max_labels
        Labels that were tried, failed ones counted.
    """

    model_config = _EXACT

    max_iterations: int = Field(ge=1)
    max_labels: int = Field(ge=1)


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


class TargetParameters(BaseModel):
    """What makes a campaign converged; ``calculations.functions.checks`` compares.

    Attributes
    ----------
    max_relative_force_rmse, max_relative_force_rmse_by_species
        Of the RMS force, of all atoms and of single elements.
    max_energy_rmse_meV_atom, max_stress_rmse_GPa
        None where they are not judged.
    observable, barriers
        What must be known besides; None for nothing.
    min_share_accurate, max_trust_over_rmse
        Of an exploration, and of its upper trust level.
    min_production_atoms, min_temperatures, max_relative_error_D, slope_confidence
        Of the production runs, for the verdict at the end.
    """

    model_config = _EXACT

    max_relative_force_rmse: _Positive
    max_relative_force_rmse_by_species: dict[str, _Positive] | None = None
    max_energy_rmse_meV_atom: _Positive | None = None
    max_stress_rmse_GPa: _Positive | None = None
    observable: ObservableTarget | None = None
    barriers: BarrierTarget | None = None
    min_share_accurate: float = Field(ge=0, le=1)
    max_trust_over_rmse: _Positive
    min_production_atoms: int = Field(ge=0)
    min_temperatures: int = Field(ge=0)
    max_relative_error_D: _Positive
    slope_confidence: float = Field(gt=0, lt=1)


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

    model_config = _EXACT

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

    model_config = _EXACT

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
