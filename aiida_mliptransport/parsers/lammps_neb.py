"""Read the band that LAMMPS left in one dump and one log an image, also of a killed job."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser
from ase.geometry import find_mic

from ..backends import get_backend
from ..calculations.ase_parameters import NebParameters
from ..calculations.lammps_neb import starting_images
from ..calculations.lammps_neb_script import BAND_BEGINS, BAND_ENDED, dump_file, log_file
from ..calculations.lammps_pair import run_files
from ..calculations.lammps_script import restricted_cell
from ..calculations.runners.calculators import describe
from ..calculations.walltime import WALLTIME_FILE
from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..data.potential import PotentialData
from ..science.barriers import max_band_force
from ..science.frames import Frames, System
from .band import band_results, collapse, explosion
from .disk import disk_full_is_declared
from .lammps_files import BinaryDump, DumpError, Messages, read_messages
from .text import read_text

#: Step and potential energy (eV) in the log of an image.
_ENERGY = re.compile(r"^ +(\d+) +(\S+) *$", re.MULTILINE)

#: LAMMPS was started by an mpirun of another MPI, or with another number of processes.
_PARTITIONS = re.compile(r"processor partitions|partition.*processors", re.IGNORECASE)


class LammpsNebParser(Parser):
    """Parser of :class:`LammpsNebCalculation`; the force on the band is computed as ASE does."""

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Put out the last whole band and what it says, then say what went wrong first."""
        output_name = self.node.get_option("output_filename") or "lammps.out"
        if output_name not in self.retrieved.base.repository.list_object_names():
            return self.exit_codes.ERROR_OUTFILE_MISSING
        self.folder = Path(kwargs["retrieved_temporary_folder"])
        inputs = {link.link_label: link.node for link in self.node.base.links.get_incoming().all()}
        self.parameters = NebParameters.model_validate(inputs["parameters"].get_dict())
        given = starting_images(inputs)
        self.logs = [self._text(log_file(number)) for number in range(given.n_frames)]
        stdout = read_text(self.retrieved, output_name)
        messages = read_messages("\n".join([stdout, *self.logs]))
        try:
            steps, bands = self._bands(given)
        except DumpError as error:
            return self._broken(messages) or self.exit_codes.ERROR_NO_FRAMES.format(
                reason=str(error)
            )
        finite = [np.isfinite(b.energies).all() and np.isfinite(b.forces).all() for b in bands]
        n_finite = finite.index(False) if False in finite else len(finite)
        bands, steps = bands[:n_finite], steps[:n_finite]
        force = np.inf
        if bands:
            force = self._put_band(bands, steps, inputs, messages)
        return self._verdict(messages, bands, steps, force, n_finite < len(finite))

    def _text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _bands(self, given: System) -> tuple[list[int], list[System]]:
        """Return the steps that all images wrote, and the band at each."""
        dumps = []
        for number in range(given.n_frames):
            path = self.folder / dump_file(number)
            if not path.exists():
                return [], []
            dumps.append(BinaryDump(path, given.n_atoms))
        energies = [_energies(log) for log in self.logs]
        common = set(energies[0]).intersection(*energies[1:])
        steps = sorted(common.intersection(*(dump.steps.tolist() for dump in dumps)))
        rotation = restricted_cell(given.cells[0])[1]
        return steps, [
            _band(given, dumps, [known[step] for known in energies], step, rotation)
            for step in steps
        ]

    def _put_band(
        self, bands: list[System], steps: list[int], inputs: dict[str, Any], messages: Messages
    ) -> float:
        """Put out the last band, and return its largest force (eV/Å)."""
        p = self.parameters
        forces = [max_band_force(b, p.spring_eV_A2, p.climb, p.relax_ends) for b in bands]
        version = f"LAMMPS {messages.version}"
        frames = Frames((bands[-1],))
        level = complete_level_of_theory(_level_of_theory(inputs["potential"]), frames)
        self.out("frames", FrameSetData(frames, level_of_theory=level, engine_version=version))
        completed = forces[-1] <= p.force_tolerance_eV_A and self._ended()
        results = band_results(steps, [band.energies for band in bands], forces, completed, version)
        self.out("results", orm.Dict(results))
        return forces[-1]

    def _ended(self) -> bool:
        return BAND_ENDED in self.logs[0].splitlines()

    def _broken(self, messages: Messages) -> ExitCode | None:
        codes = self.exit_codes
        if messages.error is None:
            return None
        if _PARTITIONS.search(messages.error):
            return codes.ERROR_PARTITIONS.format(reason=messages.error)
        if messages.kind == "unknown_style":
            return codes.ERROR_UNKNOWN_STYLE.format(reason=messages.error)
        if messages.kind == "model":
            return codes.ERROR_POTENTIAL_UNREADABLE.format(reason=messages.error)
        if messages.kind == "blow_up":
            return codes.ERROR_IMAGE_EXPLODED.format(reason=messages.error)
        return codes.ERROR_PARSER_DETECTED_LAMMPS_RUN_ERROR.format(error=messages.error)

    def _verdict(
        self,
        messages: Messages,
        bands: list[System],
        steps: list[int],
        force: float,
        not_finite: bool,
    ) -> ExitCode | None:
        codes, p = self.exit_codes, self.parameters
        broken = self._broken(messages)
        if broken is not None:
            return broken
        step = steps[-1] if steps else "none"
        if not_finite:
            return codes.ERROR_IMAGE_EXPLODED.format(
                reason=f"energies or forces are not finite after step {step}"
            )
        if WALLTIME_FILE in self.retrieved.base.repository.list_object_names():
            return codes.ERROR_OUT_OF_WALLTIME.format(step=step)
        if not bands:
            return codes.ERROR_NO_FRAMES.format(reason="no step was written by all images")
        band = bands[-1]
        exploded = explosion(band)
        if exploded:
            return codes.ERROR_IMAGE_EXPLODED.format(reason=exploded)
        collapsed = collapse(band) if p.relax_ends else None
        if collapsed:
            return codes.ERROR_ENDS_COLLAPSED.format(reason=collapsed)
        if not self._ended():
            return codes.ERROR_INTERRUPTED.format(step=step)
        assert band.forces is not None
        ends = np.linalg.norm(band.forces[[0, -1]], axis=2).max(axis=1)
        if p.relax_ends and ends.max() > p.end_force_tolerance_eV_A:
            name = ("initial", "final")[int(np.argmax(ends))]
            return codes.ERROR_END_NOT_RELAXED.format(
                reason=f"the {name} structure has a force of {ends.max():.3f} eV/Å, expected at "
                f"most {p.end_force_tolerance_eV_A}; raise end_steps ({p.end_steps})"
            )
        if force > p.force_tolerance_eV_A:
            return codes.ERROR_BAND_NOT_CONVERGED.format(reason=f"largest force {force:.3f} eV/Å")
        return None


