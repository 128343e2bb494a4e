"""Species as connected components of the bond graph: their molecules, lives and reactions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from ase.formula import Formula
from numpy.typing import ArrayLike
from scipy import sparse

from aiida_mliptransport.science.transport.bonds import IntArray
from aiida_mliptransport.science.transport.reference import FloatArray


@dataclass(frozen=True)
class Molecule:
    """A connected component: its formula in Hill order (AlCl4, Al2Cl7) and its atoms, sorted."""

    formula: str
    atoms: tuple[int, ...]


@dataclass(frozen=True)
class Life:
    """A molecule of the same atoms from frame `start` up to, without, frame `stop`.

    `birth_seen` is False for molecules of the first frame; `death_seen` is False for those of
    the last one (right-censored).
    """

    molecule: Molecule
    start: int
    stop: int
    birth_seen: bool
    death_seen: bool


@dataclass(frozen=True)
class Reaction:
    """Regrouping of atoms first seen in `frame`; `bonds` joins those before and after."""

    frame: int
    reactants: tuple[Molecule, ...]
    products: tuple[Molecule, ...]
    bonds: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        """Formulas on both sides, for example '2 AlCl4 -> Al2Cl7 + Cl'."""
        sides = []
        for molecules in (self.reactants, self.products):
            counts = sorted(Counter(molecule.formula for molecule in molecules).items())
            sides.append(" + ".join(f"{n} {name}" if n > 1 else name for name, n in counts))
        return " -> ".join(sides)


@dataclass(frozen=True)
class Speciation:
    """Every life and every reaction of a trajectory; all statistics follow from these.

    See the modules `populations`, `lifetimes`, `conversions`, `species_diffusion` and
    `charge_displacement` for them.
    """

    elements: tuple[str, ...]
    n_frames: int
    dt_ps: float
    lives: tuple[Life, ...]
    reactions: tuple[Reaction, ...]

    @property
    def species(self) -> tuple[str, ...]:
        """Formulas that occurred, sorted."""
        return tuple(sorted({life.molecule.formula for life in self.lives}))

    def populations(self) -> dict[str, IntArray]:
        """Number of molecules in each frame, (n_frames,), by formula."""
        change = {name: np.zeros(self.n_frames + 1, dtype=np.int64) for name in self.species}
        for life in self.lives:
            change[life.molecule.formula][life.start] += 1
            change[life.molecule.formula][life.stop] -= 1
        return {name: np.cumsum(steps[:-1]) for name, steps in change.items()}


def speciate(bonds: Iterable[IntArray], elements: Sequence[str], dt_ps: float) -> Speciation:
    """Follow molecules through the bonds of each frame, as `bonds.follow_bonds` yields them.

    `bonds`: an array (n_bonds, 2) of atom indices per frame, read one by one. `elements`: one
    symbol per atom; atoms without a bond are species of one atom. `dt_ps`: time between frames.
    A reaction is the smallest set of atoms that regroups between two frames. Raises ValueError
    for fewer than two frames, a non-positive dt and atom indices out of range.
    """
    if not dt_ps > 0.0:
        msg = f"dt_ps is {dt_ps}, expected the positive time between frames in ps"
        raise ValueError(msg)
    symbols = tuple(str(name) for name in elements)
    old_pairs, old = np.zeros((0, 2), dtype=np.int64), np.zeros(len(symbols), dtype=np.int64)
    alive: dict[Molecule, int] = {}
    lives: list[Life] = []
    reactions: list[Reaction] = []
    frame = -1
    for frame, pairs in enumerate(bonds):
        if frame > 0 and np.array_equal(pairs, old_pairs):
            continue
        new = _components(pairs, len(symbols))
        if frame == 0:
            alive = dict.fromkeys(_molecules(np.arange(len(symbols)), new, symbols), 0)
        for atoms in _regrouped(old, new) if frame > 0 else ():
            both = np.unique(np.concatenate([old_pairs, pairs]), axis=0)
            inside = both[np.isin(both[:, 0], atoms)]
            reactants, products = (_molecules(atoms, item, symbols) for item in (old, new))
            joined = tuple((int(i), int(j)) for i, j in inside)
            reactions.append(Reaction(frame, reactants, products, joined))
            for molecule in reactants:
                start = alive.pop(molecule)
                lives.append(Life(molecule, start, frame, start > 0, True))
            alive.update(dict.fromkeys(products, frame))
        old_pairs, old = pairs, new
    if frame < 1:
        msg = f"bonds hold {frame + 1} frame(s), expected at least 2"
        raise ValueError(msg)
    lives += [Life(item, start, frame + 1, start > 0, False) for item, start in alive.items()]
    return Speciation(symbols, frame + 1, dt_ps, tuple(lives), tuple(reactions))


def side_by_side(speciations: Sequence[Speciation]) -> Speciation:
    """Several runs of the same atoms as one of more atoms, for statistics over all of them.

    Atom i of run k becomes atom k · n_atoms + i. Raises ValueError for runs of different atoms,
    lengths or times between frames.
    """
    first = speciations[0]
    known = (first.elements, first.n_frames, first.dt_ps)
    lives: list[Life] = []
    reactions: list[Reaction] = []
    for number, each in enumerate(speciations):
        if (each.elements, each.n_frames, each.dt_ps) != known:
            msg = f"run {number} has other atoms, frames or times than run 0: give equal runs"
            raise ValueError(msg)
        offset = number * len(first.elements)
        lives += [replace(life, molecule=_moved(life.molecule, offset)) for life in each.lives]
        reactions += [
            Reaction(
                item.frame,
                tuple(_moved(molecule, offset) for molecule in item.reactants),
                tuple(_moved(molecule, offset) for molecule in item.products),
                tuple((i + offset, j + offset) for i, j in item.bonds),
            )
            for item in each.reactions
        ]
    # Statistics read reactions in the order of time.
    reactions.sort(key=lambda item: item.frame)
    elements = first.elements * len(speciations)
    return Speciation(elements, first.n_frames, first.dt_ps, tuple(lives), tuple(reactions))


def _moved(molecule: Molecule, offset: int) -> Molecule:
    return Molecule(molecule.formula, tuple(atom + offset for atom in molecule.atoms))


def _components(pairs: IntArray, n_atoms: int) -> IntArray:
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < n_atoms:
        msg = f"bonds join atoms {pairs.min()} to {pairs.max()}, expected 0 to {n_atoms - 1}"
        raise ValueError(msg)
    graph = sparse.coo_array((np.ones(len(pairs)), (*pairs.T,)), shape=(n_atoms, n_atoms))
    labels = sparse.csgraph.connected_components(graph, directed=False)[1]
    return np.asarray(labels, dtype=np.int64)


def _regrouped(old: IntArray, new: IntArray) -> list[IntArray]:
    """Smallest sets of atoms that are unions of components before and after, if these differ."""
    shift = int(old.max()) + 1
    size = shift + int(new.max()) + 1
    graph = sparse.coo_array((np.ones(len(old)), (old, shift + new)), shape=(size, size))
    group = sparse.csgraph.connected_components(graph, directed=False)[1]
    # A component that stays as it is makes a group of itself before and itself after.
    changed = np.flatnonzero(np.bincount(group) > 2)
    return [np.flatnonzero(group[old] == number) for number in changed]


def _molecules(atoms: IntArray, labels: IntArray, symbols: tuple[str, ...]) -> tuple[Molecule, ...]:
    members: dict[int, list[int]] = {}
    for atom, label in zip(atoms.tolist(), labels[atoms].tolist(), strict=True):
        members.setdefault(label, []).append(atom)
    return tuple(
        Molecule(_hill(tuple(sorted(symbols[atom] for atom in group))), tuple(group))
        for group in members.values()
    )


@cache
def _hill(symbols: tuple[str, ...]) -> str:
    return str(Formula.from_dict(dict(Counter(symbols))).format("hill"))


def check_masses(masses: ArrayLike, speciation: Speciation) -> FloatArray:
    """Return masses (n_atoms,) as float64; ValueError unless one positive number per atom."""
    mass, n_atoms = np.asarray(masses, dtype=np.float64), len(speciation.elements)
    if mass.shape != (n_atoms,) or not (mass > 0.0).all():
        msg = f"masses have shape {mass.shape}, expected {n_atoms} positive numbers"
        raise ValueError(msg)
    return mass
