"""DP-GEN's loop for ``teacher_recovery_dpgen.py``: runs of ``dpgen run``, which go on one another.

DP-GEN takes its explorations from a list, and ends when it has trained on the labels of the last.
Its users look at the shares of an exploration, append the next or stop, and start it again; so does
this loop.
"""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from teacher_recovery_dpgen_inputs import (
    CALCULATOR,
    FIRST_FRAMES,
    JOBS_AT_A_TIME,
    STARTS,
    Settings,
    exploration_job,
    first_run,
    machine,
    run_parameters,
)

from aiida_mliptransport.backends.deepmd_input import DeepmdTrainParameters
from aiida_mliptransport.science.formats import write_deepmd
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.naming import derived_seed, run_key

#: DP-GEN's lists of frames: below, between and above the trust levels.
LISTS = ("rest_accurate", "candidate", "rest_failed")
#: Number of the last step of an iteration in DP-GEN's record.
LABELS_COLLECTED = 8


@dataclass(frozen=True)
class Learned:
    """What the learning cost in labels and seconds, and the models of the last committee."""

    labels: int
    seconds: float
    models: list[dict[str, str]]


class Loop:
    """One campaign of DP-GEN below a folder."""

    def __init__(self, work: Path, dpgen: str, settings: Settings) -> None:
        self.work, self.dpgen, self.settings = work, dpgen, settings
        self.folder = work / "loop"
        self.jobs: list[dict[str, Any]] = []
        self.begin = time.perf_counter()

    def learn(self, start: Atoms, seed: int) -> Learned:
        """Run all stages, or return what an ended run left in the folder."""
        ended = self.work / "learned.json"
        if ended.exists():
            return Learned(**json.loads(ended.read_text()))
        if self.work.exists() and any(self.work.iterdir()):
            raise SystemExit(f"{self.work} holds a run that did not end; give another --work")
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / CALCULATOR).write_text(json.dumps(self.settings.calculator))
        labels = self._first_frames(start, seed)
        self._say(f"first frames: {labels} labels")
        for iteration in range(self.settings.max_iterations):
            added, share = self._iterate(iteration)
            labels += added
            self._say(f"iteration {iteration}: {share:.0%} accurate, {labels} labels")
            if share >= self.settings.share_accurate:
                break
        models = self._last_committee()
        self._say("last committee")
        learned = Learned(labels, time.perf_counter() - self.begin, models)
        ended.write_text(json.dumps(asdict(learned)))
        return learned

    def _say(self, text: str) -> None:
        print(f"{time.perf_counter() - self.begin:6.0f} s  {text}", flush=True)

    def _first_frames(self, start: Atoms, seed: int) -> int:
        """Run the teacher's MD, and begin the explorations where its hottest runs end."""
        settings = self.settings

        def run(temperature: float, number: int) -> Any:
            name = run_key("melt", temperature, number, kind="run")
            folder = self.work / "first_md" / name
            return first_run(folder, settings, start, temperature, derived_seed(seed, name, 0))

        conditions = [(t, n) for t in sorted(settings.temperatures_K) for n in range(settings.runs)]
        with ThreadPoolExecutor(JOBS_AT_A_TIME) as pool:
            parts = list(pool.map(lambda condition: run(*condition), conditions))
        parts = [part for part in parts if part.n_frames]
        if not parts:
            raise SystemExit(
                f"no run of the teacher in {self.work} gave frames: try another --seed"
            )
        frames = Frames.join(parts)
        write_deepmd(self.work / FIRST_FRAMES, frames, settings.type_map)
        for number in range(settings.replicas):
            end = parts[-1 - number % min(settings.runs, len(parts))].take([-1]).to_atoms()[0]
            end.wrap()
            end.write(self.work / STARTS.replace("*", str(number)), format="vasp", sort=True)
        return frames.n_frames

    def _iterate(self, iteration: int) -> tuple[int, float]:
        """Train, explore and label; return the number of labels and the share of accurate frames.

        DP-GEN would go on to train on the labels. Here it takes the committee once more, and its
        record is set back if there is another iteration: the last short training serves nobody.
        """
        if iteration:
            self._set_back(iteration - 1)
        self._run(self.folder, self.settings.train, [FIRST_FRAMES])
        self._say(f"iteration {iteration}: committee trained")
        self.jobs.append(exploration_job(self.settings))
        self._run(self.folder, self.settings.train, [FIRST_FRAMES], train_after=False)
        folder = self.folder / f"iter.{iteration:06d}" / "02.fp"
        counts = [
            sum(len(file.read_text().splitlines()) for file in folder.glob(f"{kind}.shuffled.*"))
            for kind in LISTS
        ]
        if not sum(counts):
            raise SystemExit(f"{folder} counts no frame: no deviation of the models was finite")
        self._say("  accurate {}, candidate {}, failed {}".format(*counts))
        return len(list(folder.glob("task.*"))), counts[0] / sum(counts)

    def _set_back(self, iteration: int) -> None:
        """Set DP-GEN's record back to the labels of an iteration."""
        record = self.folder / "record.dpgen"
        lines = record.read_text().splitlines()
        end = lines.index(f"{iteration} {LABELS_COLLECTED}") + 1
        record.write_text("\n".join(lines[:end]) + "\n")

    def _last_committee(self) -> list[dict[str, str]]:
        """Train on all data, by DP-GEN in a folder of its own that explores nothing."""
        labelled = sorted(self.folder.glob("iter.*/02.fp/data.*"))
        data = [FIRST_FRAMES, *(str(path.relative_to(self.work)) for path in labelled)]
        self.jobs = []
        folder = self.work / "final"
        self._run(folder, self.settings.final, data)
        names = {"model": "frozen_model.pb"}
        if self.settings.final.compress:
            names["compressed"] = "frozen_model_compressed.pb"
        runs = [
            folder / "iter.000000" / "00.train" / f"{member:03d}"
            for member in range(self.settings.members)
        ]
        return [{role: str(run / name) for role, name in names.items()} for run in runs]

    def _run(
        self,
        folder: Path,
        training: DeepmdTrainParameters,
        data: list[str],
        train_after: bool = True,
    ) -> None:
        """Run DP-GEN in a folder until it has no exploration left."""
        folder.mkdir(exist_ok=True)
        param = run_parameters(self.work, self.settings, training, data, self.jobs, train_after)
        (folder / "param.json").write_text(json.dumps(param, indent=2))
        (folder / "machine.json").write_text(
            json.dumps(machine(self.work, self.settings), indent=2)
        )
        output = folder / "dpgen.out"
        with output.open("a") as log:
            status = subprocess.run(
                [self.dpgen, "run", "param.json", "machine.json"],
                cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            ).returncode  # fmt: skip
        if status:
            tail = "\n".join(output.read_text().splitlines()[-15:])
            raise SystemExit(f"{tail}\ndpgen ended with {status}; see {output} and dpgen.log")
