"""Special quasi-random cells: ordered cells whose pairs are those of the random solid solution."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ..selection.neighbours import neighbour_pairs
from .conversion import check_seed
from .occupancy import DisorderedCell, OrderingSampler

__all__ = ["PairShell", "pair_deviations", "quasirandom_ordering"]


@dataclass(frozen=True)
class PairShell:
    """Pairs of one distance between the sites of two classes.

    Attributes
    ----------
    first, second
        Labels of the classes.
    distance
        Mean, in Å.
    names
        The elements, or vacancy, that compete on either class: first axis, second axis.
    probability
        Share of the pairs that has each combination, ``(len(names[0]), len(names[1]))``.
    random
        The same for independent sites: products of the built shares.
    """

    first: str
    second: str
    distance: float
    names: tuple[tuple[str, ...], tuple[str, ...]]
    probability: NDArray[np.float64]
    random: NDArray[np.float64]

    @property
    def warren_cowley(self) -> NDArray[np.float64]:
        """Short-range order 1 − p/p_random of each combination; 0 when random."""
        return np.asarray(1.0 - self.probability / self.random)


def pair_deviations(
    disordered: DisorderedCell,
    species: Sequence[str],
    *,
    cutoff: float,
    shell_gap: float = 0.1,
) -> tuple[PairShell, ...]:
    """Compare the pairs of an ordered cell with those of the random solid solution.

    Parameters
    ----------
    disordered
        The cell with its site classes.
    species
        Element or vacancy on each site, ``(n,)``.
    cutoff
        Å; longer pairs are not counted.
    shell_gap
        Å; a pair longer than the next shorter one by more than this begins a new shell.

    Raises
    ------
    ValueError
        If no two sites that can differ are within the cutoff.

    Notes
    -----
    Cowley, Phys. Rev. 77, 669 (1950).
    """
    pairs = _Pairs(disordered, cutoff, shell_gap)
    return pairs.shells(pairs.states(species))


def quasirandom_ordering(
    disordered: DisorderedCell,
    *,
    cutoff: float,
    n_steps: int = 20000,
    shell_gap: float = 0.1,
    seed: int,
) -> Atoms:
    """Search the ordered cell whose pairs are nearest to the random solid solution's.

    Parameters
    ----------
    disordered
        From :func:`~.disordered_sites.read_disordered`, repeated as wanted.
    cutoff
        Å; pairs within it count, also those between different site classes.
    n_steps
        Swaps tried; a swap costs about 0.1 ms.
    shell_gap
        As in :func:`pair_deviations`.
    seed
        Of the first draw and the swaps.

    Returns
    -------
    ase.Atoms
        ``info["sqs_deviation"]`` is the root of the mean squared deviation of pair shares,
        ``info["sqs_random_deviation"]`` that of the first random draw; beside ``occupancies`` and
        ``seed``.

    Raises
    ------
    ValueError
        If no two sites that can differ are within the cutoff, or a number makes no sense.

    Notes
    -----
    Zunger, Wei, Ferreira, Bernard, Phys. Rev. Lett. 65, 353 (1990); pairs only. Simulated annealing
    by swaps within each class, as van de Walle et al., Calphad 42, 13 (2013). It is own code since
    the classes may share their elements but not their occupancies, and pairs between classes count,
    which neither icet nor sqsgenerator offers. In thousands of sites a random ordering is as good.
    """
    if n_steps < 1:
        raise ValueError(f"n_steps={n_steps}: expected at least 1")
    generator = check_seed(seed)
    pairs = _Pairs(disordered, cutoff, shell_gap)
    species = OrderingSampler(disordered).draw(generator)
    state, first, last = pairs.anneal(pairs.states(list(species)), n_steps, generator)
    atoms = disordered.occupy(pairs.species(state))
    atoms.info["sqs_random_deviation"] = first
    atoms.info["sqs_deviation"] = last
    atoms.info["seed"] = int(seed)
    return atoms


class _Pairs:
    """Pairs between sites that can differ, sorted into shells of two classes."""

    def __init__(self, disordered: DisorderedCell, cutoff: float, shell_gap: float) -> None:
        self._classes = disordered.classes
        self._names = sorted({name for site in disordered.classes for name in site.shares})
        self._class_of = np.empty(len(disordered.positions), dtype=np.int64)
        for number, site in enumerate(disordered.classes):
            self._class_of[list(site.indices)] = number
        open_classes = [
            number
            for number, site in enumerate(disordered.classes)
            if sum(count > 0 for count in site.counts.values()) > 1
        ]
        self._swappable = np.flatnonzero(np.isin(self._class_of, open_classes))
        found = neighbour_pairs(disordered.positions, disordered.cell, np.ones(3, bool), cutoff)
        active = np.isin(self._class_of[found.first], open_classes)
        active &= np.isin(self._class_of[found.second], open_classes)
        if not active.any():
            raise ValueError(
                f"cutoff={cutoff:g} Å: no two sites that hold more than one element are that near; "
                "raise it, repeat the cell, or use random_orderings"
            )
        self._first = found.first[active]
        self._second = found.second[active]
        self._shell, self._keys = self._sort_into_shells(found.distance[active], shell_gap)
        order = np.argsort(np.concatenate([self._first, self._second]), kind="stable")
        ends = np.concatenate([self._first, self._second])[order]
        edges = np.tile(np.arange(len(self._first)), 2)[order]
        cuts = np.searchsorted(ends, np.arange(len(self._class_of) + 1))
        self._edges_of = [edges[a:b] for a, b in itertools.pairwise(cuts)]
        self._per_shell = np.bincount(self._shell, minlength=len(self._keys))

    def states(self, species: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each site's species."""
        return np.array([self._names.index(str(name)) for name in species], dtype=np.int64)

    def species(self, state: NDArray[np.int64]) -> list[str]:
        """Return the name of each site's species."""
        return [self._names[number] for number in state]

    def shells(self, state: NDArray[np.int64]) -> tuple[PairShell, ...]:
        """Describe the pairs of one ordering."""
        shares = self._probabilities(self._count(state, np.arange(len(self._first))))
        random = self._random(state)
        result = []
        for number, (first, second, distance) in enumerate(self._keys):
            axes = [
                [i for i, name in enumerate(self._names) if self._classes[c].counts.get(name)]
                for c in (first, second)
            ]
            result.append(
                PairShell(
                    first=self._classes[first].label,
                    second=self._classes[second].label,
                    distance=distance,
                    names=(
                        tuple(self._names[i] for i in axes[0]),
                        tuple(self._names[i] for i in axes[1]),
                    ),
                    probability=shares[number][np.ix_(*axes)],
                    random=random[number][np.ix_(*axes)],
                )
            )
        return tuple(result)

    def anneal(
        self, state: NDArray[np.int64], n_steps: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], float, float]:
        """Return the best state, and the deviation of the first and of the best one."""
        state = state.copy()
        random = self._random(state)
        counts = self._count(state, np.arange(len(self._first)))
        value = start = best_value = self._deviation(counts, random)
        best = state.copy()
        for step in range(n_steps):
            if best_value < 1e-12:
                break
            one = int(generator.choice(self._swappable))
            others = self._swappable[
                (self._class_of[self._swappable] == self._class_of[one])
                & (state[self._swappable] != state[one])
            ]
            other = int(generator.choice(others))
            edges = np.union1d(self._edges_of[one], self._edges_of[other])
            before = self._count(state, edges)
            state[[one, other]] = state[[other, one]]
            trial = counts - before + self._count(state, edges)
            trial_value = self._deviation(trial, random)
            temperature = start / 10.0 * 1e-3 ** (step / n_steps)
            if trial_value <= value or generator.random() < np.exp(
                (value - trial_value) / temperature
            ):
                counts, value = trial, trial_value
                if value < best_value:
                    best_value, best = value, state.copy()
            else:
                state[[one, other]] = state[[other, one]]
        return best, start, best_value

    def _sort_into_shells(
        self, distance: NDArray[np.float64], shell_gap: float
    ) -> tuple[NDArray[np.int64], list[tuple[int, int, float]]]:
        one, two = self._class_of[self._first], self._class_of[self._second]
        shell = np.empty(len(distance), dtype=np.int64)
        keys: list[tuple[int, int, float]] = []
        for first, second in sorted(set(zip(one.tolist(), two.tolist(), strict=True))):
            members = np.flatnonzero((one == first) & (two == second))
            members = members[np.argsort(distance[members], kind="stable")]
            steps = np.diff(distance[members], prepend=distance[members[0]]) > shell_gap
            number = np.cumsum(steps)
            shell[members] = len(keys) + number
            keys += [
                (first, second, float(distance[members[number == k]].mean()))
                for k in range(int(number[-1]) + 1)
            ]
        return shell, keys

    def _count(self, state: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
        n = len(self._names)
        code = (self._shell[edges] * n + state[self._first[edges]]) * n
        code += state[self._second[edges]]
        return np.bincount(code, minlength=len(self._keys) * n * n).reshape(-1, n, n)

    def _probabilities(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(counts / self._per_shell[:, None, None])

    def _random(self, state: NDArray[np.int64]) -> NDArray[np.float64]:
        shares = [
            np.bincount(state[list(site.indices)], minlength=len(self._names)) / len(site.indices)
            for site in self._classes
        ]
        return np.array(
            [np.outer(shares[first], shares[second]) for first, second, _ in self._keys]
        )

    def _deviation(self, counts: NDArray[np.int64], random: NDArray[np.float64]) -> float:
        return float(np.sqrt(np.mean((self._probabilities(counts) - random) ** 2)))
