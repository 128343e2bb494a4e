"""An AiiDA profile with a daemon of its own, whose processes tests may kill."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent

#: Says when a program starts and ends in a working directory; the environment is the job's.
WRAPPER = """#!/bin/bash
echo "start $PWD $*" >> {log}
{prepare}{program} "$@"
status=$?
echo "end $PWD $*" >> {log}
exit $status
"""

#: Parameters of a training by the stand-in, which reads the numbers of steps only.
STAND_IN_TRAINING = {
    "compress": True,
    "training": {"numb_steps": 20, "disp_freq": 10, "save_freq": 10},
}


class Profile:
    """A profile in a folder of its own, and programs that log their runs.

    Parameters
    ----------
    folder
        Everything lies there.
    dp, lmp
        Programs; by default the stand-ins. Without ``dp`` the evaluation takes a stand-in too.
    """

    def __init__(self, folder: Path, dp: Path | None = None, lmp: Path | None = None) -> None:
        self.home = folder / "home"
        self.programs = folder / "programs"
        for path in (self.home, self.programs):
            path.mkdir(parents=True)
        (self.programs / "log").touch()
        own = HERE / "programs"
        self._wrap("dp", f"{dp or own / 'dp'}", "")
        self._wrap("lmp", f"{sys.executable} {own / 'lmp'}" if lmp is None else str(lmp), "")
        path = "" if dp else f"PYTHONPATH={own} "
        self._wrap("python", sys.executable, path)
        self.environment = {**os.environ, "AIIDA_PATH": str(self.home)}
        self.run("verdi", "presto", "--profile-name", "survival", "--use-zeromq")

    def _wrap(self, name: str, program: str, prepare: str) -> None:
        path = self.programs / name
        log = self.programs / "log"
        path.write_text(WRAPPER.format(log=log, program=program, prepare=prepare))
        path.chmod(0o755)

    def run(self, program: str, *arguments: str) -> str:
        """Run a command in the profile; return what it printed."""
        command = [str(BIN / program), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        self.run("verdi", "daemon", "start")

    def campaign(self, **options: Any) -> dict[str, Any]:
        """Run one campaign by ``driver.py`` and return the facts about it."""
        return self._driver(**{"parameters": json.dumps(STAND_IN_TRAINING), **options})

    def about(self, pk: int) -> dict[str, Any]:
        """Return the facts about a campaign that has ended."""
        return self._driver(about=pk)

    def _driver(self, **options: Any) -> dict[str, Any]:
        arguments = [f"--{name}={value}" for name, value in options.items()]
        output = self.run(
            "python", str(HERE / "driver.py"), f"--programs={self.programs}", *arguments
        )
        facts: dict[str, Any] = json.loads(output.splitlines()[-1])
        return facts

    def close(self) -> None:
        """End all that runs in this profile, whatever state it is in, and remove the folder."""
        home = str(self.home)
        for process in psutil.process_iter():
            try:
                if process.environ().get("AIIDA_PATH", "").startswith(home):
                    process.kill()
            except psutil.Error:
                continue
        shutil.rmtree(self.home.parent, ignore_errors=True)


def moments(seed: int, n_processes: int, targets: list[str]) -> list[dict[str, Any]]:
    """Return a random moment for each kill, in order, of a campaign of so many processes.

    A kill comes when the campaign has made ``after`` processes, and ``delay`` seconds later.
    """
    rng = random.Random(seed)
    counts = sorted(rng.sample(range(1, n_processes - 1), len(targets)))
    return [
        {"target": target, "after": after, "delay": round(rng.uniform(0.0, 1.0), 3)}
        for target, after in zip(targets, counts, strict=True)
    ]
