"""Species planted by their bonds, for the tests of speciation."""

from collections.abc import Iterator

import numpy as np

from aiida_mliptransport.science.transport.speciation import Speciation, speciate

#: Three AlCl3 units (Al 0-2, Cl 3-11) and two more Cl (12, 13).
CHLOROALUMINATE = ["Al"] * 3 + ["Cl"] * 11
UNITS = [(al, 3 + 3 * al + k) for al in range(3) for k in range(3)]

#: Skewed axes of the lattice on which hydrogen hops.
CELL = np.array([[12.0, 0.0, 0.0], [4.0, 12.0, 0.0], [-3.0, 2.0, 12.0]])
NEIGHBOURS = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])


def relay(*stages: tuple[int, list[tuple[int, int]]]) -> Speciation:
    """AlCl3 units with extra bonds, each list of them for a number of frames of 0.5 ps."""
    bonds = [np.array(sorted(UNITS + extra)) for n, extra in stages for _ in range(n)]
    return speciate(bonds, CHLOROALUMINATE, 0.5)


def two_state(seed: int, n_pairs: int, n_frames: int, form: float, decay: float) -> Speciation:
    """Al–Cl pairs that form and break independently with probabilities per frame of 1 ps."""
    symbols = ["Al"] * n_pairs + ["Cl"] * n_pairs
    return speciate(_markov(seed, n_pairs, n_frames, form, decay), symbols, 1.0)


def _markov(
    seed: int, n_pairs: int, n_frames: int, form: float, decay: float
) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    bonded = rng.random(n_pairs) < form / (form + decay)
    for _ in range(n_frames):
        pairs = np.flatnonzero(bonded)
        yield np.stack([pairs, pairs + n_pairs], axis=1)
        chance = rng.random(n_pairs)
        bonded = np.where(bonded, chance >= decay, chance < form)


def rigid_ions(
    seed: int, n_frames: int, n_ions: int, step: float
) -> tuple[np.ndarray, Speciation, np.ndarray]:
    """AlCl4 ions that walk and tumble, beside K ions that walk: positions, species, masses."""
    rng = np.random.default_rng(seed)
    walks = rng.uniform(0, 50, (2 * n_ions, 3)) + np.cumsum(
        step * rng.normal(size=(n_frames, 2 * n_ions, 3)), axis=0
    )
    corners = 1.2 * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    turn = np.linalg.qr(rng.normal(size=(n_frames, n_ions, 3, 3)))[0]
    bodies = np.einsum("tnij,kj->tnki", turn, corners) + walks[:, :n_ions, None]
    positions = np.concatenate([bodies.reshape(n_frames, -1, 3), walks[:, n_ions:]], axis=1)
    symbols = ["Al", "Cl", "Cl", "Cl", "Cl"] * n_ions + ["K"] * n_ions
    bonds = np.array([(5 * i, 5 * i + k) for i in range(n_ions) for k in range(1, 5)])
    weights = {"Al": 27.0, "Cl": 35.5, "K": 39.1}
    masses = np.array([weights[name] for name in symbols])
    return positions, speciate([bonds] * n_frames, symbols, 0.5), masses


def hopping_hydrogen(
    seed: int, n_frames: int, chance: float, drift: float = 0.0
) -> tuple[np.ndarray, Speciation, np.ndarray, np.ndarray]:
    """Four H that hop between the O of a periodic lattice, 4 × 4 × 4, in skewed axes.

    Each O takes any number of H. Returns positions, species, masses, and the hops of each H.
    """
    rng = np.random.default_rng(seed)
    sites = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    hops = (rng.random((n_frames, 4, 1)) < chance) * NEIGHBOURS[rng.integers(0, 6, (n_frames, 4))]
    hops[0] = 0
    cells = np.array([[0, 0, 0], [2, 0, 1], [0, 2, 2], [2, 2, 3]]) + np.cumsum(hops, axis=0)
    hydrogen = cells @ CELL / 4 + np.array([0.0, 0.0, 0.9])
    lattice = np.broadcast_to(sites @ CELL / 4, (n_frames, 64, 3))
    positions = np.concatenate([lattice, hydrogen], axis=1)
    walk = np.cumsum(drift * rng.normal(size=(n_frames, 1, 3)), axis=0)
    owner = np.ravel_multi_index(tuple(np.moveaxis(cells % 4, -1, 0)), (4, 4, 4))
    bonds = [np.stack([sites_of, np.arange(64, 68)], axis=1) for sites_of in owner]
    speciation = speciate(bonds, ["O"] * 64 + ["H"] * 4, 1.0)
    masses = np.array([16.0] * 64 + [1.0] * 4)
    return positions + walk, speciation, masses, hops
