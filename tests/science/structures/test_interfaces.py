"""Coherent interfaces: strain of either side, size, gap."""

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.structures.interfaces import coherent_interface

from .crystals import lithium_carbonate, rock_salt

PLANE = (1, 0, 0)
SLABS = {"substrate_thickness": 6.0, "film_thickness": 6.0, "gap": 2.5}


def lithium(a: float = 3.44):
    return bulk("Li", "bcc", a=a, cubic=True)


def test_a_crystal_on_itself_is_not_strained() -> None:
    built = coherent_interface(
        rock_salt(), rock_salt(), PLANE, PLANE, max_strain=0.01, termination=0, **SLABS
    )
    report = built.info["interface"]
    np.testing.assert_allclose(report["film_strain"], 0.0, atol=1e-9)
    np.testing.assert_allclose(report["substrate_strain"], 0.0, atol=1e-9)
    assert report["area"] == pytest.approx(5.14**2 / 2)
    assert report["shortest_contact"] >= 2.5 - 1e-9


@pytest.mark.parametrize(
    ("share", "film", "substrate"),
    [(1.0, 0.02, 0.0), (0.0, 0.0, 1 / 1.02 - 1), (0.5, 0.01, 1.01 / 1.02 - 1)],
)
def test_a_misfit_of_two_per_cent_is_shared_as_asked(share, film, substrate) -> None:
    built = coherent_interface(
        rock_salt(a=5.1), rock_salt(a=5.0), PLANE, PLANE, max_strain=0.021, film_share=share,
        termination=0, **SLABS,
    )  # fmt: skip
    report = built.info["interface"]
    np.testing.assert_allclose(report["film_strain"], film * np.eye(2), atol=1e-9)
    np.testing.assert_allclose(report["substrate_strain"], substrate * np.eye(2), atol=1e-9)
    np.testing.assert_allclose(report["misfit"], [0.02, 0.02])
    assert report["max_strain"] == pytest.approx(max(abs(film), abs(substrate)))
    assert report["area"] == pytest.approx((5.0 * (1 + film)) ** 2 / 2)


def test_bond_lengths_across_the_normal_are_those_of_either_crystal() -> None:
    built = coherent_interface(
        rock_salt(a=5.1), rock_salt(a=5.0), PLANE, PLANE, max_strain=0.021, termination=0, **SLABS
    )
    for name, spacing in (("substrate", 2.55), ("film", 2.5)):
        heights = np.unique(np.round(built.positions[built.arrays["side"] == name, 2], 4))
        np.testing.assert_allclose(np.diff(heights), spacing, atol=1e-3)


def test_without_vacuum_the_cell_holds_two_interfaces_of_the_same_gap() -> None:
    built = coherent_interface(
        rock_salt(), rock_salt(), PLANE, PLANE, max_strain=0.01, termination=0, **SLABS
    )
    heights = np.sort(np.unique(np.round(built.positions[:, 2], 4)))
    around = np.diff([*heights, heights[0] + built.cell[2, 2]])
    assert np.count_nonzero(np.isclose(around, 2.57, atol=1e-3)) == len(heights) - 2
    assert np.count_nonzero(np.isclose(around, 2.5, atol=1e-3)) == 2


def test_vacuum_leaves_one_interface() -> None:
    built = coherent_interface(
        rock_salt(), rock_salt(), PLANE, PLANE, max_strain=0.01, termination=0, vacuum=15.0,
        **SLABS,
    )  # fmt: skip
    heights = built.positions[:, 2]
    around = np.diff(np.sort([*heights, *(heights + built.cell[2, 2])]))
    assert around.max() == pytest.approx(15.0, abs=1e-6)


@pytest.mark.medium
def test_lithium_on_lithium_carbonate_fits_within_five_per_cent() -> None:
    built = coherent_interface(
        lithium_carbonate(), lithium(), (0, 0, 1), (1, 0, 0), max_strain=0.05, max_area=200.0,
        termination=0, bonds={("C", "O"): 1.6}, **SLABS,
    )  # fmt: skip
    report = built.info["interface"]
    largest = np.abs(np.linalg.eigvalsh(report["film_strain"])).max()
    assert 0 < largest <= 0.05
    assert report["max_strain"] == pytest.approx(largest)
    side = built.arrays["side"]
    assert set(built.symbols[side == "film"]) == {"Li"}
    carbonate = built[side == "substrate"].symbols.formula.count()
    assert carbonate["O"] == 3 * carbonate["C"]
    assert carbonate["Li"] == 2 * carbonate["C"]
    # The in-plane area of the carbonate side is a multiple of its (001) cell.
    multiple = report["area"] / (8.359 * 4.973 / 2)
    assert multiple == pytest.approx(round(multiple), abs=1e-6)


def test_the_same_call_gives_the_same_atoms() -> None:
    once, again = (
        coherent_interface(
            rock_salt(a=5.1),
            rock_salt(a=5.0),
            PLANE,
            PLANE,
            max_strain=0.03,
            termination=0,
            **SLABS,
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(once.positions, again.positions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_strain": 1e-4, "max_area": 40.0}, r"max_strain=0.0001 and max_area=40 Å²: none of"),
        ({"max_atoms": 3}, "max_atoms=3: the smallest interface within a strain of 0.05 has"),
        ({"film_share": 2.0}, "film_share=2.0: expected 0 to 1"),
        ({"gap": 0.0}, "gap=0.0: expected a positive number"),
        ({"termination": 99}, "termination=99: expected 0 to"),
        ({"film_miller": (0, 0, 0)}, "expected three integers"),
    ],
)
def test_bad_input_is_refused(change, message) -> None:
    arguments = {
        "substrate_miller": PLANE, "film_miller": PLANE, "max_strain": 0.05, "termination": 0,
        **SLABS,
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        coherent_interface(rock_salt(a=5.1), rock_salt(a=5.0), **arguments)
