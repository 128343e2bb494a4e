"""The calcfunction that turns production trajectories into transport observables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.segments import JoinedTrajectory
from ...data.trajectory import MDTrajectoryData
from ...science.transport.arrhenius import ArrheniusQuantity
from ...science.transport.joined_point import (
    fit_members,
    join_conductivity,
    join_diffusion,
    join_green_kubo,
)
from ...science.transport.point import (
    PointResult,
    Run,
    analyse_point,
    spacing,
    species_in_order,
)
from ...science.transport.rdf import partial_rdfs
from ...science.transport.records import coordination_record
from ...science.transport.reference import ReferenceFrame, parse_reference_frame
from ..run_names import array_name
from .production_runs import PointRuns, check_start, group_runs, mean_volume

#: Frames that the RDF is averaged over at most; more do not change a curve that is looked at.
MAX_RDF_FRAMES = 400


@calcfunction
def analyse_transport(
    charges: orm.Dict,
    parameters: orm.Dict,
    estimator_version: orm.Str,
    **trajectories: MDTrajectoryData,
) -> dict[str, orm.Data]:
    """Return diffusion, conductivity and Arrhenius energies of production runs.

    Parameters
    ----------
    charges
        Charge of each element, elementary charges.
    parameters
        ``reference_frame`` (``barycentric``, ``laboratory`` or ``framework:El+El``),
        ``rdf_bin_A``.
    estimator_version
        Of ``science.transport``; an input, so that a cached result knows its estimator.
    trajectories
        ``<structure>_<T>K[_member<i>]_replica<j>``, and ``…_segment<k>`` where a restart extended
        it (:class:`~aiida_mliptransport.calculations.run_names.RunName`). The replicas of a
        member are analysed together, its members apart, and their results joined.

    Returns
    -------
    dict
        ``observables`` (Dict) and ``curves`` (ArrayData).

    Raises
    ------
    ValueError
        If an element has no charge, or a trajectory no species displacements.
    """
    settings = parameters.get_dict()
    frame = parse_reference_frame(settings["reference_frame"])
    charge = {str(name): float(value) for name, value in charges.get_dict().items()}
    curves = orm.ArrayData()
    points = []
    for name, members in group_runs(trajectories).items():
        _check_charges(name, next(iter(members.values()))[0].first, charge)
        points.append(_analyse_point(name, members, charge, frame, settings, curves))
    # Names sort 1000 K before 800 K; a table that people read does not.
    points.sort(key=lambda point: (point["structure"], point["temperature_K"]))
    arrhenius = {
        structure: _arrhenius([p for p in points if p["structure"] == structure])
        for structure in sorted({p["structure"] for p in points})
    }
    observables = {
        "estimator_version": estimator_version.value,
        "reference_frame": frame.label,
        "charges": charge,
        "points": points,
        # One structure is the rule; several keep theirs apart.
        "arrhenius": next(iter(arrhenius.values())) if len(arrhenius) == 1 else {},
        "arrhenius_by_structure": arrhenius,
    }
    return {"observables": orm.Dict(observables), "curves": curves}


def _check_charges(name: str, node: MDTrajectoryData, charges: dict[str, float]) -> None:
    missing = [element for element in node.elements if element not in charges]
    if missing:
        raise ValueError(
            f"charges {charges} lack {missing} of {name!r}; charges are never guessed, give them"
        )
    if node.species is None:
        raise ValueError(
            f"trajectory {name!r} has no species displacements; run it with a species_stride"
        )


def _analyse_point(
    name: str,
    members: PointRuns,
    charges: dict[str, float],
    frame: ReferenceFrame,
    settings: dict[str, Any],
    curves: orm.ArrayData,
) -> dict[str, Any]:
    nodes = [node for runs in members.values() for node in runs]
    first = nodes[0].first
    temperature = float(first.info["temperature_K"])
    results: dict[str, PointResult] = {}
    checks = []
    for member, runs in members.items():
        starts = [check_start(node) for node in runs]
        checks += [{"member": member, **check} for check in starts]
        results[member] = analyse_point(
            [_run(node, check["start_ps"]) for node, check in zip(runs, starts, strict=True)],
            first.symbols,
            first.masses,
            mean_volume(runs),
            temperature,
            charges,
            frame,
        )
    for number, result in enumerate(results.values()):
        # The first member's curves are those that are plotted.
        prefix = name if number == 0 else f"{name}_member{number}"
        for key, curve in result.curves.items():
            curves.set_array(array_name(f"{prefix}_{key}"), curve)
    return {
        "name": name,
        "structure": name.rsplit("_", 1)[0],
        "temperature_K": temperature,
        "mean_temperature_K": _mean_temperature(nodes),
        "n_atoms": first.n_atoms,
        "counts": dict(Counter(first.symbols)),
        "volume_A3": mean_volume(nodes),
        "length_ps": sum(n.length_ps for n in nodes),
        "n_members": len(members),
        "n_trajectories": len(nodes),
        "n_segments": sum(len(n.segments) for n in nodes),
        "equilibrated": all(check["equilibrated"] for check in checks),
        "equilibration": checks,
        **_join(results),
        "coordination": _store_rdfs(name, nodes[0], settings["rdf_bin_A"], curves),
        "max_force_deviation": _deviation_record(nodes),
    }


def _join(results: Mapping[str, PointResult]) -> dict[str, Any]:
    """Return one record of the members' records, and theirs."""
    records = {member: result.record for member, result in results.items()}
    first = next(iter(records.values()))
    joined: dict[str, Any] = {
        "diffusion": {
            element: join_diffusion({m: r["diffusion"][element] for m, r in records.items()})
            for element in first["diffusion"]
        },
        "conductivity": join_conductivity({m: r["conductivity"] for m, r in records.items()}),
    }
    if all("green_kubo" in record for record in records.values()):
        joined["green_kubo"] = join_green_kubo({m: r["green_kubo"] for m, r in records.items()})
    return {**joined, "members": records}


