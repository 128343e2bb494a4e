"""Paper 001, Li3TiCl6: cells of 20, 160 and 320 atoms with the occupancies of its Table II, and
the production cell of 20 000 atoms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ase import Atoms
from ase.spacegroup import crystal
from cell_rows import Fact, Row

from aiida_mliptransport.science.structures.disordered_sites import read_disordered
from aiida_mliptransport.science.structures.occupancy import random_orderings
from aiida_mliptransport.science.structures.quasirandom import quasirandom_ordering

OXIDATION = {"Li": 1.0, "Ti": 3.0, "Cl": -1.0}
#: Measured cell of the annealed sample, Table II: a, b, c in Å, β in degrees.
CELL = (6.350, 10.89, 6.353, 110.1)
#: Chlorine positions of Li3MCl6 of this type (Li3InCl6, C2/m), two digits; not in the paper.
CHLORINE = ((0.24, 0.16, 0.24), (0.24, 0.0, 0.76))
SITES = ("2a", "4g", "2d", "8j", "4i")
#: Shares of Table II are rounded to three digits.
ROUNDING = 0.0005
#: Å; pairs within it are made as random as they can be.
PAIR_CUTOFF = 7.0

#: Name: repetitions, Ti on 2a, Ti on 4g. The k-meshes 4×2×4 and 4×2×2 belong to 2×2×2 and 2×2×4.
CELLS = {
    "Li3TiCl6_20": ((1, 1, 1), 0.754, 0.123),
    "Li3TiCl6_160_0.750": ((2, 2, 2), 0.750, 0.125),
    "Li3TiCl6_160_0.875": ((2, 2, 2), 0.875, 0.063),
    "Li3TiCl6_320_0.750": ((2, 2, 4), 0.750, 0.125),
    "Li3TiCl6_320_0.844": ((2, 2, 4), 0.844, 0.078),
    "Li3TiCl6_320_0.875": ((2, 2, 4), 0.875, 0.063),
    "Li3TiCl6_20000": ((10, 10, 10), 0.754, 0.123),
}


def unit_cell() -> Atoms:
    """Return the 20 atoms with titanium on all of 2a; the array ``labels`` names the sites."""
    a, b, c, beta = CELL
    atoms = crystal(
        ["Ti", "Li", "Li", "Cl", "Cl"],
        basis=[(0, 0, 0), (0, 1 / 3, 0), (0, 0.5, 0.5), *CHLORINE],
        spacegroup=12,
        cellpar=[a, b, c, 90, beta, 90],
    )
    kinds = atoms.arrays.pop("spacegroup_kinds")
    atoms.set_array("labels", [SITES[kind] for kind in kinds], "U4")
    return atoms


def rows() -> list[Row]:
    """Return one unit cell, five training cells and the production cell."""
    found = []
    for name, (repetitions, on_2a, on_4g) in CELLS.items():
        units = 2 * repetitions[0] * repetitions[1] * repetitions[2]
        large = units > 100
        way = "drawn at random" if large or units == 2 else "quasi-random in pairs up to 7 Å"
        found.append(
            Row(
                "001",
                name,
                f"(Li3TiCl6){units}",
                partial(_build, repetitions, on_2a, on_4g, large),
                OXIDATION,
                10 * units if units > 2 else None,
                facts=(
                    _share("2a", on_2a, units),
                    _share("4g", on_4g, 2 * units),
                    *_edges(repetitions),
                ),
                choices=f"Ti {way}; Li fills what Ti leaves of 2a and 4g, and 2d (the paper "
                "states Ti only); the measured cell of Table II; Cl positions of two digits from "
                "crystals of this type, not from the paper.",
                label=units == 2,
                # One unpaired electron for each Ti3+, all parallel.
                multiplicity=1 + units,
            )
        )
    return found


def _share(site: str, stated: float, sites: int) -> Fact:
    return Fact(
        f"Ti on {site}", stated, _measure_share(site, sites), "", ROUNDING, step=1.0 / sites
    )


def _measure_share(site: str, sites: int) -> Callable[[Atoms], float]:
    """Count titanium near the ideal positions of a site, not what the builder says it did."""

    def measure(atoms: Atoms) -> float:
        titanium = atoms[atoms.numbers == 22]
        unit = unit_cell()
        scaled = unit.cell.scaled_positions(titanium.positions) % 1.0
        ideal = unit.get_scaled_positions()[unit.arrays["labels"] == site]
        offsets = scaled[:, None] - ideal[None]
        offsets -= offsets.round()
        return float((abs(offsets).max(axis=2) < 1e-3).any(axis=1).sum() / sites)

    return measure


def _edges(repetitions: tuple[int, int, int]) -> tuple[Fact, ...]:
    lengths = [
        Fact(
            axis,
            CELL[i],
            lambda atoms, i=i: float(atoms.cell.lengths()[i]) / repetitions[i],
            "Å",
            tolerance=0.0005,
        )
        for i, axis in enumerate("abc")
    ]
    beta = Fact("β", CELL[3], lambda atoms: float(atoms.cell.angles()[1]), "°", tolerance=0.05)
    return (*lengths, beta)


def _build(repetitions: tuple[int, int, int], on_2a: float, on_4g: float, large: bool) -> Atoms:
    disordered = read_disordered(
        unit_cell(),
        {"2a": {"Ti": on_2a, "Li": 1 - on_2a}, "4g": {"Ti": on_4g, "Li": 1 - on_4g}},
    ).repeat(repetitions)
    if large or repetitions == (1, 1, 1):
        return random_orderings(disordered, 1, seed=1)[0]
    return quasirandom_ordering(disordered, cutoff=PAIR_CUTOFF, n_steps=5000, seed=1)
