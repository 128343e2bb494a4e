"""A band by the real CP2K: the inversion of ammonia, whose saddle point is planar by symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from ase import Atoms

from aiida_mliptransport.calculations.cp2k_neb import Cp2kNebCalculation
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = [pytest.mark.medium, pytest.mark.cp2k]

EDGE = 5.0
SETTINGS = {
    # With a minimal basis ammonia is planar.
    "basis_set": "DZVP-MOLOPT-SR-GTH",
    "cutoff_Ry": 150,
    "relative_cutoff_Ry": 25,
    "dispersion": "none",
    "eps_default": 1e-9,
    "scf": {"method": "diagonalization", "eps_scf": 1e-5, "max_scf": 40, "outer_max_scf": 1},
}


def ammonia(height, radius):
    """Nitrogen ``height`` above the plane of the hydrogen atoms, which is in the cell's middle."""
    angles = np.deg2rad([0, 120, 240])
    hydrogen = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.zeros(3)], axis=1)
    positions = np.vstack([[[0, 0, height]], hydrogen]) + EDGE / 2
    return Atoms("NH3", positions=positions, cell=[EDGE] * 3, pbc=True)


def relaxed(cp2k_job, atoms):
    results, node = cp2k_job(
        SETTINGS,
        structure=orm.StructureData(ase=atoms),
        relax=orm.Dict({"force_tolerance_eV_A": 0.03, "steps": 20}),
    )
    assert node.is_finished_ok, node.exit_message
    return results["structure"].get_ase(), results["results"]["energy_eV"]


def test_the_barrier_is_that_of_the_planar_molecule(cp2k_job):
    end, lowest = relaxed(cp2k_job, ammonia(0.38, 0.95))
    planar, highest = relaxed(cp2k_job, ammonia(0.0, 1.0))
    assert np.ptp(planar.positions[:, 2]) < 1e-3
    mirror = end.copy()
    mirror.positions[:, 2] = EDGE - mirror.positions[:, 2]
    # Not halfway: the image has to climb.
    between = end.copy()
    between.positions = 0.65 * end.positions + 0.35 * mirror.positions
    path = FrameSetData(Frames.from_atoms([end, between, mirror]))
    neb = {"force_tolerance_eV_A": 0.1, "steps": 40}
    results, node = cp2k_job(SETTINGS, Cp2kNebCalculation, path=path, neb=orm.Dict(neb))
    assert node.is_finished_ok, node.exit_message
    found = results["results"]
    assert found["barrier_eV"] == pytest.approx(highest - lowest, abs=5e-3)
    assert found["reverse_barrier_eV"] == pytest.approx(found["barrier_eV"], abs=2e-3)
    assert found["barrier_eV"] > found["history"]["barrier_eV"][0] + 0.02
    assert found["max_force_eV_A"] <= 0.1
    # The images are labels: the highest one again gives the same.
    (system,) = results["frames"].frames.systems
    saddle = FrameSetData(Frames.from_atoms([system.without_labels().to_atoms()[1]]))
    label, node = cp2k_job(SETTINGS, frames=saddle)
    assert node.is_finished_ok, node.exit_message
    static = label["frames"].frames.systems[0]
    assert static.energies[0] == pytest.approx(system.energies[1], abs=1e-4)
    np.testing.assert_allclose(static.forces[0], system.forces[1], atol=5e-3)
    assert label["frames"].level_of_theory == results["frames"].level_of_theory
