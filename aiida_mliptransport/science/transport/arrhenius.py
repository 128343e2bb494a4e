"""Arrhenius fits with absolute errors, and extrapolation with their full covariance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.units import BOLTZMANN_EV_K

ArrheniusQuantity = Literal["D", "sigma", "sigmaT", "rate"]
_UNITS = {"D": "cm^2/s", "sigma": "mS/cm", "sigmaT": "mS K/cm", "rate": "1/ps"}


@dataclass(frozen=True)
class Extrapolation:
    """Value of D (cm²/s), σ (mS/cm) or a rate (1/ps) at one temperature, and its ln error."""

    temperature_K: float
    value: float
    ln_error: float

    @property
    def standard_error(self) -> float:
        """First-order standard error, in the unit of the value."""
        return self.value * self.ln_error

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Log-normal confidence interval."""
        half = float(stats.norm.ppf(0.5 + 0.5 * level)) * self.ln_error
        return self.value * float(np.exp(-half)), self.value * float(np.exp(half))


@dataclass(frozen=True)
class ArrheniusFit:
    """ln y = ln A - Ea/(k_B T) for y = D, σ, σT or a rate (`quantity`).

    `covariance` is that of (ln A, Ea in eV), absolute. `reduced_chi_square` well above 1 means
    that the points scatter more than their errors, or do not lie on a line; `warning` says so.
    """

    quantity: ArrheniusQuantity
    activation_energy_eV: float
    activation_energy_error_eV: float
    ln_prefactor: float
    ln_prefactor_error: float
    prefactor: float
    prefactor_unit: str
    covariance: tuple[tuple[float, float], tuple[float, float]]
    reduced_chi_square: float
    probability: float
    temperatures_K: tuple[float, ...]
    warning: str

    def at(self, temperature_K: float) -> Extrapolation:
        """D (cm²/s), σ (mS/cm) or rate (1/ps) at a temperature, with the full covariance.

        A fit of σT gives σ back.
        """
        return extrapolate(
            self.ln_prefactor,
            self.activation_energy_eV,
            self.covariance,
            self.quantity,
            temperature_K,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary that JSON can hold."""
        return asdict(self)


def extrapolate(
    ln_prefactor: float,
    activation_energy_eV: float,
    covariance: ArrayLike,
    quantity: ArrheniusQuantity,
    temperature_K: float,
) -> Extrapolation:
    """Value of a line ln y = ln A - Ea/(k_B T) at a temperature, and its error.

    `covariance` (2, 2) is that of (ln A, Ea in eV). Raises ValueError for a temperature that is
    not positive.
    """
    if not temperature_K > 0.0:
        msg = f"temperature_K is {temperature_K}, expected a positive number"
        raise ValueError(msg)
    gradient = np.array([1.0, -1.0 / (BOLTZMANN_EV_K * temperature_K)])
    ln_value = ln_prefactor + float(gradient[1]) * activation_energy_eV
    if quantity == "sigmaT":
        ln_value -= float(np.log(temperature_K))
    variance = float(gradient @ np.asarray(covariance, dtype=float) @ gradient)
    return Extrapolation(
        float(temperature_K), float(np.exp(ln_value)), float(np.sqrt(max(variance, 0.0)))
    )


def logarithmic_points(
    temperatures_K: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    quantity: ArrheniusQuantity,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Checked points as 1/(k_B T) in 1/eV, ln y and the error of ln y, for y = D, σ, σT or a rate.

    Arguments and errors raised are those of `fit_arrhenius`.
    """
    if quantity not in get_args(ArrheniusQuantity):
        msg = f"quantity is {quantity!r}, expected one of {get_args(ArrheniusQuantity)}"
        raise ValueError(msg)
    temperature = np.asarray(temperatures_K, dtype=float)
    value = np.asarray(values, dtype=float)
    error = np.asarray(standard_errors, dtype=float)
    if temperature.ndim != 1 or not temperature.shape == value.shape == error.shape:
        msg = (
            f"temperatures, values and errors have shapes {temperature.shape}, {value.shape}, "
            f"{error.shape}, expected three lists of the same length"
        )
        raise ValueError(msg)
    for name, array in (
        ("temperatures", temperature),
        ("values", value),
        ("standard errors", error),
    ):
        wrong = ~(np.isfinite(array) & (array > 0.0))
        if wrong.any():
            first = int(np.argmax(wrong))
            msg = (
                f"{name} hold {array[first]} at position {first}, expected positive numbers; "
                "leave out temperatures whose value is not resolved"
            )
            raise ValueError(msg)
    y = np.log(value * temperature) if quantity == "sigmaT" else np.log(value)
    return 1.0 / (BOLTZMANN_EV_K * temperature), y, error / value


def fit_arrhenius(
    temperatures_K: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    quantity: ArrheniusQuantity,
) -> ArrheniusFit:
    """Weighted fit of ln D, ln σ, ln σT or of the logarithm of a rate against 1/T.

    `values` and `standard_errors` are D in cm²/s for 'D', σ in mS/cm for 'sigma' and 'sigmaT'
    (multiplied by T here), and 1/ps for 'rate'. The error of a logarithm is the relative error,
    used as absolute sigma: it is not rescaled by the scatter. Raises ValueError for fewer than
    three distinct temperatures (two give a slope but no check and no error worth the name) and
    for values or errors that are not positive.
    """
    x, y, sigma = logarithmic_points(temperatures_K, values, standard_errors, quantity)
    temperature = np.asarray(temperatures_K, dtype=float)
    distinct = len(np.unique(temperature))
    if distinct < 3:
        msg = (
            f"an Arrhenius fit with an error needs at least 3 temperatures, got {distinct}: "
            f"{sorted(set(temperature.tolist()))} K; add temperatures"
        )
        raise ValueError(msg)
    # Centring keeps the normal equations well conditioned; it is undone below.
    centre = float(np.average(x, weights=sigma**-2))
    spread = float(((x - centre) ** 2 / sigma**2).sum())
    mean = float(np.average(y, weights=sigma**-2))
    energy = -float(((x - centre) * y / sigma**2).sum()) / spread
    var_mean, var_energy = 1.0 / float((sigma**-2).sum()), 1.0 / spread
    ln_prefactor = mean + energy * centre
    cross = centre * var_energy
    var_prefactor = var_mean + centre**2 * var_energy
    chi_square = float((((y - ln_prefactor + energy * x) / sigma) ** 2).sum())
    probability = float(stats.chi2.sf(chi_square, len(y) - 2))
    warning = ""
    if probability < 0.01:
        warning = (
            f"the points scatter about the line by χ²/dof = {chi_square / (len(y) - 2):.3g} "
            f"(probability {probability:.2g}): not Arrhenius, or the errors are too small"
        )
    return ArrheniusFit(
        quantity=quantity,
        activation_energy_eV=energy,
        activation_energy_error_eV=float(np.sqrt(var_energy)),
        ln_prefactor=ln_prefactor,
        ln_prefactor_error=float(np.sqrt(var_prefactor)),
        prefactor=float(np.exp(ln_prefactor)),
        prefactor_unit=_UNITS[quantity],
        covariance=((var_prefactor, cross), (cross, var_energy)),
        reduced_chi_square=chi_square / (len(y) - 2),
        probability=probability,
        temperatures_K=tuple(float(t) for t in temperature),
        warning=warning,
    )
