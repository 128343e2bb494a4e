"""Ordered cells from partial occupancies: exact counts, reading, reports, seeds."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.core import Lattice, Structure

from aiida_mliptransport.science.structures.disordered_sites import read_disordered
from aiida_mliptransport.science.structures.occupancy import (
    VACANCY,
    nearest_counts,
    random_orderings,
)

from .crystals import LI3TICL6_TITANIUM, argyrodite_sites, li3ticl6_sites

SITES = ("A1 Li 0 0 0 0.6", "A2 Na 0 0 0 0.3", "X1 Cl 0.5 0.5 0.5 1.0")


def li3ticl6():
    table = {site: {"Ti": share, "Li": 1 - share} for site, share in LI3TICL6_TITANIUM.items()}
    return read_disordered(li3ticl6_sites(), table)


def composition(atoms: Atoms) -> dict[str, int]:
    return atoms.symbols.formula.count()


@pytest.mark.parametrize(
    ("supercell", "on_2a", "on_4g"),
    [((2, 2, 2), 12, 4), ((4, 2, 2), 24, 8), ((10,) * 3, 1508, 492)],
)
def test_lithium_titanium_chloride_keeps_its_composition_and_published_occupancies(
    supercell, on_2a, on_4g
) -> None:
    disordered = li3ticl6().repeat(supercell)
    atoms = random_orderings(disordered, 1, seed=1)[0]
    cells = int(np.prod(supercell))
    assert len(atoms) == 20 * cells
    assert composition(atoms) == {"Li": 6 * cells, "Ti": 2 * cells, "Cl": 12 * cells}
    report = atoms.info["occupancies"]
    assert report["2a"]["counts"]["Ti"] == on_2a
    assert report["4g"]["counts"]["Ti"] == on_4g
    for label, share in LI3TICL6_TITANIUM.items():
        site = report[label]
        assert site["wanted"]["Ti"] == pytest.approx(share)
        assert site["built"]["Ti"] == site["counts"]["Ti"] / site["sites"]
        assert abs(site["built"]["Ti"] - share) <= 0.5 / site["sites"]


def test_the_report_counts_the_atoms_that_are_there() -> None:
    disordered = li3ticl6().repeat((2, 1, 1))
    atoms = random_orderings(disordered, 1, seed=5)[0]
    site = next(c for c in disordered.classes if c.label == "4g")
    places = disordered.positions[list(site.indices)]
    titanium = atoms.positions[atoms.numbers == 22]
    near = np.linalg.norm(places[:, None] - titanium[None], axis=2) < 1e-6
    assert near.sum() == atoms.info["occupancies"]["4g"]["counts"]["Ti"]


def test_a_cif_gives_shares_vacancies_and_full_sites(tmp_path, disordered_cif) -> None:
    path = tmp_path / "partial.cif"
    path.write_text(disordered_cif(SITES))
    disordered = read_disordered(path)
    shares = sorted(sorted(site.shares.items()) for site in disordered.classes)
    assert [name for name, _ in shares[0]] == ["Cl"]
    assert dict(shares[1]) == pytest.approx({"Li": 0.6, "Na": 0.3, VACANCY: 0.1})
    atoms = random_orderings(disordered.repeat((2, 5, 1)), 1, seed=0)[0]
    assert composition(atoms) == {"Li": 6, "Na": 3, "Cl": 10}


def test_a_pymatgen_structure_reads_as_its_cif_does(tmp_path, disordered_cif) -> None:
    path = tmp_path / "partial.cif"
    path.write_text(disordered_cif(SITES))
    structure = Structure(
        Lattice.cubic(4.0),
        [{"Li": 0.6, "Na": 0.3}, "Cl"],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
    )
    shares = [
        sorted(sorted(site.shares.items()) for site in read_disordered(source).classes)
        for source in (path, structure)
    ]
    assert [[n for n, _ in s] for s in shares[0]] == [[n for n, _ in s] for s in shares[1]]
    np.testing.assert_allclose(
        [v for s in shares[0] for _, v in s], [v for s in shares[1] for _, v in s], atol=1e-9
    )


def test_sites_may_be_named_by_index_and_the_rest_stays() -> None:
    atoms = bulk("Cu", cubic=True)
    disordered = read_disordered(atoms, {2: {"Au": 1.0}})
    built = random_orderings(disordered, 1, seed=0)[0]
    assert composition(built) == {"Cu": 3, "Au": 1}
    assert (built.positions[built.numbers == 79] == atoms.positions[2]).all()


@pytest.mark.parametrize(
    ("shares", "n_sites", "expected"),
    [
        ({"Li": 0.5, VACANCY: 0.5}, 48, {"Li": 24, VACANCY: 24}),
        ({"Li": 1 / 3, "Na": 1 / 3, "K": 1 / 3}, 10, {"Li": 3, "Na": 3, "K": 4}),
        ({"Li": 0.246, "Ti": 0.754}, 16, {"Li": 4, "Ti": 12}),
        ({"Li": 0.97, "Na": 0.03}, 4, {"Li": 4, "Na": 0}),
    ],
)
def test_counts_are_the_nearest_whole_numbers(shares, n_sites, expected) -> None:
    assert nearest_counts(shares, n_sites) == expected


def test_one_seed_gives_one_result_and_another_seed_another() -> None:
    disordered = li3ticl6().repeat((2, 2, 2))
    once, again, other = (random_orderings(disordered, 3, seed=seed) for seed in (7, 7, 8))
    assert [list(a.numbers) for a in once] == [list(a.numbers) for a in again]
    assert [list(a.numbers) for a in once] != [list(a.numbers) for a in other]
    assert list(once[0].numbers) != list(once[1].numbers)


def test_sites_too_close_for_two_ions_are_never_both_filled() -> None:
    """Half of 48h in Li6PS5Cl is filled; the pairs of its sites are too close for two ions."""
    sites = argyrodite_sites()
    disordered = read_disordered(sites, {"Li": {"Li": 0.5}})
    lithium = sites[sites.numbers == 3]
    closest = lithium.get_all_distances(mic=True)[np.triu_indices(48, 1)].min()
    free = random_orderings(disordered, 5, seed=1)
    kept = random_orderings(disordered, 5, min_distance=1.1 * closest, seed=1)

    def shortest(atoms: Atoms) -> float:
        part = atoms[atoms.numbers == 3]
        return float(part.get_all_distances(mic=True)[np.triu_indices(len(part), 1)].min())

    assert min(map(shortest, free)) == pytest.approx(closest)
    assert min(map(shortest, kept)) >= 1.1 * closest
    assert all(composition(a) == {"Li": 24, "P": 4, "S": 20, "Cl": 4} for a in kept)
    with pytest.raises(ValueError, match="found no ordering in which filled sites are that far"):
        random_orderings(disordered, 1, min_distance=4.0, seed=1)
    with pytest.raises(ValueError, match="min_distance=0 Å: expected a positive length"):
        random_orderings(disordered, 1, min_distance=0, seed=1)


def test_a_matrix_and_repetitions_make_the_same_supercell() -> None:
    disordered = li3ticl6()
    by_numbers, by_matrix = disordered.repeat((2, 1, 3)), disordered.repeat(np.diag([2, 1, 3]))
    np.testing.assert_allclose(by_numbers.positions, by_matrix.positions)
    assert len(by_numbers.positions) == 120


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"Fe": {"Ti": 1.0}}, "names site 'Fe'"),
        ({99: {"Ti": 1.0}}, "names site 99, which the cell of 20 sites does not hold"),
        ({"2a": {"Ti": 0.7, "Li": 0.5}}, "shares of site '2a' sum to 1.2"),
        ({"2a": {"Ti": -0.1}}, "gives Ti a share of -0.1"),
        ({"2a": {"Unobtainium": 0.5}}, "names 'Unobtainium': expected an element or 'vacancy'"),
        ({"2a": {"Ti": 1.0}, "Ti": {"Li": 1.0}}, "names site 0 twice"),
    ],
)
def test_a_bad_table_is_refused(table, message) -> None:
    with pytest.raises(ValueError, match=message):
        read_disordered(li3ticl6_sites(), table)


def test_an_ordered_structure_takes_shares_by_element_or_label() -> None:
    structure = Structure(
        Lattice.cubic(5.1), ["Li", "Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0]]
    )
    structure[0].label, structure[1].label = "Li1", "Li2"
    by_element = read_disordered(structure, {"Li": {"Li": 0.5}})
    assert [len(site.indices) for site in by_element.classes] == [2, 1]
    by_label = read_disordered(structure, {"Li2": {"Li": 0.5, "Na": 0.5}})
    shares = {site.label: dict(site.shares) for site in by_label.classes}
    assert shares == {"Li1": {"Li": 1}, "Li2": {"Li": 0.5, "Na": 0.5}, "Cl": {"Cl": 1}}


def test_other_bad_input_is_refused(tmp_path, disordered_cif) -> None:
    with pytest.raises(ValueError, match="is no file: expected the path of a CIF"):
        read_disordered(tmp_path / "absent.cif")
    (tmp_path / "noise.cif").write_text("no crystal")
    with pytest.raises(ValueError, match=r"file 'noise.cif' cannot be read as CIF \(ValueError"):
        read_disordered(tmp_path / "noise.cif")
    (tmp_path / "partial.cif").write_text(disordered_cif(SITES))
    with pytest.raises(ValueError, match="structure that holds its own: leave them out"):
        read_disordered(tmp_path / "partial.cif", {0: {"Li": 1.0}})
    with pytest.raises(ValueError, match="seed=-1: expected an integer of 0 or more"):
        random_orderings(li3ticl6(), 1, seed=-1)
    with pytest.raises(ValueError, match="n_orderings=0: expected at least 1"):
        random_orderings(li3ticl6(), 0, seed=1)
    with pytest.raises(ValueError, match=r"supercell=\(0, 1, 1\)"):
        li3ticl6().repeat((0, 1, 1))
