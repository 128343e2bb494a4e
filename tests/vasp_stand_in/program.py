"""The run itself: from the inputs in a folder to the outputs beside them."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any, TextIO, TypeVar

from .band import Band
from .fortran import NOTICE
from .ionic import Frame, Run
from .job import InputError, Job, read_jobs
from .outcar import OutcarWriter
from .poscar import contcar_text, xdatcar_configuration, xdatcar_header
from .text_outputs import HEADER, VERSION, banner, electronic_lines, ionic_line
from .vasprun import VasprunWriter

T = TypeVar("T")


def main(folder: Path) -> int:
    """Run in ``folder`` and return the exit status; errors are printed as VASP prints them."""
    try:
        jobs = read_jobs(folder)
        if any(job.failure.mode == "no_output" for job in jobs):
            return 1
        with ExitStack() as stack:
            if len(jobs) > 1:
                return run_band(jobs, stack)
            return Outputs(jobs[0], stack).run()
    except InputError as error:
        print(f" vasp.{VERSION} ({NOTICE})\n {error}", flush=True)
        return 1


class Outputs:
    """All files of one run."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        def create(name: str) -> TextIO:
            return stack.enter_context((job.folder / name).open("w", encoding="utf-8"))

        self.job = job
        self.ionic = Run(job)
        self.vasprun = VasprunWriter(create("vasprun.xml"), job)
        self.outcar = OutcarWriter(create("OUTCAR"), job)
        self.oszicar = create("OSZICAR")
        self.xdatcar = create("XDATCAR")
        self.previous_energy = 0.0
        # Until the first ionic step ends, CONTCAR is there and empty.
        self._write("CONTCAR", "")

    def run(self) -> int:
        """Run all ionic steps and return the exit status."""
        self.begin()
        for frame in self.ionic.frames():
            if not self.step(frame):
                return 1
            if self.asked_to_stop(frame):
                self.stop()
                break
        return self.end()

    def begin(self) -> None:
        """Write all that comes before the first ionic step."""
        job = self.job
        print(banner(job), flush=True)
        self.vasprun.header()
        self.outcar.header()
        self.xdatcar.write(xdatcar_header(job.poscar, job.poscar.atoms, job.elements))
        self._print(f"{HEADER}   ({NOTICE})")

    def step(self, frame: Frame, chain: Iterable[str] = ()) -> bool:
        """Write an ionic step, and what ``chain`` says of it; False where an error stops VASP."""
        failure = self.job.failure
        self._electronic_steps(frame)
        if failure.stops(frame.index):
            return False
        self._results(frame)
        self.outcar.write(chain)
        if failure.strikes("killed", frame.index):
            os.kill(os.getpid(), signal.SIGKILL)
        if failure.mode == "walltime":
            time.sleep(failure.value or 1.0)
        return True

    def asked_to_stop(self, frame: Frame) -> bool:
        """Whether there is a STOPCAR, or the run is told to end as if there were."""
        return stop_requested(self.job.folder) or self.job.failure.strikes("stop", frame.index)

    def stop(self) -> None:
        """Say that the run ends in order."""
        self.outcar.write(("", " soft stop encountered!  aborting job ...", ""))
        self._print(" soft stop encountered!  aborting job ...")

    def end(self) -> int:
        """Write what follows the last ionic step and return the exit status."""
        failure = self.job.failure
        if self.ionic.reached_accuracy:
            message = " reached required accuracy - stopping structural energy minimisation"
            self.outcar.write((message,))
            self._print(message)
        if failure.mode == "truncated":
            self._truncate(failure.value or 0.6)
            return 1
        self._finish()
        return 0

    def _electronic_steps(self, frame: Frame) -> None:
        self.vasprun.electronic_steps(frame)
        self.outcar.electronic_steps(frame)
        for line in electronic_lines(frame):
            self._print(line)
        text = self.job.failure.text(frame.index)
        if text is not None:
            print(text, flush=True)
            self.outcar.write(text.splitlines())

    def _results(self, frame: Frame) -> None:
        job = self.job
        self.vasprun.results(frame)
        self.outcar.results(frame)
        self._print(ionic_line(frame, job, self.previous_energy))
        self.previous_energy = frame.electrons.final.free
        if frame.index % job.parameters["NBLOCK"] == 0:
            if job.parameters["ISIF"] == 3 and frame.index > job.parameters["NBLOCK"]:
                self.xdatcar.write(xdatcar_header(job.poscar, frame.atoms, job.elements))
            self.xdatcar.write(xdatcar_configuration(frame.index, frame.atoms))
            self.xdatcar.flush()
        self._write("CONTCAR", contcar_text(job.poscar, self.ionic.atoms, job.elements))

    def _finish(self) -> None:
        self.vasprun.finish(self.ionic.atoms)
        self.outcar.finish()
        for tag, name in (("LWAVE", "WAVECAR"), ("LCHARG", "CHGCAR")):
            if self.job.parameters[tag]:
                self._write(name, f"{NOTICE}: nothing of use is in this file\n")
        print(" writing wavefunctions", flush=True)

    def _truncate(self, fraction: float) -> None:
        for name in ("vasprun.xml", "OUTCAR"):
            path = self.job.folder / name
            os.truncate(path, int(fraction * path.stat().st_size))

    def _print(self, line: str) -> None:
        print(line, flush=True)
        self.oszicar.write(line + "\n")
        self.oszicar.flush()

    def _write(self, name: str, text: str) -> None:
        (self.job.folder / name).write_text(text, encoding="utf-8")


def run_band(jobs: Sequence[Job], stack: ExitStack) -> int:
    """Run the images between the ends side by side and return the exit status.

    The first image prints to stdout, the others into their folders.
    """
    outputs = [Outputs(job, stack) for job in jobs[1:-1]]
    streams: list[TextIO] = [sys.stdout]
    for job in jobs[2:-1]:
        streams.append(stack.enter_context((job.folder / "stdout").open("w", encoding="utf-8")))

    def each(action: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
        found = []
        for output, stream, *own in zip(outputs, streams, *arguments, strict=True):
            with redirect_stdout(stream):
                found.append(action(output, *own))
        return found

    band = Band(jobs, [output.ionic for output in outputs])
    each(Outputs.begin)
    for frames, chain in band.steps():
        if not all(each(Outputs.step, frames, chain)):
            return 1
        if any(each(Outputs.asked_to_stop, frames)):
            each(Outputs.stop)
            break
    return max(each(Outputs.end))


def stop_requested(folder: Path) -> bool:
    """Whether there is a STOPCAR with ``LSTOP = .TRUE.``."""
    path = folder / "STOPCAR"
    if not path.exists():
        return False
    return bool(re.search(r"LSTOP\s*=\s*\.?T", path.read_text(encoding="utf-8"), re.IGNORECASE))
