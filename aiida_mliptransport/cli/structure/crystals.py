"""Commands for crystals: ``supercell``, ``order``, ``sites`` and ``anion-disorder``."""

from __future__ import annotations

from typing import Any

import click

from ..common import print_table
from .making import Request, making_options, seed_option
from .sources import Source, StructureType
from .values import charges_option, occupancies

_REPEAT = {"nargs": 3, "type": click.IntRange(min=1), "metavar": "A B C"}
#: Options of `order` that belong to some methods only.
_METHODS = {
    "number": ("random", "ewald"),
    "min_distance": ("random", "ewald"),
    "candidates": ("ewald",),
    "cutoff": ("sqs",),
    "steps": ("sqs",),
}
_RECIPES = {"random": "order_randomly", "ewald": "order_by_ewald", "sqs": "order_quasirandom"}
#: Random cells that `order --method ewald` compares unless told otherwise.
_CANDIDATES = 200


@click.command("supercell")
@click.argument("structure", type=StructureType())
@click.option("--atoms", type=int, help="Wanted number, in the most cubic shape.")
@click.option("--tolerance", type=float, help="Share by which --atoms may be missed, like 0.1.")
@click.option("--width", type=float, help="Least distance of opposite faces, Å.")
@click.option("--repeat", help="Times along each vector.", **_REPEAT)
@click.option(
    "--matrix",
    nargs=9,
    type=int,
    metavar="M11 ... M33",
    help="Rows: new vectors in old ones.",
)
@making_options
def supercell(
    structure: Source,
    atoms: int | None,
    tolerance: float | None,
    width: float | None,
    repeat: tuple[int, ...] | None,
    matrix: tuple[int, ...] | None,
) -> Request:
    """Repeat a STRUCTURE: to a number of atoms, to a width, or as told.

    \b
    Examples:
      aiida-mliptransport structure supercell LiCl.cif --atoms 200 --tolerance 0.1 -o large.xyz
      aiida-mliptransport structure supercell LiCl.cif --width 12 --store
      aiida-mliptransport structure supercell LiCl.cif --repeat 2 2 3 -o large.cif
    """
    if repeat and matrix:
        raise click.UsageError("give either --repeat or --matrix: expected one of them")
    parameters = {
        "n_atoms": atoms,
        "tolerance": tolerance,
        "width": width,
        "multiples": list(repeat) if repeat else _rows(matrix),
    }
    return Request("build_supercell", parameters, {"structure": structure})


@click.command("order")
@click.argument("structure", type=StructureType(disordered=True))
@click.option(
    "--method",
    type=click.Choice(sorted(_RECIPES)),
    default="random",
    show_default=True,
    help="At random, by Ewald energy of point charges, or special quasi-random.",
)
@click.option("--repeat", help="Supercell to order, times along each vector.", **_REPEAT)
@click.option(
    "--occupancy",
    "shares",
    multiple=True,
    metavar="SITE:El=SHARE,...",
    help="Shares of a site, an element or an index, of an ordered structure; what is missing to 1 "
    "is vacancy. Repeat. A CIF holds its own.",
)
@click.option(
    "--join-equal",
    is_flag=True,
    help="Round over all sites of equal shares, not by label: for files with a label per site.",
)
@charges_option(required=False)
@click.option("-n", "--number", type=int, help="Of orderings (random, ewald); 1 if not given.")
@click.option("--min-distance", type=float, help="Of filled sites, Å (random, ewald).")
@click.option(
    "--candidates", type=int, help=f"Cells to compare (ewald); {_CANDIDATES} if not given."
)
@click.option("--cutoff", type=float, help="Longest pair that counts, Å (sqs).")
@click.option("--steps", type=int, help="Swaps tried (sqs).")
@seed_option
@making_options
def order(
    structure: Source,
    method: str,
    repeat: tuple[int, ...] | None,
    shares: tuple[str, ...],
    join_equal: bool,
    charges: dict[str, float] | None,
    seed: int,
    **options: Any,
) -> Request:
    """Order the partly filled sites of a STRUCTURE, with the nearest exact counts.

    \b
    Examples:
      aiida-mliptransport structure order Li6PS5Cl.cif --repeat 2 2 2 --min-distance 2.0 -o one.xyz
      aiida-mliptransport structure order Li6PS5Cl.cif --method ewald --candidates 500 -n 5 \\
          --charges Li=1,P=5,S=-2,Cl=-1 -o five.xyz
      aiida-mliptransport structure order NaCl.cif --method sqs --cutoff 6 --repeat 3 3 3 \\
          --occupancy Na:Na=0.5,Li=0.5 --store
    """
    for name, value in options.items():
        if value is not None and method not in _METHODS[name]:
            raise click.UsageError(
                f"--{name.replace('_', '-')} {value} does not belong to --method {method}, "
                f"expected with {' or '.join(_METHODS[name])}; leave it out"
            )
    for needed, given in (("cutoff", "sqs"), ("charges", "ewald")):
        if method == given and {**options, "charges": charges}[needed] is None:
            raise click.UsageError(f"--method {method} needs --{needed}")
    parameters = {
        "multiples": list(repeat) if repeat else None,
        "occupancies": occupancies(shares),
        "join_equal": join_equal or None,
        "oxidation_states": charges,
        "n_orderings": options["number"],
        "min_distance": options["min_distance"],
        "n_candidates": options["candidates"] or (_CANDIDATES if method == "ewald" else None),
        "cutoff": options["cutoff"],
        "n_steps": options["steps"],
    }
    return Request(_RECIPES[method], parameters, {"structure": structure}, seed=seed)


