"""Calcfunctions on labels: what is labelled next, what is known already, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from ...data.frames import FrameSetData
from ...data.level_of_theory import common_level, complete_level_of_theory
from ...science.frames import Frames, System


@calcfunction
def take_unlabelled_frames(frames: FrameSetData, indices: orm.List) -> FrameSetData:
    """Return the frames at ``indices`` without labels, in that order."""
    return FrameSetData(frames.frames.without_labels().take(indices.get_list()))


@calcfunction
def take_known_labels(frames: FrameSetData, **sources: FrameSetData) -> FrameSetData:
    """Return those of ``frames`` that a source holds with a label, with that label."""
    labels: dict[str, System] = {}
    used: dict[str, FrameSetData] = {}
    for name in sorted(sources):
        part = sources[name].frames
        for index, identity in enumerate(part.identities()):
            if identity not in labels:
                labels[identity] = part.take([index]).systems[0]
                used[name] = sources[name]
    given = frames.frames.without_labels()
    parts = []
    for index, identity in enumerate(given.identities()):
        if identity in labels:
            label = labels[identity]
            parts.append(
                replace(
                    given.take([index]).systems[0],
                    energies=label.energies,
                    forces=label.forces,
                    stresses=label.stresses,
                )
            )
    return labelled_node(Frames.join(parts), used)


@calcfunction
def join_labels(
    frames: FrameSetData, quarantined: orm.List, **batches: FrameSetData
) -> dict[str, Any]:
    """Join labelled batches in the order of ``frames``; what has no label is in ``failures``.

    The batch ``known`` holds labels that were there before.
    """
    n_known = batches["known"].n_frames if "known" in batches else 0
    labels: dict[str, System] = {}
    for name in sorted(batches):
        part = batches[name].frames
        for index, identity in enumerate(part.identities()):
            labels[identity] = part.take([index]).systems[0]
    identities = frames.frames.identities()
    joined = Frames.join(labels[identity] for identity in identities if identity in labels)
    failures = quarantined.get_list()
    outputs: dict[str, Any] = {
        "failures": orm.Dict(
            {
                "failures": failures,
                "n_tried": len(identities),
                "n_labelled": joined.n_frames,
                "n_known": n_known,
            }
        )
    }
    if joined.n_frames:
        outputs["frames"] = labelled_node(joined, batches)
    return outputs


def labelled_node(frames: Frames, parts: Mapping[str, FrameSetData]) -> FrameSetData:
    """Return a node of ``frames`` that bears the level of theory and versions of ``parts``.

    Raises
    ------
    MixedLevelsOfTheoryError
        If the parts differ in more than the Γ-only cell, or the frames do not belong together.
    """
    level = common_level({name: node.level_of_theory or {} for name, node in parts.items()})
    versions = sorted({n.engine_version for n in parts.values() if n.engine_version})
    return FrameSetData(
        frames,
        level_of_theory=complete_level_of_theory(level, frames),
        engine_version=", ".join(versions) or None,
    )
