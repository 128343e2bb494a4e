"""Two regimes and Vogel–Fulcher–Tammann with known parameters, errors and extrapolations."""

import json

import numpy as np
import pytest

from aiida_mliptransport.science.transport.non_arrhenius import akaike, fit_non_arrhenius
from aiida_mliptransport.science.transport.transport_laws import NonArrheniusModel
from aiida_mliptransport.science.units import BOLTZMANN_EV_K

SOLID = np.array([350.0, 400.0, 450.0, 500.0, 550.0, 600.0, 700.0, 800.0])
LIQUID = np.array([300.0, 320.0, 340.0, 360.0, 380.0, 400.0, 430.0, 460.0])


def line(temperature, energy, prefactor):
    return prefactor * np.exp(-energy / (BOLTZMANN_EV_K * np.asarray(temperature, dtype=float)))


def two_processes(temperature):
    """0.6 and 0.25 eV, equal at 500 K."""
    return line(temperature, 0.6, 1e-2) + line(temperature, 0.25, line(500.0, 0.35, 1e-2))


def piecewise(temperature):
    """0.25 eV above and 0.5 eV below 520 K."""
    warm = line(temperature, 0.25, 1e-2)
    cold = line(temperature, 0.5, 1e-2 * line(520.0, -0.25, 1.0))
    return np.minimum(warm, cold)


def vogel(temperature):
    """B = 0.08 eV, T₀ = 180 K."""
    return line(np.asarray(temperature, dtype=float) - 180.0, 0.08, 1e-3)


CASES = [
    ("two_processes", two_processes, SOLID, (np.log(1e-2), 0.6, 0.25, 500.0), 300.0),
    ("piecewise", piecewise, SOLID, (np.log(1e-2), 0.25, 0.5, 520.0), 300.0),
    ("vogel_fulcher_tammann", vogel, LIQUID, (np.log(1e-3), 0.08, 180.0), 280.0),
]
IDS = [case[0] for case in CASES]


@pytest.mark.parametrize(("model", "law", "temperatures", "truth", "cold"), CASES, ids=IDS)
def test_exact_points_give_back_the_parameters(
    model: NonArrheniusModel, law, temperatures, truth, cold
) -> None:
    fit = fit_non_arrhenius(temperatures, law(temperatures), 0.05 * law(temperatures), "D", model)
    assert fit.resolved
    assert fit.parameters == pytest.approx(truth, rel=1e-5)
    assert fit.chi_square == pytest.approx(0.0, abs=1e-6)
    assert fit.at(cold).value == pytest.approx(law(cold), rel=1e-4)
    assert json.loads(json.dumps(fit.as_dict()))["n_points"] == 8


@pytest.mark.parametrize(("model", "law", "temperatures", "truth", "cold"), CASES, ids=IDS)
def test_covariance_and_extrapolation_agree_with_the_scatter_of_many_fits(
    model: NonArrheniusModel, law, temperatures, truth, cold
) -> None:
    rng = np.random.default_rng(6)
    relative, n_sets, covered, found = 0.05, 150, 0, []
    for _ in range(n_sets):
        values = law(temperatures) * np.exp(relative * rng.normal(size=len(temperatures)))
        fit = fit_non_arrhenius(temperatures, values, relative * values, "D", model)
        assert fit.parameters is not None
        found.append([*fit.parameters, np.log(fit.at(cold).value)])
        low, high = fit.at(cold).interval()
        covered += low <= law(cold) <= high
    errors = [fit.parameter(name)[1] for name in fit.parameter_names]
    scatter = np.std(found, axis=0)
    assert scatter[:-1] == pytest.approx(errors, rel=0.35)
    assert scatter[-1] == pytest.approx(fit.at(cold).ln_error, rel=0.25)
    assert 0.90 <= covered / n_sets <= 0.99


def test_extrapolation_needs_the_covariance() -> None:
    fit = fit_non_arrhenius(LIQUID, vogel(LIQUID), 0.05 * vogel(LIQUID), "D", CASES[2][0])
    assert fit.covariance is not None
    errors = np.sqrt(np.diag(fit.covariance))
    inverse = 1.0 / (BOLTZMANN_EV_K * (280.0 - 180.0))
    gradient = np.array([1.0, -inverse, -0.08 * BOLTZMANN_EV_K * inverse**2])
    without = float(np.linalg.norm(gradient * errors))
    assert fit.at(280.0).ln_error < 0.3 * without


def test_a_fit_of_sigma_t_gives_sigma_back() -> None:
    sigma = vogel(LIQUID) / LIQUID
    fit = fit_non_arrhenius(LIQUID, sigma, 0.05 * sigma, "sigmaT", "vogel_fulcher_tammann")
    assert fit.parameter("vogel_temperature_K")[0] == pytest.approx(180.0, rel=1e-5)
    assert fit.at(300.0).value == pytest.approx(vogel(300.0) / 300.0, rel=1e-4)


@pytest.mark.parametrize("model", IDS)
def test_a_straight_line_resolves_no_curved_model(model: NonArrheniusModel) -> None:
    values = line(SOLID, 0.4, 1e-2)
    fit = fit_non_arrhenius(SOLID, values, 0.05 * values, "D", model)
    assert fit.parameters is None
    assert fit.reason
    with pytest.raises(ValueError, match="not resolved"):
        fit.at(300.0)


def test_the_vogel_law_ends_at_its_temperature() -> None:
    fit = fit_non_arrhenius(LIQUID, vogel(LIQUID), 0.05 * vogel(LIQUID), "D", CASES[2][0])
    with pytest.raises(ValueError, match="the law ends there"):
        fit.at(185.0)


@pytest.mark.parametrize(("model", "needed"), [(IDS[0], 6), (IDS[1], 6), (IDS[2], 5)])
def test_models_with_too_many_parameters_are_refused(model: NonArrheniusModel, needed: int) -> None:
    temperatures = [*SOLID[: needed - 1], SOLID[0]]
    with pytest.raises(ValueError, match=f"needs at least {needed} temperatures"):
        fit_non_arrhenius(temperatures, np.ones(needed), 0.1 * np.ones(needed), "D", model)


def test_unknown_models_and_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="model is 'cubic'"):
        fit_non_arrhenius(SOLID, SOLID, SOLID, "D", "cubic")  # type: ignore[arg-type]
    fit = fit_non_arrhenius(LIQUID, vogel(LIQUID), 0.05 * vogel(LIQUID), "D", CASES[2][0])
    with pytest.raises(ValueError, match="no parameter 'energy'"):
        fit.parameter("energy")


def test_akaikes_criterion_by_hand() -> None:
    assert akaike(7.0, 3) == 13.0
