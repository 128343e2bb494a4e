"""Which law is preferred for points whose law is known, and how often curvature is claimed."""

import json
from collections import Counter

import numpy as np
import pytest

from aiida_mliptransport.science.transport.model_comparison import ModelComparison, compare_models
from aiida_mliptransport.science.transport.transport_laws import CURVES, NonArrheniusModel
from aiida_mliptransport.science.units import BOLTZMANN_EV_K

SOLID = np.array([350.0, 400.0, 450.0, 500.0, 550.0, 600.0, 700.0, 800.0])
LIQUID = np.array([300.0, 320.0, 340.0, 360.0, 380.0, 400.0, 430.0, 460.0])
TEMPERATURES = {"two_processes": SOLID, "piecewise": SOLID, "vogel_fulcher_tammann": LIQUID}
PARAMETERS = {
    "two_processes": (np.log(1e-2), 0.6, 0.25, 500.0),
    "piecewise": (np.log(1e-2), 0.25, 0.5, 520.0),
    "vogel_fulcher_tammann": (np.log(1e-3), 0.08, 180.0),
}
MODELS = tuple(PARAMETERS)
LINE = 1e-2 * np.exp(-0.4 / (BOLTZMANN_EV_K * SOLID))


def exact(model: NonArrheniusModel) -> np.ndarray:
    x = 1.0 / (BOLTZMANN_EV_K * TEMPERATURES[model])
    return np.exp(CURVES[model](np.array(PARAMETERS[model]), x)[0])


def compare(temperatures, values, relative: float, rng=None) -> ModelComparison:
    if rng is not None:
        values = values * (1.0 + relative * rng.normal(size=len(values)))
    return compare_models(temperatures, values, relative * values, "D")


@pytest.mark.parametrize("model", MODELS)
def test_exact_points_exclude_one_line_and_name_the_true_law(model: NonArrheniusModel) -> None:
    comparison = compare(TEMPERATURES[model], exact(model), 0.02)
    assert comparison.resolved
    assert comparison.preferred == model
    assert "8 points exclude one Arrhenius line" in comparison.reason
    score = next(score for score in comparison.scores if score.model == model)
    assert score.likelihood_ratio_probability == pytest.approx(1e-3)
    assert json.loads(json.dumps(comparison.as_dict()))["preferred"] == model


@pytest.mark.parametrize(("model", "least"), [(MODELS[0], 13), (MODELS[1], 18), (MODELS[2], 6)])
def test_noisy_points_get_their_law_or_none_and_never_one_line(
    model: NonArrheniusModel, least: int
) -> None:
    rng = np.random.default_rng(7)
    calls = Counter(
        compare(TEMPERATURES[model], exact(model), 0.05, rng).preferred for _ in range(20)
    )
    assert calls[model] >= least
    assert calls[model] + calls[None] >= 18
    assert calls["arrhenius"] == 0


def test_points_too_noisy_for_the_law_are_left_open_between_the_rivals() -> None:
    # Two processes with 15 % errors: the line is excluded, a kink fits as well as a bend.
    rng = np.random.default_rng(7)
    comparisons = [compare(SOLID, exact("two_processes"), 0.15, rng) for _ in range(20)]
    assert sum(item.curvature_resolved for item in comparisons) >= 18
    left_open = [item for item in comparisons if item.curvature_resolved and not item.resolved]
    assert len(left_open) >= 17
    assert all(item.preferred is None for item in left_open)
    assert all("do not tell" in item.reason for item in left_open)


def test_a_law_whose_parameters_are_not_resolved_is_still_a_rival() -> None:
    rng = np.random.default_rng(7)
    for _ in range(40):
        comparison = compare(SOLID, exact("two_processes"), 0.15, rng)
        bent = next(fit for fit in comparison.fits if fit.model == "two_processes")
        kinked = next(fit for fit in comparison.fits if fit.model == "piecewise")
        if not bent.resolved and bent.admissible and abs(bent.aic - kinked.aic) < 4.0:
            break
    else:
        pytest.fail("no such points")
    assert comparison.preferred is None
    assert "piecewise from two_processes" in comparison.reason


@pytest.mark.medium
def test_curvature_is_claimed_for_few_straight_lines() -> None:
    rng = np.random.default_rng(9)
    claims = sum(compare(SOLID, LINE, 0.1, rng).curvature_resolved for _ in range(60))
    assert claims <= 3


def test_falling_energy_is_never_called_vogel() -> None:
    comparison = compare(SOLID, exact("two_processes"), 0.05)
    assert comparison.curvature_resolved
    assert comparison.preferred != "vogel_fulcher_tammann"
    assert not next(f for f in comparison.fits if f.model == "vogel_fulcher_tammann").resolved


def test_a_line_is_kept_and_not_called_proven() -> None:
    comparison = compare(SOLID, LINE, 0.05)
    assert comparison.preferred == "arrhenius"
    assert not comparison.curvature_resolved
    assert not comparison.resolved
    assert "8 points do not tell" in comparison.reason
    assert comparison.fit("arrhenius") is comparison.arrhenius


def test_errors_that_are_too_small_show_in_the_line_and_not_in_f() -> None:
    # Scatter of 20 % called 2 %: the likelihood ratio believes it, F takes only its shape.
    values = LINE * np.exp(0.2 * np.array([1, -1, 1, -1, 1, -1, 1, -1.0]))
    comparison = compare(SOLID, values, 0.02)
    assert "not Arrhenius, or the errors are too small" in comparison.arrhenius.warning
    chances = [score.f_probability for score in comparison.scores if score.model != "arrhenius"]
    assert min(chances) > 0.05


def test_few_points_refuse_the_larger_models_by_name() -> None:
    chosen = [0, 2, 4, 6, 7]
    comparison = compare(LIQUID[chosen], exact("vogel_fulcher_tammann")[chosen], 0.02)
    refused = {score.model: score.refused for score in comparison.scores if score.aic is None}
    assert set(refused) == {"two_processes", "piecewise"}
    assert all("needs at least 6 temperatures, got 5" in text for text in refused.values())
    assert comparison.preferred == "vogel_fulcher_tammann"
    with pytest.raises(ValueError, match="no fit of 'piecewise'"):
        comparison.fit("piecewise")


def test_four_temperatures_allow_no_comparison() -> None:
    with pytest.raises(ValueError, match="no curved model can be tried"):
        compare(SOLID[:4], LINE[:4], 0.1)
