"""Paper 000, [EMIm]Cl–AlCl3: the training cells of its Table 1, the production cells of Table 2."""

from __future__ import annotations

from functools import partial

from cell_rows import Fact, Row, count_molecules, edge_of_cube, first_edge

from aiida_mliptransport.science.structures.packing import pack

CATION, TETRACHLORIDE, HEPTACHLORIDE = "C6H11N2", "AlCl4", "Al2Cl7"
#: The two nitrogen atoms of a cation share its charge; all others are as usual.
OXIDATION = {"Al": 3.0, "Cl": -1.0, "N": 0.5, "C": 0.0, "H": 0.0}
#: Å between molecules.
TOLERANCE = 2.0

#: Table 1. Molar ratio: atoms, AlCl4-, Al2Cl7-, EMIm+, densities in g/mL.
TRAINING = {
    "1.0": (408, 17, 0, 17, (1.09, 1.28, 1.44)),
    "1.3": (376, 11, 4, 15, (1.21, 1.34, 1.52)),
    "1.5": (364, 7, 7, 14, (1.17, 1.36, 1.52)),
    "1.7": (376, 4, 10, 14, (1.27, 1.38, 1.55)),
    "2.0": (364, 0, 13, 13, (1.30, 1.41, 1.56)),
}
#: Table 2. Molar ratio: atoms, starting edge in Å, EMIm+, AlCl4-, Al2Cl7-.
PRODUCTION = {
    "1.00": (10320, 55.0, 430, 430, 0),
    "1.30": (10080, 55.0, 400, 280, 120),
    "1.50": (9880, 57.0, 380, 190, 190),
    "1.75": (10260, 57.0, 380, 95, 285),
    "2.00": (10360, 57.0, 370, 0, 370),
}


def rows() -> list[Row]:
    """Return fifteen training and five production cells."""
    found = []
    for ratio, (atoms, tetra, hepta, cations, densities) in TRAINING.items():
        for density in densities:
            composition = _composition(cations, tetra, hepta)
            edge = Fact(
                f"edge of {density:.2f} g/mL",
                edge_of_cube(composition, density),
                first_edge,
                "Å",
                tolerance=0.005,
                source="from the stated density",
            )
            found.append(
                Row(
                    "000",
                    f"EMImCl-AlCl3_{ratio}_{density:.2f}",
                    composition,
                    partial(_pack, cations, tetra, hepta, density=density),
                    OXIDATION,
                    atoms,
                    facts=(edge, *_counts(cations, tetra, hepta)),
                    contact=TOLERANCE,
                    choices=f"packed at random, molecules {TOLERANCE} Å apart: the paper names "
                    "packmol, and no distance. 300 and 400 K start from the same cell.",
                )
            )
    for ratio, (atoms, edge_A, cations, tetra, hepta) in PRODUCTION.items():
        found.append(
            Row(
                "000",
                f"EMImCl-AlCl3_{ratio}_production",
                _composition(cations, tetra, hepta),
                partial(_pack, cations, tetra, hepta, edges=[edge_A] * 3),
                OXIDATION,
                atoms,
                facts=(
                    Fact("starting edge", edge_A, first_edge, "Å"),
                    *_counts(cations, tetra, hepta),
                ),
                contact=TOLERANCE,
                choices="the edges are starting values in whole Å, the paper goes on at constant "
                "pressure; packed as the training cells.",
                quick=False,
            )
        )
    return found


def _composition(cations: int, tetra: int, hepta: int) -> str:
    parts = ((CATION, cations), (TETRACHLORIDE, tetra), (HEPTACHLORIDE, hepta))
    return "".join(f"({name}){count}" for name, count in parts if count)


def _counts(cations: int, tetra: int, hepta: int) -> tuple[Fact, ...]:
    parts = (
        ("EMIm+", CATION, cations),
        ("AlCl4-", TETRACHLORIDE, tetra),
        ("Al2Cl7-", HEPTACHLORIDE, hepta),
    )
    return tuple(Fact(name, count, count_molecules(formula)) for name, formula, count in parts)


def _pack(cations: int, tetra: int, hepta: int, **box):
    counts = {"EMIm+": cations, "AlCl4-": tetra, "Al2Cl7-": hepta}
    components = {name: count for name, count in counts.items() if count}
    return pack(components, tolerance=TOLERANCE, seed=1, **box)
