"""Commands for mixtures of molecules: ``liquid``, ``amorphous`` and ``molecules``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..common import print_table
from .making import Request, making_options, seed_option

_COMPONENTS = click.argument("components", nargs=-1, required=True, metavar="MOLECULE=COUNT...")
_BOX = (
    click.option("--density", type=float, help="Of a cubic box, g/cm³."),
    click.option(
        "--edges", nargs=3, type=float, metavar="A B C", help="Of an orthorhombic box, Å."
    ),
)


def _mixture(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((_COMPONENTS, *_BOX)):
        command = option(command)
    return command


@click.command("liquid")
@_mixture
@click.option(
    "--tolerance",
    type=float,
    default=2.0,
    show_default=True,
    help="Shortest distance between atoms of different molecules, Å.",
)
@seed_option
@making_options
def liquid(
    components: tuple[str, ...],
    density: float | None,
    edges: tuple[float, ...] | None,
    tolerance: float,
    seed: int,
) -> Request:
    """Pack molecules into a periodic box by packmol.

    A MOLECULE is a name of the library (see `molecules`), smiles:SMILES, or
    xyz:FILE,CHARGE[,MULTIPLICITY].

    \b
    Examples:
      aiida-mliptransport structure liquid EMIm+=17 AlCl4-=17 --density 1.3 -o liquid.xyz
      aiida-mliptransport structure liquid Li+=4 PF6-=4 smiles:O=C1OCCO1=40 --density 1.3 --store
      aiida-mliptransport structure liquid xyz:tfsi.xyz,-1=8 Li+=8 --edges 14 14 20 -o salt.xyz
    """
    table, files = _components(components)
    parameters = {
        "components": table,
        "density": density,
        "edges": list(edges) if edges else None,
        "tolerance": tolerance,
    }
    return Request("pack_liquid", parameters, files=files, seed=seed)


@click.command("amorphous")
@_mixture
@click.option(
    "--contact-scale",
    type=float,
    default=0.8,
    show_default=True,
    help="Shortest distance of molecules over the sum of covalent radii.",
)
@seed_option
@making_options
def amorphous(
    components: tuple[str, ...],
    density: float | None,
    edges: tuple[float, ...] | None,
    contact_scale: float,
    seed: int,
) -> Request:
    """Throw molecules at random into a wide box, to be pressed by `densify`.

    MOLECULE=COUNT as for `liquid`.

    \b
    Example:
      aiida-mliptransport structure amorphous Li+=16 'EDC(2-)=8' --density 0.4 -o dilute.xyz
    """
    table, files = _components(components)
    parameters = {
        "components": table,
        "density": density,
        "edges": list(edges) if edges else None,
        "contact_scale": contact_scale,
    }
    return Request("place_amorphous", parameters, files=files, seed=seed)


@click.command("molecules")
def molecules() -> None:
    """List the molecules and ions of the library with their charges.

    \b
    Example:
      aiida-mliptransport structure molecules
    """
    from ...science.structures.molecules import molecule, molecule_names

    library = {name: molecule(name) for name in molecule_names()}
    print_table(
        ("name", "formula", "atoms", "charge", "multiplicity"),
        [
            (
                name,
                atoms.get_chemical_formula(),
                len(atoms),
                f"{atoms.info['charge']:+d}" if atoms.info["charge"] else 0,
                atoms.info["multiplicity"],
            )
            for name, atoms in library.items()
        ],
    )


def _components(items: tuple[str, ...]) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """Return components as a recipe takes them, and the files that they name."""
    table: list[dict[str, Any]] = []
    files: dict[str, Path] = {}
    for item in items:
        molecule, equals, count = item.rpartition("=")
        if not equals or not molecule or not count.isdigit():
            raise click.BadParameter(
                f"{item!r} is no molecule with a count; expected such as EMIm+=17"
            )
        row: dict[str, Any] = {"count": int(count)}
        if molecule.startswith("smiles:"):
            row["smiles"] = molecule.removeprefix("smiles:")
        elif molecule.startswith("xyz:"):
            key = f"molecule_{len(files)}"
            files[key], state = _file(molecule.removeprefix("xyz:"), item)
            row |= {"xyz": key, **state}
        else:
            row["name"] = molecule
        table.append(row)
    return table, files


def _file(text: str, item: str) -> tuple[Path, dict[str, int]]:
    name, *state = text.split(",")
    try:
        numbers = [int(value) for value in state]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise click.BadParameter(
            f"{item!r} lacks the charge that an XYZ file does not tell; expected "
            "xyz:FILE,CHARGE=COUNT or xyz:FILE,CHARGE,MULTIPLICITY=COUNT"
        )
    if not Path(name).is_file():
        raise click.BadParameter(f"there is no file {name!r} for {item!r}; expected an XYZ file")
    return Path(name), dict(zip(("charge", "multiplicity"), numbers, strict=False))


COMMANDS = (liquid, amorphous, molecules)
