"""Read the last calibration of the trust levels from an active-learning process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm

from .graph import Root, outputs
from .model_calibration import Calibration, SpeciesCalibration
from .stages import split_iteration


def read_calibration(root: Root) -> Calibration | None:
    """Return the calibration of the last iteration that has one."""
    found = {
        iteration: process
        for label, process in root.called.items()
        if (iteration := split_iteration(label)[0]) is not None
        and split_iteration(label)[1] == "calibrate"
    }
    for iteration in sorted(found, reverse=True):
        given = outputs(found[iteration])
        levels, points = given.get("levels"), given.get("points")
        if isinstance(levels, orm.Dict) and isinstance(points, orm.ArrayData):
            return _calibration(iteration, levels.get_dict(), points)
    return None


def _calibration(iteration: int, levels: Mapping[str, Any], points: orm.ArrayData) -> Calibration:
    entries = levels.get("by_species") or {}
    # The order in which a storage keeps attributes is its own.
    symbols = sorted(
        name.removesuffix("_error") for name in points.get_arraynames() if name.endswith("_error")
    )
    return Calibration(
        iteration=iteration,
        low=levels["low"],
        high=levels["high"],
        source=str(levels.get("source", "")),
        reasons=tuple(levels.get("reasons", ())),
        species=tuple(_species(symbol, entries.get(symbol, {}), points) for symbol in symbols),
    )


def _species(symbol: str, entry: Mapping[str, Any], points: orm.ArrayData) -> SpeciesCalibration:
    bounds = entry.get("error_over_deviation") or {}
    return SpeciesCalibration(
        symbol=symbol,
        deviation=points.get_array(f"{symbol}_deviation"),
        error=points.get_array(f"{symbol}_error"),
        n_independent=entry.get("n_independent"),
        accurate_error=entry.get("accurate_error"),
        failed_error=entry.get("failed_error"),
        lower=bounds.get("lower"),
        upper=bounds.get("upper"),
        low=entry.get("low"),
        high=entry.get("high"),
        reason=str(entry.get("reason", "not asked for")),
    )
