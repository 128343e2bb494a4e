"""Packing: counts, charge, density and distances of packed boxes, and what is refused."""

import stat
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule as g2_molecule
from numpy.testing import assert_allclose, assert_array_equal

from aiida_mliptransport.science.structures import packing
from aiida_mliptransport.science.structures.molecules import molecule, set_charge
from aiida_mliptransport.science.structures.packing import (
    PackingError,
    box_edge,
    box_edges,
    density_g_cm3,
    pack,
    shortest_contact,
)

WATER = set_charge(g2_molecule("H2O"), 0)


def image_distances(atoms: Atoms) -> np.ndarray:
    """Shortest distance over 27 images for all pairs; infinite within a molecule at home."""
    tags = atoms.get_tags()
    shortest = np.full((len(atoms), len(atoms)), np.inf)
    for shift in np.ndindex(3, 3, 3):
        image = atoms.positions + (np.array(shift) - 1) @ atoms.cell.array
        distance = np.linalg.norm(atoms.positions[:, None] - image[None], axis=2)
        if shift == (1, 1, 1):
            distance[tags[:, None] == tags[None]] = np.inf
        shortest = np.minimum(shortest, distance)
    return shortest


@pytest.fixture(scope="module")
def water_box() -> Atoms:
    return pack([(WATER, 33)], density=0.99, seed=1)


def test_box_edge_agrees_with_a_hand_calculation():
    # 64 H2O of 18.015 u weigh 64 · 18.015 · 1.66053907e-24 g; at 0.997 g/cm³ that is a cube of
    # 1.9203e-21 cm³.
    assert box_edge([(WATER, 64)], 0.997) == pytest.approx(12.4296, abs=2e-4)


def test_box_edges_come_from_a_density_or_as_given():
    assert_allclose(
        box_edges([(WATER, 64)], density=0.997, edges=None), box_edge([(WATER, 64)], 0.997)
    )
    assert_allclose(box_edges([(WATER, 1)], density=None, edges=[3, 4, 5]), [3, 4, 5])


@pytest.mark.packmol
def test_a_box_has_the_counts_density_and_tags_asked_for(water_box):
    assert water_box.get_chemical_formula() == "H66O33"
    assert water_box.get_chemical_symbols()[:6] == ["O", "H", "H"] * 2
    assert density_g_cm3(water_box) == pytest.approx(0.99, abs=1e-6)
    assert_array_equal(water_box.get_tags(), np.repeat(np.arange(33), 3))
    assert water_box.pbc.all()


@pytest.mark.packmol
def test_molecules_are_whole_and_rigid(water_box):
    for number in range(33):
        found = water_box[water_box.get_tags() == number].get_all_distances()
        assert_allclose(found, WATER.get_all_distances(), atol=1e-4)


@pytest.mark.packmol
def test_molecules_keep_the_tolerance_over_the_periodic_walls(water_box):
    shortest = image_distances(water_box).min()
    assert 2.0 <= shortest < 2.5
    assert shortest_contact(water_box, 3.0) == pytest.approx(shortest, abs=1e-9)


@pytest.mark.packmol
def test_molecules_do_not_shun_the_walls(water_box):
    """A margin at the walls instead of periodicity would leave a gap in every direction."""
    scaled = np.sort(water_box.get_scaled_positions(), axis=0)
    gaps = np.diff(np.vstack([scaled, scaled[0] + 1]), axis=0).max(axis=0)
    assert (gaps * water_box.cell.lengths() < 1.0).all()


@pytest.mark.packmol
def test_one_seed_gives_one_box_and_another_seed_another():
    first, again, other = (pack([(WATER, 8)], density=0.8, seed=seed) for seed in (7, 7, 8))
    assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 0.1


@pytest.mark.packmol
def test_charges_of_a_mixture_add_up():
    salt = pack({"Li+": 4, "CO3(2-)": 1, "PF6-": 1}, density=1.0, seed=1)
    assert salt.info == {"charge": 1, "multiplicity": 1}
    assert salt.get_chemical_symbols()[:4] == ["Li"] * 4


@pytest.mark.packmol
def test_an_orthorhombic_box_has_its_edges():
    box = pack([(WATER, 10)], edges=[6.0, 7.0, 12.0], seed=1)
    assert_allclose(box.cell.cellpar(), [6, 7, 12, 90, 90, 90])
    assert image_distances(box).min() >= 2.0


