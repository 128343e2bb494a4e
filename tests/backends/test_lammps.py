"""Known answers for classical potentials in LAMMPS, and what they refuse."""

from __future__ import annotations

import copy

import pytest

from aiida_mliptransport.backends import PotentialError, PotentialSpec
from aiida_mliptransport.backends.lammps import (
    LammpsBackend,
    classical_potential,
    lennard_jones_argon,
    potential_arguments,
    tosi_fumi_licl,
)


def spec(arguments) -> PotentialSpec:
    return PotentialSpec(
        backend="lammps",
        type_map=tuple(arguments["type_map"]),
        cutoff=arguments["cutoff"],
        parameters=arguments["parameters"],
    )


def test_the_published_licl_parameters_reach_the_script_in_ev_and_angstrom():
    pair = LammpsBackend().lammps_pair([spec(tosi_fumi_licl())], ["Li", "Cl"])
    assert pair.lines[0] == "pair_style born/coul/long 8.0"
    assert pair.lines[-1] == "kspace_style pppm 1e-05"
    assert pair.charges == {"Li": 1.0, "Cl": -1.0}
    numbers = [float(x) for x in pair.lines[3].split()[1:]]
    # Tabulated in eV and Å: A = 0.2901, ρ = 0.342, σ = 2.401, C = 1.2483, and D with LAMMPS' sign.
    assert numbers == pytest.approx([1, 2, 0.29007, 0.342, 2.401, 1.24830, -1.49796], rel=1e-4)
    chlorine = [float(x) for x in pair.lines[4].split()[1:]]
    assert chlorine == pytest.approx([2, 2, 0.158222, 0.342, 3.170, 69.2808, -139.1857], rel=1e-5)


def test_types_follow_the_order_of_the_data_file_not_of_the_potential():
    pair = LammpsBackend().lammps_pair([spec(tosi_fumi_licl())], ["Cl", "Li"])
    assert pair.lines[2].startswith("pair_coeff 1 1 0.158")
    assert pair.lines[4].startswith("pair_coeff 2 2 0.421")


def test_argon_has_the_parameters_of_rahman():
    pair = LammpsBackend().lammps_pair([spec(lennard_jones_argon())], ["Ar"])
    assert pair.charges == {}
    assert float(pair.lines[2].split()[3]) == pytest.approx(0.0103408, rel=1e-5)
    assert pair.lines[:2] == ("pair_style lj/cut 8.5", "pair_modify shift yes")


def test_a_classical_potential_may_move_the_cell():
    assert tosi_fumi_licl()["trained_on_stress"]
    assert tosi_fumi_licl()["type_map"] == ["Li", "Cl"]


def test_elements_without_parameters_are_refused():
    with pytest.raises(PotentialError, match="lacks \\['Na'\\]"):
        LammpsBackend().lammps_pair([spec(tosi_fumi_licl())], ["Na", "Cl"])


def test_a_committee_of_classical_potentials_is_refused():
    with pytest.raises(PotentialError, match="2 potentials"):
        LammpsBackend().lammps_pair([spec(tosi_fumi_licl())] * 2, ["Li", "Cl"])


INJECTION = "8.0\nshell touch injected"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("cutoff_A",), INJECTION, "cutoff_A"),
        (("cutoff_A",), float("nan"), "cutoff_A"),
        (("kspace",), "ewald 1e-5\nshell touch injected", "kspace"),
        (("kspace_accuracy",), INJECTION, "kspace_accuracy"),
        (("charges", "Li"), INJECTION, "charges.Li"),
        (("charges", "Na"), 1.0, "charges are given for"),
        (("pairs", "Li-Cl", "A_eV"), INJECTION, "pairs.Li-Cl.A_eV"),
        (("pairs", "Li-Cl", "B"), 1.0, "pairs.Li-Cl.B"),
        (("pairs", "Cl-Li"), {}, "pairs.Cl-Li"),
        (("pairs", "Li\nshell x-Cl"), None, "chemical symbols"),
        (("form",), INJECTION, "form"),
    ],
)
def test_only_typed_parameters_pass(path, value, message):
    parameters = copy.deepcopy(tosi_fumi_licl()["parameters"])
    target = parameters
    for key in path[:-1]:
        target = target[key]
    if value is None:
        value = target["Li-Cl"]
    target[path[-1]] = value
    with pytest.raises(PotentialError, match=message):
        classical_potential(parameters)


def test_a_missing_pair_is_named():
    parameters = copy.deepcopy(tosi_fumi_licl()["parameters"])
    del parameters["pairs"]["Cl-Cl"]
    with pytest.raises(PotentialError, match="Cl-Cl"):
        potential_arguments(parameters)


def test_the_calculator_description_holds_what_lammps_needs():
    description = LammpsBackend().calculator_spec(spec(tosi_fumi_licl()))
    assert description["name"] == "lammps"
    assert description["type_map"] == ["Li", "Cl"]
    assert description["charges"]["Cl"] == -1.0
