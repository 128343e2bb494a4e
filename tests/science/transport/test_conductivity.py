"""Conductivities, Haven ratios and Onsager coefficients with known answers."""

import json

import numpy as np
import pytest

from aiida_mliptransport.science.transport.conductivity import estimate_conductivity
from aiida_mliptransport.science.transport.diffusion import estimate_diffusion
from aiida_mliptransport.science.transport.msd import species_sums
from aiida_mliptransport.science.transport.reference import (
    BARYCENTRIC,
    LABORATORY,
    framework,
    species_sums_in_frame,
)
from aiida_mliptransport.science.units import (
    BOLTZMANN_EV_K,
    ELEMENTARY_CHARGE_C,
    charge_diffusivity_to_mS_cm,
    nernst_einstein_mS_cm,
)

CHARGES = {"Cl": -1.0, "Li": 1.0}
VOLUME, TEMPERATURE = 8000.0, 900.0


def _steps(seed: int, n_frames: int, n_atoms: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_frames, n_atoms, 3))


def _salt(seed: int, n_frames: int = 2000, n_each: int = 30) -> tuple[np.ndarray, list[str]]:
    walk = np.cumsum(_steps(seed, n_frames, 2 * n_each), axis=0)
    return walk, ["Li"] * n_each + ["Cl"] * n_each


def _analyse(walk: np.ndarray, species: list[str]):
    names, sums = species_sums(walk, species)
    counts = {name: species.count(name) for name in names}
    labels = np.array(species)
    own = {name: estimate_diffusion(walk[:, labels == name], 1.0) for name in names}
    return estimate_conductivity(
        sums, names, CHARGES, counts, VOLUME, TEMPERATURE, 1.0, LABORATORY, own
    )


def test_independent_ions_have_haven_ratio_one_and_the_nernst_einstein_conductivity() -> None:
    result = _analyse(*_salt(1))
    expected = charge_diffusivity_to_mS_cm(60 * 0.5, VOLUME, TEMPERATURE)
    assert result.resolved
    assert result.sigma_mS_cm == pytest.approx(expected, abs=3 * result.standard_error_mS_cm)
    assert result.nernst_einstein.sigma_mS_cm == pytest.approx(expected, rel=0.03)
    assert result.haven_ratio == pytest.approx(1.0, abs=3 * result.haven_ratio_error)
    assert result.haven_ratio_error < 0.1
    low, high = result.interval()
    assert low < expected < high


def test_imposed_anticorrelation_gives_the_known_haven_ratio() -> None:
    # Step of ion i is (own + shift of its neighbour): s_i = x_i - a x_{i+1} on a ring, so that
    # the collective variance is (1 - a)² and the self variance 1 + a² of one free ion.
    a = 0.3
    free = _steps(2, 2500, 40)
    walk = np.cumsum(free - a * np.roll(free, -1, axis=1), axis=0)
    own = {"Li": estimate_diffusion(walk, 1.0)}
    _, sums = species_sums(walk, ["Li"] * 40)
    result = estimate_conductivity(
        sums, ["Li"], {"Li": 1.0}, {"Li": 40}, VOLUME, TEMPERATURE, 1.0, LABORATORY, own
    )
    expected = (1 + a**2) / (1 - a) ** 2
    assert result.haven_ratio == pytest.approx(expected, abs=3 * result.haven_ratio_error)
    assert abs(expected - 1.0) > 5 * result.haven_ratio_error


def test_conductivity_of_a_neutral_cell_is_the_same_in_every_reference_frame() -> None:
    walk, species = _salt(3, n_frames=800)
    walk += 0.05 * np.arange(800)[:, None, None]
    names, sums = species_sums(walk, species)
    counts = {"Li": 30, "Cl": 30}
    masses = {"Li": 6.94, "Cl": 35.45}
    results = [
        estimate_conductivity(
            species_sums_in_frame(sums, names, counts, frame, masses),
            names,
            CHARGES,
            counts,
            VOLUME,
            TEMPERATURE,
            1.0,
            frame,
        )
        for frame in (LABORATORY, BARYCENTRIC, framework("Cl"))
    ]
    for result in results[1:]:
        assert result.sigma_mS_cm == pytest.approx(results[0].sigma_mS_cm, rel=1e-8)
        assert result.standard_error_mS_cm == pytest.approx(
            results[0].standard_error_mS_cm, rel=1e-5
        )
    assert results[2].reference_frame == "framework:Cl"
    assert results[2].transference == pytest.approx({"Cl": 0.0, "Li": 1.0}, abs=1e-9)


def test_a_charged_cell_warns_that_the_frame_matters() -> None:
    walk, species = _salt(4, n_frames=400, n_each=5)
    names, sums = species_sums(walk, species)
    result = estimate_conductivity(
        sums,
        names,
        {"Li": 1.0, "Cl": -2.0},
        {"Li": 5, "Cl": 5},
        VOLUME,
        TEMPERATURE,
        1.0,
        BARYCENTRIC,
    )
    assert "depends on the reference frame (barycentric)" in result.warning


