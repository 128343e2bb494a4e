"""Special quasi-random cells: pairs of known orders, and pairs nearer to random ones."""

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.structures.disordered_sites import read_disordered
from aiida_mliptransport.science.structures.occupancy import (
    VACANCY,
    OrderingSampler,
)
from aiida_mliptransport.science.structures.quasirandom import (
    pair_deviations,
    quasirandom_ordering,
)

from .crystals import LI3TICL6_TITANIUM, li3ticl6_sites

A = 4.0
SHELLS = A * np.sqrt([0.5, 1.0, 1.5])


def fcc(n: int, share: float = 0.5, other: str = "Au"):
    atoms = bulk("Cu", a=A, cubic=True).repeat(n)
    return read_disordered(atoms, {"Cu": {"Cu": 1 - share, other: share}})


def deviation(disordered, species, cutoff) -> float:
    """Return the root mean square of what :func:`pair_deviations` lists, all combinations."""
    shells = pair_deviations(disordered, species, cutoff=cutoff)
    return float(np.sqrt(np.mean([(s.probability - s.random) ** 2 for s in shells])))


def test_the_short_range_order_of_l10_is_the_textbooks() -> None:
    """Layers of copper and gold along z: a third too many unlike neighbours, then all alike."""
    disordered = fcc(2)
    layer = np.rint(disordered.positions[:, 2] / (A / 2)).astype(int) % 2
    shells = pair_deviations(disordered, np.where(layer, "Au", "Cu").tolist(), cutoff=1.1 * A)
    np.testing.assert_allclose([s.distance for s in shells], SHELLS[:2])
    unlike = [s.warren_cowley[s.names[0].index("Cu"), s.names[1].index("Au")] for s in shells]
    np.testing.assert_allclose(unlike, [-1 / 3, 1.0], atol=1e-12)


def test_the_short_range_order_of_l12_is_the_textbooks() -> None:
    disordered = fcc(2, share=0.25)
    corner = np.all(np.isclose(disordered.positions / A % 1.0, 0.0), axis=1)
    shells = pair_deviations(disordered, np.where(corner, "Au", "Cu").tolist(), cutoff=1.1 * A)
    unlike = [s.warren_cowley[s.names[0].index("Cu"), s.names[1].index("Au")] for s in shells]
    np.testing.assert_allclose(unlike, [-1 / 3, 1.0], atol=1e-12)


def test_a_quasirandom_fcc_alloy_of_32_atoms_has_no_short_range_order_in_two_shells() -> None:
    disordered = fcc(2)
    atoms = quasirandom_ordering(disordered, cutoff=1.1 * A, n_steps=4000, seed=2)
    assert atoms.symbols.formula.count() == {"Cu": 16, "Au": 16}
    shells = pair_deviations(disordered, list(atoms.symbols), cutoff=1.1 * A)
    assert len(shells) == 2
    for shell in shells:
        np.testing.assert_allclose(shell.warren_cowley, 0.0, atol=1e-12)


def test_it_is_nearer_to_random_than_any_of_fifty_random_cells() -> None:
    disordered = fcc(2, share=0.25, other=VACANCY)
    cutoff = 1.3 * A
    atoms = quasirandom_ordering(disordered, cutoff=cutoff, n_steps=2000, seed=4)
    generator = np.random.default_rng(0)
    random = [
        deviation(disordered, OrderingSampler(disordered).draw(generator).tolist(), cutoff)
        for _ in range(50)
    ]
    assert atoms.info["sqs_deviation"] < min(random)
    assert len(atoms) == 24


@pytest.mark.medium
def test_sites_that_share_elements_but_not_occupancies_keep_them() -> None:
    table = {site: {"Ti": share, "Li": 1 - share} for site, share in LI3TICL6_TITANIUM.items()}
    disordered = read_disordered(li3ticl6_sites(), table).repeat((2, 1, 2))
    atoms = quasirandom_ordering(disordered, cutoff=7.0, n_steps=3000, seed=1)
    counts = {k: v["counts"]["Ti"] for k, v in atoms.info["occupancies"].items() if k in table}
    assert counts == {"2a": 6, "4g": 2}
    assert atoms.info["sqs_deviation"] < 0.7 * atoms.info["sqs_random_deviation"]
    labels = {(s.first, s.second) for s in _shells(disordered, 7.0)}
    assert labels == {("2a", "2a"), ("2a", "4g"), ("4g", "2a"), ("4g", "4g")}


def _shells(disordered, cutoff):
    species = OrderingSampler(disordered).draw(np.random.default_rng(0)).tolist()
    return pair_deviations(disordered, species, cutoff=cutoff)


def test_the_stated_deviation_is_that_of_the_cell_returned() -> None:
    disordered = fcc(2, share=0.25)
    atoms = quasirandom_ordering(disordered, cutoff=1.3 * A, n_steps=300, seed=4)
    assert atoms.info["sqs_deviation"] == pytest.approx(
        deviation(disordered, list(atoms.symbols), 1.3 * A)
    )


def test_one_seed_gives_one_result() -> None:
    once, again, other = (
        quasirandom_ordering(fcc(2, share=0.25), cutoff=3.0, n_steps=100, seed=seed)
        for seed in (5, 5, 6)
    )
    assert list(once.numbers) == list(again.numbers)
    assert list(once.numbers) != list(other.numbers)


def test_a_cutoff_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="cutoff=1 Å: no two sites that hold more than one"):
        quasirandom_ordering(fcc(2), cutoff=1.0, seed=0)
    with pytest.raises(ValueError, match="n_steps=0: expected at least 1"):
        quasirandom_ordering(fcc(2), cutoff=3.0, n_steps=0, seed=0)
