"""Committee deviation against values worked out by hand."""

import numpy as np
import pytest

from aiida_mliptransport.science.selection import (
    TrustLevels,
    classify,
    count_classes,
    force_deviation,
    species_deviation,
    summarise_deviation,
)


def hand_made_forces() -> np.ndarray:
    """Four members, four frames, two atoms; the second atom is agreed on in all but frame 3.

    Frame 0: all agree. Frame 1: x = ±0.1, so the deviation is 0.1. Frame 2: (±0.3, ±0.4, 0) in
    phase, so it is 0.5. Frame 3: first atom as in frame 1, second turned by quarters of a circle
    with unit length: mean zero, deviation 1.
    """
    forces = np.full((4, 4, 2, 3), 0.7)
    signs = np.array([1, -1, 1, -1])
    forces[:, 1, 0, 0] += 0.1 * signs
    forces[:, 2, 0, 0] += 0.3 * signs
    forces[:, 2, 0, 1] += 0.4 * signs
    forces[:, 3, 0, 0] += 0.1 * signs
    forces[:, 3, 1] = [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]
    return forces


def test_deviation_of_hand_made_forces_is_the_value_worked_out_by_hand() -> None:
    expected = [[0, 0], [0.1, 0], [0.5, 0], [0.1, 1.0]]
    np.testing.assert_allclose(force_deviation(hand_made_forces()), expected, atol=1e-14)


def test_hand_made_forces_give_the_counts_worked_out_by_hand() -> None:
    frames = summarise_deviation(force_deviation(hand_made_forces()))
    labels = classify(frames.max, TrustLevels(low=0.2, high=0.8))
    assert labels.tolist() == ["accurate", "accurate", "candidate", "failed"]
    counts = count_classes(labels)
    assert (counts.accurate, counts.candidate, counts.failed) == (2, 1, 1)
    assert counts.fractions == {"accurate": 0.5, "candidate": 0.25, "failed": 0.25}


def test_frame_statistics_are_over_atoms() -> None:
    frames = summarise_deviation(force_deviation(hand_made_forces()))
    np.testing.assert_allclose(frames.max, [0, 0.1, 0.5, 1.0], atol=1e-14)
    np.testing.assert_allclose(frames.mean, [0, 0.05, 0.25, 0.55], atol=1e-14)
    np.testing.assert_allclose(frames.min, [0, 0, 0, 0.1], atol=1e-14)


def test_maximum_of_a_species_ignores_the_other_species() -> None:
    by_species = species_deviation(force_deviation(hand_made_forces()), np.array([17, 3]))
    assert list(by_species) == [3, 17]
    np.testing.assert_allclose(by_species[3].max, [0, 0, 0, 1], atol=1e-14)
    np.testing.assert_allclose(by_species[17].max, [0, 0.1, 0.5, 0.1], atol=1e-14)


def test_independent_member_errors_give_the_expected_root_mean_square() -> None:
    forces = np.random.default_rng(1).normal(scale=0.2, size=(4, 100, 50, 3))
    rms = np.sqrt(np.mean(force_deviation(forces) ** 2))
    assert rms == pytest.approx(0.2 * np.sqrt(3 * 3 / 4), rel=0.02)


def test_members_that_agree_on_size_but_not_on_direction_deviate() -> None:
    forces = np.zeros((2, 1, 1, 3))
    forces[0, 0, 0], forces[1, 0, 0] = [2, 0, 0], [-2, 0, 0]
    assert force_deviation(forces)[0, 0] == pytest.approx(2.0)


def test_a_prediction_that_is_not_finite_makes_its_frame_failed() -> None:
    forces = hand_made_forces()
    forces[2, 0, 1, 0] = np.inf
    forces[1, 1, 0, 0] = np.nan
    frames = summarise_deviation(force_deviation(forces))
    labels = classify(frames.max, TrustLevels(low=0.2, high=0.8))
    assert labels.tolist() == ["failed", "failed", "candidate", "failed"]


def test_a_committee_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1 committee member.*at least 2.*evaluate more"):
        force_deviation(np.zeros((1, 2, 3, 3)))


def test_forces_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3, 3\).*members, frames, atoms, 3"):
        force_deviation(np.zeros((2, 3, 3)))


def test_species_of_another_atom_count_are_refused() -> None:
    with pytest.raises(ValueError, match=r"numbers has shape \(3,\), expected \(2,\)"):
        species_deviation(np.zeros((5, 2)), np.array([3, 17, 17]))
