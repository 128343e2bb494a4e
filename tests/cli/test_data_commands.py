"""Frames and potentials go out and come back through ``verdi data``."""

from __future__ import annotations

import re

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.units import fs
from click.testing import CliRunner

from aiida_mliptransport.cli.data import frames, potential
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames, System

LEVEL = {"engine": "test", "cutoff_Ry": 300}


@pytest.fixture
def frame_set(aiida_profile) -> FrameSetData:
    generator = np.random.default_rng(4)
    system = System(
        numbers=[3, 17],
        positions=generator.uniform(0, 5, (3, 2, 3)),
        cells=np.tile(np.eye(3) * 5, (3, 1, 1)),
        pbc=[True] * 3,
        energies=generator.normal(size=3),
        forces=generator.normal(size=(3, 2, 3)),
        stresses=np.zeros((3, 3, 3)),
    )
    node = FrameSetData(Frames((system,)), level_of_theory=LEVEL, engine_version="1.0")
    node.label = "three frames"
    return node.store()


def run(group, *arguments):
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def stored(result) -> orm.Node:
    assert result.exit_code == 0, result.output
    return orm.load_node(int(re.search(r"node (\d+)", result.output).group(1)))


@pytest.mark.parametrize("fmt", ["extxyz", "deepmd"])
def test_exported_frames_come_back_with_the_same_content(frame_set, tmp_path, fmt):
    path = tmp_path / "frames.out"
    assert run(frames, "export", frame_set.pk, "-F", fmt, "-o", path).exit_code == 0
    node = stored(
        run(frames, "import", path, "-F", fmt, "--level-of-theory", "engine=test",
            "--level-of-theory", "cutoff_Ry=300", "--label", "again")
    )  # fmt: skip
    assert node.label == "again"
    assert node.description == "imported from frames.out"
    assert node.creator is None
    assert node.frames.identities() == frame_set.frames.identities()
    assert node.level_of_theory_hash == frame_set.level_of_theory_hash
    np.testing.assert_allclose(
        node.frames.systems[0].forces, frame_set.frames.systems[0].forces, atol=1e-7
    )


def test_labelled_frames_need_a_level_of_theory_or_lose_their_labels(frame_set, tmp_path):
    path = tmp_path / "frames.xyz"
    run(frames, "export", frame_set.pk, "-o", path)
    result = run(frames, "import", path)
    assert result.exit_code == 1
    assert "level_of_theory is missing" in result.output
    assert not stored(run(frames, "import", path, "--unlabelled")).labelled


def test_a_level_of_theory_without_a_value_is_a_usage_error(frame_set, tmp_path):
    path = tmp_path / "frames.xyz"
    run(frames, "export", frame_set.pk, "-o", path)
    result = run(frames, "import", path, "--level-of-theory", "PBE")
    assert result.exit_code == 2
    assert "expected KEY=VALUE" in result.output


def test_an_export_needs_a_name_and_overwrites_only_by_force(frame_set, tmp_path):
    assert run(frames, "export", frame_set.pk).exit_code == 2
    path = tmp_path / "frames.xyz"
    path.write_text("mine")
    result = run(frames, "export", frame_set.pk, "-o", path)
    assert result.exit_code == 1
    assert path.read_text() == "mine"
    assert run(frames, "export", frame_set.pk, "-o", path, "--force").exit_code == 0
    assert "Lattice" in path.read_text()


