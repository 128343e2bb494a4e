"""Grain boundaries: misorientation, planes, composition, close pairs."""

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from aiida_mliptransport.science.structures.broken_bonds import count_broken_bonds
from aiida_mliptransport.science.structures.grain_boundaries import (
    symmetric_tilt_boundary,
    twist_boundary,
)

from .crystals import argyrodite, rock_salt

A = 3.6
COPPER = bulk("Cu", a=A, cubic=True)
SETTINGS = {"grain_thickness": 12.0, "min_distance": 1.0}
BARELY = {"grain_thickness": 12.0, "min_distance": 0.1}


def crystal_axes(built, grain: int, length: float) -> np.ndarray:
    """Return the directions of second neighbours, ⟨100⟩ of fcc, inside a grain, as unit rows."""
    part = built[built.arrays["grain"] == grain]
    part.pbc = (True, True, False)
    first, distance, vectors = neighbor_list("idD", part, 1.01 * length)
    heights = part.positions[:, 2]
    chosen = (np.abs(heights - heights.mean()) < 3.0)[first] & (distance > 0.99 * length)
    return np.unique(np.round(vectors[chosen] / length, 4) + 0.0, axis=0)


def misorientation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the least angle of the grains' ⟨100⟩ directions but the common one, in degrees."""
    cosines = np.clip(np.abs(first @ second.T), 0, 1)
    angles = np.degrees(np.arccos(cosines)).min(axis=1)
    return float(angles[angles > 1.0].min())


@pytest.mark.parametrize("plane", [(3, 1, 0), (2, 1, 0)])
def test_sigma_5_tilt_grains_are_turned_by_36_87_degrees_about_the_axis(plane) -> None:
    built = symmetric_tilt_boundary(COPPER, (0, 0, 1), 5, plane, **BARELY)
    report = built.info["grain_boundary"]
    assert report["angle"] == pytest.approx(36.8699, abs=1e-4)
    assert (report["kind"], report["sigma"], report["axis"]) == ("symmetric tilt", 5, [0, 0, 1])
    assert tuple(report["plane"]) == plane
    assert sorted(map(abs, report["second_plane"])) == sorted(plane)
    axes = [crystal_axes(built, grain, A) for grain in (0, 1)]
    assert len(axes[0]) == len(axes[1]) == 6
    assert misorientation(*axes) == pytest.approx(36.8699, abs=0.01)
    # The axis is common to both grains and lies in the boundary.
    common = axes[0][np.abs(axes[0] @ axes[1].T).max(axis=1) > 0.9999]
    assert len(common) == 2
    np.testing.assert_allclose(common[:, 2], 0.0, atol=1e-3)


def test_the_area_of_sigma_5_is_that_of_its_coincidence_cell() -> None:
    built = symmetric_tilt_boundary(COPPER, (0, 0, 1), 5, (3, 1, 0), **BARELY)
    assert built.info["grain_boundary"]["area"] == pytest.approx(A**2 * np.sqrt(10))
    assert len(built) * A**3 / 4 == pytest.approx(built.get_volume())


def test_sigma_5_twist_grains_share_the_axis_across_the_boundary() -> None:
    built = twist_boundary(COPPER, (0, 0, 1), 5, **SETTINGS)
    report = built.info["grain_boundary"]
    assert (report["kind"], report["angle"]) == ("twist", pytest.approx(36.8699, abs=1e-4))
    axes = [crystal_axes(built, grain, A) for grain in (0, 1)]
    assert misorientation(*axes) == pytest.approx(36.8699, abs=0.01)
    for directions in axes:
        assert np.isclose(np.abs(directions[:, 2]), 1.0, atol=1e-3).sum() == 2
    assert report["area"] == pytest.approx(5 * A**2)


def test_sigma_3_has_its_coherent_twin_of_60_degrees() -> None:
    built = twist_boundary(COPPER, (1, 1, 1), 3, **SETTINGS)
    assert built.info["grain_boundary"]["angle"] == pytest.approx(60.0)
    assert built.info["grain_boundary"]["shortest_distance"] > 0.9 * A / np.sqrt(2)


def test_rock_salt_keeps_its_composition_and_its_bonds_inside() -> None:
    built = twist_boundary(rock_salt(), (0, 0, 1), 5, **SETTINGS)
    counts = built.symbols.formula.count()
    assert counts["Li"] == counts["Cl"]
    assert built.info["grain_boundary"]["merged"] == {}


