"""Coherent interfaces of two crystals, with the strain of either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.analysis.interfaces.coherent_interfaces import CoherentInterfaceBuilder
from pymatgen.analysis.interfaces.zsl import ZSLGenerator, ZSLMatch
from pymatgen.core.interface import Interface
from scipy.linalg import polar

from ..selection.neighbours import neighbour_pairs
from .broken_bonds import Bonds, check_bonds, count_broken_bonds
from .conversion import to_atoms, to_structure
from .surfaces import plane_indices

__all__ = ["coherent_interface"]

#: Å: how far apart across an interface atoms are looked at for the shortest contact.
CONTACT_RANGE = 10.0


def coherent_interface(
    substrate: Atoms,
    film: Atoms,
    substrate_miller: Sequence[int],
    film_miller: Sequence[int],
    *,
    substrate_thickness: float,
    film_thickness: float,
    gap: float,
    vacuum: float | None = None,
    max_strain: float,
    film_share: float = 1.0,
    max_area: float = 400.0,
    max_atoms: int | None = None,
    termination: int | None = None,
    bonds: Bonds | None = None,
) -> Atoms:
    """Build the smallest coherent interface of two crystals within a limit of strain.

    The same crystal on both sides with two planes is a bicrystal of any two orientations.

    Parameters
    ----------
    substrate, film
        Crystals, periodic in three directions; Miller indices refer to these cells.
    substrate_miller, film_miller
        Planes that meet.
    substrate_thickness, film_thickness
        Å; each slab is the least number of repeat units that reach it.
    gap
        Å between the outermost atoms of either side.
    vacuum
        Å above the film. Without it the film meets the substrate's image across the same gap, and
        the cell holds two interfaces.
    max_strain
        Largest principal strain of either side, without unit.
    film_share
        Part of the misfit that the film takes: 1 strains the film only, 0 the substrate only.
    max_area
        Å²; the search ends there.
    max_atoms
        The interface is refused if it needs more.
    termination
        Rank of the pair of terminations; needed where there are several.
    bonds
        Longest bond in Å by pair of elements, such as ``{("C", "O"): 1.6}``: terminations that
        break one are left out.

    Returns
    -------
    ase.Atoms
        Interface in the plane of the first two vectors, third vector along its normal; the array
        ``side`` says ``substrate`` or ``film``. ``info["interface"]`` holds the planes, ``area``
        (Å²), ``film_strain`` and ``substrate_strain`` (in-plane tensors ``(2, 2)``, first axis
        along the first vector of the unstrained side), ``max_strain`` (largest principal one),
        ``misfit`` (principal strains that take the film to the substrate), ``gap``, ``vacuum``,
        ``shortest_contact`` (Å, across the interfaces) and ``termination``, with
        ``terminations``.

    Raises
    ------
    ValueError
        If a cell is not a crystal or a number makes no sense, no match lies within the limits, the
        smallest has too many atoms, or the termination is missing or unknown.

    Notes
    -----
    Zur, McGill, J. Appl. Phys. 55, 378 (1984), through pymatgen's ``CoherentInterfaceBuilder``. The
    strain is that of the right stretch tensor, U − 1. The film is turned over by a mirror, which
    makes the other enantiomer of a chiral crystal. Nothing is relaxed, and no thickness follows the
    strain.
    """
    check_bonds(bonds)
    planes = plane_indices(substrate_miller), plane_indices(film_miller)
    _check(
        substrate_thickness=substrate_thickness,
        film_thickness=film_thickness,
        gap=gap,
        vacuum=gap if vacuum is None else vacuum,
        max_strain=max_strain,
        max_area=max_area,
    )
    if not 0 <= film_share <= 1:
        raise ValueError(f"film_share={film_share!r}: expected 0 to 1")
    crystals = to_structure(substrate), to_structure(film)
    builder, fit = _smallest(crystals, planes, max_strain, film_share, max_area)
    builder.zsl_matches = [fit.match]
    settings = {
        "gap": gap,
        "vacuum_over_film": gap if vacuum is None else vacuum,
        "film_thickness": film_thickness,
        "substrate_thickness": substrate_thickness,
        "in_layers": False,
    }
    pairs = builder.terminations
    if bonds:
        pairs = [
            pair
            for pair in pairs
            if _is_whole(next(builder.get_interfaces(pair, **settings)), substrate, film, bonds)
        ]
    names = [f"{on_substrate} | {on_film}" for on_film, on_substrate in pairs]
    if not names:
        raise ValueError(
            f"bonds={dict(bonds or {})}: every pair of terminations breaks some; choose other "
            "planes, or leave out bonds"
        )
    if termination is None and len(names) > 1:
        raise ValueError(
            f"{len(names)} pairs of terminations (substrate | film): "
            + "; ".join(f"{rank}: {name}" for rank, name in enumerate(names))
            + ": choose one by termination"
        )
    rank = termination or 0
    if not 0 <= rank < len(names):
        raise ValueError(f"termination={termination!r}: expected 0 to {len(names) - 1}")
    interface = next(builder.get_interfaces(pairs[rank], **settings))
    if max_atoms is not None and len(interface) > max_atoms:
        raise ValueError(
            f"max_atoms={max_atoms}: the smallest interface within a strain of {max_strain:g} has "
            f"{len(interface)} atoms on {fit.area:.1f} Å²; allow more atoms or strain, or thinner "
            "slabs"
        )
    built = to_atoms(interface)
    across = np.zeros((3, 3))
    across[:2, :2] = fit.vectors
    across[2, 2] = float(interface.lattice.c)
    built.set_cell(across, scale_atoms=True)
    built.set_array("side", np.array(interface.site_properties["interface_label"], dtype="U9"))
    built.wrap()
    built.info["interface"] = {
        "substrate_miller": list(planes[0]),
        "film_miller": list(planes[1]),
        "area": fit.area,
        "film_strain": fit.film_strain.tolist(),
        "substrate_strain": fit.substrate_strain.tolist(),
        "max_strain": fit.largest,
        "misfit": fit.misfit.tolist(),
        "gap": float(gap),
        "vacuum": None if vacuum is None else float(vacuum),
        "shortest_contact": _shortest_contact(built),
        "termination": rank,
        "terminations": names,
    }
    return built


@dataclass(frozen=True)
class _Fit:
    """One match of two surface lattices, and what it does to either side."""

    match: ZSLMatch
    vectors: NDArray[np.float64]
    film_strain: NDArray[np.float64]
    substrate_strain: NDArray[np.float64]
    misfit: NDArray[np.float64]

    @property
    def area(self) -> float:
        return float(abs(np.linalg.det(self.vectors)))

    @property
    def largest(self) -> float:
        return float(
            max(
                np.abs(np.linalg.eigvalsh(strain)).max()
                for strain in (self.film_strain, self.substrate_strain)
            )
        )


def _smallest(
    crystals: tuple[Any, Any],
    planes: tuple[tuple[int, int, int], tuple[int, int, int]],
    max_strain: float,
    film_share: float,
    max_area: float,
) -> tuple[CoherentInterfaceBuilder, _Fit]:
    """Return the match of least area, and of those the least strained one."""
    misfit = max_strain / max(film_share, 1 - film_share)
    # All matches of an area come before those of the next: small limits first save the long search.
    steps = [max_area / 8, max_area / 4, max_area / 2, max_area]
    tried = 0
    for limit in steps:
        builder = CoherentInterfaceBuilder(
            substrate_structure=crystals[0].copy(),
            film_structure=crystals[1].copy(),
            substrate_miller=planes[0],
            film_miller=planes[1],
            # Wider than the strain, which is judged below: these compare lengths and angles.
            zslgen=ZSLGenerator(
                max_area_ratio_tol=3 * misfit + 1e-6,
                max_area=limit,
                max_length_tol=1.5 * misfit + 1e-6,
                max_angle_tol=3 * misfit + 1e-6,
                bidirectional=True,
            ),
            label_index=True,
        )
        fits = [_fit(match, film_share) for match in builder.zsl_matches]
        tried = len(fits)
        fits = [fit for fit in fits if fit.largest <= max_strain + 1e-9]
        if fits:
            best = min(fits, key=lambda fit: (round(fit.area, 3), round(fit.largest, 9)))
            return builder, best
    raise ValueError(
        f"max_strain={max_strain:g} and max_area={max_area:g} Å²: none of {tried} matches of "
        f"{planes[0]} and {planes[1]} is within both; allow more strain or area, or other planes"
    )


def _fit(match: ZSLMatch, film_share: float) -> _Fit:
    film = _in_plane(match.film_sl_vectors)
    substrate = _in_plane(match.substrate_sl_vectors)
    # Rows are vectors: film @ stretch @ rotation = substrate.
    rotation, stretch = polar(np.linalg.solve(film, substrate), side="left")
    film_strain = film_share * (stretch - np.eye(2))
    vectors = film @ (np.eye(2) + film_strain) @ rotation
    _, taken = polar(np.linalg.solve(substrate, vectors), side="left")
    return _Fit(
        match=match,
        vectors=_in_plane(vectors),
        film_strain=film_strain,
        substrate_strain=taken - np.eye(2),
        misfit=np.linalg.eigvalsh(stretch) - 1.0,
    )


def _in_plane(vectors: Any) -> NDArray[np.float64]:
    """Return two vectors in the plane that they span, the first along x, ``(2, 2)``."""
    first, second = (np.asarray(vector, dtype=np.float64) for vector in vectors)
    length = np.linalg.norm(first)
    along = first @ second / length
    return np.array([[length, 0.0], [along, np.sqrt(second @ second - along**2)]])


def _is_whole(interface: Interface, substrate: Atoms, film: Atoms, bonds: Bonds) -> bool:
    """Tell whether neither side has broken bonds; the sides are looked at one by one."""
    built = to_atoms(interface)
    built.pbc = (True, True, False)
    side = np.array(interface.site_properties["interface_label"])
    return all(
        count_broken_bonds(built[side == name], crystal, bonds) == 0
        for name, crystal in (("substrate", substrate), ("film", film))
    )


def _shortest_contact(atoms: Atoms) -> float:
    pairs = neighbour_pairs(atoms.positions, np.asarray(atoms.cell), atoms.pbc, CONTACT_RANGE)
    side = atoms.arrays["side"]
    across = pairs.distance[side[pairs.first] != side[pairs.second]]
    return float(across.min()) if len(across) else float("inf")


def _check(**lengths: float) -> None:
    for name, value in lengths.items():
        if not 0 < value < np.inf:
            raise ValueError(f"{name}={value!r}: expected a positive number")
