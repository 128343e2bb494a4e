"""Potentials in the run directory of a LAMMPS job: their files and the lines that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from ..backends import LammpsPair, PotentialError, get_backend
from ..data.potential import PotentialData
from .lammps_script import type_elements

#: A model file's suffix becomes part of the script.
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,12}")


def run_files(potentials: Mapping[str, PotentialData]) -> list[tuple[PotentialData, str, str]]:
    """Return (node, name in the node, name in the run directory) of the files that MD needs.

    Raises
    ------
    PotentialError
        If a potential lacks the file, or its suffix is not a plain word.
    """
    files = []
    for number, name in enumerate(sorted(potentials)):
        node = potentials[name]
        roles = get_backend(node.spec().backend).run_roles()
        role = next((role for role in roles if role in node.files), None)
        if role is None and roles:
            raise PotentialError(
                f"potential {name!r} has files in the roles {sorted(node.files)}, expected one of "
                f"{list(roles)}"
            )
        if role is not None:
            suffix = PurePosixPath(node.files[role]).suffix
            if not _SUFFIX.fullmatch(suffix):
                raise PotentialError(
                    f"file of potential {name!r} has suffix {suffix!r}, expected one like '.pb'"
                )
            files.append((node, node.files[role], f"potential_{number}{suffix}"))
    return files


def lammps_pair(
    potentials: Mapping[str, PotentialData],
    symbols: list[str],
    deviation_stride: int | None = None,
    moves_cell: bool = False,
) -> LammpsPair:
    """Return the pair lines of the potentials, the first in order of name driving.

    Parameters
    ----------
    symbols
        Of all atoms.
    deviation_stride
        Steps between the deviations of a committee; a single potential has none.
    moves_cell
        Whether the pressure decides about the cell.

    Raises
    ------
    PotentialError
        If a potential does not know an element, differs in backend or type map from the others,
        was not trained on stress though the cell moves, or the charges do not add up to zero.
    """
    targets = {node.uuid: target for node, _, target in run_files(potentials)}
    roles = {
        name: get_backend(node.spec().backend).run_roles() for name, node in potentials.items()
    }
    specs = []
    for name in sorted(potentials):
        node = potentials[name]
        files = {}
        if node.uuid in targets:
            role = next(role for role in roles[name] if role in node.files)
            files = {role: targets[node.uuid]}
        specs.append(node.spec(files))
        if moves_cell and not node.trained_on_stress:
            raise PotentialError(
                f"ensemble is 'npt', but potential {name!r} was not trained on stress, so its "
                "pressure means nothing; use 'nvt', or train on frames with stress"
            )
    backend = get_backend(specs[0].backend)
    pair = backend.lammps_pair(
        specs, type_elements(symbols), deviation_stride if len(specs) > 1 else None
    )
    charge = sum(pair.charges[symbol] for symbol in symbols) if pair.charges else 0.0
    if abs(charge) > 1e-6:
        raise PotentialError(
            f"the ions of the structure have a total charge of {charge:g}, expected a neutral cell"
        )
    for line in pair.lines:
        if any(character in line for character in '\n\r&$"'):
            raise PotentialError(f"pair line {line!r} of the potential is more than one command")
    return pair
