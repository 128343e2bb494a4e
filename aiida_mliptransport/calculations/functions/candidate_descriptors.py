"""Descriptors of candidates: the model's own where an evaluation gave them, else radial ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...science.frames import Frames
from ...science.selection import radial_descriptor
from ...science.selection.strategies import Strategy
from .explored_runs import ExploredRun

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Descriptors:
    """How frames are described.

    Attributes
    ----------
    kind
        ``model`` or ``radial``.
    of
        Describes frames of runs, ``(n, d)``, in their order.
    known
        Descriptors of the training set, ``(m, d)``; None where the strategy compares with none.
    notes
        Why the model's descriptors are not used, where some were given.
    """

    kind: str
    of: Callable[[Sequence[tuple[ExploredRun, int]]], FloatArray]
    known: FloatArray | None
    notes: tuple[str, ...] = ()


def choose_descriptors(
    runs: Sequence[ExploredRun],
    training: Sequence[ExploredRun],
    nodes: Mapping[str, Any],
    cutoff: float,
    strategy: Strategy,
) -> Descriptors:
    """Take the model's descriptors if every run and every compared frame set has them.

    Parameters
    ----------
    runs, training
        All runs, and those that candidates come from.
    nodes
        The nodes of ``select_frames``: ``known__…``, ``evaluation__…``, ``known_evaluation__…``.
    cutoff
        Of the radial descriptors, Å.
    strategy
        Says whether the training set is described too.

    Raises
    ------
    ValueError
        If an evaluation has another number of frames than what it is said to describe.
    """
    names = sorted(key.removeprefix("known__") for key in nodes if key.startswith("known__"))
    compared = {
        name: nodes[f"known__{name}"].frames for name in names if strategy.compares_with_training
    }
    wanted = [f"evaluation__{run.key}" for run in training]
    wanted += [f"known_evaluation__{name}" for name in compared]
    lacking = {key: _why_missing(nodes.get(key)) for key in wanted}
    lacking = {key: reason for key, reason in lacking.items() if reason is not None}
    if not lacking:
        return _model_descriptors(training, compared, nodes)
    notes = []
    if strategy.compares_with_training or len(lacking) < len(wanted):
        key, reason = next(iter(lacking.items()))
        notes.append(
            f"radial descriptors stand for those of the model: {len(lacking)} of {len(wanted)} "
            f"evaluations lack them, first {key} ({reason})"
        )
    return _radial_descriptors(runs, compared, cutoff, tuple(notes))


def _why_missing(node: Any) -> str | None:
    if node is None:
        return "not given"
    if "system_000_descriptors" in node.get_arraynames():
        return None
    return str(
        node.base.attributes.get("descriptors_missing", "evaluated without parameter descriptors")
    )


def _model_descriptors(
    training: Sequence[ExploredRun], compared: Mapping[str, Frames], nodes: Mapping[str, Any]
) -> Descriptors:
    by_run = {
        run.key: _stored(f"evaluation__{run.key}", nodes, [run.node.n_frames]) for run in training
    }
    known = [
        _stored(f"known_evaluation__{name}", nodes, [system.n_frames for system in frames])
        for name, frames in compared.items()
    ]
    return Descriptors(
        kind="model",
        of=lambda places: np.array([by_run[run.key][index] for run, index in places]),
        known=np.concatenate(known) if known else None,
    )


def _stored(key: str, nodes: Mapping[str, Any], sizes: list[int]) -> FloatArray:
    """Return the descriptors (n, S·D) of all systems of one evaluation."""
    names = [f"system_{number:03d}_descriptors" for number in range(len(sizes))]
    present = nodes[key].get_arraynames()
    arrays = [nodes[key].get_array(name) for name in names if name in present]
    if [len(array) for array in arrays] != sizes:
        raise ValueError(
            f"{key} describes {[len(array) for array in arrays]} frames, expected {sizes}: "
            "evaluate the same trajectory with stride 1, or the same frame set"
        )
    return np.concatenate([array.reshape(len(array), -1) for array in arrays]).astype(np.float64)


def _radial_descriptors(
    runs: Sequence[ExploredRun],
    compared: Mapping[str, Frames],
    cutoff: float,
    notes: tuple[str, ...],
) -> Descriptors:
    systems = [system for frames in compared.values() for system in frames]
    species = sorted(
        {int(n) for run in runs for n in run.node.numbers}
        | {int(n) for system in systems for n in system.numbers}
    )

    def describe(system: Any) -> FloatArray:
        return radial_descriptor(
            system.positions,
            system.cells,
            system.pbc,
            system.numbers,
            species=species,
            cutoff=cutoff,
        )

    def of(places: Sequence[tuple[ExploredRun, int]]) -> FloatArray:
        """Read each trajectory once."""
        rows: list[FloatArray] = [np.empty(0)] * len(places)
        by_run: dict[str, list[int]] = {}
        for place, (run, _) in enumerate(places):
            by_run.setdefault(run.key, []).append(place)
        for here in by_run.values():
            node = places[here[0]][0].node
            described = describe(node.take([places[place][1] for place in here]).systems[0])
            for place, row in zip(here, described, strict=True):
                rows[place] = row
        return np.array(rows)

    known = np.concatenate([describe(system) for system in systems]) if systems else None
    return Descriptors(kind="radial", of=of, known=known, notes=notes)
