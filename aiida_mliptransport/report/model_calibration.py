"""What a report says of the calibration of the committee's deviation, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SpeciesCalibration:
    """Worst atom of one species in each blind frame: ``deviation`` and ``error`` (n,) in eV/Å.

    ``lower`` and ``upper`` bound the error over the deviation; they and the levels (eV/Å) are None
    where ``reason`` says why there are none.
    """

    symbol: str
    deviation: FloatArray
    error: FloatArray
    n_independent: float | None = None
    accurate_error: float | None = None
    failed_error: float | None = None
    lower: float | None = None
    upper: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Calibration:
    """The last calibration of a campaign, and the trust levels (eV/Å) that came of it."""

    iteration: int
    low: float
    high: float
    source: str
    reasons: tuple[str, ...]
    species: tuple[SpeciesCalibration, ...]
