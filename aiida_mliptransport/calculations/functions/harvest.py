"""The calcfunction that makes the hops of trajectories the ends of migration paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.segments import JoinedTrajectory
from ...data.trajectory import MDTrajectoryData
from ...science.barriers import (
    EndPointsError,
    HarvestSettings,
    HopMechanism,
    check_end_points,
    distinct_mechanisms,
    harvest_hops,
)
from ...science.transport.point import spacing
from ...science.transport.reference import LABORATORY, framework, remove_drift
from ...science.transport.site_settings import sites_of
from .production_runs import group_runs

#: Relative difference of cell vectors within a run, or between runs, that is rounding.
SAME_CELL = 1e-4


@calcfunction
def harvest_ends(parameters: orm.Dict, **trajectories: MDTrajectoryData) -> dict[str, Any]:
    """Find the hops of runs, and take one of each mechanism as the ends of a path.

    Parameters
    ----------
    parameters
        :class:`~aiida_mliptransport.science.barriers.HarvestSettings`.
    trajectories
        Runs at constant volume, named as for ``analyse_transport``. Those of one structure are
        counted together, whatever their temperature.

    Returns
    -------
    dict
        ``initial_<path>`` and ``final_<path>`` (StructureData, not relaxed), and ``paths`` (Dict):
        ``paths`` with the kind, the number of ions, jump lengths (Å), labels, count and share of
        each mechanism, ``structures`` with what was seen in each, and ``refused``, reasons of what
        is no path.
    """
    settings = HarvestSettings.model_validate(parameters.get_dict())
    runs: dict[str, list[JoinedTrajectory]] = {}
    for point, members in group_runs(trajectories).items():
        found = runs.setdefault(point.rsplit("_", 1)[0], [])
        found += [run for nodes in members.values() for run in nodes]
    outputs: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    structures: dict[str, Any] = {}
    refused: list[str] = []
    for structure, nodes in sorted(runs.items()):
        try:
            mechanisms, structures[structure] = _mechanisms(nodes, settings)
        except ValueError as error:
            refused.append(f"{structure}: {error}")
            continue
        numbers: dict[str, int] = {}
        for mechanism in mechanisms[: settings.max_mechanisms]:
            kind = mechanism.kind.replace("-", "_")
            numbers[kind] = numbers.get(kind, 0) + 1
            name = f"{structure}_{mechanism.symbol}_{kind}_{numbers[kind]}"
            ends = mechanism.representative.end_points
            try:
                check_end_points(ends)
            except EndPointsError as error:
                refused.append(f"{name}: {error}")
                continue
            outputs[f"initial_{name}"] = orm.StructureData(ase=ends.initial)
            outputs[f"final_{name}"] = orm.StructureData(ase=ends.final)
            paths[name] = _record(structure, mechanism)
        if len(mechanisms) > settings.max_mechanisms:
            rest = sum(mechanism.count for mechanism in mechanisms[settings.max_mechanisms :])
            refused.append(
                f"{structure}: {len(mechanisms) - settings.max_mechanisms} rarer mechanisms with "
                f"{rest} hops in all; raise max_mechanisms for them"
            )
    return {
        **outputs,
        "paths": orm.Dict({"paths": paths, "structures": structures, "refused": refused}),
    }


def _mechanisms(
    nodes: Sequence[JoinedTrajectory], settings: HarvestSettings
) -> tuple[tuple[HopMechanism, ...], dict[str, Any]]:
    """Return the mechanisms of runs of one structure, and what was seen."""
    cell = _common_cell(nodes)
    symbols = nodes[0].symbols
    if settings.symbol not in symbols:
        raise ValueError(f"symbol is {settings.symbol!r}, expected one of {sorted(set(symbols))}")
    others = sorted(set(symbols) - {settings.symbol})
    frame = framework(*others) if others else LABORATORY
    mobile = np.flatnonzero(np.array(symbols) == settings.symbol)
    positions = [node.positions() for node in nodes]
    still = [remove_drift(run, symbols, frame)[:, mobile] for run in positions]
    sites = sites_of(np.concatenate(still), cell, settings)
    hops, core_fraction, chance = [], [], []
    for node, run in zip(nodes, positions, strict=True):
        found = harvest_hops(
            run,
            cell,
            node.first.numbers,
            spacing(node.times_ps),
            settings.symbol,
            sites,
            core_radius_angstrom=settings.core_radius_A,
            window_ps=settings.window_ps,
            distance_angstrom=settings.distance_A,
            interstitial_labels=settings.interstitial_labels,
        )
        hops += found.hops
        core_fraction.append(found.core_fraction)
        chance.append(found.chance)
    seen = {
        "n_runs": len(nodes),
        "time_ps": sum(node.length_ps for node in nodes),
        "n_sites": len(sites.positions),
        "n_hops": len(hops),
        "core_fraction": float(np.mean(core_fraction)),
        "share_of_several_by_chance": float(np.mean(chance)),
    }
    if not hops:
        raise ValueError(
            f"no hop of {settings.symbol} in {seen['time_ps']:.3g} ps of {len(nodes)} runs with "
            f"{seen['n_sites']} sites ({seen['core_fraction']:.0%} of positions in a core); run "
            "longer or hotter, or give the sites"
        )
    mechanisms = distinct_mechanisms(hops, tolerance_angstrom=settings.tolerance_A)
    return tuple(m for m in mechanisms if m.count >= settings.min_count), seen


def _common_cell(nodes: Sequence[JoinedTrajectory]) -> Any:
    cell = nodes[0].cells[0]
    scale = np.abs(cell).max()
    for node in nodes:
        strain = float(np.abs(node.cells - cell).max() / scale)
        if strain > SAME_CELL:
            raise ValueError(
                f"cell vectors differ by {strain:.2g} of their length, expected runs at one "
                "constant volume: sites would move with the cell"
            )
    return cell


def _record(structure: str, mechanism: HopMechanism) -> dict[str, Any]:
    return {
        "structure": structure,
        "kind": mechanism.kind,
        "symbol": mechanism.symbol,
        "n_ions": mechanism.n_ions,
        "labels": [list(pair) for pair in mechanism.labels],
        "length_A": float(mechanism.lengths.max()),
        "lengths_A": mechanism.lengths.tolist(),
        "count": mechanism.count,
        "share": mechanism.share,
    }