def test_onsager_coefficients_add_up_to_the_conductivity_and_transference_to_one() -> None:
    result = _analyse(*_salt(5))
    matrix = np.array(result.onsager.values_mS_cm)
    z = np.array([CHARGES[name] for name in result.onsager.species])
    assert z @ matrix @ z == pytest.approx(result.sigma_mS_cm, rel=1e-9)
    assert sum(result.transference.values()) == pytest.approx(1.0)
    assert result.transference["Li"] == pytest.approx(0.5, abs=3 * result.transference_error["Li"])
    errors = np.array(result.onsager.errors_mS_cm)
    assert abs(matrix[0, 1]) < 3 * errors[0, 1]


@pytest.mark.medium
def test_scatter_of_the_transference_number_is_its_error() -> None:
    results = [_analyse(*_salt(100 + seed, 250, 3)) for seed in range(30)]
    numbers = [r.transference["Li"] for r in results]
    errors = [r.transference_error["Li"] for r in results]
    assert np.std(numbers) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.35)


def test_bound_pairs_conduct_nothing_and_are_not_resolved() -> None:
    rng = np.random.default_rng(6)
    pair = np.cumsum(rng.normal(size=(1000, 20, 3)), axis=0)
    walk = np.concatenate([pair, pair], axis=1) + 0.3 * rng.normal(size=(1000, 40, 3))
    result = _analyse(walk, ["Li"] * 20 + ["Cl"] * 20)
    assert not result.resolved
    assert result.sigma_mS_cm is None
    assert result.haven_ratio is None
    assert result.needed_length_ps > 1000
    assert result.nernst_einstein.sigma_mS_cm > 0


def test_replicas_narrow_the_error() -> None:
    runs = [species_sums(*_salt(20 + k, 800, 5))[1] for k in range(4)]
    args = (("Cl", "Li"), CHARGES, {"Li": 5, "Cl": 5}, VOLUME, TEMPERATURE, 1.0, LABORATORY)
    one, four = estimate_conductivity(runs[0], *args), estimate_conductivity(runs, *args)
    assert four.n_trajectories == 4
    assert four.relative_error == pytest.approx(one.relative_error / 2, rel=0.3)
    assert four.onsager is not None


def test_the_result_fits_into_json() -> None:
    result = _analyse(*_salt(7, 400, 5))
    assert json.loads(json.dumps(result.as_dict()))["charges"] == CHARGES


def test_charges_are_never_guessed() -> None:
    with pytest.raises(ValueError, match=r"charges lack \['Cl'\]"):
        estimate_conductivity(
            np.zeros((100, 2, 3)),
            ["Cl", "Li"],
            {"Li": 1.0},
            {"Li": 1, "Cl": 1},
            VOLUME,
            TEMPERATURE,
            1.0,
            LABORATORY,
        )


def test_nernst_einstein_of_one_ion_is_the_textbook_formula() -> None:
    d, n, t = 1e-5, 64, 1000.0
    density = n / (20e-10) ** 3
    expected = density * ELEMENTARY_CHARGE_C * d * 1e-4 / (BOLTZMANN_EV_K * t) * 10.0
    assert nernst_einstein_mS_cm(d, -1.0, n, 8000.0, t) == pytest.approx(expected, rel=1e-12)


def test_nernst_einstein_checks_the_numbers_of_the_ionic_liquid_paper() -> None:
    # 430 pairs in 55 Å at 300 K: 27.37 mS/cm needs D₊ + D₋ of about 1.71e-6 cm²/s, and the
    # anions alone at 4e-7 cm²/s carry 6.4 mS/cm.
    assert nernst_einstein_mS_cm(1.71e-6, 1, 430, 55.0**3, 300.0) == pytest.approx(27.37, rel=5e-3)
    assert nernst_einstein_mS_cm(4e-7, 1, 430, 55.0**3, 300.0) == pytest.approx(6.4, rel=5e-3)


def test_nernst_einstein_checks_the_numbers_of_the_chloride_paper() -> None:
    # n = 1.454e28 m⁻³ at 298 K: 1.06 mS/cm needs 1.17e-8 cm²/s; 1.6e-14 gives 1.45e-6 mS/cm.
    number, volume = 1.454e28 * 1e-27, 1e3
    assert nernst_einstein_mS_cm(1.17e-8, 1, number, volume, 298.0) == pytest.approx(1.06, rel=5e-3)
    assert nernst_einstein_mS_cm(1.6e-14, 1, number, volume, 298.0) == pytest.approx(
        1.45e-6, rel=5e-3
    )


def test_the_tensor_is_that_of_steps_that_differ_by_direction() -> None:
    walk, species = _salt(8, n_frames=4000)
    result = _analyse(walk * np.sqrt([0.5, 1.0, 2.0]), species)
    tensor, error = np.array(result.tensor_mS_cm), np.array(result.tensor_error_mS_cm)
    assert np.trace(tensor) / 3 == pytest.approx(result.sigma_mS_cm, rel=1e-9)
    isotropic = charge_diffusivity_to_mS_cm(60 * 0.5, VOLUME, TEMPERATURE)
    expected = isotropic * np.diag([0.5, 1.0, 2.0])
    assert (np.abs(tensor - expected) < 3.5 * error).all()
    assert (error < 0.3 * isotropic).all()
