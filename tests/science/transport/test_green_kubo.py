"""Green–Kubo conductivities and mobilities with known answers, and against Einstein's."""

import json

import numpy as np
import pytest
from scipy.signal import lfilter

from aiida_mliptransport.science.transport.conductivity import estimate_conductivity
from aiida_mliptransport.science.transport.green_kubo import (
    GreenKuboEstimate,
    estimate_green_kubo,
    species_currents,
    species_currents_in_frame,
)
from aiida_mliptransport.science.transport.msd import species_sums
from aiida_mliptransport.science.transport.reference import BARYCENTRIC, LABORATORY, framework
from aiida_mliptransport.science.units import BOLTZMANN_EV_K, charge_diffusivity_to_mS_cm

NAMES, CHARGES, COUNTS = ["Cl", "Li"], {"Cl": -1.0, "Li": 1.0}, {"Cl": 4, "Li": 4}
VOLUME, TEMPERATURE, DT, TAU = 8000.0, 900.0, 0.02, 0.1


def _langevin(seed: int, n_frames: int, shape: tuple[int, ...], tau: float = TAU) -> np.ndarray:
    """Velocities of free Langevin particles with ⟨v²⟩ = 1 per direction: D = tau."""
    decay = np.exp(-DT / tau)
    noise = np.random.default_rng(seed).normal(size=(n_frames, *shape))
    noise[1:] *= np.sqrt(1.0 - decay**2)
    return lfilter([1.0], [1.0, -decay], noise, axis=0)


def _analyse(currents, charges=CHARGES, frame=LABORATORY, dt=DT) -> GreenKuboEstimate:
    return estimate_green_kubo(currents, NAMES, charges, COUNTS, VOLUME, TEMPERATURE, dt, frame)


def _expected(charge_diffusivity: float) -> float:
    return charge_diffusivity_to_mS_cm(charge_diffusivity, VOLUME, TEMPERATURE)


def test_free_langevin_ions_have_the_nernst_einstein_conductivity_and_mobility() -> None:
    names, currents = species_currents(_langevin(1, 40_000, (8, 3)), ["Li"] * 4 + ["Cl"] * 4)
    assert names == ("Cl", "Li")
    result = _analyse(currents)
    assert result.resolved
    assert result.sigma_mS_cm == pytest.approx(
        _expected(8 * TAU), abs=3 * result.standard_error_mS_cm
    )
    assert result.relative_error < 0.1
    low, high = result.interval()
    assert low < _expected(8 * TAU) < high
    # Four correlation times at least, and far from the end of the tested range.
    assert 4 * TAU < result.plateau_ps[0] < result.plateau_ps[1] / 3
    assert result.plateau_ps[1] == pytest.approx(0.1 * result.length_ps, rel=0.01)
    einstein = TAU * 1e-4 / (BOLTZMANN_EV_K * TEMPERATURE)
    for name, sign in (("Li", 1.0), ("Cl", -1.0)):
        error = result.mobility_error_cm2_V_s[name]
        assert result.mobility_cm2_V_s[name] == pytest.approx(sign * einstein, abs=3 * error)
        assert error < 0.2 * einstein


def test_correlation_equals_its_definition_and_the_integral_its_trapezoids() -> None:
    currents = _langevin(2, 400, (2, 3))
    curve = _analyse(currents).curve
    dipole = currents[:, 1] - currents[:, 0]
    origins = 400 - 39
    for lag in (0, 1, 7, 39):
        product = (dipole[:origins] * dipole[lag : lag + origins]).sum(axis=1).mean() / 3.0
        assert curve.correlation[lag] == pytest.approx(product, rel=1e-9)
    trapezoids = DT * (0.5 * curve.correlation[0] + curve.correlation[1:5].sum())
    trapezoids += 0.5 * DT * curve.correlation[5]
    assert curve.integral_mS_cm[5] == pytest.approx(_expected(trapezoids), rel=1e-9)


