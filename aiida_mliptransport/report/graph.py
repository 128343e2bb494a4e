"""Walk from a process to what it called, took and gave, by the labels of the links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiida import orm
from aiida.common.links import LinkType

CALL = (LinkType.CALL_CALC, LinkType.CALL_WORK)


@dataclass(frozen=True)
class Call:
    """A process below a root, with the call link labels that lead to it."""

    path: tuple[str, ...]
    node: orm.ProcessNode

    @property
    def where(self) -> str:
        return " / ".join(self.path)


@dataclass(frozen=True)
class Root:
    """The process that is reported, with its links read once."""

    node: orm.ProcessNode
    taken: dict[str, orm.Data]
    given: dict[str, orm.Data]
    called: dict[str, orm.ProcessNode]

    @classmethod
    def of(cls, node: orm.ProcessNode) -> Root:
        return cls(node, inputs(node), outputs(node), children(node))


def inputs(process: orm.ProcessNode) -> dict[str, orm.Data]:
    """Return input nodes by link label; namespaces are joined by two underscores."""
    links = process.base.links.get_incoming(link_type=(LinkType.INPUT_CALC, LinkType.INPUT_WORK))
    return {link.link_label: link.node for link in links.all()}


def outputs(process: orm.ProcessNode) -> dict[str, orm.Data]:
    """Return output nodes by link label; namespaces are joined by two underscores."""
    links = process.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN))
    return {link.link_label: link.node for link in links.all()}


def in_namespace(nodes: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return the entries of one namespace, with its prefix removed, sorted by name."""
    prefix = f"{namespace}__"
    return {
        label[len(prefix) :]: nodes[label] for label in sorted(nodes) if label.startswith(prefix)
    }


def children(process: orm.ProcessNode) -> dict[str, orm.ProcessNode]:
    """Return called processes by call link label.

    Of several with one label (a killed worker leaves some behind) the newest that neither
    excepted nor was killed is taken, else the newest.
    """
    links = process.base.links.get_outgoing(link_type=CALL).all()
    chosen: dict[str, orm.ProcessNode] = {}
    for link in sorted(links, key=lambda item: item.node.pk):
        known = chosen.get(link.link_label)
        if known is None or not _broken(link.node) or _broken(known):
            chosen[link.link_label] = link.node
    return chosen


def _broken(node: orm.ProcessNode) -> bool:
    return bool(node.is_excepted or node.is_killed)


def all_calls(root: orm.ProcessNode) -> list[Call]:
    """Return every process below ``root``, level by level, oldest first within a level."""
    found: list[Call] = []
    frontier: dict[int, tuple[str, ...]] = {root.pk: ()}
    seen = {root.pk}
    while frontier:
        query = orm.QueryBuilder(backend=root.backend)
        query.append(
            orm.ProcessNode, filters={"id": {"in": list(frontier)}}, tag="parent", project="id"
        )
        query.append(
            orm.ProcessNode,
            with_incoming="parent",
            edge_filters={"type": {"in": [link.value for link in CALL]}},
            edge_tag="call",
            edge_project="label",
            tag="child",
            project="*",
        )
        level = []
        for row in query.dict():
            node = row["child"]["*"]
            if node.pk not in seen:
                seen.add(node.pk)
                path = (*frontier[row["parent"]["id"]], row["call"]["label"])
                level.append(Call(path, node))
        level.sort(key=lambda call: call.node.pk)
        found.extend(level)
        frontier = {call.node.pk: call.path for call in level}
    return found


def _query_of(processes: Iterable[orm.ProcessNode]) -> orm.QueryBuilder | None:
    """Return a query that starts from these processes (tag ``process``), None without any.

    It asks their own storage: that of an archive which is open beside the loaded profile too.
    """
    nodes = list(processes)
    if not nodes:
        return None
    query = orm.QueryBuilder(backend=nodes[0].backend)
    pks = [node.pk for node in nodes]
    query.append(orm.ProcessNode, filters={"id": {"in": pks}}, tag="process", project="id")
    return query


def retrieval_times(processes: Iterable[orm.ProcessNode]) -> dict[int, datetime]:
    """Return for each job the time at which its files had been retrieved.

    A better end of a job than its ``mtime``, which changes when an extra is set later.
    """
    query = _query_of(processes)
    if query is None:
        return {}
    query.append(
        orm.Node,
        with_incoming="process",
        edge_filters={"type": LinkType.CREATE.value, "label": "retrieved"},
        project="ctime",
    )
    return dict(query.all())


def result_dicts(processes: Iterable[orm.ProcessNode]) -> list[tuple[int, dict[str, Any]]]:
    """Return (process pk, content) of every ``results`` Dict that these processes created."""
    query = _query_of(processes)
    if query is None:
        return []
    query.append(
        orm.Dict,
        with_incoming="process",
        edge_filters={"type": LinkType.CREATE.value, "label": "results"},
        project="attributes",
    )
    return [(pk, dict(content)) for pk, content in query.all()]


def codes_of(processes: Iterable[orm.ProcessNode]) -> dict[int, orm.AbstractCode]:
    """Return the code of each process that has one."""
    query = _query_of(processes)
    if query is None:
        return {}
    # The abstract class matches every Data node in a query, so the link tells which is the code.
    query.append(orm.Data, with_outgoing="process", project="*", edge_filters={"label": "code"})
    return dict(query.all())


def dict_output(process: orm.ProcessNode | None, key: str) -> dict[str, Any] | None:
    """Return the first Dict among the outputs that holds ``key``, itself or one level down."""
    if process is None:
        return None
    for _, node in sorted(outputs(process).items()):
        if not isinstance(node, orm.Dict):
            continue
        content = node.get_dict()
        if key in content:
            return content
        for value in content.values():
            if isinstance(value, dict) and key in value:
                return value
    return None
