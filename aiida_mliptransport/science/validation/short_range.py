"""Short-range repulsion: pairs in a vacuum and a compressed cell, far inside the training."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Annotated, ClassVar

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import ArrayLike
from pydantic import Field

from ..structures.perturbed import volume_ladder
from .check import CheckResult, Evaluated, FrameCheck, Positive, only
from .verdict import CheckLine

#: eV per atom; a rise near equilibrium is smaller than any potential is exact.
MIN_TOLERANCE_EV = 0.005


def attraction_within(distances: ArrayLike, pull: ArrayLike, within: float) -> float | None:
    """Return the largest distance below ``within`` at which a pair is drawn together, or None.

    Parameters
    ----------
    distances
        ``(n,)`` Å.
    pull
        ``(n,)`` force on either atom towards the other in eV/Å; negative is repulsion. A value
        that is not finite counts as attraction: MD does not survive there either.
    within
        Å; further out attraction is chemistry.
    """
    r = np.asarray(distances, dtype=np.float64)
    force = np.asarray(pull, dtype=np.float64)
    bad = (r < within) & ~(force <= 0)
    return float(r[bad].max()) if bad.any() else None


class DimerCheck(FrameCheck):
    """Whether each pair of elements repels inside the shortest distance of the training.

    Only the potential is asked: pairs of ions in a vacuum are no ions for electronic structure.
    """

    name: ClassVar[str] = "dimer"
    labelled: ClassVar[bool] = False

    #: Å, the nearest and the farthest distance, and how many there are.
    shortest_A: Positive
    longest_A: Positive
    n_distances: Annotated[int, Field(ge=5)]
    #: Å, edge of the box; beyond twice the cutoff a pair does not see its images.
    box_A: Positive
    #: Share of the sum of covalent radii that takes the place of a distance never trained on.
    covalent_share: Positive

    @property
    def distances(self) -> np.ndarray:
        """Return the distances (n,) in Å."""
        return np.linspace(self.shortest_A, self.longest_A, self.n_distances)

    def pairs(self, atoms: Atoms) -> list[tuple[str, str]]:
        """Return the pairs of elements, in order of atomic number."""
        symbols = sorted(set(atoms.symbols), key=lambda symbol: atomic_numbers[symbol])
        return list(combinations_with_replacement(symbols, 2))

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        middle = 0.5 * self.box_A
        return [
            Atoms(
                pair,
                [[middle - r / 2, middle, middle], [middle + r / 2, middle, middle]],
                cell=[self.box_A] * 3,
                pbc=True,
            )
            for pair in self.pairs(only(cells))
            for r in self.distances
        ]

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        pairs, distances = self.pairs(only(cells)), self.distances
        pull = np.array([force[0, 0] for force in potential.forces]).reshape(len(pairs), -1)
        energies = potential.energies.reshape(len(pairs), -1)
        curves = {"distances": distances}
        lines = []
        for pair, forces, energy in zip(pairs, pull, energies, strict=True):
            name = "-".join(pair)
            curves[f"{name.replace('-', '_')}_energies"] = energy
            lines.append(self._line(subject, name, distances, forces, trained))
        return CheckResult(lines, curves)

    def _line(
        self,
        subject: str,
        pair: str,
        distances: np.ndarray,
        pull: np.ndarray,
        trained: Mapping[str, float],
    ) -> CheckLine:
        first, second = pair.split("-")
        radii = covalent_radii[[atomic_numbers[first], atomic_numbers[second]]]
        within = trained.get(pair, trained.get(f"{second}-{first}"))
        whose = "the shortest distance of the training"
        if within is None:
            within = self.covalent_share * float(radii.sum())
            whose = f"{self.covalent_share:g} of the sum of covalent radii"
        quantity = self.quantity(subject, f"distance of attraction {pair}", "Å")
        if within <= distances[0]:
            return quantity.not_available(
                f"no distance lies inside {within:.2f} Å, {whose}; lower shortest_A"
            )
        found = attraction_within(distances, pull, within)
        if found is None:
            return quantity.found("pass")
        return quantity.found(
            "warn",
            f"the pair attracts at {found:.2f} Å, inside {within:.2f} Å ({whose}): MD that comes "
            "so close collapses; add a short-range repulsion",
            found,
        )


class CompressionCheck(FrameCheck):
    """Whether the energy keeps rising while a cell is compressed, as that of the labeller."""

    name: ClassVar[str] = "compression"

    #: Falling, each in (0, 1]; the first is the reference.
    relative_volumes: Annotated[tuple[Positive, ...], Field(min_length=3)]
    max_relative_error: Positive

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        steps = np.diff(self.relative_volumes)
        if not (steps < 0).all():
            raise ValueError(
                f"checks.compression.relative_volumes is {list(self.relative_volumes)}, expected "
                "falling numbers, like [1.0, 0.8, 0.6]"
            )
        return volume_ladder(only(cells), self.relative_volumes)

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        volumes = np.asarray(self.relative_volumes)
        n_atoms = len(only(cells))
        ours = potential.energies / n_atoms
        curves = {"relative_volumes": volumes, "energies_potential": ours}
        stops = _stops_rising(volumes, ours)
        rise = self.quantity(subject, "relative volume where the energy stops rising", "")
        theirs = None
        if labeller is not None:
            theirs = labeller.energies / n_atoms
            curves["energies_labeller"] = theirs
        if stops is None:
            lines = [rise.found("pass")]
        else:
            reason = (
                f"below {stops:g} of the volume the cell is drawn together: MD at high pressure "
                "collapses; add a short-range repulsion, or train on compressed cells"
            )
            reference = None if theirs is None else _stops_rising(volumes, theirs)
            lines = [rise.found("warn", reason, stops, reference)]
        for index in range(1, len(volumes)):
            known = theirs is not None and np.isfinite(theirs[[0, index]]).all()
            lines.append(
                self.quantity(
                    subject, f"energy rise per atom at {volumes[index]:g} of the volume", "eV"
                ).against(
                    float(ours[index] - ours[0]),
                    float(theirs[index] - theirs[0]) if known and theirs is not None else None,
                    tolerance=max(
                        MIN_TOLERANCE_EV,
                        self.max_relative_error * abs(theirs[index] - theirs[0])
                        if known and theirs is not None
                        else 0.0,
                    ),
                )
            )
        return CheckResult(lines, curves)


def _stops_rising(volumes: np.ndarray, energies: np.ndarray) -> float | None:
    """Return the relative volume from which on a smaller one has no higher energy, or None.

    Looked for behind the lowest energy of the first half, as a cell may be under tension first.
    """
    start = int(np.argmin(energies[: (len(energies) + 1) // 2]))
    wrong = ~(np.diff(energies[start:]) > 0)
    return float(volumes[start + int(np.argmax(wrong))]) if wrong.any() else None
