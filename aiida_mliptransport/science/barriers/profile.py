"""Energies along a path: barriers both ways, the saddle, and signs that the path is not one hop."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from ase.geometry import find_mic
from numpy.typing import ArrayLike
from scipy.interpolate import CubicHermiteSpline, CubicSpline
from scipy.signal import find_peaks

from ..transport.reference import FloatArray, require_finite

__all__ = ["PathProfile", "path_profile"]

#: A minimum between two maxima that is shallower than kT at room temperature holds no ion.
MIN_DEPTH_EV = 0.025
#: By relaxing to 0.05 eV/Å an end point may be left 0.1 Å and so much above its minimum.
END_DIP_EV = 0.005
#: An image this share of the energy range above what its neighbours predict is a kink, or a peak
#: that the images do not resolve. Of a cosine with five images the middle one is 0.13 above.
KINK_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class PathProfile:
    """Energy along a path of M images, relative to the initial one.

    Attributes
    ----------
    coordinate
        ``(M,)`` Å, distance along the path in the space of all coordinates.
    energies
        ``(M,)`` eV, of the images.
    slopes
        ``(M,)`` eV/Å, dE/ds at the images: from forces, or of the spline through the energies.
    barrier, reverse_barrier
        eV, from the initial and from the final structure to the maximum of the fitted curve.
    image_barrier, image_reverse_barrier
        eV, to the highest image: what a climbing image converges to.
    reaction_energy
        eV, final less initial.
    saddle_image
        Index of the highest image.
    saddle_coordinate
        Å, where the fitted curve is highest.
    warnings
        Sentences; empty if the path looks like one hop between two minima.
    """

    coordinate: FloatArray
    energies: FloatArray
    slopes: FloatArray
    barrier: float
    reverse_barrier: float
    image_barrier: float
    image_reverse_barrier: float
    reaction_energy: float
    saddle_image: int
    saddle_coordinate: float
    warnings: tuple[str, ...]

    def curve(self, n_points: int = 200) -> tuple[FloatArray, FloatArray]:
        """Return the fitted curve to draw: coordinates in Å and energies in eV, ``(n_points,)``."""
        along = np.linspace(0.0, self.coordinate[-1], n_points)
        spline = CubicHermiteSpline(self.coordinate, self.energies, self.slopes)
        return along, np.asarray(spline(along))


def path_profile(
    positions: ArrayLike,
    energies: ArrayLike,
    forces: ArrayLike | None = None,
    cell: ArrayLike | None = None,
) -> PathProfile:
    """Fit the energy along a path and read the barriers from it.

    Parameters
    ----------
    positions
        ``(M, N, 3)`` Å, of at least three images in order, wrapped or not.
    energies
        ``(M,)`` eV.
    forces
        ``(M, N, 3)`` eV/Å, of the potential, without the springs of a band. With them the slope at
        each image is that of the forces along the path, which finds a maximum between images.
        Without them the curve is a cubic spline that is flat at both ends: they are taken for
        relaxed.
    cell
        ``(3, 3)`` Å of a crystal; between neighbouring images atoms then go to their nearest
        image. None for a molecule.

    Returns
    -------
    PathProfile

    Raises
    ------
    ValueError
        If shapes do not fit, there are fewer than three images, a number is NaN, or two images in
        a row are the same.

    Notes
    -----
    A cubic Hermite curve through energies and slopes (Henkelman and Jónsson, J. Chem. Phys. 113,
    9978 (2000), appendix), with the slopes of ASE's ``fit_images``. Its error is h⁴/384 max|E⁗| for
    images h apart: 0.3 % of the barrier of a cosine with six images; without forces 1.6 %.

    Warnings tell of several maxima (with a minimum of 25 meV between them), of none, of end points
    more than 5 meV above the curve beside them, and, with five images and forces, or with seven, of
    images that stand out by 0.2 of the energy range.
    """
    places, values = _check(positions, energies)
    steps = np.diff(places, axis=0)
    if cell is not None:
        box = np.asarray(cell, dtype=np.float64)
        steps = find_mic(steps.reshape(-1, 3), box)[0].reshape(steps.shape)
    lengths = np.linalg.norm(steps.reshape(len(steps), -1), axis=1)
    if lengths.min() < 1e-6:
        same = int(np.argmin(lengths))
        raise ValueError(
            f"images {same} and {same + 1} are {lengths[same]:.1e} Å apart, expected a path: leave "
            "one of them out"
        )
    coordinate = np.concatenate([[0.0], np.cumsum(lengths)])
    relative = values - values[0]
    if forces is None:
        slopes = CubicSpline(coordinate, relative, bc_type="clamped")(coordinate, 1)
    else:
        slopes = _slopes(steps, np.asarray(forces, dtype=np.float64))
    spline = CubicHermiteSpline(coordinate, relative, slopes)
    turns = spline.derivative().roots(extrapolate=False)
    points = np.unique(np.concatenate([coordinate, turns[np.isfinite(turns)]]))
    curve = np.asarray(spline(points))
    top = int(np.argmax(curve))
    warnings = _shape_warnings(points, curve)
    warnings += _kinks(coordinate, relative, slopes, with_forces=forces is not None)
    return PathProfile(
        coordinate=coordinate,
        energies=relative,
        slopes=np.asarray(slopes),
        barrier=float(curve[top]),
        reverse_barrier=float(curve[top] - relative[-1]),
        image_barrier=float(relative.max()),
        image_reverse_barrier=float(relative.max() - relative[-1]),
        reaction_energy=float(relative[-1]),
        saddle_image=int(np.argmax(relative)),
        saddle_coordinate=float(points[top]),
        warnings=tuple(warnings),
    )


def _check(positions: ArrayLike, energies: ArrayLike) -> tuple[FloatArray, FloatArray]:
    places = np.asarray(positions, dtype=np.float64)
    values = np.asarray(energies, dtype=np.float64)
    if places.ndim != 3 or places.shape[2] != 3 or values.shape != places.shape[:1]:
        raise ValueError(
            f"positions have shape {places.shape} and energies {values.shape}, expected "
            "(images, atoms, 3) and (images,)"
        )
    if len(places) < 3:
        raise ValueError(f"the path has {len(places)} images, expected at least three")
    require_finite(places, "positions")
    require_finite(values, "energies")
    return places, values


def _slopes(steps: FloatArray, forces: FloatArray) -> FloatArray:
    """Slope of the energy along the path at each image, from the forces along the tangent."""
    shape = (len(steps) + 1, *steps.shape[1:])
    if forces.shape != shape:
        raise ValueError(f"forces have shape {forces.shape}, expected {shape} like the positions")
    require_finite(forces, "forces")
    tangents = np.concatenate([steps[:1], steps[1:] + steps[:-1], steps[-1:]])
    tangents /= np.linalg.norm(tangents, axis=(1, 2))[:, None, None]
    return np.asarray(-(forces * tangents).sum(axis=(1, 2)))


def _shape_warnings(points: FloatArray, curve: FloatArray) -> list[str]:
    """Warn of a curve that is not one maximum between two minima; all its turns are points."""
    warnings = []
    peaks = find_peaks(curve, prominence=MIN_DEPTH_EV)[0]
    for first, second in itertools.pairwise(peaks.tolist()):
        low = first + int(np.argmin(curve[first:second]))
        warnings.append(
            f"two maxima, {curve[first]:.3f} eV at {points[first]:.2f} Å and {curve[second]:.3f} "
            f"eV at {points[second]:.2f} Å, with a minimum of {curve[low]:.3f} eV at "
            f"{points[low]:.2f} Å between them: these are two hops; relax the image there and "
            "search for each path alone"
        )
    if not len(peaks):
        warnings.append(
            f"no maximum more than {MIN_DEPTH_EV:g} eV high lies between the end points: one of "
            "them is no minimum, or there is no barrier; relax both"
        )
        return warnings
    for name, part in (("initial", curve[: peaks[0] + 1]), ("final", curve[peaks[-1] :][::-1])):
        dip = float(part[0] - part.min())
        if dip > END_DIP_EV:
            warnings.append(
                f"the energy falls by {dip:.3f} eV from the {name} structure before it rises, so "
                "this is no minimum: relax it further"
            )
    return warnings


def _kinks(
    coordinate: FloatArray, energies: FloatArray, slopes: FloatArray, *, with_forces: bool
) -> list[str]:
    """Warn of images that stand out from a cubic through their neighbours.

    With forces the cubic is that of energies and slopes of one neighbour on either side, without
    of the energies of two.
    """
    reach, needed = (1, 5) if with_forces else (2, 7)
    if len(energies) < needed:
        return []
    warnings = []
    for image in range(reach, len(energies) - reach):
        around = np.r_[image - reach : image, image + 1 : image + reach + 1]
        if with_forces:
            cubic = CubicHermiteSpline(coordinate[around], energies[around], slopes[around])
            expected = float(cubic(coordinate[image]))
        else:
            offsets = coordinate[around] - coordinate[image]
            expected = float(np.polynomial.Polynomial.fit(offsets, energies[around], 3)(0.0))
        excess = float(energies[image] - expected)
        if excess > KINK_SHARE * np.ptp(energies):
            warnings.append(
                f"image {image} is {excess:.3f} eV above what its neighbours suggest: the path has "
                "a kink there, or too few images for its peak; converge the band, or add images"
            )
    return warnings
