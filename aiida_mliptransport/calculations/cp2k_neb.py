"""CalcJob that relaxes a band of given images with CP2K's BAND."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm.nodes.data.base import to_aiida_type

from ..data.frames import FrameSetData
from ..science.barriers import continuous, images_problem
from ..science.frames import System
from .cp2k_band_input import IMAGES_FILE, band_files, band_force_eval, band_motion, image_file
from .cp2k_base import BaseCp2kCalculation, Cp2kTask, write_text
from .cp2k_input import force_eval, xyz_text
from .cp2k_settings import Cp2kNebParameters, Cp2kSettings
from .parameters import validation_message


class Cp2kNebCalculation(BaseCp2kCalculation):
    """Find the minimum-energy path near given images by a nudged elastic band.

    ``frames`` are the images of the last step whose wave functions all converged, in their order,
    both ends included, without stress: they are labels. A band that is not done keeps them too.
    """

    _DEFAULT_PARSER = "mliptransport.cp2k.neb"

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input(
            "path",
            valid_type=FrameSetData,
            help="Images to begin with, both ends included, three or more in one cell.",
        )
        spec.input(
            "neb",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_validate_neb,
            default=lambda: orm.Dict(Cp2kNebParameters().model_dump()),
            help="climb, spring_eV_A2, force_tolerance_eV_A, steps, relax_ends.",
        )
        spec.output(
            "results",
            valid_type=orm.Dict,
            required=False,
            help="barrier_eV (highest image over the initial one), reverse_barrier_eV, "
            "reaction_energy_eV, max_force_eV_A and the history of both by step.",
        )
        spec.default_output_node = "results"
        spec.exit_code(
            312,
            "ERROR_BAND_NOT_CONVERGED",
            message="forces on the band are not below the tolerance, the last one is kept: "
            "{reason}",
        )
        spec.exit_code(
            313, "ERROR_IMAGE_EXPLODED", message="an image left every reasonable range: {reason}"
        )
        spec.exit_code(316, "ERROR_ENDS_COLLAPSED", message="there is no path to find: {reason}")
        spec.exit_code(
            400,
            "ERROR_OUT_OF_WALLTIME",
            invalidates_cache=True,
            message="Out of wall clock time after {n_steps} steps of the band, the last one is "
            "kept; raise max_wallclock_seconds, or go on from these images.",
        )
        spec.exit_code(
            450,
            "ERROR_SCF_NOT_CONVERGED",
            message="The SCF of {images} did not converge in the last step; {kept}. Raise "
            "scf.max_scf or scf.outer_max_scf, or use scf.minimizer 'cg'.",
        )

    @classmethod
    def problem(
        cls, value: Mapping[str, Any], settings: Cp2kSettings, system: System
    ) -> str | None:
        return images_problem(system)

    def task(self, folder: Folder, settings: Cp2kSettings, system: System) -> Cp2kTask:
        neb = Cp2kNebParameters.model_validate(self.inputs.neb.get_dict())
        path = continuous(system)
        images = [image_file(number) for number in range(path.n_frames)]
        for number, name in enumerate(images):
            write_text(folder, name, xyz_text(path.take([number])))
        # The image before is near, and a far one only costs iterations.
        whole = force_eval(
            settings,
            sorted(set(path.symbols)),
            path.cells,
            "USE_PREV_WF",
            self.basis_names(),
        )
        files = band_files(self._DEFAULT_PROJECT_NAME, path.n_frames)
        return Cp2kTask(
            run_type="BAND",
            force_eval=band_force_eval(whole),
            motion=band_motion(neb, images),
            files=(IMAGES_FILE, *files["positions"], *files["outputs"]),
        )


def _validate_neb(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(Cp2kNebParameters, value.get_dict())
