"""An emulated electronic loop: the steps of a self-consistency, and the entropy of the smearing.

The energy of the calculator is the *free* energy, so that forces are minus its gradient, as in
VASP. The entropy is made up: a smooth function of the distances, so that neither the energy
without entropy nor the one extrapolated to σ → 0 fits the forces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

#: T·S in units of σ, for each atom and for each overlap of two, and the range of overlaps in Å.
PER_ATOM, PER_OVERLAP, RANGE = 0.02, 0.5, 1.5

#: Part of the free energy that IVDW adds after the electronic steps, in eV for each atom.
DISPERSION = -0.02


@dataclass(frozen=True)
class Energies:
    """The three energies of VASP in eV."""

    free: float
    without_entropy: float
    extrapolated: float


@dataclass(frozen=True)
class ElectronicLoop:
    """The electronic steps of one ionic step.

    ``steps`` are the energies after each, ``final`` those of the ionic step: with IVDW these alone
    hold the dispersion. ``residual`` in eV is what the last step is off.
    """

    steps: tuple[Energies, ...]
    final: Energies
    converged: bool
    residual: float


def entropy_term(atoms: Atoms, ismear: int, sigma: float) -> float:
    """Return T·S in eV; zero for the tetrahedron methods (ISMEAR −4 and −5), as in VASP."""
    if ismear <= -4:
        return 0.0
    distances = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), 1)]
    overlap = float(np.exp(-((distances / RANGE) ** 2)).sum())
    return sigma * (PER_ATOM * len(atoms) + PER_OVERLAP * overlap)


def energies(free: float, entropy: float, ismear: int) -> Energies:
    """Return the three energies for a free energy and T·S, both in eV.

    σ → 0 lies halfway for Gaussian and Fermi smearing, and at (N + 1)/(N + 2) of the way to the
    free energy for Methfessel and Paxton's order N (ISMEAR = N).
    """
    without = free + entropy
    order = max(ismear, 0)
    return Energies(free, without, ((order + 1) * free + without) / (order + 2))


def electronic_loop(
    free: float,
    entropy: float,
    n_atoms: int,
    parameters: Mapping[str, Any],
    needed: int | None,
) -> ElectronicLoop:
    """Return the electronic steps that end at ``free``.

    Parameters
    ----------
    free, entropy : float
        Free energy and T·S in eV.
    n_atoms : int
        Number of atoms, of which each gets its part of the dispersion.
    parameters : mapping
        NELM, NELMIN, EDIFF, ISMEAR, IVDW.
    needed : int, optional
        Steps that convergence takes; by default a digit of EDIFF each.
    """
    nelm, ediff = int(parameters["NELM"]), float(parameters["EDIFF"])
    natural = max(math.ceil(-math.log10(ediff)) + 1, 2)
    steps_needed = max(needed or natural, int(parameters["NELMIN"]))
    converged = steps_needed <= nelm
    count = min(steps_needed, nelm)
    # From 1 eV to below EDIFF in as many steps as it takes; exact once converged.
    residuals = [ediff ** (k / steps_needed) for k in range(1, count + 1)]
    if converged:
        residuals[-1] = 0.0
    ismear = parameters["ISMEAR"]
    dispersion = DISPERSION * n_atoms if parameters["IVDW"] > 0 else 0.0
    steps = tuple(energies(free - dispersion + r, entropy, ismear) for r in residuals)
    final = energies(free + residuals[-1], entropy, ismear)
    return ElectronicLoop(steps, final, converged, residuals[-1])
