"""Which member of a committee drives a run, and which others go along."""

from __future__ import annotations

from collections.abc import Mapping

from ...backends import get_backend
from ...data.potential import PotentialData


def driven_by(potentials: Mapping[str, PotentialData], member: int) -> dict[str, PotentialData]:
    """Return the potentials of a run that one member drives: the first in order of name drives.

    The others go along for their deviation, where the backend can write it.

    Parameters
    ----------
    potentials
        The committee.
    member
        Number of the driving one in order of name.
    """
    names = sorted(potentials)
    driver = names[member]
    if not get_backend(potentials[driver].spec().backend).writes_deviation:
        return {driver: potentials[driver]}
    if member == 0:
        return dict(potentials)
    others = {name: potentials[name] for name in names if name != driver}
    return {"driver": potentials[driver], **others}
