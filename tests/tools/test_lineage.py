"""The lineage of a result reaches the frames, the jobs that labelled them, and the imports."""

from __future__ import annotations

import json

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import calcfunction, workfunction

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames, System
from aiida_mliptransport.tools.archive import export_study
from aiida_mliptransport.tools.lineage import LineageError, trace

pytestmark = pytest.mark.medium

LEVEL = {"engine": "test", "method": "none"}


def frames(*seeds: int, labelled: bool = True) -> Frames:
    parts = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        labels = {"energies": [-1.0], "forces": generator.normal(size=(1, 2, 3))}
        parts.append(
            System(
                numbers=[3, 17],
                positions=generator.uniform(0, 5, (1, 2, 3)),
                cells=np.eye(3)[None] * 5,
                pbc=[True] * 3,
                **(labels if labelled else {}),
            )
        )
    return Frames.join(parts)


@calcfunction
def train(seed, **frame_sets):
    return PotentialData(
        backend="deepmd",
        framework_version="1",
        type_map=["Li", "Cl"],
        cutoff=6.0,
        parameters={"n": len(frame_sets)},
        seed=seed.value,
    )


@calcfunction
def simulate(potential, structure, temperature):
    return orm.ArrayData(np.array([temperature.value]))


@calcfunction
def observe(**runs):
    return orm.Dict({"points": len(runs)})


@workfunction
def study(structure, first, second):
    potential = train(seed=orm.Int(7), initial=first, iteration_01=second)
    runs = {
        f"trajectory__licl_{t}K_replica0": simulate(potential, structure, orm.Float(t))
        for t in (1000, 1200)
    }
    return observe(**runs)


def labelling_job(computer, frame_set: FrameSetData) -> orm.CalcJobNode:
    """Store a labelling job as it stands in the graph after it ended."""
    job = orm.CalcJobNode(computer=computer, process_type="aiida.calculations:test.label")
    job.set_option("resources", {"num_machines": 2, "num_mpiprocs_per_machine": 3})
    job.set_process_label("TestLabelCalculation")
    job.store()
    frame_set.base.links.add_incoming(job, LinkType.CREATE, "frames")
    frame_set.store()
    job.set_process_state("finished")
    job.set_exit_status(0)
    job.seal()
    return job


@pytest.fixture(scope="module")
def result(aiida_profile):
    computer = orm.Computer(
        label="lineage",
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.direct",
        workdir="/tmp",
    ).store()
    structure = orm.StructureData(cell=np.eye(3).tolist())
    structure.append_atom(position=(0, 0, 0), symbols="Li")
    structure.store()
    sets, jobs = [], []
    for seeds in ((1, 2, 3), (3, 4)):
        node = FrameSetData(frames(*seeds), level_of_theory=LEVEL)
        jobs.append(labelling_job(computer, node))
        sets.append(node)
    observables, process = study.run_get_node(structure, *sets)
    return observables, process, jobs, structure


def test_observables_lead_to_every_labelling_job_and_frame(result):
    observables, _, jobs, structure = result
    lineage = trace(observables)
    assert lineage.labelling_jobs == sorted(job.pk for job in jobs)
    assert lineage.labelled_frames == 5
    assert lineage.training_frames == 4
    assert lineage.imports == [structure.pk]
    assert lineage.processes == {
        "TestLabelCalculation": 2,
        "observe": 1,
        "simulate": 2,
        "train": 1,
    }
    assert lineage.levels_of_theory == [LEVEL]


def test_core_hours_are_wall_time_times_cores(result):
    observables, *_ = result
    (row,) = trace(observables).costs
    assert row.n_jobs == 2
    assert row.n_labels == 5
    assert row.core_hours == pytest.approx(6 * row.wall_hours)


def test_the_workchain_has_the_lineage_of_its_outputs(result):
    observables, process, _, _ = result
    of_process, of_output = trace(process), trace(observables)
    assert of_process.training_frames == of_output.training_frames
    assert of_process.processes == of_output.processes
    assert of_process.tree.kind == "study"


def test_one_point_of_an_arrhenius_line_has_its_own_lineage(result):
    observables, *_ = result
    lineage = trace(observables, point="licl_1200K")
    assert lineage.processes["simulate"] == 1
    assert lineage.training_frames == 4
    with pytest.raises(LineageError, match=r"no input of node .* belongs to 'licl_900K'"):
        trace(observables, point="licl_900K")


def test_a_potential_rests_on_its_frames_only(result):
    observables, *_ = result
    potential = observables.creator.inputs.trajectory__licl_1000K_replica0.creator.inputs.potential
    lineage = trace(potential)
    assert set(lineage.processes) == {"TestLabelCalculation", "train"}
    assert lineage.tree.kind == "PotentialData"
    assert lineage.tree.sources[0].kind == "train"
    assert lineage.tree.sources[0].sources[0].note == "5 labelled frames"


def test_an_import_says_so(result):
    *_, structure = result
    assert trace(structure).tree.note == "declared import"


def test_the_lineage_is_the_same_after_an_archive_was_imported(result, tmp_path, other_profile):
    observables, process, _, _ = result
    before = trace(observables)
    path = export_study(process, tmp_path / "study.aiida")
    other_profile("verdi", "archive", "import", str(path))
    printed = other_profile("aiida-mliptransport", "lineage", observables.uuid, "--json")
    after = json.loads(printed)
    assert after["training_frames"] == 4
    assert after["processes"] == before.processes
    assert after["labelled_frames"] == before.labelled_frames
    assert len(after["labelling_jobs"]) == 2
