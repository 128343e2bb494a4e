"""``structure …`` writes the cell asked for, tells its charge, and names what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from click.testing import CliRunner

from aiida_mliptransport.cli import cli
from aiida_mliptransport.cli.structure import structure

SITES = ("A1 Li 0 0 0 0.5", "A2 Li 0.5 0 0 0.5", "X1 Cl 0.5 0.5 0.5 1.0")
CHARGES = ("--charges", "Li=1,Cl=-1")


@pytest.fixture
def folder(tmp_path, monkeypatch, disordered_cif) -> Path:
    """The working directory, with a crystal, a wider one and a disordered CIF."""
    monkeypatch.chdir(tmp_path)
    bulk("LiCl", "rocksalt", a=5.13, cubic=True).write("licl.xyz")
    bulk("LiCl", "rocksalt", a=5.2, cubic=True).write("wide.xyz")
    bulk("LiCl", "rocksalt", a=5.13, cubic=True).write("whole.cif")
    Path("half.cif").write_text(disordered_cif(SITES))
    return tmp_path


def run(*arguments: object, ok: bool = True):
    result = CliRunner().invoke(cli, ["structure", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code == 0) is ok, result.output
    return result


def made(*arguments: object) -> tuple[list[Atoms], str]:
    """Return what a command writes into a file, and what it tells."""
    result = run(*arguments, "-o", "made.xyz", "--force")
    return read("made.xyz", index=":"), result.output


#: Arguments, number of atoms of each cell, charge or None where nobody stated it.
COMMANDS = {
    "supercell to a size": (("supercell", "licl.xyz", "--atoms", 30), [32], None),
    "supercell to a width": (("supercell", "licl.xyz", "--width", 6), [24], None),
    "supercell by a matrix": (
        ("supercell", "licl.xyz", "--matrix", 1, 1, 0, -1, 1, 0, 0, 0, 1),
        [16],
        None,
    ),
    "random ordering": (("order", "half.cif", "--repeat", 2, 2, 1, *CHARGES), [8], 0),
    "orderings by Ewald energy": (
        ("order", "half.cif", "--method", "ewald", "--repeat", 2, 2, 1, "-n", 2, *CHARGES),
        [8, 8],
        0,
    ),
    "quasi-random ordering": (
        (
            *("order", "licl.xyz", "--method", "sqs", "--cutoff", 4, "--steps", 20),
            *("--occupancy", "Li:Na=0.5,Li=0.5"),
        ),
        [8],
        None,
    ),
    "ordering of an ordered CIF by label": (
        ("order", "whole.cif", "--occupancy", "Cl:Cl=0.5", *CHARGES),
        [6],
        2,
    ),
    "anion disorder": (
        ("anion-disorder", "licl.xyz", "--exchange", "Li", "Cl", "--percentage", 50),
        [8],
        None,
    ),
    "vacancy at random": (("vacancy", "licl.xyz", "--remove", "Li=1", *CHARGES), [7], -1),
    "given vacancy": (("vacancy", "licl.xyz", "--index", 0, *CHARGES), [7], -1),
    "compensated vacancy": (
        ("vacancy", "licl.xyz", "--remove", "Cl=2", "--compensation", "electrons", *CHARGES),
        [6],
        0,
    ),
    "interstitial": (
        (
            *("interstitial", "licl.xyz", "--element", "Li", "--min-radius", 1.5, "--void", 0),
            *CHARGES,
        ),
        [9],
        1,
    ),
    "Frenkel pair": (
        (
            *("frenkel", "licl.xyz", "--element", "Li", "--min-radius", 1.5),
            *("--min-separation", 2),
        ),
        [8],
        0,
    ),
    "slab": (
        ("slab", "licl.xyz", "--miller", 1, 0, 0, "--thickness", 5, "--vacuum", 8, *CHARGES),
        [4],
        0,
    ),
    "interface": (
        (
            *("interface", "licl.xyz", "wide.xyz", "--max-strain", 0.02, "--gap", 2.5),
            *("--substrate-miller", 1, 0, 0, "--film-miller", 1, 0, 0),
            *("--substrate-thickness", 5, "--film-thickness", 5),
        ),
        [8],
        None,
    ),
    "tilt boundary": (
        (
            *("grain-boundary", "licl.xyz", "--kind", "tilt", "--axis", 0, 0, 1, "--sigma", 5),
            *("--plane", 3, 1, 0, "--thickness", 5, "--min-distance", 1, "--gap", 1),
        ),
        [80],
        None,
    ),
    "twist boundary": (
        (
            *("grain-boundary", "licl.xyz", "--kind", "twist", "--axis", 0, 0, 1, "--sigma", 5),
            *("--thickness", 5, "--min-distance", 1, "--gap", 1),
        ),
        [80],
        None,
    ),
    "rattled cells": (("rattle", "licl.xyz", "--stdev", 0.05, "-n", 3), [8] * 3, None),
    "given strain": (("strain", "licl.xyz", "--voigt", 0.02, 0, 0, 0, 0, 0), [8], None),
    "random strains": (("strain", "licl.xyz", "--maximum", 0.02, "-n", 2), [8] * 2, None),
    "volumes": (
        ("volumes", "licl.xyz", "--relative", 0.9, "--relative", 1.1),
        [8] * 2,
        None,
    ),
    "relaxed cell": (
        ("relax", "licl.xyz", "--calculator", "lj", "-s", "sigma_A=2.3", "--fmax", 0.1),
        [8],
        None,
    ),
    "pressed cell": (
        (
            *("densify", "licl.xyz", "--calculator", "lj", "-s", "sigma_A=2.3"),
            *("-s", "epsilon_eV=0.05", "--path", 10, 1, 0.005),
        ),
        [8],
        None,
    ),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_file_holds_what_was_asked_for(folder, name):
    arguments, sizes, charge = COMMANDS[name]
    cells, output = made(*arguments)
    assert [len(atoms) for atoms in cells] == sizes
    assert [atoms.info.get("charge") for atoms in cells] == [charge] * len(sizes)
    assert ("not stated" in output) is (charge is None)
    assert f"wrote {len(sizes)} structure" in output


def test_every_command_shows_an_example_that_names_it():
    for name in structure.commands:
        output = run(name, "--help").output
        assert "Example" in output
        assert f"aiida-mliptransport structure {name}" in output


def test_volumes_and_strains_are_those_asked_for(folder):
    volumes, _ = made("volumes", "licl.xyz", "--relative", 0.9, "--relative", 1.1)
    assert [a.cell.volume / 5.13**3 for a in volumes] == pytest.approx([0.9, 1.1])
    (strained,), _ = made("strain", "licl.xyz", "--voigt", 0.02, 0, 0, 0, 0, 0)
    assert strained.cell.lengths() == pytest.approx([5.13 * 1.02, 5.13, 5.13])


def test_a_seed_gives_one_structure(folder):
    first, again, other = (
        made("rattle", "licl.xyz", "--stdev", 0.05, "--seed", seed)[0][0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first.positions, again.positions)
    assert not np.allclose(first.positions, other.positions)


def test_charge_and_multiplicity_go_from_file_to_file(folder):
    (vacancy,), _ = made("vacancy", "licl.xyz", "--remove", "Li=1", *CHARGES)
    write("vacancy.xyz", vacancy)
    (large,), output = made("supercell", "vacancy.xyz", "--repeat", 2, 1, 1)
    assert large.info["charge"] == -2
    assert "charge             -2 e" in output


def test_sides_of_an_interface_are_in_the_file(folder):
    (atoms,), output = made(*COMMANDS["interface"][0])
    assert sorted(set(atoms.arrays["side"])) == ["film", "substrate"]
    assert "max strain" in output


def test_sites_with_labels_of_their_own_are_rounded_together_on_request(folder):
    # Each of the two half-filled sites is one site: alone it is rounded to a whole ion.
    (alone,), output = made("order", "half.cif", *CHARGES)
    assert "note: rounding on each site changed the composition: Li 1 → 2" in output
    assert alone.info["charge"] == 1
    (joined,), output = made("order", "half.cif", "--join-equal", *CHARGES)
    assert "note" not in output
    assert joined.info["charge"] == 0
    assert joined.info["occupancies"]["A1..A2"]["built"] == {"Li": 0.5, "vacancy": 0.5}


@pytest.mark.medium
@pytest.mark.packmol
def test_a_liquid_has_its_density_charge_and_molecules(folder):
    write("water.xyz", Atoms("OH2", [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]]), format="xyz")
    (atoms,), output = made(
        *("liquid", "EMIm+=3", "AlCl4-=2", "smiles:[Cl-]=1", "xyz:water.xyz,0=4"),
        *("--density", 1.0),
    )
    assert len(atoms) == 3 * 19 + 2 * 5 + 1 + 4 * 3
    assert len(set(atoms.get_tags())) == 10
    assert atoms.info["charge"] == 0
    assert "density            1.0000 g/cm³" in output
    # packmol keeps molecules 2 Å apart; bonds are shorter.
    contact = next(x.split()[-2] for x in output.splitlines() if x.startswith("between mol"))
    assert 2.0 <= float(contact) < 2.5
    assert [row["count"] for row in atoms.info["components"]] == [3, 2, 1, 4]


def test_a_dilute_start_has_its_edges(folder):
    (atoms,), _ = made("amorphous", "Li+=4", "CO3(2-)=2", "--edges", 12, 13, 14)
    assert atoms.cell.lengths() == pytest.approx([12, 13, 14])
    assert (len(atoms), atoms.info["charge"]) == (12, 0)


def test_lists_are_printed(folder):
    library = run("molecules").output
    assert "EDC(2-)  C4H4O6   14     -2      1" in library
    sites = run("sites", "licl.xyz").output.splitlines()
    assert [line.split()[:3] for line in sites[1:]] == [["Li", "a", "4"], ["Cl", "b", "4"]]
    voids = run("voids", "licl.xyz", "--min-radius", 2.0).output.splitlines()
    # The tetrahedral voids: a quarter of the body diagonal from four cations and four anions.
    assert [line.split()[1:3] for line in voids[1:]] == [["2.221", "8"]] * 8
    assert "lower --min-radius" in run("voids", "licl.xyz", "--min-radius", 3).output
    cuts = run(
        "terminations", "licl.xyz", "--miller", 1, 1, 1, "--thickness", 8, *CHARGES
    ).output.splitlines()
    assert cuts[1].split()[-1] == "yes"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("rattle", "gone.xyz", "--stdev", 0.1), 2, "there is no file 'gone.xyz'"),
        (("rattle", "half.cif", "--stdev", 0.1), 2, "has partial occupancies"),
        (("rattle", "noise.cif", "--stdev", 0.1), 2, "ASE cannot read noise.cif"),
        (("rattle", "flat.xyz", "--stdev", 0.1), 1, "expected a crystal, periodic"),
        (("rattle", "licl.xyz", "--stdev", 0), 1, "stdev=0.0: expected a positive number"),
        (("rattle", "licl.xyz", "--stdev", 1, "-o", "a.foo"), 2, "no format of that suffix"),
        (("rattle", "licl.xyz", "--stdev", 1, "-o", "licl.xyz"), 2, "the file exists"),
        (("rattle", "licl.xyz", "--stdev", 1, "-o", "no/a.xyz"), 2, "there is no folder no"),
        (("rattle", "licl.xyz", "--stdev", 1, "-n", 2, "-o", "a.vasp"), 1, "holds one structure"),
        (("strain", "licl.xyz"), 2, "either --voigt or --maximum"),
        (("supercell", "licl.xyz"), 1, "expected exactly one of them"),
        (("order", "half.cif", "--method", "sqs"), 2, "--method sqs needs --cutoff"),
        (("order", "half.cif", "--method", "ewald"), 2, "--method ewald needs --charges"),
        (("order", "half.cif", "--cutoff", 4), 2, "--cutoff 4.0 does not belong to --method ran"),
        (("order", "noise.cif"), 1, "noise.cif"),
        (("order", "half.cif", "--occupancy", "Li:Li=1"), 1, "that holds its own: leave them out"),
        (("order", "licl.xyz", "--occupancy", "Li=0.5"), 2, "expected such as Li:Li=0.5"),
        (("vacancy", "licl.xyz", "--remove", "Li=9", *CHARGES), 1, "the cell holds 4 Li"),
        (("vacancy", "licl.xyz", "--remove", "Li", *CHARGES), 2, "'Li' is no pair"),
        (("vacancy", "licl.xyz", *CHARGES), 2, "either --remove or --index"),
        (("vacancy", "licl.xyz", "--remove", "Li=1", "--charges", "Li=1"), 1, "no state for ['Cl"),
        (
            ("anion-disorder", "licl.xyz", "--exchange", "S", "Cl", "--percentage", 5),
            2,
            "--exchange 'S' fits 0 of the sites Li:a (4 atoms), Cl:b (4 atoms)",
        ),
        (("liquid", "EMIm+", "--density", 1), 2, "expected such as EMIm+=17"),
        (("liquid", "Emim=2", "--density", 1), 1, "molecule 'Emim' is not in the library"),
        (("liquid", "xyz:licl.xyz=2", "--density", 1), 2, "lacks the charge"),
        (("liquid", "EC=2"), 1, "density=None and edges=None: expected one of them"),
        (("relax", "licl.xyz", "--calculator", "lj", "-s", "sigma"), 2, "'sigma' is no setting"),
        (("relax", "licl.xyz", "--calculator", "dft"), 1, "calculator name is 'dft'"),
        (
            ("slab", "licl.xyz", "--miller", 0, 0, 0, "--thickness", 5, "--vacuum", 8),
            1,
            "expected three integers of which one differs from zero",
        ),
        (
            (
                *("grain-boundary", "licl.xyz", "--kind", "twist", "--axis", 0, 0, 1),
                *("--plane", 1, 0, 0, "--sigma", 5, "--thickness", 5, "--min-distance", 1),
            ),
            2,
            "--plane belongs to --kind tilt",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(folder, arguments, code, message):
    Path("noise.cif").write_text("no crystal")
    write("flat.xyz", Atoms("Ar2", [[0, 0, 0], [0, 0, 3]]))
    result = run(*arguments, ok=False)
    assert result.exit_code == code
    (line,) = (text for text in result.output.splitlines() if text.startswith("Error"))
    assert message in line
    assert "Traceback" not in result.output


@pytest.mark.medium
def test_what_is_stored_has_a_creator_and_goes_on_from_its_number(folder, aiida_profile):
    output = run("vacancy", "licl.xyz", "--remove", "Li=1", *CHARGES, "--store").output
    pk = int(output.split("stored structure <")[1].split(">")[0])
    vacancy = orm.load_node(pk)
    assert vacancy.creator.process_label == "make_vacancies"
    assert f"made by make_vacancies <{vacancy.creator.pk}>" in output
    imported = vacancy.creator.inputs.structure
    assert imported.creator is None
    assert (imported.label, imported.description) == ("licl", "imported from licl.xyz")
    result = run("supercell", pk, "--repeat", 2, 1, 1, "--store", "-o", "large.xyz")
    written = read("large.xyz")
    assert written.info["charge"] == -2
    assert np.array(written.info["supercell"]).tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 1]]
    large = orm.load_node(int(result.output.split("stored structure <")[1].split(">")[0]))
    assert large.creator.inputs.structure.pk == pk
    assert large.creator.inputs.parameters["charge"] == -1
    assert np.allclose(written.positions, large.get_ase().positions)


@pytest.mark.medium
def test_stored_orderings_each_know_their_charge(folder, aiida_profile):
    output = run(
        *("order", "half.cif", "--join-equal", "-n", 2, *CHARGES, "--store"),
    ).output
    pks = output.split("stored structures ")[1].split(",")[0].split()
    assert len(pks) == 2
    cells = [orm.load_node(int(pk.strip("<>"))) for pk in pks]
    assert isinstance(cells[0].creator.inputs.structure, orm.SinglefileData)
    copy, _ = made("rattle", cells[1].pk, "--stdev", 0.01)
    assert copy[0].info["charge"] == 0


def test_a_failed_store_tells_the_reason_and_no_traceback(folder, aiida_profile):
    result = run("vacancy", "licl.xyz", "--remove", "Li=9", *CHARGES, "--store", ok=False)
    assert result.output.startswith("Error: what={'Li': 9}")
    assert len(result.output.splitlines()) == 1


def test_nodes_that_are_no_ordered_structures_are_refused(folder, aiida_profile):
    number = orm.Int(1).store()
    refused = run("rattle", number.pk, "--stdev", 0.1, ok=False)
    assert "is a Int, expected a StructureData" in refused.output
    half = orm.StructureData(cell=[[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    half.append_atom(position=(0, 0, 0), symbols="Li", weights=0.5)
    half.store()
    assert "has partial occupancies" in run("rattle", half.pk, "--stdev", 0.1, ok=False).output
    (atoms,), _ = made("order", half.pk, "--repeat", 2, 2, 2)
    assert len(atoms) == 4


def test_no_profile_is_loaded_without_a_node(folder, monkeypatch):
    def refuse(ctx):
        pytest.fail("a profile was loaded")

    for module in ("making", "sources"):
        monkeypatch.setattr(f"aiida_mliptransport.cli.structure.{module}.load_profile", refuse)
    made("vacancy", "licl.xyz", "--remove", "Li=1", *CHARGES)
    run("sites", "licl.xyz")


def test_help_imports_neither_aiida_nor_what_builds():
    script = (
        "import sys, json\n"
        "from aiida_mliptransport.cli import cli\n"
        "cli(['structure', '--help'], standalone_mode=False)\n"
        "print(json.dumps([m for m in ('aiida', 'ase', 'pymatgen') if m in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
