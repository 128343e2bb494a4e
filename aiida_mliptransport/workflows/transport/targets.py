"""When the runs of a point are long enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ExtensionParameters(BaseModel):
    """How far runs are extended; relative errors are one standard error over the value."""

    model_config = ConfigDict(extra="forbid")

    max_segments: int = Field(ge=1)
    max_relative_error_D: float = Field(gt=0)
    max_relative_error_sigma: float = Field(gt=0)
    species: list[str] = Field(min_length=1)


def missed_targets(point: Mapping[str, Any], extension: Mapping[str, Any]) -> str:
    """Return which observables of a point miss their targets, in words; empty if none.

    Only the sampling error counts: longer MD cannot lower that of the committee.

    Parameters
    ----------
    point
        One entry of ``points`` in the observables.
    extension
        As in :class:`ExtensionParameters`.
    """
    rows = [
        (f"D({element})", point["diffusion"].get(element, {}), extension["max_relative_error_D"])
        for element in extension["species"]
    ]
    rows.append(("σ", point["conductivity"], extension["max_relative_error_sigma"]))
    missed = [] if point["equilibrated"] else ["not every run is equilibrated"]
    for name, record, target in rows:
        error = record.get("relative_sampling_error")
        if not record.get("resolved") or error is None:
            missed.append(f"{name} is not resolved")
        elif error > target:
            missed.append(f"{name} has a sampling error of {error:.3f}, expected {target} or less")
    return ", ".join(missed)
