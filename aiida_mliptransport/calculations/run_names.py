"""Names of transport runs: link labels that say structure, temperature, member and segment."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_PATTERN = re.compile(
    r"(?P<point>.+_\d+K)(_member(?P<member>\d+))?_replica(?P<replica>\d+)(_segment(?P<segment>\d+))?"
)


@dataclass(frozen=True)
class RunName:
    """One segment of one run.

    Attributes
    ----------
    point
        Structure and temperature, like ``licl_1200K``.
    member
        Committee member that drives; None where only the first one does.
    replica
        Number of the seed.
    segment
        0 for the first, then one more for each restart.
    """

    point: str
    replica: int
    member: int | None = None
    segment: int = 0

    def __str__(self) -> str:
        member = "" if self.member is None else f"_member{self.member}"
        segment = f"_segment{self.segment}" if self.segment else ""
        return f"{self.point}{member}_replica{self.replica}{segment}"

    @classmethod
    def parse(cls, label: str) -> RunName:
        """Return the name that a link label spells; raises ValueError for another one."""
        match = _PATTERN.fullmatch(label)
        if match is None:
            raise ValueError(
                f"{label!r} is no name of a transport run, expected "
                "<structure>_<T>K[_member<i>]_replica<j>[_segment<k>]"
            )
        member = match["member"]
        return cls(
            match["point"],
            int(match["replica"]),
            None if member is None else int(member),
            int(match["segment"] or 0),
        )

    @property
    def run(self) -> RunName:
        """Name of the run that the segment belongs to: that of its first segment."""
        return replace(self, segment=0)


def point_name(structure: str, temperature_K: float) -> str:
    """Return the name of a structure at a temperature, like ``licl_1200K``."""
    return f"{structure}_{round(temperature_K)}K"


def array_name(name: str) -> str:
    """Return a name that AiiDA's arrays may have."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
