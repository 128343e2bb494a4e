"""Typed settings of the active-learning loop."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...science.selection import conformal_rank


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