@pytest.mark.medium
@pytest.mark.parametrize(
    ("counts", "n_atoms", "density"),
    [
        # Cells from which potentials of EMIm chloroaluminates were trained.
        ({"EMIm+": 17, "AlCl4-": 17}, 408, 1.44),
        ({"EMIm+": 14, "AlCl4-": 7, "Al2Cl7-": 7}, 364, 1.52),
        ({"EMIm+": 13, "Al2Cl7-": 13}, 364, 1.56),
    ],
)
@pytest.mark.packmol
def test_ionic_liquids_pack_to_their_density_and_are_neutral(counts, n_atoms, density):
    liquid = pack(counts, density=density, seed=3)
    assert len(liquid) == n_atoms
    assert liquid.info["charge"] == 0
    assert density_g_cm3(liquid) == pytest.approx(density, abs=1e-6)
    assert image_distances(liquid).min() >= 2.0


@pytest.mark.packmol
def test_a_box_that_is_too_full_is_refused_with_advice():
    with pytest.raises(PackingError, match=r"no packing in a box of .*lower density"):
        pack([(set_charge(Atoms("Ar"), 0), 3)], edges=[2.5, 2.5, 2.5], seed=1)


@pytest.mark.packmol
def test_a_molecule_too_near_to_its_own_image_is_refused():
    with pytest.raises(PackingError, match="its own images"):
        pack([(set_charge(Atoms("Ar"), 0), 1)], edges=[1.5, 6.0, 6.0], seed=1)


def test_shortest_contact_sees_images_and_not_the_molecule_itself():
    pair = Atoms("H2", [[0.1, 0.1, 0.1], [0.8, 0.1, 0.1]], cell=[3, 4, 5], pbc=True)
    assert shortest_contact(pair, 4.0) == pytest.approx(2.3)
    pair.set_tags([0, 1])
    assert shortest_contact(pair, 4.0) == pytest.approx(0.7)
    assert shortest_contact(pair, 0.5) == np.inf


def test_without_packmol_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(packing.shutil, "which", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'aiida-mliptransport\[structures\]"):
        pack([(WATER, 1)], density=0.1, seed=1)


def replace_packmol(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script in the place of packmol beside the Python in use."""
    program = folder / "packmol"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(packing.sys, "executable", str(folder / "python"))


def test_a_packmol_without_periodic_boxes_is_named_too_old(tmp_path, monkeypatch):
    replace_packmol(tmp_path, monkeypatch, "echo ' ERROR: Keyword not recognized: pbc'")
    with pytest.raises(FileNotFoundError, match="too old to know periodic boxes"):
        pack([(WATER, 1)], density=0.1, seed=1)


def test_a_packmol_that_breaks_is_quoted(tmp_path, monkeypatch):
    replace_packmol(tmp_path, monkeypatch, "echo ' ERROR: Could not open file.'; exit 172")
    with pytest.raises(PackingError, match="exit code 172, expected 0: ERROR: Could not open"):
        pack([(WATER, 1)], density=0.1, seed=1)
    replace_packmol(tmp_path, monkeypatch, "echo 'out of memory' >&2; exit 2")
    with pytest.raises(PackingError, match="exit code 2, expected 0: out of memory"):
        pack([(WATER, 1)], density=0.1, seed=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pack({"EC": 1}, seed=1), "density=None and edges=None: expected one"),
        (lambda: pack({"EC": 1}, density=1, edges=[9, 9, 9], seed=1), "expected one of them"),
        (lambda: pack({"EC": 1}, density=-1.0, seed=1), "density is -1.0, expected a positive"),
        (lambda: pack({"EC": 1}, edges=[9.0, 9.0], seed=1), "expected three positive lengths"),
        (lambda: pack({"EC": 1}, density=0.1, tolerance=0.1, seed=1), "tolerance=0.1"),
        (lambda: pack({"EC": 1}, density=0.1, seed=-1), "seed=-1: expected an integer from 0"),
        (lambda: density_g_cm3(molecule("EC")), "volume_angstrom3 is 0.0, expected a positive"),
    ],
)
def test_bad_inputs_are_refused_with_their_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
