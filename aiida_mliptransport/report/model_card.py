"""The model card: what a potential was made from, where it holds, and how well, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiida import orm
from ase.data import atomic_masses

from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from ..science.units import density_g_cm3
from .graph import Root, inputs
from .numbers import grouped, plural, significant

#: Program, as levels of theory and potentials name it, to what its authors ask to be cited.
CITATIONS = {
    "aiida": "S. P. Huber et al., Sci. Data 7, 300 (2020)",
    "deepmd": "J. Zeng et al., J. Chem. Phys. 159, 054801 (2023)",
    "lammps": "A. P. Thompson et al., Comput. Phys. Commun. 271, 108171 (2022)",
    "cp2k": "T. D. Kühne et al., J. Chem. Phys. 152, 194103 (2020)",
    "vasp": "G. Kresse, J. Furthmüller, Phys. Rev. B 54, 11169 (1996)",
    "tblite": "S. Grimme, C. Bannwarth, P. Shushkov, J. Chem. Theory Comput. 13, 1989 (2017)",
    "ase": "A. H. Larsen et al., J. Phys.: Condens. Matter 29, 273002 (2017)",
}

#: What is said where the graph knows nothing.
UNKNOWN = "not known from the graph"


@dataclass(frozen=True)
class TrainingRow:
    """Training frames of one composition.

    Attributes
    ----------
    density_g_cm3
        Least and greatest, None where the cells are not periodic in three directions.
    """

    formula: str
    n_atoms: int
    n_frames: int
    density_g_cm3: tuple[float, float] | None


def training_rows(frame_sets: Iterable[FrameSetData]) -> list[TrainingRow]:
    """Return what a potential was trained on, by composition; frames that come twice count once."""
    seen: set[str] = set()
    found: dict[tuple[str, int], list[float]] = {}
    counts: dict[tuple[str, int], int] = {}
    for node in frame_sets:
        for system in node.frames:
            key = (system.formula, system.n_atoms)
            mass = float(atomic_masses[system.numbers].sum())
            for identity, cell in zip(system.identities(), system.cells, strict=True):
                if identity in seen:
                    continue
                seen.add(identity)
                counts[key] = counts.get(key, 0) + 1
                if system.pbc.all():
                    density = density_g_cm3(mass, abs(float(np.linalg.det(cell))))
                    found.setdefault(key, []).append(density)
    return [
        TrainingRow(*key, n, (min(found[key]), max(found[key])) if key in found else None)
        for key, n in sorted(counts.items())
    ]


def model_card(
    potential: PotentialData,
    validation: Mapping[str, Any] | None = None,
    licence: str | None = None,
    table: bool = True,
) -> str:
    """Return the model card of a potential as Markdown.

    Parameters
    ----------
    potential
        Its creator is the training; what called that is the campaign.
    validation
        Content of the output ``validation`` of ``mliptransport.validate``.
    licence
        Under which the potential may be used, such as ``CC-BY-4.0``.
    table
        Whether the validation has a section.
    """
    training = potential.creator
    campaign = _outermost(training)
    frame_sets = _training_frames(training)
    levels = [node.level_of_theory for node in frame_sets if node.level_of_theory]
    rows = training_rows(frame_sets)
    parts = [
        f"# Model card: {potential.label or '-'.join(potential.type_map) + ' potential'}",
        *_section("Potential", _potential_items(potential)),
        *_section("Training data", _training_table(rows)),
        *_section("Level of theory", _level_items(levels)),
        *_section("Domain of validity", _domain_items(rows, campaign)),
        *(_section("Validation", _validation_table(validation)) if table else []),
        *_section("Licence", [licence or "Not stated: ask the authors before you use it."]),
        *_section("How to cite", _citations(potential, levels)),
        *_section("How to rebuild", _rebuild(potential, campaign)),
    ]
    return "\n".join(parts) + "\n"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *(lines or [UNKNOWN.capitalize() + "."])]


def _outermost(process: orm.ProcessNode | None) -> orm.ProcessNode | None:
    while process is not None and process.caller is not None:
        process = process.caller
    return process


def _training_frames(process: orm.ProcessNode | None) -> list[FrameSetData]:
    """Return the frames that a training, or the nearest process above it, was given."""
    while process is not None:
        given = inputs(process)
        found = [given[label] for label in sorted(given) if isinstance(given[label], FrameSetData)]
        if found:
            return found
        process = process.caller
    return []


def _potential_items(potential: PotentialData) -> list[str]:
    spec = potential.spec()
    items = [
        f"- Kind: {spec.backend} {potential.framework_version}".rstrip(),
        f"- Elements: {', '.join(potential.type_map)}",
        f"- Cutoff: {significant(potential.cutoff)} Å",
        f"- Trained on stress: {'yes' if potential.trained_on_stress else 'no, so not for NPT'}",
    ]
    if potential.seed is not None:
        items.append(f"- Seed: {potential.seed}")
    digests = potential.base.attributes.get("sha256")
    items += [f"- sha256 of {role}: `{digest}`" for role, digest in sorted(digests.items())]
    return items


def _training_table(rows: Sequence[TrainingRow]) -> list[str]:
    if not rows:
        return []
    table = ["| formula | atoms | frames | density (g/cm³) |", "|---|---:|---:|---|"]
    for row in rows:
        density = "" if row.density_g_cm3 is None else _range(*row.density_g_cm3)
        table.append(f"| {row.formula} | {row.n_atoms} | {grouped(row.n_frames)} | {density} |")
    total = sum(row.n_frames for row in rows)
    return [*table, "", f"{plural(total, 'distinct frame')} in all."]


def _level_items(levels: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"- {key}: {value}" for key, value in sorted(levels[0].items())] if levels else []


def _domain_items(rows: Sequence[TrainingRow], campaign: orm.ProcessNode | None) -> list[str]:
    formulas = ", ".join(dict.fromkeys(row.formula for row in rows)) or UNKNOWN
    densities = [row.density_g_cm3 for row in rows if row.density_g_cm3 is not None]
    density = (
        f"{_range(min(low for low, _ in densities), max(high for _, high in densities))} g/cm³"
        if densities
        else UNKNOWN
    )
    temperatures, level = UNKNOWN, None
    if campaign is not None:
        root = Root.of(campaign)
        values = _temperatures(root)
        if values:
            temperatures = f"{_range(min(values), max(values))} K"
        level = _largest_deviation(root)
    allowed = UNKNOWN if level is None else f"{significant(level)} eV/Å in any atom of a cell"
    return [
        f"- Compositions: {formulas}",
        f"- Temperatures explored: {temperatures}",
        f"- Densities: {density}",
        f"- Largest force deviation of the committee: {allowed}; beyond it a frame is to be "
        "labelled before it is believed",
    ]


def _temperatures(root: Root) -> list[float]:
    return [
        float(value)
        for label, node in root.taken.items()
        if label.endswith("temperatures") and isinstance(node, orm.List)
        and not label.startswith("transport")
        for value in node.get_list()
    ]  # fmt: skip


def _largest_deviation(root: Root) -> float | None:
    """Return the upper trust level that the last iteration's blind test gave, eV/Å."""
    history = root.given.get("history")
    records = history.get_dict().get("iterations", []) if isinstance(history, orm.Dict) else []
    for record in reversed(records):
        for key in ("calibrated_trust_levels", "trust_levels"):
            level = (record.get(key) or {}).get("high")
            if level is not None:
                return float(level)
    return None


