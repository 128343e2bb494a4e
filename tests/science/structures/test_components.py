"""Components of a mixture: what they resolve to, their charge, and what is refused."""

import numpy as np
import pytest
from ase import Atoms

from aiida_mliptransport.science.structures.components import (
    resolve_components,
    state_of_mixture,
)
from aiida_mliptransport.science.structures.molecules import molecule, set_charge


def test_names_are_looked_up_and_atoms_are_copied():
    sodium = set_charge(Atoms("Na"), 1)
    (salt, n_salt), (solvent, n_solvent) = resolve_components([(sodium, np.int64(2)), ("EC", 3)])
    assert (n_salt, n_solvent) == (2, 3)
    assert solvent == molecule("EC")
    salt.info["charge"] = 7
    assert sodium.info["charge"] == 1


def test_a_mapping_and_pairs_are_the_same_mixture():
    pairs = resolve_components([("Li+", 2), ("CO3(2-)", 1)])
    assert resolve_components({"Li+": 2, "CO3(2-)": 1}) == pairs


def test_charges_and_unpaired_electrons_add_up():
    assert state_of_mixture({"Li+": 2, "EDC(2-)": 1}) == {"charge": 0, "multiplicity": 1}
    assert state_of_mixture({"EMIm+": 3, "AlCl4-": 1}) == {"charge": 2, "multiplicity": 1}
    radicals = [(set_charge(Atoms("Na"), 0, 2), 3), (set_charge(Atoms("Cl"), -1), 1)]
    assert state_of_mixture(radicals) == {"charge": -1, "multiplicity": 4}


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({}, "components are empty"),
        ({"EMIm": 1}, "'EMIm' is not in the library"),
        ({"EC": 0}, "'EC' has count 0: expected an integer above 0"),
        ({"EC": 1.5}, "'EC' has count 1.5: expected an integer above 0"),
        ([(Atoms("He"), 1)], "'He' has no charge in its info: set it with set_charge"),
        ([(Atoms(), 1)], "a component has no atoms"),
    ],
)
def test_bad_components_are_refused_with_their_value(components, message):
    with pytest.raises(ValueError, match=message):
        resolve_components(components)
