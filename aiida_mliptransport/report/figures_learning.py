"""Figures of the learning: blind errors, shares, labels, deviations, parity and RDF."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from .model import FinalErrors, Iteration, Parity, ParitySeries, RdfPair
from .model_check import Check
from .numbers import grouped
from .style import (
    ACCURATE,
    CANDIDATE,
    FAILED,
    GRID,
    INK,
    MAX_VECTOR_POINTS,
    MUTED,
    NOT_REACHED,
    PAPER,
    SERIES,
    UNPHYSICAL,
    figure,
    note,
    series_colour,
    to_svg,
)

WIDTH = 9.4

#: Room for so many bars, also where there are fewer.
MIN_BARS = 3


def learning_curve(
    iterations: Sequence[Iteration], final: FinalErrors | None, checks: Sequence[Check]
) -> str | None:
    """Draw the blind force error, the shares of explored frames, and the labels spent."""
    if not any(i.force_rmse is not None or i.n_explored for i in iterations):
        return None
    limits = {check.name: check.limit for check in checks}
    with figure("learning", WIDTH, 3.15) as fig:
        errors, shares, labels = fig.subplots(1, 3, width_ratios=(1.15, 1, 1))
        _errors_panel(errors, iterations, final, limits.get("relative_force_rmse"))
        _shares_panel(shares, iterations, limits.get("share_accurate"))
        _labels_panel(labels, iterations)
        return to_svg(fig, "Learning curve")


def _errors_panel(
    axes: Axes, iterations: Sequence[Iteration], final: FinalErrors | None, limit: float | None
) -> None:
    tested = [i for i in iterations if i.force_rmse is not None]
    x = [i.number for i in tested]
    axes.errorbar(
        x, [i.force_rmse or 0.0 for i in tested], yerr=[i.force_rmse_error or 0.0 for i in tested],
        color=SERIES[0], marker="o", label="blind test",
    )  # fmt: skip
    ticks = {i.number: str(i.number) for i in iterations}
    if final is not None and final.force_rmse is not None and final.source == "final blind test":
        last = max(ticks, default=0) + 1
        ticks[last] = "final"
        axes.errorbar(
            [last], [final.force_rmse], yerr=[final.force_rmse_error or 0.0],
            color=SERIES[1], marker="D", linestyle="none", label="final potential",
        )  # fmt: skip
        axes.legend(loc="upper right")
    top = max(
        [(i.force_rmse or 0.0) + (i.force_rmse_error or 0.0) for i in tested]
        + [final.force_rmse or 0.0 if final is not None else 0.0]
    )
    reference = [i.force_rms for i in tested if i.force_rms]
    if limit is not None and reference:
        height = limit * reference[-1]
        top = max(top, height)
        axes.axhline(height, color=INK, linestyle="--", linewidth=1.0)
        axes.annotate(
            f"limit: {100 * limit:.3g} % of the force RMS",
            (0.99, height), xycoords=("axes fraction", "data"), xytext=(0, 3),
            textcoords="offset points", ha="right", fontsize=8, color=INK,
        )  # fmt: skip
    axes.set(
        title="Blind force error",
        xlabel="iteration",
        ylabel="RMSE per component (eV/Å)",
        ylim=(0, 1.2 * top or 1.0),
    )
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="x")


def _shares_panel(axes: Axes, iterations: Sequence[Iteration], limit: float | None) -> None:
    explored = [i for i in iterations if i.n_explored]
    x = np.arange(len(explored))
    bottom = np.zeros(len(explored))
    for name, colour in (
        ("accurate", ACCURATE),
        ("candidate", CANDIDATE),
        ("failed", FAILED),
        ("unphysical", UNPHYSICAL),
        ("not_reached", NOT_REACHED),
    ):
        share = np.array(
            [
                100 * (getattr(i, name) or 0) / ((i.n_explored or 0) + (i.not_reached or 0))
                for i in explored
            ]
        )
        if share.any():
            axes.bar(
                x, share, bottom=bottom, width=0.62, color=colour, edgecolor=PAPER, linewidth=0.8,
                label=name.replace("_", " "),
            )  # fmt: skip
            bottom += share
    if limit is not None:
        axes.axhline(100 * limit, color=INK, linestyle="--", linewidth=1.0)
    axes.set(title="Explored frames", xlabel="iteration", ylabel="share (%)", ylim=(0, 100))
    axes.set_xticks(x, [str(i.number) for i in explored])
    axes.set_xlim(-0.6, max(len(explored), MIN_BARS) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, columnspacing=1.0, fontsize=8
    )


def _labels_panel(axes: Axes, iterations: Sequence[Iteration]) -> None:
    known = [i for i in iterations if i.n_labels_total is not None]
    x = np.arange(len(known))
    total = np.array([i.n_labels_total or 0 for i in known])
    new = np.array([(i.n_candidates or 0) + (i.n_blind or 0) for i in known])
    axes.bar(x, total - new, width=0.62, color=GRID, label="earlier", edgecolor=PAPER)
    bottom = total - new
    for name, colour, label in (
        ("n_candidates", SERIES[0], "candidates"),
        ("n_blind", SERIES[3], "blind test"),
    ):
        values = np.array([getattr(i, name) or 0 for i in known])
        axes.bar(x, values, bottom=bottom, width=0.62, color=colour, label=label, edgecolor=PAPER)
        bottom = bottom + values
    for position, value in zip(x, total, strict=True):
        axes.annotate(
            grouped(int(value)), (position, value), xytext=(0, 3), textcoords="offset points",
            ha="center", fontsize=8.5,
        )  # fmt: skip
    axes.set(title="Labels spent", xlabel="iteration", ylabel="labelled frames")
    axes.set_xticks(x, [str(i.number) for i in known])
    axes.set_xlim(-0.6, max(len(known), MIN_BARS) - 0.4)
    axes.margins(y=0.12)
    axes.grid(visible=False, axis="x")
    if len(known):
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, columnspacing=0.8, fontsize=8
        )


def deviations(iterations: Sequence[Iteration]) -> str | None:
    """Draw how the maximum force deviation is distributed in each iteration."""
    shown = [i for i in iterations if i.histogram is not None]
    if not shown:
        return None
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    with figure("deviations", WIDTH if columns == 3 else 3.4 * columns, 2.35 * rows + 0.35) as fig:
        grid = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        right = max(_interesting(iteration) for iteration in shown)
        for axes, iteration in zip(grid.flat, shown, strict=False):
            _histogram(axes, iteration, right)
        for column in range(columns):
            last = [grid[r, column] for r in range(rows) if grid[r, column].get_visible()][-1]
            last.set_xlabel("max. force deviation (eV/Å)")
            last.tick_params(labelbottom=True)
        for row in range(rows):
            grid[row, 0].set_ylabel("frames (%)")
        return to_svg(fig, "Force deviations by iteration")


def _interesting(iteration: Iteration) -> float:
    """Return the deviation up to which an iteration has something to show (eV/Å)."""
    histogram = iteration.histogram
    if histogram is None:
        return 0.0
    filled = histogram.edges[1:][histogram.counts > 0]
    last = float(filled.max()) if len(filled) else float(histogram.edges[-1])
    return 1.05 * max(last, 1.1 * (iteration.trust_high or 0.0))


def _histogram(axes: Axes, iteration: Iteration, right: float) -> None:
    histogram = iteration.histogram
    if histogram is None:
        return
    edges, counts = histogram.edges, histogram.counts
    share = 100 * counts / max(counts.sum(), 1)
    low, high = iteration.trust_low, iteration.trust_high
    middle = 0.5 * (edges[1:] + edges[:-1])
    colours = [SERIES[0]] * len(middle)
    if low is not None and high is not None:
        colours = [
            ACCURATE if centre < low else CANDIDATE if centre < high else FAILED
            for centre in middle
        ]
        for level, name in ((low, "low"), (high, "high")):
            axes.axvline(level, color=INK, linestyle="--", linewidth=0.9)
            beyond = name == "low"
            axes.annotate(
                f"{name} {level:.2f}", (level, 1), xycoords=("data", "axes fraction"),
                xytext=(-3 if beyond else 3, -2), textcoords="offset points", va="top",
                ha="right" if beyond else "left", fontsize=8, color=INK,
            )  # fmt: skip
    axes.bar(edges[:-1], share, width=np.diff(edges), align="edge", color=colours)
    axes.set_title(f"Iteration {iteration.number}")
    axes.set_xlim(0.0, right)
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.2)


def parity(data: Parity) -> str:
    """Draw predicted against reference forces and energies, every blind frame."""
    panels = 2 if data.energies is not None else 1
    with figure("parity", 4.5 * panels, 4.15) as fig:
        grid = fig.subplots(1, panels, squeeze=False)[0]
        _parity_panel(grid[0], data.forces, "eV/Å")
        grid[0].set(title="Forces", xlabel="labeller, component (eV/Å)", ylabel="potential (eV/Å)")
        if data.energies is not None:
            _parity_panel(grid[1], [data.energies], "meV/atom")
            grid[1].set(
                title="Energies",
                xlabel="labeller, from its mean (meV/atom)",
                ylabel="potential (meV/atom)",
            )
        return to_svg(fig, "Parity of forces and energies")


def _parity_panel(axes: Axes, series: Sequence[ParitySeries], unit: str) -> None:
    points = sum(len(s.reference) for s in series)
    many = points > MAX_VECTOR_POINTS
    low = min(float(min(s.reference.min(), s.predicted.min())) for s in series)
    high = max(float(max(s.reference.max(), s.predicted.max())) for s in series)
    pad = 0.05 * (high - low or 1.0)
    limits = (low - pad, high + pad)
    axes.plot(limits, limits, color=MUTED, linewidth=1.0, zorder=1)
    for number, one in enumerate(series):
        label = f"{one.name}: RMSE {one.rmse:.3g} {unit}"
        colour = series_colour(number if len(series) > 1 else 0)
        axes.scatter(
            one.reference, one.predicted, s=5 if many else 14, color=colour, linewidths=0,
            alpha=0.35 if many else 0.75, rasterized=many, zorder=2,
        )  # fmt: skip
        axes.scatter([], [], s=20, color=colour, label=label)
    axes.set(xlim=limits, ylim=limits)
    axes.set_box_aspect(1)
    axes.legend(loc="upper left", handletextpad=0.2)
    note(axes, f"{grouped(points)} values")


def rdf(pairs: Sequence[RdfPair]) -> str | None:
    """Draw partial radial distribution functions of DP-MD over those of the labeller's MD."""
    if not pairs:
        return None
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    with figure("rdf", WIDTH if columns == 3 else 3.6 * columns, 2.6 * rows) as fig:
        grid = fig.subplots(rows, columns, squeeze=False, sharex=True)
        for axes in grid.flat[len(pairs) :]:
            axes.set_visible(False)
        for axes, pair in zip(grid.flat, pairs, strict=False):
            axes.axhline(1.0, color=MUTED, linewidth=0.8, linestyle=":")
            axes.plot(
                pair.r, pair.labeller, color=SERIES[4], linewidth=4.0, alpha=0.55,
                label="labeller's MD", solid_capstyle="round",
            )  # fmt: skip
            axes.plot(pair.r, pair.dpmd, color=SERIES[0], linewidth=1.4, label="DP-MD")
            axes.set(title=pair.pair, xlabel="r (Å)", ylim=(0, None), xlim=(0, None))
        for row in range(rows):
            grid[row, 0].set_ylabel("g(r)")
        grid[0, 0].legend(loc="upper left", fontsize=8)
        return to_svg(fig, "Radial distribution functions")
