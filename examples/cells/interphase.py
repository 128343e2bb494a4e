"""Paper 003, solid electrolyte interphase: Li2CO3, Li2EDC, LiPF6, Li, and Li on Li2CO3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from cell_rows import Fact, Row

from aiida_mliptransport.science.selection.neighbours import neighbour_pairs
from aiida_mliptransport.science.structures.amorphous import random_amorphous
from aiida_mliptransport.science.structures.defects import (
    add_interstitial,
    make_frenkel_pair,
    remove_atoms,
)
from aiida_mliptransport.science.structures.interfaces import coherent_interface
from aiida_mliptransport.science.structures.molecules import set_charge
from aiida_mliptransport.science.structures.packing import pack

CARBONATE = {"Li": 1.0, "C": 4.0, "O": -2.0}
#: Four carbon atoms share what lithium, hydrogen and oxygen leave: C4H4O6(2-).
DICARBONATE = {"Li": 1.0, "C": 1.5, "H": 1.0, "O": -2.0}
HEXAFLUOROPHOSPHATE = {"Li": 1.0, "P": 5.0, "F": -1.0}
METAL = {"Li": 0.0}
#: The exponents are lost in the copy that was read; the digits are the paper's.
DIGITS = "digits"
#: m⁻³: one interstitial in 168 Li2EDC, and all their lithium.
ONE_IN_DICARBONATE, LITHIUM_OF_DICARBONATE = 3.50e25, 1.18e28
#: Share by which the density of measured Li2CO3 may differ from that of the paper's relaxed one.
LATTICE_FREEDOM = 0.01
#: Å; voids that take an interstitial are at least this far from all atoms.
VOID_RADIUS = 1.9
#: Å, bcc lithium at room temperature: Nadler, Kempter, Anal. Chem. 31, 1922 (1959).
LITHIUM_LATTICE = 3.51
#: Å; LiPF6, R-3: Röhr, Kniep, Z. Naturforsch. B 49, 650 (1994).
LIPF6_LATTICE = (4.932, 12.658)
#: Å, P–F of the regular octahedron that stands for the fluorine position.
P_F_BOND = 1.60
#: g/cm³ of the dilute start of a packing.
DILUTE = 0.2
#: Shortest distance between its molecules over covalent radii: no new O–H or C–O bonds.
CONTACT_SCALE = 1.4

EFFENBERGER = "measured C2/c crystal: Effenberger, Zemann, Z. Kristallogr. 150, 133 (1979)"
#: Plane of lithium: atoms of lithium, formula units of Li2CO3, largest strain of lithium.
INTERFACES = {
    (1, 1, 0): (35, 12, 0.021),
    (1, 1, 1): (10, 4, 0.028),
    (0, 0, 1): (30, 12, 0.011),
}


def lithium_carbonate() -> Atoms:
    """Return the monoclinic cell of 24 atoms."""
    return crystal(
        ["Li", "C", "O", "O"],
        basis=[
            (0.1965, 0.4488, 0.8344),
            (0.0, 0.0657, 0.25),
            (0.0, 0.3213, 0.25),
            (0.1459, -0.0661, 0.3127),
        ],
        spacegroup=15,
        cellpar=[8.359, 4.973, 6.197, 90, 114.83, 90],
    )


def lithium() -> Atoms:
    """Return the cubic cell of two atoms."""
    return bulk("Li", "bcc", a=LITHIUM_LATTICE, cubic=True)


def lithium_hexafluorophosphate() -> Atoms:
    """Return the hexagonal cell of 24 atoms, regular octahedra about P and Li.

    A regular octahedron of bond d has its faces d/√3 above and below the centre and its corners
    d·√(2/3) off the axis; P and Li follow each other at c/6 on axes a/√3 apart, so one bond
    length sets the other and the position of fluorine.
    """
    a, c = LIPF6_LATTICE
    height = P_F_BOND / np.sqrt(3)
    near, far = np.sqrt(2) * height, np.sqrt(2) * (c / 6 - height)
    apart = a / np.sqrt(3)
    y = (near**2 + apart**2 - far**2) / (2 * apart)
    x = np.sqrt(near**2 - y**2)
    # Cartesian to hexagonal: b = a·(−1/2, √3/2).
    second = 2 * y / (np.sqrt(3) * a)
    fluorine = (x / a + second / 2, second, 0.5 + height / c)
    return crystal(
        ["Li", "P", "F"],
        basis=[(0, 0, 0), (0, 0, 0.5), fluorine],
        spacegroup=148,
        cellpar=[a, a, c, 90, 90, 120],
    )


def rows() -> list[Row]:
    """Return crystals, defects, amorphous cells, interfaces and packings."""
    return [*_carbonate(), *_dicarbonate(), *_others(), *_interfaces(), *_packings()]


def _carbonate() -> list[Row]:
    neutral = "a neutral Li atom, as in the paper, so electrons balance the formal charges"
    void = f"in the largest void of {VOID_RADIUS} Å or more"

    def row(name: str, composition: str, build: Callable[[], Atoms], choices: str, **other) -> Row:
        text = f"{EFFENBERGER}{choices}"
        return Row("003", name, composition, build, CARBONATE, choices=text, **other)

    return [
        row("Li2CO3", "(Li2CO3)4", lithium_carbonate, "", label=True),
        row("Li2CO3_1x2x2", "(Li2CO3)16", partial(_repeated, 1, 2, 2), "", label=True),
        row(
            "Li2CO3_1x2x2_frenkel",
            "(Li2CO3)16",
            _frenkel_pair,
            f"; one Li moved into a void of {VOID_RADIUS} Å or more, 2 to 8 Å away: the end point "
            "of the paper is in its Fig. S10, which was not read",
            label=True,
        ),
        row(
            "Li2CO3_1x2x2_vacancy",
            "Li31(CO3)16",
            partial(_vacancy, 1, 2, 2),
            f"; without {neutral}",
            charge=-1.0,
            multiplicity=2,
            label=True,
        ),
        row(
            "Li2CO3_1x2x2_interstitial",
            "Li33(CO3)16",
            partial(_interstitial, 1, 2, 2),
            f"; {neutral}, {void}",
            charge=1.0,
            multiplicity=2,
            label=True,
        ),
        row(
            "Li2CO3_3x5x4",
            "(Li2CO3)240",
            partial(_repeated, 3, 5, 4),
            "",
            atoms=1440,
            facts=(_mean_edge(),),
        ),
        row(
            "Li2CO3_3x5x4_interstitial",
            "Li481(CO3)240",
            partial(_interstitial, 3, 5, 4),
            f"; {neutral}, {void}",
            charge=1.0,
            multiplicity=2,
            atoms=1441,
            facts=(
                _one_per_volume(7.1e25),
                Fact(
                    "Li per interstitial",
                    480,
                    lambda atoms: float(np.sum(atoms.numbers == 3) - 1),
                ),
            ),
            quick=False,
        ),
        row(
            "Li2CO3_3x5x4_vacancy",
            "Li479(CO3)240",
            partial(_vacancy, 3, 5, 4),
            f"; without {neutral}",
            charge=-1.0,
            multiplicity=2,
        ),
        row(
            "Li2CO3_4x6x6_interstitial",
            "Li1153(CO3)576",
            partial(_interstitial, 4, 6, 6),
            f"; {neutral}, {void}; 144 cells as 4×6×6, which the paper does not state",
            charge=1.0,
            multiplicity=2,
            atoms=3457,
            facts=(_one_per_volume(2.98e25),),
            quick=False,
        ),
        Row(
            "003",
            "Li2CO3_hexagonal",
            "(Li2CO3)2",
            None,
            CARBONATE,
            choices="the lattice of the high-pressure phase is in the paper's Table S1, which was "
            "not read",
        ),
    ]


def _dicarbonate() -> list[Row]:
    volume_A3 = 1e30 / ONE_IN_DICARBONATE
    packed = (
        "Li+ and EDC(2-) packed at random 1.9 Å apart. The paper throws them into a wide box with "
        "ASE's generator, condenses, and runs 80 ns of its potential; without a potential that "
        "path ends at the dilute start, so this is no equilibrated glass. "
    )
    return [
        Row(
            "003",
            f"Li2EDC_{count}",
            f"(Li2C4H4O6){count}",
            partial(_amorphous, count, volume_A3 * count / 168),
            DICARBONATE,
            16 * count,
            facts=facts,
            contact=1.9,
            choices=packed + where,
        )
        for count, facts, where in (
            (72, (), "Its density is not stated: that of 168 molecules was taken."),
            (
                168,
                (
                    Fact(
                        "1/V",
                        ONE_IN_DICARBONATE,
                        lambda atoms: 1e30 / atoms.cell.volume,
                        "1/m³",
                        tolerance=0.005e25,
                        source=DIGITS,
                    ),
                    Fact(
                        "Li per volume",
                        LITHIUM_OF_DICARBONATE,
                        lambda atoms: 1e30 * np.sum(atoms.numbers == 3) / atoms.cell.volume,
                        "1/m³",
                        tolerance=0.005e28,
                        source=DIGITS,
                    ),
                ),
                "Its volume follows from the stated density of one interstitial.",
            ),
        )
    ] + [
        Row(
            "003",
            "Li2EDC_crystal",
            "Li2C4H4O6",
            None,
            DICARBONATE,
            choices="the cell of one molecule is in the paper's Table S1 and Fig. 3, which were "
            "not read; the stated orthorhombic cell of six has no atom positions",
        )
    ]


def _others() -> list[Row]:
    return [
        Row(
            "003",
            "LiPF6",
            "(LiPF6)3",
            lithium_hexafluorophosphate,
            HEXAFLUOROPHOSPHATE,
            facts=(Fact("γ, hexagonal", 120.0, lambda atoms: float(atoms.cell.angles()[2]), "°"),),
            choices="measured R-3 lattice: Röhr, Kniep, Z. Naturforsch. B 49, 650 (1994); F from "
            f"regular octahedra with P–F {P_F_BOND:.2f} Å, which sets Li–F 2.05 Å",
            label=True,
        ),
        Row(
            "003",
            "Li_bcc",
            "Li2",
            lithium,
            METAL,
            choices="measured lattice at room temperature; the paper's is in its Table S1",
            label=True,
        ),
        Row(
            "003",
            "Li_fcc",
            "Li4",
            None,
            METAL,
            choices="the lattice of the high-pressure phase is in the paper's Table S1, which was "
            "not read",
        ),
    ]


def _interfaces() -> list[Row]:
    return [
        Row(
            "003",
            f"Li{''.join(map(str, plane))}_Li2CO3_001",
            f"Li{metal}(Li2CO3){units}",
            partial(_interface, plane),
            CARBONATE,
            # The metal's atoms count as ions in the sum of formal charges.
            charge=float(metal),
            facts=(
                Fact("C per Li2CO3", 1.0, lambda atoms: _bonded_carbon(atoms), source="kept whole"),
            ),
            choices="slabs of 10 Å or more, 2.2 Å apart, two interfaces in a cell; Li takes the "
            f"strain, {100 * strain:.1f} % at most. Only the planes and energies are stated. Not "
            "relaxed.",
            quick=plane == (1, 1, 1),
            label=True,
            multiplicity=1 + metal % 2,
        )
        for plane, (metal, units, strain) in INTERFACES.items()
    ]


def _packings() -> list[Row]:
    largest = "(Li2C4H4O6)8(Li2CO3)16Li64"
    mixed = {"Li": 0.0, "C": 0.0, "H": 0.0, "O": 0.0}
    return [
        Row(
            "003",
            "packing_8_16_64_start",
            largest,
            _dilute_packing,
            mixed,
            contact=1.3,
            choices="the largest of 120 random packings, at the dilute start "
            f"({DILUTE} g/cm³, not stated); Li+, EDC(2-), CO3(2-) and Li atoms, thrown with the "
            "generator that the paper names. Charges are checked on the ions that were thrown.",
        ),
        Row(
            "003",
            "packing_8_16_64_condensed",
            largest,
            None,
            mixed,
            choices="5 ps at 10 K and 50 kbar need a universal potential, as the paper's MACE, "
            "which is not part of this package: `densify(start, calculator, seed=1)` does it with "
            "one. GFN1-xTB would take a day.",
        ),
    ]


def _mean_edge() -> Fact:
    return Fact("edge about", 25.0, lambda atoms: float(np.cbrt(atoms.cell.volume)), "Å", 1.0)


def _one_per_volume(stated: float) -> Fact:
    return Fact(
        "interstitials",
        stated,
        lambda atoms: 1e30 / atoms.cell.volume,
        "1/m³",
        tolerance=LATTICE_FREEDOM * stated,
        source=f"{DIGITS}, within {LATTICE_FREEDOM:.0%}",
    )


def _repeated(*repetitions: int) -> Atoms:
    return lithium_carbonate().repeat(repetitions)


def _vacancy(*repetitions: int) -> Atoms:
    return remove_atoms(
        _repeated(*repetitions),
        [0],
        oxidation_states=CARBONATE,
        compensation="electrons",
    )


def _interstitial(*repetitions: int) -> Atoms:
    return add_interstitial(
        _repeated(*repetitions),
        "Li",
        oxidation_states=CARBONATE,
        min_radius=VOID_RADIUS,
        void=0,
        compensation="electrons",
    )


def _frenkel_pair() -> Atoms:
    return make_frenkel_pair(
        _repeated(1, 2, 2),
        "Li",
        min_radius=VOID_RADIUS,
        min_separation=2.0,
        max_separation=8.0,
        seed=1,
    )


def _amorphous(count: int, volume_A3: float) -> Atoms:
    components = {"Li+": 2 * count, "EDC(2-)": count}
    return pack(components, edges=[np.cbrt(volume_A3)] * 3, tolerance=1.9, seed=1)


def _interface(plane: tuple[int, int, int]) -> Atoms:
    return coherent_interface(
        lithium_carbonate(),
        lithium(),
        (0, 0, 1),
        plane,
        substrate_thickness=10.0,
        film_thickness=10.0,
        gap=2.2,
        max_strain=0.03,
        max_area=200.0,
        bonds={("C", "O"): 1.6},
    )


def _dilute_packing() -> Atoms:
    metal = set_charge(Atoms("Li"), 0, multiplicity=2)
    return random_amorphous(
        [("EDC(2-)", 8), ("CO3(2-)", 16), ("Li+", 48), (metal, 64)],
        density=DILUTE,
        contact_scale=CONTACT_SCALE,
        seed=1,
    )


def _bonded_carbon(atoms: Atoms) -> float:
    """Share of carbon that has three oxygen atoms within 1.6 Å."""
    pairs = neighbour_pairs(atoms.positions, atoms.cell.array, atoms.pbc, 1.6)
    bonded = (atoms.numbers[pairs.first] == 6) & (atoms.numbers[pairs.second] == 8)
    neighbours = np.bincount(pairs.first[bonded], minlength=len(atoms))
    return float(np.mean(neighbours[atoms.numbers == 6] == 3))
