"""A hop of molecular dynamics, harvested and relaxed, has the barrier of the perfect path."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.mep import NEB
from ase.optimize import BFGS

from aiida_mliptransport.science.barriers import (
    EndPoints,
    PathProfile,
    check_end_points,
    directional_end_points,
    distinct_mechanisms,
    harvest_hops,
    path_profile,
)
from aiida_mliptransport.science.transport.sites import Sites

A = 3.99


def relaxed_profile(ends: EndPoints) -> PathProfile:
    """Relax the ends and a band with a climbing image between them."""
    images = [ends.initial.copy(), *(ends.initial.copy() for _ in range(3)), ends.final.copy()]
    for image in images:
        image.calc = EMT()
    for end in (images[0], images[-1]):
        BFGS(end, logfile=None).run(fmax=0.01)
    band = NEB(images, climb=True, method="improvedtangent")
    band.interpolate()
    BFGS(band, logfile=None).run(fmax=0.03)
    return path_profile(
        [image.positions for image in images],
        [image.get_potential_energy() for image in images],
        [image.get_forces() for image in images],
        ends.initial.cell,
    )


def pushed_into_the_vacancy(start: Atoms, ion: int, jump: np.ndarray) -> np.ndarray:
    """Positions every 10 fs of a run at 300 K, in which an atom gets 3 eV after 0.6 ps."""
    rng = np.random.default_rng(1)
    atoms = start.copy()
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=rng)
    friction = 0.02 / units.fs
    run = Langevin(atoms, 5 * units.fs, temperature_K=300, friction=friction, fixcm=False, rng=rng)
    frames: list[np.ndarray] = []
    run.attach(lambda: frames.append(atoms.get_positions()), interval=2)
    run.run(120)
    speed = np.sqrt(2 * 3.0 / atoms.get_masses()[ion])
    velocities = atoms.get_velocities()
    velocities[ion] = speed * jump / np.linalg.norm(jump)
    atoms.set_velocities(velocities)
    run.run(240)
    return np.array(frames)


@pytest.mark.medium
def test_a_harvested_hop_has_the_barrier_of_the_path_built_along_its_direction() -> None:
    crystal = bulk("Al", "fcc", a=A, cubic=True)
    (path,) = directional_end_points(crystal, "Al", (1, 1, 0), min_width=2 * A).paths
    built = relaxed_profile(path.end_points)
    (ion,) = path.end_points.moving_ions()
    start = path.end_points.initial
    frames = pushed_into_the_vacancy(start, ion, path.vector)
    # One element has no framework to measure from: the centre of mass stands for it.
    frames += (start.positions.mean(axis=0) - frames.mean(axis=1))[:, None]
    lattice = crystal.repeat(2)
    harvest = harvest_hops(
        frames,
        lattice.cell.array,
        start.numbers,
        0.01,
        "Al",
        Sites(lattice.positions % (2 * A - 1e-9), lattice.cell.array, ("Al",) * 32),
        core_radius_angstrom=1.2,
        window_ps=0.3,
        distance_angstrom=3.0,
    )
    (mechanism,) = distinct_mechanisms(harvest.hops)
    assert (mechanism.kind, mechanism.count) == ("vacancy", 1)
    ends = mechanism.representative.end_points
    assert ends.moving_ions().tolist() == [ion]
    assert check_end_points(ends) == ()
    found = relaxed_profile(ends)
    assert found.barrier == pytest.approx(built.barrier, abs=2e-3)
    assert found.reaction_energy == pytest.approx(0.0, abs=1e-3)
    assert found.warnings == ()
