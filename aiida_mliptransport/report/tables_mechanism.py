"""Tables of the mechanism: rates, shares, lifetimes and parts of σ by temperature."""

from __future__ import annotations

from .model_transport import Mechanism, MechanismRow
from .numbers import md_length, number, plus_minus
from .tables import Cell, Table, heads, number_cell

#: Beginning of the name of a row to its words; ``{}`` is what follows.
_WORDS = {
    "hop_rate_": "hops per ion of {}",
    "residence_": "residence time of {}",
    "D_hops_": "D of {} from its hops",
    "correlation_factor_": "correlation factor of {}",
    "between_layers_share_": "hops of {} between layers",
    "concerted_share_": "concerted hops of {}",
    "concerted_by_chance_": "the same by chance, {}",
    "number_": "{} in a cell",
    "lifetime_": "lifetime of {}",
    "conversions_per_atom_": "{} per central atom",
    "conversion_": "{} per atom in the first",
    "sigma_": "σ, {} part",
}


def row_name(name: str) -> str:
    """Return for example ``hops per ion of Li`` for ``hop_rate_Li``."""
    for start, words in _WORDS.items():
        if name.startswith(start):
            return words.format(name.removeprefix(start).replace("_to_", " → "))
    return name


def mechanism_table(mechanism: Mechanism) -> Table | None:
    """Return one row per quantity and one column per temperature."""
    if not mechanism.rows:
        return None
    temperatures = sorted({row.temperature for row in mechanism.rows})
    structures = list(dict.fromkeys(row.structure for row in mechanism.rows))
    several = len(structures) > 1
    found = {(row.structure, row.name, row.temperature): row for row in mechanism.rows}
    lines = list(dict.fromkeys((row.structure, row.name, row.unit) for row in mechanism.rows))
    return Table(
        heads(
            *(["structure"] if several else []), "", "unit",
            *(f"{temperature:g} K|" for temperature in temperatures),
        ),
        tuple(
            (
                *([Cell(structure)] if several else []),
                Cell(row_name(name)),
                Cell(unit),
                *(_cell(found.get((structure, name, t))) for t in temperatures),
            )
            for structure, name, unit in lines
        ),
    )  # fmt: skip


def _cell(row: MechanismRow | None) -> Cell:
    if row is None:
        return number_cell("–")
    if row.resolved:
        return number_cell(plus_minus(row.value, row.error), row.warning)
    if row.value is not None:
        # The number is there, only its error is not.
        return number_cell(plus_minus(row.value), row.reason)
    remark = row.reason
    if row.needed_length_ps is not None:
        remark = f"needs at least about {md_length(row.needed_length_ps)} of MD in all"
    return Cell("not resolved", "number bad", remark)


def barriers_table(mechanism: Mechanism) -> Table | None:
    """Return the activation energies of the rates."""
    if not mechanism.arrhenius:
        return None
    return Table(
        heads("rate", "Eₐ (eV)|", "prefactor (1/ps)|", "temperatures|"),
        tuple(
            (
                Cell(row_name(fit.name)),
                Cell("not fitted", "number bad", fit.reason)
                if fit.activation_eV is None
                else number_cell(plus_minus(fit.activation_eV, fit.activation_error_eV)),
                number_cell(number(fit.prefactor)),
                number_cell(number(fit.n_temperatures)),
            )
            for fit in mechanism.arrhenius
        ),
        narrow=True,
    )
