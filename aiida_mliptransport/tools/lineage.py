"""From a result down to the frames and the labelling jobs it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from aiida import orm
from aiida.common.links import LinkType

from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from .ledger import LedgerRow, cost_ledger
from .query import chunks, project

#: Inputs that only steer a process; they may have no creator and are no imports.
SETTINGS = (orm.Dict, orm.List, orm.Int, orm.Float, orm.Str, orm.Bool, orm.AbstractCode)


class LineageError(ValueError):
    """There is no lineage for the node; the message says which nodes have one."""


@dataclass
class Group:
    """Nodes of one kind that play the same part, and what they were made from."""

    kind: str
    pks: list[int]
    note: str = ""
    sources: list[Group] = field(default_factory=list)


@dataclass
class Lineage:
    """Everything that a node rests on.

    Attributes
    ----------
    root, root_kind
        PK and kind of the node.
    processes, data
        Number of nodes of each kind.
    training_frames
        Distinct labelled frames (by identity) that entered a training.
    labelled_frames
        Labelled frames that the labelling jobs made.
    labelling_jobs
        PKs of the jobs that made labelled frames.
    imports
        PKs of declared imports: data that no process made.
    levels_of_theory
        Readable levels of theory of the frames.
    costs
        Jobs, wall time and core-hours by kind.
    tree
        The same as a tree, like nodes grouped.
    """

    root: int
    root_kind: str
    processes: dict[str, int]
    data: dict[str, int]
    training_frames: int
    labelled_frames: int
    labelling_jobs: list[int]
    imports: list[int]
    levels_of_theory: list[dict[str, Any]]
    costs: list[LedgerRow]
    tree: Group

    @property
    def core_hours(self) -> float:
        return sum(row.core_hours for row in self.costs)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "core_hours": self.core_hours}


def trace(node: orm.Node, point: str | None = None) -> Lineage:
    """Return the lineage of a data node or a process.

    Parameters
    ----------
    node : Node
        Observables, a potential, frames, a trajectory, or a WorkChain (then: its outputs).
    point : str, optional
        For observables: only what entered under a link label that starts with this, for example
        ``licl64_1200K``, the point of an Arrhenius line.

    Raises
    ------
    LineageError
        If the node has neither creator nor outputs, or no input matches ``point``.
    """
    graph = _Graph()
    starts = _starts(node)
    if point is not None:
        starts = _narrow(node, point)
    graph.walk(pk for pk in starts)
    nodes = graph.load()
    jobs = [n for n in nodes.values() if isinstance(n, orm.CalcJobNode)]
    frame_sets = [n for n in nodes.values() if isinstance(n, FrameSetData)]
    labelled_by = graph.labelling_jobs(nodes)
    trained = graph.inputs_of_trainings(nodes)
    return Lineage(
        root=node.pk,
        root_kind=kind_of(node),
        processes=_count(n for n in nodes.values() if isinstance(n, orm.ProcessNode)),
        data=_count(n for n in nodes.values() if isinstance(n, orm.Data)),
        training_frames=len({i for n in trained for i in n.frames.identities()}),
        labelled_frames=sum(n.n_frames for n in frame_sets if n.pk in labelled_by),
        labelling_jobs=sorted(set(labelled_by.values())),
        imports=sorted(
            pk
            for pk, n in nodes.items()
            if isinstance(n, orm.Data) and pk not in graph.creator and not isinstance(n, SETTINGS)
        ),
        levels_of_theory=_levels(frame_sets),
        costs=cost_ledger(jobs),
        tree=_tree(graph, nodes, node, starts),
    )


def kind_of(node: orm.Node) -> str:
    """Return the readable kind of a node: its process label, or its class."""
    if isinstance(node, orm.ProcessNode):
        return str(node.process_label or type(node).__name__)
    return type(node).__name__


class _Graph:
    """The data provenance above some nodes, read in few queries."""

    def __init__(self) -> None:
        self.creator: dict[int, int] = {}
        self.inputs: dict[int, list[int]] = {}
        self.seen: set[int] = set()

    def walk(self, starts: Iterable[int]) -> None:
        frontier = set(starts)
        while frontier:
            self.seen |= frontier
            found: set[int] = set()
            for source, target, kind in _incoming(frontier):
                if kind == LinkType.CREATE.value:
                    self.creator[target] = source
                else:
                    self.inputs.setdefault(target, []).append(source)
                found.add(source)
            frontier = found - self.seen

    def load(self) -> dict[int, orm.Node]:
        return {node.pk: node for (node,) in project(self.seen, "*")}

    def labelling_jobs(self, nodes: dict[int, orm.Node]) -> dict[int, int]:
        """Return labelled frame set to the job that labelled it; sets made of others have none.

        Frames of aiida-vasp's jobs are made by a calcfunction that reads the trajectory.
        """
        found = {}
        for pk, node in nodes.items():
            if not isinstance(node, FrameSetData) or not node.labelled or pk not in self.creator:
                continue
            creator = self.creator[pk]
            read = [
                self.creator[source]
                for source in self.inputs.get(creator, [])
                if isinstance(nodes.get(source), orm.TrajectoryData) and source in self.creator
            ]
            for job in [creator, *read]:
                if isinstance(nodes.get(job), orm.CalcJobNode):
                    found[pk] = job
        return found

    def inputs_of_trainings(self, nodes: dict[int, orm.Node]) -> list[FrameSetData]:
        trainings = {
            self.creator[pk]
            for pk, node in nodes.items()
            if isinstance(node, PotentialData) and pk in self.creator
        }
        inputs = {pk for process in trainings for pk in self.inputs.get(process, [])}
        return [nodes[pk] for pk in sorted(inputs) if isinstance(nodes[pk], FrameSetData)]

    def above(self, pk: int) -> list[int]:
        if pk in self.creator:
            return [self.creator[pk]]
        return self.inputs.get(pk, [])


def _incoming(pks: set[int]) -> Iterator[tuple[int, int, str]]:
    types = [LinkType.CREATE.value, LinkType.INPUT_CALC.value]
    for chunk in chunks(pks):
        query = orm.QueryBuilder()
        query.append(orm.Node, filters={"id": {"in": chunk}}, tag="target", project=["id"])
        query.append(
            orm.Node,
            with_outgoing="target",
            project=["id"],
            edge_filters={"type": {"in": types}},
            edge_project=["type"],
        )
        for target, source, kind in query.all():
            yield source, target, kind


def _starts(node: orm.Node) -> list[int]:
    if isinstance(node, orm.CalculationNode):
        return [node.pk]
    if isinstance(node, orm.WorkflowNode):
        outputs = [link.node.pk for link in node.base.links.get_outgoing(
            link_type=LinkType.RETURN
        ).all()]  # fmt: skip
        calls = [n.pk for n in node.called_descendants if isinstance(n, orm.CalculationNode)]
        if not outputs and not calls:
            raise LineageError(f"process {node.pk} has made nothing yet; look at it with `status`")
        return sorted({*outputs, *calls})
    return [node.pk]


def _narrow(node: orm.Node, point: str) -> list[int]:
    if not isinstance(node, orm.Data) or node.creator is None:
        raise LineageError(
            f"node {node.pk} is a {kind_of(node)}, expected the observables of a transport run "
            f"to narrow down to the point {point!r}"
        )
    links = node.creator.base.links.get_incoming(link_type=LinkType.INPUT_CALC).all()
    chosen = [link.node.pk for link in links if f"__{point}_" in f"__{link.link_label}_"]
    if not chosen:
        known = sorted({link.link_label for link in links if "K" in link.link_label})
        raise LineageError(f"no input of node {node.pk} belongs to {point!r}; it has {known}")
    return chosen


def _tree(graph: _Graph, nodes: dict[int, orm.Node], root: orm.Node, starts: list[int]) -> Group:
    shown: set[int] = set()

    def expand(pks: list[int]) -> list[Group]:
        by_kind: dict[str, list[int]] = {}
        for pk in pks:
            node = nodes[pk]
            if isinstance(node, SETTINGS) and pk not in graph.creator:
                continue
            by_kind.setdefault(kind_of(node), []).append(pk)
        groups = []
        for kind, members in sorted(by_kind.items()):
            group = Group(kind, sorted(members), _note([nodes[pk] for pk in members]))
            groups.append(group)
        for group in groups:
            fresh = [pk for pk in group.pks if pk not in shown]
            shown.update(fresh)
            above = sorted({pk for member in fresh for pk in graph.above(member)})
            if not fresh:
                group.note = f"{group.note}, see above".lstrip(", ")
            group.sources = expand(above) if above else []
        return groups

    if isinstance(root, orm.Data) and starts == [root.pk]:
        return expand([root.pk])[0] if root.pk in graph.creator else Group(
            kind_of(root), [root.pk], "declared import"
        )  # fmt: skip
    return Group(kind_of(root), [root.pk], "", expand(_ends(graph, starts)))


def _ends(graph: _Graph, starts: list[int]) -> list[int]:
    """Return those of ``starts`` that no other one rests on."""
    used = {*graph.creator.values(), *(pk for pks in graph.inputs.values() for pk in pks)}
    return [pk for pk in starts if pk not in used] or starts


def _note(members: list[orm.Node]) -> str:
    if all(isinstance(node, FrameSetData) for node in members):
        labelled = sum(node.n_frames for node in members if node.labelled)
        plain = sum(node.n_frames for node in members if not node.labelled)
        parts = [f"{labelled} labelled frames"] * bool(labelled)
        return ", ".join(parts + [f"{plain} unlabelled frames"] * bool(plain))
    if all(isinstance(node, orm.CalcJobNode) for node in members):
        return f"{sum(row.core_hours for row in cost_ledger(members)):.3g} core-hours"
    if all(isinstance(node, orm.Data) and node.creator is None for node in members):
        return "declared import"
    return ""


def _levels(frame_sets: Iterable[FrameSetData]) -> list[dict[str, Any]]:
    levels = {node.level_of_theory_hash: node.level_of_theory for node in frame_sets}
    return [level for key, level in sorted(levels.items(), key=str) if key and level]


def _count(nodes: Iterable[orm.Node]) -> dict[str, int]:
    return dict(sorted(Counter(kind_of(node) for node in nodes).items()))
