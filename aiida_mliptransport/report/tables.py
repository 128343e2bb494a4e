"""Rows of the report's tables and cards, as text that the template only places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .model import Report, Rung
from .numbers import (
    duration,
    grouped,
    percent,
    plus_minus,
    significant,
)
from .verdict import check_limit, check_name, check_value


@dataclass(frozen=True)
class Cell:
    """One table cell: text, a CSS class, a remark in small print below."""

    text: str
    kind: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """Heads (text, CSS class) and rows; a foot is set apart. ``narrow``: as wide as its text."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    foot: tuple[Cell, ...] = ()
    narrow: bool = False


def number_cell(text: str, remark: str = "") -> Cell:
    return Cell(text, "number", remark)


def heads(*names: str) -> tuple[tuple[str, str], ...]:
    """Return heads; a name that ends with ``|`` heads a column of numbers.

    A word joiner keeps units such as eV/Å on one line.
    """
    return tuple(
        (name.rstrip("|").replace("/", "/\u2060"), "number" if name.endswith("|") else "")
        for name in names
    )


def checks_table(report: Report) -> Table | None:
    """Return every convergence check with its value, limit and outcome."""
    if not report.checks:
        return None
    return Table(
        heads("check", "value|", "limit|", "passed"),
        tuple(
            (
                Cell(check_name(check)),
                number_cell(check_value(check, check.value)),
                number_cell(check_limit(check)),
                Cell("✓ yes", "good") if check.passed else Cell("✗ no", "bad"),
            )
            for check in report.checks
        ),
    )


def iterations_table(report: Report) -> Table | None:
    """Return the learning curve in numbers."""
    if not report.iterations:
        return None
    return Table(
        heads(
            "iteration|", "trained on|", "explored|", "accurate|", "blind frames (effective)|",
            "force RMSE (eV/Å)|", "of force RMS|", "energy RMSE (meV/atom)|", "labels so far|",
        ),
        tuple(
            (
                number_cell(str(i.number)),
                number_cell(_count(i.n_training_frames)),
                number_cell(_count(i.n_explored)),
                number_cell(percent(i.share_accurate)),
                number_cell(_blind_count(i.blind_frames, i.effective_size)),
                number_cell(plus_minus(i.force_rmse, i.force_rmse_error)),
                number_cell(percent(i.relative)),
                number_cell(plus_minus(None if i.energy_rmse is None else 1000 * i.energy_rmse)),
                number_cell(_count(i.n_labels_total)),
            )
            for i in report.iterations
        ),
    )  # fmt: skip


def ladder_table(report: Report) -> Table | None:
    """Return the stage at which each structure was explored, iteration by iteration."""
    found = [i for i in report.iterations if i.ladder]
    if not found:
        return None
    by_iteration = [{rung.structure: rung for rung in i.ladder} for i in found]
    structures = sorted({name for rungs in by_iteration for name in rungs})
    return Table(
        heads("structure", *(f"iteration {i.number}|" for i in found), "next|"),
        tuple(
            (
                Cell(name),
                *(_explored_at(rungs.get(name)) for rungs in by_iteration),
                _next_stage(by_iteration[-1].get(name)),
            )
            for name in structures
        ),
        narrow=True,
    )


def _explored_at(rung: Rung | None) -> Cell:
    if rung is None:
        return number_cell("–")
    return number_cell(f"{rung.stage + 1}", f"{percent(rung.share_accurate)} accurate")


def _next_stage(rung: Rung | None) -> Cell:
    return number_cell("–" if rung is None else f"{rung.next_stage + 1}")


