"""Reference MD: independent seeded runs, kept frames, failures, quorum."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_mliptransport.workflows.aimd.ase import AseAimdWorkChain
from aiida_mliptransport.workflows.aimd.base import displace_structure

pytestmark = pytest.mark.medium

EMT_SPEC = {"name": "emt"}
PARAMETERS = {"steps": 20, "trajectory_stride": 5, "discard_steps": 10, "timestep_fs": 2.0}


def copper(element="Cu"):
    return orm.StructureData(ase=bulk(element, cubic=True))


@pytest.fixture
def make_builder(make_code):
    def factory(structures=None, temperatures=(600.0,), parameters=None, **kwargs):
        overrides = {"parameters": {**PARAMETERS, **(parameters or {})}}
        return AseAimdWorkChain.get_builder_from_protocol(
            make_code("python"),
            structures or {"copper": copper()},
            list(temperatures),
            calculator=kwargs.pop("calculator", EMT_SPEC),
            overrides=overrides,
            **kwargs,
        )

    return factory


def test_runs_are_independent_and_every_kept_frame_is_a_label(make_builder):
    results, node = run_get_node(make_builder())
    assert node.is_finished_ok, node.exit_message
    assert sorted(results["trajectories"]) == ["copper_600K_run0", "copper_600K_run1"]
    trajectories = list(results["trajectories"].values())
    assert trajectories[0].info["seed"] != trajectories[1].info["seed"]
    assert np.abs(trajectories[0].reference - trajectories[1].reference).max() > 0.01
    frames = results["frames"].frames
    # Steps 10, 15 and 20 of each run; the start is discarded.
    assert frames.n_frames == 6
    system = frames.systems[0]
    assert system.steps.tolist() == [10, 15, 20] * 2
    assert set(system.origins) == {trajectory.identity for trajectory in trajectories}
    image = system.take([4]).without_labels().to_atoms()[0]
    image.calc = EMT()
    assert system.energies[4] == pytest.approx(image.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(system.forces[4], image.get_forces(), atol=1e-9)
    assert results["failures"]["failures"] == []
    assert results["frames"].creator.process_label == "join_runs"
    for trajectory in trajectories:
        assert trajectory.creator.inputs.structure.creator.process_label == "displace_structure"


def test_runs_are_named_by_structure_temperature_and_number(make_builder):
    builder = make_builder(
        {"copper": copper(), "silver": copper("Ag")},
        (899.6,),
        {"steps": 5, "discard_steps": 0},
    )
    builder.runs = orm.Int(1)
    results, node = run_get_node(builder)
    assert node.is_finished_ok
    assert sorted(results["trajectories"]) == [
        "copper_900K_run0",
        "silver_900K_run0",
    ]
    assert results["trajectories"]["silver_900K_run0"].info["temperature_K"] == 899.6


def test_the_same_seed_gives_the_same_frames(make_builder):
    parameters = {"steps": 5, "discard_steps": 0}
    runs = []
    for seed in (1, 1, 2):
        builder = make_builder(parameters=parameters, seed=seed)
        builder.runs = orm.Int(1)
        results, _ = run_get_node(builder)
        runs.append(results["frames"].frames.identities())
    assert runs[0] == runs[1]
    assert not set(runs[0]) & set(runs[2])


def test_a_run_that_explodes_keeps_its_frames_and_is_in_the_failures(make_builder):
    builder = make_builder(
        parameters={"timestep_fs": 20.0, "discard_steps": 0, "trajectory_stride": 1, "steps": 400},
        temperatures=(5000.0,),
    )
    parameters = builder.parameters.get_dict()
    builder.parameters = orm.Dict({**parameters, "ensemble": "nve"})
    builder.runs = orm.Int(1)
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    failure = results["failures"]["failures"][0]
    assert failure["run"] == "copper_5000K_run0"
    assert "exploded" in failure["message"]
    trajectory = results["trajectories"]["copper_5000K_run0"]
    assert not trajectory.completed
    assert results["frames"].n_frames == trajectory.n_frames


def test_runs_without_frames_are_tried_again_and_end_below_the_quorum(make_builder, make_code):
    builder = make_builder()
    builder.runs = orm.Int(1)
    builder.ase.code = make_code("false", "/bin/false")
    results, node = run_get_node(builder)
    assert node.exit_status == 310
    assert "0 of 1 runs" in node.exit_message
    assert len([child for child in node.called if isinstance(child, orm.CalcJobNode)]) == 2
    assert {f["class"] for f in results["failures"]["failures"]} == {"crashed"}
    assert "frames" not in results


def test_displacements_are_seeded_and_keep_the_centre():
    structure = copper()
    inputs = {"structure": structure, "displacement_A": orm.Float(0.1)}
    first, again, other = (
        displace_structure(seed=orm.Int(seed), **inputs).get_ase() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 0.01
    shift = first.positions - structure.get_ase().positions
    assert np.abs(shift.mean(axis=0)).max() < 1e-12
    assert 0.03 < shift.std() < 0.2


@pytest.mark.parametrize(
    ("port", "value", "message"),
    [
        ("temperatures", [], "expected one or more positive numbers"),
        ("temperatures", [600.0, -1.0], r"\[600.0, -1.0\]"),
        ("temperatures", [600.0, 600.2], "differ by 1 K"),
        ("runs", 0, "runs is 0"),
        ("parameters", {"steps": 5, "timestep_fs": 1.0, "seed": 2}, "seed is 2"),
        ("parameters", {"steps": 5, "timestep_fs": 1.0, "stride": 2}, "'stride'"),
        ("parameters", {"steps": 5, "timestep_fs": 1.0, "discard_steps": -2}, "-2"),
    ],
)
def test_inputs_that_make_no_sense_are_refused(make_builder, port, value, message):
    builder = make_builder()
    node = orm.to_aiida_type(value)
    with pytest.raises(ValueError, match=message):
        builder[port] = node


def test_a_calculator_that_does_not_know_an_element_is_refused_before_any_job(make_builder):
    structure = orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.13, cubic=True))
    with pytest.raises(ValueError, match=r"structure 'licl'.*no parameters"):
        run_get_node(make_builder({"licl": structure}))
