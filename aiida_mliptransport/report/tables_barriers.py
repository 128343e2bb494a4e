"""Rows of the report's table of migration barriers."""

from __future__ import annotations

from .model_barriers import BarrierPath, Barriers
from .numbers import plus_minus
from .tables import Cell, Table, heads, number_cell


def barriers_table(found: Barriers) -> Table | None:
    """Return every path with its barriers by method."""
    if not found.paths:
        return None
    return Table(
        heads(
            "path", "moving", "ends apart (Å)|", "barrier (eV)|", "back (eV)|", "reaction (eV)|",
            "labeller, same images (eV)|", "labeller, own band (eV)|", "force error (eV/Å)|",
        ),
        tuple(_row(path) for path in found.paths),
    )  # fmt: skip


def _row(path: BarrierPath) -> tuple[Cell, ...]:
    potential = path.profile("potential")
    return (
        Cell(path.name, remark=path.origin),
        Cell(path.moving),
        number_cell("–" if path.length_A is None else f"{path.length_A:.2f}"),
        number_cell(
            "–" if potential is None else plus_minus(potential.barrier, path.committee_std),
            "" if path.converged else "band not converged",
        ),
        number_cell("–" if potential is None else f"{potential.reverse_barrier:.3f}"),
        number_cell("–" if potential is None else _signed(potential.reaction_energy)),
        _labeller(path, "labels"),
        _labeller(path, "reference"),
        number_cell("–" if path.force_error is None else f"{path.force_error:.3f}"),
    )


def _labeller(path: BarrierPath, whose: str) -> Cell:
    profile, potential = path.profile(whose), path.profile("potential")
    if profile is None:
        return number_cell("–")
    off = "" if potential is None else f"off by {_signed(potential.barrier - profile.barrier)}"
    return number_cell(f"{profile.barrier:.3f}", off)


def _signed(energy: float) -> str:
    """Return an energy with its sign, and 0.000 without one."""
    text = f"{energy:+.3f}"
    return text[1:] if float(text) == 0.0 else text
