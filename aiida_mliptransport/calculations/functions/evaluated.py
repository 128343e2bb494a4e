"""What potential and labeller say of cells, found by the identity of each frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from aiida import orm
from ase import Atoms

from ...science.frames import FloatArray, Frames
from ...science.validation import Evaluated

#: Energy (eV), forces (eV/Å) and stress (eV/Å³; NaN where there is none) of one frame.
Known = tuple[float, FloatArray, FloatArray]


def predicted(frames: Frames, predictions: orm.ArrayData) -> dict[str, Known]:
    """Return what the driving member of an evaluation of ``frames`` says, by identity."""
    found: dict[str, Known] = {}
    for number, system in enumerate(frames):
        arrays = [
            predictions.get_array(f"system_{number:03d}_{kind}")
            for kind in ("energies", "forces", "stresses")
        ]
        for identity, energy, force, stress in zip(system.identities(), *arrays, strict=True):
            found[identity] = (float(energy), force, stress)
    return found


def labelled(frames: Frames) -> dict[str, Known]:
    """Return the labels of frames, by identity."""
    found: dict[str, Known] = {}
    for system in frames:
        assert system.energies is not None
        assert system.forces is not None
        stresses = system.stresses
        if stresses is None:
            stresses = np.full((system.n_frames, 3, 3), np.nan)
        for identity, energy, force, stress in zip(
            system.identities(), system.energies, system.forces, stresses, strict=True
        ):
            found[identity] = (float(energy), force, stress)
    return found


def evaluated(cells: Iterable[Atoms], known: Mapping[str, Known]) -> Evaluated:
    """Return what is known of cells in their order, NaN where nothing is."""
    energies, forces, stresses = [], [], []
    for atoms in cells:
        (identity,) = Frames.from_atoms([atoms]).identities()
        energy, force, stress = known.get(
            identity, (np.nan, np.full((len(atoms), 3), np.nan), np.full((3, 3), np.nan))
        )
        energies.append(energy)
        forces.append(force)
        stresses.append(stress)
    return Evaluated(np.array(energies), forces, np.array(stresses))
