"""Read how the ions move from a transport process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida import orm

from ..calculations.run_names import array_name
from .collect_transport import read_fits
from .graph import Root
from .model import FloatArray
from .model_transport import Mechanism, MechanismCurve, MechanismRow


def read_mechanism(root: Root) -> Mechanism | None:
    """Return what is known of the mechanism, or None where it was not asked for."""
    given = root.given
    content = given.get("transport__mechanism") or given.get("mechanism")
    curves = given.get("transport__mechanism_curves") or given.get("mechanism_curves")
    if not isinstance(content, orm.Dict):
        return None
    arrays = {}
    if isinstance(curves, orm.ArrayData):
        arrays = {name: curves.get_array(name) for name in curves.get_arraynames()}
    return mechanism_of(content.get_dict(), arrays)


def mechanism_of(content: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Mechanism:
    """Return what the mechanism of an analysis and its curves tell.

    Parameters
    ----------
    content
        As in the output ``mechanism`` of the transport WorkChain.
    arrays
        As in its output ``mechanism_curves``.
    """
    points = sorted(content["points"], key=lambda p: (p["structure"], p["temperature_K"]))
    rows = tuple(
        MechanismRow(
            name=name,
            structure=str(point["structure"]),
            temperature=float(point["temperature_K"]),
            value=row["value"],
            error=row["standard_error"],
            unit=row["unit"],
            resolved=bool(row["resolved"]),
            reason=str(row["reason"] or ""),
            needed_length_ps=row["needed_length_ps"],
            warning=str(row["warning"] or ""),
            dominant_error=str(row.get("dominant_error") or ""),
        )
        for point in points
        for name, row in point["rows"].items()
    )
    fits = tuple(
        fit
        for structure, found in (content.get("arrhenius") or {}).items()
        for fit in read_fits(str(structure), found)
    )
    curves = tuple(curve for point in points for curve in _curves(point, arrays))
    return Mechanism(rows, fits, curves, tuple(dict.fromkeys(_warnings(points))))


def _curves(point: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Iterator[MechanismCurve]:
    prefix = array_name(str(point["name"])) + "_"
    own = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
    where = (str(point["structure"]), float(point["temperature_K"]))
    for name, values in own.items():
        if name.startswith("hops_") and name.endswith("_length_count"):
            element = name.removeprefix("hops_").removesuffix("_length_count")
            lengths = own[f"hops_{element}_length_A"]
            if len(lengths):
                yield MechanismCurve("jump lengths", element, *where, lengths, values)
        elif name.startswith("molecules_converted_"):
            first, _, second = name.removeprefix("molecules_converted_").partition("_to_")
            time = own["molecules_time_ps"]
            yield MechanismCurve("conversions", f"{first} → {second}", *where, time, values)
        elif name.startswith("vdos_") and not name.endswith(("_error", "_THz")):
            label = name.removeprefix("vdos_")
            yield MechanismCurve("vibrations", label, *where, own["vdos_THz"], values)


def _warnings(points: list[dict[str, Any]]) -> Iterator[str]:
    """Warnings and reasons of whole parts that no row carries."""
    for point in points:
        for record in point["members"].values():
            texts = [part.get("warning") for part in record.get("hops", {}).values()]
            for name in ("molecules", "vibrations"):
                part = record.get(name, {})
                texts += [part.get("warning"), part.get("reason")]
            charge = record.get("molecules", {}).get("charge_transport", {})
            texts.append(charge.get("warning"))
            for text in filter(None, texts):
                yield f"{point['structure']}, {point['temperature_K']:g} K: {text}"
