"""Force errors: conventions by hand, and an error bar that knows what is independent."""

import numpy as np
import pytest

from aiida_mliptransport.science.selection import force_rmse


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_component_errors_of_hand_made_forces() -> None:
    reference = np.zeros((1, 2, 3))
    reference[0, 0] = [3.0, 0, 0]
    predicted = reference + np.array([[[0.0, 0, 0], [0.3, -0.6, 0.6]]])
    errors = force_rmse(predicted, reference, np.array([3, 17]), rng=rng())
    assert errors.rmse == pytest.approx(np.sqrt((0.09 + 0.36 + 0.36) / 6))
    assert errors.vector_rmse == pytest.approx(np.sqrt(0.81 / 2))
    assert errors.mae == pytest.approx(1.5 / 6)
    assert errors.force_rms == pytest.approx(np.sqrt(9 / 6))
    assert errors.relative_rmse == pytest.approx(0.3)
    assert errors.per_species[3].rmse == 0
    assert errors.per_species[17].rmse == pytest.approx(np.sqrt(0.27))
    assert errors.per_species[17].relative_rmse == np.inf


def test_vector_error_is_root_three_times_the_component_error_when_isotropic() -> None:
    noise = rng().normal(scale=0.1, size=(50, 40, 3))
    errors = force_rmse(noise, np.zeros_like(noise), np.full(40, 3), rng=rng())
    lengths = np.linalg.norm(noise, axis=-1)
    assert errors.rmse == pytest.approx(0.1, rel=0.02)
    assert errors.vector_rmse == pytest.approx(np.sqrt(np.mean(lengths**2)))
    assert errors.vector_rmse / errors.rmse == pytest.approx(np.sqrt(3))


def test_error_bar_covers_the_scatter_of_repeated_blind_tests() -> None:
    generator = rng()
    found, claimed = [], []
    for _ in range(150):
        scale = 0.1 * np.exp(generator.normal(scale=0.3, size=(30, 1, 1)))
        noise = scale * generator.normal(size=(30, 20, 3))
        errors = force_rmse(
            noise, np.zeros_like(noise), np.full(20, 3), rng=generator, n_bootstrap=200
        )
        found.append(errors.rmse)
        claimed.append(errors.rmse_error)
    assert np.mean(claimed) == pytest.approx(np.std(found), rel=0.2)


def test_frames_of_one_trajectory_are_not_counted_as_independent() -> None:
    generator = rng()
    scale = np.repeat([0.05, 0.1, 0.2, 0.15, 0.08, 0.12], 20)[:, None, None]
    noise = scale * generator.normal(size=(120, 10, 3))
    arguments = (noise, np.zeros_like(noise), np.full(10, 3))
    by_frame = force_rmse(*arguments, rng=rng())
    by_run = force_rmse(*arguments, rng=rng(), groups=np.repeat(list("abcdef"), 20))
    assert by_frame.rmse == pytest.approx(by_run.rmse)
    assert (by_frame.n_groups, by_run.n_groups) == (120, 6)
    assert by_frame.rmse_error is not None
    assert by_run.rmse_error is not None
    assert by_run.rmse_error > 2 * by_frame.rmse_error


def test_one_trajectory_alone_has_no_error_bar() -> None:
    noise = rng().normal(size=(5, 4, 3))
    errors = force_rmse(noise, 0 * noise, np.full(4, 3), rng=rng(), groups=["run"] * 5)
    assert errors.rmse_error is None


def test_systems_of_different_size_are_pooled_by_atom() -> None:
    generator = rng()
    parts = [generator.normal(size=(3, 4, 3)), generator.normal(size=(2, 7, 3))]
    numbers = [np.array([3, 3, 17, 17]), np.array([3, 3, 3, 17, 17, 17, 35])]
    errors = force_rmse(parts, [0 * part for part in parts], numbers, rng=generator)
    everything = np.concatenate([part.ravel() for part in parts])
    assert errors.rmse == pytest.approx(np.sqrt(np.mean(everything**2)))
    assert errors.n_forces == 3 * 4 + 2 * 7
    assert errors.n_frames == 5
    bromine = parts[1][:, 6]
    assert errors.per_species[35].rmse == pytest.approx(np.sqrt(np.mean(bromine**2)))


def test_errors_are_repeated_by_the_same_seed() -> None:
    noise = rng().normal(size=(9, 4, 3))
    arguments = (noise, 0 * noise, np.array([3, 3, 17, 17]))
    assert force_rmse(*arguments, rng=rng()) == force_rmse(*arguments, rng=rng())


def test_nan_in_forces_is_refused_with_the_number_of_frames() -> None:
    reference = np.zeros((4, 2, 3))
    predicted = reference.copy()
    predicted[1, 0, 0] = np.nan
    with pytest.raises(
        ValueError, match=r"predicted forces of system 0 are NaN .* in 1 of 4 frames"
    ):
        force_rmse(predicted, reference, np.array([3, 17]), rng=rng())


def test_forces_of_different_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"reference forces .* shape \(3, 2, 3\), expected \(4"):
        force_rmse(np.zeros((4, 2, 3)), np.zeros((3, 2, 3)), np.array([3, 17]), rng=rng())


def test_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="no frame"):
        force_rmse(np.zeros((0, 2, 3)), np.zeros((0, 2, 3)), np.array([3, 17]), rng=rng())


def test_groups_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(ValueError, match="groups has 2 labels for 4 frames"):
        force_rmse(
            np.zeros((4, 2, 3)), np.zeros((4, 2, 3)), np.array([3, 17]), rng=rng(), groups=[0, 1]
        )
