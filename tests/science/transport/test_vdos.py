"""Vibrational densities of states with known peaks, shapes and integrals."""

import numpy as np
import pytest
from scipy import constants, stats
from scipy.integrate import trapezoid
from scipy.signal import lfilter

from aiida_mliptransport.science.transport.vdos import (
    VibrationalDensityOfStates,
    vibrational_density_of_states,
)

DT, TAU, KELVIN = 0.02, 0.1, 600.0
MASSES = np.array([7.0] * 3 + [35.0] * 5)
SPECIES = ["Li"] * 3 + ["Cl"] * 5
#: 1 eV in u·Å²/ps².
EV = constants.e / constants.atomic_mass / 1e4


def _gas(seed: int, n_frames: int = 1500) -> np.ndarray:
    """Velocities in Å/ps of free Langevin particles at 600 K."""
    decay = np.exp(-DT / TAU)
    noise = np.random.default_rng(seed).normal(size=(n_frames, len(MASSES), 3))
    noise[1:] *= np.sqrt(1.0 - decay**2)
    thermal = np.sqrt(constants.k / constants.e * KELVIN * EV / MASSES)
    return thermal[:, None] * lfilter([1.0], [1.0, -decay], noise, axis=0)


def _spectrum(velocities, resolution: float = 0.4, **kwargs) -> VibrationalDensityOfStates:
    return vibrational_density_of_states(velocities, MASSES, SPECIES, DT, resolution, **kwargs)


def _lorentzian(frequencies: np.ndarray, n_modes: int) -> np.ndarray:
    """Exact density of an exponential correlation sampled every DT, per THz."""
    decay = np.exp(-DT / TAU)
    phase = 2.0 * np.pi * frequencies * DT
    return n_modes * 2.0 * DT * (1.0 - decay**2) / (1.0 - 2.0 * decay * np.cos(phase) + decay**2)


def test_a_harmonic_dimer_peaks_at_its_frequency_and_has_its_temperature() -> None:
    spring, masses = 20.0, np.array([26.98, 35.45])
    reduced = masses.prod() / masses.sum()
    frequency = np.sqrt(spring * EV / reduced) / (2.0 * np.pi)
    time = 0.002 * np.arange(8000)
    momentum = 300.0 * np.cos(2.0 * np.pi * frequency * time)
    velocities = np.zeros((8000, 2, 3))
    velocities[:, :, 0] = momentum[:, None] * np.array([1.0, -1.0]) / masses
    # A moving centre of mass must not show.
    velocities += np.array([5.0, -3.0, 1.0])
    result = vibrational_density_of_states(velocities, masses, ["Al", "Cl"], 0.002, 0.5)
    step = result.frequencies_THz[1]
    assert 5.0 < frequency < 20.0
    assert result.frequencies_THz[np.argmax(result.total)] == pytest.approx(frequency, abs=step)
    peak = result.wavenumbers_per_cm[np.argmax(result.total)]
    assert peak == pytest.approx(frequency * 1e12 / (constants.c * 100.0), abs=33.4 * step)
    near = np.abs(result.frequencies_THz - frequency) < 5.5 * step
    assert trapezoid(result.total[near], result.frequencies_THz[near]) == pytest.approx(3, rel=2e-3)
    # Three modes share the kinetic energy p²/2μ · 1/2 of one.
    kinetic = 300.0**2 / (4.0 * reduced) / EV
    assert result.temperature_K == pytest.approx(2 * kinetic / 3 / 8.617333e-5, rel=1e-3)
    # Equal momenta: the light atom has more of the spectrum.
    ratio = result.by_species["Al"][near].sum() / result.by_species["Cl"][near].sum()
    assert ratio == pytest.approx(35.45 / 26.98, rel=1e-6)


def test_the_integral_is_three_n_minus_three_and_species_add_up() -> None:
    result = _spectrum(_gas(1), groups={"pair": [0, 3], "all": range(8)})
    assert result.n_modes == 21
    assert trapezoid(result.total, result.frequencies_THz) == pytest.approx(21.0, rel=1e-12)
    np.testing.assert_allclose(result.by_species["Cl"] + result.by_species["Li"], result.total)
    np.testing.assert_allclose(result.by_group["all"], result.total, rtol=1e-10)
    assert (result.by_group["pair"] < result.total).all()
    np.testing.assert_allclose(result.by_group_error["all"], result.total_error, rtol=1e-8)


