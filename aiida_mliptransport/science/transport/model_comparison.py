"""Whether transport follows one Arrhenius line, two regimes or Vogel–Fulcher–Tammann."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aiida_mliptransport.science.transport.arrhenius import (
    ArrheniusFit,
    ArrheniusQuantity,
    fit_arrhenius,
    logarithmic_points,
)
from aiida_mliptransport.science.transport.non_arrhenius import (
    NonArrheniusFit,
    akaike,
    fit_non_arrhenius,
    too_few_points,
)
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.transport_laws import (
    PARAMETER_NAMES,
    NonArrheniusModel,
    candidates,
)

#: A difference of AIC up to which both models keep "substantial support" is 2, one above 10
#: leaves "essentially none" (Burnham & Anderson, Model Selection, 2nd ed., section 2.6 (2002)).
AIC_MARGIN = 4.0
_N_SIMULATED = 999
_LEVEL = 0.05


@dataclass(frozen=True)
class ModelScore:
    """How one model does on the points; `refused` says why it was not tried or not resolved.

    `likelihood_ratio_probability` and `f_probability` are those of an improvement over the
    Arrhenius line as large as seen, if the line were true: the first trusts the errors of the
    points, the second only their ratios. None for the line itself and for models not tried.
    """

    model: str
    n_parameters: int
    chi_square: float | None
    reduced_chi_square: float | None
    aic: float | None
    likelihood_ratio_probability: float | None
    f_probability: float | None
    refused: str


@dataclass(frozen=True)
class ModelComparison:
    """Which law the points support.

    `curvature_resolved` says whether one Arrhenius line is excluded. `preferred` is the law to
    use: 'arrhenius' where no curvature is resolved (the simplest law that fits, not a proof of
    it), a curved model where one stands out, None where several do equally well; only in the
    second case `resolved` is True. `reason` says it in words, with the number of points.
    """

    quantity: ArrheniusQuantity
    n_points: int
    scores: tuple[ModelScore, ...]
    curvature_resolved: bool
    preferred: str | None
    resolved: bool
    reason: str
    arrhenius: ArrheniusFit
    fits: tuple[NonArrheniusFit, ...]

    def fit(self, model: str) -> ArrheniusFit | NonArrheniusFit:
        """Fit of a model by name; raises ValueError for one that was refused or is unknown."""
        known: dict[str, ArrheniusFit | NonArrheniusFit] = {"arrhenius": self.arrhenius}
        known |= {fit.model: fit for fit in self.fits}
        if model not in known:
            msg = f"there is no fit of {model!r}, expected one of {tuple(known)}"
            raise ValueError(msg)
        return known[model]

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary that JSON can hold."""
        return asdict(self)


