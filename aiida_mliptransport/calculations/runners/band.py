"""Minimum-energy path by a nudged elastic band; travels with a job and needs no AiiDA there."""

from __future__ import annotations

import os

import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import find_mic
from ase.mep import NEB
from ase.mep.neb import idpp_interpolate
from ase.optimize import BFGS, FIRE
from calculators import NotFiniteError

BAND_FILE = "band.npz"

#: Without the climbing image first: until the forces are within this multiple of the tolerance.
CLIMB_FROM = 5.0

#: An image this far above the initial one (eV) is no point of a migration path.
EXPLOSION_EV = 100.0

#: Ends that are no farther apart than this (Å, of the atom that moves most) are one minimum.
SAME_MINIMUM_A = 0.1


class BandError(RuntimeError):
    """The path cannot be found; ``kind`` says why, and what was there is kept."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class CachedNEB(NEB):
    """Computes nothing twice: with one calculator for all images, each call would."""

    _known = None

    def get_forces(self):
        positions = self.get_positions()
        if self._known is None or not np.array_equal(positions, self._known[0]):
            self._known = (positions, super().get_forces())
        return self._known[1].copy()


class Band:
    """Images of a path, and the file that holds their state after the last step.

    Parameters
    ----------
    images : list of Atoms
        Both ends included; one calculator serves all of them.
    """

    def __init__(self, images):
        self.images = images
        self.history = []
        self.energies = np.full(len(images), np.nan)
        self.forces = np.full((len(images), len(images[0]), 3), np.nan)

        for number in (0, -1):
            image = images[number]
            self.energies[number] = image.get_potential_energy()
            self.forces[number] = image.get_forces(apply_constraint=False)
            # The ends stay where they are.
            image.calc = SinglePointCalculator(
                image, energy=self.energies[number], forces=self.forces[number]
            )

    def record(self, max_force):
        """Write the band as it is; a job that is killed leaves the last whole step."""
        self.history.append((max_force, float(np.max(self.energies) - self.energies[0])))
        partial = f"partial_{BAND_FILE}"
        np.savez(
            partial,
            positions=[image.positions for image in self.images],
            energies=self.energies,
            forces=self.forces,
            history=self.history,
        )
        os.replace(partial, BAND_FILE)
        print(
            f"step {len(self.history) - 1}: largest force {max_force:.4f} eV/Å, highest image "
            f"{self.history[-1][1]:.4f} eV",
            flush=True,
        )
        self._check()

    def _check(self):
        for number, (energy, forces) in enumerate(zip(self.energies, self.forces, strict=True)):
            if not (np.isfinite(energy) and np.isfinite(forces).all()):
                raise NotFiniteError(f"image {number} has an energy or a force that is not finite")
            if energy - self.energies[0] > EXPLOSION_EV:
                raise BandError(
                    "exploded",
                    f"image {number} is {energy - self.energies[0]:.0f} eV above the initial one "
                    f"in step {len(self.history) - 1}: atoms collide on this path",
                )


def find_path(atoms, positions, calculator, parameters):
    """Relax the ends, then the band between them; return what came out.

    Parameters
    ----------
    atoms : Atoms
        Numbers and cell.
    positions : (2, N, 3) or (M, N, 3)
        The ends, or a path that is taken as it is, Å.
    calculator
        Of ASE.
    parameters : dict
        See ``NebParameters``.
    """
    images = []
    for image_positions in continuous(atoms, positions):
        image = atoms.copy()
        image.positions[:] = image_positions
        image.calc = calculator
        images.append(image)
    if parameters["relax_ends"]:
        for name, image in (("initial", images[0]), ("final", images[-1])):
            relax_end(name, image, parameters)
        moved, _ = find_mic(images[-1].positions - images[0].positions, atoms.cell, atoms.pbc)
        if np.linalg.norm(moved, axis=1).max() < SAME_MINIMUM_A:
            raise BandError("collapsed", "both ends relaxed to one minimum: there is no barrier")
    if len(images) == 2:
        images = interpolate(images, parameters["images"])
    return optimise(Band(images), parameters)


def continuous(atoms, positions):
    """Return the positions so that no atom jumps by a lattice vector from image to image."""
    steps = [find_mic(step, atoms.cell, atoms.pbc)[0] for step in np.diff(positions, axis=0)]
    return np.cumsum([positions[0], *steps], axis=0)


def relax_end(name, image, parameters):
    """Bring one end to its minimum."""
    optimizer = BFGS(image, logfile=None)
    tolerance = parameters["end_force_tolerance_eV_A"]
    steps = parameters["end_steps"]
    if not optimizer.run(fmax=tolerance, steps=steps):
        left = np.linalg.norm(image.get_forces(), axis=1).max()
        raise BandError(
            "end_not_relaxed",
            f"the {name} structure has a force of {left:.3f} eV/Å after {steps} steps, expected "
            f"at most {tolerance}",
        )
    print(f"{name} structure relaxed in {optimizer.nsteps} steps", flush=True)


def interpolate(ends, count):
    """Return the ends with ``count`` images between them, which avoid short distances (IDPP)."""
    images = [ends[0], *(ends[0].copy() for _ in range(count)), ends[1]]
    step = (ends[1].positions - ends[0].positions) / (count + 1)
    for number, image in enumerate(images[1:-1], start=1):
        image.positions[:] = ends[0].positions + number * step
    idpp_interpolate(images, traj=None, log=None, mic=True)
    for image in images[1:-1]:
        image.calc = ends[0].calc
    return images


def optimise(band, parameters):
    """Relax the band, then let its highest image climb; return how it ended."""
    stages = [(False, CLIMB_FROM), (True, 1.0)] if parameters["climb"] else [(False, 1.0)]
    left = parameters["steps"]
    converged = False
    for climb, factor in stages:
        neb = CachedNEB(
            band.images,
            k=parameters["spring_eV_A2"],
            climb=climb,
            method="improvedtangent",
            allow_shared_calculator=True,
        )
        optimizer = FIRE(neb, logfile=None)

        def record(neb=neb):
            max_force = float(np.linalg.norm(neb.get_forces(), axis=1).max())
            band.energies[1:-1] = neb.energies[1:-1]
            band.forces[1:-1] = neb.real_forces[1:-1]
            band.record(max_force)

        optimizer.attach(record, interval=1)
        tolerance = factor * parameters["force_tolerance_eV_A"]
        converged = bool(optimizer.run(fmax=tolerance, steps=left))
        left -= optimizer.nsteps
        if not converged:
            break
    max_force, barrier = band.history[-1]
    return {"completed": converged, "max_force_eV_A": max_force, "barrier_eV": barrier}