def test_mobilities_and_the_tensor_add_up_to_the_running_integral() -> None:
    currents = _langevin(3, 6000, (2, 3))
    currents[:, 0] -= 0.4 * currents[:, 1]
    result = _analyse(currents)
    lag = round(result.plateau_ps[0] / DT)
    assert result.sigma_mS_cm == pytest.approx(result.curve.integral_mS_cm[lag], rel=1e-9)
    assert np.trace(result.tensor_mS_cm) / 3 == pytest.approx(result.sigma_mS_cm, rel=1e-9)
    # σ = e Σ z N u / V, with 1 e/(Å³) · 1 cm²/(V s) = 1.602e8 mS/cm.
    sum_ = sum(CHARGES[name] * COUNTS[name] * result.mobility_cm2_V_s[name] for name in NAMES)
    assert 1.602176634e8 * sum_ / VOLUME == pytest.approx(result.sigma_mS_cm, rel=1e-9)


def test_a_layered_conductor_has_an_anisotropic_tensor() -> None:
    currents = _langevin(4, 40_000, (2, 3)) * np.array([1.0, 1.0, 0.1])
    result = _analyse(currents)
    tensor, error = np.array(result.tensor_mS_cm), np.array(result.tensor_error_mS_cm)
    true = _expected(2 * TAU) * np.diag([1.0, 1.0, 0.01])
    assert (np.abs(tensor - true) < 4 * error).all()
    assert tensor[2, 2] < 0.05 * tensor[0, 0]
    np.testing.assert_allclose(tensor, tensor.T, rtol=1e-12)


@pytest.fixture(scope="module")
def melt() -> tuple[np.ndarray, np.ndarray]:
    """Positions (Å) and velocities (Å/ps) of 24 soft ions under underdamped Langevin dynamics."""
    rng = np.random.default_rng(5)
    n, box, reach, friction, step, kt = 24, 7.0, 3.0, 4.0, 0.01, 10.0
    sign = np.repeat([1.0, -1.0], n // 2)
    # Like ions repel, unlike ones attract, within `reach`; mass 1.
    strength = np.where(np.outer(sign, sign) > 0, 20.0, -10.0) * kt / reach
    x, v = rng.random((n, 3)) * box, np.sqrt(kt) * rng.normal(size=(n, 3))
    decay = np.exp(-friction * step)
    kick = np.sqrt(kt * (1.0 - decay**2)) * rng.normal(size=(16_000, n, 3))

    def force(x: np.ndarray) -> np.ndarray:
        d = x[:, None] - x[None]
        d -= box * np.rint(d / box)
        r = np.sqrt(np.einsum("ijc,ijc->ij", d, d)) + 1e-9
        return np.einsum("ij,ijc->ic", strength * np.maximum(0.0, 1.0 - r / reach) / r, d)

    frames, f = [], force(x)
    for number, noise in enumerate(kick):
        v = v + 0.5 * step * f
        x = x + 0.5 * step * v
        v = decay * v + noise
        x = x + 0.5 * step * v
        f = force(x)
        v = v + 0.5 * step * f
        if number % 2:
            frames.append((x, v))
    return np.array([x for x, _ in frames]), np.array([v for _, v in frames])


@pytest.mark.medium
def test_green_kubo_and_einstein_agree_on_an_underdamped_melt(melt) -> None:
    positions, velocities = melt
    species, counts = ["Li"] * 12 + ["Cl"] * 12, {"Cl": 12, "Li": 12}
    args = (NAMES, CHARGES, counts, VOLUME, TEMPERATURE, 0.02, LABORATORY)
    kubo = estimate_green_kubo(species_currents(velocities, species)[1], *args)
    einstein = estimate_conductivity(species_sums(positions, species)[1], *args)
    joint = np.hypot(kubo.standard_error_mS_cm, einstein.standard_error_mS_cm)
    assert kubo.sigma_mS_cm == pytest.approx(einstein.sigma_mS_cm, abs=2 * joint)
    assert joint < 0.3 * kubo.sigma_mS_cm
    # The interaction matters: free ions would have D = kT/friction = 2.5 Å²/ps.
    assert kubo.sigma_mS_cm < 0.8 * _expected(24 * 2.5)


def test_conductivity_of_a_neutral_cell_is_the_same_in_every_frame_but_mobility_is_not() -> None:
    currents = _langevin(6, 4000, (2, 3)) + 0.2
    masses = {"Li": 6.94, "Cl": 35.45}
    results = [
        _analyse(species_currents_in_frame(currents, NAMES, COUNTS, frame, masses), frame=frame)
        for frame in (LABORATORY, BARYCENTRIC, framework("Cl"))
    ]
    for result in results[1:]:
        assert result.sigma_mS_cm == pytest.approx(results[0].sigma_mS_cm, rel=1e-8)
    barycentric, host = results[1].mobility_cm2_V_s, results[2].mobility_cm2_V_s
    assert barycentric["Li"] / barycentric["Cl"] == pytest.approx(-35.45 / 6.94, rel=1e-6)
    assert host["Cl"] == pytest.approx(0.0, abs=1e-9 * host["Li"])
    assert results[2].reference_frame == "framework:Cl"


def test_intervals_of_langevin_currents_cover_the_truth() -> None:
    hits = resolved = 0
    for seed in range(100):
        result = _analyse(_langevin(1000 + seed, 1500, (2, 3)))
        if result.resolved:
            resolved += 1
            low, high = result.interval()
            hits += low <= _expected(2 * TAU) <= high
    assert resolved >= 0.75 * 100
    assert 0.93 <= hits / resolved <= 1.0


def test_scatter_of_the_conductivity_is_its_error() -> None:
    results = [_analyse(_langevin(2000 + seed, 3000, (2, 3))) for seed in range(40)]
    values = [r.sigma_mS_cm for r in results if r.resolved]
    errors = [r.standard_error_mS_cm for r in results if r.resolved]
    assert len(values) > 30
    assert np.std(values) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.4)


