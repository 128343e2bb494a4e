"""Diffusion coefficients and correlation factors of hops on lattices with known ones."""

import json

import numpy as np
import pytest
from hop_walks import (
    AXES,
    FACES,
    A,
    cubic_sites,
    exact_vacancy_factor,
    lattice_walk,
    poisson_hops,
    rattle,
    reversing_hops,
    vacancy_hops,
)

from aiida_mliptransport.science.transport.diffusion import estimate_diffusion
from aiida_mliptransport.science.transport.hop_diffusion import diffusion_from_hops
from aiida_mliptransport.science.transport.hop_rates import estimate_rate
from aiida_mliptransport.science.transport.hops import hops_between_sites
from aiida_mliptransport.science.transport.sites import assign_sites


def test_rate_residence_and_diffusion_of_a_lattice_walk_are_the_known_ones() -> None:
    dt, share = 0.5, 0.03
    places, _ = lattice_walk(3, 2500, 30, share)
    frames = rattle(4, places, 0.2)
    hops = hops_between_sites(assign_sites(frames, cubic_sites(), 1.2), dt)
    rate = estimate_rate(hops)
    assert rate.rate_per_ps == pytest.approx(share / dt, abs=3 * rate.standard_error_per_ps)
    assert rate.residence_ps == pytest.approx(dt / share, abs=3 * rate.residence_error_ps)
    assert rate.standard_error_per_ps / rate.rate_per_ps < 0.05
    assert rate.interval()[0] < share / dt < rate.interval()[1]
    expected = share / dt * A**2 / 6 * 1e-4
    result = diffusion_from_hops(hops)
    factor, error = result.correlation_factor, result.correlation_factor_error
    assert factor == pytest.approx(1.0, abs=3 * error)
    assert error < 0.1
    assert result.random_cm2_s == pytest.approx(expected, abs=3 * result.random_error_cm2_s)
    assert result.tracer_cm2_s == pytest.approx(expected, abs=3 * result.tracer_error_cm2_s)
    assert result.tracer_cm2_s == pytest.approx(factor * result.random_cm2_s)
    msd = estimate_diffusion(frames, dt)
    assert msd.diffusion_cm2_s == pytest.approx(
        result.tracer_cm2_s, abs=3 * np.hypot(msd.standard_error_cm2_s, result.tracer_error_cm2_s)
    )


@pytest.mark.parametrize("back", [-0.3, 0.3, 0.6])
def test_forward_and_back_hops_give_the_known_correlation_factor(back: float) -> None:
    hops = reversing_hops(np.random.default_rng(11), 2000, 40, 0.03, back)
    result = diffusion_from_hops(hops)
    expected = (1 - back) / (1 + back)
    factor, error = result.correlation_factor, result.correlation_factor_error
    assert factor == pytest.approx(expected, abs=3 * error)
    assert error < 0.15 * expected
    assert result.random_cm2_s == pytest.approx(0.03 * A**2 / 6 * 1e-4, rel=0.1)


@pytest.mark.parametrize(
    ("moves", "size", "literature"), [(AXES, 6, 0.6531), (FACES, 6, 0.7815)], ids=["sc", "fcc"]
)
def test_one_vacancy_gives_the_tracer_correlation_factor_of_the_lattice(
    moves: np.ndarray, size: int, literature: float
) -> None:
    finite, n_sites = exact_vacancy_factor(moves, size)
    larger, n_larger = exact_vacancy_factor(moves, size + 4)
    # The finite-size effect falls with 1/N: +0.005 for 216 sites of sc, +0.009 for 108 of fcc.
    limit = (larger * n_larger - finite * n_sites) / (n_larger - n_sites)
    assert limit == pytest.approx(literature, abs=5e-4)
    result = diffusion_from_hops(vacancy_hops(np.random.default_rng(12), moves, size, 50_000))
    factor, error = result.correlation_factor, result.correlation_factor_error
    assert factor == pytest.approx(finite, abs=3 * error)
    assert error < 0.02
    assert factor < 1.0 - 10 * error
    assert result.memory_ps >= 4 * (n_sites - 1) * 0.99


def test_a_run_of_few_residences_has_no_correlation_factor_but_a_random_diffusion() -> None:
    result = diffusion_from_hops(poisson_hops(np.random.default_rng(13), 200, 50, 0.02))
    assert not result.resolved
    assert result.correlation_factor is None
    assert "fewer than 20 mean residences" in result.reason
    assert result.needed_length_ps >= 2 * 199
    assert result.random_cm2_s == pytest.approx(0.02 * A**2 / 6e4, rel=0.2)
    with pytest.raises(ValueError, match="not resolved"):
        result.correlation_factor_interval()
    with pytest.raises(ValueError, match="not resolved"):
        result.tracer_interval()


def test_the_results_fit_into_json() -> None:
    hops = poisson_hops(np.random.default_rng(22), 3000, 5, 0.02)
    for result in (estimate_rate(hops), diffusion_from_hops(hops)):
        assert json.loads(json.dumps(result.as_dict()))["resolved"] is True
