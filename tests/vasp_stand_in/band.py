"""A nudged elastic band: images that an optimizer moves together, each a run of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase.mep import NEB
from numpy.typing import NDArray

from .calculators import make_calculator
from .fortran import row
from .ionic import OPTIMIZERS, Frame, Run
from .job import Job


class Band:
    """The images of a band, with improved tangents, moved by the optimizer of IBRION.

    The tangents take the energies of the ends, of which no file tells: VASP computes no ends.
    """

    def __init__(self, jobs: Sequence[Job], runs: Sequence[Run]) -> None:
        """Take the jobs of all images, both ends included, and the runs of those between."""
        self.parameters = jobs[0].parameters
        self.runs = runs
        ends = [job.poscar.atoms.copy() for job in (jobs[0], jobs[-1])]
        for end in ends:
            end.calc = make_calculator(jobs[0].calculator)
        self.chain = NEB(
            [ends[0], *(run.atoms for run in runs), ends[1]],
            k=-self.parameters.get("SPRING", -5.0),
            # Plain VASP reads the tag and does nothing.
            climb=jobs[0].vtst and bool(self.parameters.get("LCLIMB")),
            method="improvedtangent",
        )
        self.optimizer = OPTIMIZERS[self.parameters["IBRION"]](self.chain, logfile=None)

    def steps(self) -> Iterator[tuple[list[Frame], list[list[str]]]]:
        """Yield what each image computed, and its lines on the chain, once all are ahead of it."""
        for index in range(1, self.parameters["NSW"] + 1):
            frames = [run.evaluate(index) for run in self.runs]
            forces = self.chain.get_forces().reshape(len(frames), -1, 3)
            chain = [list(_chain_lines(force)) for force in forces]
            reached = bool(np.linalg.norm(forces, axis=2).max() < -self.parameters["EDIFFG"])
            for run in self.runs:
                run.reached_accuracy = reached
            if not reached:
                self.optimizer.step()
            yield frames, chain
            if reached:
                return


def _chain_lines(forces: NDArray[np.float64]) -> Iterator[str]:
    rule = " " + "-" * 46
    yield " CHAIN + TOTAL  (eV/Angst)"
    yield rule
    yield from (row(force, 13, 5) for force in forces)
    yield rule
