"""Vibrational density of states: the mass-weighted power spectrum of the velocities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, integrate, signal

from aiida_mliptransport.science.transport.reference import FloatArray, require_finite
from aiida_mliptransport.science.transport.slope import as_trajectories
from aiida_mliptransport.science.units import (
    ATOMIC_MASS_G,
    BOLTZMANN_EV_K,
    ELEMENTARY_CHARGE_C,
    THZ_TO_INVERSE_CM,
)

#: 1 u·Å²/ps² in eV: 1e-3 kg/g times (100 m/s)² per Å/ps, over the charge.
_U_ANGSTROM2_PS2_EV = ATOMIC_MASS_G * 10.0 / ELEMENTARY_CHARGE_C
#: Equivalent noise bandwidth of the Hann window in frequency bins.
_HANN_BANDWIDTH = 1.5
#: Variance of the mean of Hann periodograms with half overlap, over that of independent ones.
_OVERLAP_VARIANCE = 1.0 + 2.0 / 36.0
_MIN_SEGMENTS = 4
#: More modes than this share in the last tenth below the Nyquist frequency give a warning.
_ALIAS_SHARE = 0.01
_CHUNK_BYTES = 128 * 1024**2


@dataclass(frozen=True)
class VibrationalDensityOfStates:
    """Density of states in modes per THz, with standard errors, at `frequencies_THz`.

    The trapezoidal integral of `total` is the number of modes 3N - 3; the species add up to
    `total`; groups need not. The last frequency is the Nyquist frequency. `temperature_K` is the
    kinetic temperature that the velocities themselves have, `resolution_THz` the bandwidth.
    """

    frequencies_THz: FloatArray
    total: FloatArray
    total_error: FloatArray
    by_species: dict[str, FloatArray]
    by_species_error: dict[str, FloatArray]
    by_group: dict[str, FloatArray]
    by_group_error: dict[str, FloatArray]
    n_modes: int
    n_segments: int
    resolution_THz: float
    temperature_K: float
    warning: str

    @property
    def wavenumbers_per_cm(self) -> FloatArray:
        """The frequencies in cm⁻¹."""
        return self.frequencies_THz * THZ_TO_INVERSE_CM


def vibrational_density_of_states(
    velocities: ArrayLike | Sequence[ArrayLike],
    masses: ArrayLike,
    species: Sequence[str],
    dt_ps: float,
    resolution_THz: float,
    groups: Mapping[str, Sequence[int]] | None = None,
) -> VibrationalDensityOfStates:
    """One-sided power spectrum g(ν) = 4/(k_B T) Σ m ∫₀ ⟨v(0)·v(t)⟩ cos(2πνt) dt.

    `velocities` (n_frames, n_atoms, 3) in Å/ps every `dt_ps`, or a list from independent bursts;
    `masses` (n_atoms,) in u; one name of `species` per atom; `groups` name lists of atom indices,
    for example all atoms of one kind of molecule. The velocity of the centre of mass is removed.
    k_B T is the kinetic energy of the same frames, so that g integrates to 3N - 3.

    Segments under a Hann window with half overlap (Welch, IEEE Trans. Audio Electroacoust. 15,
    70 (1967)); errors from their scatter, n_segments - 1 degrees of freedom. g(ν): Lin, Blanco
    and Goddard, J. Chem. Phys. 119, 11792 (2003), eq. 3. Peaks narrower than the resolution are
    broadened, which no error bar shows. Coverage of 95 % intervals, at all frequencies of 200
    Langevin gases of 12 atoms (15 segments): 94.9 %.
    Raises ValueError for bad shapes, masses, groups or NaN, and for a resolution that leaves
    fewer than four segments or no frequency.
    """
    runs = as_trajectories(velocities)
    mass = _check_masses(masses, species, runs[0].shape)
    if not (dt_ps > 0.0 and resolution_THz > 0.0):
        msg = f"dt_ps is {dt_ps} and resolution_THz {resolution_THz}, expected positive numbers"
        raise ValueError(msg)
    names = [str(name) for name in np.unique(np.asarray(species, dtype=np.str_))]
    kinds = {name: np.flatnonzero(np.asarray(species) == name) for name in names}
    given = {name: _check_group(name, index, mass.size) for name, index in (groups or {}).items()}
    weights = np.zeros((mass.size, len(kinds) + len(given)))
    for column, index in enumerate([*kinds.values(), *given.values()]):
        weights[index, column] = mass[index]
    length = _segment_length(runs, dt_ps, resolution_THz)
    power = np.array([_periodogram(part, mass, weights) for part in _segments(runs, length)])
    frequencies = np.asarray(fft.rfftfreq(length, dt_ps))
    columns = [power[:, :, column] for column in range(power.shape[2])]
    total = power[:, :, : len(kinds)].sum(axis=2)
    energy = integrate.trapezoid(total, dx=1.0 / (length * dt_ps), axis=1)
    n_modes = 3 * mass.size - 3
    spectra = [_normalise(part, energy, n_modes) for part in [total, *columns]]
    by_kind = dict(zip(kinds, spectra[1 : 1 + len(kinds)], strict=True))
    by_group = dict(zip(given, spectra[1 + len(kinds) :], strict=True))
    return VibrationalDensityOfStates(
        frequencies_THz=frequencies,
        total=spectra[0][0],
        total_error=spectra[0][1],
        by_species={name: pair[0] for name, pair in by_kind.items()},
        by_species_error={name: pair[1] for name, pair in by_kind.items()},
        by_group={name: pair[0] for name, pair in by_group.items()},
        by_group_error={name: pair[1] for name, pair in by_group.items()},
        n_modes=n_modes,
        n_segments=len(power),
        resolution_THz=_HANN_BANDWIDTH / (length * dt_ps),
        temperature_K=_temperature(energy, length, dt_ps, n_modes),
        warning=_alias_warning(frequencies, spectra[0][0], n_modes, dt_ps),
    )


def _check_masses(masses: ArrayLike, species: Sequence[str], shape: tuple[int, ...]) -> FloatArray:
    mass = np.asarray(masses, dtype=np.float64)
    if shape[2] != 3 or shape[1] < 2 or mass.shape != (shape[1],) or len(species) != shape[1]:
        msg = (
            f"velocities have shape {shape} with {mass.size} masses and {len(species)} species "
            "names, expected (n_frames, n_atoms, 3) of two atoms or more, and one of each per atom"
        )
        raise ValueError(msg)
    if not (mass > 0.0).all():
        msg = f"masses hold {mass.min()} u, expected positive numbers"
        raise ValueError(msg)
    return mass


def _check_group(name: str, index: Sequence[int], n_atoms: int) -> NDArray[np.int_]:
    atoms = np.asarray(index, dtype=np.int_)
    inside = atoms.size > 0 and atoms.min() >= 0 and atoms.max() < n_atoms
    if not inside or len(np.unique(atoms)) != atoms.size:
        msg = (
            f"group {name!r} is {list(index)[:10]}, expected different atom indices from 0 to "
            f"{n_atoms - 1}"
        )
        raise ValueError(msg)
    return atoms


def _segment_length(
    runs: Sequence[NDArray[np.floating]], dt_ps: float, resolution_THz: float
) -> int:
    """Even number of frames per segment for a resolution, checked against the runs."""
    length = 2 * int(np.ceil(0.5 * _HANN_BANDWIDTH / (resolution_THz * dt_ps)))
    if length < 8:
        msg = (
            f"resolution_THz is {resolution_THz}, coarser than the Nyquist frequency "
            f"{0.5 / dt_ps:.3g} THz allows: ask for {_HANN_BANDWIDTH / (8 * dt_ps):.3g} THz or less"
        )
        raise ValueError(msg)
    found = sum(max(0, 2 * len(run) // length - 1) for run in runs)
    if found < _MIN_SEGMENTS:
        needed = 0.5 * length * (_MIN_SEGMENTS + 1) * dt_ps
        msg = (
            f"resolution_THz {resolution_THz} gives {found} segments of {length * dt_ps:.3g} ps, "
            f"expected at least {_MIN_SEGMENTS}: ask for a coarser one or give {needed:.3g} ps"
        )
        raise ValueError(msg)
    return length


def _segments(runs: Sequence[NDArray[np.floating]], length: int) -> list[NDArray[np.floating]]:
    half = length // 2
    return [
        run[start : start + length]
        for run in runs
        for start in range(0, len(run) - length + 1, half)
    ]


def _periodogram(
    segment: NDArray[np.floating], mass: FloatArray, weights: FloatArray
) -> FloatArray:
    """One-sided Σ m |v(ν)|² (n_frequencies, n_columns), not yet a density, of one segment."""
    window = signal.windows.hann(len(segment), sym=False)[:, None, None]
    drift = np.einsum("tac,a->tc", segment, mass / mass.sum(), dtype=np.float64)
    require_finite(drift, "velocities")
    step = max(1, _CHUNK_BYTES // (48 * len(segment)))
    power = np.zeros((len(segment) // 2 + 1, weights.shape[1]))
    for start in range(0, mass.size, step):
        chunk = segment[:, start : start + step] - drift[:, None, :]
        spectrum = fft.rfft(chunk * window, axis=0)
        squares = (spectrum.real**2 + spectrum.imag**2).sum(axis=2)
        power += squares @ weights[start : start + step]
    # Both ends count in full: the trapezoidal rule halves them, which makes Parseval exact.
    return np.asarray(2.0 * power / float((window**2).sum()))


def _normalise(
    power: FloatArray, energy: FloatArray, n_modes: int
) -> tuple[FloatArray, FloatArray]:
    """Density in modes/THz and its error, the energy being estimated from the same segments."""
    density = n_modes * power.mean(axis=0) / energy.mean()
    residual = (n_modes * power - density * energy[:, None]) / energy.mean()
    n = len(power)
    variance = (residual**2).sum(axis=0) / (n * (n - 1)) * _OVERLAP_VARIANCE
    return density, np.sqrt(variance)


def _temperature(energy: FloatArray, length: int, dt_ps: float, n_modes: int) -> float:
    # The periodogram lacks the factor dt of a density.
    squares = float(energy.mean()) * dt_ps * _U_ANGSTROM2_PS2_EV
    return squares / (n_modes * BOLTZMANN_EV_K)


def _alias_warning(frequencies: FloatArray, density: FloatArray, n_modes: int, dt_ps: float) -> str:
    top = frequencies >= 0.9 * frequencies[-1]
    share = float(integrate.trapezoid(density[top], frequencies[top])) / n_modes
    if share <= _ALIAS_SHARE:
        return ""
    return (
        f"{share:.1%} of the modes lie just below the Nyquist frequency {frequencies[-1]:.3g} THz: "
        f"faster ones may be folded back; store velocities every {dt_ps / 2:.2g} ps or less"
    )
