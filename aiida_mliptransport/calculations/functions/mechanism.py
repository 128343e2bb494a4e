"""The calcfunction that says by which mechanism the ions of production trajectories move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.segments import JoinedTrajectory
from ...data.trajectory import MDTrajectoryData
from ...science.transport.joined_point import fit_members
from ...science.transport.mechanism import MechanismResult, MechanismRun, analyse_mechanism
from ...science.transport.mechanism_rows import RATES, Rows, join_rows, mechanism_rows
from ...science.transport.mechanism_settings import MechanismSettings
from ...science.transport.point import spacing
from ...science.transport.reference import ReferenceFrame, parse_reference_frame
from ..run_names import array_name
from .production_runs import PointRuns, check_start, group_runs


@calcfunction
def find_mechanism(
    charges: orm.Dict,
    reference_frame: orm.Str,
    parameters: orm.Dict,
    estimator_version: orm.Str,
    **trajectories: MDTrajectoryData,
) -> dict[str, orm.Data]:
    """Return hops, molecules, vibrations and displacements of production runs.

    Parameters
    ----------
    charges
        Charge of each element, elementary charges.
    reference_frame
        ``barycentric``, ``laboratory`` or ``framework:El+El``; in a solid the framework, so that
        sites stay where they are.
    parameters
        As in :class:`~aiida_mliptransport.science.transport.mechanism_settings.MechanismSettings`.
    estimator_version
        Of ``science.transport``; an input, so that a cached result knows its estimator.
    trajectories
        As for ``analyse_transport``. The replicas of a member are counted together, its members
        apart, and their numbers joined.

    Returns
    -------
    dict
        ``mechanism`` (Dict): ``points`` with ``rows`` (every number with its error, joined over
        the members) and ``members`` (all that was found), and ``arrhenius`` of the rates of each
        structure. ``mechanism_curves`` (ArrayData).

    Raises
    ------
    ValueError
        If the parameters or the trajectories do not fit.
    """
    settings = MechanismSettings.model_validate(parameters.get_dict())
    frame = parse_reference_frame(reference_frame.value)
    charge = {str(name): float(value) for name, value in charges.get_dict().items()}
    curves = orm.ArrayData()
    points = []
    rows: dict[tuple[str, float], dict[str, Rows]] = {}
    for name, members in group_runs(trajectories).items():
        results = _analyse(members, charge, frame, settings)
        for number, result in enumerate(results.values()):
            # The first member's curves are those that are plotted.
            prefix = name if number == 0 else f"{name}_member{number}"
            for key, curve in result.curves.items():
                curves.set_array(array_name(f"{prefix}_{key}"), np.asarray(curve))
        of_members = {member: mechanism_rows(result.record) for member, result in results.items()}
        structure = name.rsplit("_", 1)[0]
        first = next(iter(members.values()))[0].first
        temperature = float(first.info["temperature_K"])
        rows[structure, temperature] = of_members
        points.append(
            {
                "name": name,
                "structure": structure,
                "temperature_K": temperature,
                "n_members": len(members),
                "rows": join_rows(of_members),
                "members": {member: result.record for member, result in results.items()},
            }
        )
    points.sort(key=lambda point: (point["structure"], point["temperature_K"]))
    structures = sorted({structure for structure, _ in rows})
    mechanism = {
        "estimator_version": estimator_version.value,
        "reference_frame": frame.label,
        "points": points,
        "arrhenius": {
            structure: _arrhenius({t: r for (s, t), r in rows.items() if s == structure})
            for structure in structures
        },
    }
    return {"mechanism": orm.Dict(mechanism), "mechanism_curves": curves}


def _analyse(
    members: PointRuns,
    charges: Mapping[str, float],
    frame: ReferenceFrame,
    settings: MechanismSettings,
) -> dict[str, MechanismResult]:
    """Return what was found in the runs of each member."""
    first = next(iter(members.values()))[0].first
    return {
        member: analyse_mechanism(
            [_run(node, settings.vibrations is not None) for node in nodes],
            first.symbols,
            first.masses,
            float(first.info["temperature_K"]),
            charges,
            frame,
            settings,
        )
        for member, nodes in members.items()
    }


def _run(node: JoinedTrajectory, with_velocities: bool) -> MechanismRun:
    """Return the arrays of a run from when on it is equilibrated."""
    times = node.times_ps
    kept = times >= times[0] + check_start(node)["start_ps"] - 1e-9
    velocities = node.velocities() if with_velocities else None
    return MechanismRun(
        node.positions()[kept],
        node.cells[kept],
        spacing(times),
        None if velocities is None else velocities[kept],
    )


def _arrhenius(by_temperature: Mapping[float, Mapping[str, Rows]]) -> dict[str, Any]:
    """Fit the rates that are resolved at three or more temperatures."""
    names = {
        name
        for members in by_temperature.values()
        for rows in members.values()
        for name in rows
        if name.startswith(RATES)
    }
    return {name: _fit_members(name, by_temperature) for name in sorted(names)}


def _fit_members(name: str, by_temperature: Mapping[float, Mapping[str, Rows]]) -> dict[str, Any]:
    names = {member for members in by_temperature.values() for member in members}
    unseen = {"resolved": False, "value": None, "standard_error": None}
    points: dict[str, list[tuple[float, float | None, float | None]]] = {m: [] for m in names}
    for temperature, members in sorted(by_temperature.items()):
        for member in names:
            row = members.get(member, {}).get(name, unseen)
            value = row["value"] if row["resolved"] else None
            points[member].append((temperature, value, row["standard_error"]))
    return fit_members(points, "rate")
