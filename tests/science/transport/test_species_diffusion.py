"""Diffusion of species at planted steps, from whole and from broken lives."""

import numpy as np
import pytest
from synthetic_species import hopping_hydrogen, rigid_ions

from aiida_mliptransport.science.transport.speciation import speciate
from aiida_mliptransport.science.transport.species_diffusion import species_diffusion


def test_rigid_ions_diffuse_as_planted() -> None:
    step = 0.4
    positions, speciation, masses = rigid_ions(2, 800, 12, step)
    result = species_diffusion(positions, speciation, masses)
    assert set(result) == {"AlCl4", "K"}
    for item in result.values():
        assert item.resolved
        assert (item.n_pieces, item.share) == (12, 1.0)
        assert item.estimate.diffusion_cm2_s == pytest.approx(
            step**2 / (2 * 0.5) * 1e-4, abs=3 * item.estimate.standard_error_cm2_s
        )
        assert item.estimate.relative_error < 0.05


@pytest.mark.medium
def test_lives_that_end_are_cut_into_pieces_and_short_ones_are_refused() -> None:
    rng = np.random.default_rng(9)
    n_pairs, n_frames = 20, 700
    walk = rng.uniform(0, 50, (n_pairs, 3)) + np.cumsum(
        0.5 * rng.normal(size=(n_frames, n_pairs, 3)), axis=0
    )
    positions = np.concatenate([walk, walk + 1.0], axis=1)
    pairs = np.stack([np.arange(n_pairs), n_pairs + np.arange(n_pairs)], axis=1)
    symbols, masses = ["Li"] * n_pairs + ["F"] * n_pairs, np.repeat([7.0, 19.0], n_pairs)
    found = {}
    for life in (200, 20):
        phase = np.arange(n_frames)[:, None] + rng.integers(0, 1000, n_pairs)
        bonds = [pairs[apart > 0] for apart in phase % (life + 1)]
        speciation = speciate(bonds, symbols, 1.0)
        found[life] = species_diffusion(positions, speciation, masses)["FLi"]
    long, short = found[200], found[20]
    assert long.resolved
    assert 0.5 <= long.share < 1.0
    assert long.piece_ps <= 200.0
    true = 0.5**2 / 2 * 1e-4
    assert long.estimate.diffusion_cm2_s == pytest.approx(
        true, abs=3 * long.estimate.standard_error_cm2_s
    )
    assert not short.resolved
    assert short.estimate is None
    assert short.needed_life_ps == pytest.approx(61.0)
    assert "less than half" in short.reason


def test_positions_of_other_frames_are_refused() -> None:
    positions, speciation, masses, _ = hopping_hydrogen(10, 50, 0.1)
    with pytest.raises(ValueError, match="as in the speciation"):
        species_diffusion(positions[:40], speciation, masses)
    with pytest.raises(ValueError, match="positive numbers"):
        species_diffusion(positions, speciation, masses[1:])
