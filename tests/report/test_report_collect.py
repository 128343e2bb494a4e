"""A report finds in the graph what the workflows left there, finished or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import synthetic_physics as physics
from aiida import orm
from synthetic_campaign import RMSE

from aiida_mliptransport.report.collect import NotReportableError, collect
from aiida_mliptransport.report.collect_learning import _rungs
from aiida_mliptransport.report.tables import ladder_table
from aiida_mliptransport.report.verdict import verdict

pytestmark = pytest.mark.medium


def test_the_learning_curve_of_a_finished_campaign_is_that_of_its_history(finished_report):
    iterations = finished_report.iterations
    assert [i.force_rmse for i in iterations] == list(RMSE)
    assert [i.n_training_frames for i in iterations] == [40, 64, 88]
    assert [i.n_models for i in iterations] == [2, 2, 2]
    assert [i.n_trajectories for i in iterations] == [2, 2, 2]
    assert [i.not_reached for i in iterations] == [80, 0, 0]
    assert iterations[-1].histogram.counts.sum() == 1600 - iterations[-1].unphysical


def test_the_stages_of_the_ladder_are_shown_with_what_they_gave(finished_report):
    table = ladder_table(finished_report)
    assert [text for text, _ in table.heads] == [
        "structure", "iteration 1", "iteration 2", "iteration 3", "next"
    ]  # fmt: skip
    (row,) = table.rows
    assert [cell.text for cell in row] == ["licl", "1", "2", "2", "2"]
    share = finished_report.iterations[2].share_accurate
    assert row[3].remark == f"{100 * share:.1f} % accurate"


def test_a_ladder_of_one_stage_is_not_shown(finished_report):
    state = {"explored": {"a": 0}, "share_accurate": {"a": 0.5}, "stages": {"a": 0}, "n_stages": 1}
    assert _rungs(state) == ()
    report = replace(
        finished_report, iterations=[replace(i, ladder=()) for i in finished_report.iterations]
    )
    assert ladder_table(report) is None


def test_labels_are_counted_by_where_they_went(finished_report):
    assert {row.stage: row.frames for row in finished_report.labels} == {
        "Initial MD": 40,
        "Candidates": 72,
        "Blind frames": 30,
    }
    assert finished_report.n_labels == 142


def test_parity_compares_the_final_blind_frames_with_their_labels(finished_report):
    parity = finished_report.parity
    assert parity.source == "final blind test"
    assert parity.n_frames == 30
    assert [s.name for s in parity.forces] == ["Li", "Cl"]
    assert sum(len(s.reference) for s in parity.forces) == 30 * 16 * 3
    assert parity.force_rmse == pytest.approx(0.071, rel=0.05)
    assert parity.energies.rmse == pytest.approx(1.0, rel=0.4)  # meV/atom


def test_the_last_calibration_is_shown_with_the_bounds_of_each_species(finished_report):
    calibration = finished_report.calibration
    assert (calibration.iteration, calibration.source) == (3, "calibrated")
    assert [s.symbol for s in calibration.species] == ["Cl", "Li"]
    for species in calibration.species:
        assert len(species.error) == 30
        assert species.low == pytest.approx(species.accurate_error / species.upper)


def test_a_calibration_that_was_not_possible_says_why(running_campaign):
    calibration = collect(running_campaign).calibration
    assert (calibration.iteration, calibration.source) == (1, "blind test")
    assert all(s.upper is None and "8.6 independent" in s.reason for s in calibration.species)


def test_pairs_of_the_rdf_are_found_by_the_names_of_their_arrays(finished_report):
    assert [pair.pair for pair in finished_report.rdf] == ["Cl–Cl", "Li–Cl", "Li–Li"]


def test_observables_curves_and_fits_are_matched(finished_report):
    transport = finished_report.transport
    assert [p.temperature for p in transport.points] == list(physics.TEMPERATURES)
    assert {c.element for c in transport.msd} == {"Li", "Cl", "charge"}
    assert all(c.fit_window_ps == (0.6, 3.0) for c in transport.msd)
    fits = {fit.name: fit for fit in transport.arrhenius}
    assert set(fits) == {"D_Li", "D_Cl", "sigma_T", "sigma"}
    for element in ("Li", "Cl"):
        fit = fits[f"D_{element}"]
        assert fit.activation_eV == pytest.approx(
            physics.ACTIVATION[element], abs=3 * fit.activation_error_eV
        )


def test_cost_is_that_of_the_jobs_by_stage(finished_report):
    jobs = {group.stage: group for group in finished_report.jobs}
    assert jobs["Exploration"].n_jobs == 6
    assert jobs["Exploration"].n_failed == 1
    assert jobs["Exploration"].wall_s == pytest.approx(6 * 18.0)
    assert jobs["Transport MD"].wall_s == pytest.approx(4 * 75.0)
    assert jobs["Transport MD"].core_hours == pytest.approx(4 * 75.0 / 3600)
    assert next(iter(jobs)) == "Initial MD"
    assert finished_report.wall_s == pytest.approx(sum(g.wall_s for g in jobs.values()), rel=0.01)


def test_failed_jobs_and_given_up_labels_are_listed_like_ones_together(finished_report):
    rows = {(f.where, f.what): f for f in finished_report.failures}
    blown = rows[
        ("iteration_01_explore / licl_1500K_replica1", "LammpsMDCalculation: exit code 320")
    ]
    assert "step 2140" in blown.message
    assert rows[("iteration_02_label_candidates", "label: scf unconverged")].count == 2
    assert len(rows) == 2


def test_versions_and_level_of_theory_are_those_recorded_in_nodes(finished_report):
    versions = dict(finished_report.versions)
    assert versions["aiida-core"] == "2.9.4"
    assert versions["aiida-mliptransport"] == "0.1.0"
    assert versions["Lammps"] == "22 Jul 2025"
    assert versions["labels by tblite"] == "0.4.0"
    assert versions["potential backend deepmd"] == "3.2.0"
    assert versions["codes"] == "dp@node, lmp@node, python@node"
    assert finished_report.level_of_theory["method"] == "GFN1-xTB"


def test_a_converged_campaign_says_so_with_its_error(finished_report):
    result = verdict(finished_report)
    assert result.status == "yes"
    assert "(0.071 ± 0.005) eV/Å" in result.sentence
    assert "all 7 checks passed" in result.sentence


def test_a_running_campaign_is_read_from_its_children(running_campaign):
    report = collect(running_campaign)
    first, second = report.iterations
    assert first.force_rmse == RMSE[0]
    assert second.force_rmse is None
    assert (first.n_candidates, second.n_candidates, second.n_blind) == (24, None, 10)
    assert second.n_explored == 1600
    assert second.trust_low == pytest.approx(2.1 * RMSE[0])
    assert report.final_errors.source == "blind test of iteration 1"
    assert report.parity.source == "blind test of iteration 1"
    assert report.transport is None
    assert [row.frames for row in report.labels] == [40, 24, 20]
    assert verdict(report).status == "open"


def test_a_transport_process_alone_names_what_is_not_resolved(transport_alone):
    report = collect(transport_alone)
    low = report.transport.points[0].diffusion[0]
    assert (low.resolved, low.value, low.needed_length_ps) == (False, None, 240.0)
    result = verdict(report)
    assert result.status == "no"
    assert "D(Li) at 900 K" in result.sentence
    assert [group.stage for group in report.jobs] == ["Transport MD"]


def test_a_broken_off_process_is_reported_as_such(aiida_profile):
    from aiida.engine import ProcessState
    from synthetic_graph import Graph

    node = Graph().workchain("ActiveLearningWorkChain")
    node.set_process_state(ProcessState.EXCEPTED)
    node.set_exception("Traceback …\nRuntimeError: the broker went away")
    node.seal()
    report = collect(node)
    assert "stopped by an exception" in verdict(report).sentence
    assert report.failures[0].message == "RuntimeError: the broker went away"


def test_another_node_is_refused_with_its_kind(aiida_profile):
    node = orm.Int(1).store()
    with pytest.raises(NotReportableError, match=f"node {node.pk} is a Int, expected one of"):
        collect(node)


def test_predictions_of_other_frames_are_left_out(aiida_profile):
    from synthetic_campaign import arrays, frame_set

    from aiida_mliptransport.report.collect_learning import _parity

    wrong = {"system_000_forces": np.zeros((3, 16, 3))}
    assert _parity("test", frame_set(2, seed=1), arrays(wrong)) is None
