"""Errors of energies, forces and stresses on labelled cells: lines of the table by composition."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from ..selection import SpeciesForceErrors, force_rmse
from ..units import EV_ANGSTROM3_TO_GPA
from .check import Count, Evaluated, FloatArray, Positive
from .verdict import CheckLine, Quantity


class ErrorLimits(BaseModel):
    """How large errors may be, and the bootstrap that gives their uncertainty.

    Attributes
    ----------
    max_relative_force_rmse
        RMSE per component over the RMS of the labels, of all atoms and of each species.
    max_energy_rmse_meV_atom
        Of the error without its mean, which no force knows.
    max_stress_rmse_GPa
        Per component.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_relative_force_rmse: Positive
    max_energy_rmse_meV_atom: Positive
    max_stress_rmse_GPa: Positive
    n_bootstrap: Count
    seed: Count


def rms_with_error(
    values: ArrayLike, rng: np.random.Generator, n_bootstrap: int
) -> tuple[float, float | None]:
    """Return a root mean square and its standard error.

    Parameters
    ----------
    values
        ``(n,)`` or ``(n, …)``; the first axis counts what is independent and resampled.

    Returns
    -------
    tuple
        In the unit of ``values``; the error is the bootstrap's standard deviation times √(n/(n−1))
        (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 6), None for n = 1.
    """
    array = np.asarray(values, dtype=np.float64)
    squares = (array.reshape(len(array), -1) ** 2).mean(axis=1)
    n = len(squares)
    rms = float(np.sqrt(squares.mean()))
    if n < 2:
        return rms, None
    draws = rng.multinomial(n, np.full(n, 1.0 / n), size=n_bootstrap)
    return rms, float(np.std(np.sqrt(draws @ squares / n)) * math.sqrt(n / (n - 1)))


def error_lines(
    check: str,
    subject: str,
    cells: Sequence[Atoms],
    potential: Evaluated,
    labeller: Evaluated,
    limits: ErrorLimits,
) -> list[CheckLine]:
    """Return the lines of a potential's errors on labelled cells.

    Parameters
    ----------
    cells
        n cells. Cells are resampled whole, so they must be independent of each other.
    potential, labeller
        What each says of them; cells that one of them does not know are left out, and counted in
        a line of their own.

    Returns
    -------
    list of CheckLine
        Of all atoms and, where there are several, of each species: force RMSE per component and
        of the vector (eV/Å), MAE per component; energy RMSE without the mean error, and the mean
        error (meV/atom); stress RMSE (GPa).
    """
    known = [int(i) for i in np.flatnonzero(potential.known & labeller.known)]
    missing = len(cells) - len(known)
    lines = []
    if missing:
        quantity = Quantity(check, subject, f"{missing} of {len(cells)} cells", "")
        lines.append(quantity.not_available("no label, or no finite prediction"))
    if not known:
        return lines
    errors = force_rmse(
        [potential.forces[i][None] for i in known],
        [labeller.forces[i][None] for i in known],
        [cells[i].numbers for i in known],
        rng=np.random.default_rng(limits.seed),
        n_bootstrap=limits.n_bootstrap,
    )
    groups: dict[str, SpeciesForceErrors] = {"all atoms": errors}
    if len(errors.per_species) > 1:
        groups |= {chemical_symbols[z]: entry for z, entry in errors.per_species.items()}
    for group, entry in groups.items():
        lines += _force_lines(check, subject, group, entry, limits)
    lines += _energy_lines(check, subject, cells, potential, labeller, known, limits)
    return lines


def _force_lines(
    check: str, subject: str, group: str, errors: SpeciesForceErrors, limits: ErrorLimits
) -> list[CheckLine]:
    limit = limits.max_relative_force_rmse * errors.force_rms

    def quantity(what: str) -> Quantity:
        return Quantity(check, subject, f"force {what}, {group}", "eV/Å")

    vector_error = None if errors.rmse_error is None else math.sqrt(3.0) * errors.rmse_error
    return [
        quantity("RMSE per component").at_most(errors.rmse, limit, errors.rmse_error),
        quantity("RMSE of the vector").at_most(
            errors.vector_rmse, math.sqrt(3.0) * limit, vector_error
        ),
        # Never above the RMSE, so that its limit is one for it as well.
        quantity("MAE per component").at_most(errors.mae, limit),
    ]


def _energy_lines(
    check: str,
    subject: str,
    cells: Sequence[Atoms],
    potential: Evaluated,
    labeller: Evaluated,
    known: Sequence[int],
    limits: ErrorLimits,
) -> list[CheckLine]:
    rng = np.random.default_rng(limits.seed)
    counts = np.array([len(cells[i]) for i in known])
    error: FloatArray = 1000.0 * (potential.energies - labeller.energies)[known] / counts
    lines = []
    mean = Quantity(check, subject, "mean error of the energy per atom", "meV")
    if len(error) > 1:
        rmse, uncertainty = rms_with_error(error - error.mean(), rng, limits.n_bootstrap)
        lines.append(
            Quantity(check, subject, "energy RMSE per atom without the mean", "meV").at_most(
                rmse, limits.max_energy_rmse_meV_atom, uncertainty
            )
        )
        spread = float(error.std(ddof=1) / math.sqrt(len(error)))
        lines.append(
            mean.found("pass", f"for information; standard error {spread:.2g}", float(error.mean()))
        )
    else:
        lines.append(mean.found("pass", "for information; one cell", float(error[0])))
    stress: FloatArray = EV_ANGSTROM3_TO_GPA * (potential.stresses - labeller.stresses)[known]
    stress = stress[np.isfinite(stress).all(axis=(1, 2))]
    quantity = Quantity(check, subject, "stress RMSE per component", "GPa")
    if len(stress):
        rmse, uncertainty = rms_with_error(stress, rng, limits.n_bootstrap)
        lines.append(quantity.at_most(rmse, limits.max_stress_rmse_GPa, uncertainty))
    else:
        lines.append(quantity.not_available("no cell has a stress from both"))
    return lines
