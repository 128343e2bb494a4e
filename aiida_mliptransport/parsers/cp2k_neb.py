"""Read the band that CP2K left, also of a run that was cut off."""

from __future__ import annotations

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

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
from .band import band_results, collapse, explosion
from .cp2k_base import BaseCp2kParser, frame_failure


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
            self.out(
                "results",
                orm.Dict(
                    band_results(
                        [step.step for step in good],
                        [step.energies for step in good],
                        forces,
                        done,
                        output.version,
                    )
                ),
            )
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
        codes = self.exit_codes
        exploded = explosion(band)
        if exploded:
            return codes.ERROR_IMAGE_EXPLODED.format(reason=exploded)
        collapsed = collapse(band) if neb.relax_ends else None
        if collapsed:
            return codes.ERROR_ENDS_COLLAPSED.format(reason=collapsed)
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
