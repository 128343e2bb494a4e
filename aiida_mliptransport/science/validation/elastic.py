"""Elastic constants with clamped ions, from the stresses of strained cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from pydantic import Field
from pymatgen.analysis.elasticity import ElasticTensor
from pymatgen.core import Structure

from ..structures.conversion import to_structure
from ..structures.perturbed import strain
from ..units import EV_ANGSTROM3_TO_GPA
from .check import (
    CheckResult,
    Evaluated,
    FloatArray,
    FrameCheck,
    Positive,
    combined,
    of_labels,
    only,
)
from .verdict import CheckLine

#: Rows and columns of Voigt's notation: xx, yy, zz, yz, xz, xy.
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))

#: Constant, slope and curvature, and one magnitude more to see how well they fit.
MIN_MAGNITUDES = 4


@dataclass(frozen=True)
class ElasticConstants:
    """Stiffness in GPa, in the axes of the cell that was strained.

    Attributes
    ----------
    stiffness : (6, 6) float
        dσ/dε in Voigt's notation, brought to the symmetry of the crystal.
    errors : (6, 6) float
        Standard error of the slope, and what the symmetry changed, in quadrature.
    reference_stress : (3, 3) float
        GPa, of the unstrained cell. Where it is not small these are stress–strain coefficients at
        that stress and not second derivatives of the energy (D. C. Wallace, Thermodynamics of
        Crystals, 1972, ch. 1).
    """

    stiffness: FloatArray
    errors: FloatArray
    reference_stress: FloatArray

    @property
    def bulk_modulus(self) -> float:
        """Return the Voigt–Reuss–Hill mean in GPa."""
        return float(ElasticTensor.from_voigt(self.stiffness).k_vrh)

    @property
    def shear_modulus(self) -> float:
        """Return the Voigt–Reuss–Hill mean in GPa."""
        return float(ElasticTensor.from_voigt(self.stiffness).g_vrh)

    @property
    def lowest_eigenvalue(self) -> float:
        """Return the smallest stiffness of any strain in GPa; negative: the crystal is unstable.

        M. Born and K. Huang, Dynamical Theory of Crystal Lattices (1954), § 12.
        """
        return float(np.linalg.eigvalsh(self.stiffness).min())


def elastic_strains(magnitudes: ArrayLike) -> FloatArray:
    """Return strains (6·n, 6) in Voigt's notation: each component alone, with n magnitudes.

    The last three are engineering shears 2ε.
    """
    sizes = np.asarray(magnitudes, dtype=np.float64)
    return np.concatenate([np.outer(sizes, unit) for unit in np.eye(6)])


def fit_elastic_constants(
    magnitudes: ArrayLike, stresses: ArrayLike, atoms: Atoms
) -> ElasticConstants:
    """Fit stiffness to the stresses of cells strained by :func:`elastic_strains`.

    Parameters
    ----------
    magnitudes
        ``(n,)`` without unit.
    stresses
        ``(6·n, 3, 3)`` eV/Å³, ASE's sign.
    atoms
        The unstrained crystal; its symmetry is imposed on the result.

    Returns
    -------
    ElasticConstants
        Slopes at zero strain of parabolas through each component of the stress.

    Raises
    ------
    ValueError
        If a stress is missing, or there are fewer than four magnitudes.
    """
    sizes = np.asarray(magnitudes, dtype=np.float64)
    if len(sizes) < MIN_MAGNITUDES:
        raise ValueError(f"{len(sizes)} magnitudes of strain, expected {MIN_MAGNITUDES} or more")
    stress = np.asarray(stresses, dtype=np.float64).reshape(6, len(sizes), 3, 3)
    missing = int(np.count_nonzero(~np.isfinite(stress).all(axis=(2, 3))))
    if missing:
        raise ValueError(f"{missing} of {6 * len(sizes)} strained cells have no stress")
    rows, columns = np.transpose(VOIGT)
    voigt = EV_ANGSTROM3_TO_GPA * stress[:, :, rows, columns]
    raw, errors, constants = np.empty((6, 6)), np.empty((6, 6)), np.empty((6, 6))
    design = np.vander(sizes, 3)
    inverse = np.linalg.inv(design.T @ design)
    for component in range(6):
        fitted = inverse @ design.T @ voigt[component]
        residual = voigt[component] - design @ fitted
        variance = (residual**2).sum(axis=0) / (len(sizes) - 3)
        raw[:, component] = fitted[1]
        errors[:, component] = np.sqrt(variance * inverse[1, 1])
        constants[component] = fitted[2]
    symmetric = _symmetrised(raw, to_structure(atoms))
    reference = np.zeros((3, 3))
    for value, (row, column) in zip(constants.mean(axis=0), VOIGT, strict=True):
        reference[row, column] = reference[column, row] = value
    return ElasticConstants(symmetric, np.hypot(errors, raw - symmetric), reference)


def independent_components(atoms: Atoms) -> list[tuple[int, int]]:
    """Return one (row, column) of the stiffness for each value that the symmetry leaves apart.

    Components that vanish by symmetry are left out.
    """
    generic = np.random.default_rng(1).normal(size=(6, 6))
    values = _symmetrised(generic + generic.T, to_structure(atoms))
    chosen: list[tuple[int, int]] = []
    for row in range(6):
        for column in range(row, 6):
            value = values[row, column]
            known = [abs(value - values[place]) < 1e-6 for place in chosen]
            if abs(value) > 1e-6 and not any(known):
                chosen.append((row, column))
    return chosen


def _symmetrised(stiffness: FloatArray, structure: Structure) -> FloatArray:
    tensor = ElasticTensor.from_voigt(0.5 * (stiffness + stiffness.T))
    fitted = tensor.fit_to_structure(structure, symprec=1e-3)
    return np.asarray(fitted.voigt, dtype=np.float64)


class ElasticCheck(FrameCheck):
    """Elastic constants of the structure as it is given, with clamped ions."""

    name: ClassVar[str] = "elastic"

    magnitudes: Annotated[tuple[float, ...], Field(min_length=MIN_MAGNITUDES)]
    max_relative_error: Positive
    #: Share of the bulk modulus below which a component need not be better.
    negligible_share: Positive

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        return strain(only(cells), elastic_strains(self.magnitudes))

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        atoms = only(cells)
        ours = fit_elastic_constants(self.magnitudes, potential.stresses, atoms)
        theirs, missing = of_labels(
            labeller, lambda labels: fit_elastic_constants(self.magnitudes, labels.stresses, atoms)
        )
        lines = []
        for row, column in independent_components(atoms):
            quantity = self.quantity(subject, f"C{row + 1}{column + 1}, clamped ions", "GPa")
            value = float(ours.stiffness[row, column])
            if theirs is None:
                lines.append(quantity.not_available(missing, value))
                continue
            reference = float(theirs.stiffness[row, column])
            tolerance = max(
                self.max_relative_error * abs(reference),
                self.negligible_share * abs(theirs.bulk_modulus),
            )
            lines.append(
                quantity.against(
                    value,
                    reference,
                    tolerance=tolerance,
                    uncertainty=combined(
                        float(ours.errors[row, column]), float(theirs.errors[row, column])
                    ),
                )
            )
        for title, attribute in (("bulk", "bulk_modulus"), ("shear", "shear_modulus")):
            lines.append(
                self.quantity(subject, f"{title} modulus, clamped ions", "GPa").against(
                    getattr(ours, attribute),
                    None if theirs is None else getattr(theirs, attribute),
                    relative_tolerance=self.max_relative_error,
                    missing=missing,
                )
            )
        lines.append(_stability(self, subject, ours, theirs))
        curves = {"stiffness_potential": ours.stiffness}
        if theirs is not None:
            curves["stiffness_labeller"] = theirs.stiffness
        return CheckResult(lines, curves)


def _stability(
    check: ElasticCheck, subject: str, ours: ElasticConstants, theirs: ElasticConstants | None
) -> CheckLine:
    quantity = check.quantity(subject, "smallest stiffness of any strain", "GPa")
    lowest = ours.lowest_eigenvalue
    reference = None if theirs is None else theirs.lowest_eigenvalue
    if lowest > 0:
        return quantity.found("pass", "", lowest, reference)
    if reference is not None and reference <= 0:
        return quantity.found("warn", "unstable for the labeller too", lowest, reference)
    return quantity.found("fail", "the potential makes the crystal unstable", lowest, reference)
