"""All transport observables of one structure at one temperature, from runs as plain arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_mliptransport.science.transport.conductivity import (
    ConductivityEstimate,
    estimate_conductivity,
)
from aiida_mliptransport.science.transport.diffusion import DiffusionEstimate, estimate_diffusion
from aiida_mliptransport.science.transport.green_kubo import (
    GreenKuboEstimate,
    estimate_green_kubo,
    species_currents_in_frame,
)
from aiida_mliptransport.science.transport.msd import msd_collective, msd_self
from aiida_mliptransport.science.transport.records import (
    conductivity_record,
    diffusion_record,
    green_kubo_record,
)
from aiida_mliptransport.science.transport.reference import (
    FloatArray,
    ReferenceFrame,
    remove_drift,
    species_sums_in_frame,
)

IntArray = NDArray[np.int_]

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
    centre_velocities : (m, S, 3) float, optional
        Velocity of the same centres, Å/ps: from them comes the Green–Kubo conductivity.
    """

    positions: FloatArray
    dt_ps: float
    centres: FloatArray
    centres_dt_ps: float
    centre_velocities: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class PointResult:
    """Observables of one point.

    Attributes
    ----------
    diffusion : dict
        Element to its estimate.
    conductivity : ConductivityEstimate
    record : dict
        ``diffusion``, ``conductivity`` and, where velocities are known, ``green_kubo`` as plain
        values with units in their names.
    curves : dict
        ``time_ps``, ``msd_<element>`` (Å²), ``charge_time_ps``, ``msd_charge`` (e² Å², squared
        displacement of Σ z r over the number of ions); ``green_kubo_time_ps``,
        ``green_kubo_integral`` and ``green_kubo_error`` (mS/cm).
    """

    diffusion: dict[str, DiffusionEstimate]
    conductivity: ConductivityEstimate
    record: dict[str, Any]
    curves: dict[str, FloatArray]


@dataclass(frozen=True, eq=False)
class _System:
    """What all estimators of a point need."""

    symbols: tuple[str, ...]
    masses: FloatArray
    charges: dict[str, float]
    volume_angstrom3: float
    temperature_K: float
    frame: ReferenceFrame

    @property
    def names(self) -> list[str]:
        return species_in_order(self.symbols)

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(self.symbols))

    @property
    def species_masses(self) -> dict[str, float]:
        return dict(zip(self.symbols, self.masses.tolist(), strict=True))

    @property
    def weights(self) -> FloatArray:
        """Atoms of each species (1, S, 1), which make a sum of a mean."""
        return np.array([float(self.counts[name]) for name in self.names])[None, :, None]


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
    system = _System(
        tuple(symbols),
        np.asarray(masses, dtype=float),
        {name: float(charges[name]) for name in species_in_order(symbols)},
        volume_angstrom3,
        temperature_K,
        frame,
    )
    diffusion, curves = _self_diffusion(runs, system)
    sigma, charge_curves = _conductivity(runs, system, diffusion)
    record = {
        "diffusion": {element: diffusion_record(d) for element, d in diffusion.items()},
        "conductivity": conductivity_record(sigma, diffusion, system.charges, system.counts),
    }
    curves |= charge_curves
    velocities = [run.centre_velocities for run in runs if run.centre_velocities is not None]
    if len(velocities) == len(runs):
        integral = _green_kubo(velocities, runs[0].centres_dt_ps, system)
        record["green_kubo"] = green_kubo_record(integral)
        if integral.curve is not None:
            kept = _log_spaced(len(integral.curve.times_ps) - 1)
            curves["green_kubo_time_ps"] = integral.curve.times_ps[kept]
            curves["green_kubo_integral"] = integral.curve.integral_mS_cm[kept]
            curves["green_kubo_error"] = integral.curve.standard_error_mS_cm[kept]
    return PointResult(diffusion, sigma, record, curves)


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


def _self_diffusion(
    runs: Sequence[Run], system: _System
) -> tuple[dict[str, DiffusionEstimate], dict[str, FloatArray]]:
    """Return D of each element and the MSDs."""
    still = [remove_drift(r.positions, system.symbols, system.frame, system.masses) for r in runs]
    diffusion: dict[str, DiffusionEstimate] = {}
    curves: dict[str, FloatArray] = {}
    for element in sorted(system.names):
        members = np.flatnonzero(np.array(system.symbols) == element)
        own = [positions[:, members] for positions in still]
        diffusion[element] = estimate_diffusion(own, runs[0].dt_ps)
        msd = np.mean([msd_self(run).sum(axis=-1) for run in _equal(own)], axis=0)
        lag, thinned = _thinned(msd)
        curves["time_ps"] = lag * runs[0].dt_ps
        curves[f"msd_{element}"] = thinned
    return diffusion, curves


def _conductivity(
    runs: Sequence[Run], system: _System, diffusion: Mapping[str, DiffusionEstimate]
) -> tuple[ConductivityEstimate, dict[str, FloatArray]]:
    """Return σ by Einstein's relation and the collective MSD of the charge."""
    names, counts, weights = system.names, system.counts, system.weights
    sums = [
        species_sums_in_frame(
            run.centres * weights, names, counts, system.frame, system.species_masses
        )
        for run in runs
    ]
    sigma = estimate_conductivity(
        sums,
        names,
        system.charges,
        counts,
        system.volume_angstrom3,
        system.temperature_K,
        runs[0].centres_dt_ps,
        system.frame,
        diffusion,
    )
    z = np.array([system.charges[name] for name in names])
    collective = np.mean(
        [np.einsum("tijk,i,j->t", msd_collective(s), z, z) for s in _equal(sums)], axis=0
    )
    lag, thinned = _thinned(collective)
    return sigma, {
        "charge_time_ps": lag * runs[0].centres_dt_ps,
        "msd_charge": thinned / len(system.symbols),
    }


def _green_kubo(
    velocities: Sequence[FloatArray], dt_ps: float, system: _System
) -> GreenKuboEstimate:
    """Return σ from the currents of the species."""
    currents = [
        species_currents_in_frame(
            each * system.weights, system.names, system.counts, system.frame, system.species_masses
        )
        for each in velocities
    ]
    return estimate_green_kubo(
        currents,
        system.names,
        system.charges,
        system.counts,
        system.volume_angstrom3,
        system.temperature_K,
        dt_ps,
        system.frame,
    )


def _thinned(msd: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lags and values evenly spaced in log t, up to half of the length."""
    lags = _log_spaced(max(2, len(msd) // 2))
    return lags.astype(float), msd[lags]


def _log_spaced(last: int) -> IntArray:
    return np.unique(np.geomspace(1, last, MSD_POINTS).astype(int))
