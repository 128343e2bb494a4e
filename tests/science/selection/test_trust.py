"""Trust levels: validation, boundaries and the proposal from a blind test."""

import numpy as np
import pytest

from aiida_mliptransport.science.selection import (
    ClassCounts,
    TrustLevels,
    classify,
    count_classes,
    trust_levels_from_blind,
)


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.2), (0.2, 0.2)])
def test_low_not_below_high_is_refused_with_both_values_and_the_cure(
    low: float, high: float
) -> None:
    with pytest.raises(ValueError, match=rf"low={low} and high={high}.*lower the first or raise"):
        TrustLevels(low=low, high=high)


@pytest.mark.parametrize("low", [0.0, -0.1, float("nan"), float("inf")])
def test_levels_must_be_positive_and_finite(low: float) -> None:
    with pytest.raises(ValueError, match=r"low=.* and high=0.2.*positive and finite; set low"):
        TrustLevels(low=low, high=0.2)


def test_a_frame_on_a_level_belongs_to_the_class_above() -> None:
    labels = classify(np.array([0.0999, 0.1, 0.2999, 0.3]), TrustLevels(0.1, 0.3))
    assert labels.tolist() == ["accurate", "candidate", "candidate", "failed"]


def test_negative_deviations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"negative value \(-0.1 eV/Å\)"):
        classify(np.array([0.1, -0.1]), TrustLevels(0.1, 0.3))


def test_fractions_of_no_frames_are_zero() -> None:
    counts = count_classes(classify(np.array([]), TrustLevels(0.1, 0.3)))
    assert counts == ClassCounts(0, 0, 0)
    assert sum(counts.fractions.values()) == 0


def test_unknown_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\['good'\]"):
        count_classes(np.array(["good", "failed"]))


def test_proposed_levels_compare_the_deviation_with_the_vector_error() -> None:
    proposal = trust_levels_from_blind(0.1)
    assert proposal.levels.low == pytest.approx(1.2 * 0.1 * np.sqrt(3))
    assert proposal.levels.high == pytest.approx(3 * 0.1 * np.sqrt(3))
    assert proposal.high_over_rmse == pytest.approx(3)


def test_the_component_convention_is_stricter_by_root_three() -> None:
    strict = trust_levels_from_blind(0.1, convention="component").levels
    assert (strict.low, strict.high) == (pytest.approx(0.12), pytest.approx(0.3))


def test_a_width_limit_lowers_the_upper_level_and_says_so() -> None:
    proposal = trust_levels_from_blind(0.1, max_width=0.1, convention="component")
    assert proposal.levels.high == pytest.approx(0.22)
    assert proposal.high_over_rmse == pytest.approx(2.2)
    assert any("low + 0.1" in reason for reason in proposal.reasons)


def test_a_larger_training_error_raises_the_lower_level() -> None:
    proposal = trust_levels_from_blind(0.1, training_rmse=0.15, convention="component")
    assert proposal.levels.low == pytest.approx(0.18)
    assert any("training error" in reason for reason in proposal.reasons)


def test_a_training_error_far_above_the_blind_one_is_ignored_and_reported() -> None:
    proposal = trust_levels_from_blind(0.1, training_rmse=1.0, convention="component")
    assert proposal.levels.low == pytest.approx(0.12)
    assert any("ignored" in reason for reason in proposal.reasons)


@pytest.mark.parametrize("rmse", [0.0, float("nan"), float("inf")])
def test_a_blind_error_that_is_no_number_gives_no_levels(rmse: float) -> None:
    with pytest.raises(ValueError, match=r"blind_rmse=.*keep the protocol's fixed trust levels"):
        trust_levels_from_blind(rmse)


def test_factors_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"low_factor=4.0 and high_factor=3.0"):
        trust_levels_from_blind(0.1, low_factor=4.0)
