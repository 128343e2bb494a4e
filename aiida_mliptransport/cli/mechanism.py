"""The command ``mechanism``: how ions move in a trajectory file, without an AiiDA profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import print_table
from .trajectory_options import GivenTrajectory, parse_charges, trajectory_options

if TYPE_CHECKING:
    from ..science.transport.mechanism import MechanismResult
    from ..science.transport.mechanism_settings import MechanismSettings


def _pair(expected: str) -> Any:
    def callback(
        ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
    ) -> dict[str, list[float]]:
        found = {}
        for value in values:
            name, equals, numbers = value.partition("=")
            try:
                found[name.strip()] = [float(number) for number in numbers.split(",")]
            except ValueError:
                equals = ""
            if not equals or not name.strip():
                raise click.BadParameter(f"{value!r}, expected {expected}")
        return found

    return callback


@click.command()
@trajectory_options
@click.option(
    "--hops",
    multiple=True,
    callback=_pair("an element and the radius of its sites' cores in Å as Li=1.0"),
    help="Hops of an element between sites found by density: Li=1.0, radius of a core in Å.",
)
@click.option(
    "--bond",
    multiple=True,
    callback=_pair("a pair and its two radii in Å as Al-Cl=2.6,3.4"),
    help="Molecules: a bond forms below the first radius and breaks above the second, as "
    "Al-Cl=2.6,3.4 (Å).",
)
@click.option("--central", help="Element whose changes of molecule are counted, as Al.")
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML with the keys of transport.mechanism in a campaign: all that can be set.",
)
@click.option(
    "--charges",
    default="",
    help="Charge of every element in e as Li=1,Cl=-1, for the parts of σ; never guessed.",
)
def mechanism(
    given: GivenTrajectory,
    hops: dict[str, list[float]],
    bond: dict[str, list[float]],
    central: str | None,
    settings: Path | None,
    charges: str,
    as_json: bool,
    plot: Path | None,
    html: Path | None,
) -> None:
    """Say how ions move in a trajectory FILE: hops, molecules, displacements.

    \b
    Examples:
      aiida-mliptransport mechanism dump.lammpstrj --timestep 2 --temperature 600 \\
          --hops Li=1.0 --frame framework:P+S --html mechanism.html
      aiida-mliptransport mechanism XDATCAR --interval 0.02 --temperature 400 \\
          --bond Al-Cl=2.6,3.4 --central Al --charges Al=3,Cl=-1
    """
    wanted = _settings(settings, hops, bond, central)
    try:
        result, facts = _analyse(given, parse_charges(charges) if charges else {}, wanted)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    content = _content(result, given.temperature)
    if as_json:
        point = content["points"][0]
        shown = {**facts, "reference_frame": given.frame, "rows": point["rows"], **result.record}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _show(content, facts)
    if plot is not None or html is not None:
        _draw(content, result, facts, plot, html)


def _settings(
    path: Path | None,
    hops: dict[str, list[float]],
    bond: dict[str, list[float]],
    central: str | None,
) -> MechanismSettings:
    """Return the settings of the file with those of the options, or a message that says the key."""
    import yaml
    from pydantic import ValidationError

    from ..science.transport.mechanism_settings import MechanismSettings

    content: dict[str, Any] = {}
    if path is not None:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if not isinstance(content, dict):
            raise click.ClickException(f"{path.name} holds {content!r}, expected keys and values")
    for element, values in hops.items():
        if len(values) != 1:
            raise click.BadParameter(f"--hops {element} has {values}, expected one radius in Å")
        content.setdefault("hops", {})[element] = {"core_radius_A": values[0]}
    if bond or central:
        molecules = content.setdefault("molecules", {})
        molecules["bonds"] = {**molecules.get("bonds", {}), **bond}
        molecules["central"] = central or molecules.get("central")
    if not content:
        raise click.UsageError(
            "nothing is asked for, expected --hops, --bond or --settings; for example --hops Li=1.0"
        )
    try:
        return MechanismSettings.model_validate(content)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, item['loc'])) or 'settings'} {item['input']!r}: {item['msg']}"
            for item in error.errors()
        ]
        raise click.ClickException("; ".join(lines)) from error


def _analyse(
    given: GivenTrajectory, charges: dict[str, float], settings: MechanismSettings
) -> tuple[MechanismResult, dict[str, Any]]:
    from ..science.transport.mechanism import MechanismRun, analyse_mechanism
    from ..science.transport.reference import parse_reference_frame

    trajectory = given.read(velocities=settings.vibrations is not None)
    times = trajectory.times_ps
    run = MechanismRun(
        trajectory.positions, trajectory.cells, float(times[1] - times[0]), trajectory.velocities
    )
    result = analyse_mechanism(
        [run],
        trajectory.symbols,
        trajectory.masses,
        given.temperature,
        charges,
        parse_reference_frame(given.frame),
        settings,
    )
    facts = {
        "file": given.file.name,
        "n_atoms": len(trajectory.symbols),
        "n_frames": len(times),
        "length_ps": float(times[-1] - times[0]),
        "temperature_K": given.temperature,
    }
    return result, facts


def _content(result: MechanismResult, temperature: float) -> dict[str, Any]:
    """Return what the report reads, as of one point with one member."""
    from ..science.transport.mechanism_rows import join_rows, mechanism_rows

    members = {"member_0": mechanism_rows(result.record)}
    point = {
        "name": "run",
        "structure": "run",
        "temperature_K": temperature,
        "rows": join_rows(members),
        "members": {"member_0": result.record},
    }
    return {"points": [point]}


def _draw(
    content: dict[str, Any],
    result: MechanismResult,
    facts: dict[str, Any],
    plot: Path | None,
    html: Path | None,
) -> None:
    from ..report.collect_mechanism import mechanism_of
    from ..report.figures_mechanism import mechanism_figure
    from ..report.html import write_analysis

    found = mechanism_of(content, {f"run_{key}": curve for key, curve in result.curves.items()})
    if plot is not None:
        if not found.curves:
            raise click.ClickException(
                "there is no curve to draw: ask for --hops, or for --bond with --central"
            )
        with mechanism_figure(found.curves) as figure:
            figure.savefig(plot, dpi=150)
    if html is not None:
        sentence = (
            f"{facts['n_frames']} frames, {facts['length_ps']:.6g} ps, {facts['n_atoms']} atoms "
            f"at {facts['temperature_K']:g} K"
        )
        write_analysis(html, facts["file"], sentence, found)


def _show(content: dict[str, Any], facts: dict[str, Any]) -> None:
    from ..report.collect_mechanism import mechanism_of
    from ..report.tables_mechanism import row_name

    click.echo(f"{facts['n_frames']} frames, {facts['length_ps']:.6g} ps, {facts['n_atoms']} atoms")
    found = mechanism_of(content, {})
    rows = []
    for row in found.rows:
        note = row.warning if row.resolved else row.reason
        if not row.resolved and row.needed_length_ps:
            note += f"; needs about {row.needed_length_ps:.3g} ps of MD or more"
        value = "not resolved" if row.value is None else f"{row.value:.4g}"
        error = f"{row.error:.2g}" if row.error is not None else "–"
        rows.append((row_name(row.name), value, error, row.unit, note))
    print_table(("quantity", "value", "standard error", "unit", "note"), rows)
    for warning in found.warnings:
        click.echo(f"note: {warning.partition(': ')[2]}")
