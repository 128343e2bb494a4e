"""``VaspNebCalculation``: a nudged elastic band by VASP, whose images are labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiida import orm
from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec, ProcessSpec
from aiida_vasp.calcs.neb import VaspNEBCalculation
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from ..data.frames import FrameSetData
from .disk import declare_disk_full
from .parameters import validation_message
from .vasp_md import stop_request
from .walltime import WALLTIME_FILE, walltime_guard

#: INCAR values of each optimizer (VASP manual: IBRION); conjugate gradients need an energy, and a
#: band has none.
_IBRION = {"quasi_newton": 1, "damped": 3}


class VaspNebParameters(BaseModel):
    """A nudged elastic band by VASP.

    Parameters
    ----------
    climb
        Whether the highest image climbs to the saddle point; only by a VASP with the VTST tools.
    vtst
        Whether the code is built with the VTST tools. Plain VASP reads their tags and does nothing.
    spring_eV_A2
        Between neighbouring images, along the path only (SPRING with the other sign).
    force_tolerance_eV_A
        Largest force on an image, perpendicular to the path where it is not the climbing one
        (EDIFFG), and on the ends where they are relaxed.
    steps
        Of the band (NSW); each computes all images but the ends.
    optimizer
        ``quasi_newton`` near the path, ``damped`` where that swings.
    step_scaling
        POTIM of the optimizer.
    relax_ends
        Whether the ends are brought to their minima first; else they stay where they are.
    end_steps
        Of the relaxation of an end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    climb: bool = False
    vtst: bool = False
    spring_eV_A2: PositiveFloat = 5.0
    force_tolerance_eV_A: PositiveFloat = 0.05
    steps: PositiveInt = 100
    optimizer: Literal["quasi_newton", "damped"] = "quasi_newton"
    step_scaling: Annotated[float, Field(gt=0.0, le=2.0)] = 0.5
    relax_ends: bool = False
    end_steps: PositiveInt = 100

    @model_validator(mode="after")
    def _consistent(self) -> VaspNebParameters:
        if self.climb and not self.vtst:
            raise ValueError(
                "climb is true and vtst is false: plain VASP has no climbing image; set vtst to "
                "true if the code is built with the VTST tools, else climb to false"
            )
        return self

    def incar(self, images: int) -> dict[str, Any]:
        """Return the tags that make a band of ``images`` between its ends of a single point."""
        tags: dict[str, Any] = {
            "images": images,
            "spring": -self.spring_eV_A2,
            "ibrion": _IBRION[self.optimizer],
            "potim": self.step_scaling,
            "nsw": self.steps,
            "ediffg": -self.force_tolerance_eV_A,
        }
        return {**tags, "lclimb": True} if self.climb else tags

    def end_incar(self) -> dict[str, Any]:
        """Return the tags that make the relaxation of an end of a single point."""
        return {"ibrion": 2, "nsw": self.end_steps, "ediffg": -self.force_tolerance_eV_A}


class VaspNebCalculation(VaspNEBCalculation):
    """aiida-vasp's job of a band, whose images become labels.

    VASP computes no ends: their labels are inputs. What aiida-vasp's own parser says of such a job
    hangs on lines of the VTST tools, so ours reads the OUTCAR of every image instead. ``frames``
    are the images of the last step whose wave functions all converged, in their order, both ends
    included, without stress. A band that is not done keeps them too.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        for name in ("initial", "final"):
            spec.input(
                f"{name}_label",
                valid_type=FrameSetData,
                help=f"The {name} structure, in the order of atoms that the images are to have, "
                "with energy and forces by the same settings.",
            )
        spec.input(
            "neb",
            valid_type=orm.Dict,
            validator=validate_neb,
            help="Parameters of the band; see VaspNebParameters.",
        )
        spec.inputs["metadata"]["options"]["parser_name"].default = "mliptransport.vasp.neb"
        # What our parser does not give.
        for name in ("misc", "structure"):
            spec.outputs[name].required = False
        define_band_outputs(spec)
        spec.default_output_node = "results"
        define_band_exit_codes(spec)
        declare_disk_full(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        calcinfo = super().prepare_for_submission(folder)
        seconds = self.inputs.metadata.options.get("max_wallclock_seconds")
        images = [image_folder(number) for number in range(1, len(self.inputs.neb_images) + 1)]
        calcinfo.prepend_text = walltime_guard(seconds) + stop_request(seconds, (".", *images))
        calcinfo.retrieve_list = [self._VASP_OUTPUT, WALLTIME_FILE]
        # The first image prints to the stdout of the run.
        files = [f"{image}/OUTCAR" for image in images]
        files += [f"{image}/{self._VASP_OUTPUT}" for image in images[1:]]
        calcinfo.retrieve_temporary_list = [[name, ".", 2] for name in files]
        return calcinfo


def image_folder(number: int) -> str:
    """Return the folder of an image; the initial structure is number 0."""
    return f"{number:02d}"


def define_band_outputs(spec: ProcessSpec) -> None:
    """Declare what a band by VASP puts out, as a job and as a WorkChain."""
    spec.output(
        "frames",
        valid_type=FrameSetData,
        required=False,
        help="Images in their order, both ends included, with energies and forces of the atoms.",
    )
    spec.output(
        "results",
        valid_type=orm.Dict,
        required=False,
        help="barrier_eV (highest image over the initial one), reverse_barrier_eV, "
        "reaction_energy_eV, max_force_eV_A and the history of both by step.",
    )
    spec.output(
        "failures",
        valid_type=orm.Dict,
        required=False,
        help="'failures': index, identity, class and message of every image whose last SCF did "
        "not converge.",
    )


def define_band_exit_codes(spec: ProcessSpec) -> None:
    """Declare how a band by VASP ends, as a job and as a WorkChain; numbers as with CP2K."""
    spec.exit_code(
        310,
        "ERROR_ABORTED",
        invalidates_cache=True,
        message="VASP stopped after {n_steps} whole steps of the band, the last one is kept: "
        "{reason}",
    )
    spec.exit_code(311, "ERROR_NO_FRAMES", message="VASP gave no label: {reason}")
    spec.exit_code(
        312,
        "ERROR_BAND_NOT_CONVERGED",
        message="forces on the band are not below the tolerance, the last one is kept: {reason}",
    )
    spec.exit_code(
        313, "ERROR_IMAGE_EXPLODED", message="an image left every reasonable range: {reason}"
    )
    spec.exit_code(
        314,
        "ERROR_INTERRUPTED",
        invalidates_cache=True,
        message="VASP ended after {n_steps} whole steps of the band, the last one is kept, without "
        "saying why (killed, out of memory?).",
    )
    spec.exit_code(316, "ERROR_ENDS_COLLAPSED", message="there is no path to find: {reason}")
    spec.exit_code(
        400,
        "ERROR_OUT_OF_WALLTIME",
        invalidates_cache=True,
        message="Out of wall clock time after {n_steps} steps of the band, the last one is kept; "
        "raise max_wallclock_seconds, or go on from these images.",
    )
    spec.exit_code(
        450,
        "ERROR_SCF_NOT_CONVERGED",
        message="The SCF of {images} took all iterations in the last step; {kept}. Raise "
        "scf.max_scf or change scf.algorithm.",
    )


def validate_neb(value: orm.Dict | None, _: Any) -> str | None:
    """Return why the parameters of the band are wrong, or None."""
    return None if value is None else validation_message(VaspNebParameters, value.get_dict())
