"""Hops in and between layers at planted rates."""

import numpy as np
import pytest
from hop_walks import A, poisson_hops

from aiida_mliptransport.science.transport.hop_layers import classify_layers


@pytest.mark.parametrize("limit", [{"layer_spacing_angstrom": 2 * A}, {"max_angle_degrees": 40.0}])
def test_hops_within_and_between_layers_have_their_own_rates(limit: dict[str, float]) -> None:
    rng = np.random.default_rng(20)
    hops = poisson_hops(rng, 1500, 20, 0.03)
    normal = np.array([1.0, 1.0, 1.0])
    across = rng.random(len(hops.ion)) < 0.2
    hops.vectors[across] = A * np.sign(rng.normal(size=(across.sum(), 1))) * normal / np.sqrt(3)
    hops.vectors[~across] = A * np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    layers = classify_layers(hops, 5.0 * normal, **limit)
    np.testing.assert_array_equal(layers.between, across)
    share, within, between = layers.share_between, layers.rate_within, layers.rate_between
    assert share.value == pytest.approx(0.2, abs=3 * share.standard_error)
    assert share.standard_error < 0.03
    assert within.rate_per_ps == pytest.approx(0.024, abs=3 * within.standard_error_per_ps)
    assert between.rate_per_ps == pytest.approx(0.006, abs=3 * between.standard_error_per_ps)


def test_layers_without_a_hop_between_them_give_an_upper_bound_and_no_share() -> None:
    hops = poisson_hops(np.random.default_rng(21), 500, 10, 0.03)
    hops.vectors[:, 2] = 0.0
    hops.vectors[:, 0] = A
    layers = classify_layers(hops, [0, 0, 1], layer_spacing_angstrom=6.0)
    assert layers.share_between.value is None
    assert layers.share_between.reason.startswith("0 of ")
    assert layers.rate_between.upper_bound_per_ps == pytest.approx(2.996 / 4990, rel=1e-3)


def test_bad_input_is_refused_by_name() -> None:
    hops = poisson_hops(np.random.default_rng(23), 100, 5, 0.02)
    with pytest.raises(ValueError, match=r"normal is \[0\.0, 0\.0, 0\.0\]"):
        classify_layers(hops, [0, 0, 0], layer_spacing_angstrom=3.0)
    with pytest.raises(ValueError, match="expected exactly one of them"):
        classify_layers(hops, [0, 0, 1])
