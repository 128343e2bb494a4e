"""What a built cell is, as plain numbers for a person, a node or a file."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from ase import Atoms

from ..close_atoms import pairs_within
from ..packing import density_g_cm3, shortest_contact

__all__ = ["apply_report", "describe_cell", "shortest_distance"]

#: Entries of ``info`` that stand at the top of a report.
_STATE = ("charge", "multiplicity")
#: Arrays that a builder makes: which molecule, side or grain an atom belongs to.
_ARRAYS = ("tags", "side", "grain")


def describe_cell(atoms: Atoms) -> dict[str, Any]:
    """Describe a cell that a builder made, in plain JSON.

    Parameters
    ----------
    atoms
        Periodic in three directions.

    Returns
    -------
    dict
        ``formula``, ``n_atoms``, ``lengths_A``, ``angles_deg``, ``volume_A3``,
        ``density_g_cm3``, ``shortest_distance_A`` (images included); ``shortest_contact_A``
        between molecules where tags tell them apart; ``charge`` (e) and ``multiplicity`` where they
        are known; ``builder``, what the builder wrote into ``info``;
        ``arrays`` by name, such as the ``side`` of each atom of an interface.
    """
    report: dict[str, Any] = {
        "formula": str(atoms.get_chemical_formula()),
        "n_atoms": len(atoms),
        "lengths_A": _plain(atoms.cell.lengths()),
        "angles_deg": _plain(atoms.cell.angles()),
        "volume_A3": float(atoms.cell.volume),
        "density_g_cm3": density_g_cm3(atoms),
        "shortest_distance_A": shortest_distance(atoms),
    }
    if len(np.unique(atoms.get_tags())) > 1:
        report["shortest_contact_A"] = _shortest_contact(atoms)
    report |= {key: _whole(_plain(atoms.info[key])) for key in _STATE if key in atoms.info}
    report["builder"] = {k: _plain(v) for k, v in atoms.info.items() if k not in _STATE}
    report["arrays"] = {
        name: _plain(atoms.arrays[name])
        for name in _ARRAYS
        if name in atoms.arrays and len(np.unique(atoms.arrays[name])) > 1
    }
    return report


def apply_report(atoms: Atoms, report: Mapping[str, Any]) -> Atoms:
    """Return a copy with the charge, the builder's notes and the arrays of a report."""
    copy = atoms.copy()
    copy.info |= {key: report[key] for key in _STATE if key in report} | report["builder"]
    for name, values in report["arrays"].items():
        copy.set_array(name, np.array(values))
    return copy


def shortest_distance(atoms: Atoms) -> float:
    """Return the shortest distance in Å between two atoms of a periodic cell, images included."""
    reach = 2.0
    while not len((pairs := pairs_within(atoms, reach)).first):
        reach *= 1.5
    return float(pairs.distance.min())


def _shortest_contact(atoms: Atoms) -> float:
    reach = 2.0
    while not isfinite(nearest := shortest_contact(atoms, reach)):
        reach *= 1.5
    return nearest


def _whole(value: Any) -> Any:
    """Return an integer where the charge is one: frames and calculators want it so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(value: Any) -> Any:
    """Return plain JSON; what is not finite becomes None."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
