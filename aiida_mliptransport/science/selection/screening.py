"""Screening of MD frames: which are physical, why the others are not, and where a run blew up."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .limits import PairLimits, ScreeningCriteria, covalent_limits
from .neighbours import MAX_IMAGES, NeighbourPairs, cell_heights, neighbour_pairs

__all__ = [
    "Reason",
    "ScreeningResult",
    "physical_window",
    "screen_frames",
]


class Reason(StrEnum):
    """Why a frame is not physical; the first that applies, in this order."""

    PHYSICAL = "physical"
    NON_FINITE = "non_finite"
    BAD_CELL = "bad_cell"
    HOT = "hot"
    ENERGY_JUMP = "energy_jump"
    CLOSE_CONTACT = "close_contact"
    ISOLATED_ATOM = "isolated_atom"
    FRAGMENTED = "fragmented"


@dataclass(frozen=True)
class ScreeningResult:
    """The reason of every frame, and a detail for those that are not physical."""

    reasons: NDArray[np.str_]
    details: tuple[str, ...]

    @property
    def physical(self) -> NDArray[np.bool_]:
        """Return which frames are physical, ``(n,)``."""
        return np.asarray(self.reasons == Reason.PHYSICAL.value, dtype=bool)

    def counts(self) -> dict[str, int]:
        """Return how many frames have each reason, those with none left out."""
        found = {reason.value: int(np.sum(self.reasons == reason.value)) for reason in Reason}
        return {reason: count for reason, count in found.items() if count}


def screen_frames(
    positions: NDArray[Any],
    cells: NDArray[Any],
    pbc: NDArray[Any],
    numbers: NDArray[Any],
    *,
    criteria: ScreeningCriteria | None = None,
    temperatures: NDArray[Any] | None = None,
    energies: NDArray[Any] | None = None,
    deviations: NDArray[Any] | None = None,
    reference_energy: float | None = None,
    reference_volume: float | None = None,
) -> ScreeningResult:
    """Say for every frame of one trajectory whether it is physical, and if not, why.

    Parameters
    ----------
    positions, cells, pbc, numbers
        ``(n, N, 3)`` Å, wrapped or not; ``(n, 3, 3)`` Å; ``(3,)``; ``(N,)``.
    criteria
        The limits; the default ones where None.
    temperatures, energies, deviations
        ``(n,)`` each: K, potential energy in eV of the whole cell, maximum force deviation in eV/Å
        (checked for being finite only; its size is the trust levels' matter).
    reference_energy, reference_volume
        eV and Å³ of the whole cell; the first frame's where None.

    Raises
    ------
    ValueError
        If the shapes do not match.
    """
    limits = criteria or ScreeningCriteria()
    coordinates = np.asarray(positions, dtype=np.float64)
    boxes = np.asarray(cells, dtype=np.float64)
    species = np.asarray(numbers, dtype=np.int64)
    periodic = np.asarray(pbc, dtype=bool)
    n_frames, n_atoms = len(coordinates), len(species)
    _require_shape("positions", coordinates, (n_frames, n_atoms, 3))
    _require_shape("cells", boxes, (n_frames, 3, 3))
    _require_shape("pbc", periodic, (3,))
    series: dict[str, NDArray[np.float64]] = {}
    given = {"temperatures": temperatures, "energies": energies, "deviations": deviations}
    for name, values in given.items():
        if values is not None:
            series[name] = np.asarray(values, dtype=np.float64)
            _require_shape(name, series[name], (n_frames,))
    if reference_energy is None and "energies" in series and n_frames:
        reference_energy = float(series["energies"][0])
    if reference_volume is None and n_frames:
        reference_volume = abs(float(np.linalg.det(boxes[0])))
    screener = _Screener(
        species, periodic, limits, energy=reference_energy, volume=reference_volume
    )
    verdicts = [
        screener.judge(frame, cell, {name: float(column[i]) for name, column in series.items()})
        for i, (frame, cell) in enumerate(zip(coordinates, boxes, strict=True))
    ]
    return ScreeningResult(
        reasons=np.array([reason.value for reason, _ in verdicts], dtype="<U16"),
        details=tuple(detail for _, detail in verdicts),
    )


def physical_window(physical: NDArray[Any], *, persistence: int = 1) -> int:
    """Return how many frames precede the explosion of a trajectory; all if there is none.

    Frames before it stay candidates (each by its own screening), those from it on are to be
    dropped whatever they look like: a run that seems to recover has lost its energy and history.

    Parameters
    ----------
    physical
        Which frames are physical, ``(n,)``, in order of time.
    persistence
        So many unphysical frames in a row are an explosion; fewer are a passing collision and end
        nothing, except at the end of the trajectory, where no frame shows that the run recovered.

    Raises
    ------
    ValueError
        If ``persistence`` is below 1.
    """
    if persistence < 1:
        raise ValueError(f"persistence={persistence}: expected at least 1 frame")
    flags = np.asarray(physical, dtype=bool)
    start = 0
    for is_physical, run in itertools.groupby(flags.tolist()):
        length = sum(1 for _ in run)
        if not is_physical and (length >= persistence or start + length == len(flags)):
            return start
        start += length
    return len(flags)


class _Screener:
    """The checks of one trajectory, with the limits looked up once per species pair."""

    def __init__(
        self,
        numbers: NDArray[np.int64],
        pbc: NDArray[np.bool_],
        criteria: ScreeningCriteria,
        *,
        energy: float | None,
        volume: float | None,
    ) -> None:
        self.pbc, self.criteria = pbc, criteria
        self.reference_energy, self.reference_volume = energy, volume
        self.species, self.index = np.unique(numbers, return_inverse=True)
        self.symbols = [chemical_symbols[z] for z in numbers]
        self.contact = self._by_species(criteria.contact_scale, criteria.contact_limits)
        self.isolation = self._by_species(criteria.isolation_scale, criteria.isolation_limits)
        self.cutoff = max(
            float(self.contact.max(initial=0.0)),
            float(self.isolation.max(initial=0.0)),
            criteria.fragment_gap or 0.0,
        )

    def _by_species(self, scale: float | None, given: PairLimits) -> NDArray[np.float64]:
        """Return limits by species index; zeros, which switch a check off, where scale is None."""
        limits = np.zeros((len(self.species), len(self.species)))
        if scale is None:
            return limits
        chosen = {**covalent_limits(self.species, scale), **given}
        for (a, first), (b, second) in itertools.product(enumerate(self.species), repeat=2):
            limits[a, b] = chosen[min(first, second), max(first, second)]
        return limits

    def judge(
        self, positions: NDArray[np.float64], cell: NDArray[np.float64], values: dict[str, float]
    ) -> tuple[Reason, str]:
        """Return the first reason that applies, in the order of :class:`Reason`."""
        arrays: dict[str, Any] = {"positions": positions, "cell": cell, **values}
        broken = [name for name, value in arrays.items() if not np.all(np.isfinite(value))]
        if broken:
            return Reason.NON_FINITE, f"not finite: {', '.join(broken)}"
        return (
            self._cell(cell)
            or self._temperature(values.get("temperatures"))
            or self._energy(values.get("energies"))
            or self._contacts(positions, cell)
            or (Reason.PHYSICAL, "")
        )

    def _cell(self, cell: NDArray[np.float64]) -> tuple[Reason, str] | None:
        heights = cell_heights(cell, self.pbc)
        if heights.min() * MAX_IMAGES < max(self.cutoff, 1.0):
            return Reason.BAD_CELL, f"plane spacing {heights.min():.3g} Å"
        if self.pbc.all() and self.criteria.volume_ratio and self.reference_volume:
            ratio = abs(float(np.linalg.det(cell))) / self.reference_volume
            smallest, largest = self.criteria.volume_ratio
            if not smallest <= ratio <= largest:
                return Reason.BAD_CELL, f"volume {ratio:.3g} times the reference"
        return None

    def _temperature(self, temperature: float | None) -> tuple[Reason, str] | None:
        limit = self.criteria.max_temperature
        if temperature is None or limit is None or temperature <= limit:
            return None
        return Reason.HOT, f"{temperature:.0f} K above {limit:.0f} K"

    def _energy(self, energy: float | None) -> tuple[Reason, str] | None:
        limit = self.criteria.max_energy_change
        if energy is None or limit is None or self.reference_energy is None:
            return None
        change = (energy - self.reference_energy) / len(self.index)
        if abs(change) <= limit:
            return None
        return Reason.ENERGY_JUMP, f"{change:+.3g} eV/atom from the reference"

    def _contacts(
        self, positions: NDArray[np.float64], cell: NDArray[np.float64]
    ) -> tuple[Reason, str] | None:
        if self.cutoff == 0.0:
            return None
        pairs = neighbour_pairs(positions, cell, self.pbc, self.cutoff)
        kinds = self.index[pairs.first], self.index[pairs.second]
        excess = pairs.distance - self.contact[kinds]
        if np.any(excess < 0):
            worst = int(np.argmin(excess))
            one, other = self.symbols[pairs.first[worst]], self.symbols[pairs.second[worst]]
            return Reason.CLOSE_CONTACT, (
                f"{one}–{other} at {pairs.distance[worst]:.2f} Å "
                f"(limit {self.contact[kinds][worst]:.2f})"
            )
        if self.criteria.isolation_scale is not None:
            alone = np.ones(len(self.index), dtype=bool)
            alone[pairs.first[pairs.distance <= self.isolation[kinds]]] = False
            if alone.any():
                atom = int(np.argmax(alone))
                return Reason.ISOLATED_ATOM, (
                    f"{int(alone.sum())} without neighbours, first {self.symbols[atom]} {atom}"
                )
        return self._fragments(pairs)

    def _fragments(self, pairs: NeighbourPairs) -> tuple[Reason, str] | None:
        if self.criteria.fragment_gap is None:
            return None
        bonded = pairs.distance <= self.criteria.fragment_gap
        first, second = pairs.first[bonded], pairs.second[bonded]
        size = len(self.index)
        graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(size, size))
        groups, membership = connected_components(graph, directed=False)
        if groups <= 1:
            return None
        detached = size - int(np.bincount(membership).max())
        return Reason.FRAGMENTED, f"{groups} fragments, {detached} atoms off the largest"


def _require_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, expected {shape}: all frames screened together "
            "must have the same atoms, with one entry of every series per frame"
        )
