"""Rows of the table: what a paper states of a cell, how the cell is built, how both compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, covalent_radii
from ase.formula import Formula
from scipy import constants

from aiida_mliptransport.science.selection.neighbours import closest_contacts, neighbour_pairs
from aiida_mliptransport.science.structures.packing import shortest_contact

#: Å; how far atoms are looked at for the shortest distance.
SEARCH_RADIUS = 4.0


def mass_u(composition: str) -> float:
    """Return the mass of a formula in u."""
    counts = Formula(composition).count().items()
    return float(sum(atomic_masses[atomic_numbers[symbol]] * n for symbol, n in counts))


def density_of(atoms: Atoms) -> float:
    """Return the density in g/cm³, by scipy's constants and not by the builder's module."""
    grams = mass_u(str(atoms.symbols.formula)) * constants.atomic_mass * constants.kilo
    return grams / (atoms.cell.volume * 1e-24)


def edge_of_cube(composition: str, density: float) -> float:
    """Return the edge in Å of a cube of given density in g/cm³, by scipy's constants."""
    cubic_metres = mass_u(composition) * constants.atomic_mass / (density * constants.kilo)
    return float(np.cbrt(cubic_metres) / constants.angstrom)


def first_edge(atoms: Atoms) -> float:
    """Return the length of the first cell vector in Å."""
    return float(atoms.cell.lengths()[0])


def count_molecules(composition: str) -> Callable[[Atoms], float]:
    """Return a measure: molecules of a composition, told apart by the atoms' tags."""
    wanted = Formula(composition).count()

    def measure(atoms: Atoms) -> float:
        found: dict[int, Counter[str]] = {}
        for tag, symbol in zip(atoms.get_tags(), atoms.symbols, strict=True):
            found.setdefault(int(tag), Counter())[symbol] += 1
        return float(sum(counts == wanted for counts in found.values()))

    return measure


@dataclass(frozen=True)
class Fact:
    """A number that is stated of a cell, and its measure on the built one.

    `tolerance` is absolute: what rounding of the stated number leaves open. `step` is the change
    by one atom of a cell that cannot hold the stated share exactly: half of it is the best.
    """

    name: str
    stated: float
    measure: Callable[[Atoms], float]
    unit: str = ""
    tolerance: float = 0.0
    step: float = 0.0
    source: str = ""

    def compare(self, atoms: Atoms) -> tuple[str, str]:
        """Return the comparison in words, and `ok`, `nearest` or `differs`."""
        built = self.measure(atoms)
        gap = abs(built - self.stated)
        # The last terms forgive only how decimal numbers are stored.
        slack = 1e-9 * max(1.0, abs(self.stated))
        if gap <= self.tolerance + slack:
            outcome = "ok"
        elif gap <= self.step / 2 + slack:
            outcome = "nearest"
        else:
            outcome = "differs"
        unit = f" {self.unit}" if self.unit else ""
        source = f" ({self.source})" if self.source else ""
        return f"{self.name} {self.stated:.6g} → {built:.6g}{unit}{source}", outcome


@dataclass(frozen=True)
class Row:
    """One cell of a paper.

    `composition` is what the stated counts of molecules or formula units make; `atoms` the stated
    number, None where the paper gives none. `oxidation` holds the formal charge of each element in
    this compound, `charge` the net charge that they must sum to: not zero where electrons
    compensate a defect. `contact` is the least distance in Å between molecules that was asked for,
    `contact_scale` the least allowed distance over the sum of covalent radii. `choices` says what
    the paper leaves open and how it was settled here. Without `build`, `choices` says why not.
    `label` marks the small cells, which `label_cells.py` labels with `multiplicity`.
    """

    paper: str
    name: str
    composition: str
    build: Callable[[], Atoms] | None
    oxidation: dict[str, float]
    atoms: int | None = None
    charge: float = 0.0
    facts: tuple[Fact, ...] = ()
    contact: float | None = None
    contact_scale: float = 0.75
    choices: str = ""
    quick: bool = True
    label: bool = False
    multiplicity: int = 1


