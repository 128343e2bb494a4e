"""What a mixture is made of: molecules, how many of each, and the charge they add up to."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping

from ase import Atoms

from .molecules import molecule

__all__ = ["Components", "resolve_components", "state_of_mixture"]

#: Molecules and how many of each: a name of the library or atoms with ``info["charge"]``.
Components = Mapping[str, int] | Iterable[tuple[str | Atoms, int]]


def resolve_components(components: Components) -> list[tuple[Atoms, int]]:
    """Return the components as atoms and counts, looked up in the library where they are names.

    Raises
    ------
    ValueError
        If there is none, a name is unknown, a count is not a positive integer, or a molecule has
        no atoms or no charge in its ``info``.
    """
    pairs = components.items() if isinstance(components, Mapping) else components
    resolved = []
    for item, count in pairs:
        atoms = molecule(item) if isinstance(item, str) else item.copy()
        name = item if isinstance(item, str) else atoms.get_chemical_formula()
        try:
            number = operator.index(count)
        except TypeError:
            number = 0
        if number < 1:
            raise ValueError(f"component {name!r} has count {count!r}: expected an integer above 0")
        if not len(atoms):
            raise ValueError("a component has no atoms: expected one or more; leave it out")
        if "charge" not in atoms.info:
            raise ValueError(
                f"component {name!r} has no charge in its info: set it with "
                "set_charge(atoms, charge), also where it is 0"
            )
        resolved.append((atoms, number))
    if not resolved:
        raise ValueError("components are empty: expected such as {'EMIm+': 17, 'AlCl4-': 17}")
    return resolved


def state_of_mixture(components: Components) -> dict[str, int]:
    """Return total charge (e) and multiplicity of a mixture, all unpaired electrons parallel."""
    resolved = resolve_components(components)
    unpaired = sum(count * (atoms.info.get("multiplicity", 1) - 1) for atoms, count in resolved)
    charge = sum(count * atoms.info["charge"] for atoms, count in resolved)
    return {"charge": int(charge), "multiplicity": int(unpaired) + 1}
