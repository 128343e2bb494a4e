"""Barriers of a potential beside those of the labeller, on paths given and along directions."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_mliptransport.backends.lammps import lennard_jones_argon
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.workflows.neb import NebWorkChain

pytestmark = [pytest.mark.lammps, pytest.mark.medium]

ARGON = {"name": "lj", "epsilon_eV": 0.0103408, "sigma_A": 3.4, "cutoff_A": 8.5}


@pytest.fixture
def builder(make_code):
    """Paths on a Lennard-Jones potential by LAMMPS, labelled with that of ASE."""
    made = NebWorkChain.get_builder()
    python = make_code("python")
    made.potentials = {"member_0": PotentialData(**lennard_jones_argon())}
    made.neb.code = python
    made.evaluate.code = python
    made.neb.parameters = orm.Dict({"images": 3})
    made.label.ase.ase.code = python
    made.label.ase.ase.calculator = orm.Dict(ARGON)
    return made


def vacancy_hop():
    perfect = bulk("Ar", a=5.3, cubic=True) * (2, 2, 2)
    distances = np.linalg.norm(perfect.positions - [2.65, 2.65, 0], axis=1)
    hopper = int(np.argmin(distances))
    final = perfect.copy()
    final.positions[hopper] = perfect.positions[0]
    del perfect[0], final[0]
    return orm.StructureData(ase=perfect), orm.StructureData(ase=final)


def test_barriers_of_potential_and_labeller_are_set_side_by_side(builder):
    initial, final = vacancy_hop()
    builder.initial, builder.final = {"hop": initial}, {"hop": final}
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    record = results["barriers"]["hop"]
    potential, labels = record["potential"], record["labels"]
    assert record["force_errors_eV_A"]["missing_images"] == []
    assert record["moving_ions"][0][1] == "Ar"
    assert potential["barrier_eV"] == pytest.approx(labels["barrier_eV"], rel=0.02)
