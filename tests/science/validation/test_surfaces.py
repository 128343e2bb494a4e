"""Surfaces of a crystal of nearest-neighbour bonds, where a face costs the bonds it breaks."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.science.selection import neighbour_pairs
from aiida_mliptransport.science.units import EV_ANGSTROM2_TO_J_M2
from aiida_mliptransport.science.validation import Evaluated, excess_energy
from aiida_mliptransport.science.validation.surfaces import InterfaceCheck, SurfaceCheck

#: eV per bond.
BOND, EDGE = 0.2, 4.0


def evaluate(cells):
    found = []
    for cell in cells:
        pairs = neighbour_pairs(cell.positions, cell.cell, cell.pbc, 0.8 * EDGE)
        found.append(-BOND * len(pairs.first) / 2)
    n = len(found)
    return Evaluated(np.array(found), [np.zeros((1, 3))] * n, np.zeros((n, 3, 3)))


@pytest.mark.medium
def test_a_face_costs_half_a_bond_for_each_that_it_breaks():
    check = SurfaceCheck(
        planes=[(1, 0, 0), (1, 1, 1)], thickness_A=6.0, vacuum_A=12.0, max_relative_error=0.1
    )
    cells = {"ar": bulk("Ar", a=EDGE, cubic=True)}
    found = evaluate(check.build(cells))
    lines = check.compare("ar", cells, found, found, {}).lines
    assert [line.quantity.split()[3] for line in lines] == ["(100)", "(111)"]
    # Broken bonds per atom of the face: 4 of (100), 3 of (111); areas a²/2 and √3 a²/4.
    for line, broken, area in ((lines[0], 4, EDGE**2 / 2), (lines[1], 3, 3**0.5 * EDGE**2 / 4)):
        expected = broken * BOND / 2 / area * EV_ANGSTROM2_TO_J_M2
        assert line.potential == pytest.approx(expected, rel=1e-9)
        assert (line.difference, line.verdict) == (0.0, "pass")


def test_an_interface_is_what_a_cell_has_above_its_crystals():
    crystals = [Atoms("Li2", cell=[3, 3, 3], pbc=True), Atoms("LiCl", cell=[4, 4, 4], pbc=True)]
    joined = Atoms("Li7Cl3", cell=[3, 5, 20], pbc=True)
    found = excess_energy(-40.0, joined, crystals, [-6.0, -10.0])
    # Two cells of Li2 and three of LiCl: −42 eV, and two faces of 15 Å².
    assert found == pytest.approx(2.0 / 30.0 * EV_ANGSTROM2_TO_J_M2)
    # Li(001) | Li2CO3 and such are some tenths of a J/m².
    assert found == pytest.approx(1.068, abs=1e-3)


def test_a_cell_that_is_no_mixture_of_the_crystals_is_refused():
    crystals = [Atoms("LiCl", cell=[4, 4, 4], pbc=True)]
    with pytest.raises(ValueError, match="not made of whole formula units of \\['ClLi'\\]"):
        excess_energy(-40.0, Atoms("Li3Cl2", cell=[3, 5, 20], pbc=True), crystals, [-10.0])


def test_crystals_of_one_composition_cannot_be_told_apart_in_a_cell():
    salt, other = bulk("LiCl", "rocksalt", a=5.13), bulk("LiCl", "zincblende", a=5.6)
    cell = salt.repeat((1, 1, 4))
    with pytest.raises(ValueError, match=r"proportional compositions.*of different composition"):
        excess_energy(-1.0, cell, [salt, other], [-1.0, -0.9])


def test_interfaces_name_their_structures():
    check = InterfaceCheck(
        interfaces={"face": {"cell": "joined", "crystals": ["li", "salt"]}}, max_relative_error=0.2
    )
    assert check.subjects(["joined", "li", "salt"]) == {"face": ["joined", "li", "salt"]}
    with pytest.raises(ValueError, match=r"names the structures \['salt'\]"):
        check.subjects(["joined", "li"])
    cells = {
        "joined": Atoms("Li3Cl", cell=[3, 5, 20], pbc=True),
        "li": Atoms("Li2", cell=[3, 3, 3], pbc=True),
        "salt": Atoms("LiCl", cell=[4, 4, 4], pbc=True),
    }
    assert [len(cell) for cell in check.build(cells)] == [4, 2, 2]
    said = Evaluated(np.array([-15.0, -6.0, -10.0]), [np.zeros((1, 3))] * 3, np.zeros((3, 3, 3)))
    (line,) = check.compare("face", cells, said, None, {}).lines
    assert line.verdict == "not available"
    assert line.potential == pytest.approx(1.0 / 30.0 * EV_ANGSTROM2_TO_J_M2)
