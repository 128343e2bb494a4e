"""Spread of the forces that a committee of potentials predicts for the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameDeviation", "force_deviation", "species_deviation", "summarise_deviation"]


@dataclass(frozen=True)
class FrameDeviation:
    """Per-frame statistics of the per-atom force deviation, each ``(n,)`` in eV/Å."""

    max: NDArray[np.float64]
    mean: NDArray[np.float64]
    min: NDArray[np.float64]


def force_deviation(forces: NDArray[Any]) -> NDArray[np.float64]:
    """Return the committee force deviation of every atom.

    The spread is that of force *vectors*: members that agree on the size of a force and not on its
    direction do deviate. The average over members divides by M, as DeePMD-kit does, so a committee
    of 4 with independent errors of per-component size s gives s·sqrt(3·3/4) in the root mean
    square.

    Parameters
    ----------
    forces
        Predictions of M members for n frames of N atoms, ``(M, n, N, 3)`` in eV/Å.

    Returns
    -------
    numpy.ndarray
        ``(n, N)`` in eV/Å. An atom for which any member predicts NaN or infinity has NaN.

    Raises
    ------
    ValueError
        If the shape is not ``(M, n, N, 3)``, or M is below 2.

    Notes
    -----
    ε_i = sqrt(⟨|F_i − ⟨F_i⟩|²⟩) over members: Zhang et al., Comput. Phys. Commun. 253, 107206
    (2020); Huang et al., J. Chem. Phys. 154, 094703 (2021).
    """
    array = np.asarray(forces, dtype=np.float64)
    if array.ndim != 4 or array.shape[-1] != 3:
        raise ValueError(
            f"forces has shape {array.shape}, expected (members, frames, atoms, 3): "
            "stack the members' predictions along the first axis"
        )
    if array.shape[0] < 2:
        raise ValueError(
            f"forces holds {array.shape[0]} committee member(s), expected at least 2: one model "
            "has no spread; evaluate more members"
        )
    # Infinities would warn in the subtraction; NaN says the same and is silent.
    array = np.where(np.isfinite(array), array, np.nan)
    spread: NDArray[np.float64] = np.sqrt(np.var(array, axis=0).sum(axis=-1))
    return spread


def summarise_deviation(deviation: NDArray[Any]) -> FrameDeviation:
    """Return maximum, mean and minimum over the atoms of each frame.

    Parameters
    ----------
    deviation
        Per-atom deviation ``(n, N)`` in eV/Å, from :func:`force_deviation`.

    Raises
    ------
    ValueError
        If the array is not two-dimensional or has no atoms.
    """
    array = _checked(deviation)
    return FrameDeviation(max=array.max(axis=1), mean=array.mean(axis=1), min=array.min(axis=1))


def species_deviation(deviation: NDArray[Any], numbers: NDArray[Any]) -> dict[int, FrameDeviation]:
    """Return the frame statistics for the atoms of each species apart.

    The mean over all atoms hides one hopping ion; the maximum over the mobile species does not.

    Parameters
    ----------
    deviation
        Per-atom deviation ``(n, N)`` in eV/Å.
    numbers
        Atomic numbers ``(N,)``.

    Returns
    -------
    dict
        Atomic number → statistics, in ascending order of atomic number.

    Raises
    ------
    ValueError
        If the number of atoms differs between the two.
    """
    array = _checked(deviation)
    species = np.asarray(numbers, dtype=np.int64)
    if species.shape != (array.shape[1],):
        raise ValueError(
            f"numbers has shape {species.shape}, expected ({array.shape[1]},) to match the "
            "deviation's atoms: pass the atomic numbers in the frames' atom order"
        )
    return {int(z): summarise_deviation(array[:, species == z]) for z in np.unique(species)}


def _checked(deviation: NDArray[Any]) -> NDArray[np.float64]:
    array = np.asarray(deviation, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"deviation has shape {array.shape}, expected (frames, atoms) with at least one atom: "
            "pass the output of force_deviation"
        )
    return array
