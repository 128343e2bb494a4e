"""Which labels a profile holds, at which level of theory, and which it paid for twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiida import orm

from ..data.frames import FrameSetData
from ..data.known_labels import labelled_sets, same_physics


@dataclass
class LevelOfTheoryRow:
    """All labels of one level of theory.

    Attributes
    ----------
    level
        Readable physics; what single frames add to it (charge, Γ-only cell) is that of the first.
    sets
        PKs of the sets that came from a labelling or an import; sets that only join or copy others
        are left out.
    n_labels
        Distinct frames.
    twice
        Identity to PKs of the sets, of frames that were labelled more than once.
    versions
        Versions of the program that labelled.
    """

    level: dict[str, Any]
    sets: list[int] = field(default_factory=list)
    n_labels: int = 0
    twice: dict[str, list[int]] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)


def label_ledger() -> list[LevelOfTheoryRow]:
    """Return one row per level of theory in the profile, most labels first."""
    rows: list[LevelOfTheoryRow] = []
    copies = _copies()
    for pk, level, _ in labelled_sets():
        if pk in copies:
            continue
        row = next((row for row in rows if same_physics(row.level, level)), None)
        if row is None:
            row = LevelOfTheoryRow(level)
            rows.append(row)
        row.sets.append(pk)
    for row in rows:
        _count(row)
    return sorted(rows, key=lambda row: (-row.n_labels, row.sets))


def _count(row: LevelOfTheoryRow) -> None:
    found: dict[str, list[int]] = {}
    versions: Counter[str] = Counter()
    for pk in row.sets:
        node = orm.load_node(pk)
        for identity in node.frames.identities():
            found.setdefault(identity, []).append(pk)
        if node.engine_version:
            versions[node.engine_version] += node.n_frames
    row.n_labels = len(found)
    row.twice = {identity: pks for identity, pks in found.items() if len(pks) > 1}
    row.versions = [version for version, _ in versions.most_common()]


def _copies() -> set[int]:
    """Return PKs of labelled sets that a calcfunction made of others of the same physics."""
    query = orm.QueryBuilder()
    labelled = {"attributes.labelled": True}
    query.append(FrameSetData, filters=labelled, tag="source", project="attributes.level_of_theory")
    query.append(orm.CalcFunctionNode, with_incoming="source", tag="function")
    query.append(
        FrameSetData,
        filters=labelled,
        with_incoming="function",
        project=["id", "attributes.level_of_theory"],
    )
    return {pk for before, pk, after in query.iterall() if same_physics(before, after)}
