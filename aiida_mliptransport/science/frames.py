"""Frames: arrays of atomic configurations, with or without labels, grouped into systems."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import chemical_symbols
from ase.formula import Formula
from ase.geometry import wrap_positions

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
StrArray = npt.NDArray[np.str_]

#: Positions and cells that agree to this many decimals (Å) are the same frame.
IDENTITY_DECIMALS = 6

#: Arrays with one entry per frame, and the shape of one entry ('N' is the number of atoms).
PER_FRAME_SHAPES: dict[str, tuple[int | str, ...]] = {
    "positions": ("N", 3),
    "cells": (3, 3),
    "energies": (),
    "forces": ("N", 3),
    "stresses": (3, 3),
    "force_weights": ("N",),
    "origins": (),
    "steps": (),
}


class FramesError(ValueError):
    """Frames are inconsistent; the message names the array, its value and what was expected."""


@dataclass(frozen=True, eq=False)
class System:
    """Frames of one composition and one atom order.

    Attributes
    ----------
    numbers : (N,) int
        Atomic numbers.
    positions : (n, N, 3) float
        Å.
    cells : (n, 3, 3) float
        Lattice vectors in rows, Å.
    pbc : (3,) bool
    charge : int
        Total charge, elementary charges.
    multiplicity : int
        Spin multiplicity 2S+1.
    energies : (n,) float or None
        eV.
    forces : (n, N, 3) float or None
        eV/Å.
    stresses : (n, 3, 3) float or None
        eV/Å³, ASE's sign (tension is positive), without the kinetic part.
    force_weights : (n, N) float or None
        Weight of each atom's force in a training.
    origins : (n,) str or None
        Identity of what each frame came from (the first frame of its trajectory).
    steps : (n,) int or None
        MD step at which the frame was taken from its origin.
    """

    numbers: IntArray
    positions: FloatArray
    cells: FloatArray
    pbc: npt.NDArray[np.bool_]
    charge: int = 0
    multiplicity: int = 1
    energies: FloatArray | None = None
    forces: FloatArray | None = None
    stresses: FloatArray | None = None
    force_weights: FloatArray | None = None
    origins: StrArray | None = None
    steps: IntArray | None = None

    def __post_init__(self) -> None:
        def put(name: str, dtype: Any) -> None:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.ascontiguousarray(value, dtype=dtype))

        put("numbers", np.int64)
        object.__setattr__(self, "pbc", np.array(np.broadcast_to(self.pbc, (3,)), dtype=bool))
        for name in (
            "positions", "cells", "energies", "forces", "stresses", "force_weights"
        ):  # fmt: skip
            put(name, np.float64)
        put("origins", np.str_)
        put("steps", np.int64)
        self._check()

    def _check(self) -> None:
        if self.numbers.ndim != 1 or len(self.numbers) == 0:
            raise FramesError(
                f"numbers has shape {self.numbers.shape}, expected (N,) with at least one atom"
            )
        if self.numbers.min() < 1 or self.numbers.max() >= len(chemical_symbols):
            raise FramesError(
                f"numbers holds {self.numbers.min()}..{self.numbers.max()}, expected atomic "
                f"numbers between 1 and {len(chemical_symbols) - 1}"
            )
        for name, tail in PER_FRAME_SHAPES.items():
            value = getattr(self, name)
            if value is None:
                continue
            shape = tuple(self.n_atoms if size == "N" else size for size in tail)
            if value.shape != (self.n_frames, *shape):
                raise FramesError(
                    f"{name} has shape {value.shape}, expected {(self.n_frames, *shape)} for "
                    f"{self.n_frames} frames of {self.n_atoms} atoms"
                )
            if value.dtype == np.float64 and not np.isfinite(value).all():
                bad = np.unique(np.argwhere(~np.isfinite(value))[:, 0])
                raise FramesError(
                    f"{name} is not finite in frame(s) {bad[:10].tolist()}: a calculation that "
                    "gave NaN must not become a label; drop these frames"
                )
        if self.pbc.any():
            volume = np.abs(np.linalg.det(self.cells))
            if (volume < 1e-6).any():
                raise FramesError(
                    f"cell of frame {int(volume.argmin())} has volume {volume.min():.3g} Å³ with "
                    f"pbc={self.pbc.tolist()}: a periodic structure needs a cell; set one"
                )

    @property
    def n_frames(self) -> int:
        return int(self.positions.shape[0])

    @property
    def n_atoms(self) -> int:
        return len(self.numbers)

    @property
    def symbols(self) -> list[str]:
        return [chemical_symbols[number] for number in self.numbers]

    @property
    def formula(self) -> str:
        """Chemical formula in Hill order."""
        return Formula.from_list(self.symbols).format("hill")

    @property
    def labelled(self) -> bool:
        return self.energies is not None and self.forces is not None

    def take(self, indices: Sequence[int] | IntArray) -> System:
        """Return the frames at ``indices`` (in that order)."""
        chosen = np.asarray(indices, dtype=np.int64)
        changes = {
            name: getattr(self, name)[chosen]
            for name in PER_FRAME_SHAPES
            if getattr(self, name) is not None
        }
        return replace(self, **changes)

    def without_labels(self) -> System:
        return replace(self, energies=None, forces=None, stresses=None, force_weights=None)

    def same_kind(self, other: System) -> bool:
        """Whether frames of both may stand in one system."""
        return (
            np.array_equal(self.numbers, other.numbers)
            and np.array_equal(self.pbc, other.pbc)
            and (self.charge, self.multiplicity) == (other.charge, other.multiplicity)
            and all(
                (getattr(self, name) is None) == (getattr(other, name) is None)
                for name in PER_FRAME_SHAPES
            )
        )

    def identities(self) -> list[str]:
        """Content identity (sha256, hex) of each frame; see :func:`frame_identity`."""
        return [
            frame_identity(self.numbers, position, cell, self.pbc, self.charge, self.multiplicity)
            for position, cell in zip(self.positions, self.cells, strict=True)
        ]

    def to_atoms(self) -> list[Atoms]:
        """Return ASE atoms; labels, if any, sit in a ``SinglePointCalculator``."""
        from ase.calculators.singlepoint import SinglePointCalculator

        images = []
        for i in range(self.n_frames):
            atoms = Atoms(
                numbers=self.numbers, positions=self.positions[i], cell=self.cells[i], pbc=self.pbc
            )
            atoms.info["charge"] = self.charge
            atoms.info["multiplicity"] = self.multiplicity
            if self.origins is not None and self.steps is not None:
                atoms.info["origin"] = str(self.origins[i])
                atoms.info["step"] = int(self.steps[i])
            results: dict[str, Any] = {}
            if self.energies is not None:
                results["energy"] = float(self.energies[i])
            if self.forces is not None:
                results["forces"] = self.forces[i]
            if self.stresses is not None:
                stress = self.stresses[i]
                results["stress"] = np.array(
                    [stress[0, 0], stress[1, 1], stress[2, 2], stress[1, 2], stress[0, 2],
                     stress[0, 1]]
                )  # fmt: skip
            if results:
                atoms.calc = SinglePointCalculator(atoms, **results)
            images.append(atoms)
        return images


def frame_identity(
    numbers: IntArray,
    positions: FloatArray,
    cell: FloatArray,
    pbc: npt.NDArray[np.bool_],
    charge: int = 0,
    multiplicity: int = 1,
) -> str:
    """Return the sha256 of one frame's physical content.

    Two frames have one identity when numbers, pbc, charge, multiplicity, cell and wrapped
    positions agree after rounding to 1e-6 Å. The atom order matters.

    Parameters
    ----------
    numbers : (N,) int
    positions : (N, 3) float
        Å, wrapped or not.
    cell : (3, 3) float
        Å.
    pbc : (3,) bool
    """
    digest = hashlib.sha256()
    digest.update(np.asarray(numbers, dtype="<i8").tobytes())
    digest.update(np.asarray(pbc, dtype="u1").tobytes())
    digest.update(np.array([charge, multiplicity], dtype="<i8").tobytes())
    cell = np.asarray(cell, dtype=np.float64)
    positions = np.asarray(positions, dtype=np.float64)
    if np.any(pbc):
        # Round first, and wrap with a margin: an atom on the boundary must not hash to both sides.
        positions = wrap_positions(
            np.round(positions, IDENTITY_DECIMALS), cell, pbc=pbc, eps=10.0**-IDENTITY_DECIMALS
        )
    for array in (cell, positions):
        digest.update((np.round(array, IDENTITY_DECIMALS) + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Frames:
    """An ordered list of systems; frames are counted through all of them."""

    systems: tuple[System, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "systems", tuple(self.systems))

    @property
    def n_frames(self) -> int:
        return sum(system.n_frames for system in self.systems)

    @property
    def labelled(self) -> bool:
        """Whether every frame has energy and forces (an empty set is not labelled)."""
        return bool(self.systems) and all(system.labelled for system in self.systems)

    @property
    def has_stress(self) -> bool:
        return bool(self.systems) and all(s.stresses is not None for s in self.systems)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols in order of atomic number."""
        numbers = sorted({int(n) for system in self.systems for n in system.numbers})
        return [chemical_symbols[number] for number in numbers]

    def identities(self) -> list[str]:
        return [identity for system in self.systems for identity in system.identities()]

    def locate(self, index: int) -> tuple[int, int]:
        """Return (system, frame in that system) of the frame counted through all systems."""
        for number, system in enumerate(self.systems):
            if index < system.n_frames:
                return number, index
            index -= system.n_frames
        raise IndexError(f"frame index beyond the {self.n_frames} frames of this set")

    def take(self, indices: Iterable[int]) -> Frames:
        """Return the frames at ``indices``, in that order, regrouped into systems."""
        parts = []
        for index in indices:
            number, frame = self.locate(int(index))
            parts.append(self.systems[number].take([frame]))
        return Frames.join(parts)

    def without_labels(self) -> Frames:
        return Frames(tuple(system.without_labels() for system in self.systems))

    def __iter__(self) -> Iterator[System]:
        return iter(self.systems)

    def to_atoms(self) -> list[Atoms]:
        return [atoms for system in self.systems for atoms in system.to_atoms()]

    @staticmethod
    def join(parts: Iterable[System | Frames]) -> Frames:
        """Join systems or frames; systems of one kind are concatenated, order is kept."""
        groups: list[list[System]] = []
        for part in parts:
            for system in part.systems if isinstance(part, Frames) else (part,):
                if system.n_frames == 0:
                    continue
                for group in groups:
                    if group[0].same_kind(system):
                        group.append(system)
                        break
                else:
                    groups.append([system])
        return Frames(tuple(_concatenate(group) for group in groups))

    @staticmethod
    def from_atoms(images: Iterable[Atoms]) -> Frames:
        """Build frames from ASE atoms; labels are taken from their calculators if present.

        Consecutive images of one kind (same atoms in the same order, same labels) share a system.
        """
        return Frames.join(_system_from_atoms(atoms) for atoms in images)


