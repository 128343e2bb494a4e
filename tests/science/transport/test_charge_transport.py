"""What moving molecules and hopping charges add to the conductivity, at planted rates."""

import numpy as np
import pytest
from synthetic_species import CELL, NEIGHBOURS, hopping_hydrogen, rigid_ions

from aiida_mliptransport.science.transport.charge_displacement import (
    ChargeDisplacement,
    charge_displacement,
)
from aiida_mliptransport.science.transport.charge_transport import charge_transport
from aiida_mliptransport.science.transport.conductivity import (
    estimate_conductivity,
    nernst_einstein,
)
from aiida_mliptransport.science.transport.reference import LABORATORY
from aiida_mliptransport.science.transport.species_charges import species_charges
from aiida_mliptransport.science.transport.species_diffusion import species_diffusion


def test_rigid_ions_carry_all_charge_themselves() -> None:
    step = 0.4
    positions, speciation, masses = rigid_ions(1, 1500, 12, step)
    charges = {"Al": 3.0, "Cl": -1.0, "K": 1.0}
    parts = charge_displacement(positions, speciation, 50.0 * np.eye(3), masses, charges)
    result = charge_transport(parts, 0.5)
    true = 24 * step**2 / (2 * 0.5)
    assert result.resolved
    assert result.terms["vehicular"] == pytest.approx(
        true, abs=3 * result.standard_errors["vehicular"]
    )
    assert result.terms["structural"] == result.terms["cross"] == 0.0


def test_charge_that_only_hops_adds_a_structural_term_only() -> None:
    chance = 0.05
    positions, speciation, masses, _ = hopping_hydrogen(3, 1000, chance)
    parts = charge_displacement(positions, speciation, CELL, masses, {"O": 0.0, "H": 1.0})
    result = charge_transport(parts, 1.0)
    squares = (np.linalg.norm(NEIGHBOURS @ CELL / 4, axis=1) ** 2).mean()
    assert result.terms["structural"] == pytest.approx(
        4 * chance * squares / 6, abs=3 * result.standard_errors["structural"]
    )
    assert result.terms["vehicular"] == pytest.approx(0.0, abs=1e-12)


def test_terms_of_hopping_charges_on_moving_molecules_sum_to_the_total() -> None:
    chance, drift = 0.05, 0.3
    positions, speciation, masses, _ = hopping_hydrogen(4, 1200, chance, drift)
    parts = charge_displacement(positions, speciation, CELL, masses, {"O": 0.0, "H": 1.0})
    np.testing.assert_allclose(
        parts.total, (positions - positions[0])[:, 64:].sum(axis=1), atol=1e-9
    )
    result = charge_transport(parts, 1.0)
    terms = result.terms
    added = sum(terms[name] for name in ("vehicular", "structural", "cross", "internal"))
    assert terms["total"] == pytest.approx(added, rel=1e-12)
    # All four H ride on the lattice but for the steps in which they hop.
    steady = 4 * (1 - chance)
    riding = (steady**2 + 4 * chance * (1 - chance)) * drift**2 / 2
    assert terms["vehicular"] == pytest.approx(riding, abs=3 * result.standard_errors["vehicular"])
    # Those that hop are carried along as well, which correlates the two parts.
    both = 2 * 12 * chance * (1 - chance) * drift**2 / 2
    assert terms["cross"] == pytest.approx(both, abs=3 * result.standard_errors["cross"])


def test_charges_of_molecules_found_by_speciation_give_the_conductivity() -> None:
    volume, temperature, dt = 50.0**3, 400.0, 0.5
    positions, speciation, masses = rigid_ions(2, 800, 12, 0.4)
    given = {"AlCl4": -1.0, "K": 1.0}
    charges = species_charges(speciation, given)
    assert charges == given
    parts = charge_displacement(positions, speciation, 50.0 * np.eye(3), masses, given)
    terms = charge_transport(parts, dt).conductivity_mS_cm(volume, temperature)
    assert terms["structural"] == (0.0, 0.0)
    # The same by hand: one sum of the displacements of the centres of mass for each species.
    ions = np.einsum(
        "tnac,a->tnc", positions[:, :60].reshape(800, 12, 5, 3), masses[:5] / masses[:5].sum()
    )
    sums = np.stack([ions.sum(axis=1), positions[:, 60:].sum(axis=1)], axis=1)
    found = species_diffusion(positions, speciation, masses)
    counts = {name: series[0] for name, series in speciation.populations().items()}
    diffusion = {name: item.estimate for name, item in found.items()}
    whole = estimate_conductivity(
        sums - sums[0],
        ["AlCl4", "K"],
        charges,
        counts,
        volume,
        temperature,
        dt,
        LABORATORY,
        diffusion,
    )
    assert terms["total"][0] == pytest.approx(whole.sigma_mS_cm, rel=1e-9)
    assert terms["total"][1] == pytest.approx(whole.standard_error_mS_cm, rel=0.2)
    free = nernst_einstein(diffusion, charges, counts, volume, temperature)
    assert free.sigma_mS_cm == pytest.approx(whole.nernst_einstein.sigma_mS_cm)
    assert whole.haven_ratio == pytest.approx(1.0, abs=3 * whole.haven_ratio_error)


def _hops_and_drift(
    rng: np.random.Generator, chance: float
) -> tuple[ChargeDisplacement, dict[str, float]]:
    """Carriers that drift as one and hop against it by chance, with the true terms."""
    drift = 0.5 * rng.normal(size=(1000, 3))
    hops = (rng.random((1000, 1)) < chance) * 3.0 * NEIGHBOURS[rng.integers(0, 6, 1000)]
    vehicular, structural = np.cumsum(drift, axis=0), np.cumsum(hops - 0.3 * drift, axis=0)
    truth = {
        "vehicular": 0.5**2 / 2,
        "structural": chance * 3.0**2 / 6 + 0.3**2 * 0.5**2 / 2,
        "cross": -0.3 * 0.5**2,
    }
    return ChargeDisplacement(vehicular, structural, None), {**truth, "total": sum(truth.values())}


@pytest.mark.medium
@pytest.mark.parametrize("chance", [0.03, 0.5])
def test_intervals_of_the_terms_cover_the_truth_with_rare_and_with_common_hops(
    chance: float,
) -> None:
    rng = np.random.default_rng(8)
    hits, resolved = dict.fromkeys(("vehicular", "structural", "cross", "total"), 0), 0
    for _ in range(60):
        parts, truth = _hops_and_drift(rng, chance)
        result = charge_transport(parts, 1.0)
        resolved += result.resolved
        for name, value in truth.items() if result.resolved else ():
            low, high = result.interval(name)
            hits[name] += low <= value <= high
    assert resolved >= 57
    assert min(hits.values()) >= 0.85 * resolved
    assert sum(hits.values()) < 4 * resolved


def test_runs_that_know_different_parts_and_unknown_terms_are_refused() -> None:
    walk = np.cumsum(np.random.default_rng(9).normal(size=(300, 3)), axis=0)
    known = ChargeDisplacement(walk, walk, None)
    with pytest.raises(ValueError, match="expected the same"):
        charge_transport([known, ChargeDisplacement(walk, walk, walk)], 1.0)
    with pytest.raises(ValueError, match="'hopping'"):
        charge_transport(known, 1.0).interval("hopping")
    short = charge_transport(ChargeDisplacement(walk[:20], walk[:20], None), 1.0)
    assert not short.resolved
    assert short.terms == {}
    assert short.needed_length_ps > 20.0
