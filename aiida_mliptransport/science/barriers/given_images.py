"""Images that a band begins with: without jumps by lattice vectors, and what makes them no path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase.geometry import find_mic

from ..frames import System

__all__ = ["continuous", "images_problem"]

#: Å; images no farther apart than this are one.
SAME_IMAGE_A = 1e-6


def continuous(system: System) -> System:
    """Return the images so that no atom jumps by a lattice vector from one to the next."""
    steps = [
        find_mic(step, system.cells[0], system.pbc)[0] for step in np.diff(system.positions, axis=0)
    ]
    return replace(system, positions=np.cumsum([system.positions[0], *steps], axis=0))


def images_problem(system: System) -> str | None:
    """Return why images, both ends included, are no path to begin a band with, or None."""
    if system.n_frames < 3:
        return f"path has {system.n_frames} images, expected both ends and one or more between"
    apart = float(np.abs(system.cells - system.cells[0]).max())
    if apart > SAME_IMAGE_A:
        return f"the cells of path differ by up to {apart:.2g} Å, expected one cell"
    steps = np.diff(continuous(system).positions, axis=0)
    lengths = np.linalg.norm(steps, axis=(1, 2))
    if lengths.min() < SAME_IMAGE_A:
        same = int(np.argmin(lengths))
        return f"images {same} and {same + 1} of path are the same; leave one of them out"
    return None
