"""Point defects: counts, charges, places, and symmetry of vacancies."""

import numpy as np
import pytest
from ase import Atoms

from aiida_mliptransport.science.structures.defects import (
    add_interstitial,
    inequivalent_vacancies,
    make_frenkel_pair,
    remove_atoms,
)

from .crystals import lithium_carbonate, rock_salt

LICL = {"Li": 1, "Cl": -1}
LI2CO3 = {"Li": 1, "C": 4, "O": -2}


def test_lithium_carbonate_has_one_lithium_and_two_oxygen_vacancies() -> None:
    assert len(inequivalent_vacancies(lithium_carbonate(), "Li")) == 1
    oxygen = inequivalent_vacancies(lithium_carbonate(), "O")
    assert sorted(len(o.indices) for o in oxygen) == [4, 8]


def test_a_removed_lithium_ion_leaves_minus_one() -> None:
    atoms = lithium_carbonate()
    built = remove_atoms(atoms, [0], oxidation_states=LI2CO3)
    assert built.info["charge"] == -1
    assert built.symbols.formula.count() == {"Li": 7, "C": 4, "O": 12}
    assert built.info["defects"] == [
        {"kind": "vacancy", "element": "Li", "position": list(atoms.positions[0])}
    ]


def test_electrons_keep_the_charge_of_the_cell() -> None:
    built = remove_atoms(
        lithium_carbonate(), {"Li": 2}, oxidation_states=LI2CO3, compensation="electrons", seed=1
    )
    assert built.info["charge"] == 0
    assert len(built) == 22


def test_a_schottky_pair_is_neutral() -> None:
    built = remove_atoms(rock_salt().repeat(2), {"Li": 3, "Cl": 3}, oxidation_states=LICL, seed=2)
    assert built.info["charge"] == 0
    assert built.symbols.formula.count() == {"Li": 29, "Cl": 29}
    assert [d["element"] for d in built.info["defects"]].count("Cl") == 3


def test_defects_add_up() -> None:
    once = remove_atoms(rock_salt().repeat(2), {"Li": 1}, oxidation_states=LICL, seed=2)
    twice = remove_atoms(once, {"Li": 1}, oxidation_states=LICL, seed=3)
    filled = add_interstitial(twice, "Li", oxidation_states=LICL, min_radius=1.0, void=0)
    assert [a.info["charge"] for a in (once, twice, filled)] == [-1, -2, -1]
    assert [d["kind"] for d in filled.info["defects"]] == ["vacancy", "vacancy", "interstitial"]


def test_an_interstitial_of_rock_salt_sits_in_the_tetrahedral_void() -> None:
    a = 5.14
    built = add_interstitial(rock_salt(a=a), "Li", oxidation_states=LICL, min_radius=1.5, void=0)
    assert built.info["charge"] == 1
    assert built.symbols[-1] == "Li"
    np.testing.assert_allclose(built.positions[-1] / a % 0.5, 0.25, atol=1e-6)
    assert built.info["defects"][0]["void_radius"] == pytest.approx(a * np.sqrt(3) / 4)


def test_an_interstitial_of_another_element_needs_its_own_state_only() -> None:
    built = add_interstitial(rock_salt(), "Na", oxidation_states={"Na": 1}, min_radius=1.5, seed=4)
    assert built.info["charge"] == 1
    assert built.symbols[-1] == "Na"


def test_a_frenkel_pair_is_neutral_and_as_far_apart_as_asked() -> None:
    atoms = rock_salt().repeat(3)
    built = make_frenkel_pair(
        atoms, "Li", min_radius=1.5, min_separation=4.0, max_separation=6.0, seed=5
    )
    assert built.info["charge"] == 0
    assert built.symbols.formula.count() == atoms.symbols.formula.count()
    moved = np.flatnonzero(np.linalg.norm(built.positions - atoms.positions, axis=1) > 1e-9)
    assert len(moved) == 1
    both = atoms[[int(moved[0])]] + built[[int(moved[0])]]
    distance = both.get_distance(0, 1, mic=True)
    assert 4.0 <= distance <= 6.0
    assert built.info["defects"][1]["separation"] == pytest.approx(distance)


def test_a_frenkel_pair_moves_the_ion_that_is_named() -> None:
    atoms = rock_salt().repeat(2)
    built = make_frenkel_pair(atoms, "Li", min_radius=1.5, min_separation=3.0, index=2, seed=5)
    assert np.linalg.norm(built.positions[2] - atoms.positions[2]) > 1
    assert np.allclose(np.delete(built.positions, 2, 0), np.delete(atoms.positions, 2, 0))


def test_one_seed_gives_one_result() -> None:
    atoms = rock_salt().repeat(2)

    def build(seed: int) -> list[Atoms]:
        return [
            remove_atoms(atoms, {"Li": 4}, oxidation_states=LICL, seed=seed),
            add_interstitial(atoms, "Li", oxidation_states=LICL, min_radius=1.5, seed=seed),
            make_frenkel_pair(atoms, "Li", min_radius=1.5, min_separation=3.0, seed=seed),
        ]

    for once, again, other in zip(build(1), build(1), build(2), strict=True):
        np.testing.assert_array_equal(once.positions, again.positions)
        assert not np.array_equal(once.positions, other.positions)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: remove_atoms(a, {"Li": 9}, oxidation_states=LICL, seed=1), "holds 4 Li"),
        (lambda a: remove_atoms(a, {"Li": 1}, oxidation_states=LICL), "seed is missing"),
        (lambda a: remove_atoms(a, [0], oxidation_states=LICL, seed=1), "seed=1 is superfluous"),
        (
            lambda a: remove_atoms(a, [0, 0], oxidation_states=LICL),
            "indices from 0 to 7, each once",
        ),
        (lambda a: remove_atoms(a, range(8), oxidation_states=LICL), "removes all 8 atoms"),
        (lambda a: remove_atoms(a, [0], oxidation_states={"Li": 1}), r"no state for \['Cl'\]"),
        (
            lambda a: remove_atoms(a, [0], oxidation_states=LICL, compensation="magic"),
            "compensation='magic': expected 'none' or 'electrons'",
        ),
        (lambda a: inequivalent_vacancies(a, "Na"), r"symbol='Na' is not in the cell"),
        (
            lambda a: add_interstitial(a, "Li", oxidation_states=LICL, min_radius=9.0, void=0),
            "min_radius=9 Å: the cell has no void that large",
        ),
        (
            lambda a: add_interstitial(a, "Li", oxidation_states=LICL, min_radius=1.5),
            "void=None and seed=None: give one",
        ),
        (
            lambda a: add_interstitial(a, "Li", oxidation_states=LICL, min_radius=1.5, void=99),
            "void=99: expected 0 to 7, since 8 voids",
        ),
        (
            lambda a: make_frenkel_pair(a, "Li", min_radius=1.5, min_separation=50.0, seed=1),
            "none of 8 voids lies 50 to inf Å from Li",
        ),
        (
            lambda a: make_frenkel_pair(
                a, "Li", min_radius=1.5, min_separation=2.0, index=7, seed=1
            ),
            "index=7 is no Li",
        ),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(rock_salt())