def _run(node: JoinedTrajectory, start_ps: float) -> Run:
    """Return the arrays of a run from a time on, the species in the order of their first atom."""
    times, centres, velocities = node.species_series()
    order = [node.species_names.index(name) for name in species_in_order(node.symbols)]
    begin = node.times_ps[0] + start_ps - 1e-9
    dense, frames = times >= begin, node.times_ps >= begin
    return Run(
        node.positions()[frames],
        spacing(node.times_ps),
        centres[dense][:, order],
        spacing(times),
        velocities[dense][:, order],
    )


def _mean_temperature(nodes: list[JoinedTrajectory]) -> float | None:
    series = [n.thermo("temperature_K") for n in nodes]
    values = [each.mean() for each in series if each is not None]
    return float(np.mean(values)) if values else None


def _deviation_record(nodes: list[JoinedTrajectory]) -> dict[str, float] | None:
    """Say how far the committee disagreed in production: extrapolation shows here first."""
    series = [n.max_force_deviation() for n in nodes]
    values = [each for each in series if each is not None]
    if not values:
        return None
    joined = np.concatenate(values)
    return {
        "median_eV_A": float(np.median(joined)),
        "quantile_99_eV_A": float(np.quantile(joined, 0.99)),
        "largest_eV_A": float(joined.max()),
    }


def _store_rdfs(
    name: str, node: JoinedTrajectory, width: float, curves: orm.ArrayData
) -> dict[str, Any]:
    """Store g(r) and the running coordination number of all pairs, and return what they tell."""
    stride = max(1, node.n_frames // MAX_RDF_FRAMES)
    rdfs = partial_rdfs(node.positions(stride), node.symbols, node.cells[::stride], bin_width=width)
    for (first, second), rdf in rdfs.items():
        curves.set_array(array_name(f"{name}_rdf_r"), rdf.r)
        curves.set_array(array_name(f"{name}_rdf_{first}_{second}"), rdf.g)
        curves.set_array(array_name(f"{name}_cn_{first}_{second}"), rdf.running_cn)
    return {f"{first}-{second}": coordination_record(rdf) for (first, second), rdf in rdfs.items()}


def _arrhenius(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit what is resolved at three or more temperatures; say so where it is not."""
    rows = {
        f"D_{element}": ("D", "D_cm2_s", "diffusion", element) for element in points[0]["diffusion"]
    }
    rows["sigma_T"] = ("sigmaT", "sigma_mS_cm", "conductivity", None)
    rows["sigma"] = ("sigma", "sigma_mS_cm", "conductivity", None)
    return {name: _fit_members(points, *row) for name, row in rows.items()}


def _fit_members(
    points: list[dict[str, Any]],
    quantity: ArrheniusQuantity,
    key: str,
    kind: str,
    element: str | None,
) -> dict[str, Any]:
    """Fit one quantity for each member and join the lines."""
    members: dict[str, list[tuple[float, float | None, float | None]]] = {}
    for point in points:
        for member, records in point["members"].items():
            record = records[kind][element] if element else records[kind]
            value = record[key] if record["resolved"] else None
            row = (point["temperature_K"], value, record["standard_error"])
            members.setdefault(member, []).append(row)
    return fit_members(members, quantity)
