"""The report of built cells on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..common import print_table

#: Notes of builders that are tables of their own.
_TABLES = ("occupancies", "components", "defects")

#: Units of what builders note.
_UNITS = {
    "angle": "°",
    "area": "Å²",
    "dipole_per_area": "e/Å",
    "ewald_energy": "eV",
    "gap": "Å",
    "position": "Å",
    "separation": "Å",
    "shortest_contact": "Å",
    "shortest_distance": "Å",
    "thickness": "Å",
    "vacuum": "Å",
    "void_radius": "Å",
}


def show_reports(reports: Sequence[Mapping[str, Any]]) -> None:
    """Print one cell line by line, several as a table, then what the builder tells."""
    first = reports[0]
    if len(reports) == 1:
        rows = [*_state_rows(first), *_note_rows(first["builder"])]
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            click.echo(f"{name.ljust(width)}  {value}")
    else:
        _show_table(reports)
    for name in _TABLES:
        if name in first["builder"]:
            _show_notes(name, first["builder"][name])


def _state_rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    lengths = " ".join(f"{value:.3f}" for value in report["lengths_A"])
    angles = " ".join(f"{value:.2f}" for value in report["angles_deg"])
    rows = [
        ("formula", report["formula"]),
        ("atoms", str(report["n_atoms"])),
        ("cell", f"{lengths} Å, {angles}°, {report['volume_A3']:.1f} Å³"),
        ("density", f"{report['density_g_cm3']:.4f} g/cm³"),
        ("shortest distance", f"{report['shortest_distance_A']:.3f} Å"),
    ]
    if "shortest_contact_A" in report:
        rows.append(("between molecules", f"{report['shortest_contact_A']:.3f} Å"))
    rows.append(("charge", _charge(report)))
    if report.get("multiplicity", 1) != 1:
        rows.append(("multiplicity", str(report["multiplicity"])))
    return rows


def _charge(report: Mapping[str, Any]) -> str:
    if "charge" not in report:
        return "not stated"
    return f"{report['charge']:+g} e" if report["charge"] else "0 e"


def _note_rows(notes: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in notes.items():
        name = f"{prefix}{key}".replace("_", " ")
        if prefix == "" and key in _TABLES:
            continue
        if isinstance(value, Mapping):
            rows += _note_rows(value, f"{name}: ") if value else [(name, "none")]
        else:
            unit = _UNITS.get(key, "") if value is not None else ""
            rows.append((name, f"{_text(value)} {unit}".rstrip()))
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        # Sums of rounding errors are zero to a reader.
        return f"{0.0 if abs(value) < 1e-12 else value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    return str(value)


def _show_table(reports: Sequence[Mapping[str, Any]]) -> None:
    extra = [key for key, value in reports[0]["builder"].items() if isinstance(value, float)]
    print_table(
        [
            *("cell", "formula", "atoms", "Å³", "g/cm³", "shortest Å", "charge"),
            *(_header(key) for key in extra),
        ],
        [
            (
                number,
                report["formula"],
                report["n_atoms"],
                f"{report['volume_A3']:.1f}",
                f"{report['density_g_cm3']:.4f}",
                f"{report['shortest_distance_A']:.3f}",
                _charge(report),
                *(_text(report["builder"][key]) for key in extra),
            )
            for number, report in enumerate(reports)
        ],
    )


def _show_notes(name: str, notes: Any) -> None:
    if name == "occupancies":
        _show_occupancies(notes)
        return
    keys = list(dict.fromkeys(key for row in notes for key in row))
    print_table(
        [_header(key) for key in keys],
        [[_text(row[key]) if key in row else "–" for key in keys] for row in notes],
        title=name,
    )


def _show_occupancies(notes: Mapping[str, Mapping[str, Any]]) -> None:
    """Print sites that can be filled in several ways, and what rounding does to the formula."""
    wanted: Counter[str] = Counter()
    built: Counter[str] = Counter()
    groups: dict[tuple[int, str, str], list[str]] = {}
    for label, row in notes.items():
        wanted.update({name: share * row["sites"] for name, share in row["wanted"].items()})
        built.update(row["counts"])
        if len(row["wanted"]) > 1:
            key = (row["sites"], _shares(row["wanted"]), _shares(row["built"]))
            groups.setdefault(key, []).append(label)
    print_table(
        ("site", "sites", "wanted", "built"),
        [
            (labels[0] if len(labels) == 1 else f"{labels[0]} … {labels[-1]}, each", *key)
            for key, labels in groups.items()
        ],
        title="occupancies",
    )
    changed = [name for name in wanted if abs(built[name] - wanted[name]) > 0.5]
    if changed:
        told = ", ".join(f"{name} {wanted[name]:.4g} → {built[name]}" for name in changed)
        click.echo(
            f"note: rounding on each site changed the composition: {told}; order a larger cell, "
            "or say --join-equal"
        )


def _header(key: str) -> str:
    return f"{key.replace('_', ' ')} {_UNITS.get(key, '')}".rstrip()


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.4g}" for name, share in shares.items())
