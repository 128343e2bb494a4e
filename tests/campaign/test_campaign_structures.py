"""Structures of a campaign: what is refused, and how nodes are made."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.campaign.schema import load_campaign
from aiida_mliptransport.campaign.source import CampaignError
from aiida_mliptransport.campaign.structures import build_structures, check_structures, n_atoms
from aiida_mliptransport.science.units import density_g_cm3


def test_a_structure_without_a_cell_is_refused_with_its_line(campaign_file, tmp_path):
    path = campaign_file(("file: LiCl.cif, supercell: [2, 1, 1]", "file: molecule.xyz"))
    Atoms("LiCl", [[0, 0, 0], [0, 0, 2]]).write(tmp_path / "molecule.xyz", format="xyz")
    with pytest.raises(CampaignError, match=r"line 7: structures\.licl\.file .*without a usable"):
        check_structures(load_campaign(path))


def test_an_unknown_element_is_named(campaign_file, tmp_path):
    path = campaign_file(("file: LiCl.cif, supercell: [2, 1, 1]", "file: odd.xyz"))
    (tmp_path / "odd.xyz").write_text(
        '1\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 pbc="T T T"\nQq 0 0 0\n'
    )
    with pytest.raises(CampaignError, match="unknown element 'Qq'"):
        check_structures(load_campaign(path))


def test_a_missing_file_is_named(campaign_file):
    path = campaign_file(("licl64: {file: LiCl.cif", "licl64: {file: Nope.cif"))
    with pytest.raises(CampaignError, match=r"transport\.structures\.licl64\.file is 'Nope\.cif'"):
        check_structures(load_campaign(path))


def test_a_file_that_is_no_structure_is_refused(campaign_file, tmp_path):
    path = campaign_file(("file: LiCl.cif, supercell: [2, 1, 1]", "file: notes.txt"))
    (tmp_path / "notes.txt").write_text("nothing of use")
    with pytest.raises(CampaignError, match="ASE cannot read"):
        check_structures(load_campaign(path))


def test_partial_occupancies_are_refused(campaign_file, tmp_path):
    path = campaign_file(("licl: {file: LiCl.cif", "licl: {file: mixed.cif"))
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.write(tmp_path / "mixed.cif")
    text = (tmp_path / "mixed.cif").read_text()
    (tmp_path / "mixed.cif").write_text(text.replace("1.0000", "0.5000"))
    with pytest.raises(CampaignError, match="partial occupancies"):
        check_structures(load_campaign(path))


@pytest.mark.parametrize(
    ("charges", "expected"),
    [
        ("{Li: 1}", r"line 9: charges .*misses \['Cl'\] of structures\.licl"),
        ("{Li: 1, Cl: -2}", r"a charge of -4, expected 0"),
    ],
)
def test_charges_must_cover_the_elements_and_sum_to_zero(campaign_file, charges, expected):
    path = campaign_file(("charges: {Li: 1, Cl: -1}", f"charges: {charges}"))
    with pytest.raises(CampaignError, match=expected):
        check_structures(load_campaign(path))


def test_transport_structures_hold_no_element_that_is_not_labelled(campaign_file, tmp_path):
    path = campaign_file(
        ("licl64: {file: LiCl.cif", "licl64: {file: KCl.cif"), ("Cl: -1}", "Cl: -1, K: 1}")
    )
    bulk("KCl", "rocksalt", a=6.3, cubic=True).write(tmp_path / "KCl.cif")
    with pytest.raises(CampaignError, match=r"hold \['K'\], which no structure"):
        check_structures(load_campaign(path))


def test_the_file_is_a_declared_import_and_the_cell_has_a_creator(campaign_file):
    campaign = load_campaign(campaign_file())
    structures, transport = build_structures(campaign)
    made = structures["licl"]
    atoms = made.get_ase()
    assert len(atoms) == 16
    assert n_atoms(campaign.structures["licl"], check_structures(campaign)["structures.licl"]) == 16
    density = density_g_cm3(atoms.get_masses().sum(), atoms.get_volume())
    assert density == pytest.approx(1.45, rel=1e-6)
    assert made.creator.process_label == "make_supercell"
    source = made.creator.inputs.structure
    assert source.creator is None
    assert source.description == "imported from LiCl.cif"
    assert transport["licl64"].creator.inputs.structure.pk == source.pk
    assert len(transport["licl64"].sites) == 64


@pytest.mark.medium
def test_the_same_cell_has_the_same_hash_wherever_its_file_lies(campaign_file):
    first, _ = build_structures(load_campaign(campaign_file()))
    second, _ = build_structures(load_campaign(campaign_file(("name: licl-melt", "name: again"))))
    assert first["licl"].pk != second["licl"].pk
    assert first["licl"].base.caching.compute_hash() == second["licl"].base.caching.compute_hash()


def test_a_supercell_keeps_distances_and_groups_elements(campaign_file):
    path = campaign_file((", density_g_cm3: 1.45", ""))
    structures, _ = build_structures(load_campaign(path))
    atoms = structures["licl"].get_ase()
    assert atoms.get_chemical_symbols() == ["Li"] * 8 + ["Cl"] * 8
    assert atoms.get_all_distances(mic=True)[0][8:].min() == pytest.approx(5.13 / 2)
