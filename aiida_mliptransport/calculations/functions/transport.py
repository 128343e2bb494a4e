"""The calcfunction that turns production trajectories into transport observables."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.segments import JoinedTrajectory
from ...data.trajectory import MDTrajectoryData
from ...science.transport.arrhenius import ArrheniusQuantity, fit_arrhenius
from ...science.transport.point import Run, analyse_point, spacing, species_in_order
from ...science.transport.rdf import partial_rdfs
from ...science.transport.reference import ReferenceFrame, parse_reference_frame

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
        ``<structure>_<T>K_replica<i>``, and ``…_segment<j>`` where a restart extended it; the
        replicas of a structure and temperature are analysed together.

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
    groups = _groups(trajectories)
    curves = orm.ArrayData()
    points = []
    for name, nodes in groups.items():
        _check_charges(name, nodes[0].first, charge)
        points.append(_analyse_point(name, nodes, charge, frame, settings, curves))
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


def _groups(
    trajectories: dict[str, MDTrajectoryData],
) -> dict[str, list[JoinedTrajectory]]:
    """Return the runs of each structure and temperature, their segments joined in time."""
    runs: dict[str, dict[int, MDTrajectoryData]] = {}
    for key, node in trajectories.items():
        run, _, segment = key.partition("_segment")
        runs.setdefault(run, {})[int(segment or 0)] = node
    groups: dict[str, list[JoinedTrajectory]] = {}
    for run in sorted(runs):
        joined = JoinedTrajectory([runs[run][number] for number in sorted(runs[run])])
        groups.setdefault(re.sub(r"_replica\d+$", "", run), []).append(joined)
    return groups


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
    nodes: list[JoinedTrajectory],
    charges: dict[str, float],
    frame: ReferenceFrame,
    settings: dict[str, Any],
    curves: orm.ArrayData,
) -> dict[str, Any]:
    first = nodes[0].first
    temperature = float(first.info["temperature_K"])
    volume = float(np.mean([np.abs(np.linalg.det(node.cells)).mean() for node in nodes]))
    result = analyse_point(
        [_run(node) for node in nodes],
        first.symbols,
        first.masses,
        volume,
        temperature,
        charges,
        frame,
    )
    for key, curve in result.curves.items():
        curves.set_array(_array_name(f"{name}_{key}"), curve)
    _store_rdfs(name, nodes[0], settings["rdf_bin_A"], curves)
    return {
        "name": name,
        "structure": name.rsplit("_", 1)[0],
        "temperature_K": temperature,
        "mean_temperature_K": _mean_temperature(nodes),
        "n_atoms": first.n_atoms,
        "counts": dict(Counter(first.symbols)),
        "volume_A3": volume,
        "length_ps": sum(n.length_ps for n in nodes),
        "n_trajectories": len(nodes),
        "n_segments": sum(len(n.segments) for n in nodes),
        **result.record,
        "max_force_deviation": _deviation_record(nodes),
    }


def _run(node: JoinedTrajectory) -> Run:
    """Return the arrays of a run, the species in the order of their first atom."""
    times, centres = node.species_series()
    order = [node.species_names.index(name) for name in species_in_order(node.symbols)]
    return Run(node.positions(), spacing(node.times_ps), centres[:, order], spacing(times))


def _array_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


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


def _store_rdfs(name: str, node: JoinedTrajectory, width: float, curves: orm.ArrayData) -> None:
    stride = max(1, node.n_frames // MAX_RDF_FRAMES)
    rdfs = partial_rdfs(node.positions(stride), node.symbols, node.cells[::stride], bin_width=width)
    for (first, second), rdf in rdfs.items():
        curves.set_array(_array_name(f"{name}_rdf_r"), rdf.r)
        curves.set_array(_array_name(f"{name}_rdf_{first}_{second}"), rdf.g)


def _arrhenius(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit what is resolved at three or more temperatures; say so where it is not."""
    fits: dict[str, Any] = {}
    for element in points[0]["diffusion"]:
        fits[f"D_{element}"] = _fit(
            [(p["temperature_K"], p["diffusion"][element], "D_cm2_s") for p in points], "D"
        )
    fits["sigma_T"] = _fit(
        [(p["temperature_K"], p["conductivity"], "sigma_mS_cm") for p in points], "sigmaT"
    )
    fits["sigma"] = _fit(
        [(p["temperature_K"], p["conductivity"], "sigma_mS_cm") for p in points], "sigma"
    )
    return fits


def _fit(
    rows: list[tuple[float, dict[str, Any], str]], quantity: ArrheniusQuantity
) -> dict[str, Any]:
    good = [(t, record[key], record["standard_error"]) for t, record, key in rows if
            record["resolved"]]  # fmt: skip
    if len({t for t, _, _ in good}) < 3:
        return {
            "Ea_eV": None,
            "reason": f"resolved at {len(good)} of {len(rows)} temperatures, expected 3 or more",
        }
    temperatures, values, errors = zip(*good, strict=True)
    fit = fit_arrhenius(temperatures, values, errors, quantity)
    return {
        "Ea_eV": fit.activation_energy_eV,
        "Ea_error_eV": fit.activation_energy_error_eV,
        "ln_prefactor": fit.ln_prefactor,
        "ln_prefactor_error": fit.ln_prefactor_error,
        "prefactor": fit.prefactor,
        "prefactor_unit": fit.prefactor_unit,
        "covariance": [list(row) for row in fit.covariance],
        "reduced_chi_square": fit.reduced_chi_square,
        "temperatures_K": list(fit.temperatures_K),
        "warning": fit.warning,
        "reason": "",
    }
