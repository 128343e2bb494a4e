"""What a report says of the production MD, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from .model_check import Check

FloatArray = npt.NDArray[np.float64]
CurveKind = Literal["jump lengths", "conversions", "vibrations"]


@dataclass(frozen=True)
class Diffusion:
    """Tracer diffusion of one element at one temperature, cm²/s."""

    element: str
    value: float | None
    error: float | None
    slope: float | None
    slope_error: float | None
    resolved: bool
    reason: str
    needed_length_ps: float | None
    fit_window_ps: tuple[float, float] | None
    upper_bound: float | None = None
    warning: str = ""
    dominant_error: str = ""


@dataclass(frozen=True)
class Conductivity:
    """Ionic conductivity at one temperature, mS/cm. Haven ratio: σ_NE / σ.

    ``green_kubo`` is σ by the Green–Kubo relation, a check on ``value``, which is by Einstein's.
    """

    value: float | None
    error: float | None
    nernst_einstein: float | None
    nernst_einstein_error: float | None
    haven: float | None
    haven_error: float | None
    transference: dict[str, float]
    transference_error: dict[str, float]
    resolved: bool
    reason: str
    needed_length_ps: float | None
    fit_window_ps: tuple[float, float] | None = None
    warning: str = ""
    dominant_error: str = ""
    green_kubo: float | None = None
    green_kubo_error: float | None = None
    green_kubo_reason: str = ""


@dataclass(frozen=True)
class Point:
    """One structure at one temperature; ``length_ps`` is that of all trajectories together.

    ``equilibrated`` is None for observables of an estimator that did not check it.
    """

    structure: str
    temperature: float
    mean_temperature: float | None
    n_atoms: int | None
    volume: float | None
    length_ps: float | None
    n_trajectories: int | None
    deviation_median: float | None
    deviation_99: float | None
    diffusion: tuple[Diffusion, ...]
    conductivity: Conductivity | None
    n_members: int = 1
    equilibrated: bool | None = None
    equilibration_note: str = ""


@dataclass(frozen=True)
class ArrheniusFit:
    """ln y = ln_prefactor − Ea/(k_B T); ``covariance`` of (ln_prefactor, Ea in eV) or None.

    ``activation_eV`` is None where nothing could be fitted; ``reason`` says why.
    """

    name: str
    structure: str
    activation_eV: float | None
    activation_error_eV: float | None
    ln_prefactor: float | None
    covariance: FloatArray | None
    n_temperatures: int | None = None
    reduced_chi_square: float | None = None
    reason: str = ""

    @property
    def prefactor(self) -> float | None:
        """The value of the line at infinite temperature."""
        return None if self.ln_prefactor is None else float(np.exp(self.ln_prefactor))


@dataclass(frozen=True)
class MsdCurve:
    """Mean square displacement (Å²) of one element against time (ps).

    The element ``charge`` is the collective displacement of the charges, per ion (e² Å²).
    """

    structure: str
    temperature: float
    element: str
    time: FloatArray
    msd: FloatArray
    fit_window_ps: tuple[float, float] | None


@dataclass(frozen=True)
class MechanismRow:
    """One number of the mechanism at one temperature, in ``unit``."""

    name: str
    structure: str
    temperature: float
    value: float | None
    error: float | None
    unit: str
    resolved: bool
    reason: str = ""
    needed_length_ps: float | None = None
    warning: str = ""
    dominant_error: str = ""


@dataclass(frozen=True)
class MechanismCurve:
    """A curve that is drawn: counts against jump length (Å), conversions against time (ps), …

    … or modes/THz against frequency (THz).
    """

    kind: CurveKind
    name: str
    structure: str
    temperature: float
    x: FloatArray
    y: FloatArray


@dataclass(frozen=True)
class Mechanism:
    """How the ions move."""

    rows: tuple[MechanismRow, ...] = ()
    arrhenius: tuple[ArrheniusFit, ...] = ()
    curves: tuple[MechanismCurve, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transport:
    """Observables of the production MD."""

    points: tuple[Point, ...] = ()
    arrhenius: tuple[ArrheniusFit, ...] = ()
    msd: tuple[MsdCurve, ...] = ()
    checks: tuple[Check, ...] = ()
    charges: dict[str, float] = field(default_factory=dict)
    reference_frame: str = ""
    estimator_version: str = ""
    n_trajectories: int = 0