@dataclass
class Built:
    """A row with its cell and the outcome of its checks."""

    row: Row
    atoms: Atoms | None
    error: str = ""
    problems: list[str] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    nearest: list[str] = field(default_factory=list)
    shortest: str = ""

    def __post_init__(self) -> None:
        if self.atoms is None:
            return
        for problem in self._check(self.atoms):
            self.problems.append(problem)

    @property
    def failed(self) -> bool:
        """Whether a check failed or the builder raised an error."""
        return bool(self.problems or self.error)

    @cached_property
    def verdict(self) -> str:
        """The outcome in words."""
        if self.error:
            return f"failed: {self.error}"
        if self.atoms is None:
            return "not built"
        if self.problems:
            return "differs: " + "; ".join(self.problems)
        if self.nearest:
            return "differs by less than one atom: " + "; ".join(self.nearest)
        return "ok"

    def _check(self, atoms: Atoms) -> Iterator[str]:
        row = self.row
        if row.atoms is not None and len(atoms) != row.atoms:
            yield f"{len(atoms)} atoms instead of {row.atoms}"
        wanted, found = Formula(row.composition).count(), atoms.symbols.formula.count()
        if wanted != found:
            yield f"{atoms.symbols.formula:hill} instead of {Formula(row.composition):hill}"
        ionic = sum(row.oxidation[symbol] * count for symbol, count in found.items())
        if abs(ionic - row.charge) > 1e-6:
            yield f"formal charges sum to {ionic:g} instead of {row.charge:g}"
        if atoms.info.get("charge", 0) != 0:
            yield f"the cell says charge {atoms.info['charge']} instead of 0"
        if (int(atoms.numbers.sum()) - row.multiplicity) % 2 == 0:
            yield f"multiplicity {row.multiplicity} does not fit to {atoms.numbers.sum()} electrons"
        for fact in row.facts:
            text, outcome = fact.compare(atoms)
            self.compared.append(text)
            if outcome == "differs":
                yield text
            elif outcome == "nearest":
                self.nearest.append(fact.name)
        yield from self._distances(atoms)

    def _distances(self, atoms: Atoms) -> Iterator[str]:
        pairs = neighbour_pairs(atoms.positions, atoms.cell.array, atoms.pbc, SEARCH_RADIUS)
        contacts = closest_contacts(pairs, atoms.numbers)
        (first, second), distance = min(contacts.items(), key=lambda item: item[1])
        named = Atoms([first, second]).get_chemical_symbols()
        self.shortest = f"{distance:.2f} {named[0]}–{named[1]}"
        for (a, b), length in contacts.items():
            limit = self.row.contact_scale * float(covalent_radii[a] + covalent_radii[b])
            if length < limit:
                ends = "–".join(Atoms([a, b]).get_chemical_symbols())
                yield f"{ends} at {length:.2f} Å, below {limit:.2f} Å"
        if self.row.contact is not None:
            contact = shortest_contact(atoms, SEARCH_RADIUS)
            self.shortest += f"; {contact:.2f} between molecules"
            if contact < self.row.contact:
                yield f"molecules {contact:.2f} Å apart instead of {self.row.contact:.2f} Å"


def build_row(row: Row) -> Built:
    """Build the cell of a row and check it; an input that a builder refuses is a failure."""
    if row.build is None:
        return Built(row, None)
    try:
        atoms = row.build()
    except ValueError as error:
        return Built(row, None, error=str(error))
    return Built(row, atoms)


def table(cells: list[Built]) -> str:
    """Return the Markdown table of one paper, and below it what its text leaves open."""
    head = (
        "cell", "atoms, paper", "atoms, built", "composition", "charge", "edges (Å)",
        "g/cm³", "shortest (Å)", "other numbers, expected → built", "verdict",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for cell in cells:
        stated = "not stated" if cell.row.atoms is None else str(cell.row.atoms)
        lines.append("| " + " | ".join((cell.row.name, stated, *_columns(cell))) + " |")
    notes: dict[str, list[str]] = {}
    for cell in cells:
        if cell.row.choices:
            notes.setdefault(cell.row.choices, []).append(cell.row.name)
    lines.append("")
    lines += [f"- {_some(names)}: {text}" for text, names in notes.items()]
    return "\n".join(lines)


def _some(names: list[str]) -> str:
    """Name three cells, or the first and the last of more."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]} ({len(names)} cells)"


def _columns(cell: Built) -> tuple[str, ...]:
    if cell.atoms is None:
        return "", "", "", "", "", "", "", cell.verdict
    atoms = cell.atoms
    ionic = sum(cell.row.oxidation[symbol] for symbol in atoms.symbols) - cell.row.charge
    edges = atoms.cell.lengths()
    cube = np.ptp(edges) < 1e-6 and np.abs(atoms.cell.angles() - 90).max() < 1e-6
    return (
        str(len(atoms)),
        f"{atoms.symbols.formula:hill}",
        f"{ionic:+g}" if abs(ionic) > 1e-6 else "0",
        f"{edges[0]:.2f}" if cube else " × ".join(f"{edge:.2f}" for edge in edges),
        f"{density_of(atoms):.3f}",
        cell.shortest,
        "; ".join(cell.compared) or "none",
        cell.verdict,
    )