def test_species_hold_their_share_of_modes_and_the_gas_its_temperature() -> None:
    results = [_spectrum(_gas(seed)) for seed in range(10, 40)]
    modes = [trapezoid(r.by_species["Li"], r.frequencies_THz) for r in results]
    # Equipartition without the centre of mass: 3 N_s - 3 M_s / M.
    error = np.std(modes) / np.sqrt(len(modes))
    assert np.mean(modes) == pytest.approx(9 - 3 * 21 / 196, abs=3 * error)
    assert error < 0.1
    kelvin = [r.temperature_K for r in results]
    assert np.mean(kelvin) == pytest.approx(KELVIN, abs=3 * np.std(kelvin) / np.sqrt(30))


def test_langevin_particles_have_a_lorentzian_whose_zero_is_the_diffusion_coefficient() -> None:
    result = _spectrum(_gas(2, 30_000))
    expected = _lorentzian(result.frequencies_THz, 21)
    # 187 segments of 21 components: 1.6 % each; leakage of the window adds where g bends.
    np.testing.assert_allclose(result.total, expected, rtol=0.1)
    # g(0) = 4 (3N - 3) τ, as D = k_B T g(0) / (12 m N).
    assert result.total[0] == pytest.approx(4 * 21 * TAU, rel=0.08)


def test_intervals_cover_the_truth_at_all_frequencies() -> None:
    hits = []
    for seed in range(100, 160):
        result = _spectrum(_gas(seed))
        width = stats.t.ppf(0.975, result.n_segments - 1) * result.total_error
        expected = _lorentzian(result.frequencies_THz, 21)
        hits.append(np.abs(result.total - expected) <= width)
    assert 0.92 <= np.mean(hits) <= 0.98


def test_independent_bursts_are_averaged_as_segments() -> None:
    bursts = [_gas(50 + k, 300) for k in range(5)]
    many = _spectrum(bursts, 0.3)
    assert many.n_segments == 5
    assert many.resolution_THz == pytest.approx(0.3, rel=0.01)
    assert trapezoid(many.total, many.frequencies_THz) == pytest.approx(21.0, rel=1e-12)


def test_modes_at_the_nyquist_frequency_give_a_warning() -> None:
    white = np.random.default_rng(3).normal(size=(1000, 8, 3))
    share = float(_spectrum(white).warning.split("%")[0])
    assert share == pytest.approx(10.0, abs=0.5)
    smooth = lfilter(
        np.ones(25) / 25, [1.0], lfilter(np.ones(25) / 25, [1.0], white, axis=0), axis=0
    )
    assert _spectrum(smooth).warning == ""


def test_float32_velocities_lose_nothing() -> None:
    velocities = _gas(4).astype(np.float32)
    single, double = _spectrum(velocities), _spectrum(velocities.astype(np.float64))
    np.testing.assert_allclose(single.total, double.total, rtol=1e-6)


def test_too_fine_a_resolution_says_how_long_a_run_it_takes() -> None:
    with pytest.raises(ValueError, match=r"gives 1 segments of 15 ps.*or give 37.5 ps"):
        _spectrum(_gas(5, 1000), 0.1)
    with pytest.raises(ValueError, match=r"ask for 9\.38 THz or less"):
        _spectrum(_gas(5, 1000), 20.0)
    assert _spectrum(_gas(5, 1875), 0.1).n_segments == 4


@pytest.mark.parametrize("index", [[], [0, 8], [-1], [2, 2]])
def test_wrong_groups_are_refused(index: list[int]) -> None:
    with pytest.raises(ValueError, match="group 'cation'"):
        _spectrum(_gas(6), groups={"cation": index})


def test_wrong_masses_and_nan_are_refused() -> None:
    velocities = _gas(7)
    with pytest.raises(ValueError, match="7 masses and 8 species"):
        vibrational_density_of_states(velocities, MASSES[:7], SPECIES, DT, 0.4)
    with pytest.raises(ValueError, match="masses hold 0"):
        vibrational_density_of_states(velocities, 0 * MASSES, SPECIES, DT, 0.4)
    velocities[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="frame 3"):
        _spectrum(velocities)
