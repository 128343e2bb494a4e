"""Calcfunctions that set the trust levels: calibrated on blind frames, or by rule of thumb."""

from __future__ import annotations

import math
from typing import Any

from aiida import orm
from aiida.engine import calcfunction
from ase.data import chemical_symbols

from ...data.frames import FrameSetData
from ...science.selection import (
    FrameScores,
    calibrate_deviation,
    frame_scores,
    levels_from_calibration,
    pool_scores,
    pooled_size,
    trust_levels_from_blind,
)
from .checks import accepted_rmse

#: Raised when the meaning of a calibration changes: AiiDA's cache hash knows this file only.
CALIBRATION_VERSION = "2"


@calcfunction
def propose_trust_levels(results: orm.Dict, parameters: orm.Dict) -> orm.Dict:
    """Return the trust levels of the first exploration, before there is any blind test.

    Parameters
    ----------
    results
        ``results`` of the committee's training: the force RMSE per component (eV/Å) on the training
        frames of its worst member sets the scale.
    parameters
        ``low_factor`` and ``high_factor``: levels over the force RMSE per component. (The maximum
        deviation is that of a vector, over all atoms, so it exceeds the RMSE also in a good model.)
    """
    rmse = float(results["final_force_rmse_eV_A"]["highest"])
    return orm.Dict(_by_factors(rmse, "training", parameters.get_dict()))


@calcfunction
def calibrate_trust_levels(
    errors: orm.Dict, parameters: orm.Dict, targets: orm.Dict, **nodes: Any
) -> dict[str, orm.Data]:
    """Return the trust levels of the next exploration from the present committee's blind tests.

    For each species conformal bounds on the true error over the deviation set the levels; a
    species with too few independent frames keeps the fall-back. Frames are classified by their
    largest deviation over all atoms, so the lower level is the lowest and the upper one the
    highest of all species.

    Parameters
    ----------
    errors
        ``errors`` of this iteration's blind test; :func:`.checks.accepted_rmse` of it sets the
        fall-back and the cap.
    parameters
        ``calibration`` (``coverage``, ``min_independent``, ``accurate_error`` and
        ``failed_error`` over the RMS force vector of the species; None: never calibrate),
        ``trust_levels`` (fall-back in eV/Å; None: by ``low_factor`` and ``high_factor``).
    targets
        ``max_relative_force_rmse``; ``max_trust_over_rmse``: the upper level is never above it
        times the accepted RMSE, and the lower one stays below in the proportion of the two factors.
    nodes
        ``frames__<name>`` and ``predictions__<name>``: labelled blind frames, drawn uniformly and
        never trained on, and the committee's ``predictions`` for them; ``selection__<name>``: the
        selections that drew them.

    Returns
    -------
    dict
        ``levels``: ``low``, ``high`` (eV/Å), ``source`` (``calibrated``, ``partly calibrated``,
        ``given``, ``blind test`` or ``target``), ``reasons``, ``by_species``; ``points``: deviation
        and error (eV/Å) of each frame by species.
    """
    settings = parameters.get_dict()
    accepted = accepted_rmse(errors.get_dict(), targets.get_dict())
    fallback = _fallback(errors.get_dict(), settings, accepted)
    asked = settings.get("calibration")
    scores = _scores(nodes)
    points = orm.ArrayData()
    for symbol, one in scores.items():
        points.set_array(f"{symbol}_deviation", one.deviation)
        points.set_array(f"{symbol}_error", one.error)
    if not asked:
        levels = fallback | {"calibration": "not asked for"}
    else:
        share = _independent_share(nodes)
        species = {
            symbol: _calibrate(one, share * len(one.error), asked) for symbol, one in scores.items()
        }
        # Rounding must not lift it above the multiple that the same target checks.
        cap = float(targets["max_trust_over_rmse"]) * accepted * (1.0 - 1e-12)
        proportion = float(settings["low_factor"]) / float(settings["high_factor"])
        levels = _join(species, fallback, cap, proportion)
    return {
        "levels": orm.Dict({**levels, "calibration_version": CALIBRATION_VERSION}),
        "points": points,
    }


def _by_factors(rmse: float, source: str, settings: dict[str, Any]) -> dict[str, Any]:
    proposal = trust_levels_from_blind(
        rmse,
        low_factor=float(settings["low_factor"]),
        high_factor=float(settings["high_factor"]),
        convention="component",
    )
    return {
        "low": proposal.levels.low,
        "high": proposal.levels.high,
        "force_rmse": rmse,
        "source": source,
        "reasons": list(proposal.reasons),
    }


def _fallback(errors: dict[str, Any], settings: dict[str, Any], accepted: float) -> dict[str, Any]:
    rmse = float(errors["force"]["rmse_component"])
    given = settings.get("trust_levels")
    if given:
        return {
            "low": float(given["low"]),
            "high": float(given["high"]),
            "force_rmse": rmse,
            "source": "given",
            "reasons": ["fixed levels of the protocol or the campaign file"],
        }
    if accepted <= rmse:
        return _by_factors(rmse, "blind test", settings)
    made = _by_factors(accepted, "target", settings)
    reason = f"the blind RMSE is {rmse:.3g} eV/Å, better than the {accepted:.3g} asked for"
    return {**made, "force_rmse": rmse, "reasons": [reason, *made["reasons"]]}


