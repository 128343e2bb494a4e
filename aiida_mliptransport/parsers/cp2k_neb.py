"""Read the band that CP2K left, also of a run that was cut off."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from ase.geometry import find_mic

from ..calculations.cp2k_band_input import IMAGES_FILE, band_files
from ..calculations.cp2k_job import job_level_of_theory, job_system
from ..calculations.cp2k_neb import Cp2kNebCalculation
from ..calculations.cp2k_settings import Cp2kNebParameters, Cp2kSettings
from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..science.barriers import max_band_force
from ..science.cp2k_band import BandStep, read_band
from ..science.cp2k_output import MainOutput
from ..science.frames import Frames, System
from .cp2k_base import BaseCp2kParser, frame_failure

#: An image this far above the initial one (eV) is no point of a migration path.
EXPLOSION_EV = 100.0

#: Ends that are no farther apart than this (Å, of the atom that moves most) are one minimum.
SAME_MINIMUM_A = 0.1


class Cp2kNebParser(BaseCp2kParser):
    """Parser of :class:`Cp2kNebCalculation`; energies of an unconverged SCF are never put out."""

    def parse_run(self, output: MainOutput) -> ExitCode | None:
        """Put out the images of the last converged step, and say how the band ended."""
        inputs = self.job_inputs()
        neb = Cp2kNebParameters.model_validate(inputs["neb"].get_dict())
        given = job_system(inputs, Cp2kSettings.model_validate(inputs["parameters"].get_dict()))
        files = band_files(Cp2kNebCalculation._DEFAULT_PROJECT_NAME, given.n_frames)
        steps = read_band(
            [self.text(name) for name in files["positions"]],
            [self.text(name) for name in files["outputs"]],
            self.text(IMAGES_FILE),
        )
        good = [step for step in steps if not step.unconverged and np.isfinite(step.forces).all()]
        bands = [_band(given, step) for step in good]
        forces = [max_band_force(b, neb.spring_eV_A2, neb.climb, neb.relax_ends) for b in bands]
        unconverged = steps[-1].unconverged if steps else ()
        identities = given.identities()
        self.out(
            "failures",
            orm.Dict(
                {
                    "failures": [
                        frame_failure(
                            number,
                            identities[number],
                            "scf_unconverged",
                            f"the SCF of image {number} did not converge in step {steps[-1].step}; "
                            "raise scf.max_scf or outer_max_scf",
                        )
                        for number in unconverged
                    ]
                }
            ),
        )
        done = bool(forces) and not unconverged and forces[-1] <= neb.force_tolerance_eV_A
        if bands:
            labelled = Frames((bands[-1],))
            level = complete_level_of_theory(job_level_of_theory(inputs), labelled)
            self.out(
                "frames",
                FrameSetData(labelled, level_of_theory=level, engine_version=output.version),
            )
            self.out("results", orm.Dict(_results(good, forces, done, output)))
        if output.abort_message and "SCF run NOT converged" in output.abort_message:
            # CP2K 2024.1 and later stop there, before they write the step.
            return self._unconverged("an image", good)
        if output.out_of_time:
            return self.exit_codes.ERROR_OUT_OF_WALLTIME.format(n_steps=max(len(good) - 1, 0))
        count = given.n_frames if bands else 0
        if output.abort_message:
            return self.exit_codes.ERROR_ABORTED.format(n_frames=count, reason=output.abort_message)
        if not output.finished:
            return self.exit_codes.ERROR_INTERRUPTED.format(n_frames=count)
        if unconverged:
            return self._unconverged(f"images {list(unconverged)}", good)
        if not bands:
            return self.exit_codes.ERROR_NO_FRAMES.format(reason="it wrote no whole step of a band")
        return self._quality(bands[-1], neb, done, forces[-1])

    def _unconverged(self, images: str, good: list[BandStep]) -> ExitCode:
        kept = f"the band of step {good[-1].step} is kept" if good else "no step has all of them"
        return self.exit_codes.ERROR_SCF_NOT_CONVERGED.format(images=images, kept=kept)

    def _quality(
        self, band: System, neb: Cp2kNebParameters, done: bool, force: float
    ) -> ExitCode | None:
        """Return what is wrong with the band at the end of a run that came to its own end."""
        assert band.energies is not None
        codes = self.exit_codes
        height = band.energies - band.energies[0]
        if height.max() > EXPLOSION_EV:
            image = int(np.argmax(height))
            return codes.ERROR_IMAGE_EXPLODED.format(
                reason=f"image {image} is {height[image]:.0f} eV above the initial one: atoms "
                "collide on this path"
            )
        way = find_mic(band.positions[-1] - band.positions[0], band.cells[0], band.pbc)[0]
        if neb.relax_ends and np.linalg.norm(way, axis=1).max() < SAME_MINIMUM_A:
            return codes.ERROR_ENDS_COLLAPSED.format(
                reason="both ends relaxed to one minimum: there is no barrier"
            )
        if not done:
            return codes.ERROR_BAND_NOT_CONVERGED.format(reason=f"largest force {force:.3f} eV/Å")
        return None


def _band(given: System, step: BandStep) -> System:
    count = len(step.energies)
    return System(
        numbers=given.numbers,
        positions=step.positions,
        cells=np.repeat(given.cells[:1], count, axis=0),
        pbc=given.pbc,
        charge=given.charge,
        multiplicity=given.multiplicity,
        energies=step.energies,
        forces=step.forces,
        origins=np.array(given.identities()[:1] * count),
        steps=np.arange(count),
    )


def _results(
    steps: list[BandStep], forces: list[float], done: bool, output: MainOutput
) -> dict[str, Any]:
    energies = steps[-1].energies
    highest = int(np.argmax(energies))
    return {
        "completed": done,
        "n_steps": steps[-1].step,
        "n_images": len(energies) - 2,
        "highest_image": highest,
        "barrier_eV": float(energies[highest] - energies[0]),
        "reverse_barrier_eV": float(energies[highest] - energies[-1]),
        "reaction_energy_eV": float(energies[-1] - energies[0]),
        "max_force_eV_A": forces[-1],
        "history": {
            "max_force_eV_A": forces,
            "barrier_eV": [step.barrier for step in steps],
        },
        "engine_version": output.version,
    }
