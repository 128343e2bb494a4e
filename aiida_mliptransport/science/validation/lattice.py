"""Lattice parameters, volume and density of two relaxed cells of one crystal."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict

from ..units import density_g_cm3
from .check import Positive
from .verdict import CheckLine, Quantity


class LatticeLimits(BaseModel):
    """How far lattice parameters may differ: lengths, and with thrice as much volume and density.

    Attributes
    ----------
    max_relative_error_length
        Share of the labeller's length.
    max_error_angle_degrees
        Degrees.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_relative_error_length: Positive
    max_error_angle_degrees: Positive


def lattice_lines(
    subject: str, relaxed: Atoms, reference: Atoms, limits: LatticeLimits
) -> list[CheckLine]:
    """Return the lines that compare a cell relaxed by the potential with the labeller's.

    Raises
    ------
    ValueError
        If the cells hold different atoms.
    """
    if sorted(relaxed.numbers) != sorted(reference.numbers):
        raise ValueError(
            f"{relaxed.get_chemical_formula()} is compared with "
            f"{reference.get_chemical_formula()}: expected the same cell; give the labeller's "
            "structure in the cell of the potential's"
        )
    lines = []
    ours, theirs = np.asarray(relaxed.cell.cellpar()), np.asarray(reference.cell.cellpar())
    for index, name in enumerate(("a", "b", "c", "α", "β", "γ")):
        unit = "Å" if index < 3 else "degrees"
        tolerance = (
            limits.max_relative_error_length * theirs[index]
            if index < 3
            else limits.max_error_angle_degrees
        )
        lines.append(
            Quantity("lattice", subject, name, unit).against(
                float(ours[index]), float(theirs[index]), tolerance=float(tolerance)
            )
        )
    share = 3.0 * limits.max_relative_error_length
    lines.append(
        Quantity("lattice", subject, "volume per atom", "Å³").against(
            relaxed.get_volume() / len(relaxed),
            reference.get_volume() / len(reference),
            relative_tolerance=share,
        )
    )
    lines.append(
        Quantity("lattice", subject, "density", "g/cm³").against(
            _density(relaxed), _density(reference), relative_tolerance=share
        )
    )
    return lines


def _density(atoms: Atoms) -> float:
    return density_g_cm3(float(atoms.get_masses().sum()), atoms.get_volume())
