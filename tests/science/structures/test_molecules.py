"""Molecules: what the library holds, that its geometries are right, and what readers refuse."""

import builtins
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from ase.neighborlist import natural_cutoffs, neighbor_list

from aiida_mliptransport.science.structures.molecules import (
    molecule,
    molecule_from_smiles,
    molecule_from_xyz,
    molecule_names,
    set_charge,
)

#: Formula (Hill), charge, and number of covalent bonds.
LIBRARY = {
    "Al2Cl6": ("Al2Cl6", 0, 8),
    "Al2Cl7-": ("Al2Cl7", -1, 8),
    "AlCl3": ("AlCl3", 0, 3),
    "AlCl4-": ("AlCl4", -1, 4),
    "CO3(2-)": ("CO3", -2, 3),
    "Cl-": ("Cl", -1, 0),
    "EC": ("C3H4O3", 0, 10),
    "EDC(2-)": ("C4H4O6", -2, 13),
    "EMIm+": ("C6H11N2", 1, 19),
    "Li+": ("Li", 1, 0),
    "PF6-": ("F6P", -1, 6),
}


def bond_graph(atoms: Atoms) -> nx.Graph:
    """Atoms as nodes, pairs within 1.15 times the covalent radii as edges."""
    first, second = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=1.15))
    graph = nx.Graph(list(zip(first.tolist(), second.tolist(), strict=True)))
    graph.add_nodes_from(range(len(atoms)))
    return graph


def bonds_to(atoms: Atoms, centre: str) -> np.ndarray:
    """Vectors from the only atom of one element to all others."""
    (index,) = np.flatnonzero(atoms.symbols == centre)
    return np.delete(atoms.positions - atoms.positions[index], index, axis=0)


def angles(vectors: np.ndarray) -> np.ndarray:
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    return np.degrees(np.arccos(np.clip(unit @ unit.T, -1, 1)))[np.triu_indices(len(unit), 1)]


def test_the_library_is_known_to_this_test():
    assert molecule_names() == sorted(LIBRARY)


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_each_molecule_has_its_formula_charge_and_bonds(name):
    formula, charge, n_bonds = LIBRARY[name]
    atoms, graph = molecule(name), bond_graph(molecule(name))
    assert atoms.get_chemical_formula("hill") == formula
    assert (atoms.info["charge"], atoms.info["multiplicity"]) == (charge, 1)
    assert graph.number_of_edges() == n_bonds
    assert nx.is_connected(graph)
    assert not atoms.pbc.any()


@pytest.mark.parametrize(
    ("name", "centre", "length", "angle"),
    [
        ("AlCl4-", "Al", 2.15, [109.47] * 6),
        ("AlCl3", "Al", 2.06, [120.0] * 3),
        ("CO3(2-)", "C", 1.29, [120.0] * 3),
        ("PF6-", "P", 1.60, [90.0] * 12 + [180.0] * 3),
    ],
)
def test_small_ions_have_the_symmetry_and_bond_lengths_of_experiment(name, centre, length, angle):
    bonds = bonds_to(molecule(name), centre)
    np.testing.assert_allclose(np.linalg.norm(bonds, axis=1), length, atol=0.06)
    np.testing.assert_allclose(np.sort(angles(bonds)), angle, atol=0.5)


def test_the_ring_of_emim_is_planar_and_its_ethyl_group_is_not_in_the_plane():
    atoms = molecule("EMIm+")
    graph = bond_graph(atoms)
    (ring,) = nx.minimum_cycle_basis(graph)
    centred = atoms.positions[ring] - atoms.positions[ring].mean(axis=0)
    normal = np.linalg.svd(centred)[2][2]
    assert np.abs(centred @ normal).max() < 0.01
    carbons = [i for i in graph if atoms.symbols[i] == "C" and i not in ring]
    heights = np.abs((atoms.positions[carbons] - atoms.positions[ring].mean(axis=0)) @ normal)
    assert sorted(heights > 1.0) == [False, False, True]


def largest_forces(atoms: Atoms) -> np.ndarray:
    from tblite.ase import TBLite

    atoms.calc = TBLite(
        method="GFN2-xTB",
        charge=atoms.info["charge"],
        multiplicity=atoms.info["multiplicity"],
        verbosity=0,
    )
    return np.linalg.norm(atoms.get_forces(), axis=1)


@pytest.mark.tblite
@pytest.mark.parametrize("name", sorted(set(LIBRARY) - {"Li+", "Cl-", "Al2Cl7-"}))
def test_library_geometries_are_relaxed_with_gfn2_xtb(name):
    assert largest_forces(molecule(name)).max() < 0.005


