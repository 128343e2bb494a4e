"""Programs that fail in every way: a stage ends with a declared exit code and no wrong number."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.explore import ExploreWorkChain
from aiida_mliptransport.workflows.label.ase import AseLabelWorkChain
from aiida_mliptransport.workflows.train import TrainWorkChain

pytestmark = pytest.mark.medium

PROGRAMS = Path(__file__).parent / "programs"

#: Program of each stage; the label and evaluation runners are run by Python.
COMMANDS = {
    "dp": f"{sys.executable} {PROGRAMS / 'dp'}",
    "lmp": f"{sys.executable} {PROGRAMS / 'lmp'}",
    "python": sys.executable,
}

FAULTS = [
    "exit_1",
    "hang",
    "nan",
    "garbage",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("truncated", "nothing", "other_json")
    ),
]

#: Seconds of wall clock time; a job that does not hang takes less.
LIMIT = {"hang": 2}
OPTIONS = {"max_wallclock_seconds": 60}


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """Folder with a program for each fault; codes of one session are shared."""
    return tmp_path_factory.mktemp("faulty")


@pytest.fixture
def faulty(make_code, scripts):
    """Return a factory of codes whose program fails in some way."""

    def factory(program, fault):
        path = scripts / f"{program}-{fault}"
        if not path.exists():
            path.write_text(
                f"#!/bin/bash\nexport PYTHONPATH={PROGRAMS}\n"
                f'exec {sys.executable} {PROGRAMS / "spoil.py"} {fault} {COMMANDS[program]} "$@"\n'
            )
            path.chmod(0o755)
        return make_code(path.name, str(path))

    return factory


def alloy(seed):
    atoms = bulk("Cu", "fcc", a=3.8, cubic=True)
    atoms.symbols[::2] = "Au"
    atoms.rattle(0.05, seed=seed)
    return atoms


def labelled(seeds):
    images = []
    for seed in seeds:
        atoms = alloy(seed)
        image = atoms.copy()
        atoms.calc = EMT()
        image.calc = SinglePointCalculator(
            image, energy=atoms.get_potential_energy(), forces=atoms.get_forces(),
            stress=atoms.get_stress(),
        )  # fmt: skip
        images.append(image)
    return FrameSetData(Frames.from_atoms(images), level_of_theory={"engine": "emt"})


@pytest.fixture
def committee(aiida_profile, tmp_path):
    """Two models of the stand-in for DeePMD-kit."""
    nodes = {}
    for number, scale in enumerate((1.0, 1.02)):
        path = tmp_path / f"model_{number}.pb"
        path.write_text(f'{{"scale": {scale}, "type_map": ["Cu", "Au"]}}')
        nodes[f"member_{number}"] = PotentialData(
            "deepmd", "3.2.0", ("Cu", "Au"), 4.0, files={"model": path}
        )
    return nodes


def options(fault):
    return {"max_wallclock_seconds": LIMIT.get(fault, OPTIONS["max_wallclock_seconds"])}


def jobs(node):
    return [child for child in node.called_descendants if isinstance(child, orm.CalcJobNode)]


def check_ended(node):
    """Nothing excepted, and everything is closed."""
    for process in [node, *node.called_descendants]:
        assert process.is_finished, f"{process.process_label}: {process.exception}"
        assert process.is_sealed


# ---------------------------------------------------------------- label

LABEL_CODES = {
    "exit_1": 300, "hang": 400, "truncated": 300, "nan": 310, "nothing": 300, "garbage": 300,
    "other_json": 300,
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_labels_of_a_program_that_fails(faulty, fault):
    builder = AseLabelWorkChain.get_builder_from_protocol(
        faulty("python", fault),
        frames=FrameSetData(Frames.from_atoms([alloy(1)])),
        calculator={"name": "emt"},
        options=options(fault),
    )
    builder.reuse_labels = orm.Bool(False)
    results, node = run_get_node(builder)
    check_ended(node)
    assert node.exit_status == 310
    assert {job.exit_status for job in jobs(node)} == {LABEL_CODES[fault]}
    assert "frames" not in results
    assert len(results["failures"]["failures"]) == 1


# ---------------------------------------------------------------- train

TRAIN_CODES = {
    "exit_1": 300, "hang": 401, "truncated": 402, "nan": 310, "nothing": 300, "garbage": 300,
    "other_json": 300,
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_training_by_a_program_that_fails(faulty, fault, tiny_training):
    results, node = run_get_node(
        TrainWorkChain,
        frames={"initial": labelled([1, 2])},
        parameters=orm.Dict(tiny_training),
        type_map=orm.List(["Cu", "Au"]),
        committee_size=orm.Int(1),
        max_restarts=orm.Int(1),
        train={"code": faulty("dp", fault), "metadata": {"options": options(fault)}},
    )
    check_ended(node)
    assert node.exit_status == 310
    assert {job.exit_status for job in jobs(node)} == {TRAIN_CODES[fault]}
    assert "potentials" not in results


# ---------------------------------------------------------------- explore

EXPLORE_CODES = {
    "exit_1": 314, "hang": 401, "truncated": 312, "nan": 311, "nothing": 314, "garbage": 313,
    "other_json": 314,
}  # fmt: skip

#: Faults after which frames of the run are kept.
KEPT = {"truncated", "nan"}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_exploration_by_a_program_that_fails(faulty, fault, committee):
    builder = ExploreWorkChain.get_builder_from_protocol(
        code=faulty("lmp", fault),
        structures={"cell": orm.StructureData(ase=alloy(3))},
        potentials=committee,
        temperatures=[300.0],
        protocol="fast",
        overrides={"replicas": 1, "parameters": {"steps": 40, "equilibration_steps": 0}},
        options=options(fault),
    )
    results, node = run_get_node(builder)
    check_ended(node)
    (job,) = jobs(node)
    assert job.exit_status == EXPLORE_CODES[fault]
    assert node.exit_status == (0 if fault in KEPT else 310)
    for trajectory in results.get("trajectories", {}).values():
        assert 0 < trajectory.n_frames < 5
        assert (abs(trajectory.positions()) < 10).all()


# ---------------------------------------------------------------- evaluate

EVALUATE_CODES = {
    "exit_1": 300, "hang": 400, "truncated": 300, "nan": 310, "nothing": 300, "garbage": 300,
    "other_json": 300,
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_an_evaluation_by_a_program_that_fails(faulty, fault, committee):
    results, node = run_get_node(
        CalculationFactory("mliptransport.evaluate"),
        code=faulty("python", fault),
        potentials=committee,
        frames=labelled([1, 2]),
        metadata={"options": options(fault)},
    )
    check_ended(node)
    assert node.exit_status == EVALUATE_CODES[fault]
    assert "errors" not in results
