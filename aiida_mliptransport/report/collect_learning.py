"""Read iterations, blind tests and their predictions from an active-learning process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from aiida import orm
from ase.data import chemical_symbols

from ..data.frames import FrameSetData
from .graph import Root, dict_output, in_namespace, inputs, outputs
from .model import FinalErrors, Histogram, Iteration, Labels, Parity, ParitySeries, RdfPair, Rung
from .model_check import Check
from .stages import split_iteration


def read_checks(content: Mapping[str, Any] | None) -> tuple[Check, ...]:
    """Return checks of ``{name: {value, limit, relation, passed}}``; other entries are skipped."""
    return tuple(
        Check(
            name=str(name),
            value=entry.get("value"),
            limit=entry.get("limit"),
            passed=bool(entry["passed"]),
            relation=str(entry.get("relation", "")),
        )
        for name, entry in (content or {}).items()
        if isinstance(entry, Mapping) and "passed" in entry
    )


def read_iterations(root: Root) -> tuple[Iteration, ...]:
    """Return the iterations: from ``history`` if there is one, else from what the children gave."""
    called = root.called
    steps: dict[int, dict[str, orm.ProcessNode]] = {}
    for label, child in called.items():
        iteration, step = split_iteration(label)
        if iteration is not None:
            steps.setdefault(iteration, {})[step] = child
    history = root.given.get("history")
    records: dict[int, dict[str, Any]] = {}
    if isinstance(history, orm.Dict):
        records = {int(r["iteration"]): r for r in history.get_dict().get("iterations", [])}
    for iteration, by_step in steps.items():
        records.setdefault(iteration, _partial_record(by_step))
    return tuple(
        _iteration(iteration, records[iteration], steps.get(iteration, {}))
        for iteration in sorted(records)
    )


def _partial_record(by_step: Mapping[str, orm.ProcessNode]) -> dict[str, Any]:
    """Return the assessment of an iteration, or what its other steps know so far."""
    labelled = {
        key: frames.n_frames
        for step, key in (
            ("label_candidates", "n_candidates_labelled"),
            ("label_blind", "n_blind_labelled"),
        )
        if step in by_step
        and isinstance(frames := outputs(by_step[step]).get("frames"), FrameSetData)
    }
    record = dict_output(by_step.get("assess"), "checks")
    if record is not None:
        candidates = labelled.get("n_candidates_labelled", 0)
        total = record["n_labels_when_tested"] + candidates
        return {**record, "n_candidates_labelled": candidates, "n_labels_total": total}
    record = dict(labelled)
    selection = dict_output(by_step.get("select"), "share_accurate")
    if selection is not None:
        record["selection"] = selection
    trust = inputs(by_step["select"]).get("trust_levels") if "select" in by_step else None
    if isinstance(trust, orm.Dict):
        record["trust_levels"] = trust.get_dict()
    errors = dict_output(by_step.get("evaluate"), "force")
    if errors is not None:
        force = errors["force"]
        record["blind"] = {
            "n_frames": errors.get("n_frames"),
            "force_rmse": force.get("rmse_component"),
            "force_rmse_error": force.get("standard_error"),
            "force_rms": force.get("reference_rms"),
            "relative": force.get("relative"),
            "energy_rmse_per_atom": (errors.get("energy") or {}).get("rmse_per_atom_eV"),
        }
    return record


def _not_reached(selection: Mapping[str, Any]) -> int | None:
    """Return how many frames the runs lack because they broke off."""
    if "n_expected_frames" not in selection:
        return None
    return int(selection["n_expected_frames"] - selection["n_frames"])


def _iteration(
    number: int, record: Mapping[str, Any], by_step: Mapping[str, orm.ProcessNode]
) -> Iteration:
    selection = record.get("selection") or {}
    blind = record.get("blind") or {}
    trust = record.get("trust_levels") or {}
    histogram = selection.get("deviation_histogram") or {}
    return Iteration(
        number=number,
        n_training_frames=record.get("n_training_frames"),
        n_labels_total=record.get("n_labels_total"),
        n_candidates=record.get("n_candidates_labelled"),
        n_blind=record.get("n_blind_labelled"),
        n_failed_labels=record.get("n_failed_labels"),
        trust_low=trust.get("low"),
        trust_high=trust.get("high"),
        n_explored=selection.get("n_frames"),
        accurate=selection.get("accurate"),
        candidate=selection.get("candidate"),
        failed=selection.get("failed"),
        unphysical=selection.get("unphysical"),
        not_reached=_not_reached(selection),
        share_accurate=selection.get("share_accurate"),
        histogram=(
            Histogram(np.asarray(histogram["edges_eV_A"]), np.asarray(histogram["counts"]))
            if histogram.get("counts")
            else None
        ),
        blind_frames=blind.get("n_frames"),
        effective_size=blind.get("effective_size"),
        force_rmse=blind.get("force_rmse"),
        force_rmse_error=blind.get("force_rmse_error"),
        force_rms=blind.get("force_rms"),
        relative=blind.get("relative"),
        energy_rmse=blind.get("energy_rmse_per_atom"),
        checks=read_checks(record.get("checks")),
        converged=record.get("converged"),
        n_models=_count(by_step.get("train"), "potentials"),
        n_trajectories=_count(by_step.get("explore"), "trajectories"),
        ladder=_rungs(record.get("ladder") or dict_output(by_step.get("move_on"), "explored")),
    )


def _rungs(state: Mapping[str, Any] | None) -> tuple[Rung, ...]:
    """Return the stage of each structure from the output of ``move_on_ladder``."""
    if not state or state["n_stages"] == 1:
        return ()
    return tuple(
        Rung(name, stage, state["share_accurate"][name], state["stages"][name])
        for name, stage in sorted(state["explored"].items())
    )


def _count(process: orm.ProcessNode | None, namespace: str) -> int | None:
    return len(in_namespace(outputs(process), namespace)) or None if process else None


def read_final_errors(root: Root) -> FinalErrors | None:
    """Return the errors of the final blind test, else those of the last iteration tested."""
    source, node = "final blind test", root.given.get("final_errors")
    errors = node.get_dict() if isinstance(node, orm.Dict) else None
    for source_label, child in () if errors else _tests(root):
        errors = dict_output(child, "force")
        if errors:
            source = source_label
            break
    if not errors:
        return None
    force = errors["force"]
    return FinalErrors(
        source=source,
        n_frames=errors.get("n_frames"),
        force_rmse=force.get("rmse_component"),
        force_rmse_error=force.get("standard_error"),
        force_rms=force.get("reference_rms"),
        relative=force.get("relative"),
        energy_rmse=(errors.get("energy") or {}).get("rmse_per_atom_eV"),
    )


def _tests(root: Root) -> list[tuple[str, orm.ProcessNode]]:
    """Return evaluations, the last first, each with a name."""
    called = root.called
    tests = [("final blind test", called["final_evaluate"])] if "final_evaluate" in called else []
    for label in sorted(called, reverse=True):
        number, step = split_iteration(label)
        if step == "evaluate":
            tests.append((f"blind test of iteration {number}", called[label]))
    return tests


def read_parity(root: Root) -> Parity | None:
    """Return reference and predicted forces and energies of the last blind test.

    The predictions' creator took the labelled frames as its input ``frames``.
    """
    tests: list[tuple[str, orm.ProcessNode | None, orm.Data | None]] = []
    final = root.given.get("final_predictions")
    if isinstance(final, orm.ArrayData):
        tests.append(("final blind test", final.creator, final))
    tests += [(name, node, outputs(node).get("predictions")) for name, node in _tests(root)]
    for name, process, predictions in tests:
        if process is None or not isinstance(predictions, orm.ArrayData):
            continue
        frames = inputs(process).get("frames")
        if isinstance(frames, FrameSetData) and frames.labelled:
            parity = _parity(name, frames, predictions)
            if parity is not None:
                return parity
    return None


def _parity(source: str, node: FrameSetData, predictions: orm.ArrayData) -> Parity | None:
    names = set(predictions.get_arraynames())
    by_element: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    energies: list[tuple[np.ndarray, np.ndarray]] = []
    n_frames = 0
    for number, system in enumerate(node.frames):
        name = f"system_{number:03d}_forces"
        if name not in names or system.forces is None or system.energies is None:
            continue
        predicted = predictions.get_array(name)
        if predicted.shape != system.forces.shape:
            continue
        n_frames += system.n_frames
        for element in np.unique(system.numbers):
            atoms = system.numbers == element
            by_element.setdefault(int(element), []).append(
                (system.forces[:, atoms].ravel(), predicted[:, atoms].ravel())
            )
        name = f"system_{number:03d}_energies"
        if name in names:
            # Per system: cells of different composition have no common zero of energy.
            zero = system.energies.mean()
            scale = 1000.0 / system.n_atoms
            energies.append(
                ((system.energies - zero) * scale, (predictions.get_array(name) - zero) * scale)
            )
    if not by_element:
        return None
    series = tuple(
        _series(chemical_symbols[element], by_element[element]) for element in sorted(by_element)
    )
    return Parity(source, n_frames, series, _series("energy", energies) if energies else None)


def _series(name: str, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> ParitySeries:
    reference, predicted = zip(*pairs, strict=True)
    return ParitySeries(name, np.concatenate(reference), np.concatenate(predicted))


def read_rdf(root: Root) -> tuple[RdfPair, ...]:
    """Return pairs of the output ``rdf_comparison``."""
    node = root.given.get("rdf_comparison")
    if not isinstance(node, orm.ArrayData):
        return ()
    names = set(node.get_arraynames())
    pairs = sorted(
        name.removesuffix("_r")
        for name in names
        if name.endswith("_r") and {f"{name[:-2]}_dpmd", f"{name[:-2]}_labeller"} <= names
    )
    return tuple(
        RdfPair(
            pair.replace("_", "–").replace("-", "–"),
            *(node.get_array(f"{pair}_{kind}") for kind in ("r", "dpmd", "labeller")),
        )
        for pair in pairs
    )


def read_labels(root: Root, iterations: Iterable[Iteration]) -> tuple[Labels, ...]:
    """Return how many labelled frames each stage gave, and what they were used for."""
    rows = []
    given = root.given
    for name, node in in_namespace(given, "frames").items():
        known = name == "initial" or name.startswith("iteration_")
        if isinstance(node, FrameSetData) and not known:
            rows.append(Labels(f"Given: {name}", node.n_frames, "training", spent=False))
    initial = given.get("frames__initial")
    aimd = root.called.get("aimd")
    if initial is None and aimd is not None:
        initial = outputs(aimd).get("frames")
    if isinstance(initial, FrameSetData):
        rows.append(Labels("Initial MD", initial.n_frames, "training"))
    done = list(iterations)
    for count, stage, use in (
        (sum(i.n_candidates or 0 for i in done), "Candidates", "training"),
        (sum(i.n_blind or 0 for i in done), "Blind frames", "test only, never trained on"),
        (sum(i.n_failed_labels or 0 for i in done), "Failed labels", "none"),
    ):
        if count:
            rows.append(Labels(stage, count, use))
    return tuple(rows)
