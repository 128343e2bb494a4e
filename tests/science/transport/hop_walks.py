"""Hops on lattices with known rates and jump vectors, for the tests."""

import numpy as np
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import spsolve

from aiida_mliptransport.science.transport.hops import HopList
from aiida_mliptransport.science.transport.sites import Sites, sites_from_reference

A = 2.5
CELL = 4 * A * np.eye(3)
AXES = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
FACES = np.array([np.roll([a, b, 0], k) for a in (1, -1) for b in (1, -1) for k in range(3)])


def cubic_sites() -> Sites:
    return sites_from_reference([[0.1, 0.2, 0.3]], A * np.eye(3), CELL, (4, 4, 4))


def lattice_walk(
    seed: int, n_frames: int, n_ions: int, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Places (n_frames, n_ions, 3) of a walk on the cubic sites, and who hops in which frame."""
    rng = np.random.default_rng(seed)
    hops = rng.random((n_frames, n_ions)) < share
    hops[0] = False
    steps = AXES[rng.integers(0, 6, size=hops.shape)] * hops[..., None]
    start = rng.integers(0, 4, size=(n_ions, 3))
    return np.array([0.1, 0.2, 0.3]) + A * (start + np.cumsum(steps, axis=0)), hops


def rattle(seed: int, places: np.ndarray, sigma: float) -> np.ndarray:
    return places + sigma * np.random.default_rng(seed).normal(size=places.shape)


def hop_list(
    ion: np.ndarray, frame: np.ndarray, vectors: np.ndarray, n_ions: int, n_frames: int
) -> HopList:
    """Hops between places that do not matter, one frame a picosecond."""
    order = np.lexsort((frame, ion))
    nowhere = np.full(len(ion), -1)
    return HopList(
        ion=ion[order],
        frame=frame[order],
        origin=nowhere,
        destination=nowhere,
        starts=np.zeros((len(ion), 3)),
        vectors=vectors[order].astype(float),
        first_frame=np.zeros(n_ions, dtype=int),
        first_site=np.full(n_ions, -1),
        last_frame=n_frames - 1,
        dt_ps=1.0,
    )


def poisson_hops(
    rng: np.random.Generator, n_frames: int, n_ions: int, share: float, together: int = 1
) -> HopList:
    """Independent hops on the lattice, or with each hop made by `together` ions at once."""
    lead, frame = np.nonzero(rng.random((n_ions // together, n_frames - 1)) < share)
    ion = np.concatenate([together * lead + k for k in range(together)])
    vectors = A * AXES[rng.integers(0, 6, size=len(ion))]
    return hop_list(ion, np.tile(frame + 1, together), vectors, n_ions, n_frames)


def reversing_hops(
    rng: np.random.Generator, n_frames: int, n_ions: int, share: float, back: float
) -> HopList:
    """Hops that undo the last one with this probability (repeat it, if negative).

    Else the direction is random: ⟨cos⟩ = -back, f = (1 - back)/(1 + back).
    """
    hops = poisson_hops(rng, n_frames, n_ions, share)
    same = np.append(False, hops.ion[1:] == hops.ion[:-1])
    for k in np.flatnonzero(same & (rng.random(len(same)) < abs(back))):
        hops.vectors[k] = -np.sign(back) * hops.vectors[k - 1]
    return hops


def _lattice(moves: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Site vectors of a periodic sc or fcc lattice and the neighbours (n_sites, n_moves)."""
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    if len(moves) == 12:
        grid = grid[grid.sum(axis=1) % 2 == 0]
    number = np.full(size**3, -1)
    number[np.ravel_multi_index(tuple(grid.T), (size,) * 3)] = np.arange(len(grid))
    to = (grid[:, None] + moves) % size
    return grid, number[np.ravel_multi_index(tuple(np.moveaxis(to, -1, 0)), (size,) * 3)]


def exact_vacancy_factor(moves: np.ndarray, size: int) -> tuple[float, int]:
    """f of one vacancy in a periodic lattice, and its number of sites.

    The vacancy walks at random until it meets the tracer at the origin again; with c the mean
    cosine between this jump and the last, f = (1 + c)/(1 - c) (Compaan and Haven, 1956).
    """
    grid, neighbours = _lattice(moves, size)
    n, z = neighbours.shape
    away = np.repeat(np.arange(n), z) != 0
    to = neighbours.ravel()
    keep = away & (to != 0)
    step = csc_array((np.full(keep.sum(), 1 / z), (to[keep], np.repeat(np.arange(n), z)[keep])))
    behind = np.zeros(n)
    # After a jump along moves[0] the vacancy sits behind the tracer.
    behind[int(np.flatnonzero((grid == -moves[0] % size).all(axis=1))[0])] = 1.0
    visits = spsolve(csc_array(eye_array(n) - step), behind)
    cosine = float(visits[neighbours[0]] / z @ (moves @ moves[0])) / float(moves[0] @ moves[0])
    return (1 + cosine) / (1 - cosine), n


def vacancy_hops(rng: np.random.Generator, moves: np.ndarray, size: int, n_steps: int) -> HopList:
    """Hops of the ions round one vacancy that exchanges with a random neighbour each frame."""
    _, neighbours = _lattice(moves, size)
    table, occupant, vacancy = neighbours.tolist(), list(range(len(neighbours))), 0
    choices = rng.integers(0, len(moves), size=n_steps)
    ions = np.empty(n_steps, dtype=int)
    for step, choice in enumerate(choices.tolist()):
        target = table[vacancy][choice]
        ions[step] = occupant[vacancy] = occupant[target]
        vacancy = target
    # Number 0 was the vacancy.
    frames = np.arange(1, n_steps + 1)
    return hop_list(ions - 1, frames, -moves[choices], len(neighbours) - 1, n_steps + 1)
