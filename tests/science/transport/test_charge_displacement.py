"""Molecules that only move, charges that only hop, and the charge that each species bears."""

import numpy as np
import pytest
from synthetic_species import CELL, hopping_hydrogen, rigid_ions

from aiida_mliptransport.science.transport.charge_displacement import charge_displacement
from aiida_mliptransport.science.transport.speciation import speciate
from aiida_mliptransport.science.transport.species_charges import species_charge


def test_the_charge_of_a_species_is_its_own_or_that_of_its_elements() -> None:
    charges = {"Al": 3.0, "Cl": -1.0, "C6H11N2": 1.0}
    assert species_charge("AlCl4", charges) == -1.0
    assert species_charge("Al2Cl7", charges) == -1.0
    assert species_charge("AlCl3", charges) == 0.0
    assert species_charge("C6H11N2", charges) == 1.0
    with pytest.raises(ValueError, match="HCl"):
        species_charge("HCl", charges)


def test_rigid_ions_without_exchange_carry_all_charge_themselves() -> None:
    positions, speciation, masses = rigid_ions(1, 200, 12, 0.4)
    charges = {"Al": 3.0, "Cl": -1.0, "K": 1.0}
    parts = charge_displacement(positions, speciation, 50.0 * np.eye(3), masses, charges)
    assert not parts.structural.any()
    of_atoms = np.array([charges[name] for name in speciation.elements])
    moved = np.einsum("tac,a->tc", positions - positions[0], of_atoms)
    np.testing.assert_allclose(parts.total, moved, atol=1e-9)
    # A symmetric ion has no dipole, however it tumbles.
    np.testing.assert_allclose(parts.internal, 0.0, atol=1e-9)


def test_charge_that_only_hops_is_structural() -> None:
    positions, speciation, masses, hops = hopping_hydrogen(3, 500, 0.05)
    parts = charge_displacement(positions, speciation, CELL, masses, {"O": 0.0, "H": 1.0})
    assert set(speciation.species) <= {"O", "HO", "H2O"}
    np.testing.assert_allclose(parts.vehicular, 0.0, atol=1e-9)
    hopped = np.cumsum(hops.sum(axis=1), axis=0) @ CELL / 4
    np.testing.assert_allclose(parts.total, hopped, atol=1e-9)
    np.testing.assert_allclose(parts.structural + parts.internal, hopped, atol=1e-9)
    # What the centres of mass leave over stays as small as the dipoles of the molecules.
    assert np.abs(parts.internal).max() < 4 * 2 * 0.9


def test_images_of_atoms_make_no_difference() -> None:
    positions, speciation, masses, _ = hopping_hydrogen(5, 300, 0.1)
    images = np.random.default_rng(6).integers(-3, 4, (68, 3)) @ CELL
    charges = {"O": -2.0, "H": 1.0}
    here, there = (
        charge_displacement(frames, speciation, CELL, masses, charges)
        for frames in (positions, positions + images)
    )
    for name in ("vehicular", "structural", "internal"):
        np.testing.assert_allclose(there.parts[name], here.parts[name], atol=1e-8)


def test_charges_by_formula_give_the_same_motion_of_species() -> None:
    positions, speciation, masses, _ = hopping_hydrogen(7, 300, 0.1)
    by_atom = charge_displacement(positions, speciation, CELL, masses, {"O": 0.0, "H": 1.0})
    formulas = {"O": 0.0, "HO": 1.0, "H2O": 2.0, "H3O": 3.0}
    by_formula = charge_displacement(positions, speciation, CELL, masses, formulas)
    assert by_formula.internal is None
    np.testing.assert_allclose(by_formula.structural, by_atom.structural, atol=1e-9)
    np.testing.assert_allclose(by_formula.vehicular, by_atom.vehicular, atol=1e-9)


def test_input_that_cannot_be_split_is_refused() -> None:
    positions, speciation, masses, _ = hopping_hydrogen(10, 50, 0.1)
    charges = {"O": 0.0, "H": 1.0}
    bonds = [np.array([[0, 1], [0, 2]]), np.array([[0, 1]])]
    broken = speciate(bonds, ["O", "H", "H"], 1.0)
    with pytest.raises(ValueError, match="H2O -> H \\+ HO in frame 1 changes the charge by 1 e"):
        charge_displacement(
            np.zeros((2, 3, 3)), broken, CELL, [16.0, 1.0, 1.0], {"H2O": 0.0, "HO": -1.0, "H": 2.0}
        )
    with pytest.raises(ValueError, match="make them agree"):
        charge_displacement(positions, speciation, CELL, masses, {**charges, "HO": -1.0})
    with pytest.raises(ValueError, match="positive numbers"):
        charge_displacement(positions, speciation, CELL, masses[1:], charges)
    with pytest.raises(ValueError, match="there are 40 frames"):
        charge_displacement(positions[:40], speciation, CELL, masses, charges)


def test_atoms_that_bond_across_more_than_half_the_cell_are_refused() -> None:
    bonds = [np.zeros((0, 2), dtype=int), np.array([[0, 1]])]
    frames = np.broadcast_to([[0.0, 0.0, 0.0], [2.0, 2.0, 0.0]], (2, 2, 3))
    speciation = speciate(bonds, ["O", "H"], 1.0)
    with pytest.raises(ValueError, match="half a cell"):
        charge_displacement(frames, speciation, 4.0 * np.eye(3), [16.0, 1.0], {"O": 0.0, "H": 1.0})


def test_a_network_that_wraps_around_the_cell_is_refused() -> None:
    ring = np.array([[0, 1], [1, 2], [2, 3], [0, 3]])
    speciation = speciate([ring[:3][[0, 2]], ring], ["Si"] * 4, 1.0)
    positions = np.broadcast_to(3.0 * np.arange(4)[:, None] * np.eye(3)[0], (2, 4, 3))
    with pytest.raises(ValueError, match="wrap around"):
        charge_displacement(positions, speciation, 12.0 * np.eye(3), np.ones(4), {"Si": 1.0})
