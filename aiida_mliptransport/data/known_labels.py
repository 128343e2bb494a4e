"""Labels that a profile already holds: found by the frames' identity and the level of theory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida import orm

from ..science.frames import Frames
from .frames import FrameSetData
from .level_of_theory import GAMMA_KEY

#: What a level of theory owes to the frames: part of a frame's identity, or of the whole set.
_FROM_FRAMES = frozenset({GAMMA_KEY, "charge", "multiplicity"})


def same_physics(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two levels of theory are equal but for what they owe to their frames."""
    return _physics(first) == _physics(second)


def _physics(level: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in level.items() if key not in _FROM_FRAMES}


def labelled_sets(
    level: Mapping[str, Any] | None = None,
) -> Iterator[tuple[int, dict[str, Any], list[dict[str, Any]]]]:
    """Yield PK, level of theory and systems of the labelled frame sets of the profile.

    Nothing is read from the repository.

    Parameters
    ----------
    level
        Only sets of this physics; all without it.
    """
    filters: dict[str, Any] = {"attributes.labelled": True}
    if level is not None:
        filters["attributes.level_of_theory.engine"] = level["engine"]
    query = orm.QueryBuilder()
    query.append(
        FrameSetData,
        filters=filters,
        project=["id", "attributes.level_of_theory", "attributes.systems"],
    )
    query.order_by({FrameSetData: "id"})
    for pk, stored, systems in query.iterall():
        if level is None or same_physics(level, stored):
            yield pk, stored, systems


def find_known_labels(level: Mapping[str, Any], frames: Frames) -> dict[str, FrameSetData]:
    """Return frame sets of the profile that hold labels of some of ``frames`` at this level.

    As few sets as a greedy choice finds, since they become inputs of a process.

    Parameters
    ----------
    level
        Level of theory, with or without what it owes to the frames.
    frames
        Frames to label.

    Returns
    -------
    dict
        ``known_<n>`` to the set, those with most frames first; empty where nothing is known.
    """
    if not level.get("engine"):
        return {}
    wanted = set(frames.identities())
    kinds = {(system.formula, system.n_atoms) for system in frames.systems}
    holds: dict[int, set[str]] = {}
    for pk, _, systems in labelled_sets(level):
        if not any((system["formula"], system["n_atoms"]) in kinds for system in systems):
            continue
        found = wanted.intersection(orm.load_node(pk).frames.identities())
        if found:
            holds[pk] = found
    chosen: list[int] = []
    while wanted and holds:
        best = max(holds, key=lambda pk: (len(holds[pk] & wanted), -pk))
        if not holds[best] & wanted:
            break
        chosen.append(best)
        wanted -= holds[best]
    return {f"known_{number}": orm.load_node(pk) for number, pk in enumerate(chosen)}
