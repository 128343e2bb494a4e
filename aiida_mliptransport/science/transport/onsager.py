"""Onsager coefficients of any number of species with one joint covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_mliptransport.science.transport.msd import msd_collective
from aiida_mliptransport.science.transport.reference import FloatArray


@dataclass(frozen=True)
class OnsagerMatrix:
    """e² L_ij in mS/cm: σ is the sum of z_i z_j L_ij.

    The errors follow the Wishart law of a covariance matrix estimated from `n_independent`
    vectors: cov(L_ij, L_kl) = (L_ik L_jl + L_il L_jk) / n_independent.
    """

    species: tuple[str, ...]
    values_mS_cm: tuple[tuple[float, ...], ...]
    errors_mS_cm: tuple[tuple[float, ...], ...]
    n_independent: float


def onsager_slopes(
    runs: Sequence[FloatArray], lags: Sequence[int], weights: Sequence[float]
) -> FloatArray:
    """Slopes (n_species, n_species) in Å²/ps of ⟨ΔR_i·ΔR_j⟩ from given linear weights.

    One set of weights for all pairs keeps σ = Σ z_i z_j L_ij an identity, also between
    reference frames.
    """
    index = np.asarray(lags, dtype=int)
    total: FloatArray | None = None
    origins = np.zeros(len(index))
    for run in runs:
        if len(run) <= 2 * index[-1]:
            continue
        here = len(run) - index.astype(float)
        part = msd_collective(run, int(index[-1]))[index].sum(axis=-1) * here[:, None, None]
        total = part if total is None else total + part
        origins += here
    if total is None:
        msg = f"no run is longer than twice the longest lag of {int(index[-1])} frames"
        raise ValueError(msg)
    means = total / origins[:, None, None]
    return np.asarray(np.einsum("k,kij->ij", np.asarray(weights, dtype=float), means))


def onsager_matrix(
    species: Sequence[str], values_mS_cm: FloatArray, n_independent: float
) -> OnsagerMatrix:
    """Attach Wishart errors to a symmetric matrix of e² L_ij (mS/cm)."""
    diagonal = np.diag(values_mS_cm)
    variance = (values_mS_cm**2 + np.outer(diagonal, diagonal)) / n_independent
    errors = np.sqrt(np.maximum(variance, 0.0))
    return OnsagerMatrix(
        species=tuple(species),
        values_mS_cm=tuple(tuple(float(x) for x in row) for row in values_mS_cm),
        errors_mS_cm=tuple(tuple(float(x) for x in row) for row in errors),
        n_independent=n_independent,
    )


def transference_numbers(
    onsager: OnsagerMatrix, charges: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Transference numbers t_i = Σ_j z_i z_j L_ij / Σ and their standard errors.

    With the Wishart covariance, var(t_i) = (z_i² L_ii / σ - t_i²) / n_independent.
    """
    z = np.asarray(charges, dtype=float)
    matrix = np.array(onsager.values_mS_cm)
    sigma = float(z @ matrix @ z)
    numbers = z * (matrix @ z) / sigma
    variance = (z**2 * np.diag(matrix) / sigma - numbers**2) / onsager.n_independent
    errors = np.sqrt(np.maximum(variance, 0.0))
    return tuple(float(x) for x in numbers), tuple(float(x) for x in errors)
