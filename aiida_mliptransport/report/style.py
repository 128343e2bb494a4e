"""One style for all figures: colours that change with the page, deterministic inline SVG."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from xml.sax.saxutils import quoteattr

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from .numbers import power_of_ten, significant

INK = "#1c2127"
MUTED = "#5f6b7a"
GRID = "#e1e5ea"
PAPER = "#fefefe"
#: Okabe and Ito's colours for colour-blind readers, dark enough for lines on white.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#b5528f", "#b87f00", "#3d93c9")
ACCURATE, CANDIDATE, FAILED, UNPHYSICAL = SERIES[2], SERIES[4], SERIES[1], MUTED
NOT_REACHED = GRID

#: Colour in a figure → variable of the page's style sheet, so that dark mode reaches it.
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"} | {
    colour: f"--series-{number}" for number, colour in enumerate(SERIES)
}

#: More points than this are drawn as an image inside the SVG.
MAX_VECTOR_POINTS = 1500

#: Pixels on the page per inch of a figure.
PIXELS_PER_INCH = 100

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same layout on every machine
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
    "errorbar.capsize": 3.0,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.parse_math": False,  # a label with a dollar sign is text, not a formula
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "path.simplify": True,
}


@contextmanager
def figure(name: str, width: float, height: float) -> Iterator[Figure]:
    """Give a figure (inches) in the style of the report; ``name`` seeds its ids."""
    settings: Any = {**_STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(settings):
        yield Figure(figsize=(width, height), layout="constrained")


def to_svg(fig: Figure, title: str) -> str:
    """Return a figure as an SVG element to be put into HTML. Call it inside :func:`figure`.

    The bytes depend on the figure alone: no date, no random ids. Colours of the style become
    variables of the page.

    Parameters
    ----------
    title
        Read out by screen readers.
    """
    buffer = io.StringIO()
    fig.savefig(
        buffer,
        format="svg",
        dpi=200,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    # Groups are numbered from 1 in every figure; ids must be unique in a page.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    width = round(fig.get_figwidth() * PIXELS_PER_INCH)
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        lambda match: (
            f'<svg xmlns="http://www.w3.org/2000/svg" '
            f'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{match[1]}" '
            f'style="max-width:{width}px" role="img" aria-label={quoteattr(title)}>'
        ),
        text,
        count=1,
    ).strip()


def series_colour(number: int) -> str:
    """Return a colour of the palette; it repeats."""
    return SERIES[number % len(SERIES)]


def temperature_colours(temperatures: Sequence[float]) -> dict[float, Any]:
    """Return a colour per temperature, cold (blue-violet) to hot (orange), even in lightness."""
    chosen = sorted(set(temperatures))
    positions = np.linspace(0.22, 0.78, len(chosen)) if len(chosen) > 1 else [0.4]
    return dict(zip(chosen, matplotlib.colormaps["plasma"](positions), strict=True))


def log_axis(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis with plain numbers, or powers of ten where these are shorter.

    ``low`` and ``high`` are what the axis shows; below 1.6 decades 2 and 5 are labelled too.
    """
    narrow = math.log10(high / low) < 1.6
    if narrow:
        ticks = [
            m * 10.0**e
            for e in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
            for m in ((1, 1.5, 2, 3, 4, 5, 7) if math.log10(high / low) < 0.7 else (1, 2, 5))
        ]
        axis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(LogLocator(10))
        axis.set_minor_locator(LogLocator(10, subs=(2, 3, 4, 5, 6, 7, 8, 9)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _log_label(value)))


def _log_label(value: float) -> str:
    if value <= 0:
        return ""
    if 1e-3 < value < 1e5:
        return f"{value:g}"
    exponent = round(math.log10(value))
    return power_of_ten(exponent) if value == 10.0**exponent else significant(value, 1)


def note(axes: Axes, text: str, x: float = 0.97, y: float = 0.05, **options: Any) -> None:
    """Write a remark into a corner of the axes."""
    style: dict[str, Any] = {
        "ha": "right",
        "va": "bottom",
        "fontsize": 8.5,
        "color": MUTED,
    } | options
    axes.text(x, y, text, transform=axes.transAxes, **style)
