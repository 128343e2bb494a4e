"""Recipes that vary one cell: rattled, strained, scaled, pressed and relaxed."""

from __future__ import annotations

from ase import Atoms
from ase.calculators.calculator import Calculator

from .. import amorphous, perturbed

__all__ = [
    "densify_cell",
    "rattle_cell",
    "relax_cell",
    "scale_volumes",
    "strain_cell",
    "strain_randomly",
]


def rattle_cell(*, structure: Atoms, stdev: float, n_structures: int = 1, seed: int) -> list[Atoms]:
    """Displace all atoms at random; see :func:`~..perturbed.rattle`."""
    return perturbed.rattle(structure, stdev=stdev, n_structures=n_structures, seed=seed)


def strain_cell(*, structure: Atoms, strains: list[list[float]]) -> list[Atoms]:
    """Deform a cell by given strains; see :func:`~..perturbed.strain`."""
    return perturbed.strain(structure, strains)


def strain_randomly(
    *, structure: Atoms, maximum: float, n_structures: int = 1, seed: int
) -> list[Atoms]:
    """Deform a cell at random; see :func:`~..perturbed.random_strain`."""
    return perturbed.random_strain(structure, maximum=maximum, n_structures=n_structures, seed=seed)


def scale_volumes(*, structure: Atoms, relative_volumes: list[float]) -> list[Atoms]:
    """Scale a cell to other volumes; see :func:`~..perturbed.volume_ladder`."""
    return perturbed.volume_ladder(structure, relative_volumes)


def densify_cell(
    *,
    structure: Atoms,
    calculator: Calculator,
    path: list[list[float]] | None = None,
    timestep_fs: float = 1.0,
    damping_fs: float = 100.0,
    pressure_damping_fs: float = 1000.0,
    seed: int,
) -> Atoms:
    """Press a dilute cell by molecular dynamics; see :func:`~..amorphous.densify`."""
    stretches = amorphous.DEFAULT_PATH if path is None else [tuple(stretch) for stretch in path]
    return amorphous.densify(
        structure,
        calculator,
        path=stretches,  # type: ignore[arg-type]  # lengths are checked there
        timestep_fs=timestep_fs,
        damping_fs=damping_fs,
        pressure_damping_fs=pressure_damping_fs,
        seed=seed,
    )


def relax_cell(
    *,
    structure: Atoms,
    calculator: Calculator,
    fmax: float = 0.05,
    cell: bool = False,
    max_steps: int = 1000,
) -> Atoms:
    """Relax atoms, and the cell where asked; see :func:`~..amorphous.relax`."""
    return amorphous.relax(structure, calculator, fmax=fmax, cell=cell, max_steps=max_steps)
