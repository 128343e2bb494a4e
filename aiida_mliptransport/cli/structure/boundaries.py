"""Commands where crystals end or meet: ``slab``, ``interface`` and ``grain-boundary``."""

from __future__ import annotations

from typing import Any

import click

from ..common import print_table
from .making import Request, making_options
from .sources import Source, StructureType
from .values import bond_option, charges_option

_INDICES = {"nargs": 3, "type": int, "metavar": "H K L"}
_TERMINATION = click.option("--termination", type=int, help="Rank, where there are several.")


@click.command("slab")
@click.argument("structure", type=StructureType())
@click.option("--miller", required=True, help="Plane, in the cell of the structure.", **_INDICES)
@click.option("--thickness", type=float, required=True, help="At least, Å.")
@click.option("--vacuum", type=float, required=True, help="Å.")
@_TERMINATION
@charges_option(required=False)
@bond_option
@click.option(
    "--plane-tolerance", type=float, default=0.1, show_default=True, help="Height of a plane, Å."
)
@making_options
def slab(structure: Source, miller: tuple[int, ...], charges: Any, **options: Any) -> Request:
    """Cut a slab of any plane from a STRUCTURE; with --charges polarity is told.

    \b
    Examples:
      aiida-mliptransport structure slab LiCl.cif --miller 1 0 0 --thickness 12 --vacuum 15 -o s.xyz
      aiida-mliptransport structure slab Li2CO3.cif --miller 0 0 1 --thickness 10 --vacuum 15 \\
          --bond C-O=1.6 --termination 0 --charges Li=1,C=4,O=-2 --store
    """
    parameters = {"miller": list(miller), "oxidation_states": charges, **options}
    return Request("cut_slab", parameters, {"structure": structure})


@click.command("terminations")
@click.argument("structure", type=StructureType())
@click.option("--miller", required=True, help="Plane, in the cell of the structure.", **_INDICES)
@click.option("--thickness", type=float, required=True, help="At least, Å.")
@charges_option(required=False)
@bond_option
@click.option(
    "--plane-tolerance", type=float, default=0.1, show_default=True, help="Height of a plane, Å."
)
def terminations(
    structure: Source,
    miller: tuple[int, ...],
    thickness: float,
    charges: dict[str, float] | None,
    bonds: dict[str, float] | None,
    plane_tolerance: float,
) -> None:
    """List the distinct ways to cut a slab of a plane from a STRUCTURE.

    \b
    Example:
      aiida-mliptransport structure terminations Li2CO3.cif --miller 0 0 1 --thickness 10 \\
          --bond C-O=1.6 --charges Li=1,C=4,O=-2
    """
    from ...science.structures.recipes.boundaries import read_bonds
    from ...science.structures.surfaces import list_terminations

    try:
        slabs = list_terminations(
            structure.content,
            miller,
            thickness=thickness,
            vacuum=10.0,  # shifts no termination
            oxidation_states=charges,
            bonds=read_bonds(bonds),
            plane_tolerance=plane_tolerance,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    keys = ("termination", "bottom", "top", "symmetric", "stoichiometric", "polar")
    told = [atoms.info["slab"] for atoms in slabs]
    print_table(
        ("termination", "atoms", *keys[1:]),
        [
            (row["termination"], len(atoms), *(_yes_no(row.get(key)) for key in keys[1:]))
            for row, atoms in zip(told, slabs, strict=True)
        ],
    )


@click.command("interface")
@click.argument("substrate", type=StructureType())
@click.argument("film", type=StructureType())
@click.option("--substrate-miller", required=True, help="Plane that meets.", **_INDICES)
@click.option("--film-miller", required=True, help="Plane that meets.", **_INDICES)
@click.option("--substrate-thickness", type=float, required=True, help="At least, Å.")
@click.option("--film-thickness", type=float, required=True, help="At least, Å.")
@click.option("--gap", type=float, required=True, help="Between outermost atoms, Å.")
@click.option("--vacuum", type=float, help="Above the film, Å; without it two interfaces.")
@click.option("--max-strain", type=float, required=True, help="Largest principal one, like 0.04.")
@click.option(
    "--film-share",
    type=float,
    default=1.0,
    show_default=True,
    help="Part of the misfit that the film takes.",
)
@click.option("--max-area", type=float, default=400.0, show_default=True, help="Å².")
@click.option("--max-atoms", type=int, help="Refuse more.")
@_TERMINATION
@bond_option
@making_options
def interface(
    substrate: Source,
    film: Source,
    substrate_miller: tuple[int, ...],
    film_miller: tuple[int, ...],
    **options: Any,
) -> Request:
    """Join SUBSTRATE and FILM in the smallest coherent interface within a strain.

    \b
    Example:
      aiida-mliptransport structure interface Li2O.cif Li.cif --substrate-miller 1 1 1 \\
          --film-miller 1 1 0 --substrate-thickness 10 --film-thickness 10 --gap 2.0 \\
          --max-strain 0.04 -o interface.xyz
    """
    parameters = {
        "substrate_miller": list(substrate_miller),
        "film_miller": list(film_miller),
        **options,
    }
    return Request("join_interface", parameters, {"substrate": substrate, "film": film})


@click.command("grain-boundary")
@click.argument("structure", type=StructureType())
@click.option(
    "--kind",
    type=click.Choice(["tilt", "twist"]),
    required=True,
    help="Axis in the boundary, or across it.",
)
@click.option(
    "--axis", nargs=3, type=int, required=True, metavar="U V W", help="Of the misorientation."
)
@click.option("--sigma", type=int, required=True, help="Inverse density of coincidence sites.")
@click.option("--plane", help="Boundary of a tilt, in the first grain.", **_INDICES)
@click.option("--thickness", type=float, required=True, help="Of each grain at least, Å.")
@click.option("--min-distance", type=float, required=True, help="Nearer atoms are close, Å.")
@click.option(
    "--close-pairs", type=click.Choice(["refuse", "merge"]), default="refuse", show_default=True
)
@click.option("--gap", type=float, default=0.0, show_default=True, help="Between the grains, Å.")
@bond_option
@making_options
def grain_boundary(
    structure: Source,
    kind: str,
    axis: tuple[int, ...],
    plane: tuple[int, ...] | None,
    thickness: float,
    **options: Any,
) -> Request:
    """Join two grains of a cubic STRUCTURE at a coincidence-site boundary.

    \b
    Examples:
      aiida-mliptransport structure grain-boundary LiCl.cif --kind tilt --axis 0 0 1 --sigma 5 \\
          --plane 3 1 0 --thickness 12 --min-distance 1.6 --gap 0.8 -o tilt.xyz
      aiida-mliptransport structure grain-boundary LiCl.cif --kind twist --axis 0 0 1 --sigma 5 \\
          --thickness 12 --min-distance 1.6 --gap 0.8 -o twist.xyz
    """
    if (kind == "tilt") != (plane is not None):
        raise click.UsageError(
            "--plane belongs to --kind tilt, expected with it only: a twist lies across its axis"
        )
    parameters = {
        "axis": list(axis),
        "plane": None if plane is None else list(plane),
        "grain_thickness": thickness,
        **options,
    }
    return Request(f"join_{kind}_boundary", parameters, {"structure": structure})


def _yes_no(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


COMMANDS = (slab, terminations, interface, grain_boundary)
