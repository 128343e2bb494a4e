"""One line with the numbers of a campaign, for a terminal or a log."""

from __future__ import annotations

from typing import Any

from aiida import orm

NOT_RESOLVED = "not-resolved"


def summary_line(node: orm.WorkChainNode, name: str, mobile: str) -> str:
    """Return ``<name>: converged=… iterations=… …`` of an ended active-learning process.

    D and σ are those at the middle temperature of the production runs.

    Parameters
    ----------
    node
        The process; what it has no output for is ``none``.
    name
        First word of the line.
    mobile
        Element whose D and activation energy are shown.
    """
    outputs = node.outputs
    history = outputs.history.get_dict() if "history" in outputs else {}
    records = history.get("iterations", [])
    values: dict[str, Any] = {
        "converged": "yes" if history.get("converged") else "no",
        "iterations": len(records),
        "labels": history.get("n_labels_total", records[-1]["n_labels_total"] if records else 0),
        "force_rmse_eV_A": _force_rmse(outputs),
        **_transport(outputs, mobile),
        "wall_s": round((node.mtime - node.ctime).total_seconds()),
    }
    return f"{name}: " + " ".join(f"{key}={value}" for key, value in values.items())


def _force_rmse(outputs: Any) -> str:
    if "final_errors" not in outputs:
        return "none"
    return f"{outputs.final_errors['force']['rmse_component']:.3f}"


def _transport(outputs: Any, mobile: str) -> dict[str, str]:
    keys = (f"D_{mobile}_cm2_s", "sigma_mS_cm", "Ea_eV")
    if "transport" not in outputs or "observables" not in outputs.transport:
        return dict.fromkeys(keys, "none")
    observables = outputs.transport.observables.get_dict()
    points = sorted(observables["points"], key=lambda point: point["temperature_K"])
    middle = points[len(points) // 2]
    diffusion = middle["diffusion"].get(mobile, {})
    sigma = middle["conductivity"]
    energy = observables["arrhenius"].get(f"D_{mobile}", {})
    return dict(
        zip(
            keys,
            (
                _with_error(diffusion.get("D_cm2_s"), diffusion.get("standard_error"), ".2e"),
                _with_error(sigma["sigma_mS_cm"], sigma["standard_error"], ".0f"),
                _with_error(energy.get("Ea_eV"), energy.get("Ea_error_eV"), ".3f"),
            ),
            strict=True,
        )
    )


def _with_error(value: float | None, error: float | None, style: str) -> str:
    if value is None or error is None:
        return NOT_RESOLVED
    return f"{value:{style}}±{error:{style}}"
