"""Force errors of a potential on labelled frames, with an error bar on the error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ForceErrors", "SpeciesForceErrors", "force_rmse"]


@dataclass(frozen=True)
class SpeciesForceErrors:
    """Force errors over a set of atoms, eV/Å.

    Attributes
    ----------
    rmse, mae
        Per component: over all 3N numbers. This is the convention of every threshold here.
    rmse_error
        Standard error of ``rmse`` by bootstrap; None where there are fewer than two groups.
    force_rms
        Root mean square of the reference forces, per component.
    n_forces
        Number of force vectors.
    """

    rmse: float
    mae: float
    rmse_error: float | None
    force_rms: float
    n_forces: int

    @property
    def vector_rmse(self) -> float:
        """Return the RMSE of the vector error |ΔF|: √3 times the component RMSE."""
        return math.sqrt(3.0) * self.rmse

    @property
    def relative_rmse(self) -> float:
        """Return ``rmse`` over ``force_rms``; infinity where the reference forces vanish."""
        return self.rmse / self.force_rms if self.force_rms > 0 else math.inf


@dataclass(frozen=True)
class ForceErrors(SpeciesForceErrors):
    """Force errors over all atoms, and by atomic number.

    Attributes
    ----------
    per_species
        Atomic number → errors over the atoms of that species.
    n_frames, n_groups
        Frames, and groups (trajectories, or frames where none were given) of the bootstrap.
    """

    per_species: dict[int, SpeciesForceErrors]
    n_frames: int
    n_groups: int


def force_rmse(
    predicted: NDArray[Any] | Sequence[NDArray[Any]],
    reference: NDArray[Any] | Sequence[NDArray[Any]],
    numbers: NDArray[Any] | Sequence[NDArray[Any]],
    *,
    rng: np.random.Generator,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    n_bootstrap: int = 1000,
) -> ForceErrors:
    """Compare predicted with reference forces.

    Parameters
    ----------
    predicted, reference
        ``(n, N, 3)`` in eV/Å, or one such array per system.
    numbers
        Atomic numbers ``(N,)``, or one such array per system.
    rng
        Drives the bootstrap.
    groups
        A label per frame (all systems, in order), equal for frames of one trajectory; whole groups
        are resampled, since frames of one trajectory share its error. Where None, frames are
        resampled, which holds for decorrelated frames. Atoms are never resampled: those of one
        frame are not independent.
    n_bootstrap
        Number of resamplings.

    Returns
    -------
    ForceErrors
        In eV/Å. ``rmse_error`` is the bootstrap standard deviation times √(G/(G−1)) for G groups,
        without which few groups would look too certain (Efron and Tibshirani, An Introduction to
        the Bootstrap, 1993, ch. 6).

    Raises
    ------
    ValueError
        If shapes do not match, there is no frame, or a force is NaN or infinite.
    """
    systems = _as_systems(predicted, reference, numbers)
    species = sorted({int(z) for _, _, kinds in systems for z in kinds})
    sums = np.concatenate([_frame_sums(*system, species) for system in systems])
    n_frames = len(sums)
    if n_frames == 0:
        raise ValueError("predicted and reference hold no frame: expected at least one to compare")
    labels = np.arange(n_frames)
    if groups is not None:
        if len(groups) != n_frames:
            raise ValueError(
                f"groups has {len(groups)} labels for {n_frames} frames: expected one per frame, "
                "the systems' frames in order"
            )
        labels = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    n_groups = int(labels.max()) + 1
    grouped = np.zeros((n_groups, *sums.shape[1:]))
    np.add.at(grouped, labels, sums)
    draws = rng.multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=n_bootstrap)
    overall = _errors(grouped.sum(axis=1), draws)
    return ForceErrors(
        rmse=overall.rmse,
        mae=overall.mae,
        rmse_error=overall.rmse_error,
        force_rms=overall.force_rms,
        n_forces=overall.n_forces,
        per_species={z: _errors(grouped[:, k], draws) for k, z in enumerate(species)},
        n_frames=n_frames,
        n_groups=n_groups,
    )


System = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def _as_systems(predicted: Any, reference: Any, numbers: Any) -> list[System]:
    """Return checked (predicted, reference, numbers) per system."""
    if isinstance(predicted, np.ndarray) and predicted.ndim == 3:
        predicted, reference, numbers = [predicted], [reference], [numbers]
    if not len(predicted) == len(reference) == len(numbers):
        raise ValueError(
            f"{len(predicted)} predicted, {len(reference)} reference and {len(numbers)} numbers "
            "arrays: expected one of each per system"
        )
    systems: list[System] = []
    for index, (ours, theirs, kinds) in enumerate(zip(predicted, reference, numbers, strict=True)):
        system = (
            np.asarray(ours, dtype=np.float64),
            np.asarray(theirs, dtype=np.float64),
            np.asarray(kinds, dtype=np.int64),
        )
        shape = (len(system[0]), len(system[2]), 3)
        for name, array in zip(("predicted", "reference"), system[:2], strict=True):
            if array.shape != shape:
                raise ValueError(
                    f"{name} forces of system {index} have shape {array.shape}, expected {shape} "
                    "(frames, atoms, 3): compare the same frames in the same atom order"
                )
            bad = int(np.count_nonzero(~np.isfinite(array).all(axis=(1, 2))))
            if bad:
                raise ValueError(
                    f"{name} forces of system {index} are NaN or infinite in {bad} of "
                    f"{shape[0]} frames: drop these frames, or train the potential anew"
                )
        systems.append(system)
    return systems


def _frame_sums(
    predicted: NDArray[np.float64],
    reference: NDArray[np.float64],
    numbers: NDArray[np.int64],
    species: list[int],
) -> NDArray[np.float64]:
    """Return (frames, species, 4): Σ error², Σ |error|, Σ reference², number of components."""
    error = predicted - reference
    terms = np.stack([error**2, np.abs(error), reference**2, np.ones_like(error)], axis=-1).sum(
        axis=2
    )
    return np.stack([terms[:, numbers == z].sum(axis=1) for z in species], axis=1)


def _errors(grouped: NDArray[np.float64], draws: NDArray[np.int64]) -> SpeciesForceErrors:
    squares, absolute, reference, count = grouped.sum(axis=0)
    resampled = draws @ grouped[:, [0, 3]]
    # A resampling may miss every frame that holds a rare species.
    resampled = resampled[resampled[:, 1] > 0]
    present = int(np.count_nonzero(grouped[:, 3]))
    error = None
    if present >= 2 and len(resampled) >= 2:
        spread = float(np.std(np.sqrt(resampled[:, 0] / resampled[:, 1])))
        error = spread * math.sqrt(present / (present - 1))
    return SpeciesForceErrors(
        rmse=math.sqrt(squares / count),
        mae=float(absolute / count),
        rmse_error=error,
        force_rms=math.sqrt(reference / count),
        n_forces=round(count / 3),
    )
