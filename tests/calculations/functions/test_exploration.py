"""The summary of an exploration: which runs broke off, and what they lack."""

import pytest
from aiida import orm

from aiida_mliptransport.calculations.functions.exploration import summarize_runs

pytestmark = pytest.mark.medium


def result(n_frames, completed=False, out_of_walltime=False):
    return orm.Dict(
        {"completed": completed, "out_of_walltime": out_of_walltime, "n_frames": n_frames}
    )


def test_a_run_has_broken_off_unless_it_completed_or_ran_out_of_its_time(aiida_profile):
    keys = ("whole", "exploded", "slow", "slow_from_the_start", "killed")
    summary = summarize_runs(
        planned_frames=orm.Dict(dict.fromkeys(keys, 101)),
        whole=result(101, completed=True),
        exploded=result(12),
        slow=result(60, out_of_walltime=True),
        slow_from_the_start=result(0, out_of_walltime=True),
    ).get_dict()
    broken = {key for key, run in summary["runs"].items() if run["broken_off"]}
    assert broken == {"exploded", "slow_from_the_start", "killed"}
    assert summary["n_broken_off"] == 3
    assert summary["n_without_frames"] == 2
    expected = {key: run["n_expected_frames"] for key, run in summary["runs"].items()}
    assert expected == {**dict.fromkeys(keys, 101), "slow": 60}
