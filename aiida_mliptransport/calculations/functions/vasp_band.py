"""Calcfunctions around a band by VASP: its images as structures, and the labels of its ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.frames import FrameSetData
from ...parsers.vasp_frames import nearest_images, read_steps, vasp_order
from ...science.frames import Frames
from .vasp import arrays_of, labelled_frames, sorted_atoms


@calcfunction
def band_structures(path: FrameSetData) -> dict[str, orm.StructureData]:
    """Return the images between the ends for VASP, sorted by element, as image_01, image_02, …"""
    (system,) = path.frames.systems
    return {
        f"image_{number:02d}": sorted_atoms(system, number)
        for number in range(1, system.n_frames - 1)
    }


@calcfunction
def end_structure(label: FrameSetData) -> orm.StructureData:
    """Return a labelled end of a band as a structure for VASP, its atoms sorted by element."""
    return sorted_atoms(label.frames.systems[0], 0)


@calcfunction
def known_end(path: FrameSetData, index: orm.Int) -> FrameSetData:
    """Return an image of a labelled path with its label, without stress."""
    system = path.frames.systems[0].take([index.value])
    return FrameSetData(
        Frames((replace(system, stresses=None),)),
        level_of_theory=path.level_of_theory,
        engine_version=path.engine_version,
    )


@calcfunction
def read_vasp_end(
    path: FrameSetData,
    index: orm.Int,
    trajectory: orm.TrajectoryData,
    version: orm.Str,
    level_of_theory: orm.Dict,
    max_scf: orm.Int,
) -> dict[str, orm.Data]:
    """Return the label of an end of a band, or why there is none.

    Parameters
    ----------
    path, index
        The images that were given, and the number of the end.
    trajectory
        aiida-vasp's, of a single point or of a relaxation, whose last step it is.
    level_of_theory, version
        Physics of the settings; version of VASP.
    max_scf
        NELM of the run: a step that took as many iterations is not converged.

    Returns
    -------
    dict
        ``frames`` (left out without a label) and ``failures``.
    """
    given = path.frames.systems[0].take([index.value]).without_labels()
    steps = read_steps(arrays_of(trajectory), vasp_order(given.numbers))
    last = steps.n_steps - 1
    problem: tuple[str, str] | None
    if last < 0:
        problem = "missing_output", "the output of VASP holds no whole ionic step"
    else:
        problem = steps.problem(last, max_scf.value)
    if problem is not None:
        failure = {
            "index": index.value, "identity": given.identities()[0],
            "class": problem[0], "message": problem[1],
        }  # fmt: skip
        return {"failures": orm.Dict({"failures": [failure]})}
    cell = given.cells[0]
    positions = steps.positions[last] @ cell
    positions = positions + nearest_images(positions, given.positions[0], cell)
    end = replace(given, positions=positions[np.newaxis])
    return {
        "frames": labelled_frames(end, steps, [last], level_of_theory, version),
        "failures": orm.Dict({"failures": []}),
    }
