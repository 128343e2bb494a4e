"""Typed settings of the active-learning loop."""

from __future__ import annotations

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
