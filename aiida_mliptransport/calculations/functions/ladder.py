"""Calcfunctions between two explorations: the stage of each structure, and where runs begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from ase import Atoms

from ...science.selection import (
    FrameClass,
    TrustLevels,
    farthest_point_sampling,
    next_stage,
    radial_descriptor,
)
from .explored_runs import ExploredRun, examine_run, frames_below
from .trajectories import wrapped_frame

#: Frames of one structure among which starts are chosen: each costs about a millisecond and more
#: of them are neighbours in time.
MAX_FRAMES = 400


@calcfunction
def move_on_ladder(
    selection: orm.Dict, trust_levels: orm.Dict, stages: orm.Dict, ladder: orm.Dict
) -> orm.Dict:
    """Return the stage of each structure for the next exploration.

    Parameters
    ----------
    selection
        Of ``select_frames``: deviations by trajectory, and what runs lack that broke off.
    trust_levels
        Those that the blind test of the same iteration gives; frames below ``low`` are accurate.
    stages
        ``stages``: structure to the stage (from 0) at which it was explored.
    ladder
        ``stages`` (a list), ``move_on`` and ``move_back``; see :func:`next_stage`.

    Returns
    -------
    Dict
        ``stages`` for the next exploration; ``explored`` (stage), ``share_accurate`` of this one
        by structure; ``n_stages``, and ``n_at_top``: how many structures were explored at the last.
    """
    explored = stages["stages"]
    settings = ladder.get_dict()
    top = len(settings["stages"] or [None]) - 1
    shares = _shares(selection.get_dict(), list(explored), float(trust_levels["low"]))
    after = {
        name: next_stage(
            stage,
            top + 1,
            shares[name],
            move_on=settings["move_on"],
            move_back=settings["move_back"],
        )
        for name, stage in explored.items()
    }
    return orm.Dict(
        {
            "stages": after,
            "explored": explored,
            "share_accurate": shares,
            "n_stages": top + 1,
            "n_at_top": sum(stage == top for stage in explored.values()),
        }
    )


@calcfunction
def choose_starts(
    number: orm.Int, parameters: orm.Dict, trust_levels: orm.Dict, **nodes: Any
) -> dict[str, orm.StructureData]:
    """Choose where the next runs of a structure begin: frames that have least in common.

    Farthest points in the space of radial descriptors, away from the earlier starts, among the
    physical frames below the upper trust level: MD from a frame that the model does not know at
    all would only blow up again. The run of the blind test begins from a frame of such a run, and
    the others never do, so that no frame is trained on that is near one of the blind frames.

    Parameters
    ----------
    number
        Replicas: how many starts.
    parameters, trust_levels
        Those of the selection.
    nodes
        ``trajectory__<key>``: runs of one structure; ``start__<name>``: earlier starts.

    Returns
    -------
    dict
        ``start_0``, ``start_1``, …, by replica; some, or all, are left out where there are not so
        many frames.
    """
    settings = parameters.get_dict()
    trust = TrustLevels(trust_levels["low"], trust_levels["high"])
    runs = [
        examine_run(key.removeprefix("trajectory__"), nodes[key], trust, settings)
        for key in sorted(nodes)
        if key.startswith("trajectory__")
    ]
    earlier = [nodes[key].get_ase() for key in sorted(nodes) if key.startswith("start__")]
    blind = int(settings["blind_replica"])
    starts = {}
    for is_test in (False, True):
        wanted = [replica for replica in range(number.value) if (replica == blind) == is_test]
        frames = _known_frames([run for run in runs if run.blind == is_test])
        chosen = _farthest(frames, earlier, len(wanted), float(settings["descriptor_cutoff_A"]))
        # Fewer frames than replicas: the others begin from the structure itself.
        starts |= dict(zip(wanted, chosen, strict=False))
    return {f"start_{replica}": orm.StructureData(ase=atoms) for replica, atoms in starts.items()}


def _known_frames(runs: list[ExploredRun]) -> list[Atoms]:
    """Return physical frames below the upper trust level, evenly from all of them."""
    places = []
    for run in runs:
        known = run.usable[run.labels[run.usable] != FrameClass.FAILED.value]
        places += [(run.node, int(frame)) for frame in known]
    return [wrapped_frame(*places[i]) for i in _evenly(len(places), MAX_FRAMES)]


def _farthest(
    structures: list[Atoms], earlier: list[Atoms], number: int, cutoff: float
) -> list[Atoms]:
    """Return the structures that have least in common with each other and with earlier starts."""
    if not structures or not number:
        return []
    species = sorted({int(z) for atoms in structures + earlier for z in atoms.numbers})

    def describe(given: list[Atoms]) -> np.ndarray:
        rows = [
            radial_descriptor(
                atoms.positions[None],
                atoms.cell.array[None],
                atoms.pbc,
                atoms.numbers,
                species=species,
                cutoff=cutoff,
            )
            for atoms in given
        ]
        return np.concatenate(rows)

    chosen = farthest_point_sampling(
        describe(structures), number, known=describe(earlier) if earlier else None
    ).indices
    return [structures[index] for index in chosen]


@calcfunction
def scale_to_volume(structure: orm.StructureData, volume_A3: orm.Float) -> orm.StructureData:
    """Return the structure at a volume (Å³), cell and positions scaled isotropically."""
    atoms = structure.get_ase()
    factor = (volume_A3.value / atoms.get_volume()) ** (1 / 3)
    atoms.set_cell(atoms.cell * factor, scale_atoms=True)
    return orm.StructureData(ase=atoms)


def structure_of(key: str, names: list[str]) -> str | None:
    """Return which structure a run belongs to; its key is the name, ``_`` and the conditions."""
    fitting = [name for name in names if key.startswith(f"{name}_")]
    return max(fitting, key=len) if fitting else None


def _shares(
    selection: Mapping[str, Any], names: list[str], level: float
) -> dict[str, float | None]:
    """Return the share of accurate frames by structure; None where no run was planned."""
    accurate, expected = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for key, run in selection["runs"].items():
        name = structure_of(key, names)
        if name is None:
            continue
        expected[name] += run["n_expected_frames"]
        counts = selection["by_trajectory"].get(key)
        if counts is not None:
            accurate[name] += frames_below(counts, level)
    return {name: accurate[name] / expected[name] if expected[name] else None for name in names}


def _evenly(total: int, wanted: int) -> list[int]:
    return sorted({int(i) for i in np.linspace(0, total - 1, min(total, wanted))})
