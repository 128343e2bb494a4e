"""The command group ``structure``: starting cells from files, names and nodes."""

from __future__ import annotations

import click

from . import boundaries, crystals, defects, mixtures, variations


@click.group()
def structure() -> None:
    """Make starting cells: liquids, ordered crystals, defects, slabs, interfaces, variations.

    A STRUCTURE is a file of any format of ASE (of several frames the last counts), or the PK or
    UUID of a node. Cells go to a file (-o) or, with --store, into the profile, made by a
    calcfunction, so that their inputs stay known. Without a node no profile is needed.

    \b
    Examples:
      aiida-mliptransport structure liquid EMIm+=17 AlCl4-=17 --density 1.3 -o liquid.xyz
      aiida-mliptransport structure order Li6PS5Cl.cif --repeat 2 2 2 -o ordered.xyz
      aiida-mliptransport structure vacancy ordered.xyz --remove Li=1 --charges Li=1,P=5,S=-2,Cl=-1
    """


for _command in (
    *mixtures.COMMANDS,
    *crystals.COMMANDS,
    *defects.COMMANDS,
    *boundaries.COMMANDS,
    *variations.COMMANDS,
):
    structure.add_command(_command)
