"""Transport runs go on from their own state until D and σ are known well enough, or end."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.data.segments import JoinedTrajectory
from aiida_mliptransport.workflows.transport import TransportWorkChain, missed_targets

EXTENSION = {
    "max_segments": 1,
    "max_relative_error_D": 0.10,
    "max_relative_error_sigma": 0.20,
    "species": ["Li"],
}


def record(relative_error, resolved=True):
    return {"relative_error": relative_error, "resolved": resolved}


def point(d, sigma):
    return {"diffusion": {"Li": d, "Cl": record(None, False)}, "conductivity": sigma}


def test_targets_that_are_met_ask_for_nothing():
    assert missed_targets(point(record(0.09), record(0.19)), EXTENSION) == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (point(record(0.11), record(0.19)), "D(Li) has a relative error of 0.110, expected 0.1"),
        (point(record(0.09), record(0.21)), "σ has a relative error of 0.210, expected 0.2"),
        (point(record(None, False), record(0.1)), "D(Li) is not resolved"),
        (point(record(0.05), record(None, False)), "σ is not resolved"),
    ],
)
def test_a_missed_target_is_named_with_its_value(given, words):
    assert words in missed_targets(given, EXTENSION)


@pytest.fixture
def builder(make_code):
    def factory(**overrides):
        cell = bulk("LiCl", "rocksalt", a=5.6, cubic=True)
        return TransportWorkChain.get_builder_from_protocol(
            code=make_code("lmp"),
            structures={"licl": orm.StructureData(ase=cell)},
            potentials={"member_0": PotentialData(**tosi_fumi_licl(cutoff_A=5.0))},
            temperatures=[1500.0],
            charges={"Li": 1, "Cl": -1},
            protocol="fast",
            overrides={
                "parameters": {"steps": 400, "equilibration_steps": 50, "timestep_fs": 1.0},
                **overrides,
            },
            options={"max_wallclock_seconds": 300},
        )

    return factory


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_segments": 0}, "max_segments"),
        ({"max_relative_error_D": -1.0}, "max_relative_error_D"),
        ({"species": []}, "species"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_an_extension_that_makes_no_sense_is_refused(builder, changes, message):
    with pytest.raises(ValueError, match=message):
        builder(extension={**EXTENSION, **changes})


@pytest.mark.lammps
def test_a_species_that_no_structure_has_is_refused_before_any_run(builder):
    with pytest.raises(ValueError, match="'Na', which no structure has"):
        run_get_node(builder(extension={**EXTENSION, "species": ["Na"]}))


@pytest.mark.lammps
def test_a_run_goes_on_from_its_own_state_until_its_segments_are_spent(builder):
    # 0.4 ps can never give σ to 0.1 %.
    extension = {**EXTENSION, "max_segments": 2, "max_relative_error_sigma": 0.001}
    results, node = run_get_node(builder(extension=extension))
    assert node.is_finished_ok, node.exit_message
    trajectories = results["trajectories"]
    assert sorted(trajectories) == [
        "licl_1500K_replica0",
        "licl_1500K_replica0_segment1",
        "licl_1500K_replica0_segment2",
    ]
    joined = JoinedTrajectory([trajectories[key] for key in sorted(trajectories)])
    assert joined.n_frames == 1 + 3 * 40
    np.testing.assert_allclose(np.diff(joined.times_ps), 0.01)
    # No jump where a segment begins: an ion moves far less than 1 Å in 10 fs.
    assert np.abs(np.diff(joined.positions(), axis=0)).max() < 1.0
    assert np.abs(np.diff(joined.species_series()[1], axis=0)).max() < 0.5
    (analysed,) = results["observables"].get_dict()["points"]
    assert analysed["n_segments"] == 3
    assert analysed["length_ps"] == pytest.approx(1.2)
    labels = [link.link_label for link in node.base.links.get_outgoing().all()]
    assert [label for label in labels if label.startswith("analyse")] == [
        "analyse",
        "analyse_1",
        "analyse_2",
    ]


@pytest.mark.lammps
def test_without_an_extension_every_run_has_one_segment(builder):
    results, node = run_get_node(builder())
    assert node.is_finished_ok, node.exit_message
    assert list(results["trajectories"]) == ["licl_1500K_replica0"]