def test_ordered_lithium_does_not_keep_argyrodite_from_a_boundary() -> None:
    built = symmetric_tilt_boundary(
        argyrodite(), (0, 0, 1), 5, (3, 1, 0), grain_thickness=15.0, min_distance=0.2, gap=1.0
    )
    counts = built.symbols.formula.count()
    assert {k: v / counts["P"] for k, v in counts.items()} == {"Li": 6, "P": 1, "S": 5, "Cl": 1}


@pytest.mark.parametrize("plane", [(3, 1, 0), (2, 1, 0)])
def test_thiophosphate_stays_whole_at_a_boundary_that_no_flat_cut_spares(plane) -> None:
    arguments = {"grain_thickness": 9.0, "min_distance": 0.2, "gap": 2.0}
    bonds = {("P", "S"): 2.4}
    built, cut = (
        symmetric_tilt_boundary(argyrodite(), (0, 0, 1), 5, plane, bonds=given, **arguments)
        for given in (bonds, None)
    )
    for grain in (0, 1):
        part, divided = (atoms[atoms.arrays["grain"] == grain] for atoms in (built, cut))
        assert count_broken_bonds(part, argyrodite(), bonds) == 0
        assert count_broken_bonds(divided, argyrodite(), bonds) > 0
    assert built.symbols.formula == cut.symbols.formula
    with pytest.raises(ValueError, match="join atoms without end across the cut"):
        twist_boundary(argyrodite(), (0, 0, 1), 5, bonds={("Li", "S"): 3.0}, **arguments)


def test_a_gap_widens_the_cell_at_both_boundaries() -> None:
    plain, wide = (twist_boundary(COPPER, (0, 0, 1), 5, gap=gap, **SETTINGS) for gap in (0.0, 0.5))
    assert wide.cell[2, 2] - plain.cell[2, 2] == pytest.approx(1.0)
    assert len(wide) == len(plain)


def test_close_pairs_are_refused_or_merged_with_a_count() -> None:
    arguments = {"grain_thickness": 12.0, "min_distance": 1.7}
    with pytest.raises(ValueError, match=r"pairs of atoms are nearer than min_distance=1.7 Å"):
        symmetric_tilt_boundary(COPPER, (0, 0, 1), 5, (3, 1, 0), **arguments)
    whole = symmetric_tilt_boundary(COPPER, (0, 0, 1), 5, (3, 1, 0), **BARELY)
    merged = symmetric_tilt_boundary(
        COPPER, (0, 0, 1), 5, (3, 1, 0), close_pairs="merge", **arguments
    )
    report = merged.info["grain_boundary"]
    assert report["merged"]["Cu"] == len(whole) - len(merged) > 0
    assert report["shortest_distance"] >= 1.7
    assert whole.info["grain_boundary"]["shortest_distance"] < 1.7


def test_the_same_call_gives_the_same_atoms() -> None:
    once, again = (twist_boundary(COPPER, (0, 0, 1), 13, **SETTINGS) for _ in range(2))
    np.testing.assert_array_equal(once.positions, again.positions)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: twist_boundary(COPPER, (0, 0, 1), 7, **SETTINGS),
            r"sigma=7 does not occur about axis \[0, 0, 1\]; below it there are \[5\]",
        ),
        (lambda: twist_boundary(COPPER, (0, 0, 1), 2, **SETTINGS), "sigma=2: expected an odd"),
        (
            lambda: symmetric_tilt_boundary(COPPER, (0, 0, 1), 5, (1, 1, 1), **SETTINGS),
            r"plane=\(1, 1, 1\) does not hold axis=\(0, 0, 1\)",
        ),
        (
            lambda: symmetric_tilt_boundary(COPPER, (0, 0, 1), 5, (4, 1, 0), **SETTINGS),
            r"plane=\(4, 1, 0\): no rotation of sigma 5",
        ),
        (
            lambda: twist_boundary(bulk("Cu"), (0, 0, 1), 5, **SETTINGS),
            "expected a cube; give the conventional cubic cell",
        ),
        (
            lambda: twist_boundary(COPPER, (0, 0, 1), 5, grain_thickness=-1.0, min_distance=1.0),
            "grain_thickness=-1.0 Å: expected a positive length",
        ),
        (
            lambda: twist_boundary(COPPER, (0, 0, 1), 5, close_pairs="drop", **SETTINGS),
            "close_pairs='drop': expected 'refuse' or 'merge'",
        ),
    ],
)
def test_bad_input_is_refused(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
