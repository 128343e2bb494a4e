"""Starting images between two ends."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from aiida_mliptransport.science.barriers import idpp_path
from aiida_mliptransport.science.frames import System

CELL_A = 12.0


def ends():
    """One atom passes over another, and over the border of the cell."""
    initial = np.array([[1.5, 0.2, 0.0], [0.0, 0.0, 0.0]])
    final = np.array([[CELL_A - 1.5, 0.2, 0.0], [0.0, 0.0, 0.0]])
    return System(
        numbers=np.array([3, 17]),
        positions=np.stack([initial, final]),
        cells=np.repeat(CELL_A * np.eye(3)[None], 2, axis=0),
        pbc=np.array([True, True, True]),
        charge=-1,
    )


def distances(path):
    return [
        Atoms(path.numbers, positions, cell=path.cells[0], pbc=True).get_distance(0, 1, mic=True)
        for positions in path.positions
    ]


def test_images_go_the_short_way_and_round_the_atom_between():
    given = ends()
    path = idpp_path(given, 3)
    assert path.n_frames == 5
    assert path.charge == -1
    np.testing.assert_allclose(path.positions[0], given.positions[0], atol=1e-12)
    np.testing.assert_allclose(
        path.positions[-1, 0], given.positions[-1, 0] - [CELL_A, 0, 0], atol=1e-12
    )
    assert np.abs(np.diff(path.positions[:, 0, 0])).max() < 1.5
    # The straight way passes at 0.2 Å.
    assert min(distances(path)) > 1.0
