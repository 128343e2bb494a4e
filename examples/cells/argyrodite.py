"""Paper 002, Li6PS5X: cells of 0 to 100 % disorder, grain boundaries, the production cell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.spacegroup import crystal
from cell_rows import Fact, Row

from aiida_mliptransport.science.selection.neighbours import neighbour_pairs
from aiida_mliptransport.science.structures.anion_disorder import exchange_anions
from aiida_mliptransport.science.structures.disordered_sites import read_disordered
from aiida_mliptransport.science.structures.ewald_ordering import lowest_ewald_orderings
from aiida_mliptransport.science.structures.grain_boundaries import (
    symmetric_tilt_boundary,
    twist_boundary,
)
from aiida_mliptransport.science.structures.site_orbits import site_orbits

SECONDARY = "secondary source"
#: Å, cubic F-43m at room temperature, rounded: Kraft et al., J. Am. Chem. Soc. 139, 10909 (2017);
#: Deiseroth et al., Angew. Chem. Int. Ed. 47, 755 (2008) for the iodide.
LATTICE = {"Cl": 9.86, "Br": 9.98, "I": 10.14}
#: Å, P–S in PS4 groups; with the lattice it sets the sulfur on 16e.
P_S_BOND = 2.05
LITHIUM = (0.183, 0.183, 0.024)
#: Å; of the 48h sites nearer than this only one is filled (pairs across a face: 1.87).
LITHIUM_APART = 2.0
#: Å; PS4 groups are kept whole.
BONDS = {("P", "S"): 2.4}
GRAIN_THICKNESS = 19.0
#: Kind, arguments, gap in Å at which no atoms are nearer than 1.9 Å.
BOUNDARIES: dict[str, tuple[str, tuple[Any, ...], float]] = {
    "sigma3_tilt_1-11_110": ("tilt", ((1, 1, 0), 3, (1, -1, 1)), 0.5),
    "sigma5_tilt_310_001": ("tilt", ((0, 0, 1), 5, (3, 1, 0)), 2.0),
    "sigma5_twist_001": ("twist", ((0, 0, 1), 5), 1.5),
}
#: Degrees: misorientation of a coincidence lattice, 2·arctan((y/x)·√(h²+k²+l²)) of its axis.
ANGLES = {
    "sigma3_tilt_1-11_110": float(np.degrees(2 * np.arctan(np.sqrt(2) / 2))),
    "sigma5_tilt_310_001": float(np.degrees(2 * np.arctan(1 / 3))),
    "sigma5_twist_001": float(np.degrees(2 * np.arctan(1 / 3))),
}
DISORDER = (0, 25, 50, 75, 100)
ORDER_OF_LITHIUM = (
    "the abstract states no lattice and no order of Li: measured lattices, and of the 24 Li on 48 "
    "half-filled sites the order of least Ewald energy of 300 draws"
)


def oxidation(halogen: str) -> dict[str, float]:
    """Return the formal charges."""
    return {"Li": 1.0, "P": 5.0, "S": -2.0, halogen: -1.0}


def all_sites(halogen: str) -> Atoms:
    """Return the 76 sites of the cubic cell with all of lithium's 48h."""
    a = LATTICE[halogen]
    x = 0.5 + P_S_BOND / (np.sqrt(3) * a)
    return crystal(
        [halogen, "P", "S", "S", "Li"],
        basis=[(0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (x, x, x), LITHIUM],
        spacegroup=216,
        cellpar=[a, a, a, 90, 90, 90],
    )


def exchanged(atoms: Atoms, halogen: str, percentage: float) -> Atoms:
    """Exchange a percentage of the halide on 4a with the free sulfide."""
    first, second = _anion_sites(atoms, halogen)
    return exchange_anions(atoms, first, second, percentage, seed=1)


def unit_cell(halogen: str, percentage: float) -> Atoms:
    """Return 52 atoms with lithium in its best order of 300."""
    sites = exchanged(all_sites(halogen), halogen, percentage)
    disordered = read_disordered(sites, {"Li": {"Li": 0.5}})
    best = lowest_ewald_orderings(
        disordered,
        oxidation(halogen),
        n_candidates=300,
        min_distance=LITHIUM_APART,
        seed=1,
    )
    return best[0]


def rows() -> list[Row]:
    """Return 15 cells of 52 atoms, three boundaries of each halide, and the production cell."""
    found = []
    for halogen in LATTICE:
        for percentage in DISORDER:
            found.append(
                Row(
                    "002",
                    f"Li6PS5{halogen}_{percentage}",
                    f"(Li6PS5{halogen})4",
                    partial(unit_cell, halogen, percentage),
                    oxidation(halogen),
                    52,
                    facts=(_disorder(halogen, percentage),),
                    choices=f"{ORDER_OF_LITHIUM}. 52 atoms and disorder are from a {SECONDARY}.",
                    label=percentage in (0, 50),
                )
            )
        found += [_boundary_row(halogen, name) for name in BOUNDARIES]
    for percentage in (0, 50, 100):
        found.append(
            Row(
                "002",
                f"Li6PS5Cl_{percentage}_production",
                "(Li6PS5Cl)4000",
                partial(_production, percentage),
                oxidation("Cl"),
                52000,
                facts=(_disorder("Cl", percentage),),
                choices="10×10×10 cells; the anions are exchanged in the large cell, the order of "
                f"Li is that of the ordered cell, repeated. 'About 52 000' is from a {SECONDARY}.",
                quick=False,
            )
        )
    return found


def _boundary_row(halogen: str, name: str) -> Row:
    kind = "tilt" if "tilt" in name else "twist"
    units = {"sigma3_tilt_1-11_110": 48, "sigma5_tilt_310_001": 80, "sigma5_twist_001": 80}[name]
    return Row(
        "002",
        f"Li6PS5{halogen}_{name}",
        f"(Li6PS5{halogen}){units}",
        partial(_boundary, halogen, name),
        oxidation(halogen),
        facts=(
            Fact(
                "misorientation",
                ANGLES[name],
                lambda atoms: float(atoms.info["grain_boundary"]["angle"]),
                "°",
                tolerance=0.005,
                source="geometry of the coincidence lattice",
            ),
            Fact(
                "PS4 groups",
                units,
                _count_thiophosphates,
                source="of as many formula units",
            ),
        ),
        choices=f"the abstract names no boundary, the {SECONDARY} tilt boundaries: these {kind} "
        f"boundaries are our choice, two in a cell, grains of {GRAIN_THICKNESS:g} Å, opened by "
        f"{BOUNDARIES[name][2]:g} Å so that no atoms are nearer than 1.9 Å; not relaxed.",
    )


def _boundary(halogen: str, name: str) -> Atoms:
    kind, arguments, gap = BOUNDARIES[name]
    build = symmetric_tilt_boundary if kind == "tilt" else twist_boundary
    return build(
        unit_cell(halogen, 0),
        *arguments,
        grain_thickness=GRAIN_THICKNESS,
        min_distance=1.9,
        gap=gap,
        bonds=BONDS,
    )


def _production(percentage: float) -> Atoms:
    ordered = unit_cell("Cl", 0)
    first, second = _anion_sites(ordered, "Cl")
    large = ordered.repeat(10)
    shifts = len(ordered) * np.arange(1000)
    every = [(shifts[:, None] + np.array(sites)).ravel().tolist() for sites in (first, second)]
    return exchange_anions(large, *every, percentage, seed=1)


def _anion_sites(atoms: Atoms, halogen: str) -> tuple[Sequence[int], Sequence[int]]:
    """Return the sites 4a and 4c by the symmetry of the framework."""
    orbits = site_orbits(atoms, without=("Li",))
    small = {orbit.symbol: orbit.indices for orbit in orbits if len(orbit.indices) == 4}
    return small[halogen], small["S"]


def _disorder(halogen: str, percentage: float) -> Fact:
    def measure(atoms: Atoms) -> float:
        """Count halide on the corners and face centres of the cells, which 4a is."""
        halide = atoms[atoms.symbols == halogen]
        halves = 2 * halide.positions / LATTICE[halogen]
        offset = np.abs(halves - halves.round()).max(axis=1) < 1e-3
        even = halves.round().sum(axis=1) % 2 == 0
        return float(100 * np.mean(~(offset & even)))

    return Fact("disorder", percentage, measure, "%", source=SECONDARY)


def _count_thiophosphates(atoms: Atoms) -> float:
    """Count phosphorus with four sulfur atoms at its bond length."""
    pairs = neighbour_pairs(atoms.positions, atoms.cell.array, atoms.pbc, P_S_BOND + 0.05)
    bonded = (atoms.numbers[pairs.first] == 15) & (atoms.numbers[pairs.second] == 16)
    return float(np.sum(np.bincount(pairs.first[bonded], minlength=len(atoms)) == 4))
