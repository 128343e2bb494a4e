"""Figures of the mechanism: jump lengths, conversions and vibrations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .model_transport import MechanismCurve
from .style import MUTED, figure, series_colour, temperature_colours, to_svg

#: Curves of one panel that can be told apart.
MAX_CURVES = 6

_AXES = {
    "jump lengths": ("jump length (Å)", "share of the hops"),
    "conversions": ("time (ps)", "conversions counted in a cell"),
    "vibrations": ("frequency (THz)", "modes per THz"),
}


def mechanism(curves: Sequence[MechanismCurve]) -> str | None:
    """Return the panels as SVG; see :func:`mechanism_figure`."""
    if not curves:
        return None
    with mechanism_figure(curves) as fig:
        return to_svg(fig, "Mechanism: jump lengths, conversions, vibrations")


@contextmanager
def mechanism_figure(curves: Sequence[MechanismCurve]) -> Iterator[Figure]:
    """Draw a panel for each kind of curve that there is.

    Jump lengths are drawn for all temperatures, conversions and vibrations for the highest one.
    Save the figure inside the context: its style ends there.
    """
    kinds = [kind for kind in _AXES if any(curve.kind == kind for curve in curves)]
    with figure("mechanism", max(4.6, 3.4 * len(kinds)), 3.3) as fig:
        row = fig.subplots(1, len(kinds), squeeze=False)[0]
        for axes, kind in zip(row, kinds, strict=True):
            own = [curve for curve in curves if curve.kind == kind]
            if kind == "jump lengths":
                _jump_lengths(axes, own)
            else:
                _lines(axes, own, kind)
            x, y = _AXES[kind]
            axes.set(xlabel=x, ylabel=y)
            axes.set_ylim(bottom=0.0)
            axes.legend(fontsize=8)
        yield fig


def _jump_lengths(axes: Axes, curves: Sequence[MechanismCurve]) -> None:
    """Steps, so that bins without a hop are seen to be empty."""
    axes.set_title("Jump lengths")
    colours = temperature_colours([curve.temperature for curve in curves])
    elements = list(dict.fromkeys(curve.name for curve in curves))
    for curve in curves:
        style = ("-", "--", ":")[elements.index(curve.name) % 3]
        label = f"{curve.name}, {curve.temperature:g} K"
        total = max(float(curve.y.sum()), 1.0)
        # An empty bin behind the last one closes the outline.
        width = curve.x[1] - curve.x[0] if len(curve.x) > 1 else 0.1
        lengths, counts = np.append(curve.x, curve.x[-1] + width), np.append(curve.y, 0.0)
        axes.step(
            lengths, counts / total, where="mid", color=colours[curve.temperature],
            linestyle=style, label=label,
        )  # fmt: skip


def _lines(axes: Axes, curves: Sequence[MechanismCurve], kind: str) -> None:
    hottest = max(curve.temperature for curve in curves)
    chosen = [curve for curve in curves if curve.temperature == hottest]
    chosen.sort(key=lambda curve: -float(np.max(curve.y, initial=0.0)))
    for number, curve in enumerate(chosen[:MAX_CURVES]):
        total = curve.name == "total"
        axes.plot(
            curve.x, curve.y, label=curve.name, linewidth=2.4 if total else 1.4,
            color=MUTED if total else series_colour(number),
        )  # fmt: skip
    if kind == "vibrations":
        axes.set_xlim(0.0, _last_mode(chosen))
    axes.set_title(f"{kind.capitalize()}, {hottest:g} K")


def _last_mode(curves: Sequence[MechanismCurve]) -> float:
    """Frequency below which all but a thousandth of the modes lie."""
    longest = max(curves, key=lambda curve: float(curve.y.sum()))
    share = np.cumsum(longest.y) / max(float(longest.y.sum()), 1e-300)
    last = int(np.searchsorted(share, 0.999))
    return 1.2 * float(longest.x[min(last, len(longest.x) - 1)])
