"""Calcfunctions that take structures out of trajectories and compare trajectories."""

from __future__ import annotations

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from ase import Atoms

from ...data.trajectory import MDTrajectoryData
from ...science.transport.equilibration import check_equilibration, statistical_inefficiency
from ...science.transport.rdf import partial_rdfs


@calcfunction
def last_structure(trajectory: MDTrajectoryData) -> orm.StructureData:
    """Return the last frame of a trajectory, wrapped into its cell."""
    return orm.StructureData(ase=wrapped_frame(trajectory, trajectory.n_frames - 1))


def wrapped_frame(trajectory: MDTrajectoryData, frame: int) -> Atoms:
    """Return one frame of a trajectory, wrapped into its cell."""
    atoms = Atoms(
        numbers=trajectory.numbers,
        positions=trajectory.positions(frames=slice(frame, frame + 1))[0],
        cell=trajectory.cells[frame],
        pbc=trajectory.pbc,
    )
    atoms.wrap()
    return atoms


@calcfunction
def structure_at_mean_cell(trajectory: MDTrajectoryData) -> dict[str, orm.Data]:
    """Return the last frame of an NPT run, brought to the mean cell of its stationary part.

    Returns
    -------
    dict
        ``structure``, wrapped, and ``mean_cell`` (Dict): ``volume_A3`` with its standard error,
        ``equilibrated`` and since when. Where no stationary part was seen, the second half counts.
    """
    volumes = np.abs(np.linalg.det(trajectory.cells))
    check = check_equilibration(volumes)
    start = check.start if check.equilibrated else len(volumes) // 2
    cell = trajectory.cells[start:].mean(axis=0)
    n_independent = (len(volumes) - start) / statistical_inefficiency(volumes[start:])
    last = slice(trajectory.n_frames - 1, trajectory.n_frames)
    scaled = trajectory.positions(frames=last)[0] @ np.linalg.inv(trajectory.cells[-1])
    atoms = Atoms(
        numbers=trajectory.numbers,
        scaled_positions=scaled % 1.0,
        cell=cell,
        pbc=trajectory.pbc,
    )
    record = {
        "volume_A3": float(atoms.get_volume()),
        "volume_error_A3": float(volumes[start:].std() / np.sqrt(max(n_independent, 1.0))),
        "equilibrated": check.equilibrated,
        "start_ps": float(trajectory.times_ps[start] - trajectory.times_ps[0]),
        "reason": check.reason,
    }
    return {"structure": orm.StructureData(ase=atoms), "mean_cell": orm.Dict(record)}


@calcfunction
def compare_rdf(
    bin_width_A: orm.Float, reach_A: orm.Float, **trajectories: MDTrajectoryData
) -> orm.ArrayData:
    """Return the partial RDFs of the labeller's MD beside those of the potential's MD.

    Parameters
    ----------
    bin_width_A, reach_A
        Å. Beyond half of the cell periodic images count as neighbours.
    trajectories
        Named ``labeller__<key>`` and ``potential__<key>``; those of a kind are averaged, without
        the first half of each. The two kinds should have cells and temperatures in common.

    Returns
    -------
    ArrayData
        ``<pair>_r`` (Å), ``<pair>_labeller`` and ``<pair>_dpmd`` for each pair, like ``Cl_Li``.
    """
    mean: dict[tuple[str, str], np.ndarray] = {}
    radius: dict[str, np.ndarray] = {}
    for kind in ("labeller", "potential"):
        nodes = [trajectories[key] for key in sorted(trajectories) if key.startswith(f"{kind}__")]
        total = sum(node.n_frames - node.n_frames // 2 for node in nodes)
        for node in nodes:
            late = slice(node.n_frames // 2, None)
            rdfs = partial_rdfs(
                node.positions(frames=late),
                node.symbols,
                node.cells[late],
                reach_A.value,
                bin_width_A.value,
            )
            for (first, second), rdf in rdfs.items():
                pair = f"{first}_{second}"
                radius[pair] = rdf.r
                part = rdf.g * ((node.n_frames - node.n_frames // 2) / total)
                mean[kind, pair] = mean.get((kind, pair), np.zeros_like(part)) + part
    result = orm.ArrayData()
    for pair, r in sorted(radius.items()):
        if ("labeller", pair) in mean and ("potential", pair) in mean:
            result.set_array(f"{pair}_r", r)
            result.set_array(f"{pair}_labeller", mean["labeller", pair])
            result.set_array(f"{pair}_dpmd", mean["potential", pair])
    return result
