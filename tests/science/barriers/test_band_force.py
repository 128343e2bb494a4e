"""The force on a band: known on a quadratic valley with a saddle."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_mliptransport.science.barriers import max_band_force
from aiida_mliptransport.science.frames import System


def saddle(places):
    """One atom on E = −x² + 2 y² (eV, Å), whose saddle point is the origin."""
    positions = np.array([[[x, y, 0.0]] for x, y in places])
    x, y = positions[:, 0, 0], positions[:, 0, 1]
    forces = np.zeros_like(positions)
    forces[:, 0, 0], forces[:, 0, 1] = 2 * x, -4 * y
    return System(
        numbers=np.array([3]),
        positions=positions,
        cells=np.zeros((len(places), 3, 3)),
        pbc=np.zeros(3, dtype=bool),
        energies=-(x**2) + 2 * y**2,
        forces=forces,
    )


def test_a_band_on_its_path_with_the_saddle_at_an_image_has_no_force():
    straight = saddle([(-1, 0), (0, 0), (1, 0)])
    assert max_band_force(straight, spring=1.0, climb=True) == pytest.approx(0.0, abs=1e-12)


def test_what_is_off_the_path_counts_by_the_force_across_it():
    bent = saddle([(-1, 0), (0, 0.1), (1, 0)])
    # Across the path −4 y; the springs are equal.
    assert max_band_force(bent, spring=1.0, climb=True) == pytest.approx(0.4)


def test_the_climbing_image_feels_the_slope_and_others_the_springs():
    off = saddle([(-1, 0), (0.2, 0), (1, 0)])
    assert max_band_force(off, spring=1.0, climb=True) == pytest.approx(2 * 0.2)
    assert max_band_force(off, spring=0.5, climb=False) == pytest.approx(0.5 * 0.4)


def test_ends_count_only_where_they_move():
    straight = saddle([(-1, 0), (0, 0), (1, 0)])
    assert max_band_force(straight, spring=1.0, climb=True, relax_ends=True) == pytest.approx(2.0)


def test_images_without_labels_are_refused():
    with pytest.raises(ValueError, match="no energies and forces"):
        max_band_force(saddle([(-1, 0), (0, 0), (1, 0)]).without_labels(), 1.0, True)
