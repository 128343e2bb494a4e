"""The ionic steps of a run: a single point, molecular dynamics, or a relaxation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.filters import FrechetCellFilter
from ase.md.andersen import Andersen
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS, FIRE, LBFGS
from numpy.typing import NDArray

from .calculators import make_calculator
from .electrons import ElectronicLoop, electronic_loop, entropy_term
from .job import InputError, Job

#: A Nosé thermostat swings once in this many steps, whatever SMASS (VASP: where SMASS is 0).
NOSE_PERIOD = 40

OPTIMIZERS = {1: BFGS, 2: LBFGS, 3: FIRE}


@dataclass(frozen=True)
class Frame:
    """One ionic step: a structure and what was computed for it.

    Attributes
    ----------
    index : int
        From one on.
    atoms : ase.Atoms
        Without calculator; with the velocities of this structure in molecular dynamics.
    forces : numpy.ndarray
        Shape (N, 3), eV/Å.
    stress : numpy.ndarray or None
        Shape (3, 3), eV/Å³, ASE's sign, without the kinetic part; None where ISIF is 0.
    """

    index: int
    atoms: Atoms
    electrons: ElectronicLoop
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None

    @property
    def kinetic_energy(self) -> float:
        """Kinetic energy in eV."""
        return float(self.atoms.get_kinetic_energy())

    @property
    def temperature(self) -> float:
        """Temperature in K for 3N − 3 degrees of freedom."""
        return temperature(self.atoms)

    @property
    def kinetic_pressure(self) -> NDArray[np.float64]:
        """Kinetic part of the pressure tensor in kB, shape (3, 3)."""
        velocities = self.atoms.get_velocities()
        tensor = (self.atoms.get_masses()[:, None] * velocities).T @ velocities
        return tensor / self.atoms.get_volume() / units.GPa * 10


def temperature(atoms: Atoms) -> float:
    """Return the temperature in K for 3N − 3 degrees of freedom."""
    freedom = max(3 * len(atoms) - 3, 1)
    return float(2 * atoms.get_kinetic_energy() / (freedom * units.kB))


class Run:
    """The ionic steps of a job, one after the other.

    ``atoms`` are always those of the *next* step, as in VASP's CONTCAR: a run that starts from
    them continues this one without repeating a frame.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.parameters = job.parameters
        self.atoms: Atoms = job.poscar.atoms.copy()
        self.atoms.calc = make_calculator(job.calculator)
        self.reached_accuracy = False

    def frames(self) -> Iterator[Frame]:
        """Yield each ionic step when it is computed and ``atoms`` are ahead of it."""
        if self.parameters["NSW"] <= 0 or self.parameters["IBRION"] == -1:
            yield self.evaluate(1)
        elif self.job.is_dynamics:
            yield from self._dynamics()
        else:
            yield from self._relaxation()

    def evaluate(self, index: int) -> Frame:
        """Return ionic step ``index``, computed for the atoms where they are."""
        atoms, parameters, failure = self.atoms, self.parameters, self.job.failure
        free = float(atoms.get_potential_energy())
        forces = atoms.get_forces(apply_constraint=False)
        stress = None
        if self.job.has_stress:
            stress = atoms.get_stress(voigt=False, apply_constraint=False)
        needed = failure.electronic_steps(index, parameters["NELM"])
        entropy = entropy_term(atoms, parameters["ISMEAR"], parameters["SIGMA"])
        if failure.strikes("nan", index):
            free, forces = math.nan, np.full_like(forces, math.nan)
        if failure.strikes("overflow", index):
            forces = np.full_like(forces, 1e12)
            stress = None if stress is None else np.full_like(stress, 1e12)
        electrons = electronic_loop(free, entropy, len(atoms), parameters, needed)
        # Forces and stress of a density that is not converged are off as the energy is.
        off = 1 + electrons.residual
        still = atoms.copy()
        still.calc = None
        if not self.job.is_dynamics:
            still.set_momenta(np.zeros_like(forces))
        return Frame(
            index, still, electrons, forces * off, None if stress is None else stress * off
        )

    def _dynamics(self) -> Iterator[Frame]:
        parameters, n_steps = self.parameters, self.parameters["NSW"]
        rng = np.random.default_rng([abs(int(n)) for n in parameters["RANDOM_SEED"]])
        if not self.job.poscar.has_velocities:
            self._draw_velocities(rng)
        dynamics = self._integrator(rng)
        rescales = parameters["MDALGO"] == 0 and parameters["SMASS"] == -1
        for index in range(1, n_steps + 1):
            frame = self.evaluate(index)
            target = self._target(index / n_steps)
            if isinstance(dynamics, Langevin | Andersen):
                dynamics.set_temperature(temperature_K=target)
            dynamics.step()
            if rescales and index % parameters["NBLOCK"] == 0:
                self._scale_velocities(target)
            yield frame

    def _target(self, fraction: float) -> float:
        begin, end = self.parameters["TEBEG"], self.parameters["TEEND"]
        return float(begin + (end - begin) * fraction)

    def _draw_velocities(self, rng: np.random.Generator) -> None:
        begin = self.parameters["TEBEG"]
        MaxwellBoltzmannDistribution(self.atoms, temperature_K=begin, rng=rng)
        Stationary(self.atoms, preserve_temperature=False)
        self._scale_velocities(begin)

    def _scale_velocities(self, target: float) -> None:
        now = temperature(self.atoms)
        if now > 0:
            self.atoms.set_velocities(self.atoms.get_velocities() * math.sqrt(target / now))

    def _integrator(self, rng: np.random.Generator) -> MolecularDynamics:
        parameters, atoms = self.parameters, self.atoms
        step = parameters["POTIM"] * units.fs
        start = parameters["TEBEG"]
        if parameters["MDALGO"] == 3:
            friction = self._friction() / (1000 * units.fs)
            return Langevin(
                atoms, step, temperature_K=start, friction=friction, fixcm=False, rng=rng
            )
        if parameters["MDALGO"] == 1:
            probability = parameters["ANDERSEN_PROB"]
            return Andersen(atoms, step, temperature_K=start, andersen_prob=probability, rng=rng)
        if parameters["MDALGO"] == 2 or parameters["SMASS"] >= 0:
            if parameters["TEEND"] != start:
                raise InputError("TEEND differs from TEBEG; the stand-in's Nosé keeps one of them")
            damping = NOSE_PERIOD * step / (math.sqrt(2) * math.pi)
            return NoseHooverChainNVT(atoms, step, temperature_K=start, tdamp=damping)
        return VelocityVerlet(atoms, step)

    def _friction(self) -> NDArray[np.float64]:
        """Return the friction of each atom in 1/ps, shape (N, 1)."""
        counts = self.job.poscar.counts
        gammas = self.parameters.get("LANGEVIN_GAMMA", [0.0] * len(counts))
        if len(gammas) != len(counts):
            raise InputError(f"LANGEVIN_GAMMA has {len(gammas)} values; expected {len(counts)}")
        return np.repeat(gammas, counts)[:, None]

    def _relaxation(self) -> Iterator[Frame]:
        parameters = self.parameters
        moved: Any = FrechetCellFilter(self.atoms) if parameters["ISIF"] == 3 else self.atoms
        optimizer = OPTIMIZERS[parameters["IBRION"]](moved, logfile=None)
        before = math.inf
        for index in range(1, parameters["NSW"] + 1):
            frame = self.evaluate(index)
            energy = frame.electrons.final.free
            largest = float(np.linalg.norm(moved.get_forces(), axis=1).max())
            self.reached_accuracy = self._accurate(abs(energy - before), largest)
            if not self.reached_accuracy:
                optimizer.step()
            yield frame
            if self.reached_accuracy:
                return
            before = energy

    def _accurate(self, change: float, largest_force: float) -> bool:
        criterion = self.parameters["EDIFFG"]
        return change < criterion if criterion >= 0 else largest_force < -criterion
