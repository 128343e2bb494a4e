"""The 95 % interval holds the truth in about 95 % of random walks."""

import numpy as np
import pytest

from aiida_mliptransport.science.transport.diffusion import estimate_diffusion

N_WALKS = 300


@pytest.mark.parametrize("collective", [False, True], ids=["self", "collective"])
def test_intervals_of_random_walks_cover_the_truth(collective: bool) -> None:
    rng = np.random.default_rng(20)
    n_atoms, n_frames, true = 8, 250, 0.5e-4
    hits = resolved = 0
    for _ in range(N_WALKS):
        walk = np.cumsum(rng.normal(size=(n_frames, n_atoms, 3)), axis=0)
        if collective:
            walk = walk.sum(axis=1, keepdims=True) / np.sqrt(n_atoms)
        result = estimate_diffusion(walk, 1.0)
        if result.resolved:
            resolved += 1
            low, high = result.interval()
            hits += low <= true <= high
    assert resolved >= 0.98 * N_WALKS
    assert 0.91 <= hits / resolved <= 0.98
