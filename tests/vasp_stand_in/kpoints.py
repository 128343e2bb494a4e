"""KPOINTS: the points of a mesh or a list, halved by time reversal."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Kpoints:
    """Points of the Brillouin zone in reciprocal coordinates, shape (n, 3), weights sum to one."""

    points: NDArray[np.float64]
    weights: NDArray[np.float64]
    comment: str
    divisions: tuple[int, int, int] | None
    style: str
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


def from_file(text: str) -> Kpoints:
    """Read a KPOINTS file: an explicit list in reciprocal coordinates, or a mesh."""
    lines = text.splitlines()
    comment = lines[0].lstrip("#").strip()
    count = int(lines[1].split()[0])
    letter = lines[2].strip()[:1].upper()
    if count > 0:
        if letter in "CK":
            raise ValueError("KPOINTS lists Cartesian points; the stand-in reads reciprocal ones")
        table = np.array([[float(x) for x in line.split()[:4]] for line in lines[3 : 3 + count]])
        weights = table[:, 3] / table[:, 3].sum()
        return Kpoints(table[:, :3], weights, comment, None, "Reciprocal")
    if letter not in "GM":
        raise ValueError(f"KPOINTS asks for mode {lines[2]!r}; the stand-in knows Gamma, Monkhorst")
    first, second, third = (int(word) for word in lines[3].split()[:3])
    shift = (0.0, 0.0, 0.0)
    if len(lines) > 4 and lines[4].split():
        shift = tuple(float(word) for word in lines[4].split()[:3])  # type: ignore[assignment]
    return mesh((first, second, third), letter == "G", shift, comment)


def from_spacing(cell: NDArray[np.float64], spacing: float, gamma: bool) -> Kpoints:
    """Return the mesh of KSPACING (1/Å, with the factor 2π) for a cell of row vectors in Å."""
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(cell).T, axis=1)
    first, second, third = (max(1, int(np.ceil(length / spacing))) for length in lengths)
    return mesh((first, second, third), gamma, (0.0, 0.0, 0.0), "read from INCAR")


def mesh(
    divisions: tuple[int, int, int],
    gamma: bool,
    shift: tuple[float, float, float],
    comment: str,
) -> Kpoints:
    """Return a mesh around Γ or after Monkhorst and Pack; of k and −k only one stays."""
    offsets = [0.0 if gamma or n % 2 else 0.5 for n in divisions]
    weights: dict[tuple[float, ...], float] = {}
    for indices in itertools.product(*(range(n) for n in divisions)):
        point = tuple(
            round((i + o + s) / n, 10) % 1.0
            for i, o, s, n in zip(indices, offsets, shift, divisions, strict=True)
        )
        centred = tuple(round(x - 1.0, 10) if x > 0.5 + 1e-9 else x for x in point)
        opposite = tuple(-x if abs(x) < 0.5 - 1e-9 and x else x for x in centred)
        key = opposite if opposite in weights else centred
        weights[key] = weights.get(key, 0.0) + 1.0
    values = np.array(list(weights.values()))
    return Kpoints(
        np.array(list(weights)),
        values / values.sum(),
        comment,
        divisions,
        "Gamma" if gamma else "Monkhorst-Pack",
        shift,
    )
