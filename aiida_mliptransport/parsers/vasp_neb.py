"""Read the band that VASP left in the folders of its images, also of a run that was cut off."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser
from ase.geometry import find_mic
from parsevasp.stream import Stream

from ..calculations.vasp_neb import VaspNebCalculation, VaspNebParameters, image_folder
from ..calculations.walltime import WALLTIME_FILE
from ..data.frames import FrameSetData
from ..science.barriers import continuous, max_band_force
from ..science.frames import Frames, System
from ..science.vasp_outcar import Outcar, OutcarStep, read_outcar
from .band import band_results, collapse, explosion
from .disk import disk_full_is_declared
from .text import read_text
from .vasp_frames import vasp_order


class VaspNebParser(Parser):
    """Parser of :class:`VaspNebCalculation`; energies of an unconverged SCF are never put out.

    A band is converged where VASP says so, whose tangents are its own, or where the force by
    improved tangents is below the tolerance.
    """

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Put out the images of the last converged step, and say how the band ended."""
        inputs = {link.link_label: link.node for link in self.node.base.links.get_incoming().all()}
        self._neb = VaspNebParameters.model_validate(inputs["neb"].get_dict())
        max_scf = inputs["parameters"]["nelm"]
        given = given_path(inputs)
        folder = Path(kwargs["retrieved_temporary_folder"])
        images = [folder / image_folder(number) for number in range(1, given.n_frames - 1)]
        runs = [read_outcar(_text(image / "OUTCAR")) for image in images]
        # The first image prints to the stdout of the run, the others into their folders.
        self._printed = read_text(self.retrieved, VaspNebCalculation._VASP_OUTPUT) + "".join(
            _text(image / VaspNebCalculation._VASP_OUTPUT) for image in images
        )
        steps = list(zip(*(run.steps for run in runs), strict=False))
        ends = [inputs[f"{name}_label"].frames.systems[0] for name in ("initial", "final")]
        good = [
            number
            for number, step in enumerate(steps)
            if all(_is_label(part, given.n_atoms, max_scf) for part in step)
        ]
        bands = [_band(given, ends, steps[number]) for number in good]
        forces = [
            max_band_force(band, self._neb.spring_eV_A2, self._neb.climb, self._neb.relax_ends)
            for band in bands
        ]
        unconverged = [
            image
            for image, part in enumerate(steps[-1] if steps else (), start=1)
            if part.electronic_steps >= max_scf
        ]
        self.out("failures", orm.Dict({"failures": _failures(given, unconverged, max_scf)}))
        self._last_is_good = bool(good) and good[-1] == len(steps) - 1
        done = self._last_is_good and self._is_done(runs, forces[-1])
        if bands:
            level = inputs["initial_label"].level_of_theory
            version = runs[0].version
            frames = FrameSetData(
                Frames((bands[-1],)), level_of_theory=level, engine_version=version
            )
            self.out("frames", frames)
            energies = [band.energies for band in bands if band.energies is not None]
            self.out("results", orm.Dict(band_results(good, energies, forces, done, version)))
        return self._status(runs, unconverged, good, bands, forces, done)

    def _is_done(self, runs: Sequence[Outcar], force: float) -> bool:
        if self._neb.climb and not all(run.vtst for run in runs):
            return False
        return all(run.reached_accuracy for run in runs) or force <= self._neb.force_tolerance_eV_A

    def _status(
        self,
        runs: Sequence[Outcar],
        unconverged: Sequence[int],
        good: Sequence[int],
        bands: Sequence[System],
        forces: Sequence[float],
        done: bool,
    ) -> ExitCode | None:
        codes = self.exit_codes
        n_steps = len(good)
        names = self.retrieved.base.repository.list_object_names()
        stopped = any(run.stopped for run in runs)
        if WALLTIME_FILE in names or (stopped and not done):
            return codes.ERROR_OUT_OF_WALLTIME.format(n_steps=n_steps)
        if not all(run.finished for run in runs):
            reason = _error(self._printed)
            if reason:
                return codes.ERROR_ABORTED.format(n_steps=n_steps, reason=reason)
            return codes.ERROR_INTERRUPTED.format(n_steps=n_steps)
        if unconverged:
            kept = f"the band of step {good[-1]} is kept" if good else "no step has all of them"
            return codes.ERROR_SCF_NOT_CONVERGED.format(images=f"images {unconverged}", kept=kept)
        if not self._last_is_good:
            reason = "energies or forces of its last step are not finite"
            return codes.ERROR_NO_FRAMES.format(reason=reason)
        return self._quality(bands[-1], runs, forces[-1], done)

    def _quality(
        self, band: System, runs: Sequence[Outcar], force: float, done: bool
    ) -> ExitCode | None:
        """Return what is wrong with the band at the end of a run that came to its own end."""
        codes = self.exit_codes
        exploded = explosion(band)
        if exploded:
            return codes.ERROR_IMAGE_EXPLODED.format(reason=exploded)
        collapsed = collapse(band) if self._neb.relax_ends else None
        if collapsed:
            return codes.ERROR_ENDS_COLLAPSED.format(reason=collapsed)
        if self._neb.climb and not all(run.vtst for run in runs):
            return codes.ERROR_BAND_NOT_CONVERGED.format(
                reason="no image climbed: VASP names no VTST tools in its OUTCAR; set vtst and "
                "climb to false, or give a code that is built with them"
            )
        if not done:
            return codes.ERROR_BAND_NOT_CONVERGED.format(reason=f"largest force {force:.3f} eV/Å")
        return None


