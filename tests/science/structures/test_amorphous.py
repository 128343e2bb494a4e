"""Amorphous cells: minimal distances of random starts, the press, and the relaxation."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.testing import assert_allclose, assert_array_equal

from aiida_mliptransport.science.structures.amorphous import densify, random_amorphous, relax
from aiida_mliptransport.science.structures.molecules import molecule, set_charge
from aiida_mliptransport.science.structures.packing import PackingError, density_g_cm3

LI2EDC = {"Li+": 16, "EDC(2-)": 8}
COPPER = set_charge(Atoms("Cu"), 0, 2)


class Exploding(Calculator):
    """Forces that are not finite."""

    implemented_properties = ["energy", "forces", "stress"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": 0.0,
            "forces": np.full((len(self.atoms), 3), np.nan),
            "stress": np.zeros(6),
        }


def contact_ratios(atoms: Atoms) -> np.ndarray:
    """Distances below 5 Å between molecules over the sums of covalent radii, images included."""
    first, second, distances = neighbor_list("ijd", atoms, 5.0)
    radii, tags = covalent_radii[atoms.numbers], atoms.get_tags()
    ratios = distances / (radii[first] + radii[second])
    return ratios[tags[first] != tags[second]]


@pytest.fixture(scope="module")
def start() -> Atoms:
    return random_amorphous(LI2EDC, density=0.7, seed=1)


@pytest.fixture(scope="module")
def gas() -> Atoms:
    return random_amorphous([(COPPER, 32)], density=2.5, seed=1)


def test_a_random_start_has_counts_charge_and_density(start):
    assert start.get_chemical_formula("hill") == "C32H32Li16O48"
    assert start.info == {"charge": 0, "multiplicity": 1}
    assert density_g_cm3(start) == pytest.approx(0.7, abs=1e-6)
    assert len(set(start.get_tags())) == 24
    assert start.pbc.all()


@pytest.mark.slow
# Amorphous Li2EDC of the literature on interphases.
@pytest.mark.parametrize(("n_molecules", "n_atoms"), [(72, 1152), (168, 2688)])
def test_large_starts_are_made(n_molecules, n_atoms):
    components = {"Li+": 2 * n_molecules, "EDC(2-)": n_molecules}
    large = random_amorphous(components, density=0.3, seed=1)
    assert len(large) == n_atoms
    assert large.info["charge"] == 0
    assert contact_ratios(large).min() >= 0.8


def test_molecules_of_a_random_start_keep_their_distance_and_their_shape(start):
    assert contact_ratios(start).min() >= 0.8
    rigid = molecule("EDC(2-)").get_all_distances()
    molecules = [start[start.get_tags() == tag] for tag in set(start.get_tags())]
    whole = [atoms.get_all_distances() for atoms in molecules if len(atoms) > 1]
    assert len(whole) == 8
    assert_allclose(whole, np.broadcast_to(rigid, (8, *rigid.shape)), atol=1e-8)


def test_a_larger_contact_scale_keeps_molecules_further_apart():
    wide = random_amorphous({"Li+": 8, "CO3(2-)": 4}, density=0.3, contact_scale=1.5, seed=2)
    assert contact_ratios(wide).min() >= 1.5


def test_one_seed_gives_one_start_and_another_seed_another():
    first, again, other = (
        random_amorphous({"Li+": 2, "CO3(2-)": 1}, density=0.2, seed=seed) for seed in (5, 5, 6)
    )
    assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 0.1


def test_molecules_that_find_no_room_are_refused_with_advice():
    with pytest.raises(PackingError, match=r"24 molecules did not fit.*max_tries=200"):
        random_amorphous(LI2EDC, density=2.5, max_tries=200, seed=1)


def test_a_box_narrower_than_a_molecule_is_refused():
    with pytest.raises(ValueError, match=r"shortest edge of the box is 6.00 Å, expected .* Å"):
        random_amorphous({"EDC(2-)": 1}, edges=[6, 30, 30], seed=1)


@pytest.mark.medium
def test_a_pressed_and_relaxed_gas_of_copper_has_the_density_of_the_solid(gas):
    path = [(300.0, 50_000.0, 0.3), (10.0, 1.0, 0.1)]
    pressed = densify(gas, EMT(), path=path, timestep_fs=5, pressure_damping_fs=300, seed=1)
    relaxed = relax(pressed, EMT(), fmax=0.1, cell=True)
    solid = relax(bulk("Cu"), EMT(), fmax=0.01, cell=True)
    # An amorphous metal is some per cent less dense than its crystal.
    assert density_g_cm3(gas) == pytest.approx(2.5, abs=1e-6)
    assert 0.93 < density_g_cm3(relaxed) / density_g_cm3(solid) < 1.0
    assert relaxed.info == {"charge": 0, "multiplicity": 33}
    assert "momenta" not in relaxed.arrays
    assert relaxed.calc is None


def test_one_seed_gives_one_run_and_another_seed_another(gas):
    first, again, other = (
        densify(gas, EMT(), path=[(300.0, 1e4, 0.01)], seed=seed) for seed in (1, 1, 2)
    )
    assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 1e-4


def test_pressing_shrinks_a_cubic_cell_to_a_cube_and_leaves_its_input_alone(gas):
    before = gas.copy()
    pressed = densify(gas, EMT(), path=[(10.0, 50_000.0, 0.03)], seed=1)
    assert gas == before
    assert pressed.get_volume() < 0.97 * gas.get_volume()
    assert_allclose(pressed.cell.array, np.eye(3) * pressed.cell.lengths()[0], atol=1e-9)


def test_a_run_that_blows_up_is_told_with_its_place(gas):
    with pytest.raises(RuntimeError, match=r"blew up at 10.0 K and 50000.0 bar after \d+ of 5000"):
        densify(gas, Exploding(), seed=1)


@pytest.mark.medium
def test_relaxation_of_a_strained_crystal_finds_the_cell_again():
    crystal = relax(bulk("Cu"), EMT(), fmax=0.005, cell=True)
    pressed = crystal.copy()
    pressed.set_cell(crystal.cell * 0.97, scale_atoms=True)
    found = relax(pressed, EMT(), fmax=0.005, cell=True)
    assert_allclose(found.cell.array, crystal.cell.array, atol=2e-3)
    kept = relax(pressed, EMT(), fmax=0.005)
    assert_allclose(kept.cell.array, pressed.cell.array)


def test_a_relaxation_that_does_not_converge_is_an_error(gas):
    with pytest.raises(RuntimeError, match=r"largest force is .* after max_steps=2, expected fmax"):
        relax(gas, EMT(), fmax=1e-6, max_steps=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda gas: densify(Atoms("Cu"), EMT(), seed=1), "expected three periodic cell vectors"),
        (lambda gas: densify(gas, EMT(), path=[], seed=1), "path is empty"),
        (lambda gas: densify(gas, EMT(), path=[(10, 1)], seed=1), r"path holds \(10, 1\)"),
        (lambda gas: densify(gas, EMT(), path=[(0, 1, 1)], seed=1), r"path holds \(0, 1, 1\)"),
        (lambda gas: densify(gas, EMT(), timestep_fs=0, seed=1), "timestep_fs=0: expected"),
        (lambda gas: relax(gas, EMT(), fmax=0), "fmax=0: expected a positive number"),
        (lambda gas: relax(gas, EMT(), max_steps=0), "max_steps=0: expected at least 1"),
        (lambda gas: relax(Atoms("Cu"), EMT(), cell=True), "expected three periodic"),
        (
            lambda gas: random_amorphous(LI2EDC, density=0.5, contact_scale=0, seed=1),
            "contact_scale=0: expected a positive number",
        ),
        (
            lambda gas: random_amorphous(LI2EDC, density=0.5, max_tries=0, seed=1),
            "max_tries=0: expected at least 1",
        ),
        (lambda gas: random_amorphous(LI2EDC, seed=1), "density=None and edges=None"),
    ],
)
def test_bad_inputs_are_refused_with_their_value(gas, call, message):
    with pytest.raises(ValueError, match=message):
        call(gas)
