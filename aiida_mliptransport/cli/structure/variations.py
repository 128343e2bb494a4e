"""Commands that vary one cell: ``densify``, ``relax``, ``rattle``, ``strain``, ``volumes``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .making import Request, making_options, seed_option
from .sources import Source, StructureType
from .values import settings_of

_STRUCTURE = click.argument("structure", type=StructureType())
_NUMBER = click.option(
    "-n", "--number", type=click.IntRange(min=1), default=1, show_default=True, help="Of cells."
)
_CALCULATOR = (
    click.option(
        "--calculator",
        required=True,
        help="Name in the registry: tblite, emt, lj, deepmd, mace or lammps.",
    ),
    click.option(
        "-s",
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Setting of the calculator, as method=GFN2-xTB; lists in JSON. Repeat.",
    ),
    click.option(
        "--model",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Model file of deepmd or mace.",
    ),
)


def _calculator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((_STRUCTURE, *_CALCULATOR)):
        command = option(command)
    return command


@click.command("densify")
@_calculator_options
@click.option(
    "--path",
    nargs=3,
    type=float,
    multiple=True,
    metavar="K BAR PS",
    help="Temperature, pressure and duration of a stretch; repeat. Without it 10 K, 50 kbar, 5 ps.",
)
@click.option("--timestep", type=float, default=1.0, show_default=True, help="fs.")
@click.option(
    "--pressure-damping",
    type=float,
    default=1000.0,
    show_default=True,
    help="Coupling time of the barostat, fs.",
)
@seed_option
@making_options
def densify(
    structure: Source,
    calculator: str,
    settings: tuple[str, ...],
    model: Path | None,
    path: tuple[tuple[float, ...], ...],
    timestep: float,
    pressure_damping: float,
    seed: int,
) -> Request:
    """Press a dilute STRUCTURE by MD with a calculator (Berendsen; a start, not an ensemble).

    \b
    Example:
      aiida-mliptransport structure densify dilute.xyz --calculator tblite -s method=GFN1-xTB \\
          --path 300 20000 2 --path 300 1 1 -o dense.xyz
    """
    spec, files = _calculator(calculator, settings, model)
    parameters = {
        "calculator": spec,
        "path": [list(stretch) for stretch in path] or None,
        "timestep_fs": timestep,
        "pressure_damping_fs": pressure_damping,
    }
    return Request("densify_cell", parameters, {"structure": structure}, files, seed)


@click.command("relax")
@_calculator_options
@click.option(
    "--fmax", type=float, default=0.05, show_default=True, help="Largest force at the end, eV/Å."
)
@click.option("--cell", is_flag=True, help="Relax shape and volume too, to zero pressure.")
@click.option("--max-steps", type=int, default=1000, show_default=True)
@making_options
def relax(
    structure: Source,
    calculator: str,
    settings: tuple[str, ...],
    model: Path | None,
    fmax: float,
    cell: bool,
    max_steps: int,
) -> Request:
    """Relax a STRUCTURE with a calculator to the nearest minimum.

    \b
    Example:
      aiida-mliptransport structure relax vacancy.xyz --calculator tblite -s method=GFN2-xTB \\
          --fmax 0.1 -o relaxed.xyz
    """
    spec, files = _calculator(calculator, settings, model)
    parameters = {"calculator": spec, "fmax": fmax, "cell": cell, "max_steps": max_steps}
    return Request("relax_cell", parameters, {"structure": structure}, files)


@click.command("rattle")
@_STRUCTURE
@click.option(
    "--stdev", type=float, required=True, help="Of each Cartesian component, Å, like 0.05."
)
@_NUMBER
@seed_option
@making_options
def rattle(structure: Source, stdev: float, number: int, seed: int) -> Request:
    """Displace all atoms of a STRUCTURE at random.

    \b
    Example:
      aiida-mliptransport structure rattle LiCl.cif --stdev 0.05 -n 10 -o rattled.xyz
    """
    parameters = {"stdev": stdev, "n_structures": number}
    return Request("rattle_cell", parameters, {"structure": structure}, seed=seed)


@click.command("strain")
@_STRUCTURE
@click.option(
    "--voigt",
    nargs=6,
    type=float,
    multiple=True,
    metavar="XX YY ZZ YZ XZ XY",
    help="A strain, with engineering shear; repeat.",
)
@click.option(
    "--maximum", type=float, help="Random strains instead, uniform up to this in each component."
)
@_NUMBER
@seed_option
@making_options
def strain(
    structure: Source,
    voigt: tuple[tuple[float, ...], ...],
    maximum: float | None,
    number: int,
    seed: int,
) -> Request:
    """Deform the cell of a STRUCTURE by given strains, or at random.

    \b
    Examples:
      aiida-mliptransport structure strain LiCl.cif --voigt 0.02 0 0 0 0 0 -o strained.xyz
      aiida-mliptransport structure strain LiCl.cif --maximum 0.03 -n 10 -o strained.xyz
    """
    if bool(voigt) == (maximum is not None):
        raise click.UsageError("give either --voigt or --maximum: expected one of them")
    if maximum is not None:
        parameters = {"maximum": maximum, "n_structures": number}
        return Request("strain_randomly", parameters, {"structure": structure}, seed=seed)
    if number != 1:
        raise click.BadParameter(f"-n {number} is for --maximum; repeat --voigt for more cells")
    strains = {"strains": [list(row) for row in voigt]}
    return Request("strain_cell", strains, {"structure": structure})


@click.command("volumes")
@_STRUCTURE
@click.option(
    "--relative",
    type=float,
    multiple=True,
    required=True,
    help="Volume over that of the structure, like 0.94; repeat.",
)
@making_options
def volumes(structure: Source, relative: tuple[float, ...]) -> Request:
    """Scale a STRUCTURE to other volumes; the shape of the cell stays.

    \b
    Example:
      aiida-mliptransport structure volumes LiCl.cif --relative 0.94 --relative 1.06 -o volumes.xyz
    """
    return Request("scale_volumes", {"relative_volumes": list(relative)}, {"structure": structure})


def _calculator(
    name: str, settings: tuple[str, ...], model: Path | None
) -> tuple[dict[str, Any], dict[str, Path]]:
    spec = {"name": name, **settings_of(settings)}
    if model is None:
        return spec, {}
    return {**spec, "model": "model"}, {"model": model}


COMMANDS = (densify, relax, rattle, strain, volumes)
