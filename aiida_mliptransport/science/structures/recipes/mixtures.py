"""Recipes of mixtures: liquids packed by packmol, and dilute random starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ase import Atoms
from pydantic import BaseModel, ConfigDict

from .. import amorphous, packing
from ..molecules import molecule, molecule_from_smiles, molecule_from_xyz
from .errors import RecipeError

__all__ = ["Component", "pack_liquid", "place_amorphous"]


class Component(BaseModel):
    """One kind of molecule and how many of it.

    Exactly one of ``name`` (of the library), ``smiles`` and ``xyz`` (name of a given file) is set;
    ``charge`` (e) and ``multiplicity`` (2S+1) belong to ``xyz`` only, which needs the charge.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    count: int
    name: str | None = None
    smiles: str | None = None
    xyz: str | None = None
    charge: int | None = None
    multiplicity: int | None = None


def pack_liquid(
    *,
    components: list[Component],
    density: float | None = None,
    edges: list[float] | None = None,
    tolerance: float = 2.0,
    files: dict[str, Path] | None = None,
    seed: int,
) -> Atoms:
    """Pack molecules into a box; see :func:`~..packing.pack`.

    ``files`` are the XYZ files that components name. The seed also starts the embedding of SMILES.
    """
    pairs = _pairs(components, files or {}, seed)
    built = packing.pack(pairs, density=density, edges=edges, tolerance=tolerance, seed=seed)
    return _with_components(built, pairs, components)


def place_amorphous(
    *,
    components: list[Component],
    density: float | None = None,
    edges: list[float] | None = None,
    contact_scale: float = 0.8,
    max_tries: int = 100_000,
    files: dict[str, Path] | None = None,
    seed: int,
) -> Atoms:
    """Throw molecules into a wide box; see :func:`~..amorphous.random_amorphous`."""
    pairs = _pairs(components, files or {}, seed)
    built = amorphous.random_amorphous(
        pairs,
        density=density,
        edges=edges,
        contact_scale=contact_scale,
        max_tries=max_tries,
        seed=seed,
    )
    return _with_components(built, pairs, components)


def _pairs(
    components: list[Component], files: dict[str, Path], seed: int
) -> list[tuple[str | Atoms, int]]:
    return [(_molecule(component, files, seed), component.count) for component in components]


def _molecule(component: Component, files: dict[str, Path], seed: int) -> Atoms:
    makers: dict[str, Callable[[], Atoms]] = {
        "name": lambda: molecule(str(component.name)),
        "smiles": lambda: molecule_from_smiles(str(component.smiles), seed),
        "xyz": lambda: _from_file(component, files),
    }
    given = [key for key in makers if getattr(component, key) is not None]
    if len(given) != 1:
        raise RecipeError(
            f"component {component.model_dump(exclude_none=True)} sets {given}: expected one of "
            f"{list(makers)}, like {{'name': 'EMIm+', 'count': 17}}"
        )
    if given != ["xyz"] and (component.charge, component.multiplicity) != (None, None):
        raise RecipeError(
            f"component {component.model_dump(exclude_none=True)} sets charge or multiplicity: "
            f"{given[0]!r} has its own; leave them out"
        )
    return makers[given[0]]()


def _from_file(component: Component, files: dict[str, Path]) -> Atoms:
    if component.xyz not in files:
        raise RecipeError(
            f"component names the file {component.xyz!r}, expected one of the given files "
            f"{sorted(files)}; give the file too"
        )
    if component.charge is None:
        raise RecipeError(
            f"component {component.xyz!r} has no charge, which an XYZ file does not tell: set it, "
            "also where it is 0"
        )
    return molecule_from_xyz(files[component.xyz], component.charge, component.multiplicity or 1)


def _with_components(
    built: Atoms, pairs: list[tuple[str | Atoms, int]], components: list[Component]
) -> Atoms:
    rows: list[dict[str, Any]] = []
    for (atoms, count), component in zip(pairs, components, strict=True):
        assert isinstance(atoms, Atoms)
        rows.append(
            {
                "molecule": component.name or component.smiles or component.xyz,
                "formula": str(atoms.get_chemical_formula()),
                "charge": int(atoms.info["charge"]),
                "count": count,
            }
        )
    built.info["components"] = rows
    return built
