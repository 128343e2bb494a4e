"""The validation file: what it may hold, and what a campaign adds to it."""

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.campaign.source import CampaignError
from aiida_mliptransport.campaign.validation import (
    build_validation,
    known_from,
    load_validation_file,
)
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.data.trajectory import MDTrajectoryData
from aiida_mliptransport.science.frames import Frames

FILE = """\
name: licl
protocol: fast
ase: {calculator: molten_salt, salt: LiCl}
structures:
  crystal: {file: LiCl.cif}
checks: {eos: {relative_volumes: [0.95, 0.975, 1.0, 1.025, 1.05]}, dimer: null}
"""


@pytest.fixture
def write(tmp_path):
    def factory(*replacements):
        bulk("LiCl", "rocksalt", a=5.13, cubic=True).write(tmp_path / "LiCl.cif")
        text = FILE
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "validation.yaml"
        path.write_text(text)
        return path

    return factory


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (("dimer: null", "dymer: null"), ["line 6: checks.dymer", "did you mean 'dimer'"]),
        (("{relative_volumes:", "{volumes:"), ["checks.eos.volumes", "expected one of"]),
        (("LiCl.cif", "NaCl.cif"), ["structures.crystal.file is 'NaCl.cif'", "no file"]),
        (("ase:", "engine: vasp\nase:"), ["engine is 'vasp'", "has no section 'vasp'"]),
    ],
)
def test_what_is_wrong_is_told_by_line_and_key(write, replacement, expected):
    with pytest.raises(CampaignError) as error:
        load_validation_file(write(replacement))
    for words in expected:
        assert words in str(error.value)


def labelled():
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=0.0 * atoms.positions)
    return FrameSetData(Frames.from_atoms([atoms]), level_of_theory={"engine": "test"}).store()


def trajectory():
    return MDTrajectoryData(
        numbers=[3, 17],
        steps=[0, 1],
        times_ps=[0.0, 0.1],
        positions=np.arange(12.0).reshape(2, 2, 3),
        cells=np.tile(9 * np.eye(3), (2, 1, 1)),
    ).store()


@pytest.mark.medium
def test_a_campaign_brings_its_committee_and_what_it_was_trained_and_tested_on(write, make_code):
    node = orm.WorkChainNode()
    node.set_process_label("ActiveLearningWorkChain")
    node.store()
    potential, blind, frames = PotentialData(**tosi_fumi_licl()).store(), labelled(), labelled()
    for label, given in (
        ("committee__member_0", potential),
        ("blind_frames__iteration_01", blind),
        ("frames__initial", frames),
    ):
        given.base.links.add_incoming(node, LinkType.RETURN, label)
    labeller = orm.WorkChainNode()
    labeller.base.links.add_incoming(node, LinkType.CALL_WORK, "aimd")
    labeller.set_process_state(ProcessState.FINISHED)
    labeller.store()
    run = trajectory()
    run.base.links.add_incoming(labeller, LinkType.RETURN, "trajectories__licl_900K_run1")
    labeller.seal()
    node.seal()
    codes = f"codes: {{python: {make_code('python').full_label}}}\nname:"
    content = load_validation_file(write(("name:", codes)))
    builder = build_validation(content, node)
    assert builder.potentials["member_0"].pk == potential.pk
    assert builder.blind_frames["iteration_01"].pk == blind.pk
    assert builder.training_frames["initial"].pk == frames.pk
    # The replica of the potential that it is compared with has this name.
    assert builder.aimd["licl_900K_replica1"].pk == run.pk
    assert sorted(builder.structures) == ["crystal"]
    checks = builder.checks.get_dict()
    assert checks["dimer"] is None
    assert len(checks["eos"]["relative_volumes"]) == 5
    assert builder.label.ase.ase.calculator["name"] == "molten_salt"
    assert known_from(potential) == {}
