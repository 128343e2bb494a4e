"""Short-range repulsion of pair potentials whose turning point is known."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from scipy.optimize import brentq

from aiida_mliptransport.science.validation import Evaluated, attraction_within
from aiida_mliptransport.science.validation.short_range import CompressionCheck, DimerCheck

#: A exp(−r/ρ) − C/r⁶ in eV and Å: below its maximum it falls without end.
A, RHO, C = 2000.0, 0.3, 30.0

DIMERS = DimerCheck(shortest_A=0.5, longest_A=4.0, n_distances=71, box_A=20.0, covalent_share=0.8)


def pull(r):
    return -(A / RHO * np.exp(-r / RHO) - 6 * C / r**7)


def turning_point():
    return brentq(pull, 0.5, 1.5)


def dimers(function):
    """Say of each pair in a box that it is drawn together by ``function`` of the distance."""
    cells = DIMERS.build({"cell": bulk("LiCl", "rocksalt", a=5.1)})
    forces = []
    for cell in cells:
        r = cell.get_distance(0, 1)
        forces.append(np.array([[function(r), 0, 0], [-function(r), 0, 0]]))
    n = len(cells)
    return Evaluated(np.zeros(n), forces, np.zeros((n, 3, 3)))


def test_a_buckingham_pair_attracts_inside_its_maximum():
    r = np.linspace(0.5, 4, 3501)
    found = attraction_within(r, pull(r), within=1.8)
    assert found == pytest.approx(turning_point(), abs=1e-3)
    assert attraction_within(r, -1 / r, within=1.8) is None


def test_what_is_not_finite_counts_as_attraction():
    assert attraction_within([1.0, 1.5], [np.nan, -1.0], within=2.0) == 1.0


def test_each_pair_of_elements_gets_a_warning_where_it_attracts():
    cells = {"cell": bulk("LiCl", "rocksalt", a=5.1)}
    trained = {"Li-Li": 2.5, "Li-Cl": 2.0, "Cl-Cl": 3.0}
    lines = DIMERS.compare("cell", cells, dimers(pull), None, trained).lines
    names = [line.quantity.split()[-1] for line in lines]
    assert names == ["Li-Li", "Li-Cl", "Cl-Cl"]
    assert {line.verdict for line in lines} == {"warn"}
    # Farther out dispersion attracts as well, but not inside of what was trained on.
    assert lines[1].potential == pytest.approx(turning_point(), abs=0.05)
    repelled = DIMERS.compare("cell", cells, dimers(lambda r: -1 / r), None, trained).lines
    assert {line.verdict for line in repelled} == {"pass"}


def test_without_training_frames_covalent_radii_say_what_is_close():
    cells = {"cell": bulk("LiCl", "rocksalt", a=5.1)}
    lines = DIMERS.compare("cell", cells, dimers(lambda r: 1.0), None, {}).lines
    # Radii of Cordero et al. (2008): Li 1.28 Å, Cl 1.02 Å.
    assert f"{0.8 * 2.30:.2f} Å" in lines[1].reason
    near = DIMERS.compare("cell", cells, dimers(pull), None, {"Cl-Li": 0.4}).lines
    assert near[1].verdict == "not available"
    assert "lower shortest_A" in near[1].reason


COMPRESSION = CompressionCheck(relative_volumes=[1.0, 0.8, 0.6, 0.4], max_relative_error=0.2)


def energies(*values):
    n = len(values)
    return Evaluated(np.array(values), [np.zeros((2, 3))] * n, np.zeros((n, 3, 3)))


def test_a_cell_that_is_drawn_together_gets_a_warning():
    cells = {"cell": bulk("LiCl", "rocksalt", a=5.1)}
    theirs = energies(0.0, 1.0, 4.0, 12.0)
    lines = COMPRESSION.compare("cell", cells, energies(0.1, 1.1, 4.3, 3.0), theirs, {}).lines
    assert (lines[0].verdict, lines[0].potential) == ("warn", 0.6)
    assert [line.verdict for line in lines[1:]] == ["pass", "pass", "fail"]
    assert lines[2].difference == pytest.approx(0.1)
    fine = COMPRESSION.compare("cell", cells, energies(0.0, -0.1, 4.0, 12.0), theirs, {}).lines
    assert fine[0].verdict == "pass"


def test_a_rise_of_next_to_nothing_is_not_held_to_a_share_of_it():
    cells = {"cell": bulk("LiCl", "rocksalt", a=5.1)}
    theirs = energies(0.0, 0.002, 4.0, 12.0)
    lines = COMPRESSION.compare("cell", cells, energies(0.0, 0.006, 4.0, 12.0), theirs, {}).lines
    assert (lines[1].verdict, lines[1].tolerance) == ("pass", 0.005)


def test_volumes_that_do_not_fall_are_refused():
    rising = CompressionCheck(relative_volumes=[0.6, 0.8, 1.0], max_relative_error=0.2)
    with pytest.raises(ValueError, match="expected falling numbers"):
        rising.build({"cell": bulk("LiCl", "rocksalt", a=5.1)})
