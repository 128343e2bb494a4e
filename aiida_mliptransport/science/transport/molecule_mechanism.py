"""Molecules that form and break as a record: which, how long, how they convert and carry charge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from aiida_mliptransport.science.transport.bonds import follow_bonds
from aiida_mliptransport.science.transport.charge_displacement import charge_displacement
from aiida_mliptransport.science.transport.charge_transport import charge_transport
from aiida_mliptransport.science.transport.conversions import Conversions, find_conversions
from aiida_mliptransport.science.transport.event_rates import EventRate
from aiida_mliptransport.science.transport.lifetimes import species_lifetimes
from aiida_mliptransport.science.transport.mechanism_settings import MoleculeSettings
from aiida_mliptransport.science.transport.populations import mean_populations
from aiida_mliptransport.science.transport.records import diffusion_record
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.speciation import Speciation, side_by_side, speciate
from aiida_mliptransport.science.transport.species_diffusion import species_diffusion

Record = dict[str, Any]
Curves = dict[str, FloatArray]

#: Species that are told apart in the record; the rest is rare and is only counted.
MAX_SPECIES = 12


def describe_molecules(
    runs: Sequence[FloatArray],
    cells: Sequence[FloatArray],
    symbols: Sequence[str],
    masses: FloatArray,
    charges: Mapping[str, float],
    temperature_K: float,
    dt_ps: float,
    settings: MoleculeSettings,
) -> tuple[Record, Curves, Speciation]:
    """Return which molecules there are and what they do, as a record and curves.

    Parameters
    ----------
    runs
        Unwrapped positions (n_frames, n_atoms, 3) of each run, drift removed, Å; equally long.
    cells
        Of each run, (n_frames, 3, 3), Å.
    charges
        Of the elements, e; used where the settings give none for molecules.

    Returns
    -------
    record, curves, speciation
        The record has ``species`` (population, lifetime, diffusion of each), ``n_other_species``,
        ``conversions`` and ``charge_transport``; the curves the numbers of molecules by frame
        (mean over the runs) and, with a central element, the conversions counted up to it.
    """
    each = [
        speciate(
            follow_bonds(run, symbols, cell, settings.radii, dt_ps, settings.persistence_ps),
            symbols,
            dt_ps,
        )
        for run, cell in zip(runs, cells, strict=True)
    ]
    joined = side_by_side(each)
    populations = joined.populations()
    names = sorted(joined.species, key=lambda name: (-populations[name].mean(), name))
    shown = names[:MAX_SPECIES]
    curves: Curves = {"time_ps": dt_ps * np.arange(joined.n_frames, dtype=np.float64)}
    curves |= {f"number_{name}": populations[name] / len(runs) for name in shown}
    record: Record = {
        "species": _species_records(runs, joined, masses, shown),
        "n_other_species": len(names) - len(shown),
        "n_reactions": len(joined.reactions),
        "charge_transport": _charge_record(
            runs, each, cells, masses, charges, temperature_K, dt_ps, settings
        ),
    }
    if settings.central is not None:
        conversions = find_conversions(joined, settings.central, settings.states)
        record["conversions"] = _conversion_records(conversions)
        for (first, second), _ in _pairs(conversions):
            curves[f"converted_{first}_to_{second}"] = conversions.cumulative(first, second) / len(
                runs
            )
    return record, curves, joined


def _species_records(
    runs: Sequence[FloatArray], joined: Speciation, masses: FloatArray, names: Sequence[str]
) -> Record:
    means = mean_populations(joined)
    lifetimes = species_lifetimes(joined)
    wide = np.concatenate(runs, axis=1)
    diffusion = species_diffusion(wide, joined, np.tile(masses, len(runs)))
    records = {}
    for name in names:
        mean, moved = means[name], diffusion[name]
        scatter = mean.standard_error
        records[name] = {
            # One cell holds this many, the error is that of the mean over all runs.
            "number": mean.mean / len(runs),
            "number_error": None if scatter is None else scatter / len(runs),
            "number_reason": mean.reason,
            "decay": event_rate_record(lifetimes[name]),
            "diffusion": {
                **(diffusion_record(moved.estimate) if moved.estimate else {"D_cm2_s": None}),
                "resolved": moved.resolved,
                "reason": moved.reason,
                "needed_life_ps": moved.needed_life_ps,
                "share_of_time": moved.share,
            },
        }
    return records


def event_rate_record(estimate: EventRate) -> Record:
    """Return a rate of events and the lifetime as plain values, with 95 % intervals."""
    return {
        **asdict(estimate),
        "interval_95": list(estimate.interval()) if estimate.resolved else None,
        "lifetime_ps": estimate.lifetime_ps,
        "lifetime_interval_95": list(estimate.lifetime_interval()) if estimate.resolved else None,
    }


def _conversion_records(conversions: Conversions) -> Record:
    """Every conversion that was seen: per atom in the first state, and per central atom."""
    return {
        "central": conversions.central,
        "n_central": conversions.n_central,
        "states": list(conversions.states),
        "rates": [
            {
                "from": first,
                "to": second,
                "n_atoms": count,
                "rate": event_rate_record(conversions.rate(first, second)),
                "frequency": event_rate_record(conversions.frequency(first, second)),
            }
            for (first, second), count in _pairs(conversions)[:MAX_SPECIES]
        ],
    }


def _pairs(conversions: Conversions) -> list[tuple[tuple[str, str], int]]:
    """Return the conversions that were seen, the most frequent first."""
    counts = conversions.counts
    found = [
        ((conversions.states[i], conversions.states[j]), int(counts[i, j]))
        for i, j in np.argwhere(counts > 0)
    ]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _charge_record(
    runs: Sequence[FloatArray],
    each: Sequence[Speciation],
    cells: Sequence[FloatArray],
    masses: FloatArray,
    charges: Mapping[str, float],
    temperature_K: float,
    dt_ps: float,
    settings: MoleculeSettings,
) -> Record:
    """Vehicular, structural, cross and internal part of σ in mS/cm, or why there are none."""
    given = charges if settings.charges is None else settings.charges
    try:
        parts = [
            charge_displacement(run, speciation, cell, masses, given)
            for run, speciation, cell in zip(runs, each, cells, strict=True)
        ]
    except ValueError as error:
        # A network that spans the cell, or charges by formula that lack a species, has no split.
        return {"resolved": False, "reason": str(error), "sigma_mS_cm": {}, "charges": dict(given)}
    result = charge_transport(parts, dt_ps)
    volume = float(np.mean([np.abs(np.linalg.det(cell)).mean() for cell in cells]))
    sigma = result.conductivity_mS_cm(volume, temperature_K)
    return {
        "resolved": result.resolved,
        "reason": result.reason,
        "needed_length_ps": result.needed_length_ps,
        "warning": result.warning,
        "fit_window_ps": list(result.fit_window_ps),
        "sigma_mS_cm": {name: value for name, (value, _) in sigma.items()},
        "standard_error": {name: error for name, (_, error) in sigma.items()},
        "charges": dict(given),
    }
