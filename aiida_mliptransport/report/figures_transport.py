"""Figures of the production MD: mean square displacements and Arrhenius plots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from ase.units import kB
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .collect_transport import CHARGE
from .model_transport import ArrheniusFit, MsdCurve, Transport
from .numbers import common_exponent, plus_minus, power_of_ten
from .style import (
    INK,
    MUTED,
    PAPER,
    figure,
    log_axis,
    series_colour,
    temperature_colours,
    to_svg,
)

#: Points of a curve that are drawn: more cannot be told apart on the page.
MAX_CURVE_POINTS = 250

#: Half width of a 95 % interval in standard errors.
CONFIDENCE = 1.96

_MARKERS = ("o", "s", "^", "D", "v")


@dataclass(frozen=True)
class ArrheniusSeries:
    """One quantity against temperature: ``values`` with standard ``errors``, in ``unit``."""

    name: str
    structure: str
    unit: str
    temperatures: list[float]
    values: list[float]
    errors: list[float]
    resolved: list[bool]
    fit: ArrheniusFit | None


def msd(curves: Sequence[MsdCurve]) -> str | None:
    """Return the mean square displacements as SVG; see :func:`msd_figure`."""
    if not curves:
        return None
    with msd_figure(curves) as fig:
        return to_svg(fig, "Mean square displacements")


@contextmanager
def msd_figure(curves: Sequence[MsdCurve]) -> Iterator[Figure]:
    """Draw the mean square displacement of each element; thick within the fit window.

    Save the figure inside the context: its style ends there.
    """
    elements = list(dict.fromkeys(c.element for c in curves))
    structures = list(dict.fromkeys(c.structure for c in curves))
    colours = temperature_colours([c.temperature for c in curves])
    columns = min(3, len(elements))
    rows = -(-len(elements) // columns)
    with figure("msd", 4.5 * columns if columns < 3 else 9.4, 3.3 * rows) as fig:
        grid = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(elements) :]:
            axes.set_visible(False)
        for axes, element in zip(grid.flat, elements, strict=False):
            for curve in (c for c in curves if c.element == element):
                style = ("-", "--", ":", "-.")[structures.index(curve.structure) % 4]
                label = f"{curve.temperature:g} K"
                if len(structures) > 1:
                    label = f"{curve.structure}, {label}"
                _msd_line(axes, curve, colours[curve.temperature], style, label)
            _slope_guide(axes, [c for c in curves if c.element == element])
            title = "Charge, collective (e² Å²)" if element == CHARGE else element
            axes.set(title=title, xscale="log", yscale="log", xlabel="time (ps)")
        for axes in grid.flat[: len(elements)]:
            log_axis(axes.xaxis, *axes.get_xlim())
            log_axis(axes.yaxis, *axes.get_ylim())
        for row in range(rows):
            grid[row, 0].set_ylabel("MSD (Å²)")
        grid.flat[0].legend(loc="upper left", fontsize=8)
        yield fig


def _msd_line(axes: Axes, curve: MsdCurve, colour: object, style: str, label: str) -> None:
    positive = (curve.time > 0) & (curve.msd > 0)
    time, value = curve.time[positive], curve.msd[positive]
    if not len(time):
        return
    keep = np.unique(
        np.searchsorted(time, np.geomspace(time[0], time[-1], MAX_CURVE_POINTS)).clip(
            0, len(time) - 1
        )
    )
    time, value = time[keep], value[keep]
    axes.plot(time, value, color=colour, linestyle=style, linewidth=1.3, label=label)
    if curve.fit_window_ps is not None:
        low, high = curve.fit_window_ps
        inside = (time >= 0.999 * low) & (time <= 1.001 * high)
        axes.plot(
            time[inside], value[inside], color=colour, linewidth=5.0, alpha=0.45,
            solid_capstyle="butt",
        )  # fmt: skip


def _slope_guide(axes: Axes, curves: Sequence[MsdCurve]) -> None:
    """Draw MSD ∝ t above the hottest curve: what diffusion looks like."""
    last = max((c for c in curves if len(c.time)), key=lambda c: float(c.msd[-1]), default=None)
    if last is None or last.msd[-1] <= 0:
        return
    end = float(last.time[-1])
    window = last.fit_window_ps
    if window is None or window[0] <= 0:
        window = (end / 30, end / 3)
    low, high = window[0] / 1.5, window[1] * 1.5
    anchor = float(np.interp(math.sqrt(low * high), last.time, last.msd))
    if anchor <= 0:
        return
    times = np.array([low, high])
    guide = 2.2 * anchor * times / math.sqrt(low * high)
    axes.plot(times, guide, color=INK, linestyle="--", linewidth=1.0)
    axes.annotate(
        "slope 1", (times[0], guide[0]), xytext=(-4, 0), textcoords="offset points",
        ha="right", va="center", fontsize=8, color=INK,
    )  # fmt: skip


def arrhenius_series(transport: Transport) -> list[ArrheniusSeries]:
    """Return D of each element (cm²/s) and σT (K mS/cm) of each structure with its fit."""
    fits = {
        (fit.structure, fit.name): fit
        for fit in transport.arrhenius
        if fit.activation_eV is not None
    }
    structures = list(dict.fromkeys(p.structure for p in transport.points))
    series = []
    for structure in structures:
        points = [p for p in transport.points if p.structure == structure]
        elements = list(dict.fromkeys(d.element for p in points for d in p.diffusion))
        for element in elements:
            rows = [
                (p.temperature, d.value, d.error or 0.0, d.resolved)
                for p in points
                for d in p.diffusion
                if d.element == element and d.value is not None and d.value > 0
            ]
            series.append(_series(f"D_{element}", structure, "cm²/s", rows, fits))
        rows = [
            (p.temperature, c.value * p.temperature, (c.error or 0.0) * p.temperature, c.resolved)
            for p in points
            if (c := p.conductivity) is not None and c.value is not None and c.value > 0
        ]
        series.append(_series("sigma_T", structure, "K mS/cm", rows, fits))
    return [one for one in series if one.values]


def _series(
    name: str,
    structure: str,
    unit: str,
    rows: Sequence[tuple[float, float, float, bool]],
    fits: dict[tuple[str, str], ArrheniusFit],
) -> ArrheniusSeries:
    return ArrheniusSeries(
        name=name,
        structure=structure,
        unit=unit,
        temperatures=[row[0] for row in rows],
        values=[row[1] for row in rows],
        errors=[row[2] for row in rows],
        resolved=[row[3] for row in rows],
        fit=fits.get((structure, name)),
    )


def arrhenius(series: Sequence[ArrheniusSeries]) -> str | None:
    """Return the Arrhenius plots as SVG; see :func:`arrhenius_figure`."""
    if not series or len({t for one in series for t in one.temperatures}) < 2:
        return None
    with arrhenius_figure(series) as fig:
        return to_svg(fig, "Arrhenius plots")


@contextmanager
def arrhenius_figure(series: Sequence[ArrheniusSeries]) -> Iterator[Figure]:
    """Draw ln D and ln σT against 1/T with fit and 95 % confidence band.

    Save the figure inside the context: its style ends there.
    """
    groups = [
        ("Self-diffusion", "D", [s for s in series if s.name.startswith("D_")]),
        ("Conductivity", "σT", [s for s in series if s.name == "sigma_T"]),
    ]
    groups = [group for group in groups if group[2]]
    with figure("arrhenius", 4.6 * len(groups), 3.7) as fig:
        for axes, (title, symbol, members) in zip(
            fig.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
        ):
            _arrhenius_panel(axes, members, symbol)
            axes.set_title(title, pad=30)
        yield fig


def _arrhenius_panel(axes: Axes, members: Sequence[ArrheniusSeries], symbol: str) -> None:
    power = common_exponent([v for s in members for v in s.values]) or 0
    scale = 10.0**-power
    temperatures = sorted({t for s in members for t in s.temperatures})
    structures = list(dict.fromkeys(s.structure for s in members))
    inverse = [1000 / t for t in temperatures]
    margin = 0.12 * (max(inverse) - min(inverse) or 0.1)
    limits = (min(inverse) - margin, max(inverse) + margin)
    bounds: list[float] = []
    for number, one in enumerate(members):
        colour = series_colour(number if symbol == "D" else number + 2)
        name = "σT" if one.name == "sigma_T" else f"D({one.name[2:]})"
        if len(structures) > 1:
            name = f"{name}, {one.structure}"
        marker = _MARKERS[number % len(_MARKERS)]
        x = 1000 / np.array(one.temperatures)
        y, error = scale * np.array(one.values), scale * np.array(one.errors)
        bounds += [*(y + error), *np.maximum(y - error, 0.3 * y)]
        _draw_fit(axes, one.fit, limits, scale, colour)
        solid = np.array(one.resolved)
        label = name
        if one.fit is not None:
            energy = plus_minus(one.fit.activation_eV, one.fit.activation_error_eV, "eV")
            label = f"{name}: Eₐ = {energy}"
        axes.errorbar(
            x[solid], y[solid], yerr=error[solid], color=colour, marker=marker,
            linestyle="none", label=label,
        )  # fmt: skip
        if not solid.all():
            axes.errorbar(
                x[~solid], y[~solid], yerr=error[~solid], color=colour, marker=marker,
                linestyle="none", markerfacecolor=PAPER, label=f"{name}, not resolved",
            )  # fmt: skip
    axes.set_yscale("log")
    unit = members[0].unit
    unit = f"{power_of_ten(power)} {unit}" if power else unit
    low, high = min(bounds), max(bounds)
    pad = (high / low) ** 0.12 * 1.05
    axes.set(
        xlim=limits, ylim=(low / pad**2.2, high * pad), xlabel="1000/T (1/K)",
        ylabel=f"{symbol} ({unit})",
    )  # fmt: skip
    log_axis(axes.yaxis, *axes.get_ylim())
    _temperature_axis(axes, temperatures)
    axes.legend(loc="lower left", fontsize=8)


def _draw_fit(
    axes: Axes,
    fit: ArrheniusFit | None,
    limits: tuple[float, float],
    scale: float,
    colour: str,
) -> None:
    if fit is None or fit.ln_prefactor is None or fit.activation_eV is None:
        return
    x = np.linspace(*limits, 60)
    beta = x / (1000 * kB)
    line = fit.ln_prefactor - fit.activation_eV * beta
    axes.plot(x, scale * np.exp(line), color=colour, linewidth=1.4)
    if fit.covariance is not None:
        design = np.stack([np.ones_like(beta), -beta])
        variance = np.einsum("ix,ij,jx->x", design, fit.covariance, design)
        half = CONFIDENCE * np.sqrt(np.maximum(variance, 0.0))
        axes.fill_between(
            x, scale * np.exp(line - half), scale * np.exp(line + half), color=colour,
            alpha=0.16, linewidth=0,
        )  # fmt: skip


def _temperature_axis(axes: Axes, temperatures: Sequence[float]) -> None:
    """Write the temperatures above the axes; a second scale of its own would confuse."""
    top = axes.secondary_xaxis("top")
    top.set_xticks([1000 / t for t in temperatures], [f"{t:g}" for t in temperatures])
    top.set_xlabel("T (K)")
    top.spines["top"].set_visible(False)
    top.tick_params(colors=MUTED, labelcolor=INK)
