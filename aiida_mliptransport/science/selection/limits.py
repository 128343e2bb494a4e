"""Limits of what counts as a physical frame, and pair distances for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from ..frames import Frames
from .neighbours import closest_contacts, neighbour_pairs

__all__ = [
    "PairLimits",
    "ScreeningCriteria",
    "contact_limits_from_frames",
    "covalent_limits",
    "known_contact_limits",
]

PairLimits = Mapping[tuple[int, int], float]

#: Smallest and largest limit of a contact that known frames give, over the sum of covalent radii.
#: Melts of Tosi–Fumi ions at 3000 K come down to 0.57 (LiF); each frame labelled there lowers the
#: next limit, which must end somewhere. What is far apart in the known frames may form a bond, and
#: the shortest ones are V=O (0.72), N≡N (0.77) and C≡O (0.79).
KNOWN_CONTACTS = (0.5, 0.7)


@dataclass(frozen=True)
class ScreeningCriteria:
    """Limits of what counts as physical; None switches a check off.

    Attributes
    ----------
    contact_scale
        Shortest allowed distance over the sum of covalent radii.
    isolation_scale
        An atom is isolated when no atom is within this times the sum of covalent radii.
    fragment_gap
        Å; a frame is fragmented when a group of atoms is further than this from all others.
        To be switched off for gases, and for slabs apart from each other in a vacuum.
    max_temperature
        K; instantaneous, so well above the thermostat's for small cells.
    max_energy_change
        eV per atom, of the potential energy against the reference, in either direction. Heat takes
        1.5 kT, 0.26 at 2000 K; a LiCl crystal that melts and expands at that temperature (Tosi–Fumi
        ions, constant pressure) 0.39, one that boils at 3000 K 0.65. Elements that react to the end
        release more: lithium with sulphur 1.5.
    volume_ratio
        Smallest and largest allowed volume over the reference volume; for fully periodic cells.
    contact_limits, isolation_limits
        Å by pair of atomic numbers ``(lower, higher)``; each replaces what its scale gives.
    """

    contact_scale: float | None = 0.6
    isolation_scale: float | None = 2.0
    fragment_gap: float | None = 5.0
    max_temperature: float | None = None
    max_energy_change: float | None = 1.0
    volume_ratio: tuple[float, float] | None = (0.5, 2.0)
    contact_limits: PairLimits = field(default_factory=lambda: MappingProxyType({}))
    isolation_limits: PairLimits = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in (
            "contact_scale",
            "isolation_scale",
            "fragment_gap",
            "max_temperature",
            "max_energy_change",
        ):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ValueError(
                    f"screening criterion {name}={value!r}: expected a positive finite number, "
                    "or None to switch the check off"
                )
        if self.volume_ratio is not None and not 0 < self.volume_ratio[0] < self.volume_ratio[1]:
            raise ValueError(
                f"screening criterion volume_ratio={self.volume_ratio!r}: expected (smallest, "
                "largest) with 0 < smallest < largest, such as (0.5, 2.0)"
            )
        for name in ("contact_limits", "isolation_limits"):
            for (a, b), limit in getattr(self, name).items():
                if a > b or limit <= 0:
                    raise ValueError(
                        f"screening criterion {name} has ({a}, {b}): {limit}: expected (lower, "
                        "higher) atomic number and a positive distance in Å"
                    )


def covalent_limits(numbers: NDArray[Any], scale: float) -> dict[tuple[int, int], float]:
    """Return scaled sums of covalent radii in Å for every pair of the species given.

    Radii: Cordero et al., Dalton Trans. 2008, 2832, as tabulated by ASE.
    """
    species = sorted({int(z) for z in np.asarray(numbers).ravel()})
    return {
        (a, b): scale * float(covalent_radii[a] + covalent_radii[b])
        for a, b in itertools.combinations_with_replacement(species, 2)
    }


def contact_limits_from_frames(
    positions: NDArray[Any],
    cells: NDArray[Any],
    pbc: NDArray[Any],
    numbers: NDArray[Any],
    *,
    margin: float = 0.65,
    cutoff: float = 5.0,
) -> dict[tuple[int, int], float]:
    """Return contact limits measured on trusted frames: ``margin`` times the shortest distance.

    Parameters
    ----------
    positions, cells, pbc, numbers
        ``(n, N, 3)`` Å, ``(n, 3, 3)`` Å, ``(3,)``, ``(N,)``; frames known to be good, as labelled
        ones are.
    margin
        Below 1, since hotter MD comes closer than the frames at hand: in Li10GeP2S12 (the data of
        J. Chem. Phys. 154, 094703, 2021) the frames added by exploration have contacts down to
        0.66 times those of the initial set, so a margin near 1 would refuse what is to be learnt.
    cutoff
        Å; pairs that never come this near get no limit.
    """
    shortest: dict[tuple[int, int], float] = {}
    for frame, cell in zip(np.asarray(positions), np.asarray(cells), strict=True):
        contacts = closest_contacts(neighbour_pairs(frame, cell, pbc, cutoff), numbers)
        for pair, distance in contacts.items():
            shortest[pair] = min(distance, shortest.get(pair, np.inf))
    return {pair: margin * distance for pair, distance in sorted(shortest.items())}


def known_contact_limits(known: Iterable[Frames], scale: float) -> dict[tuple[int, int], float]:
    """Return contact limits by what labelled frames tell: ``scale`` times the shortest distance.

    Closer contacts than the few frames at hand have are what a potential has to learn, so each
    limit is held between 0.5 and 0.7 of the sum of covalent radii (:data:`KNOWN_CONTACTS`). With a
    scale of 0.6 and the initial frames of the Li10GeP2S12 data of
    :func:`contact_limits_from_frames`, or 5 of them, none of the 2670 explored ones is refused.

    Parameters
    ----------
    known
        Sets of frames; systems that are not labelled tell nothing.
    scale
        Below 1.

    Returns
    -------
    dict
        Å by pair of atomic numbers ``(lower, higher)``; pairs that never come within 5 Å have none.
    """
    limits: dict[tuple[int, int], float] = {}
    for system in (system for frames in known for system in frames.systems if system.labelled):
        found = contact_limits_from_frames(
            system.positions, system.cells, system.pbc, system.numbers, margin=scale
        )
        for pair, limit in found.items():
            limits[pair] = min(limit, limits.get(pair, np.inf))
    lowest, highest = KNOWN_CONTACTS
    for (a, b), limit in limits.items():
        radii = float(covalent_radii[a] + covalent_radii[b])
        limits[a, b] = min(max(limit, lowest * radii), highest * radii)
    return limits
