"""Steps of an OUTCAR: whole ones, broken-off ones, and numbers that are none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aiida_mliptransport.science.vasp_outcar import read_outcar

RULE = " " + 83 * "-"


def step(number, energy, x, electronic=3):
    """One ionic step of two atoms; the first at ``x`` with the force 10 ``x``."""
    iterations = [
        f"{'-':->40} Iteration {number:6d}({n:4d})  ---" for n in range(1, electronic + 1)
    ]
    inner = ["  free energy    TOTEN  =        -1.00000000 eV"] * electronic
    return "\n".join(
        [
            *(line for pair in zip(iterations, inner, strict=True) for line in pair),
            " POSITION                                       TOTAL-FORCE (eV/Angst)",
            RULE,
            f"{x:13.5f}{0.0:13.5f}{0.0:13.5f}    {10 * x:14.6f}{0.0:14.6f}{0.0:14.6f}",
            f"{1.5:13.5f}{1.5:13.5f}{1.5:13.5f}    {-10 * x:14.6f}{0.0:14.6f}{0.0:14.6f}",
            RULE,
            "    total drift:                                0.000000      0.000000      0.000000",
            "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
            f"  free  energy   TOTEN  = {energy:18.8f} eV",
            "",
            " CHAIN + TOTAL  (eV/Angst)",
            " " + 46 * "-",
            f"{9.0:13.5f}{9.0:13.5f}{9.0:13.5f}",
            f"{9.0:13.5f}{9.0:13.5f}{9.0:13.5f}",
            " " + 46 * "-",
            "",
        ]
    )


HEAD = " vasp.6.4.2 18Apr17 complex\n   NIONS =      2\n"


def test_steps_have_the_free_energy_and_the_forces_of_the_atoms():
    found = read_outcar(HEAD + step(1, -2.5, 0.1) + step(2, -2.75, 0.2, electronic=5))
    assert found.version == "6.4.2"
    assert [part.energy for part in found.steps] == [-2.5, -2.75]
    assert [part.electronic_steps for part in found.steps] == [3, 5]
    np.testing.assert_allclose(found.steps[1].positions, [[0.2, 0, 0], [1.5, 1.5, 1.5]])
    np.testing.assert_allclose(found.steps[1].forces, [[2, 0, 0], [-2, 0, 0]])
    said = [found.finished, found.reached_accuracy, found.stopped, found.vtst]
    assert not any(said)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            " reached required accuracy - stopping structural energy minimisation",
            "reached_accuracy",
        ),
        (" soft stop encountered!  aborting job ...", "stopped"),
        (" General timing and accounting informations for this job:", "finished"),
        (" VTST: version 3.2, (02/03/18)", "vtst"),
    ],
)
def test_what_a_line_says_of_the_run(line, name):
    assert getattr(read_outcar(f"{HEAD}{line}\n"), name)


def test_a_file_that_breaks_off_anywhere_has_its_whole_steps():
    first, second = HEAD + step(1, -2.5, 0.1), step(2, -2.75, 0.2)
    text = first + second
    whole = len(first) + second.index(" eV\n\n CHAIN") + 4
    for length in range(len(first), len(text) + 1):
        found = read_outcar(text[:length]).steps
        assert len(found) == (2 if length >= whole else 1), length
        assert found[-1].energy == (-2.75 if length >= whole else -2.5)
    assert read_outcar("").steps == ()


def test_asterisks_and_nan_are_no_numbers():
    text = (
        HEAD + step(1, math.nan, 0.1) + step(2, -2.0, 0.2).replace("2.000000 ", "************** ")
    )
    first, second = read_outcar(text).steps
    assert not first.finite
    assert not second.finite
    assert second.energy == -2.0
    assert read_outcar(HEAD + step(3, -2.0, 0.2)).steps[0].finite
