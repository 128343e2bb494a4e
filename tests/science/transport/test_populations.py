"""Mean populations of species that are born and die at known rates."""

import itertools

import numpy as np
import pytest
from synthetic_species import relay, two_state

from aiida_mliptransport.science.transport.populations import mean_populations
from aiida_mliptransport.science.transport.speciation import Life, Molecule, Speciation


def _pairs(bonded: np.ndarray) -> Speciation:
    """Speciation of AlCl that exist where `bonded` (n_frames, n_pairs) says so."""
    lives = []
    for pair, series in enumerate(bonded.T):
        edges = np.flatnonzero(np.diff(np.r_[False, series, False]))
        molecule = Molecule("AlCl", (pair, pair + bonded.shape[1]))
        lives += [Life(molecule, *ends, True, True) for ends in edges.reshape(-1, 2).tolist()]
    symbols = ("Al",) * bonded.shape[1] + ("Cl",) * bonded.shape[1]
    return Speciation(symbols, len(bonded), 0.5, tuple(lives), ())


@pytest.mark.medium
def test_a_two_state_species_has_its_population_and_correlation_time() -> None:
    mean = mean_populations(two_state(4, 20, 1500, 0.02, 0.04))["AlCl"]
    assert mean.mean == pytest.approx(20 / 3, abs=3 * mean.standard_error)
    assert mean.standard_error < 0.07 * mean.mean
    # Twice the relaxation time less one frame.
    assert mean.inefficiency_ps == pytest.approx(2 / (0.02 + 0.04) - 1, rel=0.4)


def test_a_population_that_hardly_moved_has_no_error() -> None:
    ends = [(0, 12), (2, 13)]
    result = mean_populations(relay((200, [*ends, (1, 12)]), (200, ends)))["Al2Cl7"]
    assert result.mean == pytest.approx(0.5)
    assert result.standard_error is None
    assert result.needed_length_ps > 200.0
    with pytest.raises(ValueError, match="not resolved"):
        result.interval()
    still = mean_populations(relay((10, ends)))["AlCl3"]
    assert "never changed" in still.reason


def test_intervals_of_populations_cover_the_truth() -> None:
    rng = np.random.default_rng(3)
    form, decay, n_sets, n_pairs, n_frames = 0.06, 0.09, 300, 5, 320
    bonded = np.zeros((n_frames, n_sets, n_pairs), dtype=bool)
    bonded[0] = rng.random((n_sets, n_pairs)) < form / (form + decay)
    for before, now in itertools.pairwise(bonded):
        chance = rng.random(before.shape)
        now[:] = np.where(before, chance >= decay, chance < form)
    hits = resolved = 0
    for index in range(n_sets):
        result = mean_populations(_pairs(bonded[:, index]))["AlCl"]
        if result.resolved:
            resolved += 1
            low, high = result.interval()
            hits += low <= n_pairs * form / (form + decay) <= high
    assert resolved >= 0.9 * n_sets
    assert 0.91 <= hits / resolved <= 0.985
