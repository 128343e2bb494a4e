"""Figure of the calibration: deviation of the committee against the true error."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from .model_calibration import Calibration, SpeciesCalibration
from .style import (
    CANDIDATE,
    INK,
    MAX_VECTOR_POINTS,
    MUTED,
    figure,
    log_axis,
    note,
    series_colour,
    to_svg,
)

WIDTH = 9.4


def calibration(data: Calibration | None) -> str | None:
    """Draw the true error of each blind frame over its deviation, with the bounds and levels."""
    if data is None or not data.species:
        return None
    columns = min(3, len(data.species))
    rows = -(-len(data.species) // columns)
    width = WIDTH if columns == 3 else 3.9 * columns
    with figure("calibration", width, 3.6 * rows) as fig:
        grid = fig.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(data.species) :]:
            axes.set_visible(False)
        for number, (axes, species) in enumerate(zip(grid.flat, data.species, strict=False)):
            _panel(axes, species, data, series_colour(number))
        for axes in grid[:, 0]:
            axes.set_ylabel("largest force error (eV/Å)")
        return to_svg(fig, "Force error over committee deviation, by species")


def _panel(axes: Axes, species: SpeciesCalibration, data: Calibration, colour: str) -> None:
    positive = (species.deviation > 0) & (species.error > 0)
    deviation, error = species.deviation[positive], species.error[positive]
    errors = [e for e in (species.accurate_error, species.failed_error) if e]
    left, right = _range(np.concatenate([deviation, [data.low, data.high]]))
    bottom, top = _range(np.concatenate([error, errors]))
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, top))
    axes.axvspan(data.low, data.high, color=CANDIDATE, alpha=0.12, linewidth=0)
    for level, name, side in ((data.low, "low", "right"), (data.high, "high", "left")):
        axes.axvline(level, color=INK, linestyle="--", linewidth=0.9)
        axes.annotate(
            f"{name} {level:.2g}", (level, 1), xycoords=("data", "axes fraction"),
            xytext=(-3 if side == "right" else 3, -2), textcoords="offset points", va="top",
            ha=side, fontsize=8, color=INK,
        )  # fmt: skip
    line = np.array([left, right])
    for factor, style, name in ((species.upper, "-", "upper"), (species.lower, ":", "lower")):
        if factor is not None:
            axes.plot(
                line, factor * line, color=INK, linestyle=style, linewidth=1.3,
                label=f"{name} bound: {factor:.2g} × deviation",
            )  # fmt: skip
    for value, name in ((species.accurate_error, "accurate"), (species.failed_error, "failed")):
        if value:
            axes.axhline(value, color=MUTED, linewidth=0.9)
            axes.annotate(
                name, (1, value), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                textcoords="offset points", ha="right", fontsize=8, color=MUTED,
            )  # fmt: skip
    axes.scatter(
        deviation, error, s=14, color=colour, linewidths=0, alpha=0.75,
        rasterized=len(deviation) > MAX_VECTOR_POINTS,
    )  # fmt: skip
    axes.set(title=species.symbol, xlabel="largest deviation (eV/Å)")
    log_axis(axes.xaxis, left, right)
    log_axis(axes.yaxis, bottom, top)
    if species.upper is not None:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8)
    else:
        note(axes, "not calibrated", x=0.03, y=0.86, ha="left")


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()) / 1.6, float(values.max()) * 1.9
