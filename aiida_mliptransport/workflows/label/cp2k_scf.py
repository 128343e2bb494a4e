"""What CP2K tries with frames whose SCF did not converge, in order; always the same physics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...calculations.cp2k_settings import Cp2kSettings, ScfSettings

#: Takes the settings and returns what changes of ``scf``; None where it is of no use.
Handler = Callable[[Cp2kSettings], dict[str, Any] | None]


def softer_mixing(settings: Cp2kSettings) -> dict[str, Any]:
    """Diagonalise with a quarter of the mixing and four times the iterations."""
    scf = settings.scf
    return {
        "method": "diagonalization",
        "mixing_alpha": 0.25 * scf.mixing_alpha,
        "max_scf": 4 * scf.max_scf * scf.outer_max_scf,
        "outer_max_scf": 1,
    }


def conjugate_gradients(settings: Cp2kSettings) -> dict[str, Any] | None:
    """Minimise the energy of the orbitals themselves, which no charge sloshing can trouble.

    Only full occupation and the Γ point have such an energy.
    """
    if settings.k_points != "gamma" or settings.electronic_temperature_K or settings.added_orbitals:
        return None
    # The field's usual numbers of inner and outer steps, unless the settings have more.
    fewest = ScfSettings(max_scf=50, outer_max_scf=10)
    return {
        "method": "ot",
        "minimizer": "cg",
        "preconditioner": "full_all",
        "max_scf": max(settings.scf.max_scf, fewest.max_scf),
        "outer_max_scf": max(settings.scf.outer_max_scf, fewest.outer_max_scf),
    }


#: The method that did not converge is first made safer, then changed.
HANDLERS: dict[str, tuple[Handler, ...]] = {
    "diagonalization": (softer_mixing, conjugate_gradients),
    "ot": (conjugate_gradients, softer_mixing),
}


def retry_settings(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each retry, in order; then a frame is given up.

    Parameters
    ----------
    content
        Parameters of :class:`~aiida_mliptransport.calculations.cp2k.Cp2kLabelCalculation`.
    """
    settings = Cp2kSettings.model_validate(content)
    changes = [handler(settings) for handler in HANDLERS[settings.scf.method]]
    return [
        {**content, "scf": {**content.get("scf", {}), **change}}
        for change in changes
        if change is not None
    ]
