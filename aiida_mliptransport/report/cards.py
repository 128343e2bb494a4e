"""The cards of the summary: the numbers that a reader came for."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Report
from .model_barriers import Barriers
from .model_transport import ArrheniusFit, Transport
from .numbers import duration, grouped, percent, plural, plus_minus, significant
from .tables_transport import needed_text


@dataclass(frozen=True)
class Card:
    """One number of the summary."""

    name: str
    value: str
    remark: str = ""


def mobile_element(transport: Transport) -> str | None:
    """Return the first element with a positive charge that has a D, else the first that has one."""
    elements = list(dict.fromkeys(d.element for p in transport.points for d in p.diffusion))
    positive = [e for e in elements if transport.charges.get(e, 0) > 0]
    return next(iter(positive or elements), None)


#: Barriers that have a card; the table has all.
MAX_BARRIERS = 4


def cards(report: Report) -> tuple[Card, ...]:
    """Return the numbers that a reader came for."""
    found: list[Card] = []
    transport = report.transport
    if transport is not None and transport.points:
        found += _transport_cards(transport)
    if report.kind == "barriers" and report.barriers is not None:
        found += _barrier_cards(report.barriers)
    errors = report.final_errors
    if errors is not None and errors.force_rmse is not None:
        remark = f"RMSE per component, {errors.source}"
        if errors.relative is not None:
            remark = f"{percent(errors.relative)} of the RMS of the forces; {remark}"
        found.append(
            Card(
                "Force error",
                plus_minus(errors.force_rmse, errors.force_rmse_error, "eV/Å"),
                remark,
            )
        )
    if report.n_labels:
        remark = f"in {plural(len(report.iterations), 'iteration')}"
        found.append(Card("Labels", grouped(report.n_labels), remark))
    if report.jobs:
        hours = sum(group.core_hours for group in report.jobs)
        count = sum(group.n_jobs for group in report.jobs)
        found.append(
            Card("Wall time", duration(report.wall_s), f"{plural(count, 'job')}, "
                 f"{significant(hours)} core-hours")
        )  # fmt: skip
    return tuple(found)


def _transport_cards(transport: Transport) -> list[Card]:
    found = []
    element = mobile_element(transport)
    low = min(transport.points, key=lambda p: p.temperature)
    several = len({p.structure for p in transport.points}) > 1
    where = f"{low.structure}, {low.temperature:g} K" if several else f"{low.temperature:g} K"
    values = [d for d in low.diffusion if d.element == element]
    if values:
        one = values[0]
        found.append(
            Card(
                f"D({element}) at {where}",
                plus_minus(one.value, one.error, "cm²/s") if one.resolved else "not resolved",
                needed_text(one) or _range(transport, element),
            )
        )
    sigma = low.conductivity
    if sigma is not None:
        remark = needed_text(sigma)
        if not remark and sigma.haven is not None:
            haven = plus_minus(sigma.haven, sigma.haven_error)
            remark = f"Haven ratio σ(NE)/σ = {haven}"
        text = plus_minus(sigma.value, sigma.error, "mS/cm") if sigma.resolved else "not resolved"
        found.append(Card(f"σ at {where}", text, remark))
    fits = {
        fit.name: fit
        for fit in transport.arrhenius
        if fit.activation_eV is not None and fit.structure == low.structure
    }
    main = fits.get(f"D_{element}") or fits.get("sigma_T")
    if main is not None:
        name = "σT" if main.name == "sigma_T" else f"D({element})"
        remark = plural(main.n_temperatures, "temperature") if main.n_temperatures else ""
        if main.name != "sigma_T" and "sigma_T" in fits:
            remark = "; ".join(filter(None, (remark, f"of σT {_energy(fits['sigma_T'])}")))
        found.append(Card(f"Activation energy of {name}", _energy(main), remark))
    return found


def _range(transport: Transport, element: str | None) -> str:
    hot = max(transport.points, key=lambda p: p.temperature)
    values = [d for d in hot.diffusion if d.element == element and d.resolved]
    if not values or len(transport.points) < 2:
        return ""
    return f"{plus_minus(values[0].value, values[0].error)} at {hot.temperature:g} K"


def _energy(fit: ArrheniusFit) -> str:
    return plus_minus(fit.activation_eV, fit.activation_error_eV, "eV")


def _barrier_cards(barriers: Barriers) -> list[Card]:
    found = []
    for path in barriers.paths[:MAX_BARRIERS]:
        ours, theirs = path.profile("potential"), path.profile("labels")
        if ours is not None:
            value = plus_minus(ours.barrier, path.committee_std, "eV")
            remark = "" if theirs is None else f"labeller on the same images: {theirs.barrier:.3f}"
            found.append(Card(path.name, value, remark or path.origin))
    return found
