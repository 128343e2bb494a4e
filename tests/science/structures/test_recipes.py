"""Recipes: plain parameters reach the builders, and wrong ones are named in one line."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.science.structures.recipes import (
    RECIPES,
    RecipeError,
    apply_report,
    build_cells,
    describe_cell,
)
from aiida_mliptransport.science.structures.recipes.report import shortest_distance


def licl(a: float = 5.13) -> Atoms:
    return bulk("LiCl", "rocksalt", a=a, cubic=True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"stdev": "wide"}, "stdev is 'wide', expected a valid number"),
        ({"stdev": True}, "stdev is True, expected a valid number"),
        ({"stdev": 0.1, "n_structures": 1.5}, "n_structures is 1.5, expected a valid integer"),
        ({"stdv": 0.1}, r"does not know \['stdv'\] and misses \['stdev'\]"),
        ({"stdev": 0.1, "seed": 3}, r"hold \['seed'\], expected as inputs"),
        ({"stdev": 0.1, "charge": "one"}, "charge='one' of the structure"),
        ({"stdev": 0.1, "charge": 0, "multiplicity": 2}, "multiplicity=2 of Cl4Li4"),
        ({"stdev": -1.0}, "stdev=-1.0: expected a positive number"),
    ],
)
def test_bad_parameters_are_named_in_one_line(parameters, message):
    with pytest.raises(ValueError, match=message) as caught:
        build_cells("rattle_cell", parameters, structure=licl(), seed=1)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_and_a_cell_without_periodicity_are_named():
    with pytest.raises(RecipeError, match="recipe is 'shake', expected one of"):
        build_cells("shake", {})
    with pytest.raises(ValueError, match="expected a crystal, periodic"):
        build_cells("scale_volumes", {"relative_volumes": [1.0]}, structure=Atoms("Ar"))


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ({"count": 1}, r"sets \[\]: expected one of"),
        ({"name": "EC", "smiles": "O", "count": 1}, r"sets \['name', 'smiles'\]"),
        ({"name": "EC", "charge": 0, "count": 1}, "'name' has its own"),
        ({"xyz": "salt", "charge": 0, "count": 1}, r"names the file 'salt', expected .* \[\]"),
        ({"name": "EC", "count": "two"}, "components.0.count is 'two', expected a valid integer"),
        ({"name": "EC", "count": 1, "colour": 1}, "components.0.colour is 1, expected"),
    ],
)
def test_bad_components_are_named(component, message):
    with pytest.raises(RecipeError, match=message):
        build_cells("place_amorphous", {"components": [component], "density": 0.1}, seed=1)


def test_bonds_are_pairs_of_elements_with_a_hyphen():
    given = {"miller": [1, 0, 0], "thickness": 4.0, "vacuum": 5.0, "bonds": {"LiCl": 1.0}}
    with pytest.raises(RecipeError, match="bonds holds 'LiCl': expected two elements"):
        build_cells("cut_slab", given, structure=licl())


@pytest.mark.parametrize(
    ("parameters", "n_atoms", "matrix"),
    [
        ({"multiples": [1, 2, 3]}, 48, [[1, 0, 0], [0, 2, 0], [0, 0, 3]]),
        ({"multiples": [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]}, 16, None),
        ({"n_atoms": 64}, 64, [[2, 0, 0], [0, 2, 0], [0, 0, 2]]),
        ({"width": 10.0}, 64, [[2, 0, 0], [0, 2, 0], [0, 0, 2]]),
    ],
)
def test_a_supercell_has_its_size_and_charge(parameters, n_atoms, matrix):
    built = build_cells("build_supercell", {**parameters, "charge": -1}, structure=licl())
    assert len(built) == n_atoms
    assert built.info["charge"] == -n_atoms // 8
    assert matrix is None or built.info["supercell"] == matrix


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "expected exactly one of them"),
        ({"n_atoms": 64, "width": 10.0}, "expected exactly one of them"),
        ({"width": 10.0, "tolerance": 0.1}, "tolerance=0.1 is for n_atoms only"),
        ({"multiples": [2, 2]}, r"multiples=\[2, 2\]: expected three repetitions"),
        ({"multiples": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "a positive determinant"),
    ],
)
def test_a_supercell_is_told_in_one_way(parameters, message):
    with pytest.raises(RecipeError, match=message):
        build_cells("build_supercell", parameters, structure=licl())


def test_a_hole_that_stays_behind_leaves_the_multiplicity_unstated():
    given = {"indices": [0], "oxidation_states": {"Li": 1, "Cl": -1}, "charge": 0}
    closed = build_cells("make_vacancies", {**given, "multiplicity": 1}, structure=licl())
    assert closed.info["charge"] == -1
    assert closed.info["multiplicity"] == 1
    open_shell = build_cells(
        "make_vacancies",
        {**given, "multiplicity": 1, "compensation": "electrons"},
        structure=licl(),
    )
    assert open_shell.info["charge"] == 0
    assert "multiplicity" not in open_shell.info


def test_occupancies_may_name_a_site_by_its_index_as_text():
    (built,) = build_cells(
        "order_randomly",
        {
            "occupancies": {"0": {"Na": 1.0}},
            "oxidation_states": {"Li": 1, "Na": 1, "Cl": -1},
        },
        structure=licl(),
        seed=1,
    )
    assert built.symbols[0] == "Na"
    assert built.info["charge"] == 0


def test_what_the_incoming_cell_carries_else_stays_behind():
    start = licl()
    start.set_tags(range(8))
    start.info = {"charge": 5, "energy": 1.0}
    (built,) = build_cells("scale_volumes", {"relative_volumes": [1.0]}, structure=start)
    assert built.info == {}
    assert not built.get_tags().any()
    assert start.info["charge"] == 5


def test_a_report_is_plain_json_and_gives_back_charge_notes_and_arrays():
    atoms = licl()
    atoms.info = {
        "charge": np.int64(-1),
        "interface": {"area": np.float64(2.0), "contact": np.inf, "planes": (1, 0)},
    }
    atoms.set_array("grain", np.repeat([0, 1], 4))
    report = describe_cell(atoms)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    # Four LiCl of 42.394 u in (5.13 Å)³.
    assert report["density_g_cm3"] == pytest.approx(4 * 42.394 * 1.66054 / 5.13**3, rel=1e-4)
    assert report["shortest_distance_A"] == pytest.approx(5.13 / 2)
    back = apply_report(licl(), report)
    assert back.info["charge"] == -1
    assert back.info["interface"] == {"area": 2.0, "contact": None, "planes": [1, 0]}
    assert back.arrays["grain"].tolist() == [0] * 4 + [1] * 4


def test_a_lonely_atom_is_nearest_to_its_own_image():
    assert shortest_distance(Atoms("Ar", cell=[9, 10, 11], pbc=True)) == pytest.approx(9)


def test_every_recipe_takes_keywords_only():
    for name, recipe in RECIPES.items():
        with pytest.raises(TypeError):
            recipe(licl())
        assert recipe.__name__ == name
