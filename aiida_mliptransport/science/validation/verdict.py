"""One line of the validation table: what potential and labeller say, and whether that will do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["pass", "fail", "warn", "not available"]

#: Standard uncertainties on either side of a difference before it decides: about 95 %.
SIGMAS = 2.0


@dataclass(frozen=True)
class CheckLine:
    """A quantity of potential and labeller, their difference and its verdict.

    Attributes
    ----------
    check, subject
        Name of the check (``eos``); the structure or frame set that it was done on.
    quantity, unit
        What is compared; ``potential``, ``labeller``, ``difference``, ``uncertainty`` and
        ``tolerance`` have this unit. Of an error (RMSE) only ``difference`` is there.
    uncertainty
        Standard uncertainty of ``difference``; None where it has none.
    reason
        Why the verdict is not ``pass``; empty else.
    """

    check: str
    subject: str
    quantity: str
    unit: str
    potential: float | None
    labeller: float | None
    difference: float | None
    uncertainty: float | None
    tolerance: float | None
    verdict: Verdict
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Quantity:
    """What a line is about: check, subject, quantity and unit."""

    check: str
    subject: str
    quantity: str
    unit: str

    def against(
        self,
        potential: float,
        labeller: float | None,
        *,
        tolerance: float | None = None,
        relative_tolerance: float | None = None,
        uncertainty: float | None = None,
        missing: str = "no labels",
    ) -> CheckLine:
        """Return the line that compares two values.

        Parameters
        ----------
        potential, labeller
            The values; without the labeller's the verdict is ``not available``, because of
            ``missing``.
        tolerance, relative_tolerance
            Largest difference, in the unit or as a share of the labeller's value: one of them.
        uncertainty
            Standard uncertainty of the difference.
        """
        if labeller is None:
            return self.not_available(missing, potential)
        if relative_tolerance is not None:
            tolerance = relative_tolerance * abs(labeller)
        assert tolerance is not None
        return self._line(potential, labeller, potential - labeller, tolerance, uncertainty)

    def at_most(self, value: float, limit: float, uncertainty: float | None = None) -> CheckLine:
        """Return the line of an error that must not exceed ``limit``."""
        return self._line(None, None, value, limit, uncertainty)

    def found(
        self,
        verdict: Verdict,
        reason: str = "",
        potential: float | None = None,
        labeller: float | None = None,
    ) -> CheckLine:
        """Return a line whose verdict was found in another way than by a tolerance."""
        return CheckLine(
            self.check, self.subject, self.quantity, self.unit, potential, labeller,
            None, None, None, verdict, reason,
        )  # fmt: skip

    def not_available(self, reason: str, potential: float | None = None) -> CheckLine:
        """Return the line of a comparison that could not be made, with its reason."""
        return self.found("not available", reason, potential)

    def _line(
        self,
        potential: float | None,
        labeller: float | None,
        difference: float,
        tolerance: float,
        uncertainty: float | None,
    ) -> CheckLine:
        verdict, reason = _decide(difference, tolerance, uncertainty, self.unit)
        return CheckLine(
            self.check, self.subject, self.quantity, self.unit, potential, labeller,
            difference, uncertainty, tolerance, verdict, reason,
        )  # fmt: skip


def _decide(
    difference: float, tolerance: float, uncertainty: float | None, unit: str
) -> tuple[Verdict, str]:
    size, margin = abs(difference), SIGMAS * (uncertainty or 0.0)
    if not math.isfinite(size + margin):
        return "not available", f"the difference is {difference} ± {uncertainty}, not a number"
    if size + margin <= tolerance:
        return "pass", ""
    found = f"{difference:.3g} {unit}".strip()
    if size - margin > tolerance:
        return "fail", f"{found} is beyond the tolerance of {tolerance:.3g}"
    return "warn", (
        f"{found} ± {uncertainty:.2g} may lie on either side of the tolerance of {tolerance:.3g}"
    )


def count_verdicts(lines: Iterable[CheckLine]) -> dict[str, int]:
    """Return how many lines have each verdict, those with none included."""
    counts = {"pass": 0, "fail": 0, "warn": 0, "not available": 0}
    for line in lines:
        counts[line.verdict] += 1
    return counts
