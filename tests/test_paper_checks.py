"""The numbers of the example that checks papers, against known answers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from aiida_mliptransport.science.units import BOLTZMANN_EV_K

FOLDER = Path(__file__).parents[1] / "examples" / "paper_checks"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("paper_checks", FOLDER / "paper_checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


paper_checks = load()
ROWS = {(row.paper, row.quantity): row for row in paper_checks.checks()}
IONIC_LIQUID = "[EMIm]Cl-AlCl3"


def ours(paper: str, quantity: str) -> float:
    return float(ROWS[paper, quantity].ours)


def test_no_row_hides_another():
    assert len(ROWS) == len(paper_checks.checks())


@pytest.mark.parametrize(
    ("paper", "quantity", "known", "tolerance"),
    [
        (IONIC_LIQUID, "σ by Nernst-Einstein, anions", 6.407, 0.001),
        (IONIC_LIQUID, "D+ + D- that 27.37 mS/cm needs", 1.709e-6, 1e-9),
        (IONIC_LIQUID, "conversions per Al at 0.49 eV, 1:1.3", 3.67e-8, 0.01e-8),
        (IONIC_LIQUID, "barrier that this count means, 1:1.75", 0.1938, 1e-4),
        (IONIC_LIQUID, "H modes above 90 THz", 3002.1, 0.1),
        (IONIC_LIQUID, "density at the starting edge, production cell 1.00", 1.2015, 1e-3),
        ("Li3TiCl6", "number density of Li", 1.454e28, 0.001e28),
        ("Li3TiCl6", "D_total that 1.06 mS/cm needs", 1.168e-8, 1e-11),
        ("Li3TiCl6", "σ from D_total 1.6e-14", 1.45e-6, 0.01e-6),
        ("Li3TiCl6", "D_self that 1.06 mS/cm needs", 1.635e-7, 2e-10),
        ("Li3TiCl6", "Ea on σT for 0.29 eV on σ", 0.319, 6e-4),
        ("Li6PS5X", "slope of Ea in the anion radius", 0.799, 5e-4),
        ("Li6PS5X", "R² of that line", 0.998, 5e-4),
        ("Li6PS5X", "D_gb/D_b at 300 K, X = I", 59.2, 0.05),
        ("Li6PS5X", "crossover, f = δ/d", 204.1, 0.1),
        ("Li6PS5X", "crossover, f = 2δ/d", 231.0, 0.1),
        ("Li6PS5X", "crossover, f = 3δ/d", 250.4, 0.1),
        ("SEI", "interstitials, one in 576 Li2CO3", 2.98e25, 0.01e25),
        ("SEI", "atoms, 8 Li2EDC, 16 Li2CO3 and 64 Li", 288, 0),
        ("SEI", "force RMSE, vector over component", 1.73205, 1e-5),
        ("SEI", "force RMSE 0.34, per component", 0.1963, 1e-4),
    ],
)
def test_numbers_have_their_known_values(paper, quantity, known, tolerance):
    assert ours(paper, quantity) == pytest.approx(known, abs=tolerance)


def test_what_does_not_follow_is_exactly_this():
    differing = {row.quantity for row in ROWS.values() if row.agrees is False}
    assert differing == {
        "AlCl3 per EMImCl, training cell 1.3",
        "AlCl3 per EMImCl, training cell 1.7",
        "σ by Nernst-Einstein, anions",
        "conversions per Al at 0.49 eV, 1:1.3",
        "conversions per Al at 0.49 eV, 1:1.75",
        "barrier that this count means, 1:1.3",
        "barrier that this count means, 1:1.75",
        "D_total that 1.06 mS/cm needs",
        "σ from D_total 1.6e-14",
        "σ from D_total 1.6e-14, as m²/s",
        "σ from D_total 1.6e-14, as m²/s and times H_R",
        "D_macro/D_b, 110 nm, in series, f = δ/d",
        "D_macro/D_b, 1000 nm, in series, f = δ/d",
        "D_macro/D_b, 110 nm, in series, f = 2δ/d",
        "D_macro/D_b, 1000 nm, in series, f = 2δ/d",
        "σ of Li2CO3, n of all Li",
        "force RMSE, vector over component",
        "force RMSE 0.34, per component",
    }


def test_counted_conversions_are_four_to_five_orders_above_transition_state_theory():
    for ratio, least, most in (("1:1.3", 1.2e4, 1.4e4), ("1:1.75", 0.9e5, 1.0e5)):
        row = ROWS[IONIC_LIQUID, f"conversions per Al at 0.49 eV, {ratio}"]
        assert least < row.stated / row.ours < most


def test_at_the_crossover_boundary_and_bulk_carry_the_same():
    def diffusion(law, temperature):
        return law[1] * np.exp(-law[0] / (BOLTZMANN_EV_K * temperature))

    for fraction in paper_checks.boundary_fractions(1000.0).values():
        temperature = paper_checks.crossover_temperature(fraction)
        boundary = fraction * diffusion(paper_checks.BOUNDARY, temperature)
        bulk = (1.0 - fraction) * diffusion(paper_checks.BULK, temperature)
        assert boundary == pytest.approx(bulk, rel=1e-9)


def test_component_and_vector_errors_differ_by_the_root_of_three():
    errors = np.random.default_rng(0).normal(size=(50000, 3))
    vector = np.sqrt(np.mean(np.sum(errors**2, axis=1)))
    one_component = np.sqrt(np.mean(errors[:, 0] ** 2))
    assert vector / one_component == pytest.approx(np.sqrt(3.0), rel=0.01)
    assert ours("SEI", "force RMSE 0.34, per component") == pytest.approx(
        0.34 * one_component / vector, rel=0.01
    )


def test_secondary_numbers_are_never_called_the_papers():
    argyrodite = [row for row in ROWS.values() if row.paper == "Li6PS5X" and row.stated is not None]
    assert argyrodite
    assert {row.source for row in argyrodite} == {"secondary source"}


def test_every_stated_number_says_where():
    for row in ROWS.values():
        assert bool(row.source) == (row.stated is not None)


def test_the_readme_shows_the_real_output():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert paper_checks.table(paper_checks.checks()) in readme
