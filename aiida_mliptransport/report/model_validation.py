"""What a report says of a validation, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..science.validation.verdict import CheckLine

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Curves of one check on one subject.

    Attributes
    ----------
    check, title
        Name of the check, and what is shown.
    x : (n,)
        In the unit of the check's axis.
    potential, labeller : (n,) or (n, k)
        The curves, or k branches; the labeller's may be missing.
    """

    check: str
    title: str
    x: FloatArray
    potential: FloatArray
    labeller: FloatArray | None


@dataclass(frozen=True, eq=False)
class Validation:
    """Every line of a validation, how many have each verdict, and the curves."""

    lines: tuple[CheckLine, ...]
    counts: dict[str, int]
    comparisons: tuple[Comparison, ...]