def _level_of_theory(potential: PotentialData) -> dict[str, Any]:
    """Return what ``mliptransport.ase.neb`` says of the same potential."""
    backend = get_backend(potential.spec().backend)
    files = run_files({"potential": potential})
    names = {role: name for role, name in potential.files.items() if name in {f[1] for f in files}}
    level = dict(describe(backend.calculator_spec(potential.spec(files=names))))
    for node, source, _ in files:
        content = node.base.repository.get_object_content(source, mode="rb")
        level["model_sha256"] = hashlib.sha256(content).hexdigest()
    return level


def _energies(log: str) -> dict[int, float]:
    """Return the energies (eV) of an image by step of the band."""
    _, _, band = log.partition(f"\n{BAND_BEGINS}\n")
    found = {}
    for step, energy in _ENERGY.findall(band):
        try:
            found[int(step)] = float(energy)
        except ValueError:
            continue
    return found


def _band(
    given: System, dumps: list[BinaryDump], energies: list[float], step: int, rotation: np.ndarray
) -> System:
    everything = slice(0, given.n_atoms)
    positions, forces = [], []
    for number, dump in enumerate(dumps):
        frame = int(np.flatnonzero(dump.steps == step)[-1])
        one = slice(frame, frame + 1)
        here = dump.column("xu", "yu", "zu")[one, everything][0] @ rotation
        # LAMMPS moves atoms into its box as it reads them.
        moved = find_mic(here - given.positions[number], given.cells[0], given.pbc)[0]
        positions.append(given.positions[number] + moved)
        columns = ("f_forces[1]", "f_forces[2]", "f_forces[3]")
        forces.append(dump.column(*columns)[one, everything][0] @ rotation)
    count = given.n_frames
    return replace(
        given,
        positions=np.array(positions),
        energies=np.array(energies),
        forces=np.array(forces),
        origins=np.array(given.identities()[:1] * count),
        steps=np.arange(count),
    )