def _concatenate(group: list[System]) -> System:
    if len(group) == 1:
        return group[0]
    changes: dict[str, Any] = {
        name: np.concatenate([getattr(system, name) for system in group])
        for name in PER_FRAME_SHAPES
        if getattr(group[0], name) is not None
    }
    return replace(group[0], **changes)


def _system_from_atoms(atoms: Atoms) -> System:
    results = atoms.calc.results if atoms.calc is not None else {}
    stress = results.get("stress")
    if stress is not None and np.shape(stress) == (6,):
        xx, yy, zz, yz, xz, xy = stress
        stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    info = atoms.info
    return System(
        numbers=atoms.numbers,
        positions=atoms.positions[None],
        cells=atoms.cell.array[None],
        pbc=atoms.pbc,
        charge=int(info.get("charge", 0)),
        multiplicity=int(info.get("multiplicity", 1)),
        energies=None if "energy" not in results else np.array([results["energy"]]),
        forces=None if "forces" not in results else np.asarray(results["forces"])[None],
        stresses=None if stress is None else np.asarray(stress)[None],
        origins=np.array([info["origin"]]) if "origin" in info and "step" in info else None,
        steps=np.array([info["step"]]) if "origin" in info and "step" in info else None,
    )


SYSTEM_ARRAYS = tuple(
    field.name for field in fields(System) if field.name not in ("charge", "multiplicity")
)
