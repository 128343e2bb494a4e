"""Database queries over many nodes, in chunks that SQLite accepts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aiida import orm

#: Nodes per database query: SQLite allows a limited number of parameters.
CHUNK = 500


def chunks(pks: Iterable[int]) -> Iterator[list[int]]:
    """Yield sorted lists of at most 500 PKs."""
    ordered = sorted(pks)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def project(pks: Iterable[int], *names: str, kind: Any = orm.Node) -> Iterator[list[Any]]:
    """Yield the projections of the nodes that are of this kind (``*`` is the node itself)."""
    for chunk in chunks(pks):
        query = orm.QueryBuilder()
        query.append(kind, filters={"id": {"in": chunk}}, project=list(names))
        yield from query.all()
