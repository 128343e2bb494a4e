"""Read a campaign or a transport run from the graph into plain data."""

from __future__ import annotations

from typing import Any

from aiida import orm
from ase.formula import Formula

from ..data.potential import PotentialData
from . import jobs
from .collect_barriers import read_barriers
from .collect_calibration import read_calibration
from .collect_learning import (
    read_checks,
    read_final_errors,
    read_iterations,
    read_labels,
    read_parity,
    read_rdf,
)
from .collect_mechanism import read_mechanism
from .collect_transport import read_transport
from .collect_validation import read_validation
from .graph import Call, Root, all_calls, in_namespace, outputs
from .model import Report, Structure
from .model_card import model_card

#: Process label → kind of report.
KINDS = {
    "ActiveLearningWorkChain": "active_learning",
    "TransportWorkChain": "transport",
    "NebWorkChain": "barriers",
    "ValidateWorkChain": "validation",
}


class NotReportableError(ValueError):
    """The node is no process that a report can be written of."""


def collect(node: orm.Node) -> Report:
    """Return what the graph knows of a process of one of the :data:`KINDS`.

    A finished process is read from its outputs; where an output is missing, its children are
    searched by their call link labels, so that a running or failed process has a report too.

    Raises
    ------
    NotReportableError
        If the node is none of these.
    """
    kind = KINDS.get(getattr(node, "process_label", None) or "")
    if kind is None:
        name = getattr(node, "process_label", None) or type(node).__name__
        raise NotReportableError(
            f"node {node.pk} is a {name}, expected one of {', '.join(KINDS)}: `verdi process list "
            "-a` shows which there are"
        )
    calls = all_calls(node)
    root = Root.of(node)
    given, taken = root.given, root.taken
    history_node = given.get("history")
    history = history_node.get_dict() if isinstance(history_node, orm.Dict) else {}
    iterations = read_iterations(root) if kind == "active_learning" else ()
    transport = read_transport(root)
    checks = read_checks(history.get("checks"))
    if not checks:
        checks = next((i.checks for i in reversed(iterations) if i.checks), ())
        checks += transport.checks if transport else ()
    nodes = _data_nodes(given, taken, calls)
    # The images have energies of the potential: only their labels have a level of theory.
    levels = nodes
    if kind in ("barriers", "validation"):
        levels = [node for key, node in given.items() if key.startswith("labels")]
    return Report(
        kind=kind,
        title=_title(taken, kind),
        label=node.label,
        description=node.description,
        uuid=node.uuid,
        pk=node.pk,
        started=node.ctime.strftime("%Y-%m-%d %H:%M"),
        state=node.process_state.value if node.process_state else "unknown",
        finished=bool(node.is_finished),
        exit_status=node.exit_status,
        exit_message=node.exit_message or "",
        stop_reason=str(history.get("stop_reason") or ""),
        converged=history.get("converged"),
        wall_s=jobs.total_wall_seconds(node, calls),
        structures=_structures(taken),
        temperatures=_temperatures(taken),
        engine=str((jobs.merge_levels(levels) or {}).get("engine", "")),
        iterations=iterations,
        final_errors=read_final_errors(root) if kind == "active_learning" else None,
        parity=read_parity(root) if kind == "active_learning" else None,
        calibration=read_calibration(root) if kind == "active_learning" else None,
        rdf=read_rdf(root),
        transport=transport,
        mechanism=read_mechanism(root),
        barriers=read_barriers(root),
        validation=read_validation(root) if kind == "validation" else None,
        card=_card(root, kind),
        labels=read_labels(root, iterations) if kind == "active_learning" else (),
        jobs=jobs.job_groups(calls, transport_only=kind == "transport"),
        failures=jobs.failures(node, calls),
        versions=jobs.versions(node, calls, nodes),
        level_of_theory=jobs.merge_levels(levels),
        counts=_counts(root),
        checks=checks,
    )


def _card(root: Root, kind: str) -> str:
    """Return the model card of the potential that a campaign gave or a validation looked at."""
    if kind == "active_learning":
        node = root.given.get("potential")
    else:
        committee = in_namespace(root.taken, "potentials") if kind == "validation" else {}
        node = committee[min(committee)] if committee else None
    # The table of a validation stands above it in the report.
    return model_card(node, table=False) if isinstance(node, PotentialData) else ""


def _data_nodes(
    given: dict[str, orm.Data], taken: dict[str, orm.Data], calls: list[Call]
) -> list[orm.Data]:
    """Return outputs, inputs, and outputs of the first children: where versions are recorded."""
    nodes = [*given.values(), *taken.values()]
    for call in calls:
        if len(call.path) == 1 and isinstance(call.node, orm.WorkChainNode):
            nodes += outputs(call.node).values()
    return nodes


def _title(taken: dict[str, orm.Data], kind: str) -> str:
    formulas = list(dict.fromkeys(s.formula for s in _structures(taken)))
    subject = ", ".join(formulas[:3]) + (", …" if len(formulas) > 3 else "")
    topics = {"barriers": "Migration barriers", "validation": "Validation of a potential"}
    topic = topics.get(kind, "Ion transport")
    title = f"{topic} in {subject}" if subject else topic
    return f"{title}, by active learning" if kind == "active_learning" else title


def _structures(taken: dict[str, orm.Data]) -> tuple[Structure, ...]:
    found: dict[str, Structure] = {}
    for label in sorted(taken):
        node = taken[label]
        if isinstance(node, orm.StructureData) and node.uuid not in found:
            found[node.uuid] = Structure(
                key=label.rpartition("__")[2],
                label=node.label,
                formula=_formula(node),
                n_atoms=len(node.sites),
                volume=node.get_cell_volume() if any(node.pbc) else None,
            )
    return tuple(found.values())


def _formula(node: orm.StructureData) -> str:
    """Return the reduced formula with metals first; AiiDA's own where a site has no one element."""
    symbols = [kind.symbol for kind in map(node.get_kind, (s.kind_name for s in node.sites))
               if not kind.is_alloy]  # fmt: skip
    if len(symbols) != len(node.sites):
        return node.get_formula("hill_compact")
    formula, _ = Formula.from_list(symbols).reduce()
    return formula.format("metal")


def _temperatures(taken: dict[str, orm.Data]) -> tuple[float, ...]:
    values = {
        float(value)
        for label, node in taken.items()
        if label.endswith("temperatures") and isinstance(node, orm.List)
        for value in node.get_list()
    }
    return tuple(sorted(values))


def _counts(root: Root) -> dict[str, int]:
    """Return numbers of the provenance figure that no other part holds."""
    called = root.called
    counts: dict[str, Any] = {}
    if "aimd" in called:
        counts["aimd_runs"] = len(in_namespace(outputs(called["aimd"]), "trajectories"))
    if "final_train" in called:
        counts["final_models"] = len(in_namespace(outputs(called["final_train"]), "potentials"))
    transport = called.get("transport")
    if transport is not None:
        counts["transport_runs"] = len(in_namespace(outputs(transport), "trajectories"))
    elif "observables" in root.given or root.node.process_label == "TransportWorkChain":
        counts["transport_runs"] = len(in_namespace(root.given, "trajectories"))
    return {key: value for key, value in counts.items() if value}
