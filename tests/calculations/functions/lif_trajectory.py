"""Trajectories of a LiF crystal with given deviations, for tests of what is chosen from them."""

import numpy as np
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.data.trajectory import MDTrajectoryData


def lif() -> Atoms:
    return bulk("LiF", "rocksalt", a=4.03, cubic=True)


def lif_trajectory(positions, deviation, completed=True, thermo=None) -> MDTrajectoryData:
    """Return a stored trajectory of ``positions`` (n, N, 3), 10 steps and 0.01 ps apart."""
    atoms = lif()
    n = len(positions)
    steps = 10 * np.arange(n)
    return MDTrajectoryData(
        numbers=atoms.numbers,
        pbc=atoms.pbc,
        steps=steps,
        times_ps=0.01 * np.arange(n),
        positions=positions,
        cells=np.repeat(atoms.cell.array[None], n, axis=0),
        thermo=thermo or {"step": steps},
        deviations={
            "steps": steps,
            "max_force": np.asarray(deviation, dtype=float),
            "mean_force": np.asarray(deviation, dtype=float) / 2,
            "min_force": np.zeros(n),
        },
        info={"temperature_K": 300.0, "completed": completed},
    ).store()
