"""What the commands on a trajectory file share: its options, and reading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..science.trajectory_files import TrajectoryFile

_OUTPUT = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class GivenTrajectory:
    """A trajectory file as the command line describes it; see the options."""

    file: Path
    temperature: float
    interval: float | None
    timestep: float | None
    elements: str | None
    frame: str
    skip: int
    fmt: str | None

    @property
    def timing(self) -> dict[str, Any]:
        """What a reader needs to know of times and symbols."""
        return {
            "interval_ps": self.interval,
            "timestep_fs": self.timestep,
            "elements": self.elements.split(",") if self.elements else None,
        }

    def read(self, velocities: bool = False) -> TrajectoryFile:
        """Read the file without the frames that are skipped."""
        from ..science.trajectory_files import TrajectoryFile, read_trajectory

        whole = read_trajectory(self.file, **self.timing, fmt=self.fmt, velocities=velocities)
        if len(whole.times_ps) - self.skip < 2:
            raise click.BadParameter(
                f"--skip {self.skip} leaves {max(len(whole.times_ps) - self.skip, 0)} of "
                f"{len(whole.times_ps)} frames, expected two or more"
            )
        kept = slice(self.skip, None)
        return TrajectoryFile(
            whole.symbols,
            whole.positions[kept],
            whole.cells[kept],
            whole.times_ps[kept],
            None if whole.velocities is None else whole.velocities[kept],
        )


_OPTIONS = (
    click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    click.option("--temperature", type=float, required=True, help="K."),
    click.option("--interval", type=float, help="Time between two frames, ps."),
    click.option("--timestep", type=float, help="MD time step of a LAMMPS dump, fs."),
    click.option("--elements", help="Symbols of the types 1, 2, … of a dump, as Li,Cl."),
    click.option(
        "--frame",
        default="barycentric",
        show_default=True,
        help="Reference frame: barycentric, laboratory, or framework:El+El for a solid's host.",
    ),
    click.option(
        "--skip", type=click.IntRange(min=0), default=0, help="Frames left out at the start."
    ),
    click.option("--format", "fmt", help="Format name of ASE, or lammps-dump."),
    click.option("--json", "as_json", is_flag=True, help="Print everything as JSON."),
    click.option("--plot", type=_OUTPUT, help="Draw the curves."),
    click.option("--html", type=_OUTPUT, help="Write a report of one page."),
)


def trajectory_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the file and its options to a command, which gets them as ``given``."""

    @wraps(command)
    def with_trajectory(
        *,
        file: Path,
        temperature: float,
        interval: float | None,
        timestep: float | None,
        elements: str | None,
        frame: str,
        skip: int,
        fmt: str | None,
        **others: Any,
    ) -> None:
        if temperature <= 0:
            raise click.BadParameter(f"{temperature} K, expected a positive temperature in K")
        given = GivenTrajectory(file, temperature, interval, timestep, elements, frame, skip, fmt)
        command(given=given, **others)

    decorated: Callable[..., None] = with_trajectory
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def parse_charges(value: str) -> dict[str, float]:
    """Return the charges of ``Li=1,Cl=-1``."""
    pairs = {}
    for item in value.split(","):
        element, equals, charge = item.partition("=")
        try:
            pairs[element.strip()] = float(charge)
        except ValueError:
            equals = ""
        if not equals or not element.strip():
            raise click.BadParameter(
                f"{item!r} in {value!r} is no charge; expected pairs such as Li=1,Cl=-1"
            )
    return pairs