@pytest.mark.tblite
def test_the_bridge_of_al2cl7_is_bent_and_all_else_is_relaxed():
    atoms = molecule("Al2Cl7-")
    aluminium = np.flatnonzero(atoms.symbols == "Al")
    chlorine = np.flatnonzero(atoms.symbols == "Cl")
    reach = atoms.get_all_distances()[np.ix_(chlorine, aluminium)].max(axis=1)
    bridge = chlorine[reach.argmin()]
    assert atoms.get_angle(aluminium[0], bridge, aluminium[1]) == pytest.approx(120.0, abs=0.01)
    terminal = np.setdiff1d(chlorine, bridge)
    assert largest_forces(atoms)[terminal].max() < 0.005


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"'water' is not in the library.*'EMIm\+'"):
        molecule("water")


def test_a_molecule_of_the_user_comes_from_an_xyz_file(tmp_path):
    written = Atoms("OH", [[0, 0, 0], [0.97, 0, 0]])
    write(tmp_path / "oh.xyz", written, format="xyz")
    read = molecule_from_xyz(tmp_path / "oh.xyz", charge=-1)
    assert read.get_chemical_symbols() == ["O", "H"]
    np.testing.assert_allclose(read.positions, written.positions)
    assert read.info == {"charge": -1, "multiplicity": 1}


def test_a_cell_in_an_xyz_file_is_dropped(tmp_path):
    write(tmp_path / "boxed.xyz", Atoms("Na", cell=[5, 5, 5], pbc=True), format="extxyz")
    read = molecule_from_xyz(tmp_path / "boxed.xyz", charge=1)
    assert not read.pbc.any()
    assert read.cell.rank == 0


def test_xyz_files_that_are_no_molecule_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        molecule_from_xyz(tmp_path / "none.xyz", charge=0)
    write(tmp_path / "two.xyz", [Atoms("He"), Atoms("He")], format="xyz")
    with pytest.raises(ValueError, match="holds 2 frames, expected 1"):
        molecule_from_xyz(tmp_path / "two.xyz", charge=0)
    Path(tmp_path / "text.xyz").write_text("not a molecule\n", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read as XYZ"):
        molecule_from_xyz(tmp_path / "text.xyz", charge=0)


@pytest.mark.parametrize(
    ("charge", "multiplicity", "message"),
    [
        (0, 1, "9 electrons: expected an even number"),
        (-1, 2, "10 electrons: expected an odd number"),
        (0, 0, "expected an even number"),
        (0, 12, "expected an even number"),
        (0.5, 1, "charge=0.5 of HO: expected an integer"),
    ],
)
def test_charge_and_multiplicity_must_fit_the_electrons(charge, multiplicity, message):
    with pytest.raises(ValueError, match=message):
        set_charge(Atoms("OH", [[0, 0, 0], [0.97, 0, 0]]), charge, multiplicity)


def test_set_charge_leaves_its_input_alone():
    bare = Atoms("Na")
    assert set_charge(bare, 1).info == {"charge": 1, "multiplicity": 1}
    assert bare.info == {}


@pytest.mark.parametrize(
    ("smiles", "formula", "charge", "multiplicity"),
    [
        ("O=C1OCCO1", "C3H4O3", 0, 1),
        ("CCn1cc[n+](C)c1", "C6H11N2", 1, 1),
        ("[Na+]", "Na", 1, 1),
        ("[CH3]", "CH3", 0, 2),
        ("F[P-](F)(F)(F)(F)F", "F6P", -1, 1),
    ],
)
def test_smiles_give_formula_charge_and_multiplicity(smiles, formula, charge, multiplicity):
    atoms = molecule_from_smiles(smiles, seed=1)
    assert atoms.get_chemical_formula("hill") == formula
    assert (atoms.info["charge"], atoms.info["multiplicity"]) == (charge, multiplicity)
    assert atoms.info["smiles"] == smiles


def test_smiles_give_the_bonds_of_the_library():
    made, stored = molecule_from_smiles("O=C1OCCO1", seed=1), molecule("EC")
    assert nx.is_isomorphic(bond_graph(made), bond_graph(stored)), (
        "the ring carbonate has one topology"
    )


def test_one_seed_gives_one_geometry_and_another_seed_another():
    first, again, other = (molecule_from_smiles("CCCCOC", seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 0.01


@pytest.mark.parametrize(
    ("smiles", "seed", "message"),
    [
        ("C1CC", 1, "'C1CC' is not valid"),
        ("", 1, "is not valid"),
        ("[Na+].[Cl-]", 1, "holds several molecules"),
        ("CC", -1, "seed=-1: expected an integer from 0"),
    ],
)
def test_smiles_that_are_no_molecule_are_refused(smiles, seed, message):
    with pytest.raises(ValueError, match=message):
        molecule_from_smiles(smiles, seed)


def test_without_rdkit_the_error_says_how_to_install_it(monkeypatch):
    original = builtins.__import__

    def without_rdkit(name, *args, **kwargs):
        if name.startswith("rdkit"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_rdkit)
    with pytest.raises(
        ModuleNotFoundError, match=r"pip install 'aiida-mliptransport\[structures\]"
    ):
        molecule_from_smiles("C", seed=1)
