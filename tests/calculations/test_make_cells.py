"""Recipes with a calculator, without AiiDA: what is relaxed, and what is refused."""

import pytest
from ase.build import bulk

from aiida_mliptransport.calculations.starting_cells import make_cells

LJ = {"name": "lj", "sigma_A": 2.3}


@pytest.mark.medium
def test_a_calculator_is_made_by_name_and_relaxes_the_cell():
    start = bulk("Ar", "fcc", a=5.0, cubic=True)
    lj = {"name": "lj", "sigma_A": 3.4, "epsilon_eV": 0.01, "cutoff_A": 8.5}
    (relaxed,) = make_cells(
        "relax_cell", {"calculator": lj, "cell": True, "fmax": 1e-3}, structure=start
    )
    # Nearest neighbours of the infinite fcc crystal are at 1.09 sigma; the cutoff adds about 1 %.
    nearest = relaxed.cell.lengths().min() / 2**0.5
    assert nearest == pytest.approx(1.09 * 3.4, rel=0.015)
    assert start.cell[0, 0] == 5.0


def test_a_model_is_looked_up_among_the_files_wherever_the_process_stands(tmp_path):
    model = tmp_path / "graph.pb"
    model.write_bytes(b"no model")
    with pytest.raises(ValueError, match="unknown settings"):
        make_cells(
            "relax_cell",
            {"calculator": {"name": "deepmd", "model": "committee0", "threads": 2}},
            files={"committee0": model},
            structure=bulk("Ar", cubic=True),
        )


@pytest.mark.parametrize(
    ("calculator", "message"),
    [
        ("lj", "calculator is 'lj', expected a table"),
        ({"name": "deepmd", "model": "graph"}, r"has model 'graph', expected one of the given"),
        ({"name": "vasp"}, "calculator name is 'vasp', expected one of"),
    ],
)
def test_a_bad_calculator_is_named(calculator, message):
    with pytest.raises(ValueError, match=message):
        make_cells("relax_cell", {"calculator": calculator}, structure=bulk("Ar", cubic=True))


def test_a_calculator_is_no_parameter_of_other_recipes():
    with pytest.raises(ValueError, match=r"rattle_cell does not know \['calculator'\]"):
        make_cells(
            "rattle_cell",
            {"calculator": LJ, "stdev": 0.1},
            seed=1,
            structure=bulk("Ar", cubic=True),
        )
