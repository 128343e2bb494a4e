"""Tables of the production MD: diffusion, conductivity, activation energies."""

from __future__ import annotations

from .model_transport import Conductivity, Diffusion, Point, Transport
from .numbers import common_exponent, md_length, number, plus_minus, power_of_ten, significant
from .tables import Cell, Table, heads, number_cell

#: What an error mostly comes from, in words.
_DOMINANT = {"sampling": "length of the MD", "model": "committee"}


def _with_power(name: str, unit: str, power: int | None) -> str:
    return f"{name} ({power_of_ten(power)} {unit})" if power else f"{name} ({unit})"


def needed_text(estimate: Diffusion | Conductivity) -> str:
    """Return how much MD an estimate lacks, where it is not resolved."""
    if estimate.resolved:
        return ""
    if estimate.needed_length_ps is None:
        return estimate.reason
    return f"needs at least about {md_length(estimate.needed_length_ps)} of MD in all"


def _estimate(
    estimate: Diffusion | Conductivity, length_ps: float | None, power: int | None
) -> Cell:
    if estimate.resolved:
        text = plus_minus(estimate.value, estimate.error, exponent=power)
        return number_cell(text, estimate.warning)
    remark = needed_text(estimate)
    if estimate.needed_length_ps is not None and length_ps is not None:
        remark += f", has {md_length(length_ps)}"
    if estimate.reason and estimate.reason not in remark:
        remark = f"{remark}; {estimate.reason}"
    if isinstance(estimate, Diffusion) and estimate.upper_bound is not None:
        remark = f"below {plus_minus(estimate.upper_bound, unit='cm²/s')}; {remark}"
    return Cell("not resolved", "number bad", remark)


def diffusion_table(transport: Transport) -> Table | None:
    """Return D per structure, temperature and element."""
    elements = list(dict.fromkeys(d.element for p in transport.points for d in p.diffusion))
    rows = [(p, d) for e in elements for p in transport.points for d in p.diffusion
            if d.element == e]  # fmt: skip
    if not rows:
        return None
    power = common_exponent(d.value for _, d in rows if d.resolved)
    joint = any(p.n_members > 1 for p in transport.points)
    return Table(
        heads(
            "element", *_point_heads(transport), _with_power("D", "cm²/s", power) + "|",
            *(["error mostly from"] if joint else []), "log–log slope|", "fit window (ps)|",
        ),
        tuple(
            (
                Cell(d.element),
                *_point_cells(transport, p),
                _estimate(d, p.length_ps, power),
                *([Cell(_DOMINANT.get(d.dominant_error, "–"))] if joint else []),
                number_cell(plus_minus(d.slope, d.slope_error)),
                number_cell(_window(d.fit_window_ps)),
            )
            for p, d in rows
        ),
    )  # fmt: skip


def conductivity_table(transport: Transport) -> Table | None:
    """Return σ, the Nernst–Einstein value, the Haven ratio and transference numbers."""
    rows = [(p, p.conductivity) for p in transport.points if p.conductivity is not None]
    if not rows:
        return None
    power = common_exponent(c.value for _, c in rows if c.resolved)
    ne_power = common_exponent(c.nernst_einstein for _, c in rows)
    species = list(dict.fromkeys(s for _, c in rows for s in c.transference))
    joint = any(p.n_members > 1 for p in transport.points)
    integral = any(c.green_kubo is not None or c.green_kubo_reason for _, c in rows)
    return Table(
        heads(
            *_point_heads(transport), _with_power("σ", "mS/cm", power) + "|",
            *(["error mostly from"] if joint else []),
            *([_with_power("σ(Green–Kubo)", "mS/cm", power) + "|"] if integral else []),
            _with_power("σ(NE)", "mS/cm", ne_power) + "|", "Haven ratio σ(NE)/σ|",
            *(f"t({s})|" for s in species),
        ),
        tuple(
            (
                *_point_cells(transport, p),
                _estimate(c, p.length_ps, power),
                *([Cell(_DOMINANT.get(c.dominant_error, "–"))] if joint else []),
                *([_green_kubo(c, power)] if integral else []),
                number_cell(
                    plus_minus(c.nernst_einstein, c.nernst_einstein_error, exponent=ne_power)
                ),
                number_cell(plus_minus(c.haven, c.haven_error)),
                *(
                    number_cell(plus_minus(c.transference.get(s), c.transference_error.get(s)))
                    for s in species
                ),
            )
            for p, c in rows
        ),
    )  # fmt: skip


