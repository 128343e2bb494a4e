"""Labels with a potential in the place of electronic structure."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.backends.lammps import LammpsBackend, tosi_fumi_licl
from aiida_mliptransport.calculations.runners.calculators import check_lammps_lines
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames

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


def test_a_molten_salt_is_the_lammps_potential_with_ewald_and_without_tables(
    generate_calc_job, make_code
):
    inputs = {
        "code": make_code("python"),
        "frames": FrameSetData(Frames.from_atoms([salt()])),
        "calculator": {"name": "molten_salt", "salt": "LiCl", "cutoff_A": 6.0},
    }
    folder, _ = generate_calc_job("mliptransport.ase.label", inputs)
    given = json.loads((folder / "job.json").read_text())["calculator"]
    potential = PotentialData(**tosi_fumi_licl(cutoff_A=6.0, kspace="ewald", kspace_accuracy=1e-6))
    expected = LammpsBackend().calculator_spec(potential.spec())
    assert given.pop("lines") == [*expected.pop("lines"), "pair_modify table 0"]
    assert given == expected


@pytest.mark.parametrize(
    ("calculator", "message"),
    [
        ({"name": "molten_salt", "salt": "CsCl"}, "salt is 'CsCl'"),
        ({"name": "molten_salt", "salt": "NaCl"}, "no parameters for \\['Li'\\]"),
        ({"name": "molten_salt", "salt": "LiCl", "lines": ["shell ls"]}, "unknown key 'lines'"),
    ],
)
def test_a_molten_salt_that_cannot_be_run_is_refused(
    generate_calc_job, make_code, calculator, message
):
    inputs = {
        "code": make_code("python"),
        "frames": FrameSetData(Frames.from_atoms([salt()])),
        "calculator": calculator,
    }
    with pytest.raises(ValueError, match=message):
        generate_calc_job("mliptransport.ase.label", inputs)
