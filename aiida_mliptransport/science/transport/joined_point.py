"""Records of one point from several committee members, joined into one with both errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from aiida_mliptransport.science.transport.arrhenius import (
    ArrheniusFit,
    ArrheniusQuantity,
    fit_arrhenius,
)
from aiida_mliptransport.science.transport.committee import JointEstimate, join_members

#: Error of a transference number below which it is exact, but for rounding.
_EXACT = 1e-6
#: Member to its record.
Records = Mapping[str, Mapping[str, Any]]


def join_diffusion(records: Records) -> dict[str, Any]:
    """Return the joint record of D (cm²/s) of one element; see `records.diffusion_record`."""
    return _join(records, "D_cm2_s")


def join_conductivity(records: Records) -> dict[str, Any]:
    """Return the joint record of σ (mS/cm), σ_NE, Haven ratio and transference numbers."""
    joined = _join(records, "sigma_mS_cm")
    first = next(iter(records.values()))
    for key, error in (("sigma_NE_mS_cm", "sigma_NE_error"), ("haven_ratio", "haven_ratio_error")):
        estimate = _estimate(records, key, error, logarithmic=True)
        joined[key] = estimate.value if estimate else None
        joined[error] = estimate.standard_error if estimate else None
    numbers: dict[str, float] = {}
    errors: dict[str, float] = {}
    for name in first["transference"] if joined["resolved"] else ():
        rows = {
            member: {"t": r["transference"][name], "error": r["transference_error"][name]}
            for member, r in records.items()
        }
        # Two species in the barycentric frame: the masses fix t, and no error is left to join.
        exact = all(row["error"] < _EXACT for row in rows.values())
        estimate = None if exact else _estimate(rows, "t", "error", logarithmic=False)
        numbers[name] = (
            estimate.value if estimate else float(np.mean([r["t"] for r in rows.values()]))
        )
        errors[name] = estimate.standard_error if estimate else 0.0
    return {
        **joined,
        "transference": numbers,
        "transference_error": errors,
        "haven_convention": first["haven_convention"],
    }


def join_green_kubo(records: Records) -> dict[str, Any]:
    """Return the joint record of σ (mS/cm) by Green–Kubo."""
    return _join(records, "sigma_mS_cm")


def join_fits(fits: Mapping[str, ArrheniusFit]) -> dict[str, Any]:
    """Return the Arrhenius fit of several members, joined; keys as in `fit_record`.

    Each member has its own line; their mean (ln A, Ea) has the covariance of their sampling,
    ΣC/M², and (1 + 1/M) of what lies between members beyond it, at least half of what lies
    between them (see `committee.join_members`).
    """
    members = list(fits.values())
    if len(members) == 1:
        return fit_record(members[0])
    n = len(members)
    rows = np.array([(fit.ln_prefactor, fit.activation_energy_eV) for fit in members])
    sampling = np.array([fit.covariance for fit in members])
    between = np.cov(rows, rowvar=False)
    values, vectors = np.linalg.eigh(between - sampling.mean(axis=0))
    model = (vectors * np.maximum(values, 0.0)) @ vectors.T
    if model[1, 1] < 0.5 * between[1, 1]:
        model = 0.5 * between
    covariance = sampling.sum(axis=0) / n**2 + (1.0 + 1.0 / n) * model
    energy = join_members(
        {
            name: (fit.activation_energy_eV, fit.activation_energy_error_eV)
            for name, fit in fits.items()
        },
        logarithmic=False,
    )
    ln_prefactor, activation = rows.mean(axis=0)
    errors = np.sqrt(np.diag(covariance))
    half = float(stats.t.isf(0.025, n - 1) * errors[1])
    return {
        **fit_record(members[0]),
        "Ea_eV": float(activation),
        "Ea_error_eV": float(errors[1]),
        "Ea_interval_95_eV": [float(activation) - half, float(activation) + half],
        "sampling_error_eV": energy.sampling_error,
        "model_error_eV": energy.model_error,
        "dominant_error": energy.dominant,
        "ln_prefactor": float(ln_prefactor),
        "ln_prefactor_error": float(errors[0]),
        "prefactor": float(np.exp(ln_prefactor)),
        "covariance": covariance.tolist(),
        "reduced_chi_square": float(np.mean([fit.reduced_chi_square for fit in members])),
        "warning": "; ".join(dict.fromkeys(fit.warning for fit in members if fit.warning)),
    }


def fit_members(
    members: Mapping[str, Sequence[tuple[float, float | None, float | None]]],
    quantity: ArrheniusQuantity,
) -> dict[str, Any]:
    """Fit the points of each member and join the lines, or say which member has too few.

    Parameters
    ----------
    members
        Member to its points (temperature in K, value, standard error); value None where it is
        not resolved.
    quantity
        What is fitted, as in `arrhenius.fit_arrhenius`.
    """
    fits = {}
    for member, points in sorted(members.items()):
        good = [(t, value, error) for t, value, error in points if value is not None]
        if len({t for t, _, _ in good}) < 3:
            counted = f"resolved at {len(good)} of {len(points)} temperatures"
            return {"Ea_eV": None, "reason": f"{member}: {counted}, expected 3 or more"}
        temperatures, values, errors = zip(*good, strict=True)
        fits[member] = fit_arrhenius(temperatures, values, errors, quantity)
    return join_fits(fits)


def fit_record(fit: ArrheniusFit) -> dict[str, Any]:
    """Return an Arrhenius fit as plain values, units in their names."""
    half = float(stats.norm.isf(0.025)) * fit.activation_energy_error_eV
    return {
        "Ea_eV": fit.activation_energy_eV,
        "Ea_error_eV": fit.activation_energy_error_eV,
        "Ea_interval_95_eV": [fit.activation_energy_eV - half, fit.activation_energy_eV + half],
        "sampling_error_eV": fit.activation_energy_error_eV,
        "model_error_eV": None,
        "dominant_error": "sampling",
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


def _join(records: Records, key: str) -> dict[str, Any]:
    """Return the record of one member with the parts of its error, or of several, joined."""
    members = list(records.values())
    if len(members) == 1:
        return {
            **members[0],
            "relative_sampling_error": members[0]["relative_error"],
            "model_error": None,
            "dominant_error": "sampling",
        }
    estimate = _estimate(records, key, "standard_error", logarithmic=True)
    missing = [name for name, record in records.items() if not record["resolved"]]
    reasons = [f"{name}: {records[name]['reason']}" for name in missing]
    needed = [r["needed_length_ps"] for r in members if r["needed_length_ps"] is not None]
    joined = {
        key: None,
        "standard_error": None,
        "relative_error": None,
        "interval_95": None,
        "relative_sampling_error": None,
        "model_error": None,
        "dominant_error": None,
        "resolved": estimate is not None,
        "reason": "; ".join(reasons),
        "needed_length_ps": len(members) * max(needed) if missing and needed else None,
        "warning": "; ".join(
            f"{name}: {record['warning']}" for name, record in records.items() if record["warning"]
        ),
        **_mean_slope(members),
        **_mean_tensor(members, estimate is not None),
    }
    if estimate is not None:
        joined |= {
            key: estimate.value,
            "standard_error": estimate.standard_error,
            "relative_error": estimate.standard_error / estimate.value,
            "interval_95": list(estimate.interval_95),
            "relative_sampling_error": estimate.sampling_error / estimate.value,
            "model_error": estimate.model_error,
            "dominant_error": estimate.dominant,
        }
    return joined


def _mean_slope(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean log–log slope and error, and the window that holds those of all members."""
    if "log_log_slope" not in members[0]:
        return {}
    errors = np.array([record["log_log_slope_error"] for record in members])
    windows = np.array([record["fit_window_ps"] for record in members])
    return {
        "log_log_slope": float(np.mean([record["log_log_slope"] for record in members])),
        "log_log_slope_error": float(np.sqrt((errors**2).sum()) / len(members)),
        "fit_window_ps": [float(windows[:, 0].min()), float(windows[:, 1].max())],
        "n_independent": float(sum(record["n_independent"] for record in members)),
        "method": members[0]["method"],
    }


