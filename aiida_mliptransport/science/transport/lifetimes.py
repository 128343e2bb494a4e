"""How long molecules live, with the lives that the ends of the trajectory cut."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy import stats

from aiida_mliptransport.science.transport.event_rates import EventRate, estimate_event_rate
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.speciation import Speciation


def species_lifetimes(speciation: Speciation) -> dict[str, EventRate]:
    """Decay rate per molecule and lifetime of the same atoms in one molecule, by formula.

    An exchange of atoms ends a life, also if the formula stays; for how long a central atom
    stays in a species see `conversions`. Intervals: see `event_rates.estimate_event_rate`.
    """
    deaths: dict[str, list[tuple[int, int]]] = {name: [] for name in speciation.species}
    for reaction in speciation.reactions:
        for name, n in Counter(item.formula for item in reaction.reactants).items():
            deaths[name].append((reaction.frame, n))
    populations = speciation.populations()
    rates = {}
    for name, seen in deaths.items():
        frames, numbers = np.array(seen, dtype=np.int64).reshape(-1, 2).T
        rates[name] = estimate_event_rate(frames, numbers, populations[name][:-1], speciation.dt_ps)
    return rates


def survival(speciation: Speciation, formula: str) -> tuple[FloatArray, FloatArray]:
    """Kaplan–Meier survival of the lives whose birth was seen: times (ps), probabilities.

    An exponential says that one lifetime tells all; anything else needs this curve. Raises
    ValueError where no birth was seen. Source: Kaplan and Meier, J. Am. Stat. Assoc. 53, 457
    (1958).
    """
    last = speciation.n_frames - 1
    lives = [item for item in speciation.lives if item.molecule.formula == formula]
    born = [item for item in lives if item.birth_seen and item.start < last]
    if not born:
        msg = (
            f"no birth of {formula!r} was seen before the last frame, species {speciation.species}"
        )
        raise ValueError(msg)
    ages = [speciation.dt_ps * (min(item.stop, last) - item.start) for item in born]
    data = stats.CensoredData.right_censored(ages, [not item.death_seen for item in born])
    curve = stats.ecdf(data).sf
    return np.asarray(curve.quantiles), np.asarray(curve.probabilities)
