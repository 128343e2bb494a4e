"""Vibrating crystals in which hops are planted at known frames."""

from dataclasses import dataclass, field

import numpy as np

from aiida_mliptransport.science.barriers import Harvest, harvest_hops
from aiida_mliptransport.science.transport.sites import Sites

#: Edge of the cube of anions in Å; mobile ions sit on its corners, as in CsCl.
A = 3.0
N = 4
CELL = N * A * np.eye(3)
DT_PS = 0.1
CORNERS = np.stack(np.meshgrid(*[np.arange(N)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
X, Y, Z = np.eye(3, dtype=int)


def corner(*place: int) -> int:
    """Number of a lattice site."""
    return int(np.ravel_multi_index(tuple(np.array(place) % N), (N,) * 3))


def lattice_sites() -> Sites:
    return Sites(A * CORNERS.astype(float), CELL, ("corner",) * len(CORNERS))


@dataclass
class Crystal:
    """Lithium on corners but for the vacant ones, chlorine in the middle of the cubes."""

    n_frames: int
    vacant: tuple[tuple[int, int, int], ...] = ()
    added: tuple[tuple[float, float, float], ...] = ()
    without_anions: tuple[tuple[int, int, int], ...] = ()
    sigma: float = 0.15
    seed: int = 1
    steps: list[tuple[int, int, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        there = [place for place in CORNERS.tolist() if tuple(place) not in self.vacant]
        self.start = A * np.array([*there, *self.added], dtype=float)
        self.n_ions = len(self.start)

    def ion(self, *place: float) -> int:
        """Number of the ion that is at a place in the first frame."""
        return int(np.argmin(np.linalg.norm(self.start - A * np.array(place), axis=1)))

    def hop(self, frame: int, ion: int, step: np.ndarray) -> None:
        """Let an ion arrive in a frame; it is half-way in the frame before."""
        self.steps.append((frame, ion, A * np.asarray(step, dtype=float)))

    def places(self) -> np.ndarray:
        """Ideal places of lithium, (n_frames, n_ions, 3)."""
        moved = np.zeros((self.n_frames, self.n_ions, 3))
        for frame, ion, step in self.steps:
            moved[frame:, ion] += step
            moved[frame - 1, ion] += 0.5 * step
        return self.start + moved

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions with vibrations and a drift, (n_frames, N, 3), and atomic numbers."""
        cubes = [cube for cube in CORNERS.tolist() if tuple(cube) not in self.without_anions]
        anions = np.tile(A * (np.array(cubes) + 0.5), (self.n_frames, 1, 1))
        still = np.concatenate([self.places(), anions], axis=1)
        rng = np.random.default_rng(self.seed)
        drift = 0.002 * np.arange(self.n_frames)[:, None, None]
        numbers = np.repeat([3, 17], [self.n_ions, len(cubes)])
        return still + self.sigma * rng.normal(size=still.shape) + drift, numbers

    def harvest(self, sites: Sites | None = None, **settings: object) -> Harvest:
        positions, numbers = self.run()
        defaults = {"core_radius_angstrom": 1.0, "window_ps": 1.0, "distance_angstrom": 1.2 * A}
        return harvest_hops(
            positions,
            CELL,
            numbers,
            DT_PS,
            "Li",
            sites if sites is not None else lattice_sites(),
            **{**defaults, **settings},
        )