def _scores(nodes: dict[str, Any]) -> dict[str, FrameScores]:
    """Return the scores of all blind frames by chemical symbol."""
    found: dict[int, list[FrameScores]] = {}
    for key in sorted(nodes):
        if not key.startswith("frames__"):
            continue
        frames: FrameSetData = nodes[key]
        predictions: orm.ArrayData = nodes[key.replace("frames__", "predictions__", 1)]
        for number, system in enumerate(frames.frames):
            prefix = f"system_{number:03d}"
            try:
                scores = frame_scores(
                    predictions.get_array(f"{prefix}_force_deviation"),
                    predictions.get_array(f"{prefix}_forces"),
                    system.forces,
                    system.numbers,
                )
            except KeyError as error:
                raise ValueError(
                    f"predictions of {key} have no {error}: evaluate the blind frames with two "
                    "members or more, and store_forces left at its default"
                ) from error
            for z, one in scores.items():
                found.setdefault(z, []).append(one)
    return {chemical_symbols[z]: pool_scores(found[z]) for z in sorted(found)}


def _independent_share(nodes: dict[str, Any]) -> float:
    """Return the number of independent frames over that of drawn ones, between 0 and 1."""
    selections = [nodes[key].get_dict() for key in sorted(nodes) if key.startswith("selection__")]
    drawn = [int(one["n_blind_chosen"]) for one in selections]
    worth = [
        min(float(one["blind"]["effective_size"]), n)
        for one, n in zip(selections, drawn, strict=True)
    ]
    return pooled_size(drawn, worth) / max(sum(drawn), 1)


def _calibrate(scores: FrameScores, n_independent: float, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of one species: the bounds and levels, or why there are none."""
    entry: dict[str, Any] = {
        "n_frames": len(scores.error),
        "n_independent": n_independent,
        "force_rms": scores.reference_rms,
        "accurate_error": float(asked["accurate_error"]) * scores.reference_rms,
        "failed_error": float(asked["failed_error"]) * scores.reference_rms,
    }
    if n_independent < asked["min_independent"]:
        reason = (
            f"{n_independent:.1f} independent blind frames, {asked['min_independent']} are needed"
        )
        return {**entry, "available": False, "reason": f"not available: {reason}"}
    try:
        calibration = calibrate_deviation(
            scores.deviation,
            scores.error,
            n_independent=n_independent,
            coverage=float(asked["coverage"]),
        )
        levels = levels_from_calibration(
            calibration, entry["accurate_error"], entry["failed_error"]
        )
    except ValueError as error:
        return {**entry, "available": False, "reason": f"not available: {error}"}
    return {
        **entry,
        "available": True,
        "reason": "",
        "coverage": calibration.coverage,
        "error_over_deviation": {"lower": calibration.lower, "upper": calibration.upper},
        "low": levels.low,
        "high": levels.high,
    }


def _join(
    species: dict[str, dict[str, Any]], fallback: dict[str, Any], cap: float, proportion: float
) -> dict[str, Any]:
    """Return one pair of levels for all species."""
    good = [symbol for symbol, entry in species.items() if entry["available"]]
    if not good:
        return {**fallback, "calibration": "not available", "by_species": species}
    reasons = [f"{symbol}: {entry['reason']}" for symbol, entry in species.items()
               if not entry["available"]]  # fmt: skip
    used = [species[symbol] if symbol in good else fallback for symbol in species]
    low, high = min(one["low"] for one in used), max(one["high"] for one in used)
    for symbol in good:
        bounds = species[symbol]["error_over_deviation"]
        reasons.append(
            f"{symbol}: the largest force error is {bounds['lower']:.3g} to {bounds['upper']:.3g} "
            f"times the largest deviation, from {species[symbol]['n_frames']} blind frames"
        )
    if high > cap:
        high = cap
        low = min(low, proportion * cap)
        reasons.append(
            f"high lowered to {cap:.3g} eV/Å, max_trust_over_rmse times the RMSE accepted"
        )
    if not (0 < low < high and math.isfinite(high)):
        reasons.append(f"levels {low:.3g} and {high:.3g} eV/Å do not fit; the fall-back is used")
        return {
            **fallback,
            "reasons": [*reasons, *fallback["reasons"]],
            "calibration": "not available",
            "by_species": species,
        }
    complete = len(good) == len(species)
    return {
        "low": float(low),
        "high": float(high),
        "force_rmse": fallback["force_rmse"],
        "source": "calibrated" if complete else "partly calibrated",
        "calibration": "available" if complete else "available for " + ", ".join(good),
        "reasons": reasons,
        "by_species": species,
    }
