"""Curves of ln y against 1/(k_B T) that are not one Arrhenius line, and grids of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.units import BOLTZMANN_EV_K

NonArrheniusModel = Literal["two_processes", "piecewise", "vogel_fulcher_tammann"]
_TWO_REGIMES = (
    "ln_prefactor_high",
    "activation_energy_high_eV",
    "activation_energy_low_eV",
    "crossover_temperature_K",
)
PARAMETER_NAMES: dict[NonArrheniusModel, tuple[str, ...]] = {
    "two_processes": _TWO_REGIMES,
    "piecewise": _TWO_REGIMES,
    "vogel_fulcher_tammann": ("ln_prefactor", "pseudo_activation_energy_eV", "vogel_temperature_K"),
}


@dataclass(frozen=True)
class Candidates:
    """Curves offset + basis @ linear on a grid of the parameters that are not linear.

    Shapes: `nonlinear` (n_grid, n_nonlinear), `offsets` (n_grid, n_points), `bases`
    (n_grid, n_points, n_linear), all divided by the errors of the points.
    """

    nonlinear: FloatArray
    offsets: FloatArray
    bases: FloatArray

    def chi_squares(self, points: FloatArray) -> FloatArray:
        """χ² of every curve, its linear parameters fitted, for each row of ln y / error.

        Shape of `points` (n_sets, n_points), of the answer (n_sets, n_grid).
        """
        frames, _ = np.linalg.qr(self.bases)
        inside = np.tensordot(points, frames, axes=(1, 1)) - np.einsum(
            "gn,gnm->gm", self.offsets, frames
        )
        squares = np.sum(points**2, axis=1)[:, None] - 2.0 * points @ self.offsets.T
        squares += np.sum(self.offsets**2, axis=1)
        squares -= np.einsum("sgm,sgm->sg", inside, inside)
        return np.asarray(squares)


def candidates(model: NonArrheniusModel, x: FloatArray, sigma: FloatArray) -> Candidates:
    """Grid of curves for points at x = 1/(k_B T) in 1/eV with errors sigma of ln y."""
    # A regime needs two temperatures of its own.
    levels = np.unique(x)
    crossings = np.linspace(levels[1], levels[-2], 41)
    if model == "vogel_fulcher_tammann":
        warmest, coldest = 1.0 / (BOLTZMANN_EV_K * levels[[0, -1]])
        nonlinear = np.linspace(-warmest, 0.97 * coldest, 100)[:, None]
        columns = [-1.0 / (1.0 / x - BOLTZMANN_EV_K * nonlinear)]
    elif model == "piecewise":
        nonlinear = crossings[:, None]
        columns = [-np.minimum(x, nonlinear), -np.maximum(x - nonlinear, 0.0)]
    else:
        steps = np.geomspace(0.3, 60.0, 15) / (levels[-1] - levels[0])
        nonlinear = np.array([(c, step) for c in crossings[::2] for step in steps])
        columns = [np.broadcast_to(-x, (len(nonlinear), len(x)))]
    offsets = np.zeros((len(nonlinear), len(x)))
    if model == "two_processes":
        offsets = np.logaddexp(0.0, nonlinear[:, 1:] * (x - nonlinear[:, :1]))
    bases = np.stack([np.ones_like(offsets), *columns], axis=-1)
    return Candidates(nonlinear, offsets / sigma, bases / sigma[:, None])


def natural_parameters(
    model: NonArrheniusModel, linear: FloatArray, nonlinear: FloatArray
) -> FloatArray:
    """Parameters in the order of their names from those of a candidate curve."""
    if model == "vogel_fulcher_tammann":
        return np.array([*linear, *nonlinear])
    crossover = 1.0 / (BOLTZMANN_EV_K * nonlinear[0])
    if model == "piecewise":
        return np.array([*linear, crossover])
    return np.array([*linear, linear[1] - nonlinear[1], crossover])


def _two_processes(p: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """ln y at x = 1/(k_B T) and its derivatives, shapes (n_points,), (n_points, 4)."""
    centre = 1.0 / (BOLTZMANN_EV_K * p[3])
    argument = (p[1] - p[2]) * (x - centre)
    share = special.expit(argument)
    slope = share * (p[1] - p[2]) / (BOLTZMANN_EV_K * p[3] ** 2)
    jacobian = np.stack(
        [np.ones_like(x), share * (x - centre) - x, -share * (x - centre), slope], axis=-1
    )
    return p[0] - p[1] * x + np.logaddexp(0.0, argument), jacobian


def _piecewise(p: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    centre = 1.0 / (BOLTZMANN_EV_K * p[3])
    near, beyond = np.minimum(x, centre), np.maximum(x - centre, 0.0)
    slope = (x > centre) * (p[1] - p[2]) / (BOLTZMANN_EV_K * p[3] ** 2)
    jacobian = np.stack([np.ones_like(x), -near, -beyond, slope], axis=-1)
    return p[0] - p[1] * near - p[2] * beyond, jacobian


def _vogel_fulcher_tammann(p: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    inverse = 1.0 / (1.0 / x - BOLTZMANN_EV_K * p[2])
    jacobian = np.stack([np.ones_like(x), -inverse, -p[1] * BOLTZMANN_EV_K * inverse**2], axis=-1)
    return p[0] - p[1] * inverse, jacobian


Curve = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
#: Each law as a function of (parameters in the order of their names, x).
CURVES: dict[NonArrheniusModel, Curve] = {
    "two_processes": _two_processes,
    "piecewise": _piecewise,
    "vogel_fulcher_tammann": _vogel_fulcher_tammann,
}
