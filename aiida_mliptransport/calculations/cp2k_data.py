"""Basis-set and potential files of CP2K: what they hold, and where an installation keeps them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiida import orm
from ase.data import atomic_numbers

from .cp2k_settings import Cp2kSettings

#: First line of an entry: element, then the names it answers to.
_ENTRY = re.compile(
    r"^[ \t]*([A-Z][a-z]?)((?:[ \t]+[A-Za-z0-9][A-Za-z0-9_+*()-]*)+)[ \t\r]*$", re.MULTILINE
)

#: Where a data folder lies relative to the folder of the executable: packages, CP2K's own tree.
_RELATIVE = ("../share/cp2k", "../share/cp2k/data", "../data", "../../data")


class Cp2kDataError(ValueError):
    """A file, a basis set or a potential is missing; the message names all three."""


def entries(text: str) -> dict[str, set[str]]:
    """Return element to names of what a basis-set or potential file holds."""
    found: dict[str, set[str]] = {}
    for match in _ENTRY.finditer(text):
        if match.group(1) in atomic_numbers:
            found.setdefault(match.group(1), set()).update(match.group(2).split())
    return found


def check_entries(
    settings: Cp2kSettings, elements: Iterable[str], files: Mapping[str, orm.SinglefileData]
) -> None:
    """Raise an error unless each element has its basis set and potential in the files.

    Raises
    ------
    Cp2kDataError
        Naming the element, the basis set or potential, and the file.
    """
    roles = {
        "basis set": (basis_files(files), settings.basis_of, "basis_set"),
        "potential": ([files["potential"]], settings.potential_of, "potential"),
    }
    for what, (nodes, name_of, key) in roles.items():
        known = [entries(node.get_content()) for node in nodes]
        for element in elements:
            name = name_of(element)
            if any(name in part.get(element, ()) for part in known):
                continue
            names = ", ".join(node.filename for node in nodes)
            others = sorted({n for part in known for n in part.get(element, ())})
            raise Cp2kDataError(
                f"no {what} {name!r} for {element} in {names}, which has "
                f"{', '.join(others) or 'none'} for it; set {key}s: {{{element}: …}} to one of "
                f"these or give another file in files.{key}"
            )
    if settings.dispersion != "none" and "dispersion" not in files:
        raise Cp2kDataError(
            f"dispersion is {settings.dispersion!r}, but files.dispersion is missing; give CP2K's "
            "dftd3.dat, or set dispersion to 'none'"
        )


def basis_files(files: Mapping[str, orm.SinglefileData]) -> list[orm.SinglefileData]:
    """Return the basis-set files in the order of their input names."""
    return [files[name] for name in sorted(files) if name.startswith("basis_set")]


def file_hashes(files: Mapping[str, orm.SinglefileData], dispersion: bool) -> dict[str, str]:
    """Return role to sha256 of the content, of the files that the settings use."""
    return {
        name: hashlib.sha256(node.get_content(mode="rb")).hexdigest()
        for name, node in files.items()
        if dispersion or name != "dispersion"
    }


def find_data_folder(executable: str | None = None) -> Path:
    """Return CP2K's data folder: CP2K_DATA_DIR, or beside the executable.

    Raises
    ------
    Cp2kDataError
        If there is none on this machine.
    """
    candidates = [Path(os.environ["CP2K_DATA_DIR"])] if "CP2K_DATA_DIR" in os.environ else []
    if executable:
        # Packages link the command from elsewhere, so look beside the link and beside its target.
        for binary in (Path(executable), Path(executable).resolve()):
            candidates += [binary.parent / relative for relative in _RELATIVE]
    for folder in candidates:
        if (folder / "GTH_POTENTIALS").is_file():
            return folder.resolve()
    raise Cp2kDataError(
        f"no CP2K data folder (with GTH_POTENTIALS) for executable {executable!r}; set "
        "CP2K_DATA_DIR, or give data_folder, or the files themselves"
    )


def load_files(
    folder: str | Path, basis_set: list[str], potential: str, dispersion: str | None
) -> dict[str, orm.SinglefileData]:
    """Return the input namespace ``files`` from names in a data folder.

    Raises
    ------
    Cp2kDataError
        If a file is missing.
    """
    names = {f"basis_set_{i}" if i else "basis_set": n for i, n in enumerate(basis_set)}
    names["potential"] = potential
    if dispersion is not None:
        names["dispersion"] = dispersion
    nodes = {}
    for role, name in names.items():
        path = Path(folder).expanduser() / name
        if not path.is_file():
            raise Cp2kDataError(
                f"{role} file {name!r} is not in {folder}; check the name, or give another folder"
            )
        nodes[role] = orm.SinglefileData(path.resolve(), filename=name)
    return nodes
