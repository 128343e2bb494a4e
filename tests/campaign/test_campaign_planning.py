"""The plan of a campaign counts its jobs."""

from __future__ import annotations

import pytest

from aiida_mliptransport.campaign import planning
from aiida_mliptransport.campaign.planning import plan
from aiida_mliptransport.campaign.schema import load_campaign

VALUES = {
    "aimd": {"runs": 2, "parameters": {"steps": 200}},
    "label": {"batch_size": 12},
    "train": {"committee_size": 4, "parameters": {"training": {"numb_steps": 2000}}},
    "explore": {"replicas": 2, "parameters": {"steps": 4000}},
    "selection": {"n_candidates": 24, "n_blind": 12},
    "budget": {"max_iterations": 3, "max_labels": 100},
    "training": {"final": {"training": {"numb_steps": 6000}}},
    "transport": {
        "replicas": 1,
        "drivers": 1,
        "melt": None,
        "mean_cell": None,
        "extension": None,
        "parameters": {"steps": 10000, "equilibration_steps": 2000},
    },
}


@pytest.fixture
def known_protocol(monkeypatch):
    monkeypatch.setattr(planning, "protocol_values", lambda stage, *_: VALUES[stage])


def test_jobs_are_counted_for_every_stage(campaign_file, known_protocol):
    result = plan(load_campaign(campaign_file()))
    jobs = {row.stage: row.n_jobs for row in result.rows}
    assert jobs == {
        "initial MD": 4,
        "training": 12,
        "exploration": 12,
        "labels": 9,
        "blind tests": 3,
        "final training": 4,
        "transport MD": 3,
    }
    assert result.n_jobs == 47


def test_driving_members_mean_cells_and_extensions_cost_jobs(
    campaign_file, known_protocol, monkeypatch
):
    changes = {
        "drivers": 2, "replicas": 3, "melt": {"steps": 500}, "mean_cell": {"steps": 800},
        "extension": {"max_segments": 4},
    }  # fmt: skip
    monkeypatch.setitem(VALUES, "transport", {**VALUES["transport"], **changes})
    rows = {row.stage: row for row in plan(load_campaign(campaign_file())).rows}
    # Three temperatures of one structure.
    assert rows["melting"].n_jobs == 1
    assert rows["NPT MD"].n_jobs == 3 * 2
    assert rows["transport MD"].n_jobs == 3 * 2 * 3 * 5
    assert rows["transport MD"].work.startswith("52000 steps at most each")


def test_the_label_budget_bounds_the_labels(campaign_file, known_protocol):
    rows = {row.stage: row for row in plan(load_campaign(campaign_file())).rows}
    assert rows["labels"].work.startswith("up to 100 labels")


def test_more_jobs_at_a_time_shorten_the_wall_time_but_not_the_cost(campaign_file, known_protocol):
    two = plan(load_campaign(campaign_file()))
    path = campaign_file(("seed: 3", "seed: 3\nmax_concurrent: 4"))
    four = plan(load_campaign(path))
    assert four.core_hours == pytest.approx(two.core_hours)
    assert four.wall_hours == pytest.approx(two.wall_hours / 2)


def test_the_estimate_of_the_initial_md_follows_the_measured_rate(campaign_file, known_protocol):
    row = plan(load_campaign(campaign_file())).rows[0]
    seconds = 4 * 16 * 200 * 0.04 + 4 * 6
    assert row.core_hours == pytest.approx(seconds / 3600)
