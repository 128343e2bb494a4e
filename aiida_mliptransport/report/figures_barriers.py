"""Figures of migration barriers: energy profiles, and where the ions go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.geometry import wrap_positions
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from .model_barriers import BarrierPath, FloatArray, PathPicture
from .style import GRID, INK, MUTED, PAPER, SERIES, figure, series_colour, to_svg

WIDTH = 9.4
ROW_HEIGHT = 3.1

#: Method → words, line style and marker.
_METHODS = {
    "potential": ("potential", "-", "o"),
    "labels": ("labeller, same images", "--", "s"),
    "reference": ("labeller, own band", ":", "^"),
}

#: Atoms so near to a place that a moving ion passes are drawn, Å.
SURROUNDINGS_ANGSTROM = 3.6

#: Radius in the picture over the covalent radius: neighbours must not hide one another.
ATOM_SCALE = 0.45

#: A path that leaves the line between its ends by no more is drawn as straight, Å.
STRAIGHT_ANGSTROM = 0.1

#: Å above or below the plane of the picture at which an atom is drawn half as strong.
FADE_ANGSTROM = 2.5


def barriers(paths: Sequence[BarrierPath]) -> str | None:
    """Draw for each path the energies by method, and the ions on their way beside them."""
    if not paths:
        return None
    with figure("barriers", WIDTH, ROW_HEIGHT * len(paths)) as fig:
        rows = fig.subplots(len(paths), 2, width_ratios=(1.4, 1), squeeze=False)
        for path, (energies, picture) in zip(paths, rows, strict=True):
            _profile_panel(energies, path)
            _picture_panel(picture, path)
        return to_svg(fig, "Migration barriers")


def _profile_panel(axes: Axes, path: BarrierPath) -> None:
    for number, profile in enumerate(path.profiles):
        words, line, marker = _METHODS[profile.whose]
        colour = series_colour(number)
        axes.plot(*profile.curve, color=colour, linestyle=line)
        axes.plot(
            profile.coordinate, profile.energies, color=colour, marker=marker, linestyle="none",
            label=f"{words}: {profile.barrier:.3f} eV",
        )  # fmt: skip
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    axes.set_xlabel("length of the path of all atoms (Å)")
    axes.set_ylabel("energy (eV)")
    axes.set_title(path.name)
    top = max(float(profile.curve[1].max()) for profile in path.profiles)
    # Room for the legend above the curves.
    axes.set_ylim(top=top + 0.16 * (len(path.profiles) + 1) * max(top, 1e-3))
    axes.legend(loc="upper center", ncols=1)


def _picture_panel(axes: Axes, path: BarrierPath) -> None:
    axes.set_axis_off()
    picture = path.picture
    if picture is None or not picture.moving:
        return
    track, around, numbers = _surroundings(picture)
    plane = _plane(track, around)
    middle = track.mean(axis=(0, 1))
    flat = (around - middle) @ plane.T
    kinds = sorted(set(picture.numbers.tolist()))
    colours = {kind: series_colour(kinds.index(kind) + 1) for kind in kinds}
    for index in np.argsort(flat[:, 2]):
        x, y, depth = flat[index]
        kind = int(numbers[index])
        strength = 0.85 * 0.5 ** (abs(depth) / FADE_ANGSTROM)
        radius = ATOM_SCALE * covalent_radii[kind]
        # Paper below a pale atom, so that those behind it do not shine through.
        axes.add_patch(Circle((x, y), radius, facecolor=PAPER, edgecolor="none"))
        axes.add_patch(
            Circle(
                (x, y), radius, facecolor=colours[kind], edgecolor=INK, linewidth=0.6,
                alpha=max(strength, 0.08),
            )
        )  # fmt: skip
    for number, ion in enumerate(picture.moving):
        way = (track[:, number] - middle) @ plane.T
        kind = int(picture.numbers[ion])
        axes.plot(way[:, 0], way[:, 1], color=INK, linewidth=1.0, zorder=3)
        for step, (x, y, _) in enumerate(way):
            end = step in (0, len(way) - 1)
            axes.add_patch(
                Circle(
                    (x, y), (0.8 if end else 0.5) * ATOM_SCALE * covalent_radii[kind],
                    facecolor=SERIES[0] if end else PAPER, edgecolor=SERIES[0], linewidth=1.2,
                    zorder=4,
                )
            )  # fmt: skip
        axes.annotate(
            "", way[-1, :2], way[-2, :2], zorder=5, arrowprops={"arrowstyle": "->", "color": INK}
        )
    _legend(axes, kinds, colours)
    reach = SURROUNDINGS_ANGSTROM + 0.6
    ways = (track - middle) @ plane.T
    axes.set_xlim(ways[..., 0].min() - reach, ways[..., 0].max() + reach)
    axes.set_ylim(ways[..., 1].min() - reach, ways[..., 1].max() + reach)
    axes.set_aspect("equal")
    axes.plot(
        [ways[..., 0].min() - reach + 0.2, ways[..., 0].min() - reach + 2.2],
        [ways[..., 1].min() - reach + 0.2] * 2, color=INK, linewidth=2.0,
    )  # fmt: skip
    axes.annotate(
        "2 Å", (ways[..., 0].min() - reach + 2.4, ways[..., 1].min() - reach + 0.2),
        color=INK, fontsize=8, va="center",
    )  # fmt: skip
    axes.set_title(f"{path.moving}: {path.origin}")


def _legend(axes: Axes, kinds: Sequence[int], colours: dict[int, str]) -> None:
    for kind in kinds:
        axes.plot(
            [], [], marker="o", linestyle="none", color=colours[kind], markeredgecolor=GRID,
            label=chemical_symbols[kind],
        )  # fmt: skip
    axes.legend(loc="lower right", ncols=len(kinds), handletextpad=0.1, columnspacing=0.8)


def _surroundings(picture: PathPicture) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Return the way of the moving ions (M, m, 3), and what is around it at the saddle."""
    track = picture.positions[:, list(picture.moving)]
    half = len(track) // 2
    centre = track[half].mean(axis=0)
    fixed = np.setdiff1d(np.arange(len(picture.numbers)), picture.moving)
    inverse = np.linalg.inv(picture.cell)
    # The cell around the middle of the path, so that no neighbour is on its other side.
    around = wrap_positions(
        picture.positions[half, fixed], picture.cell, pbc=True, center=tuple(centre @ inverse)
    )
    distances = np.linalg.norm(around[:, None, None] - track[None], axis=-1).min(axis=(1, 2))
    near = distances < SURROUNDINGS_ANGSTROM
    return track, around[near], picture.numbers[fixed][near]


def _plane(track: FloatArray, around: FloatArray) -> FloatArray:
    """Return axes (3, 3): along the path, across it, and depth.

    Across is where the path bends to; one that does not is seen with most of its neighbours.
    """
    jump = track[-1, 0] - track[0, 0]
    first = jump / np.linalg.norm(jump)
    bend = (track - track[:1]).reshape(-1, 3)
    bend = bend - np.outer(bend @ first, first)
    if np.linalg.norm(bend, axis=1).max() > STRAIGHT_ANGSTROM:
        scatter = bend.T @ bend
    else:
        centred = around - track.mean(axis=(0, 1))
        across = centred - np.outer(centred @ first, first)
        # Neighbours that are nearest to the saddle show the gate that the ion goes through.
        weights = np.exp(-2.0 * np.linalg.norm(centred, axis=1))
        scatter = (across * weights[:, None]).T @ across
    second = np.linalg.eigh(scatter)[1][:, -1]
    second -= (second @ first) * first
    second /= np.linalg.norm(second)
    # The sign of an eigenvector is arbitrary: the largest component is positive.
    second *= np.sign(second[np.argmax(np.abs(second))])
    return np.stack([first, second, np.cross(first, second)])
