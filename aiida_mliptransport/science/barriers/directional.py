"""End points along a lattice direction: which ions can jump that way, and why others cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atom, Atoms
from ase.geometry import find_mic
from numpy.typing import ArrayLike

from ..structures.conversion import check_periodic, ionic_charges
from ..structures.defects import remove_atoms
from ..structures.supercells import supercell_of_width
from ..transport.reference import FloatArray
from .end_point_checks import describe_approach
from .end_points import EndPoints, EndPointsError
from .path_symmetry import SiteJump, inequivalent_jumps
from .straight_path import Approach, closest_approach

__all__ = ["DirectionalPath", "DirectionalPaths", "directional_end_points"]

DirectedMechanism = Literal["vacancy", "interstitial"]

#: Half of the smallest angle between directions of indices 0, 1 and 2 in a cubic cell, 18.4°
#: between [210] and [110]. A site of a real crystal may be 0.6 Å off the line after 3.6 Å.
MAX_ANGLE_DEGREES = 9.0
#: Longer jumps than this pass over sites between: they are several hops.
MAX_LENGTH_ANGSTROM = 8.0
#: Distance between opposite faces of the supercell: the width of usual cells for charged defects.
MIN_WIDTH_ANGSTROM = 10.0
#: What two atoms keep of their distance on the straight path. A jump to a second neighbour passes
#: between two sites at just half and is a path; below, an atom is in the way rather than beside it.
BLOCKED_RATIO = 0.4


@dataclass(frozen=True, eq=False)
class DirectionalPath:
    """One jump along a direction, with its end points in a supercell.

    Attributes
    ----------
    end_points
        Initial and final structure, not relaxed.
    start, destination
        Indices of the two sites: atoms of the given cell, or given interstitial sites.
    vector
        From the start to the destination, ``(3,)`` Å.
    angle_degrees
        Between the vector and the direction.
    multiplicity
        Jumps of the given cell along this direction that symmetry makes equal.
    approach
        Of the atoms that come nearest on the straight path.
    """

    end_points: EndPoints
    start: int
    destination: int
    vector: FloatArray
    angle_degrees: float
    multiplicity: int
    approach: Approach | None

    @property
    def length(self) -> float:
        """Length of the jump in Å."""
        return float(np.linalg.norm(self.vector))


@dataclass(frozen=True)
class DirectionalPaths:
    """Jumps along a direction that differ by symmetry, and the reasons why others are none."""

    paths: tuple[DirectionalPath, ...]
    refused: tuple[str, ...]


def directional_end_points(
    atoms: Atoms,
    symbol: str,
    direction: Sequence[int],
    mechanism: DirectedMechanism = "vacancy",
    *,
    sites: ArrayLike | None = None,
    oxidation_states: Mapping[str, float] | None = None,
    max_angle_degrees: float = MAX_ANGLE_DEGREES,
    max_length: float = MAX_LENGTH_ANGSTROM,
    min_width: float = MIN_WIDTH_ANGSTROM,
    symprec: float = 0.01,
) -> DirectionalPaths:
    """Build end points of jumps along a lattice direction, one for each that symmetry tells apart.

    From every site the nearest one along the direction is sought. The same direction seen from two
    equivalent sites may be two different jumps; and a jump, its reverse and its symmetric images
    are one.

    Parameters
    ----------
    atoms
        The perfect crystal, in the cell that the direction refers to.
    symbol
        Element that jumps.
    direction
        Integers u, v, w: along u a + v b + w c of the cell's vectors. Common factors do not matter.
    mechanism
        ``"vacancy"``: the ion at the destination is taken out, and the one at the start goes
        there. ``"interstitial"``: an ion is added at the start, one of ``sites``.
    sites
        ``(n, 3)`` Å, the interstitial sites of the cell, for example of
        :func:`~..structures.voids.find_voids`; for ``"interstitial"`` only.
    oxidation_states
        Of each element; the charge of the ion that is taken or added then goes into
        ``info["charge"]``. Without them the cell keeps its charge.
    max_angle_degrees, max_length
        How far off the direction, and how far away in Å, the destination may be.
    min_width
        Å between opposite faces of the supercell, so between images of the path. Supercells are
        wider than twice the jump in any case, which keeps nearest images unique.
    symprec
        Å, of the symmetry; see :func:`~..structures.site_orbits.site_orbits`.

    Returns
    -------
    DirectionalPaths
        In the order of the starting sites.

    Raises
    ------
    EndPointsError
        If the direction is no lattice direction, the cell has no such element, interstitial sites
        are missing or superfluous, or no jump is possible: no site lies that way within reach, or
        an ion sits on the way (nearer to the line than 0.4 of its distance from the ends).
    """
    check_periodic(atoms)
    towards = _unit_vector(atoms, direction)
    points = _points(atoms, symbol, mechanism, sites)
    jumps = [
        jump
        for start in range(len(points))
        if (jump := _nearest_along(atoms, points, start, towards, max_angle_degrees, max_length))
    ]
    numbers = np.flatnonzero(atoms.symbols == symbol) if mechanism == "vacancy" else None
    names = list(range(len(points))) if numbers is None else numbers.tolist()
    label = f"[{' '.join(str(int(index)) for index in direction)}]"
    paths: list[DirectionalPath] = []
    refused: list[str] = []
    if len(jumps) < len(points):
        repeat = np.linalg.norm(np.asarray(direction) @ np.asarray(atoms.cell))
        refused.append(
            f"{len(points) - len(jumps)} of {len(points)} sites have none along {label} within "
            f"max_length={max_length:g} Å and max_angle_degrees={max_angle_degrees:g}; the lattice "
            f"repeats after {repeat / np.gcd.reduce(np.asarray(direction, dtype=int)):.2f} Å there"
        )
    for jump, multiplicity in inequivalent_jumps(atoms, points, jumps, symprec=symprec):
        width = max(min_width, 2.0 * jump.length + 0.5)
        crystal = supercell_of_width(atoms, width)
        start = points[jump.start]
        if mechanism == "vacancy":
            end_points = _vacancy(crystal, start, jump.vector, oxidation_states)
        else:
            end_points = _interstitial(crystal, symbol, start, jump.vector, oxidation_states)
        approach = closest_approach(end_points)
        told = f"{symbol} {names[jump.start]} → {names[jump.destination]}, {jump.length:.2f} Å"
        if approach is not None and approach.ratio < BLOCKED_RATIO:
            refused.append(
                f"{told}: an ion sits on the way, so this is no single hop: in the supercell "
                f"{describe_approach(end_points, approach)}"
            )
            continue
        paths.append(
            DirectionalPath(
                end_points=end_points,
                start=names[jump.start],
                destination=names[jump.destination],
                vector=jump.vector,
                angle_degrees=_angle(jump.vector, towards),
                multiplicity=multiplicity,
                approach=approach,
            )
        )
    if not paths:
        raise EndPointsError(f"no {symbol} can jump along {label}: {'; '.join(refused)}")
    return DirectionalPaths(tuple(paths), tuple(refused))


def _unit_vector(atoms: Atoms, direction: Sequence[int]) -> FloatArray:
    indices = np.asarray(direction)
    if indices.shape != (3,) or not np.array_equal(indices, np.rint(indices)) or not indices.any():
        raise EndPointsError(
            f"direction={list(direction)}: expected three integers that are not all zero, such as "
            "(1, 1, 0) for a + b of the cell's vectors"
        )
    vector = indices @ np.asarray(atoms.cell, dtype=np.float64)
    return np.asarray(vector / np.linalg.norm(vector))


def _points(
    atoms: Atoms, symbol: str, mechanism: DirectedMechanism, sites: ArrayLike | None
) -> FloatArray:
    """Return the places between which ions jump, ``(n, 3)`` Å."""
    if mechanism not in ("vacancy", "interstitial"):
        raise EndPointsError(f"mechanism={mechanism!r}: expected 'vacancy' or 'interstitial'")
    if (mechanism == "interstitial") != (sites is not None):
        raise EndPointsError(
            f"mechanism={mechanism!r} with sites={'none' if sites is None else 'given'}: an "
            "interstitial needs the positions of its sites in Å, a vacancy takes none"
        )
    if sites is not None:
        return np.asarray(sites, dtype=np.float64).reshape(-1, 3)
    points = np.asarray(atoms.positions[atoms.symbols == symbol], dtype=np.float64)
    if not len(points):
        raise EndPointsError(
            f"symbol={symbol!r} is not in the cell, which holds {sorted(set(atoms.symbols))}: name "
            "one of these"
        )
    return points


def _nearest_along(
    atoms: Atoms,
    points: FloatArray,
    start: int,
    towards: FloatArray,
    max_angle: float,
    max_length: float,
) -> SiteJump | None:
    """Return the jump to the nearest site in a cone about the direction, images included."""
    cell = np.asarray(atoms.cell, dtype=np.float64)
    steps = find_mic(points - points[start], cell)[0]
    # A sphere of this radius about a point of the central cell ends within so many cells.
    reach = np.ceil(max_length * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1.0).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1)
    vectors = (steps[:, None] + grid.reshape(-1, 3) @ cell).reshape(-1, 3)
    lengths = np.linalg.norm(vectors, axis=1)
    along = vectors @ towards
    within = (lengths > 1e-3) & (lengths <= max_length)
    found = np.flatnonzero(within & (along >= lengths * np.cos(np.radians(max_angle))))
    if not len(found):
        return None
    # Of equally long ones that with the smallest angle.
    best = found[np.lexsort((-along[found], lengths[found].round(3)))[0]]
    return SiteJump(start, int(best) // len(grid.reshape(-1, 3)), vectors[best])


def _vacancy(
    crystal: Atoms,
    start: FloatArray,
    vector: FloatArray,
    oxidation_states: Mapping[str, float] | None,
) -> EndPoints:
    """Take out the ion at the destination, and let the one at the start go there."""
    ion, taken = (_atom_at(crystal, place) for place in (start, start + vector))
    states = oxidation_states or dict.fromkeys(crystal.symbols, 0.0)
    initial = remove_atoms(crystal, [taken], oxidation_states=states)
    final = initial.copy()
    final.positions[ion - (taken < ion)] += vector
    return EndPoints(initial, final)


def _interstitial(
    crystal: Atoms,
    symbol: str,
    start: FloatArray,
    vector: FloatArray,
    oxidation_states: Mapping[str, float] | None,
) -> EndPoints:
    """Add an ion, the last atom of the cell, and let it go."""
    initial = crystal.copy()
    initial.append(Atom(symbol, start))
    states = {symbol: (oxidation_states or {symbol: 0.0}).get(symbol, np.nan)}
    if np.isnan(states[symbol]):
        raise EndPointsError(
            f"oxidation_states={dict(oxidation_states or {})}: no state for {symbol}, expected one"
        )
    charge = float(crystal.info.get("charge", 0.0)) + float(ionic_charges([symbol], states)[0])
    initial.info["charge"] = charge
    final = initial.copy()
    final.positions[-1] += vector
    return EndPoints(initial, final)


def _atom_at(crystal: Atoms, place: FloatArray) -> int:
    return int(np.argmin(find_mic(crystal.positions - place, crystal.cell)[1]))


def _angle(vector: FloatArray, towards: FloatArray) -> float:
    cosine = float(vector @ towards) / float(np.linalg.norm(vector))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
