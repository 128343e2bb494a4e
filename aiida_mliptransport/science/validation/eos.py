"""Equation of state: energies of scaled cells, and what a Birch–Murnaghan fit says of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from ase import Atoms
from ase.eos import birchmurnaghan
from numpy.typing import ArrayLike
from pydantic import Field
from scipy.optimize import OptimizeWarning, curve_fit

from ..structures.perturbed import volume_ladder
from ..units import EV_ANGSTROM3_TO_GPA
from .check import CheckResult, Evaluated, FloatArray, FrameCheck, Positive, of_labels, only

#: Four parameters and one point to see how well they fit.
MIN_POINTS = 5

#: Relative volumes over which two curves are compared by :func:`delta_gauge`.
DELTA_RANGE = (0.94, 1.06)


@dataclass(frozen=True)
class EquationOfState:
    """A third-order Birch–Murnaghan curve with the standard errors of its fit.

    Attributes
    ----------
    energy, volume
        eV and Å³ at the minimum.
    bulk_modulus, pressure_derivative
        GPa; its derivative with pressure has no unit.
    rms_residual
        eV.
    """

    energy: float
    volume: float
    volume_error: float
    bulk_modulus: float
    bulk_modulus_error: float
    pressure_derivative: float
    rms_residual: float

    def energies(self, volumes: ArrayLike) -> FloatArray:
        """Return the energies in eV at given volumes (Å³)."""
        curve = birchmurnaghan(
            np.asarray(volumes, dtype=np.float64),
            self.energy,
            self.bulk_modulus / EV_ANGSTROM3_TO_GPA,
            self.pressure_derivative,
            self.volume,
        )
        return np.asarray(curve, dtype=np.float64)


def fit_equation_of_state(volumes: ArrayLike, energies: ArrayLike) -> EquationOfState:
    """Fit energies over volumes.

    Parameters
    ----------
    volumes, energies
        ``(n,)`` Å³ and eV of one cell; pairs that are not finite are left out.

    Raises
    ------
    ValueError
        With fewer than five points, where the energies have no minimum between the volumes, or
        where the fit does not converge.

    Notes
    -----
    F. Birch, Phys. Rev. 71, 809 (1947), as in :func:`ase.eos.birchmurnaghan`; errors from the
    covariance of the least squares, scaled to the residuals.
    """
    v = np.asarray(volumes, dtype=np.float64)
    e = np.asarray(energies, dtype=np.float64)
    known = np.isfinite(v) & np.isfinite(e)
    v, e = v[known], e[known]
    if len(v) < MIN_POINTS:
        raise ValueError(f"{len(v)} volumes have an energy, expected {MIN_POINTS} or more")
    curvature, slope, _ = np.polyfit(v - v.mean(), e, 2)
    guess = v.mean() - slope / (2 * curvature) if curvature > 0 else np.inf
    if not v.min() < guess < v.max():
        raise ValueError(
            f"the energies have no minimum between {v.min():.4g} and {v.max():.4g} Å³: the "
            "structure is far from equilibrium there; relax it, or widen relative_volumes"
        )
    start = (e.min(), 2 * curvature * guess, 4.0, guess)
    try:
        with warnings.catch_warnings():
            # Points that a curve meets exactly leave no residual to scale the covariance with.
            warnings.simplefilter("ignore", OptimizeWarning)
            found, covariance = curve_fit(birchmurnaghan, v, e, p0=start)
    except RuntimeError as error:
        raise ValueError(f"the equation of state cannot be fitted: {error}") from None
    errors = np.sqrt(np.diag(covariance))
    residuals = e - birchmurnaghan(v, *found)
    return EquationOfState(
        energy=float(found[0]),
        volume=float(found[3]),
        volume_error=float(errors[3]),
        bulk_modulus=float(found[1]) * EV_ANGSTROM3_TO_GPA,
        bulk_modulus_error=float(errors[1]) * EV_ANGSTROM3_TO_GPA,
        pressure_derivative=float(found[2]),
        rms_residual=float(np.sqrt(np.mean(residuals**2))),
    )


def delta_gauge(first: EquationOfState, second: EquationOfState) -> float:
    """Return the root mean square difference of two curves, each from its own minimum, in eV.

    Over ±6 % round the mean of both volumes: K. Lejaeghere et al., Crit. Rev. Solid State Mater.
    Sci. 39, 1 (2014).
    """
    middle = 0.5 * (first.volume + second.volume)
    volumes = np.linspace(DELTA_RANGE[0] * middle, DELTA_RANGE[1] * middle, 201)
    difference = (first.energies(volumes) - first.energy) - (
        second.energies(volumes) - second.energy
    )
    return float(np.sqrt(np.trapezoid(difference**2, volumes) / np.ptp(volumes)))


class EosCheck(FrameCheck):
    """Volume, bulk modulus and energy curve; the cell keeps its shape, ions their fractions."""

    name: ClassVar[str] = "eos"

    relative_volumes: Annotated[tuple[Positive, ...], Field(min_length=MIN_POINTS)]
    max_relative_error_volume: Positive
    max_relative_error_bulk_modulus: Positive
    max_delta_meV_atom: Positive

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        return volume_ladder(only(cells), self.relative_volumes)

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        atoms = only(cells)
        volumes = atoms.get_volume() * np.asarray(self.relative_volumes)
        curves = {"volumes": volumes, "energies_potential": potential.energies}
        if labeller is not None:
            curves["energies_labeller"] = labeller.energies
        theirs, missing = of_labels(
            labeller, lambda labels: fit_equation_of_state(volumes, labels.energies)
        )
        volume = self.quantity(subject, "equilibrium volume per atom", "Å³")
        try:
            ours = fit_equation_of_state(volumes, potential.energies)
        except ValueError as error:
            if theirs is None:
                raise
            # The labeller has a minimum there, so that the potential has none is a result.
            known = theirs.volume / len(atoms)
            reason = f"potential: {error}"
            return CheckResult([volume.found("fail", reason, labeller=known)], curves)
        delta = self.quantity(subject, "delta gauge per atom", "meV")
        lines = [
            volume.against(
                ours.volume / len(atoms),
                None if theirs is None else theirs.volume / len(atoms),
                relative_tolerance=self.max_relative_error_volume,
                uncertainty=_joint(ours, theirs, "volume_error", len(atoms)),
                missing=missing,
            ),
            self.quantity(subject, "bulk modulus", "GPa").against(
                ours.bulk_modulus,
                None if theirs is None else theirs.bulk_modulus,
                relative_tolerance=self.max_relative_error_bulk_modulus,
                uncertainty=_joint(ours, theirs, "bulk_modulus_error"),
                missing=missing,
            ),
            delta.not_available(missing)
            if theirs is None
            else delta.at_most(
                1000.0 * delta_gauge(ours, theirs) / len(atoms), self.max_delta_meV_atom
            ),
        ]
        return CheckResult(lines, curves)


def _joint(
    ours: EquationOfState, theirs: EquationOfState | None, name: str, share: int = 1
) -> float | None:
    """Return the uncertainty of a difference of two fits, per ``share``."""
    fits = [fit for fit in (ours, theirs) if fit is not None]
    return float(np.hypot.reduce([getattr(fit, name) for fit in fits])) / share
