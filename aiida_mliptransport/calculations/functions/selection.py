"""The calcfunction that decides which frames of an exploration are labelled, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.frames import FrameSetData
from ...data.trajectory import MDTrajectoryData
from ...science.frames import Frames
from ...science.selection import (
    FrameClass,
    ScreeningCriteria,
    TrustLevels,
    blind_capacity,
    classify,
    draw_blind,
    effective_size,
    farthest_point_sampling,
    physical_window,
    radial_descriptor,
    screen_frames,
    statistical_inefficiency,
)

#: Raised when the meaning of a selection changes: AiiDA's cache hash knows this file only.
SELECTION_VERSION = "1"

#: Quantiles of the deviation that are stored, evenly spaced from 0 to 1: shares are good to 0.5 %.
QUANTILES = 201


@dataclass
class _Run:
    """One trajectory with what the selection knows of it."""

    key: str
    node: MDTrajectoryData
    deviation: np.ndarray
    reasons: np.ndarray
    window: int
    labels: np.ndarray
    blind: bool
    correlation: float
    start_ps: float

    @property
    def usable(self) -> np.ndarray:
        """Indices of the physical frames before an explosion."""
        frames = np.arange(self.node.n_frames)
        return frames[(frames < self.window) & (self.reasons == "physical")]

    @property
    def testable(self) -> np.ndarray:
        """Indices of the usable frames that no longer remember the common start."""
        usable = self.usable
        times = self.node.times_ps
        return usable[times[usable] - times[0] >= self.start_ps]


@calcfunction
def select_frames(
    parameters: orm.Dict, trust_levels: orm.Dict, seed: orm.Int, **nodes: Any
) -> dict[str, orm.Data]:
    """Choose candidates to train on and, from trajectories of their own, frames for the blind test.

    Parameters
    ----------
    parameters
        ``n_candidates`` and ``n_blind`` (frames to label), ``blind_start_ps`` (no blind frame is
        younger: replicas begin from one structure), ``top_up`` (whether to fill up with the
        most uncertain accurate frames when there are too few candidates), ``blind_replica`` (this
        replica of each structure and temperature is kept for the blind test: no frame of it is
        ever trained on), ``descriptor_cutoff_A``, ``duplicate_tolerance``, ``screening``.
    trust_levels
        ``low`` and ``high`` of the maximum force deviation, eV/Å.
    seed
        Of the draw of the blind frames.
    nodes
        ``trajectory__<key>``: MDTrajectoryData with deviations; ``known__<name>``: frame sets that
        must not be chosen again.

    Returns
    -------
    dict
        ``candidates`` and ``blind`` (unlabelled frame sets, left out when empty) and ``selection``
        (counts by class and reason, per trajectory, quantiles and histogram of the deviations).
    """
    settings = parameters.get_dict()
    trust = TrustLevels(trust_levels["low"], trust_levels["high"])
    runs = [
        _examine(key.removeprefix("trajectory__"), nodes[key], trust, settings)
        for key in sorted(nodes)
        if key.startswith("trajectory__")
    ]
    known = {
        identity
        for key in sorted(nodes)
        if key.startswith("known__")
        for identity in nodes[key].frames.identities()
    }
    candidates, shares = _choose_candidates(runs, known, settings)
    blind, blind_table = _choose_blind(runs, settings, np.random.default_rng(seed.value))
    outputs: dict[str, orm.Data] = {
        "selection": orm.Dict(
            _summary(runs, trust)
            | {
                "n_candidates_chosen": candidates.n_frames,
                "chosen_by_class": shares,
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


def _examine(
    key: str, node: MDTrajectoryData, trust: TrustLevels, settings: dict[str, Any]
) -> _Run:
    deviations = node.deviations
    if deviations is None:
        raise ValueError(
            f"trajectory {key!r} has no force deviations: explore with a committee of two or more "
            "potentials and a deviation_stride that the trajectory_stride is a multiple of"
        )
    by_step = dict(zip(deviations["steps"].tolist(), deviations["max_force"], strict=True))
    missing = [int(step) for step in node.steps if int(step) not in by_step]
    if missing:
        raise ValueError(
            f"trajectory {key!r} has no force deviation at steps {missing[:5]}: the "
            "trajectory_stride must be a multiple of the deviation_stride"
        )
    deviation = np.array([by_step[int(step)] for step in node.steps])
    screening = screen_frames(
        node.positions(),
        node.cells,
        node.pbc,
        node.numbers,
        criteria=ScreeningCriteria(**settings.get("screening", {})),
        deviations=deviation,
    )
    window = physical_window(screening.physical, persistence=2)
    blind = key.endswith(f"_replica{settings['blind_replica']}")
    inside = deviation[:window]
    correlation = statistical_inefficiency(inside) if len(inside) > 2 else float(max(window, 1))
    return _Run(
        key=key,
        node=node,
        deviation=deviation,
        reasons=np.asarray(screening.reasons),
        window=window,
        labels=classify(deviation, trust),
        blind=blind,
        correlation=correlation,
        start_ps=float(settings["blind_start_ps"]),
    )


def _choose_candidates(
    runs: list[_Run], known: set[str], settings: dict[str, Any]
) -> tuple[Frames, dict[str, int]]:
    """Fill the wanted number from the candidates, then the failed, then the accurate if asked."""
    wanted = int(settings["n_candidates"])
    parts: list[Frames] = []
    shares = {label.value: 0 for label in FrameClass}
    described: list[np.ndarray] = []
    order = [FrameClass.CANDIDATE.value, FrameClass.FAILED.value]
    if settings.get("top_up", False):
        order.append(FrameClass.ACCURATE.value)
    species = sorted({int(n) for run in runs for n in run.node.numbers})
    for label in order:
        pool: list[tuple[_Run, int]] = []
        for run in runs:
            if run.blind:
                continue
            usable = run.usable
            usable = usable[run.labels[usable] == label]
            identities = run.node.take(usable.tolist()).identities() if len(usable) else []
            pool += [
                (run, int(index))
                for index, identity in zip(usable, identities, strict=True)
                if identity not in known
            ]
        if not pool or len(described) >= wanted:
            continue
        deviation = np.array([run.deviation[index] for run, index in pool])
        if label == FrameClass.ACCURATE.value:
            # Only the most uncertain of them are worth a label.
            keep = np.argsort(-deviation, kind="stable")[: 4 * wanted]
            pool = [pool[i] for i in keep]
            deviation = deviation[keep]
        points = _descriptors(pool, species, float(settings["descriptor_cutoff_A"]))
        chosen = farthest_point_sampling(
            points,
            wanted - len(described),
            weights=deviation if label != FrameClass.FAILED.value else 1.0 / deviation,
            known=np.array(described) if described else None,
            tolerance=float(settings["duplicate_tolerance"]),
        )
        for i in chosen.indices:
            run, index = pool[int(i)]
            parts.append(run.node.take([index]))
            described.append(points[int(i)])
            shares[label] += 1
    return Frames.join(parts), shares


def _descriptors(pool: list[tuple[_Run, int]], species: list[int], cutoff: float) -> np.ndarray:
    """Describe the frames of ``pool`` in its order; each trajectory is read once."""
    rows: list[np.ndarray] = [np.empty(0)] * len(pool)
    places: dict[str, list[int]] = {}
    for place, (run, _) in enumerate(pool):
        places.setdefault(run.key, []).append(place)
    for here in places.values():
        run = pool[here[0]][0]
        frames = run.node.take([pool[place][1] for place in here]).systems[0]
        described = radial_descriptor(
            frames.positions,
            frames.cells,
            frames.pbc,
            frames.numbers,
            species=species,
            cutoff=cutoff,
        )
        for place, row in zip(here, described, strict=True):
            rows[place] = row
    return np.array(rows)


def _choose_blind(
    runs: list[_Run], settings: dict[str, Any], rng: np.random.Generator
) -> tuple[Frames, dict[str, Any]]:
    """Draw uniformly, decorrelated, and equally often from each trajectory kept for the test."""
    tests = [run for run in runs if run.blind]
    if not tests:
        raise ValueError(
            f"no trajectory is replica {settings['blind_replica']}: the blind test needs runs of "
            "its own; explore with two or more replicas"
        )
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
    size = effective_size(indices, [run.correlation for run in tests])
    return Frames.join(parts), {"effective_size": float(size), "by_trajectory": table}


def _summary(runs: list[_Run], trust: TrustLevels) -> dict[str, Any]:
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
            "blind": run.blind,
            "correlation_frames": run.correlation,
        }
        totals["n_frames"] += run.node.n_frames
        totals["unphysical"] += int((~physical).sum())
        for label, number in counts.items():
            totals[label] += number
    finite = np.concatenate([run.deviation[run.usable] for run in runs])
    edges = np.linspace(0.0, max(2.0 * trust.high, 1e-3), 41)
    # The last bin takes all above it, so that the counts are those of all physical frames.
    histogram, _ = np.histogram(np.minimum(finite, edges[-1]), bins=edges)
    return {
        **totals,
        "share_accurate": totals["accurate"] / max(totals["n_frames"], 1),
        "max_force_deviation": {
            name: float(np.quantile(finite, q)) if len(finite) else None
            for name, q in (("median", 0.5), ("quantile_90", 0.9), ("largest", 1.0))
        },
        "deviation_quantiles_eV_A": (
            np.quantile(finite, np.linspace(0.0, 1.0, QUANTILES)).tolist() if len(finite) else []
        ),
        "deviation_histogram": {"edges_eV_A": edges.tolist(), "counts": histogram.tolist()},
        "by_trajectory": by_trajectory,
    }
