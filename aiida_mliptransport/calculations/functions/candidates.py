"""Candidates of an exploration: the pool as arrays, and the batch that a strategy takes from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...science.frames import Frames
from ...science.selection import FrameClass, Pool, choose_batch, get_strategy
from ...science.selection.strategies import Strategy
from .candidate_atoms import atom_arrays, hop_settings, mobile_numbers
from .candidate_descriptors import Descriptors, choose_descriptors
from .explored_runs import ExploredRun
from .frames import identities_of

#: A frame of a run, by its index in the trajectory.
Place = tuple[ExploredRun, int]

ACCURATE = (FrameClass.ACCURATE,)


@dataclass
class Candidates:
    """Chosen frames, best first, how many of each class, and how they were chosen."""

    frames: Frames
    by_class: dict[str, int]
    strategy: str
    descriptors: str
    notes: list[str] = field(default_factory=list)


def check_choice(settings: Mapping[str, Any]) -> None:
    """Raise ValueError where the strategy does not exist, or what it reads cannot be."""
    get_strategy(str(settings.get("strategy", "fps")))
    mobile_numbers(settings.get("mobile"))
    hop_settings(settings.get("hops"))
    separation = settings.get("min_separation_ps", 0.0)
    if not isinstance(separation, int | float) or not 0.0 <= separation < np.inf:
        raise ValueError(f"min_separation_ps is {separation!r}, expected 0 or more")


def choose_candidates(
    runs: Sequence[ExploredRun], nodes: Mapping[str, Any], settings: Mapping[str, Any], seed: int
) -> Candidates:
    """Choose ``n_candidates`` frames by ``strategy`` from the runs that are not for the blind test.

    Parameters
    ----------
    runs
        All runs of the exploration.
    nodes, settings
        The nodes and parameters of :func:`select_frames`.
    seed
        Of the strategies that draw.

    Raises
    ------
    ValueError
        If there is no such strategy, or the parameters or evaluations do not fit.
    """
    check_choice(settings)
    name = str(settings.get("strategy", "fps"))
    strategy = get_strategy(name)
    training = [run for run in runs if not run.blind]
    descriptors = choose_descriptors(
        runs, training, nodes, float(settings["descriptor_cutoff_A"]), strategy
    )
    result = Candidates(
        frames=Frames(()),
        by_class={label.value: 0 for label in FrameClass},
        strategy=name,
        descriptors=descriptors.kind,
        notes=list(descriptors.notes),
    )
    known = identities_of(nodes, "known__")
    unknown = {run.key: _unknown_frames(run, known) for run in training}
    picker = _Picker(strategy, descriptors, settings, seed, result.notes, nodes)
    for group in strategy.groups(bool(settings.get("top_up", False))):
        places = [
            (run, int(index))
            for run in training
            for index in unknown[run.key]
            if run.labels[index] in {label.value for label in group}
        ]
        if group == ACCURATE:
            # Only the most uncertain of them are worth a label.
            order = np.argsort([-run.deviation[index] for run, index in places], kind="stable")
            places = [places[i] for i in order[: 4 * picker.wanted]]
        picker.take_from(places)
    for run, index in picker.places:
        result.by_class[str(run.labels[index])] += 1
    result.frames = Frames.join([run.node.take([index]) for run, index in picker.places])
    return result


class _Picker:
    """Fills a batch from one group of frames after the other."""

    def __init__(
        self,
        strategy: Strategy,
        descriptors: Descriptors,
        settings: Mapping[str, Any],
        seed: int,
        notes: list[str],
        nodes: Mapping[str, Any],
    ) -> None:
        self.wanted = int(settings["n_candidates"])
        self.places: list[Place] = []
        self._strategy, self._descriptors, self._seed = strategy, descriptors, seed
        self._settings, self._notes, self._nodes = settings, notes, nodes
        self._tolerance = float(settings["duplicate_tolerance"])
        self._separation = float(settings.get("min_separation_ps", 0.0))
        self._known = descriptors.known

    def take_from(self, places: list[Place]) -> None:
        places = [place for place in places if self._is_apart(*place)]
        if not places or len(self.places) >= self.wanted:
            return
        rows = self._descriptors.of(places)
        pool = Pool(
            descriptors=rows,
            max_deviation=np.array([run.deviation[index] for run, index in places]),
            labels=np.array([run.labels[index] for run, index in places]),
            run=np.array([run.key for run, _ in places]),
            times_ps=np.array([run.node.times_ps[index] for run, index in places]),
            **(
                atom_arrays(places, self._nodes, self._settings, self._notes)
                if self._strategy.weighs_atoms
                else {}
            ),
        )
        picks = choose_batch(
            pool,
            self._strategy,
            self.wanted - len(self.places),
            seed=self._seed + len(self.places),
            known=(np.empty((0, rows.shape[1])) if self._known is None else self._known),
            tolerance=self._tolerance,
            min_separation_ps=self._separation,
        )
        self.places += [places[i] for i in picks]
        if len(picks):
            parts = [rows[picks]] if self._known is None else [self._known, rows[picks]]
            self._known = np.concatenate(parts)

    def _is_apart(self, run: ExploredRun, index: int) -> bool:
        """Return whether a frame is far enough in time from those of earlier groups."""
        times = run.node.times_ps
        return all(
            abs(times[index] - times[other]) >= self._separation * (1.0 - 1e-9)
            for chosen, other in self.places
            if chosen.key == run.key
        )


def _unknown_frames(run: ExploredRun, known: set[str]) -> list[int]:
    usable = run.usable
    identities = run.node.take(usable.tolist()).identities() if len(usable) else []
    return [
        int(index)
        for index, identity in zip(usable, identities, strict=True)
        if identity not in known
    ]
