"""Trust levels: which frames the committee knows, which teach it something, which are too far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ClassCounts",
    "FrameClass",
    "TrustLevels",
    "TrustProposal",
    "classify",
    "count_classes",
    "trust_levels_from_blind",
]


class FrameClass(StrEnum):
    """What the maximum force deviation says about a frame."""

    ACCURATE = "accurate"
    CANDIDATE = "candidate"
    FAILED = "failed"


@dataclass(frozen=True)
class TrustLevels:
    """Lower and upper trust level of the maximum force deviation, eV/Å.

    Raises
    ------
    ValueError
        If a level is not positive and finite, or ``low`` is not below ``high``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        pair = f"trust levels low={self.low!r} and high={self.high!r} eV/Å"
        if not all(math.isfinite(level) and level > 0 for level in (self.low, self.high)):
            raise ValueError(
                f"{pair}: both must be positive and finite; set low slightly above the force RMSE "
                "of the blind test, and high to at most 3 times it"
            )
        if self.low >= self.high:
            raise ValueError(
                f"{pair}: low must be below high; lower the first or raise the second "
                "(the usual distance is 0.1 to 0.3 eV/Å)"
            )


@dataclass(frozen=True)
class ClassCounts:
    """How many frames are accurate, candidates and failed."""

    accurate: int
    candidate: int
    failed: int

    @property
    def total(self) -> int:
        """Return the number of frames."""
        return self.accurate + self.candidate + self.failed

    @property
    def fractions(self) -> dict[str, float]:
        """Return the share of each class; all are 0 where there is no frame."""
        total = max(self.total, 1)
        return {
            FrameClass.ACCURATE.value: self.accurate / total,
            FrameClass.CANDIDATE.value: self.candidate / total,
            FrameClass.FAILED.value: self.failed / total,
        }


def classify(max_force_deviation: NDArray[Any], trust: TrustLevels) -> NDArray[np.str_]:
    """Label each frame ``accurate``, ``candidate`` or ``failed``.

    Parameters
    ----------
    max_force_deviation
        ``(n,)`` in eV/Å. NaN and infinity count as failed.
    trust
        The levels: accurate below ``low``, failed from ``high`` on, candidate between (the
        intervals of DP-GEN, Comput. Phys. Commun. 253, 107206, 2020).

    Returns
    -------
    numpy.ndarray
        Strings ``(n,)``, values of :class:`FrameClass`.

    Raises
    ------
    ValueError
        If the deviations are not one-dimensional, or one of them is negative.
    """
    deviation = np.asarray(max_force_deviation, dtype=np.float64)
    if deviation.ndim != 1:
        raise ValueError(
            f"max_force_deviation has shape {deviation.shape}, expected (frames,): take the "
            "maximum over atoms with summarise_deviation(...).max"
        )
    if np.any(deviation < 0):
        raise ValueError(
            f"max_force_deviation has a negative value ({deviation.min():g} eV/Å): a deviation is "
            "a norm; check which column was read"
        )
    labels = np.full(deviation.shape, FrameClass.FAILED.value, dtype="<U9")
    labels[deviation < trust.high] = FrameClass.CANDIDATE.value
    labels[deviation < trust.low] = FrameClass.ACCURATE.value
    return labels


def count_classes(labels: NDArray[np.str_]) -> ClassCounts:
    """Count the labels of :func:`classify`.

    Raises
    ------
    ValueError
        If a label is none of the three.
    """
    array = np.asarray(labels)
    unknown = sorted(set(array.tolist()) - {member.value for member in FrameClass})
    if unknown:
        raise ValueError(
            f"labels hold {unknown}, expected only accurate, candidate and failed: "
            "pass the output of classify"
        )
    return ClassCounts(
        accurate=int(np.count_nonzero(array == FrameClass.ACCURATE.value)),
        candidate=int(np.count_nonzero(array == FrameClass.CANDIDATE.value)),
        failed=int(np.count_nonzero(array == FrameClass.FAILED.value)),
    )


