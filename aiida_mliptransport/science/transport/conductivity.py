"""Ionic conductivity: collective (Einstein), Nernst–Einstein, Haven ratio, transference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aiida_mliptransport.science.transport.diffusion import (
    DiffusionEstimate,
    length_for,
    positive_interval,
    scaled,
)
from aiida_mliptransport.science.transport.onsager import (
    OnsagerMatrix,
    onsager_matrix,
    onsager_slopes,
    transference_numbers,
)
from aiida_mliptransport.science.transport.reference import (
    FloatArray,
    ReferenceFrame,
    check_sums,
)
from aiida_mliptransport.science.transport.slope import (
    METHOD,
    SlopeEstimate,
    Tensor,
    as_trajectories,
    estimate_slope,
)
from aiida_mliptransport.science.transport.window import DEFAULT_SETTINGS, SlopeSettings
from aiida_mliptransport.science.units import charge_diffusivity_to_mS_cm, nernst_einstein_mS_cm

HAVEN_CONVENTION = "sigma_NE / sigma (1 for independent ions; some authors use the inverse)"


@dataclass(frozen=True)
class NernstEinstein:
    """Conductivity in mS/cm of ions that do not see each other, from self-diffusion only."""

    sigma_mS_cm: float
    standard_error_mS_cm: float
    per_species_mS_cm: dict[str, float]

    @property
    def relative_error(self) -> float:
        """Standard error over value."""
        return self.standard_error_mS_cm / self.sigma_mS_cm


@dataclass(frozen=True)
class ConductivityEstimate:
    """Collective conductivity in mS/cm and what belongs to it, with errors.

    Where `resolved` is False all numbers that need σ are None, `reason` says why and
    `needed_length_ps` is a lower bound on the total MD length that would resolve it. The Haven
    ratio is σ_NE/σ, see `haven_convention`. Transference numbers hold in `reference_frame`.
    `tensor_mS_cm` (3, 3) is σ along the Cartesian axes; a third of its trace is σ.
    """

    sigma_mS_cm: float | None
    standard_error_mS_cm: float | None
    relative_error: float | None
    nernst_einstein: NernstEinstein | None
    haven_ratio: float | None
    haven_ratio_error: float | None
    haven_convention: str
    transference: dict[str, float]
    transference_error: dict[str, float]
    onsager: OnsagerMatrix | None
    charges: dict[str, float]
    reference_frame: str
    log_log_slope: float
    log_log_slope_error: float
    fit_window_ps: tuple[float, float]
    n_independent: float
    block_error_mS_cm: float
    block_values_mS_cm: tuple[float, ...]
    method: str
    resolved: bool
    reason: str
    needed_length_ps: float | None
    warning: str
    length_ps: float
    n_trajectories: int
    volume_angstrom3: float
    temperature_K: float
    tensor_mS_cm: Tensor | None = None
    tensor_error_mS_cm: Tensor | None = None

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of σ in mS/cm; raises ValueError where σ is not resolved."""
        if self.sigma_mS_cm is None:
            msg = f"no interval, the conductivity is not resolved: {self.reason}"
            raise ValueError(msg)
        return positive_interval(self.sigma_mS_cm, self.n_independent, level)

    def length_for(self, relative_error: float) -> float | None:
        """Total MD length in ps for which the relative error of σ would be as asked."""
        return length_for(
            self.relative_error, relative_error, self.length_ps, self.needed_length_ps
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary that JSON can hold."""
        return asdict(self)


def nernst_einstein(
    self_diffusion: Mapping[str, DiffusionEstimate],
    charges: Mapping[str, float],
    counts: Mapping[str, int],
    volume_angstrom3: float,
    temperature_K: float,
) -> NernstEinstein:
    """Nernst–Einstein conductivity Σ z² e² n D / (k_B T).

    Needs a resolved D for every species with a charge, else raises ValueError. Errors of the
    species are added in quadrature.
    """
    parts: dict[str, float] = {}
    variance = 0.0
    for name, charge in charges.items():
        if charge == 0.0:
            continue
        estimate = self_diffusion.get(name)
        if estimate is None or estimate.diffusion_cm2_s is None:
            why = "there is none" if estimate is None else estimate.reason
            msg = f"Nernst–Einstein needs the self-diffusion coefficient of {name}: {why}"
            raise ValueError(msg)
        parts[name] = nernst_einstein_mS_cm(
            estimate.diffusion_cm2_s, charge, counts[name], volume_angstrom3, temperature_K
        )
        variance += (parts[name] * (estimate.relative_error or 0.0)) ** 2
    if not parts:
        msg = f"charges are {dict(charges)}, expected at least one that is not zero"
        raise ValueError(msg)
    return NernstEinstein(sum(parts.values()), float(np.sqrt(variance)), parts)


def estimate_conductivity(
    species_sums: ArrayLike | Sequence[ArrayLike],
    species: Sequence[str],
    charges: Mapping[str, float],
    counts: Mapping[str, int],
    volume_angstrom3: float,
    temperature_K: float,
    dt_ps: float,
    reference_frame: ReferenceFrame,
    self_diffusion: Mapping[str, DiffusionEstimate] | None = None,
    settings: SlopeSettings = DEFAULT_SETTINGS,
) -> ConductivityEstimate:
    """Conductivity σ = e² lim d/dt ⟨|Σ z_i ΔR_i|²⟩ / (6 V k_B T), with Onsager coefficients.

    `species_sums` (n_frames, n_species, 3) in Å: sums of unwrapped displacements per species,
    already in `reference_frame` (see `reference.species_sums_in_frame`), or a list of them from
    independent runs. `charges` in e and `counts` per species: always given, never guessed.
    `self_diffusion` adds Nernst–Einstein and the Haven ratio, and its latest fit window says from
    when ions diffuse: the collective displacement, one walker, is too noisy to show it.
    Raises ValueError for missing charges or counts, bad shapes and NaN.
    """
    for name, table in (("charges", charges), ("counts", counts)):
        missing = [kind for kind in species if kind not in table]
        if missing:
            msg = f"{name} lack {missing}: give one for each of {list(species)}"
            raise ValueError(msg)
    runs = [check_sums(item, species) for item in as_trajectories(species_sums)]
    z = np.array([charges[name] for name in species], dtype=float)
    if not z.any():
        msg = f"charges are {dict(charges)}, expected at least one that is not zero"
        raise ValueError(msg)
    dipole = [np.einsum("tsc,s->tc", run, z)[:, None, :] for run in runs]
    starts = [d.fit_window_ps[0] for d in (self_diffusion or {}).values()]
    slope = estimate_slope(dipole, dt_ps, settings, not_before_ps=max(starts, default=0.0))
    factor = charge_diffusivity_to_mS_cm(1.0 / 6.0, volume_angstrom3, temperature_K)
    notes = [slope.warning] if slope.warning else []
    total = sum(charges[name] * counts[name] for name in species)
    if abs(total) > 1e-6 * sum(abs(charges[name]) * counts[name] for name in species):
        notes.append(
            f"the charges of {list(species)} add up to {total:g} e: the conductivity then "
            f"depends on the reference frame ({reference_frame.label})"
        )
    onsager, transference, transference_error = _onsager(runs, species, z, slope, factor)
    free = None
    if self_diffusion is not None:
        try:
            free = nernst_einstein(self_diffusion, charges, counts, volume_angstrom3, temperature_K)
        except ValueError as error:
            notes.append(str(error))
    haven, haven_error = _haven(slope, factor, free, self_diffusion or {})
    return ConductivityEstimate(
        sigma_mS_cm=factor * slope.slope if slope.resolved else None,
        standard_error_mS_cm=factor * slope.standard_error if slope.resolved else None,
        relative_error=slope.standard_error / slope.slope if slope.resolved else None,
        nernst_einstein=free,
        haven_ratio=haven,
        haven_ratio_error=haven_error,
        haven_convention=HAVEN_CONVENTION,
        transference=transference,
        transference_error=transference_error,
        onsager=onsager,
        charges={name: float(charges[name]) for name in species},
        reference_frame=reference_frame.label,
        log_log_slope=slope.log_log_slope,
        log_log_slope_error=slope.log_log_slope_error,
        fit_window_ps=slope.fit_window_ps,
        n_independent=slope.n_independent if slope.resolved else 0.0,
        block_error_mS_cm=factor * slope.block_error,
        block_values_mS_cm=tuple(factor * value for value in slope.block_values),
        method=METHOD,
        resolved=slope.resolved,
        reason=slope.reason,
        needed_length_ps=slope.needed_length_ps,
        warning="; ".join(notes),
        length_ps=slope.length_ps,
        n_trajectories=slope.n_trajectories,
        volume_angstrom3=float(volume_angstrom3),
        temperature_K=float(temperature_K),
        tensor_mS_cm=scaled(slope.tensor, 3.0 * factor) if slope.resolved else None,
        tensor_error_mS_cm=scaled(slope.tensor_error, 3.0 * factor) if slope.resolved else None,
    )


def _onsager(
    runs: Sequence[FloatArray],
    species: Sequence[str],
    charges: FloatArray,
    slope: SlopeEstimate,
    factor: float,
) -> tuple[OnsagerMatrix | None, dict[str, float], dict[str, float]]:
    if not slope.resolved:
        return None, {}, {}
    values = factor * onsager_slopes(runs, slope.lags, slope.weights)
    matrix = onsager_matrix(species, values, slope.n_independent)
    numbers, errors = transference_numbers(matrix, charges.tolist())
    return (
        matrix,
        dict(zip(species, numbers, strict=True)),
        dict(zip(species, errors, strict=True)),
    )


def _haven(
    slope: SlopeEstimate,
    factor: float,
    free: NernstEinstein | None,
    self_diffusion: Mapping[str, DiffusionEstimate],
) -> tuple[float | None, float | None]:
    """σ_NE/σ and its error, with the correlation of the two taken from their blocks."""
    if free is None or not slope.resolved:
        return None, None
    sigma = factor * slope.slope
    ratio = free.sigma_mS_cm / sigma
    collective, single = slope.standard_error / slope.slope, free.relative_error
    blocks = np.zeros(len(slope.block_values))
    usable = len(blocks) > 2
    for name, part in free.per_species_mS_cm.items():
        estimate = self_diffusion[name]
        values = np.array(estimate.block_values_cm2_s)
        usable = usable and len(values) == len(blocks)
        if usable:
            blocks += part * values / (estimate.diffusion_cm2_s or 1.0)
    correlation = 0.0
    if usable and blocks.std() > 0.0:
        correlation = float(np.corrcoef(blocks, slope.block_values)[0, 1])
    variance = collective**2 + single**2 - 2.0 * correlation * collective * single
    return ratio, ratio * float(np.sqrt(max(variance, 0.0)))
