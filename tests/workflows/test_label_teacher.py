"""Labels with a potential in the place of electronic structure."""

from __future__ import annotations

import json

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.calculations.runners.calculators import check_lammps_lines
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.aimd.ase import AseAimdWorkChain
from aiida_mliptransport.workflows.label.teacher import TeacherLabelWorkChain

pytestmark = pytest.mark.medium


def salt(seed=0):
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.positions += np.random.default_rng(seed).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def test_a_potential_brings_its_own_calculator(generate_calc_job, make_code):
    potential = PotentialData(**tosi_fumi_licl(cutoff_A=6.0))
    inputs = {
        "code": make_code("python"),
        "frames": FrameSetData(Frames.from_atoms([salt()])),
        "potential": potential,
    }
    folder, _ = generate_calc_job("mliptransport.ase.label", inputs)
    job = json.loads((folder / "job.json").read_text())
    assert job["calculator"]["name"] == "lammps"
    check_lammps_lines(job["calculator"]["lines"])


@pytest.mark.lammps
def test_a_teacher_labels_like_any_engine(make_code):
    builder = TeacherLabelWorkChain.get_builder_from_protocol(
        make_code("python"),
        PotentialData(**tosi_fumi_licl(cutoff_A=5.0)),
        frames=FrameSetData(Frames.from_atoms([salt(0), salt(1)])),
        protocol="fast",
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert results["frames"].n_frames == 2
    assert results["frames"].has_stress
    assert results["frames"].level_of_theory["engine"] == "lammps"


@pytest.mark.lammps
def test_md_with_the_teacher_has_the_level_of_theory_of_its_labels(make_code):
    potential = PotentialData(**tosi_fumi_licl(cutoff_A=5.0)).store()
    md = AseAimdWorkChain.get_builder_from_protocol(
        make_code("python"),
        {"licl": orm.StructureData(ase=salt())},
        [600.0],
        potential=potential,
        overrides={"runs": 1, "parameters": {"steps": 5, "discard_steps": 0}},
    )
    results, node = run_get_node(md)
    assert node.is_finished_ok, node.exit_message
    label = TeacherLabelWorkChain.get_builder_from_protocol(
        make_code("python"), potential, frames=results["frames"]
    )
    labelled, _ = run_get_node(label)
    assert labelled["frames"].level_of_theory == results["frames"].level_of_theory
    for first, second in zip(
        results["frames"].frames.systems, labelled["frames"].frames.systems, strict=True
    ):
        np.testing.assert_allclose(first.forces, second.forces, atol=1e-6)
