"""Commands for point defects: ``vacancy``, ``interstitial``, ``frenkel`` and ``voids``."""

from __future__ import annotations

import click

from ..common import print_table
from .making import Request, making_options, seed_option
from .sources import Source, StructureType
from .values import charges_option, pairs

_STRUCTURE = click.argument("structure", type=StructureType())
_MIN_RADIUS = click.option(
    "--min-radius", type=float, required=True, help="From a void's centre to the nearest atom, Å."
)
_COMPENSATION = click.option(
    "--compensation",
    type=click.Choice(["none", "electrons"]),
    default="none",
    show_default=True,
    help="none: the cell gets the charge; electrons: it stays as charged as it was.",
)


@click.command("vacancy")
@_STRUCTURE
@click.option(
    "--remove", multiple=True, metavar="El=COUNT", help="Atoms of an element, at random; repeat."
)
@click.option("--index", "indices", type=int, multiple=True, help="A given atom, from 0; repeat.")
@charges_option(required=True)
@_COMPENSATION
@seed_option
@making_options
def vacancy(
    structure: Source,
    remove: tuple[str, ...],
    indices: tuple[int, ...],
    charges: dict[str, float],
    compensation: str,
    seed: int,
) -> Request:
    """Remove atoms of a STRUCTURE; `sites` lists those that differ.

    \b
    Examples:
      aiida-mliptransport structure vacancy LiCl.xyz --remove Li=1 --charges Li=1,Cl=-1 -o v.xyz
      aiida-mliptransport structure vacancy LiCl.xyz --remove Li=1 --remove Cl=1 \\
          --charges Li=1,Cl=-1 --seed 2 -o schottky.xyz
      aiida-mliptransport structure vacancy LiCl.xyz --index 0 --charges Li=1,Cl=-1 --store
    """
    if bool(remove) == bool(indices):
        raise click.UsageError("give either --remove or --index: expected one of them")
    parameters = {
        "elements": pairs(remove, int, "Li=1") or None,
        "indices": list(indices) or None,
        "oxidation_states": charges,
        "compensation": compensation,
    }
    return Request(
        "make_vacancies", parameters, {"structure": structure}, seed=seed if remove else None
    )


@click.command("interstitial")
@_STRUCTURE
@click.option("--element", required=True, help="Of the interstitial.")
@charges_option(required=True)
@_MIN_RADIUS
@click.option("--void", type=int, help="Its rank in `voids`; without it the seed chooses.")
@_COMPENSATION
@seed_option
@making_options
def interstitial(
    structure: Source,
    element: str,
    charges: dict[str, float],
    min_radius: float,
    void: int | None,
    compensation: str,
    seed: int,
) -> Request:
    """Put an ion into a void of a STRUCTURE.

    \b
    Example:
      aiida-mliptransport structure interstitial LiCl.xyz --element Li --charges Li=1,Cl=-1 \\
          --min-radius 2.0 --void 0 -o interstitial.xyz
    """
    parameters = {
        "symbol": element,
        "oxidation_states": charges,
        "min_radius": min_radius,
        "void": void,
        "compensation": compensation,
    }
    return Request(
        "add_interstitial",
        parameters,
        {"structure": structure},
        seed=seed if void is None else None,
    )


@click.command("frenkel")
@_STRUCTURE
@click.option("--element", required=True, help="Of the ion that moves.")
@_MIN_RADIUS
@click.option("--min-separation", type=float, required=True, help="Of ion and vacancy, Å.")
@click.option("--max-separation", type=float, help="Of ion and vacancy, Å.")
@click.option("--index", type=int, help="The ion, from 0; without it the seed chooses.")
@seed_option
@making_options
def frenkel(
    structure: Source,
    element: str,
    min_radius: float,
    min_separation: float,
    max_separation: float | None,
    index: int | None,
    seed: int,
) -> Request:
    """Move an ion of a STRUCTURE into a void some way off.

    \b
    Example:
      aiida-mliptransport structure frenkel LiCl.xyz --element Li --min-radius 2.0 \\
          --min-separation 4.0 -o frenkel.xyz
    """
    parameters = {
        "symbol": element,
        "min_radius": min_radius,
        "min_separation": min_separation,
        "max_separation": max_separation,
        "index": index,
    }
    return Request("make_frenkel_pair", parameters, {"structure": structure}, seed=seed)


@click.command("voids")
@_STRUCTURE
@_MIN_RADIUS
@click.option(
    "--merge-distance",
    type=float,
    default=0.5,
    show_default=True,
    help="Of centres nearer than this only the largest stays, Å.",
)
def voids(structure: Source, min_radius: float, merge_distance: float) -> None:
    """List the voids of a STRUCTURE, the largest first.

    \b
    Example:
      aiida-mliptransport structure voids LiCl.cif --min-radius 2.0
    """
    from ...science.structures.voids import find_voids

    atoms = structure.content
    try:
        found = find_voids(atoms, min_radius=min_radius, merge_distance=merge_distance)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if not found:
        click.echo(f"no void has a radius of {min_radius:g} Å or more; lower --min-radius")
        return
    print_table(
        ("void", "radius Å", "neighbours", "x Å", "y Å", "z Å"),
        [
            (rank, f"{void.radius:.3f}", void.neighbours, *(f"{x:.3f}" for x in void.position))
            for rank, void in enumerate(found)
        ],
    )


COMMANDS = (vacancy, interstitial, frenkel, voids)
