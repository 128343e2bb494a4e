"""Calcfunctions that judge an iteration and, at the end, the whole campaign."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction
from scipy.stats import norm

from .barrier_gate import labels_spent
from .checks import (
    accepted_rmse,
    at_least,
    at_most,
    decision,
    error_checks,
    observable_checks,
    observable_record,
)
from .explored_runs import frames_below


@calcfunction
def assess_iteration(
    iteration: orm.Int,
    selection: orm.Dict,
    trust_levels: orm.Dict,
    calibrated_levels: orm.Dict,
    ledger: orm.Dict,
    targets: orm.Dict,
    ladder: orm.Dict,
    errors: orm.Dict | None = None,
    observables: orm.Dict | None = None,
    previous: orm.Dict | None = None,
) -> orm.Dict:
    """Return the record of one iteration: what was selected, the blind errors, the checks.

    Parameters
    ----------
    trust_levels
        Levels with which the frames were selected; they rest on the iteration before.
    calibrated_levels
        Levels that this iteration's own blind test gives, from ``calibrate_trust_levels``. The
        checks use these: a model that has just become better would otherwise be judged by the
        levels of the worse one. Without a blind test they are the same as ``trust_levels``.
    ledger
        ``n_training_frames``, ``n_labels_when_tested``, ``n_blind_labelled``, ``n_failed_labels``
        (since the test before); ``observable_failure`` where the short transport runs gave nothing.
    targets
        Those of :func:`.checks.error_checks`; ``min_share_accurate``, ``max_trust_over_rmse``;
        ``observable`` or None.
    ladder
        Of ``move_on_ladder``: at which stage each structure was explored.
    errors
        Of the blind test; left out where the exploration gave no frame for one, and then the
        targets are missed.
    observables
        Of the short transport runs, driven by every member in turn.
    previous
        Record of the iteration before.
    """
    counts = ledger.get_dict()
    goal = targets.get_dict()
    failure = counts.pop("observable_failure", "")
    tested = errors.get_dict() if errors is not None else None
    checks = error_checks(tested or {}, goal) | {
        "share_accurate": at_least(
            _share_accurate(selection.get_dict(), calibrated_levels["low"]),
            goal["min_share_accurate"],
        ),
        "upper_trust_level_over_accepted_rmse": at_most(
            calibrated_levels["high"] / accepted_rmse(tested, goal) if tested else None,
            goal["max_trust_over_rmse"],
        ),
        # A potential with which MD breaks off is not done, however good it is elsewhere.
        "runs_broken_off": at_most(selection["n_broken_off"], 0),
    }
    if ladder["n_stages"] > 1:
        checks["structures_at_the_last_stage"] = at_least(
            ladder["n_at_top"], len(ladder["explored"])
        )
    observable = None
    if goal.get("observable"):
        observable = observable_record(
            observables.get_dict() if observables is not None else None,
            goal["observable"],
            failure,
        )
        before = previous.get_dict().get("observable") if previous is not None else None
        checks |= observable_checks(observable, before, goal["observable"])
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
            "ladder": ladder.get_dict(),
            "selection": selection.get_dict(),
            "blind": _blind_record(tested, selection.get_dict()) if tested else None,
            "observable": observable,
            "checks": checks,
            "decision": decision(checks),
            "converged": all(check["passed"] for check in checks.values()),
        }
    )


def _blind_record(errors: dict[str, Any], selection: dict[str, Any]) -> dict[str, Any]:
    force = errors["force"]
    return {
        "n_frames": errors["n_frames"],
        "effective_size": selection["blind"]["effective_size"],
        "force_rmse": float(force["rmse_component"]),
        "force_rmse_error": force.get("standard_error"),
        "force_rms": force["reference_rms"],
        "relative": force["relative"],
        "energy_rmse_per_atom": (errors.get("energy") or {}).get("rmse_per_atom_eV"),
        "by_species": errors.get("force_by_species"),
    }


def _share_accurate(selection: dict[str, Any], level: float) -> float:
    """Return the share of frames that are physical and deviate less than ``level``.

    Of all that were expected: what runs lack because they broke off is not accurate.
    """
    return frames_below(selection, level) / max(selection["n_expected_frames"], 1)


@calcfunction
def collect_history(
    stop_reason: orm.Str, targets: orm.Dict, ledger: orm.Dict, **nodes: Any
) -> orm.Dict:
    """Return the history of a campaign and its verdict.

    Parameters
    ----------
    stop_reason
        Why the loop ended.
    ledger
        ``n_labels_total`` of the whole campaign; ``n_candidates_labelled`` by iteration, for these
        are labelled after it was assessed.
    targets
        As in :func:`assess_iteration`, and ``min_production_atoms``, ``min_temperatures``,
        ``max_relative_error_D``, ``slope_confidence``.
    nodes
        ``record__<nn>``: iteration records; ``barriers__<nn>``: verdicts on barriers in some of
        these iterations; ``final_barriers``: that on the final potential; ``final_errors``: the
        blind test of the final potential; ``trust_levels``: the last ones; ``observables`` where
        transport was run.
    """
    records = [
        _with_labels(_with_barriers(key, nodes), ledger["n_candidates_labelled"])
        for key in sorted(nodes)
        if key.startswith("record__")
    ]
    goal = targets.get_dict()
    checks: dict[str, dict[str, Any]] = {}
    if "final_errors" in nodes:
        checks |= error_checks(nodes["final_errors"].get_dict(), goal)
    if records:
        last = records[-1]["checks"]
        # What only an iteration can tell; its force errors are those of a shorter training.
        checks |= {
            name: last[name]
            for name in (
                "share_accurate",
                "runs_broken_off",
                "upper_trust_level_over_accepted_rmse",
                "structures_at_the_last_stage",
                "observable_interval",
                "observable_change",
            )
            if name in last
        }
    if "final_barriers" in nodes:
        checks |= nodes["final_barriers"]["checks"]
    if "observables" in nodes:
        checks |= _transport_checks(nodes["observables"].get_dict(), goal)
    return orm.Dict(
        {
            "iterations": records,
            "n_labels_total": ledger["n_labels_total"],
            "barriers": nodes["final_barriers"].get_dict() if "final_barriers" in nodes else None,
            "stop_reason": stop_reason.value,
            "checks": checks,
            "decision": decision(checks),
            "converged": bool(checks) and all(check["passed"] for check in checks.values()),
        }
    )


def _with_labels(record: dict[str, Any], candidates: dict[str, int]) -> dict[str, Any]:
    """Return the record with the labels that followed the assessment."""
    number = candidates.get(str(record["iteration"]), 0)
    images = labels_spent(record["barriers"]) if "barriers" in record else 0
    return {
        **record,
        "n_candidates_labelled": number,
        "n_labels_total": record["n_labels_when_tested"] + images + number,
    }


def _with_barriers(key: str, nodes: dict[str, Any]) -> dict[str, Any]:
    """Return the record of an iteration with its verdict on barriers, where there is one."""
    record: dict[str, Any] = nodes[key].get_dict()
    verdict = nodes.get(key.replace("record__", "barriers__"))
    if verdict is None:
        return record
    checks = {**record["checks"], **verdict["checks"]}
    return {
        **record,
        "barriers": verdict.get_dict(),
        "checks": checks,
        "decision": decision(checks),
        "converged": all(check["passed"] for check in checks.values()),
    }


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
        "production_atoms": at_least(
            min(point["n_atoms"] for point in points), goal["min_production_atoms"]
        ),
        "temperatures": at_least(
            len({point["temperature_K"] for point in points}), goal["min_temperatures"]
        ),
        "unresolved_diffusion": at_most(sum(not d["resolved"] for d in estimates), 0),
        "log_log_slope_sigmas_from_1": at_most(
            max(slopes) if len(slopes) == len(estimates) else None,
            _joint_sigmas(goal["slope_confidence"], len(estimates)),
        ),
        "relative_error_D": at_most(max(errors) if errors else None, goal["max_relative_error_D"]),
    }


def _joint_sigmas(confidence: float, n: int) -> float:
    """Return the standard errors that n normal numbers stay within together (Bonferroni)."""
    return float(norm.ppf(1.0 - (1.0 - confidence) / (2 * n)))
