"""Bonds by distance with hysteresis, followed frame by frame under periodic boundaries.

A pair that crosses one dividing distance recrosses it many times before it commits, so single
cutoffs overcount events. Two remedies, alone or together: a bond forms below one radius and
breaks above a larger one (the stable states picture of Northrup and Hynes, J. Chem. Phys. 73,
2700 (1980)), and a change counts only if it persists.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.selection.neighbours import neighbour_pairs
from aiida_mliptransport.science.transport.reference import FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class BondRadii:
    """When two elements are bonded: from below `form_angstrom` until above `break_angstrom`."""

    first: str
    second: str
    form_angstrom: float
    break_angstrom: float

    def __post_init__(self) -> None:
        if not 0.0 < self.form_angstrom <= self.break_angstrom < np.inf:
            msg = (
                f"the radii of {self.first}–{self.second} are {self.form_angstrom} Å to form and "
                f"{self.break_angstrom} Å to break, expected 0 < form <= break"
            )
            raise ValueError(msg)


def follow_bonds(
    frames: Iterable[ArrayLike],
    elements: Sequence[str],
    cells: ArrayLike,
    radii: Sequence[BondRadii],
    dt_ps: float,
    persistence_ps: float = 0.0,
) -> Iterator[IntArray]:
    """Yield the bonds (n_bonds, 2) of every frame: sorted pairs of atom indices, each once.

    `frames`: positions (n_atoms, 3) in Å one by one, wrapped or not; an array or memory map
    (n_frames, n_atoms, 3) will do. Only the frames within `persistence_ps` are remembered.
    `cells` (3, 3) or (n_frames, 3, 3) in Å, rows are vectors. Pairs of elements without radii
    never bond; of several images of a pair the nearest counts. `dt_ps`: time between frames.

    With `persistence_ps`, a change counts if it lasts that long without a gap, and is dated to
    its first frame; a change too near the end to tell is left out.
    In the first frame a pair between its radii is bonded if nearer to the inner one, and with
    `persistence_ps` if bonded in most of that time. A guess that proves wrong shows as an event
    soon after the start: discard events of the first vibration periods if they matter.
    Raises ValueError for bad shapes, flat cells, NaN (naming the frame), elements that are
    absent, a pair given twice, and radii without any hysteresis.
    """
    names = np.asarray(elements, dtype=np.str_)
    _check_radii(names, radii, persistence_ps)
    if not dt_ps > 0.0 or not 0.0 <= persistence_ps < np.inf:
        msg = (
            f"dt_ps is {dt_ps} and persistence_ps {persistence_ps}, expected dt_ps > 0 and "
            "persistence_ps >= 0"
        )
        raise ValueError(msg)
    # Tolerance: 0.3 ps / 0.1 ps is three frames, not four.
    n_persist = int(np.ceil(persistence_ps / dt_ps - 1e-9))
    for keys in _persistent(_bonded(frames, names, cells, radii), n_persist):
        yield np.stack(np.divmod(keys, len(names)), axis=1)


def _check_radii(
    names: NDArray[np.str_], radii: Sequence[BondRadii], persistence_ps: float
) -> None:
    if not radii:
        msg = "radii are empty, expected at least one pair of elements"
        raise ValueError(msg)
    pairs = [tuple(sorted((pair.first, pair.second))) for pair in radii]
    for pair, ends in zip(radii, pairs, strict=True):
        absent = sorted(set(ends) - set(names.tolist()))
        if absent:
            msg = f"radii name {absent}, but the elements are {sorted(set(names.tolist()))}"
            raise ValueError(msg)
        if pairs.count(ends) > 1:
            msg = f"radii hold the pair {'–'.join(ends)} more than once, expected each pair once"
            raise ValueError(msg)
        if pair.form_angstrom == pair.break_angstrom and persistence_ps == 0.0:
            msg = (
                f"the radii of {'–'.join(ends)} are both {pair.form_angstrom} Å: every recrossing "
                "would count; give a larger break radius or a persistence_ps above 0"
            )
            raise ValueError(msg)


def _bonded(
    frames: Iterable[ArrayLike],
    names: NDArray[np.str_],
    cells: ArrayLike,
    radii: Sequence[BondRadii],
) -> Iterator[IntArray]:
    """Sorted keys i · n_atoms + j (i < j) of the bonds of each frame, by the two radii."""
    boxes = np.asarray(cells, dtype=np.float64)
    if boxes.shape[-2:] != (3, 3) or boxes.ndim not in (2, 3):
        msg = f"cells have shape {boxes.shape}, expected (3, 3) or (n_frames, 3, 3)"
        raise ValueError(msg)
    kinds = sorted({end for pair in radii for end in (pair.first, pair.second)})
    kind = np.array([kinds.index(name) if name in kinds else -1 for name in names])
    limits = np.zeros((2, len(kinds), len(kinds)))
    for pair in radii:
        one, two = kinds.index(pair.first), kinds.index(pair.second)
        limits[:, one, two] = limits[:, two, one] = pair.form_angstrom, pair.break_angstrom
    bonds: IntArray | None = None
    index = -1
    for index, frame in enumerate(frames):
        if boxes.ndim == 3 and index >= len(boxes):
            break
        positions = _check_frame(frame, len(names), index)
        keys, depth = _contacts(positions, boxes if boxes.ndim == 2 else boxes[index], kind, limits)
        if bonds is None:
            bonds = keys[depth >= 1]
        else:
            bonds = keys[(depth == 2) | np.isin(keys, bonds, assume_unique=True)]
        yield bonds
    if boxes.ndim == 3 and index + 1 != len(boxes):
        more = "more" if index >= len(boxes) else index + 1
        msg = f"there are {len(boxes)} cells for {more} frames, expected one cell for each frame"
        raise ValueError(msg)


def _check_frame(frame: ArrayLike, n_atoms: int, index: int) -> FloatArray:
    positions = np.asarray(frame, dtype=np.float64)
    if positions.shape != (n_atoms, 3):
        msg = f"frame {index} has shape {positions.shape}, expected ({n_atoms}, 3)"
        raise ValueError(msg)
    if not np.isfinite(positions).all():
        msg = f"positions hold a NaN or an infinity in frame {index}; cut the series there"
        raise ValueError(msg)
    return positions


def _contacts(
    positions: FloatArray, box: FloatArray, kind: IntArray, limits: FloatArray
) -> tuple[IntArray, IntArray]:
    """Keys of all pairs within their break radius, sorted, and how deep they are.

    `kind` numbers the element of each atom in `limits` (form and break radius, Å), or is -1.
    Depth 2: within the form radius; 1: nearer to it than to the break radius; 0: the rest.
    """
    chosen = np.flatnonzero(kind >= 0)
    found = neighbour_pairs(positions[chosen], box, np.ones(3, dtype=bool), limits.max())
    one, two, distance = chosen[found.first], chosen[found.second], found.distance
    form, break_ = limits[:, kind[one], kind[two]]
    near = (one < two) & (distance <= break_)
    depth = (distance < form).astype(np.int64) + (distance < 0.5 * (form + break_))
    key, depth = (one * len(positions) + two)[near], depth[near]
    order = np.lexsort((-depth, key))
    # Of the images of a pair the deepest comes first, and unique keeps the first.
    unique, first = np.unique(key[order], return_index=True)
    return unique, depth[order][first]


def _persistent(states: Iterator[IntArray], n_persist: int) -> Iterator[IntArray]:
    """Keep a change only if it lasts `n_persist` frames beyond its first one."""
    window = deque(islice(states, n_persist + 1))
    bonds: IntArray | None = None
    while window:
        keys, counts = np.unique(np.concatenate(window), return_counts=True)
        if bonds is None:
            bonds = keys[2 * counts > len(window)]
        if len(window) == n_persist + 1:
            lasting = counts == n_persist + 1
            bonds = keys[lasting | np.isin(keys, bonds, assume_unique=True)]
        yield bonds
        window.popleft()
        window.extend(islice(states, 1))
