"""Calcfunctions of a validation on MD runs: frames to label again, structure, stability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.frames import FrameSetData
from ...data.trajectory import MDTrajectoryData
from ...science.frames import Frames
from ...science.selection import physical_window, screen_frames
from ...science.transport.rdf import partial_rdfs
from ...science.validation import (
    LongRunLimits,
    Quantity,
    RdfLimits,
    StabilityLimits,
    drift_line,
    energy_drift,
    energy_shift_line,
    error_lines,
    rdf_line,
    stability_line,
    time_to_failure,
)
from .evaluated import evaluated, labelled, predicted
from .validation import curves_node, lines_node

#: Frames in a row that are not physical before a run counts as failed.
PERSISTENCE = 2


@calcfunction
def sample_runs(limits: orm.Dict, **trajectories: MDTrajectoryData) -> FrameSetData:
    """Return unlabelled frames at even intervals along runs, before they fail if they do.

    Parameters
    ----------
    limits
        Of :class:`~...science.validation.md_checks.LongRunLimits`.
    trajectories
        ``run__<name>``.
    """
    chosen = LongRunLimits.model_validate(limits.get_dict())
    share = max(1, chosen.n_frames // len(trajectories))
    parts = []
    for name in sorted(trajectories):
        node = trajectories[name]
        window = _window(node)
        if window:
            parts.append(node.take(np.unique(np.linspace(0, window - 1, share + 1, dtype=int)[1:])))
    frames = Frames.join(parts)
    if not frames.n_frames:
        raise ValueError("no run has a physical frame to label")
    return FrameSetData(frames)


@calcfunction
def compare_long_run(
    limits: orm.Dict,
    subject: orm.Str,
    estimator_version: orm.Str,
    frames: FrameSetData,
    predictions: orm.ArrayData,
    labels: FrameSetData,
) -> dict[str, Any]:
    """Return the lines of the errors along runs of the potential that were labelled again.

    Parameters
    ----------
    frames, predictions
        Of :func:`sample_runs`, and what an evaluation says of them.
    labels
        Those of the frames that have a label.
    """
    chosen = LongRunLimits.model_validate(limits.get_dict())
    ours, theirs = predicted(frames.frames, predictions), labelled(labels.frames)
    lines = []
    curves = {}
    for number, system in enumerate(frames.frames):
        assert system.steps is not None
        assert system.origins is not None
        cells = system.without_labels().to_atoms()
        potential, labeller = evaluated(cells, ours), evaluated(cells, theirs)
        where = f"{subject.value}, {system.formula}"
        lines += error_lines("long_run", where, cells, potential, labeller, chosen.limits)
        known = potential.known & labeller.known
        error = 1000.0 * (potential.energies - labeller.energies) / system.n_atoms
        middle = {o: np.median(system.steps[system.origins == o]) for o in set(system.origins)}
        late = np.array(
            [step > middle[o] for step, o in zip(system.steps, system.origins, strict=True)]
        )
        lines.append(energy_shift_line(where, error[known], late[known], chosen.max_shift_meV_atom))
        curves |= {
            f"system_{number}_steps": system.steps,
            f"system_{number}_energies_potential": potential.energies,
            f"system_{number}_energies_labeller": labeller.energies,
        }
    return {"lines": lines_node(lines), "curves": curves_node(curves)}


@calcfunction
def compare_structure(
    limits: orm.Dict,
    subject: orm.Str,
    estimator_version: orm.Str,
    **trajectories: MDTrajectoryData,
) -> dict[str, Any]:
    """Return the lines and curves of the RDFs of the potential's MD beside the labeller's.

    Parameters
    ----------
    limits
        Of :class:`~...science.validation.md_checks.RdfLimits`.
    trajectories
        ``potential__<run>`` and ``labeller__<run>`` of one structure and temperature; of each the
        second half counts.
    """
    chosen = RdfLimits.model_validate(limits.get_dict())
    blocks = {
        kind: _rdf_blocks(
            {k: v for k, v in trajectories.items() if k.startswith(f"{kind}__")}, chosen
        )
        for kind in ("potential", "labeller")
    }
    found = set(blocks["potential"]) & set(blocks["labeller"])
    wanted = found if chosen.pairs is None else {_ordered(pair) for pair in chosen.pairs}
    if wanted - found:
        raise ValueError(
            f"checks.rdf.pairs holds {sorted(wanted - found)}, the runs have {sorted(found)}"
        )
    lines, curves = [], {}
    for pair in sorted(wanted):
        ours, theirs = blocks["potential"][pair], blocks["labeller"][pair]
        lines.append(rdf_line(subject.value, pair, ours, theirs, chosen))
        name = pair.replace("-", "_")
        curves[f"{name}_potential"] = ours.mean(axis=0)
        curves[f"{name}_labeller"] = theirs.mean(axis=0)
        n_bins = ours.shape[1]
        curves[f"{name}_r"] = (np.arange(n_bins) + 0.5) * chosen.reach_A / n_bins
    return {"lines": lines_node(lines), "curves": curves_node(curves)}


@calcfunction
def judge_stability(
    limits: orm.Dict,
    estimator_version: orm.Str,
    errors: orm.Dict,
    **trajectories: MDTrajectoryData,
) -> orm.Dict:
    """Return the lines of the time to failure and of the energy drift, by structure and T.

    Parameters
    ----------
    limits
        Of :class:`~...science.validation.md_checks.StabilityLimits`.
    errors
        Run to what the program said of its end; empty for one that did not fail. A run without a
        trajectory failed at once if its name is here.
    trajectories
        ``run__<structure>_<T>K…_replica<i>``.
    """
    chosen = StabilityLimits.model_validate(limits.get_dict())
    ends = errors.get_dict()
    given = {key.removeprefix("run__"): node for key, node in trajectories.items()}
    groups: dict[str, list[str]] = {}
    for run in sorted({*given, *ends}):
        groups.setdefault(run.rpartition("_replica")[0] or run, []).append(run)
    lines = []
    for group, runs in groups.items():
        times, failed, drifts = [], [], []
        for run in runs:
            if run not in given:
                times.append(0.0)
                failed.append(True)
                continue
            node = given[run]
            window = _window(node)
            clock = node.times_ps
            times.append(float(clock[max(window - 1, 0)] - clock[0]))
            failed.append(window < node.n_frames or bool(ends.get(run)))
            if not failed[-1]:
                drifts += _drift(node)
        if sum(times) > 0:
            lines.append(stability_line(group, time_to_failure(times, failed), chosen))
        else:
            quantity = Quantity("stability", group, "mean time to failure", "ps")
            lines.append(quantity.found("fail", f"all {len(runs)} runs failed at once", 0.0))
        lines.append(drift_line(group, drifts, chosen))
    return lines_node(lines)


def _drift(node: MDTrajectoryData) -> list[Any]:
    thermo = node.thermo
    name = "conserved_energy_eV"
    if name not in thermo or "time_ps" not in thermo:
        return []
    try:
        return [energy_drift(thermo["time_ps"], thermo[name], node.n_atoms)]
    except ValueError:
        return []  # too short to see a drift: the line says so where no run can


def _window(node: MDTrajectoryData) -> int:
    """Return how many frames precede a failure."""
    screening = screen_frames(node.positions(), node.cells, node.pbc, node.numbers)
    return physical_window(screening.physical, persistence=PERSISTENCE)


def _ordered(pair: str) -> str:
    return "-".join(sorted(pair.split("-")))


def _rdf_blocks(
    trajectories: Mapping[str, MDTrajectoryData], limits: RdfLimits
) -> dict[str, np.ndarray]:
    """Return RDFs (n_blocks of all runs, n_r) by pair."""
    found: dict[str, list[np.ndarray]] = {}
    for name in sorted(trajectories):
        node = trajectories[name]
        late = np.arange(node.n_frames // 2, node.n_frames)
        for block in np.array_split(late, limits.n_blocks):
            if not len(block):
                continue
            rdfs = partial_rdfs(
                node.positions(frames=block),
                node.symbols,
                node.cells[block],
                limits.reach_A,
                limits.bin_width_A,
            )
            for pair, rdf in rdfs.items():
                found.setdefault("-".join(pair), []).append(rdf.g)
    return {pair: np.array(values) for pair, values in found.items()}