def calibration_table(report: Report) -> Table | None:
    """Return the bounds and levels of each species, or why there are none."""
    calibration = report.calibration
    if calibration is None or not calibration.species:
        return None
    return Table(
        heads(
            "species", "blind frames|", "independent|", "error over deviation|", "low (eV/Å)|",
            "high (eV/Å)|", "",
        ),
        tuple(
            (
                Cell(s.symbol),
                number_cell(_count(len(s.error))),
                number_cell("–" if s.n_independent is None else f"{s.n_independent:.1f}"),
                number_cell(
                    "–" if s.lower is None or s.upper is None
                    else f"{significant(s.lower)} to {significant(s.upper)}"
                ),
                number_cell("–" if s.low is None else significant(s.low)),
                number_cell("–" if s.high is None else significant(s.high)),
                Cell(s.reason),
            )
            for s in calibration.species
        ),
        foot=(
            Cell("used next"), Cell(""), Cell(""), Cell(""),
            number_cell(significant(calibration.low)),
            number_cell(significant(calibration.high)),
            Cell(calibration.source),
        ),
    )  # fmt: skip


def _count(value: int | None) -> str:
    return "–" if value is None else grouped(int(value))


def _blind_count(frames: int | None, effective: float | None) -> str:
    if frames is None:
        return "–"
    return _count(frames) + (f" ({effective:.1f})" if effective is not None else "")


def labels_table(report: Report) -> Table | None:
    """Return where the labelled frames came from and went to."""
    if not report.labels:
        return None
    return Table(
        heads("labelled frames", "use", "frames|"),
        tuple((Cell(row.stage), Cell(row.use), number_cell(_count(row.frames)))
              for row in report.labels),
        (Cell("spent here"), Cell(""), number_cell(_count(report.n_labels))),
        narrow=True,
    )  # fmt: skip


def jobs_table(report: Report) -> Table | None:
    """Return jobs by stage and program with wall time and core-hours."""
    groups = report.jobs
    if not groups:
        return None
    return Table(
        heads("stage", "program", "jobs|", "failed|", "cached|", "job wall time|", "core-hours|"),
        tuple(
            (
                Cell(g.stage), Cell(g.kind), number_cell(_count(g.n_jobs)),
                Cell(_count(g.n_failed), "number bad" if g.n_failed else "number"),
                number_cell(_count(g.n_cached)), number_cell(duration(g.wall_s)),
                number_cell(f"{g.core_hours:.2f}"),
            )
            for g in groups
        ),
        (
            Cell("all"), Cell(""), number_cell(_count(sum(g.n_jobs for g in groups))),
            number_cell(_count(sum(g.n_failed for g in groups))),
            number_cell(_count(sum(g.n_cached for g in groups))),
            number_cell(duration(sum(g.wall_s for g in groups))),
            number_cell(f"{sum(g.core_hours for g in groups):.2f}"),
        ),
    )  # fmt: skip


def structures_table(report: Report) -> Table | None:
    """Return the structures that went in."""
    if not report.structures:
        return None
    return Table(
        heads("name", "label", "formula", "atoms|", "cell volume (Å³)|"),
        tuple(
            (
                Cell(s.key), Cell(s.label or "–"), Cell(s.formula), number_cell(_count(s.n_atoms)),
                number_cell("–" if s.volume is None else f"{s.volume:.1f}"),
            )
            for s in report.structures
        ),
    )  # fmt: skip


#: Failures that the table shows; the rest is counted below it.
MAX_FAILURES = 25


def failures_table(report: Report) -> Table | None:
    """Return what went wrong, like cases together."""
    if not report.failures:
        return None
    return Table(
        heads("where", "what", "times|", "message"),
        tuple(
            (Cell(f.where, "path"), Cell(f.what), number_cell(_count(f.count)), Cell(f.message))
            for f in report.failures[:MAX_FAILURES]
        ),
    )


def versions_table(report: Report) -> Table:
    """Return versions as the nodes recorded them."""
    return Table(
        heads("what", "version"),
        tuple((Cell(name), Cell(value)) for name, value in report.versions),
        narrow=True,
    )


def level_table(report: Report) -> Table | None:
    """Return the level of theory, nested keys joined by a dot."""
    if not report.level_of_theory:
        return None
    return Table(
        heads("setting", "value"),
        tuple((Cell(key, "path"), Cell(value)) for key, value in _flat(report.level_of_theory)),
        narrow=True,
    )


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", _setting(value)))
    return rows


def _setting(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_setting(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)
