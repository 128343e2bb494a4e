"""Compensation lines: York's known answer, planted lines, and noise that looks like one."""

import json

import numpy as np
import pytest

from aiida_mliptransport.science.transport.arrhenius import ArrheniusFit, fit_arrhenius
from aiida_mliptransport.science.transport.meyer_neldel import fit_meyer_neldel, york_regression
from aiida_mliptransport.science.units import BOLTZMANN_EV_K

TEMPERATURES = np.array([500.0, 600.0, 700.0, 850.0, 1000.0])
INVERSE = 1.0 / (BOLTZMANN_EV_K * TEMPERATURES)


def fits(
    energies: np.ndarray,
    slope: float,
    relative: float,
    rng: np.random.Generator | None = None,
) -> list[ArrheniusFit]:
    """Arrhenius fits of materials on ln A = -12 + slope·Ea, with noise where rng is given."""
    made = []
    for energy in energies:
        values = np.exp(-12.0 + slope * energy - energy * INVERSE)
        if rng is not None:
            values = values * np.exp(relative * rng.normal(size=len(values)))
        made.append(fit_arrhenius(TEMPERATURES, values, relative * values, "D"))
    return made


def test_pearsons_data_with_yorks_weights() -> None:
    # The standard example: York, Can. J. Phys. 44, 1079 (1966); York et al. (2004), table II.
    x = [0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4]
    y = [5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5]
    x_weights = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0])
    y_weights = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500])
    line = york_regression(x, y, x_weights**-0.5, y_weights**-0.5, np.zeros(10))
    assert line.slope == pytest.approx(-0.480533407, abs=1e-8)
    assert line.intercept == pytest.approx(5.47991022, abs=1e-7)
    assert np.sqrt(line.covariance[1][1]) == pytest.approx(0.0579850090, abs=1e-6)
    assert np.sqrt(line.covariance[0][0]) == pytest.approx(0.294970735, abs=1e-6)
    assert line.chi_square == pytest.approx(11.8663532, abs=1e-5)


def test_correlated_errors_make_the_line_of_the_full_likelihood() -> None:
    rng = np.random.default_rng(8)
    x, y = np.arange(6.0), 1.0 + 2.0 * np.arange(6.0) + 0.2 * rng.normal(size=6)
    sx, sy, xy = np.full(6, 0.2), np.linspace(0.2, 0.6, 6), np.linspace(-0.02, 0.03, 6)
    line = york_regression(x, y, sx, sy, xy)

    def chi_square(intercept: float, slope: float) -> float:
        variance = sy**2 + slope**2 * sx**2 - 2 * slope * xy
        return float(np.sum((y - intercept - slope * x) ** 2 / variance))

    least = chi_square(line.intercept, line.slope)
    assert least == pytest.approx(line.chi_square)
    for step in (1e-3, -1e-3):
        assert chi_square(line.intercept + step, line.slope) > least
        assert chi_square(line.intercept, line.slope + step) > least
        assert chi_square(line.intercept - 2.5 * step, line.slope + step) > least


def test_an_exact_compensation_gives_back_its_temperature() -> None:
    slope = 1.0 / (BOLTZMANN_EV_K * 1500.0)
    result = fit_meyer_neldel(fits(np.linspace(0.2, 0.6, 5), slope, 0.05))
    assert result.resolved
    assert result.isokinetic_temperature_K == pytest.approx(1500.0, rel=1e-8)
    assert result.meyer_neldel_energy_eV == pytest.approx(BOLTZMANN_EV_K * 1500.0, rel=1e-8)
    assert result.ln_prefactor_at_zero_energy == pytest.approx(-12.0, rel=1e-8)
    assert result.warning == ""
    assert json.loads(json.dumps(result.as_dict()))["n_fits"] == 5


def test_noise_alone_is_not_taken_for_compensation() -> None:
    rng = np.random.default_rng(11)
    n_sets, claimed, correlations = 200, 0, []
    for _ in range(n_sets):
        same = fits(np.full(6, 0.4), 0.0, 0.1, rng)
        points = [(fit.activation_energy_eV, fit.ln_prefactor) for fit in same]
        correlations.append(np.corrcoef(np.array(points).T)[0, 1])
        result = fit_meyer_neldel(same)
        claimed += result.resolved
    # What a plain plot shows: a nearly perfect line at the centre of the measured temperatures.
    assert np.median(correlations) > 0.95
    assert 600.0 < result.noise_isokinetic_temperature_K < 750.0
    assert claimed <= 0.04 * n_sets


def test_the_reason_names_the_noise() -> None:
    result = fit_meyer_neldel(fits(np.full(6, 0.4), 0.0, 0.1, np.random.default_rng(2)))
    assert result.slope_per_eV is None
    assert "differ by no more than their errors" in result.reason
    with pytest.raises(ValueError, match="compensation is not resolved"):
        result.isokinetic_interval_K()


def test_different_energies_with_one_prefactor_are_no_compensation() -> None:
    result = fit_meyer_neldel(fits(np.linspace(0.2, 0.6, 6), 0.0, 0.1, np.random.default_rng(5)))
    assert not result.resolved
    assert "is not told from none" in result.reason


def test_a_line_where_noise_would_put_it_gives_a_warning() -> None:
    centre = fit_meyer_neldel(fits(np.linspace(0.2, 0.6, 5), 5.0, 0.05))
    slope = 1.0 / (BOLTZMANN_EV_K * centre.noise_isokinetic_temperature_K)
    result = fit_meyer_neldel(fits(np.linspace(0.2, 0.6, 5), slope, 0.05))
    assert result.resolved
    assert "where errors alone would put it" in result.warning


def test_materials_off_the_line_give_a_warning() -> None:
    slope = 1.0 / (BOLTZMANN_EV_K * 1500.0)
    group = fits(np.linspace(0.2, 0.6, 5), slope, 0.05)
    lines = fits(np.linspace(0.2, 0.6, 5), 1.2 * slope, 0.05)
    assert "no single compensation line" in fit_meyer_neldel([*group[:3], *lines[3:]]).warning


def test_the_interval_of_the_isokinetic_temperature_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    slope = 1.0 / (BOLTZMANN_EV_K * 1500.0)
    hits = resolved = 0
    for _ in range(150):
        result = fit_meyer_neldel(fits(np.linspace(0.2, 0.6, 5), slope, 0.1, rng))
        if result.resolved:
            resolved += 1
            low, high = result.isokinetic_interval_K()
            hits += low <= 1500.0 <= high
    assert resolved > 140
    assert 0.89 <= hits / resolved <= 0.99


def test_two_fits_and_mixed_quantities_are_refused() -> None:
    group = fits(np.linspace(0.2, 0.6, 3), 5.0, 0.05)
    with pytest.raises(ValueError, match="at least 3 fits, got 2"):
        fit_meyer_neldel(group[:2])
    other = fit_arrhenius(TEMPERATURES, [1.0, 2, 3, 4, 5], [0.1] * 5, "sigma")
    with pytest.raises(ValueError, match="expected one quantity"):
        fit_meyer_neldel([*group, other])
