"""The calcfunction that decides which frames of an exploration are labelled, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.frames import FrameSetData
from ...science.frames import Frames
from ...science.selection import (
    FrameClass,
    TrustLevels,
    blind_capacity,
    draw_blind,
    effective_size,
)
from .candidates import choose_candidates
from .explored_runs import ExploredRun, examine_run, is_blind, screening_criteria

#: Raised when the meaning of a selection changes: AiiDA's cache hash knows this file only.
SELECTION_VERSION = "3"

#: Quantiles of the deviation that are stored, evenly spaced from 0 to 1: shares are good to 0.5 %.
QUANTILES = 201

#: The same for one trajectory: there may be hundreds of them.
RUN_QUANTILES = 41


@calcfunction
def select_frames(
    parameters: orm.Dict,
    trust_levels: orm.Dict,
    seed: orm.Int,
    exploration: orm.Dict | None = None,
    **nodes: Any,
) -> dict[str, orm.Data]:
    """Choose candidates to train on and, from trajectories of their own, frames for the blind test.

    Parameters
    ----------
    parameters
        ``n_candidates`` and ``n_blind`` (frames to label), ``blind_start_ps`` (no blind frame is
        younger: replicas begin from one structure), ``top_up`` (whether to fill up with the
        most uncertain accurate frames when there are too few candidates), ``blind_replica`` (this
        replica of each structure and temperature is kept for the blind test: no frame of it is
        ever trained on), ``descriptor_cutoff_A``, ``duplicate_tolerance``, ``screening`` (of
        ``science.selection.ScreeningParameters``);
        ``strategy`` (a name of ``science.selection.STRATEGIES``, default ``fps``),
        ``min_separation_ps`` (of two chosen frames of one run; default 0), ``mobile`` (symbols of
        the species whose deviation counts, default all) and ``hops`` (``window_ps`` and
        ``jump_A``; default none) for the strategies that weigh atoms.
    trust_levels
        ``low`` and ``high`` of the maximum force deviation, eV/Å.
    seed
        Of the draw of the blind frames, and of the strategies that draw.
    exploration
        ``results`` of the exploration. What its runs lack because they broke off counts as frames
        that are not accurate; without it, the trajectories are taken for whole.
    nodes
        ``trajectory__<key>``: MDTrajectoryData with deviations; ``known__<name>``: frame sets that
        must not be chosen again; the labelled ones tell how close atoms come. Optional:
        ``evaluation__<key>`` and ``known_evaluation__<name>``, the predictions of an evaluation of
        that trajectory (with stride 1) or frame set: their descriptors take the place of the radial
        ones where all are given, and their deviations of atoms serve the strategies that weigh
        atoms.

    Returns
    -------
    dict
        ``candidates`` and ``blind`` (unlabelled frame sets, left out when empty) and ``selection``
        (counts by class and reason, per trajectory, quantiles and histogram of the deviations; the
        runs that broke off; the strategy, what its descriptors are, and notes on what it had to do
        without).

    Raises
    ------
    ValueError
        If a name or a number of the parameters is wrong, a trajectory has no deviations, or no
        run is kept for the blind test.
    """
    settings = parameters.get_dict()
    trust = TrustLevels(trust_levels["low"], trust_levels["high"])
    known = [nodes[key].frames for key in sorted(nodes) if key.startswith("known__")]
    criteria = screening_criteria(settings, known)
    runs = [
        examine_run(key.removeprefix("trajectory__"), nodes[key], trust, settings, criteria)
        for key in sorted(nodes)
        if key.startswith("trajectory__")
    ]
    planned = _planned_runs(runs, exploration)
    if not any(is_blind(key, settings) for key in planned):
        raise ValueError(
            f"no trajectory is replica {settings['blind_replica']}: the blind test needs runs of "
            "its own; explore with two or more replicas"
        )
    chosen = choose_candidates(runs, nodes, settings, seed.value)
    candidates = chosen.frames
    blind, blind_table = _choose_blind(runs, settings, np.random.default_rng(seed.value))
    outputs: dict[str, orm.Data] = {
        "selection": orm.Dict(
            _summary(runs, trust, planned)
            | {
                "n_candidates_chosen": candidates.n_frames,
                "chosen_by_class": chosen.by_class,
                "strategy": chosen.strategy,
                "descriptors": chosen.descriptors,
                "notes": chosen.notes,
                "n_blind_chosen": blind.n_frames,
                "blind": blind_table,
                "selection_version": SELECTION_VERSION,
            }
        )
    }
    if candidates.n_frames:
        outputs["candidates"] = FrameSetData(candidates)
    if blind.n_frames:
        outputs["blind"] = FrameSetData(blind)
    return outputs


def _choose_blind(
    runs: list[ExploredRun], settings: dict[str, Any], rng: np.random.Generator
) -> tuple[Frames, dict[str, Any]]:
    """Draw uniformly, decorrelated, and equally often from each trajectory kept for the test."""
    tests = [run for run in runs if run.blind]
    wanted = int(settings["n_blind"])
    capacity = [blind_capacity(len(run.testable), run.correlation) for run in tests]
    drawn = [0] * len(tests)
    for _ in range(wanted):
        free = [i for i in range(len(tests)) if drawn[i] < capacity[i]]
        if not free:
            break
        drawn[min(free, key=lambda i: (drawn[i], i))] += 1
    parts, indices, table = [], [], {}
    for run, number in zip(tests, drawn, strict=True):
        testable = run.testable
        chosen = draw_blind(len(testable), number, rng, run.correlation) if number else []
        frames = [int(testable[i]) for i in chosen]
        indices.append(np.array(frames))
        parts.append(run.node.take(frames) if frames else Frames(()))
        table[run.key] = {"n_frames": len(frames), "correlation_frames": run.correlation}
    size = effective_size(indices, [run.correlation for run in tests]) if tests else 0.0
    return Frames.join(parts), {"effective_size": float(size), "by_trajectory": table}


def _planned_runs(
    runs: list[ExploredRun], exploration: orm.Dict | None
) -> dict[str, dict[str, Any]]:
    """Return how many frames each run should have, also those that gave none, and which broke."""
    given = exploration.get_dict()["runs"] if exploration is not None else {}
    planned = {
        key: {"n_expected_frames": run["n_expected_frames"], "broken_off": run["broken_off"]}
        for key, run in given.items()
    }
    for run in runs:
        whole = {"n_expected_frames": run.node.n_frames, "broken_off": False}
        planned.setdefault(run.key, whole)
    return planned


def _summary(
    runs: list[ExploredRun], trust: TrustLevels, planned: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    totals = {"n_frames": 0, "accurate": 0, "candidate": 0, "failed": 0, "unphysical": 0}
    by_trajectory = {}
    for run in runs:
        physical = np.zeros(run.node.n_frames, dtype=bool)
        physical[run.usable] = True
        counts = {
            label.value: int(np.sum((run.labels == label.value) & physical)) for label in FrameClass
        }
        reasons, numbers = np.unique(run.reasons[run.reasons != "physical"], return_counts=True)
        by_trajectory[run.key] = {
            "n_frames": run.node.n_frames,
            **counts,
            "unphysical": int((~physical).sum()),
            "reasons": {str(r): int(n) for r, n in zip(reasons, numbers, strict=True)},
            "frames_before_explosion": run.window,
            "deviation_quantiles_eV_A": _quantiles(run.deviation[run.usable], RUN_QUANTILES),
            "blind": run.blind,
            "correlation_frames": run.correlation,
        }
        totals["n_frames"] += run.node.n_frames
        totals["unphysical"] += int((~physical).sum())
        for label, number in counts.items():
            totals[label] += number
    expected = sum(run["n_expected_frames"] for run in planned.values())
    finite = np.concatenate([np.empty(0), *(run.deviation[run.usable] for run in runs)])
    edges = np.linspace(0.0, max(2.0 * trust.high, 1e-3), 41)
    # The last bin takes all above it, so that the counts are those of all physical frames.
    histogram, _ = np.histogram(np.minimum(finite, edges[-1]), bins=edges)
    return {
        **totals,
        "n_expected_frames": expected,
        "n_broken_off": sum(run["broken_off"] for run in planned.values()),
        "runs": planned,
        "share_accurate": totals["accurate"] / max(expected, 1),
        "max_force_deviation": {
            name: float(np.quantile(finite, q)) if len(finite) else None
            for name, q in (("median", 0.5), ("quantile_90", 0.9), ("largest", 1.0))
        },
        "deviation_quantiles_eV_A": _quantiles(finite, QUANTILES),
        "deviation_histogram": {"edges_eV_A": edges.tolist(), "counts": histogram.tolist()},
        "by_trajectory": by_trajectory,
    }


def _quantiles(deviation: np.ndarray, number: int) -> list[float]:
    if not len(deviation):
        return []
    return np.quantile(deviation, np.linspace(0.0, 1.0, number)).tolist()  # type: ignore[no-any-return]
