"""DeePMD backend: LAMMPS commands and calculator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiida_mliptransport.backends import PotentialError, PotentialSpec
from aiida_mliptransport.backends.deepmd import DeepmdBackend

MODEL = PotentialSpec(
    backend="deepmd",
    type_map=("Li", "Cl"),
    cutoff=6.0,
    files={"model": "m0.pb", "compressed": "m0c.pb"},
)


def test_compressed_model_is_used_where_there_is_one():
    backend = DeepmdBackend()
    assert backend.run_file(MODEL) == "m0c.pb"
    assert backend.run_file(replace(MODEL, files={"model": "m0.pb"})) == "m0.pb"


def test_committee_writes_its_deviation_and_first_member_drives():
    second = replace(MODEL, files={"compressed": "m1c.pb"})
    pair = DeepmdBackend().lammps_pair([MODEL, second], ["Cl", "Li"], deviation_stride=20)
    assert pair.lines == (
        "pair_style deepmd m0c.pb m1c.pb out_file model_devi.out out_freq 20",
        "pair_coeff * * Cl Li",
    )
    assert pair.deviation_file == "model_devi.out"
    assert not pair.charges


def test_single_model_writes_no_deviation():
    pair = DeepmdBackend().lammps_pair([MODEL], ["Li", "Cl"])
    assert pair.lines[0] == "pair_style deepmd m0c.pb"
    assert pair.deviation_file is None


def test_committee_without_stride_is_refused():
    with pytest.raises(PotentialError, match="deviation_stride is None for 2 potentials"):
        DeepmdBackend().lammps_pair([MODEL, MODEL], ["Li"])


def test_element_outside_the_type_map_is_refused():
    with pytest.raises(PotentialError, match="lacks"):
        DeepmdBackend().lammps_pair([MODEL], ["Li", "Br"])


def test_model_without_runnable_file_is_refused():
    with pytest.raises(PotentialError, match="freeze"):
        DeepmdBackend().calculator_spec(replace(MODEL, files={"checkpoint": "a"}))


def test_calculator_names_model_and_type_map():
    assert DeepmdBackend().calculator_spec(MODEL) == {
        "name": "deepmd",
        "model": "m0c.pb",
        "type_map": ["Li", "Cl"],
    }
