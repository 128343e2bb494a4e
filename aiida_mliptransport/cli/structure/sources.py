"""Structures that commands start from: files, or nodes of the profile."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import load_node, load_profile

if TYPE_CHECKING:
    from aiida import orm

_NODE = re.compile(r"\d+|[0-9a-f]{8}-[0-9a-f-]{27}")
_STATE = ("charge", "multiplicity")


@dataclass(frozen=True)
class Source:
    """One incoming structure.

    Attributes
    ----------
    name
        For people: name of the file, or the node in angle brackets.
    content
        What a builder takes: atoms, a pymatgen structure, or the path of a CIF file.
    state
        Charge and multiplicity where they are known.
    node
        Where it comes from the profile.
    """

    name: str
    content: Any
    state: dict[str, Any] = field(default_factory=dict)
    node: orm.Data | None = None

    def to_node(self) -> orm.Data:
        """Return the node; what comes from a file becomes a declared import."""
        from aiida import orm
        from ase import Atoms

        if self.node is not None:
            return self.node
        if isinstance(self.content, Path):
            # The name is part of the hash: it must not differ where the content agrees.
            node = orm.SinglefileData(self.content.resolve(), filename="structure.cif")
        else:
            atoms = self.content
            node = orm.StructureData(
                ase=Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            )
        node.label = Path(self.name).stem
        node.description = f"imported from {self.name}"
        return node.store()


class StructureType(click.ParamType):
    """A file or a node, as a :class:`Source`; ``disordered`` lets sites be partly filled."""

    name = "structure"

    def __init__(self, disordered: bool = False) -> None:
        self.disordered = disordered

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Source:
        if isinstance(value, Source):
            return value
        path = Path(value)
        if path.is_file():
            return self._from_file(path)
        if ctx is not None and _NODE.fullmatch(value):
            return self._from_node(value, ctx)
        self.fail(f"there is no file {value!r}; expected one, or the PK or UUID of a node")

    def _from_file(self, path: Path) -> Source:
        import numpy as np

        if self.disordered and path.suffix.lower() == ".cif":
            return Source(path.name, path)
        atoms = _read(path)
        partial = any(
            len(shares) > 1 or sum(shares.values()) < 0.999
            for shares in atoms.info.get("occupancy", {}).values()
        )
        if partial:
            self.fail(
                f"{path.name} has partial occupancies, expected an ordered structure; make one by "
                f"`aiida-mliptransport structure order {path.name}`"
            )
        # A file may give an integer of numpy, which no node holds.
        state = {key: np.asarray(atoms.info[key]).tolist() for key in _STATE if key in atoms.info}
        return Source(path.name, atoms, state)

    def _from_node(self, value: str, ctx: click.Context) -> Source:
        from aiida import orm

        from ...calculations.functions.starting_cells import content_of

        load_profile(ctx)
        node = load_node(value)
        if not isinstance(node, orm.StructureData):
            self.fail(f"node {value} is a {type(node).__name__}, expected a StructureData")
        if not self.disordered and (node.is_alloy or node.has_vacancies):
            self.fail(
                f"node {value} has partial occupancies, expected an ordered structure; make one by "
                f"`aiida-mliptransport structure order {value} --store`"
            )
        return Source(f"<{node.pk}>", content_of(node), _state_of(node), node)


def _read(path: Path) -> Any:
    from ase.io import read

    try:
        atoms = read(path)
    except Exception as error:  # every format of ASE has errors of its own
        raise click.BadParameter(
            f"ASE cannot read {path.name} ({type(error).__name__}: {error}); expected CIF, POSCAR, "
            "extended XYZ or another of its formats"
        ) from error
    if 0 in atoms.numbers:
        raise click.BadParameter(
            f"{path.name} holds an atom of unknown element ('X'), expected chemical symbols"
        )
    return atoms


def _state_of(node: orm.StructureData) -> dict[str, Any]:
    """Return what the calcfunction that made a structure reported of its charge."""
    from ...science.structures.recipes import RECIPES

    if node.creator is None or node.creator.process_label not in RECIPES:
        return {}
    outputs = node.creator.outputs
    report = outputs.report.get_dict()
    if "cells" in report:
        (report,) = (
            report["cells"][label]
            for label, made in outputs.structures.items()
            if made.pk == node.pk
        )
    return {key: report[key] for key in _STATE if key in report}