def compare_models(
    temperatures_K: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    quantity: ArrheniusQuantity,
    seed: int = 0,
) -> ModelComparison:
    """Fit the Arrhenius line and every curved model that the points allow, and compare them.

    Units and errors are those of `fit_arrhenius`. The crossover temperature means nothing where
    one line is true, so neither the likelihood ratio nor F then follows its textbook law (Davies,
    Biometrika 74, 33 (1987)): both are compared with 999 sets drawn from the fitted line (`seed`).
    Curvature is resolved where, for a model whose parameters are resolved, the probability of the
    likelihood ratio, times the number of models tried, is below 0.05. Of these the one with the
    lowest AIC is preferred, unless another law comes within `AIC_MARGIN` of it, its parameters
    resolved or not. Models with too few points are refused in their score.
    Raises ValueError where no curved model can be tried (fewer than 5 temperatures).

    Of 2000 synthetic sets of 8 temperatures each, curvature was claimed in 2.2 % of straight lines
    with 10 % errors (2.6 % with 5 temperatures). With 5 % errors the true law was preferred,
    left open and a wrong one preferred in 86, 13 and 1.2 % (two processes, 0.6 and 0.25 eV), 100,
    0 and 0 % (two lines, 0.25 and 0.5 eV), 56, 42 and 2.5 % (Vogel–Fulcher–Tammann, T₀ at 60 % of
    the coldest point); with 15 % errors in 2, 94 and 3.5 %, 58, 41 and 1.5 %, 1, 82 and 18 % (in 16
    of these 18 % the line was kept).
    """
    x, y, sigma = logarithmic_points(temperatures_K, values, standard_errors, quantity)
    line = fit_arrhenius(temperatures_K, values, standard_errors, quantity)
    refusals = {name: too_few_points(x, len(keys)) for name, keys in PARAMETER_NAMES.items()}
    tried = [name for name, refusal in refusals.items() if not refusal]
    if not tried:
        msg = f"no curved model can be tried: {refusals['vogel_fulcher_tammann']}"
        raise ValueError(msg)
    fits = tuple(
        fit_non_arrhenius(temperatures_K, values, standard_errors, quantity, name) for name in tried
    )
    fitted_line = line.ln_prefactor - line.activation_energy_eV * x
    chances = _chances(tried, x, y, sigma, fitted_line, seed)
    line_chi_square = line.reduced_chi_square * (len(x) - 2)
    line_aic = akaike(line_chi_square, 2)
    scores = [
        ModelScore(
            "arrhenius", 2, line_chi_square, line.reduced_chi_square, line_aic, None, None, ""
        )
    ]
    for name, keys in PARAMETER_NAMES.items():
        fit = next((fit for fit in fits if fit.model == name), None)
        scores.append(_score(name, len(keys), fit, refusals[name], chances))
    bent = [fit for fit in fits if fit.resolved and chances[fit.model][0] * len(tried) < _LEVEL]
    preferred, reason = _verdict(bent, fits, line_aic, len(x))
    return ModelComparison(
        quantity=quantity,
        n_points=len(x),
        scores=tuple(scores),
        curvature_resolved=bool(bent),
        preferred=preferred,
        resolved=bool(bent) and preferred is not None,
        reason=reason,
        arrhenius=line,
        fits=fits,
    )


def _score(
    model: NonArrheniusModel,
    n_parameters: int,
    fit: NonArrheniusFit | None,
    refusal: str,
    chances: dict[NonArrheniusModel, tuple[float, float]],
) -> ModelScore:
    if fit is None:
        return ModelScore(model, n_parameters, None, None, None, None, None, refusal)
    return ModelScore(
        model,
        n_parameters,
        fit.chi_square,
        fit.reduced_chi_square,
        fit.aic,
        *chances[model],
        fit.reason,
    )


def _verdict(
    bent: list[NonArrheniusFit], fits: tuple[NonArrheniusFit, ...], line_aic: float, n_points: int
) -> tuple[str | None, str]:
    """Preferred model and the reason in words."""
    if not bent:
        return "arrhenius", (
            f"not resolved: {n_points} points do not tell any of {len(fits)} curved models from "
            "one Arrhenius line; more or wider temperatures may"
        )
    best = min(bent, key=lambda fit: fit.aic)
    rivals = [
        fit.model
        for fit in fits
        if fit is not best and fit.admissible and fit.aic < best.aic + AIC_MARGIN
    ]
    gain = f"AIC of {best.model} is lower by {line_aic - best.aic:.1f} than that of one line"
    if rivals:
        return None, (
            f"not resolved: {n_points} points exclude one Arrhenius line ({gain}), but do not tell "
            f"{best.model} from {' and '.join(rivals)}"
        )
    return best.model, f"{n_points} points exclude one Arrhenius line: {gain}"


def _chances(
    models: list[NonArrheniusModel],
    x: FloatArray,
    y: FloatArray,
    sigma: FloatArray,
    fitted_line: FloatArray,
    seed: int,
) -> dict[NonArrheniusModel, tuple[float, float]]:
    """Probabilities of the likelihood ratio and of F under the line, by simulation."""
    noise = np.random.default_rng(seed).normal(size=(_N_SIMULATED, len(x)))
    # The points come first, so that they pass through the same grids as the simulated sets.
    points = np.vstack([y / sigma, fitted_line / sigma + noise])
    frame, _ = np.linalg.qr(np.stack([1.0 / sigma, x / sigma], axis=-1))
    line = np.sum((points - points @ frame @ frame.T) ** 2, axis=-1)
    answer = {}
    for model in models:
        curved = candidates(model, x, sigma).chi_squares(points).min(axis=-1)
        gain = np.maximum(line - curved, 0.0)
        ratio = gain / curved
        answer[model] = (
            float((gain >= gain[0]).mean()),
            float((ratio >= ratio[0]).mean()),
        )
    return answer
