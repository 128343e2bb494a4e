"""Read observables and curves of the production MD from a transport process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiida import orm

from ..calculations.run_names import array_name, point_name
from .collect_learning import read_checks
from .graph import Root, children, in_namespace, outputs
from .model import FloatArray
from .model_transport import ArrheniusFit, Conductivity, Diffusion, MsdCurve, Point, Transport
from .numbers import is_number

#: Name of the collective curve among those of the elements.
CHARGE = "charge"


def read_transport(root: Root) -> Transport | None:
    """Return what is known of the transport: outputs of ``root``, else of its descendants."""
    given = root.given
    observables = _first_dict(
        given.get("transport__observables"),
        given.get("observables"),
        *_created(root.called, orm.Dict),
    )
    curves = _first_curves(
        given.get("transport__curves"), given.get("curves"), *_created(root.called, orm.ArrayData)
    )
    if observables is None and curves is None:
        return None
    trajectories = in_namespace(given, "transport__trajectories")
    trajectories = trajectories or in_namespace(given, "trajectories")
    return transport_of(observables or {}, _arrays(curves), len(trajectories))


def transport_of(
    content: Mapping[str, Any], arrays: Mapping[str, FloatArray], n_trajectories: int
) -> Transport:
    """Return what the observables of an analysis and its curves tell.

    Parameters
    ----------
    content
        As in the output ``observables`` of the transport WorkChain.
    arrays
        As in its output ``curves``.
    """
    points = tuple(_point(entry) for entry in content.get("points", []))
    return Transport(
        points=tuple(sorted(points, key=lambda p: (p.structure, p.temperature))),
        arrhenius=_arrhenius(content, points),
        msd=_msd_curves(arrays, points),
        checks=read_checks(content.get("checks")),
        charges={str(k): float(v) for k, v in (content.get("charges") or {}).items()},
        reference_frame=str(content.get("reference_frame") or ""),
        estimator_version=str(content.get("estimator_version") or ""),
        n_trajectories=n_trajectories,
    )


def _arrays(node: orm.ArrayData | None) -> dict[str, FloatArray]:
    if node is None:
        return {}
    names = [name for name in node.get_arraynames() if "_time_ps" in name or "_msd_" in name]
    return {name: node.get_array(name) for name in names}


def _created(called: Mapping[str, orm.ProcessNode], kind: type[orm.Data]) -> list[orm.Data]:
    """Return outputs of the transport child and of its analysis, for a process not finished."""
    found: list[orm.Data] = []
    for process in [called[label] for label in ("transport", "analyse") if label in called]:
        found += [node for _, node in sorted(outputs(process).items()) if isinstance(node, kind)]
        found += _created(children(process), kind)
    return found


def _first_dict(*nodes: orm.Data | None) -> dict[str, Any] | None:
    for node in nodes:
        if isinstance(node, orm.Dict) and "points" in node.get_dict():
            return node.get_dict()
    return None


def _first_curves(*nodes: orm.Data | None) -> orm.ArrayData | None:
    for node in nodes:
        if isinstance(node, orm.ArrayData) and any(
            name.endswith("_time_ps") for name in node.get_arraynames()
        ):
            return node
    return None


def _point(entry: Mapping[str, Any]) -> Point:
    conductivity = entry.get("conductivity")
    deviation = entry.get("max_force_deviation") or {}
    return Point(
        structure=str(entry.get("structure", "")),
        temperature=float(entry["temperature_K"]),
        mean_temperature=entry.get("mean_temperature_K"),
        n_atoms=entry.get("n_atoms"),
        volume=entry.get("volume_A3"),
        length_ps=entry.get("length_ps"),
        n_trajectories=entry.get("n_trajectories"),
        deviation_median=deviation.get("median_eV_A"),
        deviation_99=deviation.get("quantile_99_eV_A"),
        diffusion=tuple(
            _diffusion(str(element), value)
            for element, value in (entry.get("diffusion") or {}).items()
        ),
        conductivity=(
            _conductivity(conductivity, entry.get("green_kubo") or {}) if conductivity else None
        ),
        n_members=int(entry.get("n_members") or 1),
        equilibrated=entry.get("equilibrated"),
        equilibration_note=_equilibration_note(entry.get("equilibration") or []),
    )


def _equilibration_note(checks: Sequence[Mapping[str, Any]]) -> str:
    """Return why runs are not equilibrated, or how much of their start was left out."""
    reasons = [str(check["reason"]) for check in checks if not check["equilibrated"]]
    if reasons:
        return "; ".join(dict.fromkeys(reasons))
    latest = max((float(check["start_ps"]) for check in checks), default=0.0)
    return f"from {latest:.3g} ps on" if latest else ""


def _diffusion(element: str, value: Mapping[str, Any]) -> Diffusion:
    return Diffusion(
        element=element,
        value=value.get("D_cm2_s"),
        error=value.get("standard_error"),
        slope=value.get("log_log_slope"),
        slope_error=value.get("log_log_slope_error"),
        resolved=bool(value.get("resolved")),
        reason=str(value.get("reason") or ""),
        needed_length_ps=value.get("needed_length_ps"),
        fit_window_ps=_window(value.get("fit_window_ps")),
        upper_bound=value.get("upper_bound_cm2_s"),
        warning=str(value.get("warning") or ""),
        dominant_error=str(value.get("dominant_error") or ""),
    )


def _window(value: Any) -> tuple[float, float] | None:
    if not value or len(value) != 2 or not all(is_number(edge) for edge in value):
        return None
    return (float(value[0]), float(value[1]))


def _conductivity(value: Mapping[str, Any], green_kubo: Mapping[str, Any]) -> Conductivity:
    return Conductivity(
        value=value.get("sigma_mS_cm"),
        error=value.get("standard_error"),
        nernst_einstein=value.get("sigma_NE_mS_cm"),
        nernst_einstein_error=value.get("sigma_NE_error"),
        haven=value.get("haven_ratio"),
        haven_error=value.get("haven_ratio_error"),
        transference=_shares(value.get("transference")),
        transference_error=_shares(value.get("transference_error")),
        resolved=bool(value.get("resolved")),
        reason=str(value.get("reason") or ""),
        needed_length_ps=value.get("needed_length_ps"),
        fit_window_ps=_window(value.get("fit_window_ps")),
        warning=str(value.get("warning") or ""),
        dominant_error=str(value.get("dominant_error") or ""),
        green_kubo=green_kubo.get("sigma_mS_cm"),
        green_kubo_error=green_kubo.get("standard_error"),
        green_kubo_reason=str(green_kubo.get("reason") or ""),
    )


def _shares(content: Mapping[str, Any] | None) -> dict[str, float]:
    return {str(k): float(v) for k, v in (content or {}).items() if is_number(v)}


def _arrhenius(content: Mapping[str, Any], points: tuple[Point, ...]) -> tuple[ArrheniusFit, ...]:
    """Return the fits of every structure; ``arrhenius`` alone is that of the only one."""
    by_structure = content.get("arrhenius_by_structure")
    if not by_structure:
        only = points[0].structure if points else ""
        by_structure = {only: content.get("arrhenius") or {}}
    return tuple(
        fit for structure, fits in by_structure.items() for fit in read_fits(str(structure), fits)
    )


def read_fits(structure: str, fits: Mapping[str, Any]) -> tuple[ArrheniusFit, ...]:
    """Return the Arrhenius fits of one structure from their records."""
    return tuple(
        ArrheniusFit(
            name=str(name),
            structure=structure,
            activation_eV=entry.get("Ea_eV"),
            activation_error_eV=entry.get("Ea_error_eV"),
            ln_prefactor=entry.get("ln_prefactor"),
            covariance=_covariance(entry.get("covariance")),
            n_temperatures=len(entry.get("temperatures_K") or ()) or None,
            reduced_chi_square=entry.get("reduced_chi_square"),
            reason=str(entry.get("reason") or ""),
        )
        for name, entry in fits.items()
    )


def _covariance(value: Any) -> FloatArray | None:
    matrix = np.asarray(value, dtype=np.float64) if value is not None else None
    return matrix if matrix is not None and matrix.shape == (2, 2) else None


def _msd_curves(
    arrays: Mapping[str, FloatArray], points: tuple[Point, ...]
) -> tuple[MsdCurve, ...]:
    """Return the MSD of every element and of the charge, in the order of the points."""
    curves = []
    for point in points:
        run = array_name(point_name(point.structure, point.temperature))
        windows = {d.element: d.fit_window_ps for d in point.diffusion}
        if point.conductivity is not None:
            windows[CHARGE] = point.conductivity.fit_window_ps
        for element, window in windows.items():
            time = f"{run}_{CHARGE}_time_ps" if element == CHARGE else f"{run}_time_ps"
            if time in arrays and f"{run}_msd_{element}" in arrays:
                x, y = arrays[time], arrays[f"{run}_msd_{element}"]
                if x.shape == y.shape:
                    curves.append(
                        MsdCurve(point.structure, point.temperature, element, x, y, window)
                    )
    return tuple(curves)