def _mean_tensor(members: Sequence[Mapping[str, Any]], resolved: bool) -> dict[str, Any]:
    """Return the mean tensor and its errors, element by element as `committee.join_members`."""
    name = next((key for key in members[0] if key.startswith("tensor_") and "error" not in key), "")
    if not name:
        return {}
    if not resolved:
        return {name: None, "tensor_error": None}
    values, errors = np.zeros((3, 3)), np.zeros((3, 3))
    for a, b in np.ndindex(3, 3):
        # Where nothing moves along an axis there is nothing to join.
        scatter = [max(record["tensor_error"][a][b], 1e-300) for record in members]
        rows = {
            str(number): (record[name][a][b], error)
            for number, (record, error) in enumerate(zip(members, scatter, strict=True))
        }
        joint = join_members(rows, logarithmic=False)
        values[a, b], errors[a, b] = joint.value, joint.standard_error
    return {name: values.tolist(), "tensor_error": errors.tolist()}


def _estimate(records: Records, key: str, error: str, *, logarithmic: bool) -> JointEstimate | None:
    """Return the joint estimate, or None where a member lacks its own."""
    rows = {name: (record[key], record[error]) for name, record in records.items()}
    if any(value is None or not scatter for value, scatter in rows.values()):
        return None
    return join_members(rows, logarithmic=logarithmic)
