"""Hops on lattices with known rates and jump vectors, for the tests."""

import numpy as np

from aiida_mliptransport.science.transport.hops import HopList
from aiida_mliptransport.science.transport.sites import Sites, sites_from_reference

A = 2.5
CELL = 4 * A * np.eye(3)
AXES = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])


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