def _green_kubo(estimate: Conductivity, power: int | None) -> Cell:
    if estimate.green_kubo is None:
        return Cell("not resolved", "number", estimate.green_kubo_reason)
    return number_cell(plus_minus(estimate.green_kubo, estimate.green_kubo_error, exponent=power))


def _point_heads(transport: Transport) -> list[str]:
    several = len({p.structure for p in transport.points}) > 1
    return ["structure", "T (K)|"] if several else ["T (K)|"]


def _point_cells(transport: Transport, point: Point) -> list[Cell]:
    several = len({p.structure for p in transport.points}) > 1
    first = [Cell(point.structure)] if several else []
    return [*first, number_cell(f"{point.temperature:g}")]


def _window(window: tuple[float, float] | None) -> str:
    return f"{significant(window[0], 2)} – {significant(window[1], 2)}" if window else "–"


def runs_table(transport: Transport) -> Table | None:
    """Return the production runs: how large, how long, how far the committee disagreed."""
    if not transport.points:
        return None
    return Table(
        heads(
            *_point_heads(transport), "mean T (K)|", "atoms|", "volume (Å³)|", "members|", "runs|",
            "MD in all (ps)|", "equilibrated", "deviation, median (eV/Å)|",
            "deviation, 99 % (eV/Å)|",
        ),
        tuple(
            (
                *_point_cells(transport, p),
                number_cell("–" if p.mean_temperature is None else f"{p.mean_temperature:.0f}"),
                number_cell(number(p.n_atoms)),
                number_cell("–" if p.volume is None else f"{p.volume:.0f}"),
                number_cell(number(p.n_members)),
                number_cell(number(p.n_trajectories)),
                number_cell("–" if p.length_ps is None else significant(p.length_ps)),
                _equilibrated(p),
                number_cell(plus_minus(p.deviation_median)),
                number_cell(plus_minus(p.deviation_99)),
            )
            for p in transport.points
        ),
    )  # fmt: skip


def _equilibrated(point: Point) -> Cell:
    if point.equilibrated is None:
        return Cell("not checked")
    if point.equilibrated:
        return Cell("yes", "", point.equilibration_note)
    return Cell("no", "bad", point.equilibration_note)


def activation_table(transport: Transport | None) -> Table | None:
    """Return activation energies, or why there is none."""
    if transport is None or not transport.arrhenius:
        return None
    several = len({fit.structure for fit in transport.arrhenius}) > 1
    return Table(
        heads(
            *(["structure"] if several else []), "fit of", "Eₐ (eV)|", "temperatures|",
            "χ² per degree of freedom|",
        ),
        tuple(
            (
                *([Cell(fit.structure)] if several else []),
                Cell(quantity_name(fit.name)),
                Cell("not fitted", "number bad", fit.reason)
                if fit.activation_eV is None
                else number_cell(plus_minus(fit.activation_eV, fit.activation_error_eV)),
                number_cell(number(fit.n_temperatures)),
                number_cell(plus_minus(fit.reduced_chi_square)),
            )
            for fit in transport.arrhenius
        ),
        narrow=True,
    )  # fmt: skip


def quantity_name(name: str) -> str:
    """Return for example ``ln D(Li)`` for the key ``D_Li`` of a fit."""
    if name.startswith("D_"):
        return f"ln D({name[2:]})"
    return {"sigma_T": "ln σT", "sigma": "ln σ"}.get(name, name)