@click.command("sites")
@click.argument("structure", type=StructureType())
@click.option(
    "--without", multiple=True, help="Element left out when symmetry is sought, as Li; repeat."
)
@click.option("--symprec", type=float, default=0.01, show_default=True, help="Å.")
def sites(structure: Source, without: tuple[str, ...], symprec: float) -> None:
    """List the sites of a STRUCTURE that differ by symmetry, with the indices of their atoms.

    \b
    Example:
      aiida-mliptransport structure sites Li6PS5Cl.xyz --without Li
    """
    from ...science.structures.site_orbits import site_orbits

    try:
        orbits = site_orbits(structure.content, symprec=symprec, without=without)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    print_table(
        ("element", "Wyckoff", "atoms", "indices"),
        [
            (orbit.symbol, orbit.wyckoff, len(orbit.indices), _shortened(orbit.indices))
            for orbit in orbits
        ],
    )


@click.command("anion-disorder")
@click.argument("structure", type=StructureType())
@click.option(
    "--exchange",
    nargs=2,
    required=True,
    metavar="SITE SITE",
    help="The two kinds: an element, with its Wyckoff letter where it has several sites, as S:d.",
)
@click.option("--percentage", type=float, required=True, help="Of the sites of the smaller kind.")
@click.option("--without", multiple=True, help="As for `sites`.")
@click.option("--symprec", type=float, default=0.01, show_default=True, help="Å.")
@seed_option
@making_options
def anion_disorder(
    structure: Source,
    exchange: tuple[str, str],
    percentage: float,
    without: tuple[str, ...],
    symprec: float,
    seed: int,
) -> Request:
    """Let anions on two kinds of site of an ordered STRUCTURE change places.

    \b
    Example:
      aiida-mliptransport structure anion-disorder Li6PS5Cl.xyz --exchange Cl S:d \\
          --percentage 50 --without Li -o disordered.xyz
    """
    from ...science.structures.site_orbits import site_orbits

    orbits = site_orbits(structure.content, symprec=symprec, without=without)
    first, second = (_indices(site, orbits) for site in exchange)
    parameters = {"first": first, "second": second, "percentage": percentage}
    return Request("exchange_anions", parameters, {"structure": structure}, seed=seed)


def _indices(site: str, orbits: Any) -> list[int]:
    symbol, _, letter = site.partition(":")
    fitting = [o for o in orbits if o.symbol == symbol and letter in ("", o.wyckoff)]
    if len(fitting) != 1:
        known = ", ".join(f"{o.symbol}:{o.wyckoff} ({len(o.indices)} atoms)" for o in orbits)
        raise click.BadParameter(
            f"--exchange {site!r} fits {len(fitting)} of the sites {known}; expected one"
        )
    return list(fitting[0].indices)


def _rows(matrix: tuple[int, ...] | None) -> list[list[int]] | None:
    return None if not matrix else [list(matrix[i : i + 3]) for i in (0, 3, 6)]


def _shortened(indices: tuple[int, ...]) -> str:
    shown = " ".join(map(str, indices[:12]))
    return shown if len(indices) <= 12 else f"{shown} …"


COMMANDS = (supercell, order, sites, anion_disorder)
