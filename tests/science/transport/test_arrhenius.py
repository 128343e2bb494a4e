"""Arrhenius fits with known energies, errors and extrapolations."""

import json

import numpy as np
import pytest

from aiida_mliptransport.science.transport.arrhenius import fit_arrhenius
from aiida_mliptransport.science.units import BOLTZMANN_EV_K


def test_exact_points_give_back_energy_and_prefactor() -> None:
    t = np.array([600.0, 700.0, 800.0, 1000.0])
    d = 2e-3 * np.exp(-0.31 / (BOLTZMANN_EV_K * t))
    fit = fit_arrhenius(t, d, 0.05 * d, "D")
    assert fit.activation_energy_eV == pytest.approx(0.31, rel=1e-10)
    assert fit.prefactor == pytest.approx(2e-3, rel=1e-9)
    assert fit.prefactor_unit == "cm^2/s"
    assert fit.at(300.0).value == pytest.approx(
        2e-3 * np.exp(-0.31 / (BOLTZMANN_EV_K * 300.0)), rel=1e-9
    )


def test_an_energy_of_0_29_eV_on_sigma_is_0_319_eV_on_sigma_times_t() -> None:
    # The temperatures of the chloride paper, 298 to 373 K.
    t = np.array([298.0, 313.0, 323.0, 333.0, 348.0, 373.0])
    sigma = 5e4 * np.exp(-0.29 / (BOLTZMANN_EV_K * t))
    on_sigma = fit_arrhenius(t, sigma, 0.1 * sigma, "sigma")
    on_sigma_t = fit_arrhenius(t, sigma, 0.1 * sigma, "sigmaT")
    assert on_sigma.activation_energy_eV == pytest.approx(0.29, abs=1e-9)
    assert on_sigma_t.activation_energy_eV == pytest.approx(0.319, abs=6e-4)
    # The two lines are not the same function; within the range they agree to half a percent.
    assert on_sigma_t.at(330.0).value == pytest.approx(on_sigma.at(330.0).value, rel=5e-3)


def test_covariance_agrees_with_the_scatter_of_many_fits() -> None:
    rng = np.random.default_rng(1)
    t = np.array([600.0, 800.0, 1000.0])
    relative = np.array([0.2, 0.05, 0.02])
    true = 1e-3 * np.exp(-0.3 / (BOLTZMANN_EV_K * t))
    fits = [
        fit_arrhenius(t, v := true * np.exp(relative * rng.normal(size=3)), relative * v, "D")
        for _ in range(1500)
    ]
    energies = np.array([fit.activation_energy_eV for fit in fits])
    cold = np.log([fit.at(300.0).value for fit in fits])
    assert energies.mean() == pytest.approx(0.3, abs=3 * energies.std() / np.sqrt(1500))
    assert energies.std() == pytest.approx(fits[0].activation_energy_error_eV, rel=0.06)
    assert cold.std() == pytest.approx(fits[0].at(300.0).ln_error, rel=0.06)


def test_dropping_the_covariance_would_give_another_extrapolation_error() -> None:
    t = np.array([600.0, 800.0, 1000.0])
    d = np.exp(-0.3 / (BOLTZMANN_EV_K * t))
    fit = fit_arrhenius(t, d, 0.1 * d, "D")
    inverse = 1.0 / (BOLTZMANN_EV_K * 800.0)
    without = np.hypot(fit.ln_prefactor_error, inverse * fit.activation_energy_error_eV)
    assert fit.at(800.0).ln_error < 0.3 * without


def test_errors_are_absolute_and_not_rescaled_by_the_scatter() -> None:
    t = np.array([500.0, 700.0, 900.0])
    d = np.exp(-0.3 / (BOLTZMANN_EV_K * t))
    narrow, wide = fit_arrhenius(t, d, 0.01 * d, "D"), fit_arrhenius(t, d, 0.1 * d, "D")
    assert wide.activation_energy_error_eV == pytest.approx(10 * narrow.activation_energy_error_eV)


def test_a_bent_line_gives_a_warning() -> None:
    t = np.array([300.0, 400.0, 600.0, 1000.0])
    d = np.exp(-0.6 / (BOLTZMANN_EV_K * t)) + 1e-6 * np.exp(-0.1 / (BOLTZMANN_EV_K * t))
    assert "not Arrhenius" in fit_arrhenius(t, d, 0.05 * d, "D").warning


def test_the_result_fits_into_json() -> None:
    fit = fit_arrhenius([500, 600, 700], [1.0, 2.0, 3.0], [0.1, 0.1, 0.1], "sigma")
    assert json.loads(json.dumps(fit.as_dict()))["quantity"] == "sigma"


def test_two_temperatures_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 temperatures, got 2"):
        fit_arrhenius([500, 600, 600], [1, 2, 3], [0.1, 0.1, 0.1], "D")


@pytest.mark.parametrize("bad", [0.0, -1e-6, np.nan])
def test_values_that_are_not_positive_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"values hold .* at position 1"):
        fit_arrhenius([500, 600, 700], [1.0, bad, 3.0], [0.1, 0.1, 0.1], "D")


def test_errors_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match=r"standard errors hold 0\.0"):
        fit_arrhenius([500, 600, 700], [1.0, 2.0, 3.0], [0.1, 0.1, 0.0], "D")
