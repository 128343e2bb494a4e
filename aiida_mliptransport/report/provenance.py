"""The provenance figure: stages of a campaign with their counts, drawn as SVG by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .model import Iteration, Report
from .numbers import grouped, plural, significant

_WIDTH, _LEFT, _BOX, _HEIGHT, _GAP, _ROW = 940, 64, 148, 58, 32, 84

#: Kind of stage → variable of the page's style sheet.
_COLOURS = {
    "input": "--muted",
    "train": "--series-0",
    "md": "--series-2",
    "select": "--series-5",
    "label": "--series-4",
    "test": "--series-3",
}

#: With more iterations than this the middle ones are left out.
MAX_ROWS = 8


@dataclass(frozen=True)
class Box:
    """One stage: what it is, and up to two lines of counts."""

    kind: str
    title: str
    lines: tuple[str, ...] = ()


def provenance(report: Report) -> str:
    """Return the stages of a campaign as an SVG element; every text is escaped."""
    rows = _rows(report)
    parts: list[str] = []
    y = 6
    for index, (name, boxes) in enumerate(rows):
        if not boxes:
            parts.append(_text(_LEFT, y + 12, name, "note"))
            y += 34
            continue
        parts.append(_text(0, y + _HEIGHT / 2 + 4, name, "rowname"))
        for column, box in enumerate(boxes):
            parts.append(_box(_LEFT + column * (_BOX + _GAP), y, box))
            if column:
                x = _LEFT + column * (_BOX + _GAP)
                parts.append(_line(f"M{x - _GAP + 3} {y + _HEIGHT / 2}H{x - 5}"))
        if index + 1 < len(rows):
            # From the end of this row to the start of the next one.
            end = _LEFT + (len(boxes) - 1) * (_BOX + _GAP) + _BOX / 2
            start = _LEFT + _BOX / 2
            turn = y + _HEIGHT + (_ROW - _HEIGHT) / 2
            below = y + (_ROW if rows[index + 1][1] else _HEIGHT + 14)
            path = f"M{end} {y + _HEIGHT + 2}V{turn}H{start}V{below - 5}"
            parts.append(_line(path if rows[index + 1][1] else f"M{start} {y + _HEIGHT + 2}v8"))
        y += _ROW
    height = y - (_ROW - _HEIGHT) + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'style="max-width:{_WIDTH}px" class="provenance" role="img" '
        'aria-label="Stages of the campaign">'
        '<defs><marker id="arrow-head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="var(--muted)"/></marker>'
        f"</defs>{''.join(parts)}</svg>"
    )


def _rows(report: Report) -> list[tuple[str, list[Box]]]:
    structures = Box(
        "input",
        "Structures",
        (plural(len(report.structures), "structure"), *_shown(_temperatures(report))),
    )
    if report.kind == "transport":
        return [("", [structures, Box("input", "Potential"), *_transport_boxes(report)])]
    if report.kind == "barriers":
        return [("", [structures, Box("input", "Potential"), *_barrier_boxes(report)])]
    if report.kind == "validation":
        boxes = [Box("input", "Potential"), Box("md", "Evaluate"), Box("label", "Label")]
        return [("", [structures, *boxes])]
    rows = [("start", [structures, *_initial_boxes(report)])]
    shown = list(report.iterations)
    skipped = len(shown) - MAX_ROWS
    if skipped > 0:
        shown = [*shown[: MAX_ROWS // 2], *shown[-MAX_ROWS // 2 :]]
    for position, iteration in enumerate(shown):
        if skipped > 0 and position == MAX_ROWS // 2:
            rows.append((f"… {skipped} more iterations …", []))
        rows.append((f"iter. {iteration.number}", _iteration_boxes(iteration)))
    final = _final_boxes(report)
    if final:
        rows.append(("end", final))
    return rows


def _barrier_boxes(report: Report) -> list[Box]:
    paths = report.barriers.paths if report.barriers is not None else ()
    boxes = [Box("md", "Bands", (plural(len(paths), "path"),))]
    images = sum(len(path.picture.positions) for path in paths if path.picture is not None)
    if any(path.profile("labels") is not None for path in paths):
        boxes.append(Box("label", "Label", (plural(images, "image"),)))
    if any(path.profile("reference") is not None for path in paths):
        boxes.append(Box("label", "Labeller's bands"))
    return boxes


def _temperatures(report: Report) -> str:
    t = report.temperatures
    if not t:
        return ""
    return f"{t[0]:g} K" if len(t) == 1 else f"{t[0]:g} to {t[-1]:g} K"


def _initial_boxes(report: Report) -> list[Box]:
    frames = next((row.frames for row in report.labels if row.stage == "Initial MD"), None)
    runs = report.counts.get("aimd_runs")
    if frames is None and runs is None:
        return []
    lines = [plural(runs, "run")] if runs else []
    return [
        Box("label", "Initial MD", (*lines, *([f"{grouped(frames)} labels"] if frames else [])))
    ]


def _iteration_boxes(i: Iteration) -> list[Box]:
    frames = f"{grouped(i.n_training_frames)} frames" if i.n_training_frames else ""
    explored = plural(i.n_explored, "frame") if i.n_explored else ""
    boxes = [
        Box("train", "Train", _shown(plural(i.n_models, "model") if i.n_models else "", frames)),
        Box(
            "md",
            "Explore (DP-MD)",
            _shown(plural(i.n_trajectories, "run") if i.n_trajectories else "", explored),
        ),
    ]
    if i.n_explored:
        boxes.append(
            Box(
                "select",
                "Select",
                (f"{grouped(i.accurate or 0)} accurate", f"{grouped(i.candidate or 0)} candidates"),
            )
        )
    if i.n_candidates is not None or i.n_blind is not None:
        boxes.append(
            Box(
                "label",
                "Label",
                (f"{grouped(i.n_candidates or 0)} to train on",
                 f"{grouped(i.n_blind or 0)} blind"),
            )
        )  # fmt: skip
    if i.force_rmse is not None:
        boxes.append(Box("test", "Blind test", (f"RMSE {significant(i.force_rmse, 2)} eV/Å",)))
    return boxes


def _final_boxes(report: Report) -> list[Box]:
    boxes = []
    models = report.counts.get("final_models")
    if models:
        training = sum(row.frames for row in report.labels if row.use == "training")
        boxes.append(
            Box(
                "train",
                "Final training",
                _shown(plural(models, "model"), plural(training, "frame") if training else ""),
            )
        )
    errors = report.final_errors
    if models and errors is not None and errors.force_rmse is not None:
        lines = _shown(
            f"RMSE {significant(errors.force_rmse, 2)} eV/Å",
            plural(errors.n_frames, "frame") if errors.n_frames else "",
        )
        boxes.append(Box("test", "Final blind test", lines))
    return boxes + _transport_boxes(report)


def _transport_boxes(report: Report) -> list[Box]:
    runs = report.counts.get("transport_runs")
    transport = report.transport
    boxes = []
    if runs or transport:
        lengths = sum(p.length_ps or 0.0 for p in (transport.points if transport else ()))
        boxes.append(
            Box(
                "md",
                "Transport MD",
                _shown(
                    plural(runs, "run") if runs else "",
                    f"{significant(lengths)} ps in all" if lengths else "",
                ),
            )
        )
    if transport and transport.points:
        boxes.append(Box("test", "Observables", ("D, σ, Haven ratio, Eₐ",)))
    return boxes


def _shown(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _box(x: float, y: float, box: Box) -> str:
    colour = _COLOURS[box.kind]
    lines: Sequence[str] = box.lines
    text = "".join(
        _text(x + 14, y + 36 + 15 * number, line, "count") for number, line in enumerate(lines)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{_BOX}" height="{_HEIGHT}" rx="5" fill="var(--panel)" '
        f'stroke="var(--grid)"/><rect x="{x}" y="{y}" width="5" height="{_HEIGHT}" rx="2.5" '
        f'fill="var({colour})"/>{_text(x + 14, y + 19, box.title, "stage")}{text}'
    )


def _text(x: float, y: float, content: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(content)}</text>'


def _line(path: str) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="var(--muted)" stroke-width="1.2" '
        'marker-end="url(#arrow-head)"/>'
    )
