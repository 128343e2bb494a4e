"""Checks of an iteration or a campaign: value, limit and outcome, and what decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...science.units import EV_ANGSTROM3_TO_GPA

#: Quantity of ``targets.observable`` → key of its value in the observables.
VALUE_KEYS = {"D": "D_cm2_s", "sigma": "sigma_mS_cm"}

Check = dict[str, Any]


def at_most(value: float | None, limit: float) -> Check:
    """Return a check that is passed by a value up to the limit, and never without a value."""
    passed = value is not None and value <= limit
    return {"value": value, "limit": limit, "relation": "at most", "passed": passed}


def at_least(value: float | None, limit: float) -> Check:
    """Return a check that is passed by a value from the limit on, and never without a value."""
    passed = value is not None and value >= limit
    return {"value": value, "limit": limit, "relation": "at least", "passed": passed}


def accepted_rmse(errors: Mapping[str, Any], targets: Mapping[str, Any]) -> float:
    """Return the force RMSE (eV/Å per component) by which deviations are measured.

    It is that of the blind test, or the one that the targets allow where the model is better: who
    is content with an error need not label what deviates by less.
    """
    force = errors["force"]
    allowed = float(targets["max_relative_force_rmse"]) * float(force["reference_rms"])
    return max(float(force["rmse_component"]), allowed)


def error_checks(errors: Mapping[str, Any], targets: Mapping[str, Any]) -> dict[str, Check]:
    """Return the checks of a blind test; those of energy, species and stress where asked for.

    Parameters
    ----------
    errors
        ``errors`` of an evaluation; empty where there was none.
    targets
        ``max_relative_force_rmse`` and, where not None or empty, ``max_energy_rmse_meV_atom``
        (without the mean error, which no force knows), ``max_relative_force_rmse_by_species``
        (element to limit) and ``max_stress_rmse_GPa``. A target whose error is not known is missed.
    """
    checks = {
        "relative_force_rmse": at_most(
            _number((errors.get("force") or {}).get("relative")),
            targets["max_relative_force_rmse"],
        )
    }
    by_species = errors.get("force_by_species") or {}
    for symbol, limit in (targets.get("max_relative_force_rmse_by_species") or {}).items():
        entry = by_species.get(symbol) or {}
        checks[f"relative_force_rmse_{symbol}"] = at_most(_number(entry.get("relative")), limit)
    limit = targets.get("max_energy_rmse_meV_atom")
    if limit is not None:
        error = (errors.get("energy") or {}).get("rmse_shifted_per_atom_eV")
        checks["energy_rmse_meV_atom"] = at_most(None if error is None else 1000.0 * error, limit)
    limit = targets.get("max_stress_rmse_GPa")
    if limit is not None:
        error = (errors.get("stress") or {}).get("rmse_component_eV_A3")
        checks["stress_rmse_GPa"] = at_most(
            None if error is None else error * EV_ANGSTROM3_TO_GPA, limit
        )
    return checks


def observable_record(
    observables: Mapping[str, Any] | None, target: Mapping[str, Any], failure: str = ""
) -> dict[str, Any]:
    """Return D or σ of the short runs with its joint interval, or why there is none.

    Parameters
    ----------
    observables
        ``observables`` of a transport process with one structure and temperature; None where it
        gave none.
    target
        ``targets.observable``: ``quantity`` (``D`` or ``sigma``), ``species``, ``temperature_K``.
    failure
        Why there are no observables.

    Returns
    -------
    dict
        ``value`` (cm²/s or mS/cm), ``interval_95``, ``relative_half_width`` (the larger side of
        the interval over the value), ``dominant_error`` (``sampling`` or ``model``), ``reason``.
    """
    record = {key: target.get(key) for key in ("quantity", "species", "temperature_K")}
    empty = {"value": None, "interval_95": None, "relative_half_width": None}
    if observables is None:
        return {**record, **empty, "dominant_error": None, "reason": failure}
    (point,) = observables["points"]
    entry = (
        point["diffusion"][target["species"]]
        if target["quantity"] == "D"
        else point["conductivity"]
    )
    value = entry.get(VALUE_KEYS[target["quantity"]])
    if not entry.get("resolved") or not value or not entry.get("interval_95"):
        reason = entry.get("reason") or "not resolved"
        needed = entry.get("needed_length_ps")
        if needed:
            reason += f"; about {needed:.3g} ps of MD in all would do, raise length_ps"
        return {**record, **empty, "dominant_error": None, "reason": reason}
    low, high = entry["interval_95"]
    return {
        **record,
        "value": float(value),
        "interval_95": [float(low), float(high)],
        "relative_half_width": float(max(high / value - 1.0, 1.0 - low / value)),
        "dominant_error": entry.get("dominant_error"),
        "reason": "",
    }


def observable_checks(
    record: Mapping[str, Any], previous: Mapping[str, Any] | None, target: Mapping[str, Any]
) -> dict[str, Check]:
    """Return the checks of the observable: how well it is known, and whether it still moves.

    Both limits are ``max_relative_error``. Without a value now or in the iteration before, the
    change is not known, and the check is missed.
    """
    limit = float(target["max_relative_error"])
    before = (previous or {}).get("value")
    now = record["value"]
    change = None if now is None or not before else abs(now / before - 1.0)
    return {
        "observable_interval": at_most(record["relative_half_width"], limit),
        "observable_change": at_most(change, limit),
    }


def decision(checks: Mapping[str, Check]) -> dict[str, list[str]]:
    """Return which targets were met and which missed, each in words."""
    words: dict[str, list[str]] = {"met": [], "missed": []}
    for name, check in checks.items():
        value = "not known" if check["value"] is None else f"{check['value']:.4g}"
        sentence = f"{name}: {value}, {check['relation']} {check['limit']:.4g}"
        words["met" if check["passed"] else "missed"].append(sentence)
    return words


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
