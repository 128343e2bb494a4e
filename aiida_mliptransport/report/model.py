"""What a report says, as plain data: no AiiDA node, no figure, no HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .model_barriers import Barriers
from .model_calibration import Calibration
from .model_check import Check
from .model_transport import Mechanism, Transport
from .model_validation import Validation

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """Maximum force deviations of the explored frames: ``edges`` (n+1,) eV/Å, ``counts`` (n,)."""

    edges: FloatArray
    counts: FloatArray


@dataclass(frozen=True)
class Rung:
    """The stage of the ladder, from 0, at which a structure was explored, and what came out."""

    structure: str
    stage: int
    share_accurate: float | None
    next_stage: int


@dataclass(frozen=True)
class Iteration:
    """One round of the loop. Forces in eV/Å per component, energies in eV/atom.

    ``ladder`` is empty where the ladder has one stage only.
    """

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
    not_reached: int | None = None
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
    ladder: tuple[Rung, ...] = ()


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
    calibration: Calibration | None
    rdf: tuple[RdfPair, ...]
    transport: Transport | None
    mechanism: Mechanism | None
    barriers: Barriers | None
    validation: Validation | None
    card: str
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
