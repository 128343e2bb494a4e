"""Comparisons of a validation: what belongs to which frame, and what runs show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk

from aiida_mliptransport.calculations.functions.evaluated import evaluated, labelled, predicted
from aiida_mliptransport.calculations.functions.validation import (
    collect_validation,
    compare_labels,
    lines_node,
    shortest_distances,
)
from aiida_mliptransport.calculations.functions.validation_md import (
    compare_long_run,
    compare_structure,
    judge_stability,
    sample_runs,
)
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.trajectory import MDTrajectoryData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.science.validation import Quantity
from aiida_mliptransport.workflows.protocols import load_protocol

pytestmark = pytest.mark.medium

CHECKS = load_protocol("validate")["checks"]


def version():
    return orm.Str("1")


def rattled(*seeds, formula="LiF"):
    cells = []
    for seed in seeds:
        atoms = bulk(formula, "rocksalt", a=4.03, cubic=True)
        atoms.rattle(0.05, seed=seed)
        cells.append(atoms)
    return cells


def labels_of(cells, shift=0.0, scale=1.0):
    """Frames whose energy is their number and whose forces are their displacements."""
    frames = Frames.from_atoms(cells)
    systems = []
    for number, system in enumerate(frames):
        forces = scale * (system.positions - system.positions.mean(axis=0) + 0.1)
        energies = 10.0 * number + np.arange(system.n_frames) + shift
        systems.append(replace(system, energies=energies, forces=forces))
    return Frames(tuple(systems))


def predictions_of(frames):
    array = orm.ArrayData()
    for number, system in enumerate(frames):
        array.set_array(f"system_{number:03d}_energies", system.energies)
        array.set_array(f"system_{number:03d}_forces", system.forces)
        array.set_array(f"system_{number:03d}_stresses", np.full((system.n_frames, 3, 3), np.nan))
    return array


def lines_by_quantity(node):
    return {(line["subject"], line["quantity"]): line for line in node["lines"]}


def test_values_are_found_by_frame_whatever_their_order():
    cells = [*rattled(0), *rattled(1, formula="LiCl"), *rattled(2)]
    frames = labels_of(cells)
    said = evaluated(cells, predicted(frames, predictions_of(frames)))
    # The frames are kept as two systems: LiF with seeds 0 and 2, then LiCl.
    assert said.energies.tolist() == [0.0, 10.0, 1.0]
    other = evaluated([*cells, *rattled(7)], labelled(frames))
    assert other.n_missing == 1
    assert np.isnan(other.forces[3]).all()
    assert np.array_equal(other.forces[1], frames.systems[1].forces[0])


def test_errors_are_told_apart_by_composition():
    cells = [*rattled(0, 1, 2), *rattled(3, 4, formula="LiCl")]
    reference = labels_of(cells)
    lines = lines_by_quantity(
        compare_labels(
            orm.Str("unseen"),
            orm.Dict(CHECKS["errors"]),
            orm.Str("x16"),
            version(),
            FrameSetData(reference, level_of_theory={"engine": "by hand"}),
            predictions_of(labels_of(cells, shift=0.08, scale=1.1)),
        )
    )
    subjects = {subject for subject, _ in lines}
    assert subjects == {"x16, F4Li4", "x16, Cl4Li4"}
    for subject in subjects:
        line = lines[subject, "force RMSE per component, all atoms"]
        assert line["difference"] / line["tolerance"] == pytest.approx(0.1 / 0.15)
        assert lines[subject, "mean error of the energy per atom"]["potential"] == pytest.approx(10)
        assert lines[subject, "stress RMSE per component"]["verdict"] == "not available"


def test_the_shortest_distances_of_the_training_are_known_by_pair():
    atoms = bulk("LiF", "rocksalt", a=4.0, cubic=True)
    nearer = atoms.copy()
    nearer.positions[0, 0] += 0.3
    found = shortest_distances(
        one=FrameSetData(Frames.from_atoms([atoms])),
        two=FrameSetData(Frames.from_atoms([nearer])),
    ).get_dict()
    assert found["Li-F"] == pytest.approx(1.7)
    assert found["F-F"] == pytest.approx(4.0 / np.sqrt(2))


def run(n=40, seed=0, failed_at=None, completed=True, noise=0.05, drift=0.0):
    """MD of LiF that is rattled anew in each frame, 0.1 ps apart; all atoms meet when it fails."""
    atoms = bulk("LiF", "rocksalt", a=4.03, cubic=True)
    rng = np.random.default_rng(seed)
    positions = atoms.positions + rng.normal(0, noise, (n, len(atoms), 3))
    if failed_at is not None:
        positions[failed_at:] = 0.1 * positions[failed_at:]
    steps, times = 100 * np.arange(n), 0.1 * np.arange(n)
    energy = 1e-3 * len(atoms) * drift * times + 1e-5 * rng.normal(size=n)
    return MDTrajectoryData(
        numbers=atoms.numbers,
        pbc=atoms.pbc,
        steps=steps,
        times_ps=times,
        positions=positions,
        cells=np.repeat(atoms.cell.array[None], n, axis=0),
        thermo={"step": steps, "time_ps": times, "conserved_energy_eV": energy},
        info={"temperature_K": 300.0, "completed": completed},
    )


def test_runs_that_explode_or_give_nothing_are_failures_of_their_condition():
    limits = orm.Dict({**CHECKS["stability"], "min_mean_ps": 2.0})
    lines = lines_by_quantity(
        judge_stability(
            limits,
            version(),
            orm.Dict({"hot_900K_replica1": "lost atoms", "hot_900K_replica2": "no frame"}),
            run__cold_300K_replica0=run(drift=1.0),
            run__cold_300K_replica1=run(seed=1, drift=1.0),
            run__hot_900K_replica0=run(failed_at=11),
            run__hot_900K_replica1=run(n=11, completed=False),
        )
    )
    cold = lines["cold_300K", "mean time to failure"]
    assert cold["potential"] == pytest.approx(7.8 / -np.log(0.05))
    assert cold["verdict"] == "pass"
    hot = lines["hot_900K", "mean time to failure"]
    # Frames 0 to 10 of two runs, and none of the third: three failures in 2 ps.
    assert hot["potential"] == pytest.approx(2.0 / 3.0)
    assert "3 of 3 runs failed" in hot["reason"]
    drift = lines["cold_300K", "drift of the conserved energy per atom"]
    assert drift["difference"] == pytest.approx(1.0, rel=0.01)
    assert drift["verdict"] == "fail"
    assert lines["hot_900K", "drift of the conserved energy per atom"]["verdict"] == "not available"


def test_frames_are_taken_along_runs_before_they_fail():
    limits = orm.Dict({**CHECKS["long_run"], "n_frames": 8})
    frames = sample_runs(limits, run__a=run(), run__b=run(seed=1, failed_at=11)).frames
    (system,) = frames.systems
    assert system.n_frames == 8
    by_run = [sorted(set(system.steps[system.origins == o])) for o in sorted(set(system.origins))]
    assert sorted(steps[-1] for steps in by_run) == [1000, 3900]
    with pytest.raises(ValueError, match="no run has a physical frame"):
        sample_runs(limits, run__a=run(failed_at=0))


def test_an_energy_error_that_grows_along_a_run_is_told():
    limits = orm.Dict({**CHECKS["long_run"], "n_frames": 8})
    frames = sample_runs(limits, run__a=run())
    (system,) = frames.frames.systems
    late = np.arange(8) >= 4
    reference = replace(system, energies=np.zeros(8), forces=np.ones_like(system.positions))
    ours = replace(reference, energies=8e-3 * 5.0 * late + 1e-4 * np.arange(8))
    made = compare_long_run(
        limits,
        orm.Str("runs"),
        version(),
        frames,
        predictions_of(Frames((ours,))),
        FrameSetData(Frames((reference,)), level_of_theory={"engine": "by hand"}),
    )
    line = lines_by_quantity(made["lines"])[
        "runs, F4Li4", "change of the mean energy error per atom along the run"
    ]
    assert line["difference"] == pytest.approx(5.0, abs=0.1)
    assert line["verdict"] == "fail"


def test_rdfs_of_like_runs_overlap_and_named_pairs_are_compared():
    limits = {**CHECKS["rdf"], "reach_A": 4.0, "bin_width_A": 0.2}
    runs = {
        "potential__a": run(n=120),
        "labeller__a": run(n=120, seed=1),
        "labeller__b": run(n=120, seed=2),
    }
    made = compare_structure(orm.Dict(limits), orm.Str("lif_300K"), version(), **runs)
    lines = made["lines"]["lines"]
    assert [line["quantity"].split()[-4] for line in lines] == ["F-F", "F-Li", "Li-Li"]
    assert {line["verdict"] for line in lines} == {"pass"}
    assert made["curves"].get_array("F_Li_r").shape == (20,)
    runs["potential__a"] = run(n=120, noise=0.3)
    softer = compare_structure(
        orm.Dict({**limits, "pairs": ["Li-F"]}), orm.Str("lif_300K"), version(), **runs
    )["lines"]["lines"]
    assert [line["verdict"] for line in softer] == ["fail"]
    with pytest.raises(ValueError, match=r"holds \['Cl-Li'\]"):
        compare_structure(
            orm.Dict({**limits, "pairs": ["Cl-Li"]}), orm.Str("lif_300K"), version(), **runs
        )


def test_the_table_holds_all_lines_and_what_is_not_available():
    good = Quantity("eos", "licl", "bulk modulus", "GPa").against(50.0, 51.0, tolerance=2.0)
    curves = orm.ArrayData()
    curves.set_array("volumes", np.arange(3.0))
    made = collect_validation(
        orm.Dict({"rdf/licl_300K": "no run of the potential"}),
        lines__eos_licl=lines_node([good]),
        curves__eos_licl=curves,
    )
    table = made["validation"].get_dict()
    assert table["counts"] == {"pass": 1, "fail": 0, "warn": 0, "not available": 1}
    assert table["passed"] is True
    assert table["lines"][0] == good.as_dict()
    assert table["lines"][1]["reason"] == "no run of the potential"
    assert made["curves"].get_arraynames() == ["eos_licl__volumes"]
