"""Figures of a validation: curves of the potential over those of the labeller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from .model_validation import Comparison
from .style import INK, MUTED, SERIES, figure, to_svg

WIDTH = 9.4
COLUMNS = 3

#: Check → its name, and the labels of both axes.
_AXES = {
    "eos": ("Equation of state", "volume (Å³)", "energy over the lowest (eV)"),
    "compression": ("Compression", "volume over that of the cell", "energy rise (eV/atom)"),
    "phonons": ("Phonons", "along the path of the zone", "frequency (THz)"),
    "dimer": ("Dimer", "distance (Å)", "energy (eV)"),
    "rdf": ("RDF", "r (Å)", "g(r)"),
}

#: Energies of a dimer above this are off the panel, eV: it is the attraction that must be seen.
DIMER_TOP_EV = 20.0


def validation(comparisons: Sequence[Comparison]) -> str | None:
    """Draw every comparison that has curves."""
    if not comparisons:
        return None
    rows = -(-len(comparisons) // COLUMNS)
    with figure("validation", WIDTH, 2.7 * rows) as fig:
        grid = fig.subplots(rows, COLUMNS, squeeze=False)
        for axes in grid.flat[len(comparisons) :]:
            axes.set_visible(False)
        for axes, comparison in zip(grid.flat, comparisons, strict=False):
            _panel(axes, comparison)
        return to_svg(fig, "Potential and labeller")


def _panel(axes: Axes, found: Comparison) -> None:
    name, xlabel, ylabel = _AXES[found.check]
    ours, theirs = found.potential, found.labeller
    if found.check == "eos":
        ours = ours - ours.min()
        theirs = None if theirs is None else theirs - theirs.min()
    elif found.check == "compression":
        whole = int(np.argmax(found.x))
        ours = ours - ours[whole]
        theirs = None if theirs is None else theirs - theirs[whole]
    elif found.check == "dimer":
        ours = ours - ours[-1]
        low = min(float(np.nanmin(ours)), -0.1)
        axes.set_ylim(1.1 * low, min(DIMER_TOP_EV, 1.1 * max(float(np.nanmax(ours)), 0.1)))
        axes.axhline(0.0, color=MUTED, linewidth=0.8)
    marker = "o" if found.check in ("eos", "compression") else ""
    order = np.argsort(found.x, kind="stable")
    if theirs is not None:
        lines = axes.plot(
            found.x[order], theirs[order], color=SERIES[4], linewidth=3.5, alpha=0.55,
            solid_capstyle="round",
        )  # fmt: skip
        lines[0].set_label("labeller")
    lines = axes.plot(
        found.x[order], ours[order], color=SERIES[0], linewidth=1.3, marker=marker, markersize=3.5
    )
    lines[0].set_label("potential")
    axes.set(title=f"{name}: {found.title}", xlabel=xlabel, ylabel=ylabel)
    axes.legend(fontsize=8, labelcolor=INK)
