"""Turn the paths of a campaign or barrier file into nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ase.build import make_supercell
from pydantic import ValidationError

from ..calculations.ase_parameters import NebParameters
from ..science.barriers import EndPoints, EndPointsError, check_end_points
from .sections import PathsSection, StructureSection
from .source import CampaignError, Source
from .structures import build_structure, read_structure

if TYPE_CHECKING:
    from aiida import orm
    from ase import Atoms


def check_paths(source: Source, keys: tuple[str, ...], section: PathsSection) -> dict[str, Atoms]:
    """Read the structures of paths and check that they are ends of paths; nothing is stored.

    Returns
    -------
    dict
        Keys in the file, joined by dots, to the atoms of the file.

    Raises
    ------
    CampaignError
        For a file that cannot be read, and ends that are not two states of the same atoms.
    """
    found, problems = {}, _parameter_problems(source, keys, section)
    for name, ends in section.paths.items():
        where = (*keys, "paths", name)
        try:
            atoms = {
                end: read_structure(source, (*where, end), getattr(ends, end))
                for end in ("initial", "final")
            }
            found |= {".".join((*where, end)): value for end, value in atoms.items()}
            check_end_points(
                EndPoints(_made(atoms["initial"], ends.initial), _made(atoms["final"], ends.final))
            )
        except EndPointsError as error:
            problems.append(str(source.error(where, f"is no path: {error}")))
        except CampaignError as error:
            problems.append(str(error))
    if section.host is not None:
        host = read_structure(source, (*keys, "host"), section.host)
        found[".".join((*keys, "host"))] = host
        symbol = section.directions.symbol if section.directions is not None else None
        if symbol not in host.symbols:
            where = (*keys, "directions", "symbol")
            known = sorted(set(host.symbols))
            problems.append(str(source.error(where, f"is {symbol!r}, expected one of {known}")))
    if problems:
        raise CampaignError("\n".join(problems))
    return found


def _parameter_problems(source: Source, keys: tuple[str, ...], section: PathsSection) -> list[str]:
    """Return what is wrong with values for the band; the builder finds keys that are none."""
    known = {
        key: value for key, value in section.parameters.items() if key in NebParameters.model_fields
    }
    try:
        NebParameters.model_validate(known)
    except ValidationError as error:
        return [
            str(
                source.error(
                    (*keys, "parameters", *(str(part) for part in found["loc"])),
                    f"is {found['input']!r}, expected: {found['msg']}",
                )
            )
            for found in error.errors()
        ]
    return []


def build_paths(source: Source, keys: tuple[str, ...], section: PathsSection) -> dict[str, Any]:
    """Store the structures of paths, and return them as the builders take them."""
    atoms = check_paths(source, keys, section)
    imports: dict[str, orm.StructureData] = {}

    def stored(structure: StructureSection, *where: str) -> orm.StructureData:
        name = ".".join((*keys, *where))
        return build_structure(imports, structure, atoms[name], where[-1])

    built: dict[str, Any] = {}
    if section.paths:
        built["ends"] = {
            name: (
                stored(ends.initial, "paths", name, "initial"),
                stored(ends.final, "paths", name, "final"),
            )
            for name, ends in section.paths.items()
        }
    if section.host is not None and section.directions is not None:
        built["host"] = stored(section.host, "host")
        built["directions"] = section.directions.model_dump(exclude_none=True)
    if section.harvest is not None:
        built["harvest"] = section.harvest.model_dump(exclude_none=True)
    return built


def _made(atoms: Atoms, section: StructureSection) -> Atoms:
    """Return the supercell of a file; a density scales both ends of a path alike."""
    matrix = section.matrix()
    return atoms if matrix is None else make_supercell(atoms, matrix)
