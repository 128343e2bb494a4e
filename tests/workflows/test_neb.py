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
    made.potential = PotentialData(**lennard_jones_argon())
    made.neb.code = python
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


def test_directions_that_cannot_be_are_refused_and_the_labeller_has_a_band_of_its_own(builder):
    del builder.label
    builder.host = orm.StructureData(ase=bulk("Ar", a=5.3, cubic=True))
    builder.directions = {"symbol": "Ar", "directions": [[1, 1, 0], [0, 0, 0]]}
    builder.reference.code = builder.neb.code
    builder.reference.calculator = orm.Dict(ARGON)
    builder.reference.parameters = orm.Dict({"relax_ends": True})
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    (call,) = [child for child in node.called if child.process_label == "directional_ends"]
    found = call.outputs.paths.get_dict()
    assert list(found["paths"]) == ["Ar_110"]
    assert found["paths"]["Ar_110"]["length_A"] == pytest.approx(5.3 / np.sqrt(2))
    assert "[0, 0, 0]" in found["refused"][0]
    record = results["barriers"]["Ar_110"]
    assert "labels" not in record
    assert record["barrier_error_to_reference_eV"] == pytest.approx(0.0, abs=2e-3)
    arrays = set(results["profiles"].get_arraynames())
    assert {"Ar_110_potential_energies", "Ar_110_reference_curve"} <= arrays


def test_no_path_and_half_a_path_are_refused(builder):
    with pytest.raises(ValueError, match="no path is given"):
        run_get_node(builder)
    initial, _ = vacancy_hop()
    builder.initial = {"hop": initial}
    with pytest.raises(ValueError, match="expected the same names of paths"):
        run_get_node(builder)
