"""The trajectory node of an MD run by CP2K."""

from __future__ import annotations

import numpy as np

from ..calculations.cp2k_settings import Cp2kMDParameters
from ..data.trajectory import MDTrajectoryData
from ..science.cp2k_output import MainOutput, XyzFrames
from ..science.frames import System
from ..science.units import FS_TO_PS, HARTREE_BOHR_EV_ANGSTROM, HARTREE_EV


def md_trajectory(
    md: Cp2kMDParameters,
    last_step: int,
    start: System,
    output: MainOutput,
    positions: XyzFrames,
    forces: XyzFrames,
    cells: dict[int, list[float]],
    thermo: dict[int, list[float]],
) -> MDTrajectoryData | None:
    """Return the trajectory of the steps that all files have whole; None where there is none.

    Parameters
    ----------
    last_step
        Step at which the run was to end.
    thermo
        Rows of CP2K's ``.ener`` by step, in atomic units.
    """
    steps = [s for s in positions.steps if s in cells and s in set(forces.steps)]
    steps = [s for s in steps if np.isfinite(positions.values[positions.steps.index(s)]).all()]
    if not steps:
        return None
    rows = [positions.steps.index(step) for step in steps]
    force_rows = [forces.steps.index(step) for step in steps]
    known = sorted(thermo)
    columns = np.array([thermo[step] for step in known]).reshape(len(known), -1)
    completed = output.finished and steps[-1] + md.trajectory_stride > last_step
    return MDTrajectoryData(
        numbers=start.numbers,
        pbc=start.pbc,
        steps=steps,
        times_ps=np.array(steps) * md.timestep_fs * FS_TO_PS,
        positions=positions.values[rows],
        cells=np.array([cells[step][1:10] for step in steps]).reshape(-1, 3, 3),
        forces=forces.values[force_rows] * HARTREE_BOHR_EV_ANGSTROM,
        thermo={
            "step": known,
            "kinetic_energy_eV": columns[:, 1] * HARTREE_EV,
            "temperature_K": columns[:, 2],
            "potential_energy_eV": columns[:, 3] * HARTREE_EV,
            "conserved_eV": columns[:, 4] * HARTREE_EV,
        }
        if known
        else None,
        info={**md.model_dump(), "completed": completed},
    )