def test_force_removes_no_folder_that_an_export_did_not_write(frame_set, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    result = run(frames, "export", frame_set.pk, "-F", "deepmd", "-o", tmp_path, "--force")
    assert result.exit_code == 1
    assert "thesis.tex" in result.output
    folder = tmp_path / "frames"
    assert run(frames, "export", frame_set.pk, "-F", "deepmd", "-o", folder).exit_code == 0
    again = run(frames, "export", frame_set.pk, "-F", "deepmd", "-o", folder, "--force")
    assert again.exit_code == 0


def test_frames_are_listed_and_shown(frame_set):
    line = next(
        line
        for line in run(frames, "list", "--labelled").output.splitlines()
        if line.startswith(f"{frame_set.pk} ")
    )
    assert "three frames" in line
    assert "Li Cl" in line
    text = run(frames, "show", frame_set.pk).output
    assert "ClLi" in text
    assert "engine: test" in text


def test_another_kind_of_node_is_refused():
    node = orm.Int(1).store()
    result = run(frames, "show", node.pk)
    assert result.exit_code == 1
    assert f"node {node.pk} is a Int, expected a FrameSetData" in result.output


def test_a_potential_comes_back_with_the_same_bytes(aiida_profile, tmp_path):
    model = tmp_path / "frozen.pb"
    model.write_bytes(b"\x00model\xff")
    arguments = ("--framework-version", "3.2.0", "--type-map", "Li,Cl", "--cutoff", "6")
    node = stored(run(potential, "import", model, *arguments, "--label", "licl"))
    assert isinstance(node, PotentialData)
    assert node.type_map == ["Li", "Cl"]
    assert node.description == "imported from frozen.pb"
    out = tmp_path / "model"
    assert run(potential, "export", node.pk, "-o", out).exit_code == 0
    assert (out / "model.pb").read_bytes() == model.read_bytes()
    single = tmp_path / "single.pb"
    assert run(potential, "export", node.pk, "--role", "model", "-o", single).exit_code == 0
    assert single.read_bytes() == model.read_bytes()
    assert "licl" in run(potential, "list").output
    assert "type_map: ['Li', 'Cl']" in run(potential, "show", node.pk).output


def test_a_role_that_a_potential_lacks_is_told(aiida_profile, tmp_path):
    model = tmp_path / "frozen.pb"
    model.write_bytes(b"model")
    arguments = ("--framework-version", "3.2.0", "--type-map", "Li,Cl", "--cutoff", "6")
    node = stored(run(potential, "import", model, *arguments))
    result = run(potential, "export", node.pk, "--role", "compressed", "-o", tmp_path / "x.pb")
    assert result.exit_code == 1
    assert "no file in role 'compressed', it has ['model']" in result.output


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("--backend", "nequip"), "no backend 'nequip'"),
        (("--type-map", "Li,Qq"), "expected chemical symbols"),
    ],
)
def test_a_wrong_import_is_told(aiida_profile, tmp_path, change, expected):
    model = tmp_path / "frozen.pb"
    model.write_bytes(b"model")
    arguments = ["--framework-version", "3.2.0", "--type-map", "Li,Cl", "--cutoff", "6"]
    result = run(potential, "import", model, *arguments, *change)
    assert result.exit_code in (1, 2)
    assert expected in result.output


def test_verdi_knows_both_groups():
    from aiida.plugins.entry_point import load_entry_point

    assert load_entry_point("aiida.cmdline.data", "mliptransport.frames") is frames
    assert load_entry_point("aiida.cmdline.data", "mliptransport.potential") is potential


def write_md(path, energy_unit=1.0, repeat_last=False):
    """Write eight frames of copper moving with EMT, as extended XYZ."""
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=np.random.default_rng(5))
    dynamics = VelocityVerlet(atoms, 2 * fs)
    images = []
    for _ in range(8):
        image = atoms.copy()
        forces, energy = atoms.get_forces(), atoms.get_potential_energy() * energy_unit
        image.calc = SinglePointCalculator(image, energy=energy, forces=forces)
        images.append(image)
        dynamics.run(2)
    write(path, images + images[-1:] * repeat_last, format="extxyz")
    return path


def test_labels_in_wrong_units_are_refused_with_what_they_look_like(aiida_profile, tmp_path):
    path = write_md(tmp_path / "md.xyz", energy_unit=1 / 27.2114)
    arguments = ("import", path, "--level-of-theory", "engine=other")
    result = run(frames, *arguments)
    assert result.exit_code == 1
    assert "expected 1; that is so where energies are in hartree" in result.output
    assert "--trust-units" in result.output
    assert run(frames, *arguments, "--trust-units").exit_code == 0


def test_an_import_says_what_it_drops(aiida_profile, tmp_path):
    path = write_md(tmp_path / "md.xyz", repeat_last=True)
    result = run(frames, "import", path, "--level-of-theory", "engine=other")
    assert result.exit_code == 0, result.output
    assert "energies and forces belong together: slope 1.0" in result.output
    assert "dropped 1 frames of those read: the same frame came before (first [8])" in result.output
    assert "stored 8 labelled frames" in result.output
