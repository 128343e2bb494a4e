"""Reference frames remove exactly the drift they name."""

import numpy as np
import pytest

from aiida_mliptransport.science.transport.msd import species_sums
from aiida_mliptransport.science.transport.reference import (
    BARYCENTRIC,
    LABORATORY,
    ReferenceFrame,
    framework,
    remove_drift,
    species_sums_in_frame,
)

SPECIES = ["Li", "Li", "Cl", "Cl", "Cl"]
MASSES = {"Li": 6.94, "Cl": 35.45}


@pytest.fixture
def positions() -> np.ndarray:
    return np.cumsum(np.random.default_rng(1).normal(size=(30, 5, 3)), axis=0)


def test_barycentric_frame_fixes_the_centre_of_mass(positions: np.ndarray) -> None:
    masses = np.array([MASSES[name] for name in SPECIES])
    result = remove_drift(positions, SPECIES, BARYCENTRIC, masses)
    centre = np.einsum("tac,a->tc", result, masses) / masses.sum()
    np.testing.assert_allclose(centre, np.broadcast_to(centre[0], centre.shape), atol=1e-12)
    np.testing.assert_allclose(result[0], positions[0])


def test_framework_frame_fixes_the_mean_of_its_species(positions: np.ndarray) -> None:
    result = remove_drift(positions, SPECIES, framework("Cl"))
    centre = result[:, 2:].mean(axis=1)
    np.testing.assert_allclose(centre, np.broadcast_to(centre[0], centre.shape), atol=1e-12)


@pytest.mark.parametrize("frame", [BARYCENTRIC, framework("Cl"), LABORATORY])
def test_sums_per_species_move_between_frames_like_the_atoms(
    positions: np.ndarray, frame: ReferenceFrame
) -> None:
    masses = np.array([MASSES[name] for name in SPECIES])
    _, expected = species_sums(remove_drift(positions, SPECIES, frame, masses), SPECIES)
    names, sums = species_sums(positions, SPECIES)
    result = species_sums_in_frame(sums, names, {"Li": 2, "Cl": 3}, frame, MASSES)
    np.testing.assert_allclose(result, expected, atol=1e-10)


def test_the_label_says_frame_and_species() -> None:
    assert framework("Ti", "Cl").label == "framework:Cl+Ti"
    assert BARYCENTRIC.label == "barycentric"


def test_a_framework_species_that_is_absent_is_named(positions: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\['P'\].*not in the trajectory"):
        remove_drift(positions, SPECIES, framework("P"))


def test_barycentric_frame_without_masses_is_refused(positions: np.ndarray) -> None:
    with pytest.raises(ValueError, match="needs masses"):
        remove_drift(positions, SPECIES, BARYCENTRIC)


def test_framework_without_species_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one species"):
        ReferenceFrame("framework")
