"""Sampling error and committee error, joined."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_mliptransport.science.transport.committee import join_members


def members(values, error):
    return {f"member_{i}": (value, error) for i, value in enumerate(values)}


def test_one_member_has_the_error_of_its_md_and_says_what_is_missing() -> None:
    joint = join_members({"member_0": (2.0e-5, 1.0e-6)}, logarithmic=True)
    assert joint.value == pytest.approx(2.0e-5)
    assert joint.standard_error == joint.sampling_error == pytest.approx(1.0e-6)
    assert joint.model_error is None
    assert joint.dominant == "sampling"
    assert "committee's is not known" in joint.warning
    assert joint.interval_95 == pytest.approx(
        (2.0e-5 * np.exp(-1.96 * 0.05), 2.0e-5 * np.exp(1.96 * 0.05)), rel=1e-4
    )


def test_members_that_differ_more_than_their_md_give_a_model_error() -> None:
    joint = join_members(members([1.0, 1.2, 0.8, 1.0], 0.01), logarithmic=False)
    # s² = 0.08/3, less 1e-4 of the sampling.
    assert joint.model_error == pytest.approx(np.sqrt(0.08 / 3 - 1e-4))
    assert joint.sampling_error == pytest.approx(0.005)
    assert joint.standard_error == pytest.approx(np.sqrt((0.08 / 3 - 1e-4) * 1.25 + 0.005**2))
    # Student's t with three degrees of freedom.
    low, high = joint.interval_95
    assert (high - low) / 2 == pytest.approx(3.18245 * joint.standard_error, rel=1e-5)
    assert joint.dominant == "model"
    assert "lower bound" in joint.warning


def test_members_that_agree_within_their_md_have_no_model_error() -> None:
    joint = join_members(members([1.00, 1.02, 0.98, 1.01], 0.1), logarithmic=False)
    assert joint.model_error == 0.0
    assert joint.dominant == "sampling"
    assert joint.sampling_error == pytest.approx(0.05)


def test_the_mean_of_a_diffusion_coefficient_is_geometric() -> None:
    joint = join_members({"a": (1.0e-6, 1.0e-8), "b": (4.0e-6, 4.0e-8)}, logarithmic=True)
    assert joint.value == pytest.approx(2.0e-6)


@pytest.mark.parametrize("n_members", [2, 4, 8])
@pytest.mark.parametrize("model_over_sampling", [0.0, 0.7, 2.0, 30.0])
def test_the_interval_holds_the_value_of_a_further_member(
    n_members: int, model_over_sampling: float
) -> None:
    rng = np.random.default_rng(7)
    sampling, hits, n = 0.1, 0, 1500
    for _ in range(n):
        *centres, further = rng.normal(0.0, model_over_sampling * sampling, n_members + 1)
        found = members(centres + rng.normal(0.0, sampling, n_members), sampling)
        low, high = join_members(found, logarithmic=False).interval_95
        hits += low <= further <= high
    assert hits / n >= 0.92
    if model_over_sampling == 30.0:
        assert hits / n <= 0.97


@pytest.mark.parametrize(
    ("estimates", "logarithmic"),
    [({}, False), ({"a": (1.0, 0.0)}, False), ({"a": (-1.0, 0.1)}, True)],
)
def test_what_cannot_be_joined_is_refused(estimates, logarithmic) -> None:
    with pytest.raises(ValueError, match="expected one member or more"):
        join_members(estimates, logarithmic=logarithmic)
