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
class System:
    """What all estimators of a point need: atoms (masses in u), charges (e), V (Å³), T (K), frame.

    Raises ValueError if an element has no charge.
    """

    symbols: tuple[str, ...]
    masses: FloatArray
    charges: dict[str, float]
    volume_angstrom3: float
    temperature_K: float
    frame: ReferenceFrame

    def __post_init__(self) -> None:
        missing = [name for name in self.names if name not in self.charges]
        if missing:
            raise ValueError(
                f"charges {self.charges} lack {missing}; charges are never guessed, give them"
            )

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
        Chemical symbol of each atom, or any label: atoms of one element with different charges
        get different ones (``C1``, ``C2``).
    masses : (N,) float
        u.
    charges
        Of each label, elementary charges.

    Raises
    ------
    ValueError
        If a label has no charge, or arrays do not fit.
    """
    system = System(
        tuple(symbols),
        np.asarray(masses, dtype=float),
        dict(charges),
        volume_angstrom3,
        temperature_K,
        frame,
    )
    still = [remove_drift(run.positions, symbols, frame, masses) for run in runs]
    labels = np.array(symbols)
    own = {name: [run[:, labels == name] for run in still] for name in sorted(system.names)}
    sums = [
        species_sums_in_frame(
            run.centres * system.weights, system.names, system.counts, frame, system.species_masses
        )
        for run in runs
    ]
    result = estimate_point(own, runs[0].dt_ps, sums, runs[0].centres_dt_ps, system)
    velocities = [run.centre_velocities for run in runs if run.centre_velocities is not None]
    if len(velocities) == len(runs):
        integral = _green_kubo(velocities, runs[0].centres_dt_ps, system)
        result.record["green_kubo"] = green_kubo_record(integral)
        if integral.curve is not None:
            kept = _log_spaced(len(integral.curve.times_ps) - 1)
            result.curves["green_kubo_time_ps"] = integral.curve.times_ps[kept]
            result.curves["green_kubo_integral"] = integral.curve.integral_mS_cm[kept]
            result.curves["green_kubo_error"] = integral.curve.standard_error_mS_cm[kept]
    return result


def estimate_point(
    displacements: Mapping[str, Sequence[NDArray[np.floating]]],
    dt_ps: float,
    sums: Sequence[FloatArray],
    sums_dt_ps: float,
    system: System,
) -> PointResult:
    """Return the estimates from displacements that are in the reference frame already.

    Parameters
    ----------
    displacements
        Element to its runs (n, N_element, 3), Å; memory maps are read a few atoms at a time.
    dt_ps, sums_dt_ps
        Time between two frames, and between two sums.
    sums
        Displacements summed over each species, in the order of ``system.names`` (m, S, 3), Å, of
        each run.
    """
    diffusion, curves = _self_diffusion(displacements, dt_ps)
    sigma, charge_curves = _conductivity(sums, sums_dt_ps, system, diffusion)
    record = {
        "diffusion": {element: diffusion_record(d) for element, d in diffusion.items()},
        "conductivity": conductivity_record(sigma, diffusion, system.charges, system.counts),
    }
    return PointResult(diffusion, sigma, record, curves | charge_curves)


def spacing(times_ps: FloatArray) -> float:
    """Return the time between two frames (ps); raises ValueError where they are uneven."""
    steps = np.diff(times_ps)
    if len(steps) == 0 or not np.allclose(steps, steps[0], rtol=1e-6):
        raise ValueError("frames are not evenly spaced in time; the MSD needs one stride")
    return float(steps.mean())


def _equal(series: Sequence[NDArray[np.floating]]) -> list[NDArray[np.floating]]:
    """Cut series to the shortest, so that their MSDs can be averaged for a plot."""
    length = min(len(s) for s in series)
    return [s[:length] for s in series]


def _self_diffusion(
    displacements: Mapping[str, Sequence[NDArray[np.floating]]], dt_ps: float
) -> tuple[dict[str, DiffusionEstimate], dict[str, FloatArray]]:
    """Return D of each element and the MSDs."""
    diffusion: dict[str, DiffusionEstimate] = {}
    curves: dict[str, FloatArray] = {}
    for element, runs in displacements.items():
        diffusion[element] = estimate_diffusion(list(runs), dt_ps)
        msd = np.mean([msd_self(run).sum(axis=-1) for run in _equal(runs)], axis=0)
        lag, thinned = _thinned(msd)
        curves["time_ps"] = lag * dt_ps
        curves[f"msd_{element}"] = thinned
    return diffusion, curves


def _conductivity(
    sums: Sequence[FloatArray],
    dt_ps: float,
    system: System,
    diffusion: Mapping[str, DiffusionEstimate],
) -> tuple[ConductivityEstimate, dict[str, FloatArray]]:
    """Return σ by Einstein's relation and the collective MSD of the charge."""
    names = system.names
    sigma = estimate_conductivity(
        sums,
        names,
        {name: system.charges[name] for name in names},
        system.counts,
        system.volume_angstrom3,
        system.temperature_K,
        dt_ps,
        system.frame,
        diffusion,
    )
    z = np.array([system.charges[name] for name in names])
    collective = np.mean(
        [np.einsum("tijk,i,j->t", msd_collective(s), z, z) for s in _equal(sums)], axis=0
    )
    lag, thinned = _thinned(collective)
    return sigma, {
        "charge_time_ps": lag * dt_ps,
        "msd_charge": thinned / len(system.symbols),
    }


def _green_kubo(
    velocities: Sequence[FloatArray], dt_ps: float, system: System
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
        {name: system.charges[name] for name in system.names},
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
