"""Symmetry-equivalent sites of known crystals."""

import pytest
from ase.build import bulk

from aiida_mliptransport.science.structures.site_orbits import site_orbits

from .crystals import argyrodite, lithium_carbonate, rock_salt


def test_lithium_carbonate_has_its_four_published_sites() -> None:
    orbits = site_orbits(lithium_carbonate())
    assert sorted((o.symbol, o.wyckoff, len(o.indices)) for o in orbits) == [
        ("C", "e", 4),
        ("Li", "f", 8),
        ("O", "e", 4),
        ("O", "f", 8),
    ]


def test_the_sites_of_a_supercell_are_those_of_its_cell() -> None:
    orbits = site_orbits(rock_salt().repeat(2))
    assert [(o.symbol, len(o.indices)) for o in orbits] == [("Li", 32), ("Cl", 32)]


def test_free_sulfide_is_told_from_that_of_thiophosphate_without_lithium() -> None:
    atoms = argyrodite()
    orbits = site_orbits(atoms, without=["Li"])
    assert sorted((o.symbol, len(o.indices)) for o in orbits) == [
        ("Cl", 4),
        ("P", 4),
        ("S", 4),
        ("S", 16),
    ]
    covered = sorted(i for o in orbits for i in o.indices)
    assert covered == [i for i, s in enumerate(atoms.symbols) if s != "Li"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"without": ["Na"]}, r"\['Na'\] are not in the cell.*\['Cl', 'Li'\]"),
        ({"without": ["Li", "Cl"]}, "leaves no atom"),
        ({"symprec": 0.0}, "symprec=0.0 Å: expected a positive length"),
    ],
)
def test_bad_input_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        site_orbits(rock_salt(), **arguments)


def test_a_slab_is_no_crystal() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.pbc = (True, True, False)
    with pytest.raises(ValueError, match=r"pbc=\[True, True, False\].*set atoms.cell"):
        site_orbits(atoms)
