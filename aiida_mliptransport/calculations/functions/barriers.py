"""Calcfunctions on migration paths: their ends, and what potential and labeller say of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction

from ...data.frames import FrameSetData
from ...science.barriers import (
    EndPoints,
    PathProfile,
    directional_end_points,
    force_errors_along,
    path_profile,
)
from ...science.frames import Frames, System

#: Keys of ``parameters`` that are arguments of :func:`directional_end_points` by another name.
_ARGUMENTS = {
    "mechanism": "mechanism",
    "max_angle_degrees": "max_angle_degrees",
    "max_length_A": "max_length",
    "min_width_A": "min_width",
}


@calcfunction
def directional_ends(host: orm.StructureData, parameters: orm.Dict) -> dict[str, Any]:
    """Build the ends of jumps along lattice directions.

    Parameters
    ----------
    host
        The perfect crystal.
    parameters
        ``symbol``, ``directions`` (list of [u, v, w]), and arguments of
        :func:`directional_end_points`.

    Returns
    -------
    dict
        ``initial_<path>`` and ``final_<path>`` (StructureData), and ``paths`` (Dict) with the
        direction, length (Å) and multiplicity of each path, and the reasons of what was refused.
    """
    settings = parameters.get_dict()
    arguments = {argument: settings[key] for key, argument in _ARGUMENTS.items() if key in settings}
    outputs: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    refused: list[str] = []
    for direction in settings["directions"]:
        try:
            found = directional_end_points(
                host.get_ase(), settings["symbol"], direction, **arguments
            )
        except ValueError as error:
            refused.append(f"{direction}: {error}")
            continue
        refused += [f"{direction}: {reason}" for reason in found.refused]
        for number, path in enumerate(found.paths, start=1):
            name = path_name(settings["symbol"], direction)
            if len(found.paths) > 1:
                name += f"_{number}"
            outputs[f"initial_{name}"] = orm.StructureData(ase=path.end_points.initial)
            outputs[f"final_{name}"] = orm.StructureData(ase=path.end_points.final)
            paths[name] = {
                "direction": list(direction),
                "length_A": path.length,
                "angle_degrees": path.angle_degrees,
                "multiplicity": path.multiplicity,
            }
    return {**outputs, "paths": orm.Dict({"paths": paths, "refused": refused})}


def path_name(symbol: str, direction: list[int]) -> str:
    """Return a name of letters and digits, such as ``Li_1m10`` for lithium along [1 -1 0]."""
    return f"{symbol}_" + "".join(str(index).replace("-", "m") for index in direction)


@calcfunction
def compare_paths(**nodes: orm.Data) -> dict[str, Any]:
    """Set the bands of a potential beside the labels of their images and the labeller's own bands.

    Parameters
    ----------
    **nodes
        ``path__<name>``: images with energies and forces of the potential; ``labels``: the same
        images of all paths, as far as they have a label; ``reference__<name>``: images of a band
        that was relaxed with the labeller; ``predictions`` (ArrayData of an evaluation) of a
        committee for the frames ``images``.

    Returns
    -------
    dict
        ``barriers`` (Dict, by path) and ``profiles`` (ArrayData: ``<path>_<whose>_coordinate`` in
        Å, ``_energies`` in eV from the initial image, and ``_curve``, (2, n), to draw; ``whose``
        is potential, labels or reference).
    """
    labels = _by_identity(nodes["labels"]) if "labels" in nodes else {}
    judged = _judged(nodes["images"], nodes["predictions"]) if "predictions" in nodes else {}
    records: dict[str, Any] = {}
    profiles = orm.ArrayData()
    for key in sorted(nodes):
        kind, _, name = key.partition("__")
        if kind != "path":
            continue
        (system,) = nodes[key].frames.systems
        records[name] = _path_record(system)
        found = {"potential": _profile(system)}
        if labels:
            known = [labels.get(identity) for identity in system.identities()]
            moving = [ion for ion, _ in records[name]["moving_ions"]]
            errors, labelled = _against_labels(system, known, moving)
            records[name]["force_errors_eV_A"] = errors
            if labelled is not None:
                found["labels"] = _profile(labelled)
        if judged:
            records[name]["committee"] = _committee_record(
                system, [judged[identity] for identity in system.identities()]
            )
        if f"reference__{name}" in nodes:
            found["reference"] = _profile(nodes[f"reference__{name}"].frames.systems[0])
        for whose, profile in found.items():
            records[name][whose] = _profile_record(profile)
            profiles.set_array(f"{name}_{whose}_coordinate", profile.coordinate)
            profiles.set_array(f"{name}_{whose}_energies", profile.energies)
            profiles.set_array(f"{name}_{whose}_curve", np.stack(profile.curve()))
        for whose in ("labels", "reference"):
            if whose in found:
                records[name][f"barrier_error_to_{whose}_eV"] = (
                    found["potential"].barrier - found[whose].barrier
                )
    return {"barriers": orm.Dict(records), "profiles": profiles}


def _path_record(system: System) -> dict[str, Any]:
    """Return what a path is, without any energy."""
    atoms = system.without_labels().to_atoms()
    ends = EndPoints(atoms[0], atoms[-1], minimum_image=False)
    moving = ends.moving_ions()
    return {
        "n_images": system.n_frames,
        "formula": system.formula,
        "moving_ions": [[int(ion), str(atoms[0].symbols[ion])] for ion in moving],
        "path_length_A": ends.path_length,
    }


def _profile(system: System) -> PathProfile:
    assert system.energies is not None
    return path_profile(system.positions, system.energies, system.forces, system.cells[0])


def _profile_record(profile: PathProfile) -> dict[str, Any]:
    return {
        "barrier_eV": profile.barrier,
        "reverse_barrier_eV": profile.reverse_barrier,
        "image_barrier_eV": profile.image_barrier,
        "reaction_energy_eV": profile.reaction_energy,
        "saddle_image": profile.saddle_image,
        "warnings": list(profile.warnings),
    }


def _by_identity(node: FrameSetData) -> dict[str, System]:
    frames = node.frames
    return {
        identity: frames.take([index]).systems[0]
        for index, identity in enumerate(frames.identities())
    }


def _judged(
    images: FrameSetData, predictions: orm.ArrayData
) -> dict[str, tuple[np.ndarray, float]]:
    """Return by identity the energies of the members (M,) and the largest force deviation."""
    found = {}
    for number, system in enumerate(images.frames.systems):
        prefix = f"system_{number:03d}"
        energies = predictions.get_array(f"{prefix}_member_energies")
        deviations = (
            predictions.get_array(f"{prefix}_max_force_deviation")
            if len(energies) > 1
            else np.zeros(system.n_frames)
        )
        for index, identity in enumerate(system.identities()):
            found[identity] = (energies[:, index], float(deviations[index]))
    return found


def _committee_record(system: System, judged: list[tuple[np.ndarray, float]]) -> dict[str, Any]:
    """Return what the members say of one path; their barriers are on the same images."""
    energies = np.array([member for member, _ in judged]).T
    barriers = [
        path_profile(system.positions, own, None, system.cells[0]).barrier for own in energies
    ]
    deviations = [deviation for _, deviation in judged]
    several = len(barriers) > 1
    return {
        "n_members": len(barriers),
        "member_barriers_eV": barriers,
        "barrier_std_eV": float(np.std(barriers, ddof=1)) if several else None,
        "max_force_deviation_eV_A": max(deviations) if several else None,
        "max_force_deviation_by_image_eV_A": deviations if several else None,
    }


def _against_labels(
    system: System, known: list[System | None], moving: list[int]
) -> tuple[dict[str, Any], System | None]:
    """Return force errors on the images that have a label, and all labels if none is missing."""
    images = [number for number, label in enumerate(known) if label is not None]
    missing = [number for number, label in enumerate(known) if label is None]
    record: dict[str, Any] = {"missing_images": missing}
    if not images:
        return record, None
    labelled = Frames.join([label for label in known if label is not None]).systems[0]
    assert system.forces is not None
    assert labelled.forces is not None
    errors = force_errors_along(system.forces[images], labelled.forces, moving)
    record |= {
        "rmse_component": float(np.sqrt(np.mean(errors.rmse**2))),
        "moving_rmse_component": float(np.sqrt(np.mean(errors.moving_rmse**2))),
        "max_vector": float(errors.max_error.max()),
        "moving_max_vector": float(errors.moving_max_error.max()),
        "worst_image": images[errors.worst_image],
        "images": images,
        "max_vector_by_image": errors.max_error.tolist(),
    }
    return record, None if missing else labelled