def _validation_table(validation: Mapping[str, Any] | None) -> list[str]:
    if validation is None:
        return ["Not validated beyond its training: run `aiida-mliptransport launch validate`."]
    counts = ", ".join(f"{number} {verdict}" for verdict, number in validation["counts"].items())
    table = [
        f"{counts}.",
        "",
        "| check | subject | quantity | potential | labeller | difference | tolerance | verdict |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    for line in validation["lines"]:
        unit = f" ({line['unit']})" if line["unit"] else ""
        difference = _number(line["difference"])
        if line["uncertainty"] is not None:
            difference += f" ± {_number(line['uncertainty'], 2)}"
        verdict = line["verdict"] + (f": {line['reason']}" if line["reason"] else "")
        cells = (
            line["check"], line["subject"], line["quantity"] + unit, _number(line["potential"]),
            _number(line["labeller"]), difference, _number(line["tolerance"]), verdict,
        )  # fmt: skip
        # A bar in a name, such as that of an interface, would begin a new cell.
        table.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return table


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else significant(value, digits)


def _range(low: float, high: float) -> str:
    first, last = significant(low), significant(high)
    return first if first == last else f"{first} to {last}"


def _citations(potential: PotentialData, levels: Sequence[Mapping[str, Any]]) -> list[str]:
    engine = str(levels[0].get("engine", "")).lower() if levels else ""
    programs = dict.fromkeys(("aiida", potential.spec().backend, engine, "lammps"))
    return [f"- {name}: {CITATIONS[name]}" for name in programs if name in CITATIONS]


def _rebuild(potential: PotentialData, campaign: orm.ProcessNode | None) -> list[str]:
    if campaign is None:
        return [
            "The potential has no creator: it was imported, or stands for itself by its parameters."
        ]
    return [
        f"Made by {campaign.process_label} `{campaign.uuid}`. Its archive holds every frame, label "
        "and input:",
        "",
        "```",
        f"aiida-mliptransport export {campaign.uuid} -o campaign.aiida   # where it was made",
        "verdi archive import campaign.aiida                # where it is to be rebuilt",
        f"aiida-mliptransport lineage {potential.uuid}",
        "aiida-mliptransport launch campaign.yaml           # the campaign file begins it anew",
        "```",
    ]
