"""Slabs: areas, vacuum, terminations, polarity."""

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from aiida_mliptransport.science.structures.surfaces import build_slab, list_terminations

from .crystals import lithium_carbonate, rock_salt

A = 3.6
LICL = {"Li": 1, "Cl": -1}


@pytest.mark.parametrize(
    ("miller", "area"),
    [
        ((1, 1, 1), A**2 * np.sqrt(3) / 4),
        ((1, 0, 0), A**2 / 2),
        ((1, 1, 0), A**2 / np.sqrt(2)),
    ],
)
def test_fcc_surfaces_have_the_area_of_their_surface_cell(miller, area) -> None:
    slab = build_slab(bulk("Cu", a=A, cubic=True), miller, thickness=10.0, vacuum=12.0)
    assert slab.info["slab"]["area"] == pytest.approx(area)
    assert slab.info["slab"]["stoichiometric"]
    assert slab.info["slab"]["symmetric"]


def test_vacuum_is_exact_and_the_slab_thick_enough() -> None:
    slab = build_slab(bulk("Cu", a=A, cubic=True), (1, 1, 1), thickness=10.0, vacuum=12.0)
    np.testing.assert_allclose(slab.cell.angles()[:2], 90.0)
    heights = slab.positions[:, 2]
    assert slab.cell.lengths()[2] - np.ptp(heights) == pytest.approx(12.0)
    assert slab.info["slab"]["thickness"] == pytest.approx(np.ptp(heights))
    # A repeat unit holds one spacing more than it spans.
    assert np.ptp(heights) + A / np.sqrt(3) >= 10.0
    planes = np.unique(np.round(heights, 6))
    np.testing.assert_allclose(np.diff(planes), A / np.sqrt(3))


def test_the_neutral_face_of_rock_salt_is_not_polar() -> None:
    slab = build_slab(rock_salt(), (1, 0, 0), thickness=8.0, vacuum=10.0, oxidation_states=LICL)
    report = slab.info["slab"]
    assert (report["polar"], report["charge"], slab.info["charge"]) == (False, 0, 0)
    assert set(report["top"]) == set("ClLi")


def test_the_octopolar_face_of_rock_salt_is_polar() -> None:
    slabs = list_terminations(
        rock_salt(), (1, 1, 1), thickness=8.0, vacuum=10.0, oxidation_states=LICL
    )
    assert slabs
    for slab in slabs:
        report = slab.info["slab"]
        assert report["polar"]
        assert {report["top"], report["bottom"]} == {"Li", "Cl"}
        # Layers of ±1 per area, a step of a/(2√3) between: n dipoles of that length.
        planes = len(slab) // 2
        expected = planes * (5.14 / (2 * np.sqrt(3))) / report["area"]
        assert abs(report["dipole_per_area"]) == pytest.approx(expected)


def test_without_oxidation_states_nothing_is_said_of_polarity() -> None:
    slab = build_slab(rock_salt(), (1, 0, 0), thickness=8.0, vacuum=10.0)
    assert "polar" not in slab.info["slab"]
    assert "charge" not in slab.info


@pytest.mark.medium
def test_terminations_of_lithium_carbonate_are_listed_and_must_be_chosen() -> None:
    arguments = {"thickness": 4.0, "vacuum": 10.0}
    slabs = list_terminations(lithium_carbonate(), (1, 0, 0), **arguments)
    assert len(slabs) > 1
    assert [s.info["slab"]["termination"] for s in slabs] == list(range(len(slabs)))
    with pytest.raises(ValueError, match=rf"has {len(slabs)} terminations .*0: .*1: "):
        build_slab(lithium_carbonate(), (1, 0, 0), **arguments)
    chosen = build_slab(lithium_carbonate(), (1, 0, 0), termination=1, **arguments)
    np.testing.assert_allclose(chosen.positions, slabs[1].positions)
    with pytest.raises(ValueError, match=rf"termination=99: expected 0 to {len(slabs) - 1}"):
        build_slab(lithium_carbonate(), (1, 0, 0), termination=99, **arguments)


@pytest.mark.medium
def test_terminations_that_cut_carbonate_are_left_out() -> None:
    arguments = {"thickness": 6.0, "vacuum": 10.0}
    everything = list_terminations(lithium_carbonate(), (0, 0, 1), **arguments)
    whole = list_terminations(lithium_carbonate(), (0, 0, 1), bonds={("C", "O"): 1.6}, **arguments)
    assert 0 < len(whole) < len(everything)
    for slab in whole:
        carbon = neighbor_list("i", slab, {("C", "O"): 1.6})
        counts = np.bincount(carbon, minlength=len(slab))[slab.numbers == 6]
        assert (counts == 3).all()
    broken = [s for s in everything if len(neighbor_list("i", s, {("C", "O"): 1.6})) < 6 * 4]
    assert broken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"miller": (0, 0, 0)}, r"miller=\(0, 0, 0\): expected three integers"),
        ({"miller": (1, 0.5, 0)}, "expected three integers"),
        ({"thickness": 0.0}, "thickness=0.0 Å: expected a positive length"),
        ({"vacuum": -1.0}, "vacuum=-1.0 Å: expected a positive length"),
        ({"bonds": {("Li", "Cl"): 3.0}}, "every termination of .* breaks some"),
        ({"bonds": {"LiCl": 3.0}}, "bonds holds 'LiCl': 3.0: expected two elements"),
        ({"oxidation_states": {"Li": 1}}, r"no state for \['Cl'\]"),
    ],
)
def test_bad_input_is_refused(change, message) -> None:
    arguments = {"miller": (1, 0, 0), "thickness": 8.0, "vacuum": 10.0} | change
    with pytest.raises(ValueError, match=message):
        build_slab(rock_salt(), arguments.pop("miller"), **arguments)
