"""Screening as a campaign file gives it, and limits of contacts from known frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.data import covalent_radii

from aiida_mliptransport.calculations.parameters import validation_message
from aiida_mliptransport.science.frames import Frames, System
from aiida_mliptransport.science.selection import (
    ScreeningCriteria,
    ScreeningParameters,
    known_contact_limits,
)
from aiida_mliptransport.workflows.protocols import load_protocol


def test_what_is_left_out_is_as_in_the_criteria() -> None:
    assert ScreeningParameters().criteria() == ScreeningCriteria()


def test_the_protocol_differs_from_the_criteria_by_the_known_frames_alone() -> None:
    given = load_protocol("active_learning")["selection"]["screening"]
    assert set(given) == set(ScreeningParameters.model_fields)
    parameters = ScreeningParameters.model_validate(given)
    assert parameters.known_contact_scale == 0.6
    assert parameters.criteria() == ScreeningCriteria()


def test_pairs_are_named_in_either_order() -> None:
    given = {"contact_limits": {"Cl-Li": 1.5, "Li-Li": 2}, "isolation_limits": {"Li-Cl": 4.0}}
    criteria = ScreeningParameters.model_validate(given).criteria()
    assert criteria.contact_limits == {(3, 17): 1.5, (3, 3): 2.0}
    assert criteria.isolation_limits == {(3, 17): 4.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_temprature": 4000}, "unknown key 'max_temprature' with value 4000; known keys are"),
        ({"max_temperature": -1}, "max_temperature is -1, but: Input should be greater than 0"),
        ({"max_energy_change": True}, "max_energy_change is True"),
        ({"known_contact_scale": 1.2}, "known_contact_scale is 1.2, but: Input should be less"),
        ({"volume_ratio": [2.0, 0.5]}, r"volume_ratio is [2.0, 0.5], expected the smallest and"),
        ({"contact_limits": {"Li": 1.5}}, "contact_limits has the pair 'Li', expected two elem"),
        ({"contact_limits": {"Li-Xx": 1.5}}, "has the pair 'Li-Xx', expected two elements"),
        ({"contact_limits": {"Li-Cl": 0}}, "contact_limits.Li-Cl is 0"),
        ({"contact_limits": {"Li-Cl": 1, "Cl-Li": 2}}, "'Li-Cl' and 'Cl-Li', expected each pair"),
        ({"contact_limits": {"Li-Cl": 1}, "contact_scale": None}, "contact_scale null switches"),
        ({"isolation_limits": {"Li-Cl": 4}, "isolation_scale": None}, "isolation_scale null"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(given: dict[str, Any], message: str) -> None:
    problem = validation_message(ScreeningParameters, given)
    assert problem is not None
    assert message in problem


def dimers(*distances: float, symbols: str = "LiCl", labelled: bool = True) -> Frames:
    """Return one set with two atoms at each of the distances (Å) in a cell of 30 Å."""
    positions = np.zeros((len(distances), 2, 3))
    positions[:, 1, 0] = distances
    return Frames(
        (
            System(
                numbers=Atoms(symbols).numbers,
                positions=positions,
                cells=np.tile(30.0 * np.eye(3), (len(distances), 1, 1)),
                pbc=np.ones(3, dtype=bool),
                energies=np.zeros(len(distances)) if labelled else None,
                forces=np.zeros_like(positions) if labelled else None,
            ),
        )
    )


def test_known_frames_limit_contacts_by_their_shortest_distance() -> None:
    known = [dimers(2.4, 2.2), dimers(2.3), dimers(1.0, labelled=False)]
    assert known_contact_limits(known, 0.6) == {(3, 17): pytest.approx(0.6 * 2.2)}


@pytest.mark.parametrize(
    ("symbols", "distance", "share_of_radii"),
    # Two molecules of the data may join by a bond of 0.77 times the radii; a frame with atoms that
    # nearly coincide, once labelled, does not let the next exploration go further still.
    [("N2", 4.5, 0.7), ("LiCl", 0.5, 0.5), ("P2", 6.0, None)],
)
def test_limits_of_known_contacts_stay_below_a_bond_and_above_fusion(
    symbols: str, distance: float, share_of_radii: float | None
) -> None:
    limits = known_contact_limits([dimers(distance, symbols=symbols)], 0.6)
    numbers = tuple(sorted(Atoms(symbols).numbers.tolist()))
    expected = {}
    if share_of_radii is not None:
        expected[numbers] = pytest.approx(share_of_radii * covalent_radii[list(numbers)].sum())
    assert limits == expected


def test_pairs_that_are_given_or_of_no_labelled_frame_take_nothing_from_the_known_ones() -> None:
    parameters = ScreeningParameters(known_contact_scale=0.6, contact_limits={"Cl-Li": 1.5})
    known = [dimers(2.2), dimers(2.0, symbols="LiF")]
    limits = parameters.criteria(known).contact_limits
    assert limits == {(3, 17): 1.5, (3, 9): pytest.approx(1.2)}
    assert not ScreeningParameters().criteria(known).contact_limits
