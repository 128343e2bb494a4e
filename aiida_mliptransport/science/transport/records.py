"""Estimates as plain dictionaries, units in their names: what is stored and queried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida_mliptransport.science.transport.conductivity import (
    ConductivityEstimate,
    nernst_einstein,
)
from aiida_mliptransport.science.transport.diffusion import DiffusionEstimate
from aiida_mliptransport.science.transport.green_kubo import GreenKuboEstimate
from aiida_mliptransport.science.transport.rdf import PartialRDF
from aiida_mliptransport.science.transport.slope import Tensor


def diffusion_record(estimate: DiffusionEstimate) -> dict[str, Any]:
    """Return an estimate of D."""
    interval = estimate.interval() if estimate.resolved else None
    return {
        "D_cm2_s": estimate.diffusion_cm2_s,
        "standard_error": estimate.standard_error_cm2_s,
        "relative_error": estimate.relative_error,
        "interval_95": list(interval) if interval else None,
        "tensor_cm2_s": _lists(estimate.tensor_cm2_s),
        "tensor_error": _lists(estimate.tensor_error_cm2_s),
        "log_log_slope": estimate.log_log_slope,
        "log_log_slope_error": estimate.log_log_slope_error,
        "fit_window_ps": list(estimate.fit_window_ps),
        "offset_A2": estimate.offset_angstrom2,
        "n_independent": estimate.n_independent,
        "block_error": estimate.block_error_cm2_s,
        "resolved": estimate.resolved,
        "reason": estimate.reason,
        "needed_length_ps": estimate.needed_length_ps,
        "upper_bound_cm2_s": estimate.upper_bound_cm2_s,
        "warning": estimate.warning,
        "method": estimate.method,
    }


def conductivity_record(
    estimate: ConductivityEstimate,
    diffusion: Mapping[str, DiffusionEstimate],
    charges: Mapping[str, float],
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """Return an estimate of σ by Einstein's relation, and what comes with it."""
    # σ_NE needs the self-diffusion only, so it may be known where the collective one is not.
    free = estimate.nernst_einstein
    if free is None and all(d.resolved for d in diffusion.values()):
        free = nernst_einstein(
            diffusion, charges, counts, estimate.volume_angstrom3, estimate.temperature_K
        )
    interval = estimate.interval() if estimate.resolved else None
    return {
        "sigma_mS_cm": estimate.sigma_mS_cm,
        "standard_error": estimate.standard_error_mS_cm,
        "relative_error": estimate.relative_error,
        "interval_95": list(interval) if interval else None,
        "sigma_NE_mS_cm": free.sigma_mS_cm if free else None,
        "sigma_NE_error": free.standard_error_mS_cm if free else None,
        "haven_ratio": estimate.haven_ratio,
        "haven_ratio_error": estimate.haven_ratio_error,
        "haven_convention": estimate.haven_convention,
        "transference": estimate.transference,
        "transference_error": estimate.transference_error,
        "tensor_mS_cm": _lists(estimate.tensor_mS_cm),
        "tensor_error": _lists(estimate.tensor_error_mS_cm),
        "onsager_mS_cm": _lists(estimate.onsager.values_mS_cm) if estimate.onsager else None,
        "onsager_error": _lists(estimate.onsager.errors_mS_cm) if estimate.onsager else None,
        "onsager_species": list(estimate.onsager.species) if estimate.onsager else None,
        "log_log_slope": estimate.log_log_slope,
        "log_log_slope_error": estimate.log_log_slope_error,
        "fit_window_ps": list(estimate.fit_window_ps),
        "n_independent": estimate.n_independent,
        "resolved": estimate.resolved,
        "reason": estimate.reason,
        "needed_length_ps": estimate.needed_length_ps,
        "warning": estimate.warning,
        "method": estimate.method,
    }


def _lists(tensor: Tensor | None) -> list[list[float]] | None:
    return None if tensor is None else [list(row) for row in tensor]


def green_kubo_record(estimate: GreenKuboEstimate) -> dict[str, Any]:
    """Return an estimate of σ by the Green–Kubo relation: a check on the one by Einstein's."""
    interval = estimate.interval() if estimate.resolved else None
    return {
        "sigma_mS_cm": estimate.sigma_mS_cm,
        "standard_error": estimate.standard_error_mS_cm,
        "relative_error": estimate.relative_error,
        "interval_95": list(interval) if interval else None,
        "plateau_ps": list(estimate.plateau_ps) if estimate.plateau_ps else None,
        "quadrature_error_mS_cm": estimate.quadrature_error_mS_cm,
        "resolved": estimate.resolved,
        "reason": estimate.reason,
        "needed_length_ps": estimate.needed_length_ps,
        "warning": estimate.warning,
    }


def coordination_record(rdf: PartialRDF) -> dict[str, Any]:
    """Return the coordination numbers up to the first minimum of g(r), or why there are none.

    ``number`` counts atoms of ``second`` around one of ``first``, ``number_reverse`` the other
    way round.
    """
    known = {"first": rdf.first, "second": rdf.second}
    try:
        radius = rdf.first_minimum()
    except ValueError as error:
        return {**known, "first_minimum_A": None, "reason": str(error)}
    number = rdf.coordination_number(radius)
    # Both count the same pairs, so their ratio is that of the numbers of atoms.
    ratio = float(rdf.running_cn_reverse[-1] / rdf.running_cn[-1])
    return {
        **known,
        "first_minimum_A": radius,
        "number": number,
        "number_reverse": number * ratio,
        "reason": "",
    }
