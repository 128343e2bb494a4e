"""The force on a nudged elastic band, from the energies and forces of its images."""

from __future__ import annotations

import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.mep import NEB

from ..frames import System

__all__ = ["max_band_force"]


def max_band_force(system: System, spring: float, climb: bool, relax_ends: bool = False) -> float:
    """Return the largest force on an atom of a band, in eV/Å.

    Between the ends the force is that of the potential across the path and that of the springs
    along it, with improved tangents (Henkelman and Jónsson, J. Chem. Phys. 113, 9978 (2000), by
    ASE); the climbing image has no springs, and its force along the path is reversed.

    Parameters
    ----------
    system
        Images in order, both ends included, with energies and forces.
    spring
        eV/Å².
    climb
        Whether the highest image climbs.
    relax_ends
        Whether the ends move too, by the forces of the potential alone.

    Raises
    ------
    ValueError
        If the images have no forces.
    """
    if system.energies is None or system.forces is None:
        raise ValueError("the images have no energies and forces; label them first")
    images = system.without_labels().to_atoms()
    for image, energy, forces in zip(images, system.energies, system.forces, strict=True):
        image.calc = SinglePointCalculator(image, energy=energy, forces=forces)
    band = NEB(images, k=spring, climb=climb, method="improvedtangent")
    largest = np.linalg.norm(band.get_forces(), axis=1).max()
    if relax_ends:
        ends = np.linalg.norm(system.forces[[0, -1]], axis=2).max()
        largest = max(largest, ends)
    return float(largest)
