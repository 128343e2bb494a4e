"""Grain boundaries of crystals with a cubic cell: tilt and twist by coincidence site lattices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from numpy.typing import NDArray
from pymatgen.core.interface import GrainBoundaryGenerator

from ..selection.neighbours import cell_heights
from .broken_bonds import Bonds, check_bonds, join_bonded_groups
from .close_atoms import CloseAtoms, merge_close_atoms, pairs_within
from .conversion import check_periodic
from .surfaces import plane_indices

__all__ = ["symmetric_tilt_boundary", "twist_boundary"]

Transformation = NDArray[np.int64]


def symmetric_tilt_boundary(
    atoms: Atoms,
    axis: Sequence[int],
    sigma: int,
    plane: Sequence[int],
    *,
    grain_thickness: float,
    min_distance: float,
    close_pairs: CloseAtoms = "refuse",
    gap: float = 0.0,
    bonds: Bonds | None = None,
) -> Atoms:
    """Join two grains that are mirror-like about a plane which holds the axis of rotation.

    Parameters
    ----------
    atoms
        The crystal in its conventional cell, which must be a cube in shape; ordered ions on partly
        filled sites may break the cubic symmetry of the positions.
    axis
        Axis of the misorientation, ``[u, v, w]``.
    sigma
        Inverse density of coincidence sites.
    plane
        Boundary plane ``(h, k, l)`` of the first grain.
    grain_thickness
        Å; each grain has at least this.
    min_distance
        Å; pairs of atoms nearer than this are close pairs.
    close_pairs
        ``"refuse"`` raises an error; ``"merge"`` puts one atom in the middle of close atoms of one
        element, and refuses those of different elements.
    gap
        Å added between the grains at both boundaries.
    bonds
        Longest bond in Å by pair of elements, such as ``{("P", "S"): 2.4}``. The grains are cut in
        their widest gap between planes of atoms; groups bonded so are kept whole, and stand out.

    Returns
    -------
    ase.Atoms
        Periodic, with two boundaries in the plane of the first two vectors, at the bottom and
        within; array ``grain`` is 0 or 1. ``info["grain_boundary"]`` holds ``kind``, ``sigma``,
        ``axis``, ``angle`` (degrees), ``plane`` and ``second_plane`` (the same in the second
        grain), ``area`` (Å²), ``gap``, ``shortest_distance`` (Å) and ``merged`` (atoms lost, by
        element).

    Raises
    ------
    ValueError
        If the cell is no cube, the plane does not hold the axis, no rotation of that sigma makes
        the plane a symmetric one, bonds have no end, or close pairs are to be refused.

    Notes
    -----
    Coincidence lattices from pymatgen's ``GrainBoundaryGenerator`` (Grimmer, Acta Cryst. A 32, 783
    (1976) and A 40, 108 (1984)), of the cubic cell: in a centred crystal the area may be a multiple
    of the least one. The grains are stacked here and not by that class, since it asks
    for cubic symmetry of every atom and deletes close atoms whatever their element.
    """
    check_bonds(bonds)
    direction, face = _check(atoms, axis, sigma, plane, grain_thickness, min_distance, gap)
    if int(np.dot(direction, face)) != 0:
        raise ValueError(
            f"plane={face} does not hold axis={direction}: a tilt boundary needs h·u + k·v + l·w = "
            "0; choose another plane, or twist_boundary"
        )
    angles = _angles(direction, sigma)
    for angle in sorted([*angles, *(-angle for angle in angles)], key=lambda a: (abs(a), -a)):
        grains = _transformations(direction, angle, face)
        if sorted(map(abs, _plane_of(grains[1]))) == sorted(map(abs, face)):
            built = _stack(atoms, grains, grain_thickness, gap, bonds)
            merged = merge_close_atoms(built, min_distance, close_pairs)
            return _describe(
                built, "symmetric tilt", sigma, direction, abs(angle), grains, gap, merged
            )
    raise ValueError(
        f"plane={face}: no rotation of sigma {sigma} about {direction} makes it a symmetric tilt "
        f"boundary (angles tried: {[round(a, 3) for a in angles]}°); for sigma 5 about [0, 0, 1] "
        "the planes are (3, 1, 0) and (2, 1, 0)"
    )


def twist_boundary(
    atoms: Atoms,
    axis: Sequence[int],
    sigma: int,
    *,
    grain_thickness: float,
    min_distance: float,
    close_pairs: CloseAtoms = "refuse",
    gap: float = 0.0,
    bonds: Bonds | None = None,
) -> Atoms:
    """Join two grains that are rotated about the normal of their boundary.

    The least angle of the given sigma is taken. Parameters, result, errors and sources as in
    :func:`symmetric_tilt_boundary`; the plane is the one across the axis.
    """
    check_bonds(bonds)
    direction, face = _check(atoms, axis, sigma, axis, grain_thickness, min_distance, gap)
    angle = _angles(direction, sigma)[0]
    grains = _transformations(direction, angle, face)
    built = _stack(atoms, grains, grain_thickness, gap, bonds)
    merged = merge_close_atoms(built, min_distance, close_pairs)
    return _describe(built, "twist", sigma, direction, angle, grains, gap, merged)


def _check(
    atoms: Atoms,
    axis: Sequence[int],
    sigma: int,
    plane: Sequence[int],
    grain_thickness: float,
    min_distance: float,
    gap: float,
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    check_periodic(atoms)
    lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
    if np.ptp(lengths) > 1e-3 * lengths.mean() or np.abs(angles - 90).max() > 0.05:
        raise ValueError(
            f"atoms has a cell of {np.round(lengths, 4).tolist()} Å and "
            f"{np.round(angles, 2).tolist()}°: expected a cube; give the conventional cubic cell"
        )
    for name, value in (("grain_thickness", grain_thickness), ("min_distance", min_distance)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name}={value!r} Å: expected a positive length")
    if not 0 <= gap < np.inf:
        raise ValueError(f"gap={gap!r} Å: expected 0 or more")
    if isinstance(sigma, bool) or not isinstance(sigma, int | np.integer) or sigma < 3:
        raise ValueError(f"sigma={sigma!r}: expected an odd integer of 3 or more, like 5")
    return _coprime(plane_indices(axis)), _coprime(plane_indices(plane))


def _coprime(indices: tuple[int, int, int]) -> tuple[int, int, int]:
    divisor = math.gcd(*indices)
    return indices[0] // divisor, indices[1] // divisor, indices[2] // divisor


def _angles(axis: tuple[int, int, int], sigma: int) -> list[float]:
    """Return the rotation angles of a sigma about an axis in degrees, ascending."""
    known = GrainBoundaryGenerator.enum_sigma_cubic(cutoff=sigma, r_axis=axis)
    if sigma not in known:
        raise ValueError(
            f"sigma={sigma!r} does not occur about axis {list(axis)}; below it there are "
            f"{sorted(known)}: take one of these, or another axis"
        )
    return sorted(float(angle) for angle in known[sigma])


def _transformations(
    axis: tuple[int, int, int], angle: float, plane: tuple[int, int, int]
) -> tuple[Transformation, Transformation]:
    first, second = GrainBoundaryGenerator.get_trans_mat(
        r_axis=axis, angle=angle, surface=plane, lat_type="c"
    )
    return np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)


def _plane_of(transformation: Transformation) -> tuple[int, int, int]:
    normal = np.cross(transformation[0], transformation[1])
    return _coprime((int(normal[0]), int(normal[1]), int(normal[2])))


def _stack(
    atoms: Atoms,
    grains: tuple[Transformation, Transformation],
    grain_thickness: float,
    gap: float,
    bonds: Bonds | None,
) -> Atoms:
    """Put the second grain, turned into the frame of the first, on top of it."""
    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    lower, upper = (make_supercell(bare, matrix) for matrix in grains)
    cells = np.asarray(lower.cell), np.asarray(upper.cell)
    if not np.allclose(cells[0] @ cells[0].T, cells[1] @ cells[1].T, rtol=1e-3, atol=1e-3):
        raise ValueError(
            "the coincidence cells of the two grains differ in shape: give an exactly cubic cell"
        )
    upper.set_cell(cells[0], scale_atoms=True)
    normal = np.cross(cells[0][0], cells[0][1])
    normal /= np.linalg.norm(normal)
    repeats = math.ceil(grain_thickness / abs(float(cells[0][2] @ normal)) - 1e-9)
    outwards = normal * np.sign(cells[0][2] @ normal)
    lower, upper = (_cut(grain).repeat((1, 1, repeats)) for grain in (lower, upper))
    if bonds:
        lower, upper = (join_bonded_groups(grain, bonds) for grain in (lower, upper))
    upper.translate(repeats * cells[0][2] + gap * outwards)
    built = lower + upper
    built.set_cell([cells[0][0], cells[0][1], 2 * repeats * cells[0][2] + 2 * gap * outwards])
    built.set_array("grain", np.repeat([0, 1], [len(lower), len(upper)]))
    # The first vector along x, the second in the xy plane.
    built.set_cell(built.cell.standard_form()[0], scale_atoms=True)
    built.wrap()
    return built


def _cut(grain: Atoms) -> Atoms:
    """Shift a grain along its third vector so that its faces lie in its widest gap."""
    height = float(cell_heights(np.asarray(grain.cell), grain.pbc)[2])
    planes = np.sort(grain.get_scaled_positions()[:, 2])
    gaps = np.diff(planes, append=planes[0] + 1.0)
    # Equal gaps differ by rounding only: the lowest is taken.
    widest = int(np.argmax(np.round(gaps * height, 3)))
    grain.positions -= (planes[widest] + gaps[widest] / 2) * np.asarray(grain.cell)[2]
    grain.wrap()
    return grain


def _describe(
    atoms: Atoms,
    kind: str,
    sigma: int,
    axis: tuple[int, int, int],
    angle: float,
    grains: tuple[Transformation, Transformation],
    gap: float,
    merged: dict[str, int],
) -> Atoms:
    reach = 2.0
    while not len((pairs := pairs_within(atoms, reach)).first):
        reach *= 1.5
    planes = [np.array(_plane_of(grain)) for grain in grains]
    # (h, k, l) and (−h, −k, −l) are one plane: the first index that differs from zero is positive.
    upright = int(np.sign(planes[0][planes[0] != 0][0]))
    report: dict[str, Any] = {
        "kind": kind,
        "sigma": int(sigma),
        "axis": list(axis),
        "angle": angle,
        "plane": (upright * planes[0]).tolist(),
        "second_plane": (upright * planes[1]).tolist(),
        "area": float(np.linalg.norm(np.cross(atoms.cell[0], atoms.cell[1]))),
        "gap": float(gap),
        "shortest_distance": float(pairs.distance.min()),
        "merged": merged,
    }
    atoms.info["grain_boundary"] = report
    return atoms
