"""A band by the real CP2K: the inversion of ammonia, whose saddle point is planar by symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from ase import Atoms

from aiida_mliptransport.calculations.cp2k_neb import Cp2kNebCalculation
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = [pytest.mark.slow, pytest.mark.cp2k]

EDGE = 5.0
#: Of the molecule at rest, in Å, at the settings below: the plane's distance, and the radius in it.
HEIGHT, RADIUS = 0.419, 0.929
TOLERANCE = 0.1
SETTINGS = {
    # With a minimal basis ammonia is planar.
    "basis_set": "DZVP-MOLOPT-SR-GTH",
    "cutoff_Ry": 150,
    "relative_cutoff_Ry": 25,
    "dispersion": "none",
    "eps_default": 1e-9,
    "scf": {"method": "diagonalization", "eps_scf": 1e-5, "max_scf": 40, "outer_max_scf": 1},
}


def ammonia(height, radius=RADIUS):
    """Hydrogen atoms ``height`` below the plane of the nitrogen atom, in the cell's middle."""
    angles = np.deg2rad([0, 120, 240])
    hydrogen = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.zeros(3)], axis=1)
    positions = np.vstack([[[0, 0, 0.8 * height]], hydrogen - [0, 0, 0.2 * height]]) + EDGE / 2
    return Atoms("NH3", positions=positions, cell=[EDGE] * 3, pbc=True)


def test_the_climbing_image_is_the_planar_molecule_and_all_images_are_labels(cp2k_job):
    # Not halfway: the image has to climb.
    path = FrameSetData(Frames.from_atoms([ammonia(h) for h in (HEIGHT, 0.15, -HEIGHT)]))
    neb = {"force_tolerance_eV_A": TOLERANCE, "steps": 40}
    results, node = cp2k_job(SETTINGS, Cp2kNebCalculation, path=path, neb=orm.Dict(neb))
    assert node.is_finished_ok, node.exit_message
    found = results["results"]
    (system,) = results["frames"].frames.systems
    assert found["highest_image"] == 1
    assert found["barrier_eV"] == pytest.approx(system.energies[1] - system.energies[0])
    assert found["barrier_eV"] > found["history"]["barrier_eV"][0] + 0.01
    assert found["reaction_energy_eV"] == pytest.approx(0.0, abs=1e-3)
    assert np.ptp(system.positions[1, :, 2]) < 0.05
    assert np.linalg.norm(system.forces[1], axis=1).max() <= 1.5 * TOLERANCE
    np.testing.assert_allclose(
        system.positions[[0, 2]], path.frames.systems[0].positions[[0, 2]], atol=1e-8
    )
    # A label of each image again is the same.
    again = FrameSetData(Frames.from_atoms(system.without_labels().to_atoms()))
    label, node = cp2k_job(SETTINGS, frames=again)
    assert node.is_finished_ok, node.exit_message
    static = label["frames"].frames.systems[0]
    np.testing.assert_allclose(static.energies, system.energies, atol=1e-3)
    np.testing.assert_allclose(static.forces, system.forces, atol=0.01)
    assert label["frames"].level_of_theory == results["frames"].level_of_theory
