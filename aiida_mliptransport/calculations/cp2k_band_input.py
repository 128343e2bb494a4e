"""Render a band over given images as CP2K's MOTION section, and what it prints of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..science.units import HARTREE_BOHR_EV_ANGSTROM, HARTREE_EV
from .cp2k_input import ANY_STEP
from .cp2k_settings import Cp2kNebParameters

#: Hartree/bohr² in eV/Å².
_HARTREE_BOHR2_EV_ANGSTROM2 = HARTREE_BOHR_EV_ANGSTROM**2 / HARTREE_EV

#: Forces on a band are no gradient, and CP2K's line search on them may never end: of a vacancy hop
#: in a Lennard-Jones crystal (31 atoms, 5 images) it computed 1988 bands where fixed steps took 17.
#: A step of 2 bohr per hartree/bohr is stable up to the stiffness of a C=O bond, and fewer vectors
#: than CP2K's seven let the extrapolation begin earlier: 17 bands in place of 29.
_OPTIMIZER = {"NO_LS": True, "STEPSIZE": 2.0, "N_DIIS": 4}

#: Energies and forces of all images, evaluation by evaluation.
IMAGES_FILE = "images.log"


def image_file(number: int) -> str:
    """Return the name of the file with the given positions of an image."""
    return f"image_{number:03d}.xyz"


def band_files(project: str, n_images: int) -> dict[str, list[str]]:
    """Return what CP2K calls the files of each image: ``positions`` and ``outputs``."""
    digits = len(str(n_images))
    names = [f"{number:0{digits}d}" for number in range(1, n_images + 1)]
    return {
        "positions": [f"{project}-pos-Replica_nr_{name}-1.xyz" for name in names],
        "outputs": [f"{project}-BAND{name}.out" for name in names],
    }


def band_force_eval(force_eval: Mapping[str, Any]) -> dict[str, Any]:
    """Return the FORCE_EVAL section without the stress, which CP2K does not print in a band."""
    return {**force_eval, "STRESS_TENSOR": "NONE", "PRINT": {"STRESS_TENSOR": {"_": "OFF"}}}


def band_motion(neb: Cp2kNebParameters, images: Sequence[str]) -> dict[str, Any]:
    """Return the MOTION section of a band that ends by its forces alone.

    Parameters
    ----------
    images : sequence of str
        Files with the positions of all images, both ends included; neighbouring ones without a
        jump by a lattice vector, which CP2K would take for the way.
    """
    # CP2K reads these numbers in hartree and bohr, and takes no other unit.
    component = neb.force_tolerance_eV_A / 3**0.5 / HARTREE_BOHR_EV_ANGSTROM
    band: dict[str, Any] = {
        "BAND_TYPE": "CI-NEB" if neb.climb else "IT-NEB",
        "NUMBER_OF_REPLICA": len(images),
        "NPROC_REP": 1,
        "K_SPRING": neb.spring_eV_A2 / _HARTREE_BOHR2_EV_ANGSTROM2,
        # A crystal has no rotation to take out.
        "ROTATE_FRAMES": False,
        "ALIGN_FRAMES": False,
        # A band that met its limits before it climbed would not be told apart.
        "CI_NEB": {"NSTEPS_IT": 0},
        "CONVERGENCE_CONTROL": {
            "MAX_FORCE": component,
            "RMS_FORCE": component,
            "MAX_DR": ANY_STEP,
            "RMS_DR": ANY_STEP,
        },
        "OPTIMIZE_BAND": {
            "OPT_TYPE": "DIIS",
            "OPTIMIZE_END_POINTS": neb.relax_ends,
            "DIIS": {"MAX_STEPS": neb.steps, **_OPTIMIZER},
        },
        # The forces on the atoms of an image; those of MOTION/PRINT/FORCES would be the band's.
        "REPLICA_INFO": {"_": "ON", "FILENAME": f"={IMAGES_FILE}"},
        "REPLICA": [{"COORD_FILE_NAME": name} for name in images],
    }
    return {
        "BAND": band,
        "PRINT": {
            "TRAJECTORY": {"_": "ON"},
            "RESTART": {"_": "OFF"},
            "RESTART_HISTORY": {"_": "OFF"},
        },
    }
