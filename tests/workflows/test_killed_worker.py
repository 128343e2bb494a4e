"""A worker killed in a step: the process ends, nothing is doubled, archives export."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import held_steps
import pytest
from aiida import orm
from aiida.engine import submit
from aiida.engine.daemon.client import get_daemon_client

from aiida_mliptransport.tools.archive import export_study
from aiida_mliptransport.tools.repair import release_dead_workers

pytestmark = pytest.mark.daemon

TIMEOUT = 180


#: Seconds after which somebody looks at the daemon.
LOOK_SECONDS = 10


def wait_for(condition, what):
    """Wait for a condition, and look at the state now and then, as a user would."""
    deadline = time.monotonic() + TIMEOUT
    look = time.monotonic() + LOOK_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            log = Path(get_daemon_client().daemon_log_file).read_text(encoding="utf-8")
            pytest.fail(f"{what} did not happen within {TIMEOUT} s; the daemon says:\n{log}")
        if time.monotonic() > look:
            release_dead_workers()
            look = time.monotonic() + LOOK_SECONDS
        time.sleep(0.1)


@pytest.fixture
def held(tmp_path):
    (tmp_path / "hold").touch()
    return tmp_path


def kill_worker_at(daemon, held):
    """Kill the only worker when it has reached the held point, and let the next one pass."""
    wait_for((held / "reached").exists, "the held point")
    pids = list(daemon.get_worker_info()["info"])
    assert len(pids) == 1
    os.kill(int(pids[0]), signal.SIGKILL)
    (held / "hold").unlink()


def test_a_worker_killed_in_a_fan_out_doubles_no_child(daemon, make_code, held, tmp_path):
    code = make_code("bash", "/bin/bash")
    node = submit(
        held_steps.HeldFanOut,
        code=code,
        folder=orm.Str(str(held)),
        jobs=orm.Int(4),
        max_concurrent=orm.Int(4),
    )
    kill_worker_at(daemon, held)
    wait_for(lambda: node.is_terminated, "the end of the process")
    assert node.is_finished_ok, node.exit_message
    assert [node.outputs.sums[f"add_{i}"].value for i in range(4)] == [100, 101, 102, 103]
    labels = Counter(link.link_label for link in node.base.links.get_outgoing().all()
                     if link.link_label.startswith("add_"))  # fmt: skip
    assert labels == {f"add_{i}": 1 for i in range(4)}
    assert export_study(node, tmp_path / "study.aiida").stat().st_size > 0


def test_a_worker_killed_in_a_calcfunction_seals_it_and_runs_it_again(daemon, held, tmp_path):
    node = submit(held_steps.HeldCalcfunction, folder=orm.Str(str(held)))
    kill_worker_at(daemon, held)
    wait_for(lambda: node.is_terminated, "the end of the process")
    assert node.is_finished_ok, node.exit_message
    assert node.outputs.double.value == 42
    assert Counter(child.is_finished_ok for child in node.called) == {True: 1, False: 1}
    assert all(child.is_sealed for child in node.called)
    assert export_study(node, tmp_path / "study.aiida").stat().st_size > 0
