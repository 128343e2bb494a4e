"""What must not change a result does not, whatever the walk: properties, not examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_mliptransport.science.transport.msd import msd_collective, msd_self
from aiida_mliptransport.science.transport.point import Run, analyse_point, centres_of_species
from aiida_mliptransport.science.transport.reference import (
    ReferenceFrame,
    parse_reference_frame,
    species_sums_in_frame,
)

SYMBOLS = ("Li", "Cl") * 4
CHARGES = {"Li": 1.0, "Cl": -1.0}
MASSES = np.array([7.0, 35.0] * 4)
FRAME = parse_reference_frame("barycentric")
SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = settings(max_examples=10, deadline=None, derandomize=True, database=None)


def walk(seed: int, n_frames: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_frames, len(SYMBOLS), 3)).cumsum(axis=0)


def analyse(
    positions: np.ndarray,
    symbols: tuple[str, ...] = SYMBOLS,
    masses: np.ndarray = MASSES,
    dt_ps: float = 0.1,
    frame: ReferenceFrame = FRAME,
    volume: float = 1000.0,
    charges: dict[str, float] = CHARGES,
):
    run = Run(positions, dt_ps, centres_of_species(positions, symbols), dt_ps)
    return analyse_point([run], symbols, masses, volume, 1000.0, charges, frame)


def numbers(result) -> list[float | None]:
    """D of both elements, σ and the Haven ratio; None where not resolved."""
    record = result.record
    return [
        record["diffusion"]["Li"]["D_cm2_s"],
        record["diffusion"]["Cl"]["D_cm2_s"],
        record["conductivity"]["sigma_mS_cm"],
        record["conductivity"]["haven_ratio"],
    ]


def same(first: list[float | None], second: list[float | None], factors=(1, 1, 1, 1)) -> None:
    for one, other, factor in zip(first, second, factors, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert other == pytest.approx(one * factor, rel=1e-6)


@pytest.mark.medium
@EXAMPLES
@given(SEEDS, st.tuples(*[st.floats(-1e3, 1e3)] * 3))
def test_a_translation_changes_nothing(seed, shift) -> None:
    same(numbers(analyse(walk(seed))), numbers(analyse(walk(seed) + np.array(shift))))


@EXAMPLES
@given(SEEDS, st.permutations(range(len(SYMBOLS))))
def test_the_order_of_the_atoms_changes_nothing(seed, order) -> None:
    symbols = tuple(SYMBOLS[i] for i in order)
    same(
        numbers(analyse(walk(seed))),
        numbers(analyse(walk(seed)[:, order], symbols, MASSES[list(order)])),
    )


@EXAMPLES
@given(SEEDS, st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_units_of_length_and_time_scale_as_they_must(seed, length, time) -> None:
    before = numbers(analyse(walk(seed)))
    after = numbers(analyse(walk(seed) * length, dt_ps=0.1 * time, volume=1000.0 * length**3))
    same(before, after, (length**2 / time,) * 2 + (1 / (length * time), 1))


@EXAMPLES
@given(SEEDS)
def test_a_rotation_changes_nothing(seed) -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    same(numbers(analyse(walk(seed))), numbers(analyse(walk(seed) @ rotation)))


@EXAMPLES
@given(SEEDS, st.integers(20, 180))
def test_the_msd_of_a_whole_is_that_of_its_parts_and_of_what_lies_across(seed, cut) -> None:
    positions = walk(seed)
    lag, n = 10, len(positions)
    across = positions[cut : cut + lag] - positions[cut - lag : cut]
    parts = [
        ((n_part - lag) * msd_self(part)[lag].sum(), n_part - lag)
        for part, n_part in ((positions[:cut], cut), (positions[cut:], n - cut))
    ]
    total = sum(value for value, _ in parts) + (across**2).sum() / len(SYMBOLS)
    origins = sum(number for _, number in parts) + lag
    assert total / origins == pytest.approx(msd_self(positions)[lag].sum(), rel=1e-9)


@EXAMPLES
@given(SEEDS, st.sampled_from(["barycentric", "laboratory", "framework:Cl"]))
def test_the_charge_displacement_of_a_neutral_cell_is_the_same_in_every_frame(seed, name) -> None:
    centres = centres_of_species(walk(seed), SYMBOLS) * 4.0
    counts, masses = {"Li": 4, "Cl": 4}, {"Li": 7.0, "Cl": 35.0}
    z = np.array([1.0, -1.0])

    def charge(frame_name: str) -> np.ndarray:
        frame = parse_reference_frame(frame_name)
        sums = species_sums_in_frame(centres, ["Li", "Cl"], counts, frame, masses)
        return np.einsum("tijk,i,j->t", msd_collective(sums), z, z)

    np.testing.assert_allclose(charge(name), charge("barycentric"), rtol=1e-6, atol=1e-6)


@pytest.mark.medium
@EXAMPLES
@given(seed=SEEDS)
def test_atoms_may_have_charges_of_their_own_by_labels_of_their_own(seed) -> None:
    charge = np.random.default_rng(seed).normal(size=len(SYMBOLS))
    charge -= charge.mean()
    labels = tuple(f"{name}{number}" for number, name in enumerate(SYMBOLS))
    positions = walk(seed)
    result = analyse(positions, labels, charges=dict(zip(labels, charge.tolist(), strict=True)))
    dipole = np.einsum("tac,a->tc", positions - positions[0], charge)
    expected = msd_self(dipole[:, None]).sum(axis=1) / len(labels)
    lags = np.rint(result.curves["charge_time_ps"] / 0.1).astype(int)
    np.testing.assert_allclose(result.curves["msd_charge"], expected[lags], rtol=1e-9)
