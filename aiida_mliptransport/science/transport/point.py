"""All transport observables of one structure at one temperature, from runs as plain arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_mliptransport.science.transport.conductivity import (
    ConductivityEstimate,
    estimate_conductivity,
    nernst_einstein,
)
from aiida_mliptransport.science.transport.diffusion import DiffusionEstimate, estimate_diffusion
from aiida_mliptransport.science.transport.msd import msd_collective, msd_self
from aiida_mliptransport.science.transport.reference import (
    FloatArray,
    ReferenceFrame,
    remove_drift,
    species_sums_in_frame,
)

#: Points of an MSD curve that is kept, evenly spaced in log t.
MSD_POINTS = 200


@dataclass(frozen=True, eq=False)
class Run:
    """One continuous run.

    Attributes
    ----------
    positions : (n, N, 3) float
        Unwrapped, Å, evenly spaced in time.
    dt_ps : float
        Time between two frames.
    centres : (m, S, 3) float
        Displacement of the centre of mass of each species (in the order of their first atom), Å.
    centres_dt_ps : float
        Time between two of them; where they were written densely, σ rests on many more points.
    """

    positions: FloatArray
    dt_ps: float
    centres: FloatArray
    centres_dt_ps: float


@dataclass(frozen=True, eq=False)
class PointResult:
    """Observables of one point.

    Attributes
    ----------
    diffusion : dict
        Element to its estimate.
    conductivity : ConductivityEstimate
    record : dict
        ``diffusion`` and ``conductivity`` as plain values with units in their names.
    curves : dict
        ``time_ps``, ``msd_<element>`` (Å²), ``charge_time_ps``, ``msd_charge`` (e² Å², squared
        displacement of Σ z r over the number of ions).
    """

    diffusion: dict[str, DiffusionEstimate]
    conductivity: ConductivityEstimate
    record: dict[str, Any]
    curves: dict[str, FloatArray]


def species_in_order(symbols: Sequence[str]) -> list[str]:
    """Return the elements in the order of their first atom."""
    return list(dict.fromkeys(symbols))


def centres_of_species(positions: FloatArray, symbols: Sequence[str]) -> FloatArray:
    """Return the displacement of the centre of mass of each species (n, S, 3) from the start, Å."""
    names = np.array(symbols)
    means = [positions[:, names == name].mean(axis=1) for name in species_in_order(symbols)]
    centres: FloatArray = np.stack(means, axis=1)
    return centres - centres[0]


def analyse_point(
    runs: Sequence[Run],
    symbols: Sequence[str],
    masses: FloatArray,
    volume_angstrom3: float,
    temperature_K: float,
    charges: Mapping[str, float],
    frame: ReferenceFrame,
) -> PointResult:
    """Return self-diffusion of each element, conductivity and the curves they were fitted to.

    Parameters
    ----------
    runs
        Independent runs of the same atoms.
    symbols
        Chemical symbol of each atom.
    masses : (N,) float
        u.
    charges
        Of each element, elementary charges.

    Raises
    ------
    ValueError
        If an element has no charge, or arrays do not fit.
    """
    missing = [name for name in species_in_order(symbols) if name not in charges]
    if missing:
        raise ValueError(
            f"charges {dict(charges)} lack {missing}; charges are never guessed, give them"
        )
    counts = dict(Counter(symbols))
    names = species_in_order(symbols)
    mass = dict(zip(symbols, np.asarray(masses).tolist(), strict=True))
    curves: dict[str, FloatArray] = {}
    drifting = [remove_drift(run.positions, symbols, frame, masses) for run in runs]
    diffusion = {}
    for element in sorted(names):
        members = np.flatnonzero(np.array(symbols) == element)
        own = [positions[:, members] for positions in drifting]
        diffusion[element] = estimate_diffusion(own, runs[0].dt_ps)
        msd = np.mean([msd_self(run).sum(axis=-1) for run in _equal(own)], axis=0)
        lag, thinned = _thinned(msd)
        curves["time_ps"] = lag * runs[0].dt_ps
        curves[f"msd_{element}"] = thinned
    weights = np.array([counts[name] for name in names])[None, :, None]
    sums = [species_sums_in_frame(r.centres * weights, names, counts, frame, mass) for r in runs]
    sigma = estimate_conductivity(
        sums,
        names,
        {name: charges[name] for name in names},
        counts,
        volume_angstrom3,
        temperature_K,
        runs[0].centres_dt_ps,
        frame,
        diffusion if all(d.resolved for d in diffusion.values()) else None,
    )
    z = np.array([charges[name] for name in names])
    collective = np.mean(
        [np.einsum("tijk,i,j->t", msd_collective(s), z, z) for s in _equal(sums)], axis=0
    )
    lag, thinned = _thinned(collective)
    curves["charge_time_ps"] = lag * runs[0].centres_dt_ps
    curves["msd_charge"] = thinned / len(symbols)
    record = {
        "diffusion": {el: diffusion_record(d) for el, d in diffusion.items()},
        "conductivity": conductivity_record(sigma, diffusion, charges, counts),
    }
    return PointResult(diffusion, sigma, record, curves)


def diffusion_record(estimate: DiffusionEstimate) -> dict[str, Any]:
    """Return an estimate of D as plain values, units in their names."""
    interval = estimate.interval() if estimate.resolved else None
    return {
        "D_cm2_s": estimate.diffusion_cm2_s,
        "standard_error": estimate.standard_error_cm2_s,
        "relative_error": estimate.relative_error,
        "interval_95": list(interval) if interval else None,
        "log_log_slope": estimate.log_log_slope,
        "log_log_slope_error": estimate.log_log_slope_error,
        "fit_window_ps": list(estimate.fit_window_ps),
        "offset_A2": estimate.offset_angstrom2,
        "n_independent": estimate.n_independent,
        "block_error": estimate.block_error_cm2_s,
        "resolved": estimate.resolved,
        "reason": estimate.reason,
        "needed_length_ps": estimate.needed_length_ps,
        "upper_bound_cm2_s": estimate.upper_bound_cm2_s,
        "warning": estimate.warning,
        "method": estimate.method,
    }


def conductivity_record(
    estimate: ConductivityEstimate,
    diffusion: Mapping[str, DiffusionEstimate],
    charges: Mapping[str, float],
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """Return an estimate of σ as plain values, units in their names."""
    # σ_NE needs the self-diffusion only, so it may be known where the collective one is not.
    free = estimate.nernst_einstein
    if free is None and all(d.resolved for d in diffusion.values()):
        free = nernst_einstein(
            diffusion, charges, counts, estimate.volume_angstrom3, estimate.temperature_K
        )
    interval = estimate.interval() if estimate.resolved else None
    return {
        "sigma_mS_cm": estimate.sigma_mS_cm,
        "standard_error": estimate.standard_error_mS_cm,
        "relative_error": estimate.relative_error,
        "interval_95": list(interval) if interval else None,
        "sigma_NE_mS_cm": free.sigma_mS_cm if free else None,
        "sigma_NE_error": free.standard_error_mS_cm if free else None,
        "haven_ratio": estimate.haven_ratio,
        "haven_ratio_error": estimate.haven_ratio_error,
        "haven_convention": estimate.haven_convention,
        "transference": estimate.transference,
        "transference_error": estimate.transference_error,
        "log_log_slope": estimate.log_log_slope,
        "log_log_slope_error": estimate.log_log_slope_error,
        "fit_window_ps": list(estimate.fit_window_ps),
        "n_independent": estimate.n_independent,
        "resolved": estimate.resolved,
        "reason": estimate.reason,
        "needed_length_ps": estimate.needed_length_ps,
        "warning": estimate.warning,
        "method": estimate.method,
    }


def spacing(times_ps: FloatArray) -> float:
    """Return the time between two frames (ps); raises ValueError where they are uneven."""
    steps = np.diff(times_ps)
    if len(steps) == 0 or not np.allclose(steps, steps[0], rtol=1e-6):
        raise ValueError("frames are not evenly spaced in time; the MSD needs one stride")
    return float(steps.mean())


def _equal(series: Sequence[FloatArray]) -> list[FloatArray]:
    """Cut series to the shortest, so that their MSDs can be averaged for a plot."""
    length = min(len(s) for s in series)
    return [s[:length] for s in series]


def _thinned(msd: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lags and values evenly spaced in log t, up to half of the length."""
    last = max(2, len(msd) // 2)
    lags = np.unique(np.geomspace(1, last, MSD_POINTS).astype(int))
    return lags.astype(float), msd[lags]
