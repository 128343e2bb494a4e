"""What parsers of bands share: the table of results, and bands that are no migration path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.geometry import find_mic

from ..science.frames import FloatArray, System

#: An image this far above the initial one (eV) is no point of a migration path.
EXPLOSION_EV = 100.0

#: Ends that are no farther apart than this (Å, of the atom that moves most) are one minimum.
SAME_MINIMUM_A = 0.1


def band_results(
    steps: Sequence[int],
    energies: Sequence[FloatArray],
    forces: Sequence[float],
    completed: bool,
    engine_version: str,
) -> dict[str, Any]:
    """Return the output ``results`` of a band.

    Parameters
    ----------
    steps
        Numbers of the steps whose wave functions all converged, in order.
    energies
        Of the images at each, eV, both ends included.
    forces
        Largest force on the band at each, eV/Å.
    """
    last = energies[-1]
    highest = int(np.argmax(last))
    return {
        "completed": completed,
        "n_steps": steps[-1],
        "n_images": len(last) - 2,
        "highest_image": highest,
        "barrier_eV": float(last[highest] - last[0]),
        "reverse_barrier_eV": float(last[highest] - last[-1]),
        "reaction_energy_eV": float(last[-1] - last[0]),
        "max_force_eV_A": forces[-1],
        "history": {
            "max_force_eV_A": list(forces),
            "barrier_eV": [float(part.max() - part[0]) for part in energies],
        },
        "engine_version": engine_version,
    }


def explosion(band: System) -> str | None:
    """Return which image is far above the initial one, or None."""
    assert band.energies is not None
    height = band.energies - band.energies[0]
    if height.max() <= EXPLOSION_EV:
        return None
    image = int(np.argmax(height))
    return (
        f"image {image} is {height[image]:.0f} eV above the initial one: atoms collide on this path"
    )


def collapse(band: System) -> str | None:
    """Return that both ends are one minimum, or None."""
    way = find_mic(band.positions[-1] - band.positions[0], band.cells[0], band.pbc)[0]
    if np.linalg.norm(way, axis=1).max() >= SAME_MINIMUM_A:
        return None
    return "both ends relaxed to one minimum: there is no barrier"