def test_replicas_narrow_the_error() -> None:
    runs = [_langevin(30 + k, 4000, (2, 3)) for k in range(8)]
    one, eight = _analyse(runs[:1]), _analyse(runs)
    assert eight.n_trajectories == 8
    assert eight.relative_error < 0.6 * one.relative_error
    assert eight.sigma_mS_cm == pytest.approx(_expected(2 * TAU), rel=3 * eight.relative_error)


def test_bound_charges_conduct_nothing_and_are_not_resolved() -> None:
    # The velocity of a stationary coordinate integrates to zero.
    coordinate = _langevin(7, 8001, (2, 3))
    coordinate = lfilter(np.ones(20) / 20, [1.0], coordinate, axis=0)
    result = _analyse(np.diff(coordinate, axis=0) / DT)
    assert not result.resolved
    assert result.sigma_mS_cm is None
    assert result.mobility_cm2_V_s == {}
    assert result.needed_length_ps >= 2 * result.length_ps
    with pytest.raises(ValueError, match="not resolved"):
        result.interval()


def test_a_correlation_that_outlives_the_run_has_no_plateau() -> None:
    result = _analyse(_langevin(8, 1000, (2, 3), tau=5.0))
    assert not result.resolved
    assert "no plateau up to 1.98 ps" in result.reason
    assert result.plateau_ps is None
    assert len(result.curve.times_ps) == 100


def test_currents_too_sparse_in_time_are_not_resolved() -> None:
    result = _analyse(_langevin(14, 20_000, (2, 3))[::20], dt=20 * DT)
    assert not result.resolved
    assert "store currents every 0.1 ps or less" in result.reason


def test_a_short_run_says_how_many_frames_it_takes() -> None:
    result = _analyse(_langevin(10, 60, (2, 3)))
    assert "has 60 frames, at least 122 are needed" in result.reason
    assert result.curve is None
    assert _analyse(_langevin(10, 122, (2, 3))).curve is not None


def test_a_charged_cell_warns_and_charges_are_never_guessed() -> None:
    currents = _langevin(11, 500, (2, 3))
    result = _analyse(currents, {"Cl": -2.0, "Li": 1.0}, BARYCENTRIC)
    assert "depends on the reference frame (barycentric)" in result.warning
    with pytest.raises(ValueError, match=r"charges lack \['Cl'\]"):
        _analyse(currents, {"Li": 1.0})


def test_the_result_fits_into_json() -> None:
    result = _analyse(_langevin(12, 4000, (2, 3)))
    stored = json.loads(json.dumps(result.as_dict()))
    assert stored["charges"] == CHARGES
    assert "curve" not in stored


def test_nan_is_refused_with_the_number_of_the_frame() -> None:
    velocities = _langevin(13, 50, (2, 3))
    velocities[31, 1, 0] = np.nan
    with pytest.raises(ValueError, match="frame 31"):
        species_currents(velocities, ["Li", "Cl"])