@dataclass(frozen=True)
class TrustProposal:
    """Proposed trust levels and the sentences that explain them.

    ``blind_rmse`` is per component, in eV/Å, whatever the convention the levels were built with;
    ``high_over_rmse`` is the upper level over the blind RMSE in that convention.
    """

    levels: TrustLevels
    blind_rmse: float
    high_over_rmse: float
    convention: Literal["vector", "component"]
    reasons: tuple[str, ...]


def trust_levels_from_blind(
    blind_rmse: float,
    *,
    training_rmse: float | None = None,
    low_factor: float = 1.2,
    high_factor: float = 3.0,
    max_width: float | None = None,
    convention: Literal["vector", "component"] = "vector",
) -> TrustProposal:
    """Propose trust levels from the force error on blind frames.

    Parameters
    ----------
    blind_rmse
        Force RMSE **per component** on frames that were drawn uniformly and never trained on, eV/Å.
    training_rmse
        The same on the training set; raises ``low`` where it is the larger one.
    low_factor
        ``low`` over the error: slightly above 1, so that frames known as well as the model can
        know them count as accurate.
    high_factor
        Upper bound of ``high`` over the blind error: further out, the committee's own geometry is
        not to be believed and the frame is likely unphysical.
    max_width
        Largest ``high − low`` in eV/Å (rule of thumb of the field: 0.1 to 0.3); None for no limit.
    convention
        ``vector`` compares the deviation, a vector norm, with the vector RMSE (√3 times the
        component one); ``component`` takes the component RMSE and is the stricter.

    Raises
    ------
    ValueError
        If an error, factor or width is not positive and finite, the convention is unknown, or
        ``low_factor`` is not below ``high_factor``.

    Notes
    -----
    Low slightly above the training error, high above it by 0.1 to 0.3 eV/Å: Zhang et al., Comput.
    Phys. Commun. 253, 107206 (2020); 0.12 and 0.25 eV/Å for Li10GeP2S12: Huang et al., J. Chem.
    Phys. 154, 094703 (2021).
    """
    given = {"blind_rmse": blind_rmse, "low_factor": low_factor, "high_factor": high_factor}
    if training_rmse is not None:
        given["training_rmse"] = training_rmse
    if max_width is not None:
        given["max_width"] = max_width
    for name, value in given.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(
                f"{name}={value!r}: expected a positive finite number; where the blind test gave "
                "none, keep the protocol's fixed trust levels"
            )
    if convention not in ("vector", "component"):
        raise ValueError(f"convention={convention!r}: expected 'vector' or 'component'")
    if low_factor >= high_factor:
        raise ValueError(
            f"low_factor={low_factor!r} and high_factor={high_factor!r}: low_factor must be below "
            "high_factor; the defaults are 1.2 and 3"
        )
    scale = math.sqrt(3.0) if convention == "vector" else 1.0
    error = scale * blind_rmse
    low = low_factor * error
    reasons = [
        f"blind force RMSE {blind_rmse:.4g} eV/Å per component, {error:.4g} as {convention} RMSE",
        f"low = {low_factor:g} × blind {convention} RMSE",
    ]
    high = high_factor * error
    if training_rmse is not None and training_rmse > blind_rmse:
        if low_factor * scale * training_rmse < high:
            low = low_factor * scale * training_rmse
            reasons[-1] = (
                f"low = {low_factor:g} × training {convention} RMSE (training error "
                f"{training_rmse:.4g} eV/Å exceeds the blind one)"
            )
        else:
            reasons.append(
                f"training RMSE {training_rmse:.4g} eV/Å ignored: it is far above the blind one, "
                "so the training set covers configurations that the exploration does not visit"
            )
    if max_width is not None and low + max_width < high:
        high = low + max_width
        reasons.append(f"high = low + {max_width:g} eV/Å, below {high_factor:g} × blind RMSE")
    else:
        reasons.append(f"high = {high_factor:g} × blind {convention} RMSE")
    return TrustProposal(
        levels=TrustLevels(low=low, high=high),
        blind_rmse=blind_rmse,
        high_over_rmse=high / error,
        convention=convention,
        reasons=tuple(reasons),
    )
