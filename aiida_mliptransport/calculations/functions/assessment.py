"""Calcfunctions that judge an iteration and, at the end, the whole campaign."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from scipy.stats import norm


@calcfunction
def assess_iteration(
    iteration: orm.Int,
    selection: orm.Dict,
    trust_levels: orm.Dict,
    calibrated_levels: orm.Dict,
    errors: orm.Dict,
    ledger: orm.Dict,
    targets: orm.Dict,
) -> orm.Dict:
    """Return the record of one iteration: what was selected, the blind errors, the checks.

    Parameters
    ----------
    trust_levels
        Levels with which the frames were selected; they rest on the iteration before.
    calibrated_levels
        Levels that this iteration's own blind test gives, from ``calibrate_trust_levels``. The
        checks use these: a model that has just become better would otherwise be judged by the
        levels of the worse one.
    ledger
        ``n_training_frames``, ``n_labels_total``, ``n_candidates_labelled``, ``n_blind_labelled``,
        ``n_failed_labels``, ``n_iterations_that_labelled``.
    targets
        ``max_relative_force_rmse``, ``min_share_accurate``, ``max_trust_over_rmse``,
        ``min_labelling_iterations``.
    """
    force = errors["force"]
    counts = ledger.get_dict()
    goal = targets.get_dict()
    rmse = float(force["rmse_component"])
    checks = {
        "relative_force_rmse": _at_most(float(force["relative"]), goal["max_relative_force_rmse"]),
        "share_accurate": _at_least(
            _share_below(selection.get_dict(), calibrated_levels["low"]),
            goal["min_share_accurate"],
        ),
        "upper_trust_level_over_blind_rmse": _at_most(
            calibrated_levels["high"] / rmse, goal["max_trust_over_rmse"]
        ),
        "iterations_that_labelled": _at_least(
            counts["n_iterations_that_labelled"], goal["min_labelling_iterations"]
        ),
    }
    return orm.Dict(
        {
            "iteration": iteration.value,
            **counts,
            "trust_levels": {
                "low": trust_levels["low"],
                "high": trust_levels["high"],
                "source": trust_levels.get_dict().get("source", "given"),
            },
            "calibrated_trust_levels": calibrated_levels.get_dict(),
            "selection": selection.get_dict(),
            "blind": {
                "n_frames": errors["n_frames"],
                "effective_size": selection["blind"]["effective_size"],
                "force_rmse": rmse,
                "force_rmse_error": force.get("standard_error"),
                "force_rms": force["reference_rms"],
                "relative": force["relative"],
                "energy_rmse_per_atom": (errors.get_dict().get("energy") or {}).get(
                    "rmse_per_atom_eV"
                ),
                "by_species": errors.get_dict().get("force_by_species"),
            },
            "checks": checks,
            "converged": all(check["passed"] for check in checks.values()),
        }
    )


def _share_below(selection: dict[str, Any], level: float) -> float:
    """Return the share of all explored frames that are physical and deviate less than ``level``."""
    quantiles = selection["deviation_quantiles_eV_A"]
    if not quantiles:
        return 0.0
    shares = np.linspace(0.0, 1.0, len(quantiles))
    below = float(np.interp(level, quantiles, shares, left=0.0, right=1.0))
    physical = selection["n_frames"] - selection["unphysical"]
    return below * physical / selection["n_frames"]


@calcfunction
def collect_history(stop_reason: orm.Str, targets: orm.Dict, **nodes: Any) -> orm.Dict:
    """Return the history of a campaign and its verdict.

    Parameters
    ----------
    stop_reason
        Why the loop ended.
    targets
        As in :func:`assess_iteration`, and ``min_production_atoms``, ``min_temperatures``,
        ``max_relative_error_D``, ``slope_confidence``.
    nodes
        ``record__<nn>``: iteration records; ``final_errors``: the blind test of the final
        potential; ``trust_levels``: the last ones; ``observables`` where transport was run.
    """
    records = [nodes[key].get_dict() for key in sorted(nodes) if key.startswith("record__")]
    goal = targets.get_dict()
    checks: dict[str, dict[str, Any]] = {}
    if "final_errors" in nodes:
        force = nodes["final_errors"]["force"]
        checks["relative_force_rmse"] = _at_most(
            float(force["relative"]), goal["max_relative_force_rmse"]
        )
    if records:
        for name in ("share_accurate", "upper_trust_level_over_blind_rmse"):
            checks[name] = records[-1]["checks"][name]
        checks["iterations_that_labelled"] = records[-1]["checks"]["iterations_that_labelled"]
    if "observables" in nodes:
        checks |= _transport_checks(nodes["observables"].get_dict(), goal)
    return orm.Dict(
        {
            "iterations": records,
            "stop_reason": stop_reason.value,
            "checks": checks,
            "converged": bool(checks) and all(check["passed"] for check in checks.values()),
        }
    )


def _transport_checks(observables: dict[str, Any], goal: dict[str, Any]) -> dict[str, Any]:
    points = observables["points"]
    estimates = [d for point in points for d in point["diffusion"].values()]
    slopes = [
        abs(d["log_log_slope"] - 1.0) / d["log_log_slope_error"]
        for d in estimates
        if d["log_log_slope_error"]
    ]
    errors = [d["relative_error"] for d in estimates if d["resolved"]]
    return {
        "production_atoms": _at_least(
            min(point["n_atoms"] for point in points), goal["min_production_atoms"]
        ),
        "temperatures": _at_least(
            len({point["temperature_K"] for point in points}), goal["min_temperatures"]
        ),
        "unresolved_diffusion": _at_most(sum(not d["resolved"] for d in estimates), 0),
        "log_log_slope_sigmas_from_1": _at_most(
            max(slopes) if len(slopes) == len(estimates) else None,
            _joint_sigmas(goal["slope_confidence"], len(estimates)),
        ),
        "relative_error_D": _at_most(max(errors) if errors else None, goal["max_relative_error_D"]),
    }


def _joint_sigmas(confidence: float, n: int) -> float:
    """Return the standard errors that n normal numbers stay within together (Bonferroni)."""
    return float(norm.ppf(1.0 - (1.0 - confidence) / (2 * n)))


def _at_most(value: float | None, limit: float) -> dict[str, Any]:
    passed = value is not None and value <= limit
    return {"value": value, "limit": limit, "relation": "at most", "passed": passed}


def _at_least(value: float | None, limit: float) -> dict[str, Any]:
    passed = value is not None and value >= limit
    return {"value": value, "limit": limit, "relation": "at least", "passed": passed}
