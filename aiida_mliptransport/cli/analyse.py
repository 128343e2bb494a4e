"""The command ``analyse``: transport from a trajectory file, without an AiiDA profile."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import print_table
from .trajectory_options import GivenTrajectory, parse_charges, trajectory_options

if TYPE_CHECKING:
    from ..science.transport.point import PointResult

#: LAMMPS dumps above this size are read as a stream: in memory they take three times as much.
STREAM_BYTES = 10**9

#: Errors by which a direction must differ from the mean for all three to be shown.
ANISOTROPY_SIGMAS = 3.0


def _charges(ctx: click.Context, param: click.Parameter, value: str) -> dict[str, float]:
    return parse_charges(value)


@click.command()
@trajectory_options
@click.option(
    "--charges",
    required=True,
    callback=_charges,
    help="Charge of every element in elementary charges, as Li=1,Cl=-1; never guessed.",
)
@click.option(
    "--scratch",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder for what a LAMMPS dump above 1 GB, which is not read into memory, leaves on disk "
    "during the analysis.",
)
def analyse(
    given: GivenTrajectory,
    charges: dict[str, float],
    as_json: bool,
    plot: Path | None,
    html: Path | None,
    scratch: Path | None,
) -> None:
    """Analyse a trajectory FILE: D of each element, σ, Haven ratio, with error bars.

    \b
    Examples:
      aiida-mliptransport analyse dump.lammpstrj --timestep 2 --temperature 1000 \\
          --charges Li=1,Cl=-1
      aiida-mliptransport analyse XDATCAR --interval 0.02 --temperature 600 \\
          --charges Li=1,P=5,S=-2 --frame framework:P+S --html analysis.html --json
    """
    try:
        if _is_large_dump(given):
            result, facts = _from_stream(given, charges, scratch)
        else:
            result, facts = _from_memory(given, charges)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if plot is not None:
        _draw(result, plot)
    content = {
        "file": given.file.name,
        **facts,
        "temperature_K": given.temperature,
        "charges": charges,
        "reference_frame": given.frame,
        **result.record,
    }
    if html is not None:
        _write_html(html, content, result)
    if as_json:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    _show(result, facts["n_frames"], facts["length_ps"], given.frame)


def _is_large_dump(given: GivenTrajectory) -> bool:
    from ..science.lammps_dump import is_dump

    return given.file.stat().st_size > STREAM_BYTES and (
        given.fmt == "lammps-dump" or is_dump(given.file)
    )


def _from_stream(
    given: GivenTrajectory, charges: dict[str, float], scratch: Path | None
) -> tuple[PointResult, dict[str, Any]]:
    from ..science.trajectory_stream import stream_dump
    from ..science.transport.reference import parse_reference_frame
    from ..science.transport.streamed import analyse_stream

    if given.skip:
        raise click.BadParameter(
            f"--skip {given.skip}: a dump above {STREAM_BYTES / 1e9:g} GB is read as a stream, "
            "from its first frame on; write a dump without them"
        )
    reference = parse_reference_frame(given.frame)
    with click.progressbar(
        length=given.file.stat().st_size, label=f"reading {given.file.name}", file=sys.stderr
    ) as bar:

        def show(done: int, _: int) -> None:
            bar.update(done - bar.pos)

        with stream_dump(
            given.file, reference, scratch=scratch, progress=show, **given.timing
        ) as trajectory:
            result = analyse_stream(trajectory, charges, given.temperature)
            return result, _facts(
                trajectory.symbols, trajectory.times_ps, trajectory.volume_angstrom3
            )


def _from_memory(
    given: GivenTrajectory, charges: dict[str, float]
) -> tuple[PointResult, dict[str, Any]]:
    from ..science.transport.point import Run, analyse_point, centres_of_species
    from ..science.transport.reference import parse_reference_frame

    trajectory = given.read()
    positions, times = trajectory.positions, trajectory.times_ps
    dt = float(times[1] - times[0])
    centres = centres_of_species(positions, trajectory.symbols)
    result = analyse_point(
        [Run(positions, dt, centres, dt)],
        trajectory.symbols,
        trajectory.masses,
        trajectory.volume_angstrom3,
        given.temperature,
        charges,
        parse_reference_frame(given.frame),
    )
    return result, _facts(trajectory.symbols, times, trajectory.volume_angstrom3)


def _facts(symbols: Sequence[str], times: Any, volume: float) -> dict[str, Any]:
    return {
        "n_atoms": len(symbols),
        "n_frames": len(times),
        "length_ps": float(times[-1] - times[0]),
        "volume_A3": volume,
    }


def _show(result: PointResult, n_frames: int, length_ps: float, frame: str) -> None:
    click.echo(f"{n_frames} frames, {length_ps:.6g} ps, reference frame {frame}")
    rows = []
    for element, record in result.record["diffusion"].items():
        rows.append((f"D({element})", *_cells(record, "D_cm2_s", ".3e"), "cm²/s", _why(record)))
        rows += _by_direction(f"D({element})", record, "D_cm2_s", "tensor_cm2_s", "cm²/s")
    record = result.record["conductivity"]
    rows.append(("σ", *_cells(record, "sigma_mS_cm", ".4g"), "mS/cm", _why(record)))
    rows += _by_direction("σ", record, "sigma_mS_cm", "tensor_mS_cm", "mS/cm")
    if record["sigma_NE_mS_cm"] is not None:
        value, error = record["sigma_NE_mS_cm"], record["sigma_NE_error"]
        rows.append(("σ(Nernst–Einstein)", f"{value:.4g}", f"{error:.2g}", "mS/cm", ""))
    if record["haven_ratio"] is not None:
        value, error = record["haven_ratio"], record["haven_ratio_error"]
        note = record["haven_convention"]
        rows.append(("Haven ratio", f"{value:.3g}", f"{error:.2g}", "", note))
    print_table(("quantity", "value", "standard error", "unit", "note"), rows)


def _by_direction(
    name: str, record: dict[str, Any], key: str, tensor: str, unit: str
) -> list[tuple[str, ...]]:
    """Rows for the Cartesian axes, where they differ from the mean by more than three errors."""
    if not record["resolved"]:
        return []
    parts = [(record[tensor][a][a], record["tensor_error"][a][a]) for a in range(3)]
    if not any(abs(value - record[key]) > ANISOTROPY_SIGMAS * error for value, error in parts):
        return []
    return [
        (f"{name} along {axis}", f"{value:.3e}", f"{error:.2g}", unit, "anisotropic")
        for axis, (value, error) in zip("xyz", parts, strict=True)
    ]


def _write_html(path: Path, content: dict[str, Any], result: PointResult) -> None:
    from ..report.collect_transport import transport_of
    from ..report.html import write_analysis
    from ..science.transport import ESTIMATOR_VERSION

    name = f"run_{round(content['temperature_K'])}K"
    point = {**content, "structure": "run", "n_trajectories": 1}
    transport = transport_of(
        {**content, "points": [point], "estimator_version": ESTIMATOR_VERSION},
        {f"{name}_{key}": curve for key, curve in result.curves.items()},
        n_trajectories=1,
    )
    sentence = (
        f"{content['n_frames']} frames, {content['length_ps']:.6g} ps, {content['n_atoms']} atoms "
        f"at {content['temperature_K']:g} K; {content['reference_frame']} reference frame, "
        f"estimator version {ESTIMATOR_VERSION}"
    )
    write_analysis(path, content["file"], sentence, transport)


def _cells(record: dict[str, Any], key: str, style: str) -> tuple[str, str]:
    if not record["resolved"]:
        return "not resolved", "–"
    return f"{record[key]:{style}}", f"{record['standard_error']:.2g}"


def _why(record: dict[str, Any]) -> str:
    if record["resolved"]:
        return str(record["warning"])
    needed = record["needed_length_ps"]
    more = f"; needs about {needed:.3g} ps of MD or more" if needed else ""
    return f"{record['reason']}{more}"


def _draw(result: PointResult, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    curves = result.curves
    for element, record in result.record["diffusion"].items():
        (line,) = axes.loglog(curves["time_ps"], curves[f"msd_{element}"], label=element)
        if record["resolved"]:
            low, high = record["fit_window_ps"]
            chosen = (curves["time_ps"] >= low) & (curves["time_ps"] <= high)
            axes.loglog(
                curves["time_ps"][chosen],
                curves[f"msd_{element}"][chosen],
                lw=6,
                alpha=0.35,
                color=line.get_color(),
            )
    axes.loglog(curves["charge_time_ps"], curves["msd_charge"], "k--", label="charge (e² Å²)")
    axes.set_xlabel("time (ps)")
    axes.set_ylabel("mean square displacement (Å²)")
    axes.legend(frameon=False, title="broad: fit window")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
