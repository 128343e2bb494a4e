"""Rows of the report's table of a validation."""

from __future__ import annotations

from ..science.validation.verdict import CheckLine
from .model_validation import Validation
from .numbers import plus_minus, significant
from .tables import Cell, Table, heads, number_cell

#: Verdict → mark and CSS class.
_MARKS = {
    "pass": ("✓ pass", "good"),
    "fail": ("✗ fail", "bad"),
    "warn": ("! warn", ""),
    "not available": ("– not available", ""),
}


def validation_table(found: Validation) -> Table | None:
    """Return every line with both values, the difference, its limit and the verdict."""
    if not found.lines:
        return None
    return Table(
        heads(
            "check", "quantity", "potential|", "labeller|", "difference|", "tolerance|", "verdict",
        ),
        tuple(_row(line) for line in found.lines),
    )  # fmt: skip


def _row(line: CheckLine) -> tuple[Cell, ...]:
    mark, kind = _MARKS[line.verdict]
    unit = f" ({line.unit})" if line.unit else ""
    return (
        Cell(line.check.replace("_", " "), remark=line.subject.replace("_", " ")),
        Cell(f"{line.quantity}{unit}"),
        number_cell(_value(line.potential)),
        number_cell(_value(line.labeller)),
        number_cell(
            "–" if line.difference is None else plus_minus(line.difference, line.uncertainty)
        ),
        number_cell(_value(line.tolerance)),
        Cell(mark, kind, line.reason),
    )


def _value(value: float | None) -> str:
    return "–" if value is None else significant(value)
