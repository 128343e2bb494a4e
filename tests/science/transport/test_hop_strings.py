"""Planted strings are found, and independent hops are concerted by chance only."""

import numpy as np
import pytest
from hop_walks import CELL, A, hop_list, poisson_hops

from aiida_mliptransport.science.transport.hop_strings import find_strings


def test_planted_strings_are_found_through_the_boundary_and_beyond_chance() -> None:
    n_frames, n_ions = 3000, 30
    rng = np.random.default_rng(17)
    frame = 100 * np.arange(1, 29)
    # Each time three ions of a row push one another across the boundary of the cell.
    ion = (3 * rng.integers(0, 10, size=28)[:, None] + np.arange(3)).ravel()
    hops = hop_list(
        ion, (frame[:, None] + np.arange(3)).ravel(), np.tile([A, 0, 0], (84, 1)), n_ions, n_frames
    )
    hops.starts[:] = np.array([8.0, 1.0, 9.9]) + A * (hops.ion % 3)[:, None] * np.array([1, 0, 0])
    strings = find_strings(hops, CELL, 1.0, 1.1 * A)
    assert strings.size_counts == {3: 28}
    assert strings.concerted.n_hops == 84
    assert strings.chance < 0.25
    assert find_strings(hops, CELL, 0.5, 1.1 * A).size_counts == {1: 84}
    assert find_strings(hops, CELL, 1.0, 0.9 * A).size_counts == {1: 84}


def test_independent_hops_are_concerted_by_chance_only() -> None:
    hops = poisson_hops(np.random.default_rng(18), 2000, 20, 0.01)
    hops.starts[:] = np.random.default_rng(19).uniform(0.0, 10.0, size=hops.starts.shape)
    strings = find_strings(hops, CELL, 3.0, 3.0)
    share = strings.concerted
    assert share.value == pytest.approx(strings.chance, abs=3 * share.standard_error)
    assert 0.05 < strings.chance < 0.3
    assert share.standard_error < 0.05


def test_bad_input_is_refused_by_name() -> None:
    hops = poisson_hops(np.random.default_rng(23), 100, 5, 0.02)
    with pytest.raises(ValueError, match="holds no hops"):
        find_strings(hops.select(hops.frame < 0), CELL, 1.0, 3.0)
    with pytest.raises(ValueError, match="spans no volume"):
        find_strings(hops, np.ones((3, 3)), 1.0, 3.0)
    with pytest.raises(ValueError, match="time_window_ps is 0"):
        find_strings(hops, CELL, 0.0, 3.0)
