"""Crystals that several tests start from, by their published positions."""

from ase import Atoms
from ase.spacegroup import crystal

#: Monoclinic Li3TiCl6, C2/m: titanium and lithium share 2a and 4g. Columns of occupancy: Ti.
LI3TICL6_TITANIUM = {"2a": 0.754, "4g": 0.123}


def li3ticl6_sites() -> Atoms:
    """Return the 20 atoms of Li3TiCl6 with titanium on all of 2a; labels name the sites."""
    atoms = crystal(
        ["Ti", "Li", "Li", "Cl", "Cl"],
        basis=[(0, 0, 0), (0, 0.333, 0), (0, 0.5, 0.5), (0.24, 0.16, 0.24), (0.24, 0, 0.76)],
        spacegroup=12,
        cellpar=[6.35, 10.89, 6.353, 90, 110.1, 90],
    )
    names = ["2a", "4g", "2d", "8j", "4i"]
    atoms.set_array("labels", [names[kind] for kind in atoms.arrays.pop("spacegroup_kinds")], "U4")
    return atoms


def argyrodite() -> Atoms:
    """Return cubic Li6PS5Cl, 52 sites: chloride on 4a, sulfide on 4d, half of lithium's 48h kept.

    Of each pair of lithium sites one is there, the first of the two.
    """
    framework = crystal(
        ["Cl", "P", "S", "S"],
        basis=[(0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (0.618, 0.618, 0.618)],
        spacegroup=216,
        cellpar=[9.86, 9.86, 9.86, 90, 90, 90],
    )
    lithium = crystal(
        ["Li"],
        basis=[(0.25, 0.02, 0.75)],
        spacegroup=216,
        cellpar=[9.86, 9.86, 9.86, 90, 90, 90],
    )
    return framework + lithium


def argyrodite_sites() -> Atoms:
    """Return the 76 sites of cubic Li6PS5Cl with all of lithium's 48h, which are half filled."""
    return crystal(
        ["Cl", "P", "S", "S", "Li"],
        basis=[
            (0, 0, 0),
            (0.5, 0.5, 0.5),
            (0.25, 0.25, 0.25),
            (0.618, 0.618, 0.618),
            (0.183, 0.183, 0.024),
        ],
        spacegroup=216,
        cellpar=[9.86, 9.86, 9.86, 90, 90, 90],
    )


def rock_salt(cation: str = "Li", anion: str = "Cl", a: float = 5.14) -> Atoms:
    """Return the conventional cell of 8 atoms."""
    return crystal(
        [cation, anion],
        basis=[(0, 0, 0), (0.5, 0.5, 0.5)],
        spacegroup=225,
        cellpar=[a, a, a, 90, 90, 90],
    )


def lithium_carbonate() -> Atoms:
    """Return Li2CO3, C2/c, 24 atoms (Effenberger, Zemann, Z. Kristallogr. 150, 133 (1979))."""
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