def given_path(inputs: dict[str, Any]) -> System:
    """Return the images that VASP was given, both ends included, in the order of the labels.

    Parameters
    ----------
    inputs
        Of the job: the labels of the ends, and the images between them as VASP orders the atoms.
    """
    initial = inputs["initial_label"].frames.systems[0].without_labels()
    final = inputs["final_label"].frames.systems[0]
    prefix = "neb_images__"
    back = np.argsort(vasp_order(initial.numbers))
    between = [
        inputs[name].get_ase().positions[back] for name in sorted(inputs) if name.startswith(prefix)
    ]
    count = len(between) + 2
    return continuous(
        System(
            numbers=initial.numbers,
            positions=np.array([initial.positions[0], *between, final.positions[0]]),
            cells=np.repeat(initial.cells[:1], count, axis=0),
            pbc=initial.pbc,
            charge=initial.charge,
            multiplicity=initial.multiplicity,
            origins=np.array(initial.identities() * count),
            steps=np.arange(count),
        )
    )


def _is_label(part: OutcarStep, n_atoms: int, max_scf: int) -> bool:
    return part.finite and len(part.forces) == n_atoms and part.electronic_steps < max_scf


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _band(given: System, ends: Sequence[System], step: Sequence[OutcarStep]) -> System:
    """Return the labelled images of one step, near the given ones: VASP wraps positions."""
    back = np.argsort(vasp_order(given.numbers))
    positions = given.positions.copy()
    for image, part in enumerate(step, start=1):
        moved = part.positions[back] - positions[image]
        positions[image] += find_mic(moved, given.cells[0], given.pbc)[0]
    first, last = ends
    assert first.energies is not None
    assert last.energies is not None
    assert first.forces is not None
    assert last.forces is not None
    return System(
        numbers=given.numbers,
        positions=positions,
        cells=given.cells,
        pbc=given.pbc,
        charge=given.charge,
        multiplicity=given.multiplicity,
        energies=np.array([first.energies[0], *(part.energy for part in step), last.energies[0]]),
        forces=np.array([first.forces[0], *(part.forces[back] for part in step), last.forces[0]]),
        origins=given.origins,
        steps=given.steps,
    )


def _failures(given: System, unconverged: Sequence[int], max_scf: int) -> list[dict[str, Any]]:
    identities = given.identities()
    return [
        {
            "index": image,
            "identity": identities[image],
            "class": "scf_unconverged",
            "message": f"the SCF of image {image} took all {max_scf} iterations in the last step; "
            "raise scf.max_scf or change scf.algorithm",
        }
        for image in unconverged
    ]


def _error(stdout: str) -> str | None:
    """Return the errors of VASP in what it printed, as parsevasp knows them."""
    if not stdout.strip():
        return "it printed nothing"
    entries = Stream(file_handler=io.StringIO(stdout)).entries
    found = [f"{entry.shortname} ({entry.message})" for entry in entries if entry.kind == "ERROR"]
    return "; ".join(found) or None
