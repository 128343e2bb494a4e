"""What a report says, as plain data: no AiiDA node, no figure, no HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """One convergence check; ``value`` and ``limit`` in the unit that the name carries."""

    name: str
    value: Any
    limit: Any
    passed: bool
    relation: str = ""


@dataclass(frozen=True)
class Histogram:
    """Maximum force deviations of the explored frames: ``edges`` (n+1,) eV/Å, ``counts`` (n,)."""

    edges: FloatArray
    counts: FloatArray


@dataclass(frozen=True)
class Iteration:
    """One round of the loop. Forces in eV/Å per component, energies in eV/atom."""

    number: int
    n_training_frames: int | None = None
    n_labels_total: int | None = None
    n_candidates: int | None = None
    n_blind: int | None = None
    n_failed_labels: int | None = None
    trust_low: float | None = None
    trust_high: float | None = None
    n_explored: int | None = None
    accurate: int | None = None
    candidate: int | None = None
    failed: int | None = None
    unphysical: int | None = None
    share_accurate: float | None = None
    histogram: Histogram | None = None
    blind_frames: int | None = None
    effective_size: float | None = None
    force_rmse: float | None = None
    force_rmse_error: float | None = None
    force_rms: float | None = None
    relative: float | None = None
    energy_rmse: float | None = None
    checks: tuple[Check, ...] = ()
    converged: bool | None = None
    n_models: int | None = None
    n_trajectories: int | None = None


@dataclass(frozen=True)
class FinalErrors:
    """The last blind test. Forces in eV/Å per component, energies in eV/atom."""

    source: str
    n_frames: int | None
    force_rmse: float | None
    force_rmse_error: float | None
    force_rms: float | None
    relative: float | None
    energy_rmse: float | None


@dataclass(frozen=True)
class ParitySeries:
    """Reference against prediction for one element (eV/Å) or for the energies (meV/atom)."""

    name: str
    reference: FloatArray
    predicted: FloatArray

    @property
    def rmse(self) -> float:
        return float(np.sqrt(np.mean((self.predicted - self.reference) ** 2)))


@dataclass(frozen=True)
class Parity:
    """A blind test, predicted by the member that drives MD."""

    source: str
    n_frames: int
    forces: tuple[ParitySeries, ...]
    energies: ParitySeries | None

    @property
    def force_rmse(self) -> float:
        errors = np.concatenate([s.predicted - s.reference for s in self.forces])
        return float(np.sqrt(np.mean(errors**2)))


@dataclass(frozen=True)
class RdfPair:
    """g(r) of one pair of elements, r in Å, from DP-MD and from the labeller's MD."""

    pair: str
    r: FloatArray
    dpmd: FloatArray
    labeller: FloatArray


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


@dataclass(frozen=True)
class Structure:
    """One structure that went in; the label is free text of a user."""

    key: str
    label: str
    formula: str
    n_atoms: int
    volume: float | None


@dataclass(frozen=True)
class JobGroup:
    """Jobs of one program in one stage; times in seconds and core-hours."""

    stage: str
    kind: str
    n_jobs: int
    n_failed: int
    n_cached: int
    wall_s: float
    core_hours: float


@dataclass(frozen=True)
class Failure:
    """Something that went wrong, and what became of it."""

    where: str
    what: str
    message: str
    count: int = 1


@dataclass(frozen=True)
class Labels:
    """Labelled frames by where they went; ``spent``: whether this process paid for them."""

    stage: str
    frames: int
    use: str
    spent: bool = True


@dataclass(frozen=True)
class Report:
    """Everything that a report says about one process."""

    kind: str
    title: str
    label: str
    description: str
    uuid: str
    pk: int | None
    started: str
    state: str
    finished: bool
    exit_status: int | None
    exit_message: str
    stop_reason: str
    converged: bool | None
    wall_s: float | None
    structures: tuple[Structure, ...]
    temperatures: tuple[float, ...]
    engine: str
    iterations: tuple[Iteration, ...]
    final_errors: FinalErrors | None
    parity: Parity | None
    rdf: tuple[RdfPair, ...]
    transport: Transport | None
    labels: tuple[Labels, ...]
    jobs: tuple[JobGroup, ...]
    failures: tuple[Failure, ...]
    versions: tuple[tuple[str, str], ...]
    level_of_theory: dict[str, Any] | None
    counts: dict[str, int]
    checks: tuple[Check, ...]

    @property
    def n_labels(self) -> int:
        return sum(row.frames for row in self.labels if row.spent)
