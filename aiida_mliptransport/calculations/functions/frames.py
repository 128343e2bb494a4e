"""Calcfunctions that make one frames node of several, and the identities of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import calcfunction

from ...data.frames import FrameSetData, one_level_of_theory
from ...science.frames import Frames


@calcfunction
def merge_frames(**frame_sets: FrameSetData) -> FrameSetData:
    """Join frame sets of one level of theory, in the order of their input names.

    Frames that occur twice (same identity) are kept once.
    """
    names = sorted(frame_sets)
    nodes = {name: frame_sets[name] for name in names}
    level = one_level_of_theory(nodes)
    seen: set[str] = set()
    parts = []
    for name in names:
        frames = nodes[name].frames
        keep = []
        for index, identity in enumerate(frames.identities()):
            if identity not in seen:
                seen.add(identity)
                keep.append(index)
        parts.append(frames.take(keep))
    versions = sorted({n.engine_version for n in nodes.values() if n.engine_version})
    return FrameSetData(
        Frames.join(parts), level_of_theory=level, engine_version=", ".join(versions) or None
    )


@calcfunction
def frames_from_structures(**structures: Any) -> FrameSetData:
    """Return unlabelled frames of the given StructureData, in the order of their input names."""
    return FrameSetData(
        Frames.from_atoms(structures[name].get_ase() for name in sorted(structures))
    )


def identities_of(nodes: Mapping[str, Any], prefix: str) -> set[str]:
    """Return the identities of all frames in the nodes whose names begin with ``prefix``."""
    return {
        identity
        for name, node in nodes.items()
        if name.startswith(prefix)
        for identity in node.frames.identities()
    }
