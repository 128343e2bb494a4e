"""Starting cells in the graph: creators, seeds, caching, charges, one kind for each element."""

import io

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage.caching import enable_caching
from ase.build import bulk
from ase.io import write

from aiida_mliptransport.calculations.functions import starting_cells
from aiida_mliptransport.science.structures.recipes import RECIPES

OXIDATION = {"Li": 1, "Cl": -1}
SITES = ("A1 Li 0 0 0 0.5", "X1 Cl 0.5 0.5 0.5 1.0")

#: Name to parameters, seed or none, and atoms of each cell made of eight atoms of LiCl.
FROM_LICL = {
    "rattle_cell": ({"stdev": 0.05, "n_structures": 2}, 1, [8, 8]),
    "strain_cell": ({"strains": [[0.01, 0, 0, 0, 0, 0]]}, None, [8]),
    "strain_randomly": ({"maximum": 0.02, "n_structures": 2}, 1, [8, 8]),
    "scale_volumes": ({"relative_volumes": [0.9, 1.1]}, None, [8, 8]),
    "densify_cell": (
        {
            "calculator": {"name": "lj", "sigma_A": 2.3, "epsilon_eV": 0.05},
            "path": [[10.0, 1.0, 0.005]],
        },
        1,
        [8],
    ),
    "relax_cell": ({"calculator": {"name": "lj", "sigma_A": 2.3}, "fmax": 0.1}, None, [8]),
    "build_supercell": ({"multiples": [2, 1, 1]}, None, [16]),
    "order_randomly": ({"occupancies": {"Li": {"Li": 0.5}}}, 1, [6]),
    "order_by_ewald": (
        {
            "occupancies": {"Li": {"Li": 0.5}},
            "oxidation_states": OXIDATION,
            "n_candidates": 5,
            "n_orderings": 2,
        },
        1,
        [6, 6],
    ),
    "order_quasirandom": (
        {"occupancies": {"Li": {"Li": 0.5, "Na": 0.5}}, "cutoff": 4.0, "n_steps": 20},
        1,
        [8],
    ),
    "exchange_anions": ({"first": [0], "second": [1], "percentage": 100.0}, 1, [8]),
    "make_vacancies": ({"elements": {"Li": 1}, "oxidation_states": OXIDATION}, 1, [7]),
    "add_interstitial": (
        {"symbol": "Li", "oxidation_states": OXIDATION, "min_radius": 1.5},
        1,
        [9],
    ),
    "make_frenkel_pair": (
        {"symbol": "Li", "min_radius": 1.5, "min_separation": 2.0},
        1,
        [8],
    ),
    "cut_slab": ({"miller": [1, 0, 0], "thickness": 5.0, "vacuum": 8.0}, None, [4]),
    "join_tilt_boundary": (
        {
            "axis": [0, 0, 1],
            "sigma": 5,
            "plane": [3, 1, 0],
            "grain_thickness": 5.0,
            "min_distance": 1.0,
            "gap": 1.0,
        },
        None,
        [80],
    ),
    "join_twist_boundary": (
        {"axis": [0, 0, 1], "sigma": 5, "grain_thickness": 5.0, "min_distance": 1.0, "gap": 1.0},
        None,
        [80],
    ),
}


@pytest.fixture
def licl(aiida_profile):
    return orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.13, cubic=True)).store()


def make(name, parameters, seed=None, **inputs):
    if seed is not None:
        inputs["seed"] = orm.Int(seed)
    return getattr(starting_cells, name).run_get_node(parameters=orm.Dict(parameters), **inputs)


def cells(outputs):
    if "structure" in outputs:
        return [outputs["structure"]]
    return [outputs["structures"][key] for key in sorted(outputs["structures"])]


def reports(outputs):
    report = outputs["report"].get_dict()
    return list(report["cells"].values()) if "cells" in report else [report]


def test_each_recipe_is_a_calcfunction():
    for name in RECIPES:
        assert getattr(starting_cells, name).is_process_function, name


@pytest.mark.medium
@pytest.mark.parametrize("name", sorted(FROM_LICL))
def test_a_cell_has_the_calcfunction_as_creator_and_a_report(licl, name):
    parameters, seed, sizes = FROM_LICL[name]
    outputs, node = make(name, parameters, seed, structure=licl)
    assert node.process_label == name
    assert [len(cell.sites) for cell in cells(outputs)] == sizes
    assert [report["n_atoms"] for report in reports(outputs)] == sizes
    for cell, report in zip(cells(outputs), reports(outputs), strict=True):
        assert cell.creator.pk == node.pk
        assert set(cell.get_kind_names()) == set(cell.get_symbols_set())
        assert report["volume_A3"] == pytest.approx(cell.get_cell_volume())
    inputs = node.base.links.get_incoming(link_type=LinkType.INPUT_CALC).all_link_labels()
    assert set(inputs) == {"structure", "parameters"} | ({"seed"} if seed is not None else set())


@pytest.mark.medium
@pytest.mark.parametrize("name", ["densify_cell", "order_randomly"])
def test_a_seed_gives_one_hash(licl, name):
    parameters, seed, _ = FROM_LICL[name]
    first, second = (make(name, parameters, seed, structure=licl)[0] for _ in range(2))
    for one, two in zip(cells(first), cells(second), strict=True):
        assert one.pk != two.pk
        assert one.base.caching.compute_hash() == two.base.caching.compute_hash()
    assert first["report"].get_dict() == second["report"].get_dict()


