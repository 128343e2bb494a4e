"""What a report says of migration barriers, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EnergyProfile:
    """Energies along a path by one method.

    Attributes
    ----------
    whose
        ``potential``, ``labels`` or ``reference``.
    coordinate, energies
        ``(M,)`` of the images, Å and eV from the initial one.
    curve
        ``(2, n)`` Å and eV, the fit through energies and forces.
    barrier, reverse_barrier, reaction_energy
        eV, of the fit.
    """

    whose: str
    coordinate: FloatArray
    energies: FloatArray
    curve: FloatArray
    barrier: float
    reverse_barrier: float
    reaction_energy: float


@dataclass(frozen=True, eq=False)
class PathPicture:
    """Where the ions go.

    Attributes
    ----------
    numbers : (N,)
        Atomic numbers.
    positions : (M, N, 3)
        Of the images, Å.
    cell : (3, 3)
        Å.
    moving
        Indices of the ions that move.
    """

    numbers: npt.NDArray[np.int64]
    positions: FloatArray
    cell: FloatArray
    moving: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class BarrierPath:
    """One path with all that is known of its barrier; energies in eV, forces in eV/Å.

    ``origin`` says how the path was found.
    """

    name: str
    formula: str
    moving: str
    length_A: float | None
    origin: str
    profiles: tuple[EnergyProfile, ...]
    committee_std: float | None
    force_error: float | None
    force_deviation: float | None
    warnings: tuple[str, ...]
    picture: PathPicture | None
    converged: bool

    def profile(self, whose: str) -> EnergyProfile | None:
        """Return the profile of one method, None where there is none."""
        return next((p for p in self.profiles if p.whose == whose), None)


@dataclass(frozen=True, eq=False)
class Barriers:
    """Paths of one barrier search, and what was refused."""

    paths: tuple[BarrierPath, ...]
    refused: tuple[str, ...] = ()
