"""The guard of a job: it ends one that hangs, and runs one that is submitted twice once."""

import shutil
import subprocess
import time

import psutil
import pytest

from aiida_mliptransport.calculations.walltime import DONE_FILE, WALLTIME_FILE, walltime_guard

pytestmark = pytest.mark.medium


@pytest.fixture
def submit(tmp_path):
    """Return a function that starts a guarded script in one folder."""

    def start(commands, seconds=60):
        (tmp_path / "job.sh").write_text(walltime_guard(seconds) + commands)
        return subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    return start


def test_a_script_that_is_submitted_twice_runs_its_programs_once(submit, tmp_path):
    commands = "echo run >> runs\nwhile [ ! -e go ]; do sleep 0.02; done\nexit 3\n"
    jobs = [submit(commands), submit(commands)]
    while not (tmp_path / "runs").exists():
        time.sleep(0.02)
    # The second one lives as long as the first: AiiDA reads the results when it has ended.
    assert [job.poll() for job in jobs] == [None, None]
    (tmp_path / "go").touch()
    said = [job.communicate()[1] for job in jobs]
    assert [job.returncode for job in jobs] == [3, 3]
    assert (tmp_path / "runs").read_text() == "run\n"
    assert sum("has run already" in text for text in said) == 1


def test_a_script_whose_first_run_was_killed_runs_again(submit, tmp_path):
    first = submit("echo run >> runs\nsleep 30\n")
    while not (tmp_path / "runs").exists():
        time.sleep(0.02)
    # The outermost shell first: it would note how its programs ended.
    for process in [first, *psutil.Process(first.pid).children(recursive=True)]:
        process.kill()
    first.communicate()
    second = submit("echo run >> runs\n")
    second.communicate()
    assert second.returncode == 0
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_job_that_hangs_is_ended_and_says_so(submit, tmp_path):
    job = submit("sleep 30\n", seconds=1)
    job.communicate()
    assert job.returncode == 124
    assert (tmp_path / WALLTIME_FILE).read_text() == "1\n"
    assert (tmp_path / DONE_FILE).read_text() == "124\n"


def test_a_program_that_fails_before_its_time_is_no_walltime_failure(submit, tmp_path):
    job = submit("exit 137\n")
    job.communicate()
    assert job.returncode == 137
    assert not (tmp_path / WALLTIME_FILE).exists()


def test_where_flock_is_missing_the_job_runs_all_the_same(tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("bash", "timeout"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    (tmp_path / "job.sh").write_text(walltime_guard(60) + "echo run > runs\n")
    job = subprocess.run(
        [shutil.which("bash"), "job.sh"], cwd=tmp_path, env={"PATH": str(tmp_path / "bin")}
    )
    assert job.returncode == 0
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_job_without_a_limit_has_the_lock_only(submit, tmp_path):
    job = submit("echo run >> runs\n", seconds=None)
    job.communicate()
    assert job.returncode == 0
    assert "timeout" not in (tmp_path / "job.sh").read_text()
    assert (tmp_path / "runs").read_text() == "run\n"
