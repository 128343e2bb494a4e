"""Jumps along lattice directions of known crystals: their lengths, and those that are blocked."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from structures.crystals import li3ticl6_sites

from aiida_mliptransport.science.barriers import (
    EndPointsError,
    check_end_points,
    directional_end_points,
)

A = 5.14


def lithium_chloride() -> Atoms:
    return bulk("LiCl", "rocksalt", a=A, cubic=True)


def test_lithium_in_rock_salt_jumps_half_a_face_diagonal() -> None:
    found = directional_end_points(lithium_chloride(), "Li", (1, 1, 0))
    (path,) = found.paths
    assert path.length == pytest.approx(A / np.sqrt(2))
    assert path.angle_degrees == pytest.approx(0.0, abs=1e-6)
    # All four lithium of the cell make the same jump.
    assert path.multiplicity == 4
    assert found.refused == ()
    initial = path.end_points.initial
    assert initial.symbols.formula.count() == {"Li": 31, "Cl": 32}
    (ion,) = path.end_points.moving_ions()
    np.testing.assert_allclose(path.end_points.displacements[ion], [A / 2, A / 2, 0], atol=1e-9)
    assert path.end_points.path_length == pytest.approx(path.length)
    # Past the anion of the edge: a/√8 at half the way, a/2 at the ends.
    assert path.approach is not None
    assert path.approach.ratio == pytest.approx(1 / np.sqrt(2))
    assert check_end_points(path.end_points) == ()


def test_lithium_in_rock_salt_cannot_pass_through_the_anion() -> None:
    with pytest.raises(
        EndPointsError, match=r"along \[1 0 0\]: .*5\.14 Å: .*and Cl \d+ come to 0\.000 Å .* 0\.50"
    ):
        directional_end_points(lithium_chloride(), "Li", (1, 0, 0))


@pytest.mark.parametrize(
    ("metal", "lattice", "a", "direction", "length"),
    [
        ("Al", "fcc", 4.05, (1, 1, 0), 4.05 / np.sqrt(2)),
        ("Al", "fcc", 4.05, (-2, 0, 2), 4.05 / np.sqrt(2)),
        ("Fe", "bcc", 2.87, (1, 1, 1), 2.87 * np.sqrt(3) / 2),
        ("Fe", "bcc", 2.87, (0, 0, 1), 2.87),
        ("Mg", "hcp", 3.21, (1, 0, 0), 3.21),
    ],
)
def test_vacancies_of_metals_jump_to_their_neighbours(
    metal: str, lattice: str, a: float, direction: tuple[int, int, int], length: float
) -> None:
    crystal = bulk(metal, lattice, a=a, **({"cubic": True} if lattice != "hcp" else {}))
    (path,) = directional_end_points(crystal, metal, direction).paths
    assert path.length == pytest.approx(length)
    assert path.multiplicity == 2 * (1 + (lattice == "fcc"))


@pytest.mark.parametrize(
    ("direction", "lengths"),
    [
        ((1, 1, 0), {"4g": 6.303, "2d": 6.303}),
        ((1, 0, 1), {"4g": 7.277}),
        ((1, 0, 0), {"4g": 6.350, "2d": 6.350}),
        ((0, 0, 1), {"4g": 6.353, "2d": 6.353}),
        ((0, 1, 0), {"4g": 3.637}),
        ((3, 1, 0), {"4g": 3.655}),
    ],
)
def test_directions_of_li3ticl6_are_real_vectors_of_its_cell(
    direction: tuple[int, int, int], lengths: dict[str, float]
) -> None:
    crystal = li3ticl6_sites()
    found = directional_end_points(crystal, "Li", direction)
    labels = crystal.arrays["labels"]
    assert {labels[path.start]: round(path.length, 3) for path in found.paths} == pytest.approx(
        lengths, abs=2e-3
    )
    along = np.asarray(direction) @ np.asarray(crystal.cell)
    for path in found.paths:
        cosine = path.vector @ along / np.linalg.norm(along) / path.length
        assert np.degrees(np.arccos(min(cosine, 1.0))) <= 9.0
        # Images of the path are as far apart as asked for, and nearest images are unique.
        cell = path.end_points.initial.cell
        widths = cell.volume / cell.areas()
        assert widths.min() > max(10.0, 2 * path.length)
        assert len(path.end_points.moving_ions()) == 1


def test_titanium_on_the_way_is_named() -> None:
    found = directional_end_points(li3ticl6_sites(), "Li", (1, 0, 1))
    assert len(found.refused) == 1
    assert "Ti" in found.refused[0]
    assert "come to 0.000 Å" in found.refused[0]


def test_sites_off_the_line_are_found_within_the_angle() -> None:
    crystal = lithium_chloride()
    # The lithium at (a/2, a/2, 0) sits a little off, 0.3 Å along c.
    off = int(np.argmin(np.linalg.norm(crystal.positions - [A / 2, A / 2, 0], axis=1)))
    crystal.positions[off, 2] += 0.3
    paths = directional_end_points(crystal, "Li", (1, 1, 0)).paths
    angle = np.degrees(np.arctan(0.3 / (A / np.sqrt(2))))
    assert max(path.angle_degrees for path in paths) == pytest.approx(angle)
    strict = directional_end_points(crystal, "Li", (1, 1, 0), max_angle_degrees=3.0)
    assert {round(path.length, 2) for path in strict.paths} == {3.63}
    # The site after the next lies on the line, and the one that is off it sits on the way.
    assert len(strict.refused) == 2
    assert all("7.27 Å: an ion sits on the way" in reason for reason in strict.refused)
    assert all("come to 0.300 Å" in reason for reason in strict.refused)


def test_equivalent_sites_may_see_different_jumps_along_one_direction() -> None:
    # A row of pairs: each site is the mirror image of the other, but only one way is short.
    crystal = Atoms("Li2", [[0, 0, 0], [2, 0, 0]], cell=[6, 5, 5], pbc=True)
    paths = directional_end_points(crystal, "Li", (1, 0, 0)).paths
    assert [(path.start, path.destination) for path in paths] == [(0, 1), (1, 0)]
    assert [path.length for path in paths] == pytest.approx([2.0, 4.0])
    for path in paths:
        (ion,) = path.end_points.moving_ions()
        np.testing.assert_allclose(path.end_points.displacements[ion], path.vector, atol=1e-9)


def test_a_jump_and_the_reverse_of_its_image_are_one_path() -> None:
    # The middle of the long gap is a centre of inversion, which turns the direction round.
    crystal = Atoms("Li4", [[x, 0, 0] for x in (0, 2, 5, 7)], cell=[11, 5, 5], pbc=True)
    paths = directional_end_points(crystal, "Li", (1, 0, 0)).paths
    assert [path.length for path in paths] == pytest.approx([2.0, 3.0, 4.0])
    assert [path.multiplicity for path in paths] == [2, 1, 1]


def test_the_destination_may_be_several_small_cells_away() -> None:
    (path,) = directional_end_points(bulk("Po", "sc", a=3.0), "Po", (2, 1, 0)).paths
    assert path.length == pytest.approx(3.0 * np.sqrt(5))


def test_the_charge_of_the_ion_taken_goes_into_the_ledger() -> None:
    states = {"Li": 1, "Cl": -1}
    (path,) = directional_end_points(
        lithium_chloride(), "Li", (1, 1, 0), oxidation_states=states
    ).paths
    assert path.end_points.initial.info["charge"] == -1
    assert path.end_points.final.info["charge"] == -1
    (path,) = directional_end_points(lithium_chloride(), "Li", (1, 1, 0)).paths
    assert path.end_points.initial.info["charge"] == 0


def test_an_interstitial_jumps_between_tetrahedral_voids() -> None:
    quarters = np.stack(np.meshgrid([0.25, 0.75], [0.25, 0.75], [0.25, 0.75]), -1).reshape(-1, 3)
    (path,) = directional_end_points(
        lithium_chloride(),
        "Li",
        (1, 0, 0),
        "interstitial",
        sites=A * quarters,
        oxidation_states={"Li": 1, "Cl": -1},
    ).paths
    assert path.length == pytest.approx(A / 2)
    assert path.multiplicity == 8
    assert path.end_points.initial.symbols.formula.count() == {"Li": 33, "Cl": 32}
    assert path.end_points.initial.info["charge"] == 1
    assert path.end_points.moving_ions().tolist() == [64]


def test_a_direction_without_sites_in_reach_is_refused_with_its_repeat() -> None:
    with pytest.raises(EndPointsError, match=r"4 of 4 sites .*max_length=8 .*repeats after 19\.2"):
        directional_end_points(lithium_chloride(), "Li", (1, 2, 3))


@pytest.mark.parametrize("direction", [(0, 0, 0), (1, 0.5, 0), (1, 0)])
def test_what_is_no_lattice_direction_is_refused(direction: tuple[int, ...]) -> None:
    with pytest.raises(EndPointsError, match="expected three integers"):
        directional_end_points(lithium_chloride(), "Li", direction)


def test_bad_input_is_refused_by_name() -> None:
    crystal = lithium_chloride()
    with pytest.raises(EndPointsError, match=r"symbol='Na' is not in the cell.*\['Cl', 'Li'\]"):
        directional_end_points(crystal, "Na", (1, 1, 0))
    with pytest.raises(EndPointsError, match="mechanism='interstitial' with sites=none"):
        directional_end_points(crystal, "Li", (1, 1, 0), "interstitial")
    with pytest.raises(EndPointsError, match="expected 'vacancy' or 'interstitial'"):
        directional_end_points(crystal, "Li", (1, 1, 0), "knock-off")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="periodic in three directions"):
        directional_end_points(Atoms("Li"), "Li", (1, 1, 0))