@pytest.mark.medium
def test_another_seed_gives_another_cell(licl):
    first, second = (
        cells(make("rattle_cell", {"stdev": 0.05}, seed, structure=licl)[0])[0] for seed in (1, 2)
    )
    assert first.base.caching.compute_hash() != second.base.caching.compute_hash()


@pytest.mark.medium
def test_identical_inputs_are_taken_from_the_cache(licl):
    with enable_caching():
        _, first = make("rattle_cell", {"stdev": 0.0437}, 3, structure=licl)
        _, again = make("rattle_cell", {"stdev": 0.0437}, 3, structure=licl)
        _, other = make("rattle_cell", {"stdev": 0.0437}, 4, structure=licl)
    assert again.base.caching.get_cache_source() == first.uuid
    assert other.base.caching.get_cache_source() is None
    assert cells(again.outputs)[0].creator.pk == again.pk


@pytest.mark.medium
def test_the_charge_of_the_incoming_cell_is_a_parameter_and_goes_on(licl):
    outputs, _ = make("build_supercell", {"multiples": [2, 1, 1], "charge": -1}, structure=licl)
    assert reports(outputs)[0]["charge"] == -2
    vacancy, _ = make(
        "make_vacancies",
        {"elements": {"Li": 1}, "oxidation_states": OXIDATION, "charge": -2},
        1,
        structure=outputs["structure"],
    )
    assert reports(vacancy)[0]["charge"] == -3
    uncharged, _ = make("build_supercell", {"multiples": [2, 1, 1]}, structure=licl)
    assert "charge" not in reports(uncharged)[0]


def test_a_structure_with_partial_kinds_is_ordered(aiida_profile):
    disordered = orm.StructureData(cell=[[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    disordered.append_atom(position=(0, 0, 0), symbols=["Li", "Na"], weights=[0.5, 0.25])
    disordered.append_atom(position=(2, 2, 2), symbols="Cl")
    outputs, _ = make(
        "order_randomly",
        {"multiples": [2, 2, 2], "oxidation_states": {"Li": 1, "Na": 1, "Cl": -1}},
        1,
        structure=disordered,
    )
    assert cells(outputs)[0].get_formula("hill") == "Cl8Li4Na2"
    assert reports(outputs)[0]["charge"] == -2


def test_a_cif_with_partial_occupancies_is_ordered(aiida_profile, disordered_cif):
    file = orm.SinglefileData(io.BytesIO(disordered_cif(SITES).encode()), filename="structure.cif")
    outputs, node = make("order_randomly", {"multiples": [2, 2, 1]}, 1, structure=file)
    assert cells(outputs)[0].get_formula("hill") == "Cl4Li2"
    report = reports(outputs)[0]["builder"]["occupancies"]["A1"]
    assert report["built"] == {"Li": 0.5, "vacancy": 0.5}
    assert node.inputs.structure.pk == file.pk


@pytest.mark.medium
def test_an_interface_has_two_structures_as_inputs_and_tells_the_sides(licl):
    other = orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.2, cubic=True))
    outputs, node = make(
        "join_interface",
        {
            "substrate_miller": [1, 0, 0],
            "film_miller": [1, 0, 0],
            "substrate_thickness": 5.0,
            "film_thickness": 5.0,
            "gap": 2.5,
            "max_strain": 0.02,
        },
        substrate=licl,
        film=other,
    )
    assert {"substrate", "film"} < set(node.inputs)
    report = reports(outputs)[0]
    sides = report["arrays"]["side"]
    assert len(sides) == report["n_atoms"]
    assert sides.count("film") == sides.count("substrate")
    assert report["builder"]["interface"]["max_strain"] == pytest.approx(1 - 5.13 / 5.2, rel=1e-3)


@pytest.mark.medium
def test_a_dilute_start_takes_molecules_of_the_library_files_and_smiles(aiida_profile, tmp_path):
    write(tmp_path / "odd name.xyz", bulk("LiF", "rocksalt", a=4.0), format="xyz")
    outputs, _ = make(
        "place_amorphous",
        {
            "components": [
                {"name": "EMIm+", "count": 2},
                {"xyz": "salt", "charge": -1, "multiplicity": 2, "count": 2},
                {"smiles": "O", "count": 1},
            ],
            "density": 0.2,
        },
        1,
        salt=orm.SinglefileData(tmp_path / "odd name.xyz"),
    )
    report = reports(outputs)[0]
    assert report["charge"] == 0
    assert report["density_g_cm3"] == pytest.approx(0.2)
    assert [row["charge"] for row in report["builder"]["components"]] == [1, -1, 0]
    assert cells(outputs)[0].get_formula("hill") == "C12H24F2Li2N4O"


@pytest.mark.medium
@pytest.mark.packmol
def test_a_liquid_has_its_density_and_charge_and_one_hash(aiida_profile):
    parameters = {
        "components": [{"name": "EMIm+", "count": 4}, {"name": "AlCl4-", "count": 4}],
        "density": 1.0,
    }
    (first, _), (second, _) = (make("pack_liquid", parameters, 1) for _ in range(2))
    report = reports(first)[0]
    assert report["charge"] == 0
    assert report["density_g_cm3"] == pytest.approx(1.0)
    assert report["package"].startswith("packmol ")
    # 19 atoms of EMIm+ and 5 of AlCl4-, molecule by molecule.
    assert report["arrays"]["tags"] == [i for i in range(4) for _ in range(19)] + [
        4 + i for i in range(4) for _ in range(5)
    ]
    assert (
        first["structure"].base.caching.compute_hash()
        == second["structure"].base.caching.compute_hash()
    )
