"""Nearest periodic images of some centres, in a cell of any shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_mliptransport.science.selection.neighbours import cell_heights
from aiida_mliptransport.science.transport.reference import FloatArray


class NearestImage:
    """Nearest periodic image of some centres within a radius, in a cell of any shape."""

    def __init__(self, centres: FloatArray, cell: FloatArray, radius: float) -> None:
        self._cell, self._inverse, self._radius = cell, np.linalg.inv(cell), radius
        scaled = centres @ self._inverse
        home = np.floor(scaled)
        margin = radius / cell_heights(cell, np.ones(3, dtype=bool)) + 1e-9
        ranges = [np.arange(-reach, reach + 1) for reach in np.ceil(margin).astype(int)]
        shifts = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 1, 3)
        images = scaled - home + shifts
        near = ((images >= -margin) & (images <= 1.0 + margin)).all(axis=2)
        self._tree = cKDTree(images[near] @ cell)
        self._owner = np.nonzero(near)[1].astype(np.int32)
        self._shift = (shifts - home)[near].astype(np.int32)

    def query(self, points: FloatArray) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Index of the centre, -1 where none is near, and its cell, for points (n, 3) in Å."""
        scaled = points @ self._inverse
        home = np.floor(scaled)
        _, found = self._tree.query((scaled - home) @ self._cell, distance_upper_bound=self._radius)
        near = found < len(self._owner)
        found = np.where(near, found, 0)
        cells = np.where(near[:, None], self._shift[found] + home.astype(np.int32), 0)
        return np.where(near, self._owner[found], -1).astype(np.int32), cells.astype(np.int32)
