"""Lennard-Jones fcc crystals whose energies, forces and stresses are summed, and known exactly."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.stress import voigt_6_to_full_3x3_stress

from aiida_mliptransport.science.validation import Evaluated

#: Between the fourth and the fifth shell (2 and √5 nearest-neighbour distances): a strain of 1 %
#: moves no atom across the cutoff.
CUTOFF = 2.12


def lattice_vectors() -> np.ndarray:
    """Vectors (n, 3) of fcc to the neighbours within the cutoff; the nearest are 1 long."""
    grid = np.array(np.meshgrid(*[np.arange(-4, 5)] * 3)).reshape(3, -1).T
    vectors = grid[grid.sum(axis=1) % 2 == 0] / np.sqrt(2)
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors[(lengths > 0.1) & (lengths < CUTOFF)]


def nearest_neighbour_distance() -> float:
    """Distance without stress, in σ: (2 A12/A6)^(1/6) with the lattice sums A of the cutoff."""
    lengths = np.linalg.norm(lattice_vectors(), axis=1)
    return float((2 * (lengths**-12.0).sum() / (lengths**-6.0).sum()) ** (1 / 6))


def crystal() -> Atoms:
    """Conventional cell at zero stress, ε = 1 eV and σ = 1 Å."""
    return bulk("Ar", a=np.sqrt(2) * nearest_neighbour_distance(), cubic=True)


def evaluate(cells, epsilon=1.0) -> Evaluated:
    """Energies, forces and stresses of Lennard-Jones cells near equilibrium."""
    energies, forces, stresses = [], [], []
    for cell in cells:
        atoms = cell.copy()
        atoms.calc = LennardJones(
            epsilon=epsilon, sigma=1.0, rc=CUTOFF * nearest_neighbour_distance()
        )
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(voigt_6_to_full_3x3_stress(atoms.get_stress()))
    return Evaluated(np.array(energies), forces, np.array(stresses))


def without(found: Evaluated, *indices: int) -> Evaluated:
    """The same with some cells not known."""
    energies, stresses = found.energies.copy(), found.stresses.copy()
    forces = [force.copy() for force in found.forces]
    for index in indices:
        energies[index], stresses[index], forces[index][:] = np.nan, np.nan, np.nan
    return Evaluated(energies, forces, stresses)
