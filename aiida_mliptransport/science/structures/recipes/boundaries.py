"""Recipes where crystals end or meet: slabs, coherent interfaces, grain boundaries."""

from __future__ import annotations

from typing import Literal

from ase import Atoms

from .. import grain_boundaries, interfaces, surfaces
from .errors import RecipeError

__all__ = ["cut_slab", "join_interface", "join_tilt_boundary", "join_twist_boundary", "read_bonds"]


def cut_slab(
    *,
    structure: Atoms,
    miller: list[int],
    thickness: float,
    vacuum: float,
    termination: int | None = None,
    oxidation_states: dict[str, float] | None = None,
    bonds: dict[str, float] | None = None,
    plane_tolerance: float = 0.1,
) -> Atoms:
    """Build one slab; see :func:`~..surfaces.build_slab`. Bonds are keyed ``"C-O"``."""
    return surfaces.build_slab(
        structure,
        miller,
        thickness=thickness,
        vacuum=vacuum,
        termination=termination,
        oxidation_states=oxidation_states,
        bonds=read_bonds(bonds),
        plane_tolerance=plane_tolerance,
    )


def join_interface(
    *,
    substrate: Atoms,
    film: Atoms,
    substrate_miller: list[int],
    film_miller: list[int],
    substrate_thickness: float,
    film_thickness: float,
    gap: float,
    vacuum: float | None = None,
    max_strain: float,
    film_share: float = 1.0,
    max_area: float = 400.0,
    max_atoms: int | None = None,
    termination: int | None = None,
    bonds: dict[str, float] | None = None,
) -> Atoms:
    """Build the smallest coherent interface; see :func:`~..interfaces.coherent_interface`."""
    return interfaces.coherent_interface(
        substrate,
        film,
        substrate_miller,
        film_miller,
        substrate_thickness=substrate_thickness,
        film_thickness=film_thickness,
        gap=gap,
        vacuum=vacuum,
        max_strain=max_strain,
        film_share=film_share,
        max_area=max_area,
        max_atoms=max_atoms,
        termination=termination,
        bonds=read_bonds(bonds),
    )


def join_tilt_boundary(
    *,
    structure: Atoms,
    axis: list[int],
    sigma: int,
    plane: list[int],
    grain_thickness: float,
    min_distance: float,
    close_pairs: Literal["refuse", "merge"] = "refuse",
    gap: float = 0.0,
    bonds: dict[str, float] | None = None,
) -> Atoms:
    """Join mirror-like grains; see :func:`~..grain_boundaries.symmetric_tilt_boundary`."""
    return grain_boundaries.symmetric_tilt_boundary(
        structure,
        axis,
        sigma,
        plane,
        grain_thickness=grain_thickness,
        min_distance=min_distance,
        close_pairs=close_pairs,
        gap=gap,
        bonds=read_bonds(bonds),
    )


def join_twist_boundary(
    *,
    structure: Atoms,
    axis: list[int],
    sigma: int,
    grain_thickness: float,
    min_distance: float,
    close_pairs: Literal["refuse", "merge"] = "refuse",
    gap: float = 0.0,
    bonds: dict[str, float] | None = None,
) -> Atoms:
    """Join grains turned about their normal; see :func:`~..grain_boundaries.twist_boundary`."""
    return grain_boundaries.twist_boundary(
        structure,
        axis,
        sigma,
        grain_thickness=grain_thickness,
        min_distance=min_distance,
        close_pairs=close_pairs,
        gap=gap,
        bonds=read_bonds(bonds),
    )


def read_bonds(bonds: dict[str, float] | None) -> dict[tuple[str, str], float] | None:
    """Return longest bonds in Å keyed by pair of elements, from keys such as ``"C-O"``.

    Raises
    ------
    RecipeError
        If a key is not two symbols with a hyphen between them.
    """
    pairs = {}
    for key, longest in (bonds or {}).items():
        first, hyphen, second = key.partition("-")
        if not (first and hyphen and second):
            raise RecipeError(f"bonds holds {key!r}: expected two elements, like 'C-O'")
        pairs[first, second] = longest
    return pairs or None
