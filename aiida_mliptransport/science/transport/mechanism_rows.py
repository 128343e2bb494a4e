"""The numbers of a mechanism as one flat table, and those of committee members joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida_mliptransport.science.transport.committee import join_members

Row = dict[str, Any]
Rows = dict[str, Row]

#: Beginnings of the names of rows that are rates, for Arrhenius fits.
RATES = ("hop_rate_", "conversion_")


def mechanism_rows(record: Mapping[str, Any]) -> Rows:
    """Return every number of one member with its error, by name.

    Parameters
    ----------
    record
        As in :class:`~aiida_mliptransport.science.transport.mechanism.MechanismResult`.

    Returns
    -------
    dict
        Name to ``value``, ``standard_error``, ``interval_95``, ``unit``, ``logarithmic`` (whether
        errors are those of the logarithm), ``resolved``, ``reason``, ``needed_length_ps`` and
        ``warning``. Names: ``hop_rate_<element>`` (per ion), ``residence_``, ``D_hops_`` (tracer
        diffusion of the hops), ``correlation_factor_``, ``concerted_share_``,
        ``concerted_by_chance_`` (what to compare it with, no estimate),
        ``between_layers_share_``; ``number_<species>`` (per cell), ``lifetime_``,
        ``conversion_<species>_to_<species>`` (per central atom in the first) and
        ``conversions_per_atom_…`` (per central atom of any), ``sigma_<part>``.
    """
    rows: Rows = {}
    for element, hops in record.get("hops", {}).items():
        if "rate" in hops:
            rows |= _hop_rows(element, hops)
        else:
            rows[f"hop_rate_{element}"] = _row(None, None, None, "1/ps", hops)
    if "species" in record.get("molecules", {}):
        rows |= dict(_molecule_rows(record["molecules"]))
    return rows


def join_rows(members: Mapping[str, Rows]) -> Rows:
    """Return the rows of all members joined, with sampling and committee error.

    One member keeps its own intervals. Several have those of `committee.join_members`, with
    ``model_error`` and ``dominant_error``; a number that one of them lacks is not resolved.
    """
    if len(members) == 1:
        (only,) = members.values()
        return {
            name: {**row, "model_error": None, "dominant_error": "sampling"}
            for name, row in only.items()
        }
    names = list(dict.fromkeys(name for rows in members.values() for name in rows))
    return {name: _join(name, members) for name in names}


def _join(name: str, members: Mapping[str, Rows]) -> Row:
    found = {member: rows[name] for member, rows in members.items() if name in rows}
    first = next(iter(found.values()))
    reasons = [f"{m}: {row['reason']}" for m, row in found.items() if not row["resolved"]]
    reasons += [f"{m}: it was not seen" for m in members if m not in found]
    needed = [row["needed_length_ps"] for row in found.values() if row["needed_length_ps"]]
    warnings = [f"{m}: {row['warning']}" for m, row in found.items() if row["warning"]]
    joined = {
        **_row(None, None, None, first["unit"], logarithmic=first["logarithmic"]),
        "resolved": False,
        "reason": "; ".join(reasons),
        "needed_length_ps": len(members) * max(needed) if needed else None,
        "warning": "; ".join(warnings),
        "model_error": None,
        "dominant_error": None,
    }
    if reasons:
        # A mean whose error is not known is a number all the same.
        values = [row["value"] for row in found.values() if row["value"] is not None]
        mean = sum(values) / len(values) if len(values) == len(members) else None
        return {**joined, "value": mean}
    estimate = join_members(
        {m: (row["value"], row["standard_error"]) for m, row in found.items()},
        logarithmic=first["logarithmic"],
    )
    return {
        **joined,
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "interval_95": list(estimate.interval_95),
        "resolved": True,
        "needed_length_ps": None,
        "model_error": estimate.model_error,
        "dominant_error": estimate.dominant,
    }


def _row(
    value: float | None,
    error: float | None,
    interval: list[float] | None,
    unit: str,
    source: Mapping[str, Any] | None = None,
    *,
    logarithmic: bool = True,
) -> Row:
    """One row; ``source`` is the record that says whether and why."""
    known = source or {}
    return {
        "value": value,
        "standard_error": error,
        "interval_95": interval,
        "unit": unit,
        "logarithmic": logarithmic,
        # An exact number has no error to join: it is told as it stands, not as an estimate.
        "resolved": bool(known.get("resolved")) and bool(error),
        "reason": known.get("reason", ""),
        "needed_length_ps": known.get("needed_length_ps"),
        "warning": known.get("warning", ""),
    }


def _hop_rows(element: str, hops: Mapping[str, Any]) -> Rows:
    rate, moved = hops["rate"], hops["diffusion"]
    rows = {
        f"hop_rate_{element}": _row(
            rate["rate_per_ps"], rate["standard_error_per_ps"], rate["interval_95"], "1/ps", rate
        ),
        f"residence_{element}": _row(
            rate["residence_ps"],
            rate["residence_error_ps"],
            rate["residence_interval_95"],
            "ps",
            rate,
        ),
        f"D_hops_{element}": _row(
            moved["tracer_cm2_s"],
            moved["tracer_error_cm2_s"],
            moved["tracer_interval_95"],
            "cm²/s",
            moved,
        ),
        f"correlation_factor_{element}": _row(
            moved["correlation_factor"],
            moved["correlation_factor_error"],
            moved["correlation_factor_interval_95"],
            "",
            moved,
            logarithmic=False,
        ),
    }
    shares = {}
    if "layers" in hops:
        shares[f"between_layers_share_{element}"] = hops["layers"]["share_between"]
    if "concerted" in hops:
        shares[f"concerted_share_{element}"] = hops["concerted"]["share"]
    for name, share in shares.items():
        rows[name] = _row(
            share["value"],
            share["standard_error"],
            share["interval_95"],
            "",
            share,
            logarithmic=False,
        )
    if "concerted" in hops:
        rows[f"concerted_by_chance_{element}"] = _row(
            hops["concerted"]["share_by_chance"],
            None,
            None,
            "",
            {"reason": "of hops shifted in time at random: what is more is cooperation"},
            logarithmic=False,
        )
    return rows


def _molecule_rows(molecules: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    for name, species in molecules["species"].items():
        error, decay = species["number_error"], species["decay"]
        known = {"resolved": error is not None, "reason": species["number_reason"]}
        yield f"number_{name}", _row(species["number"], error, None, "", known, logarithmic=False)
        lifetime, interval = decay["lifetime_ps"], decay["lifetime_interval_95"]
        relative = decay["standard_error_per_ps"] / decay["rate_per_ps"] if lifetime else 0.0
        yield (
            f"lifetime_{name}",
            _row(lifetime, lifetime and lifetime * relative, interval, "ps", decay),
        )
    for conversion in molecules.get("conversions", {}).get("rates", ()):
        pair = f"{conversion['from']}_to_{conversion['to']}"
        for name, key in (("conversion", "rate"), ("conversions_per_atom", "frequency")):
            rate = conversion[key]
            values = (rate["rate_per_ps"], rate["standard_error_per_ps"], rate["interval_95"])
            yield f"{name}_{pair}", _row(*values, "1/ps", rate)
    charge = molecules["charge_transport"]
    for part in ("vehicular", "structural", "cross", "total"):
        value = charge["sigma_mS_cm"].get(part)
        error = charge.get("standard_error", {}).get(part)
        yield f"sigma_{part}", _row(value, error, None, "mS/cm", charge, logarithmic=False)
