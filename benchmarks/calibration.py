"""How often the 95 % interval of D and σ holds the truth, on trajectories whose truth is known.

Usage: python benchmarks/calibration.py [--trajectories 2000] [--frames 1000] [--ions 8]

Four kinds of motion, each for the self-diffusion coefficient and for the collective one that σ
rests on. Prints a Markdown table; docs/transport.md holds it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

from aiida_mliptransport.science.transport.diffusion import positive_interval
from aiida_mliptransport.science.transport.slope import SlopeEstimate, estimate_slope

FloatArray = np.ndarray
#: Positions (n_frames, n_ions, 3) in Å, D of an ion and of all together (Å²/ps), charges.
Kind = Callable[[np.random.Generator, int, int], tuple[FloatArray, float, float, FloatArray]]

DT_PS = 1.0
BURN_IN = 200


def white_walk(
    rng: np.random.Generator, n_frames: int, n_ions: int
) -> tuple[FloatArray, float, float, FloatArray]:
    """Independent steps of variance 1 Å² per direction; D = 1/2 Å²/ps."""
    steps = rng.normal(size=(n_frames, n_ions, 3))
    return np.cumsum(steps, axis=0), 0.5, 0.5, _alternating(n_ions)


def correlated_walk(
    rng: np.random.Generator, n_frames: int, n_ions: int
) -> tuple[FloatArray, float, float, FloatArray]:
    """Steps with a correlation of 0.2 between any two ions of charge 1; H_R = 1/(1 + 0.2(N-1))."""
    share = 0.2
    own = rng.normal(size=(n_frames, n_ions, 3)) * np.sqrt(1.0 - share)
    common = rng.normal(size=(n_frames, 1, 3)) * np.sqrt(share)
    collective = 0.5 * (1.0 + share * (n_ions - 1))
    return np.cumsum(own + common, axis=0), 0.5, collective, np.ones(n_ions)


def caged_hopping(
    rng: np.random.Generator, n_frames: int, n_ions: int
) -> tuple[FloatArray, float, float, FloatArray]:
    """Rattling of 0.3 Å about sites, and jumps of 3 Å every 20 ps; D = a²/6τ."""
    length, rate, amplitude, relaxation = 3.0, 0.05, 0.3, 3.0
    jumps = rng.random((n_frames, n_ions)) < rate * DT_PS
    steps = np.zeros((n_frames, n_ions, 3))
    frame, ion = np.nonzero(jumps)
    axis = rng.integers(0, 3, len(frame))
    steps[frame, ion, axis] = length * rng.choice([-1.0, 1.0], len(frame))
    rho = np.exp(-DT_PS / relaxation)
    noise = rng.normal(size=(n_frames + BURN_IN, n_ions, 3)) * amplitude * np.sqrt(1.0 - rho**2)
    rattle = lfilter([1.0], [1.0, -rho], noise, axis=0)[BURN_IN:]
    diffusion = rate * length**2 / 6.0
    return np.cumsum(steps, axis=0) + rattle, diffusion, diffusion, _alternating(n_ions)


def langevin(
    rng: np.random.Generator, n_frames: int, n_ions: int
) -> tuple[FloatArray, float, float, FloatArray]:
    """Free underdamped particles, velocity relaxation 5 ps; D = ⟨v²⟩ τ, ⟨v²⟩ = 1 Å²/ps²."""
    relaxation, substeps = 5.0, 10
    step = DT_PS / substeps
    rho = np.exp(-step / relaxation)
    n_steps = (n_frames + BURN_IN // 10) * substeps
    noise = rng.normal(size=(n_steps, n_ions, 3)) * np.sqrt(1.0 - rho**2)
    velocity = lfilter([1.0], [1.0, -rho], noise, axis=0)
    # A sum of an autoregressive series: its own diffusion coefficient is exact.
    positions = np.cumsum(velocity * step, axis=0)[::substeps][-n_frames:]
    diffusion = 0.5 * step * (1.0 + rho) / (1.0 - rho)
    return positions, diffusion, diffusion, _alternating(n_ions)


KINDS: dict[str, Kind] = {
    "white random walk": white_walk,
    "walk with correlated ions": correlated_walk,
    "caged hopping": caged_hopping,
    "underdamped Langevin": langevin,
}


def _alternating(n_ions: int) -> FloatArray:
    return np.where(np.arange(n_ions) % 2, -1.0, 1.0)


@dataclass
class Tally:
    """What 95 % intervals did over many trajectories."""

    n: int = 0
    hits: list[bool] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    def add(self, estimate: SlopeEstimate, truth: float) -> None:
        """Count one estimate of D (Å²/ps)."""
        self.n += 1
        if not estimate.resolved:
            return
        value = estimate.slope / 6.0
        low, high = positive_interval(value, estimate.n_independent, 0.95)
        self.hits.append(low <= truth <= high)
        self.errors.append(estimate.standard_error / estimate.slope)
        self.ratios.append(value / truth)

    def row(self, name: str, quantity: str) -> str:
        """Return a line of the table."""
        return (
            f"| {name} | {quantity} | {np.mean(self.hits):.1%} | {len(self.hits) / self.n:.1%} "
            f"| {np.mean(self.ratios):.3f} | {np.mean(self.errors):.1%} "
            f"| {np.std(self.ratios):.1%} |"
        )


def calibrate(kind: Kind, n_trajectories: int, n_frames: int, n_ions: int) -> tuple[Tally, Tally]:
    """Return the tallies of the self and of the collective diffusion coefficient."""
    rng = np.random.default_rng(20)
    alone, together = Tally(), Tally()
    for _ in range(n_trajectories):
        positions, self_truth, collective_truth, charges = kind(rng, n_frames, n_ions)
        estimate = estimate_slope(positions, DT_PS)
        alone.add(estimate, self_truth)
        # Charge displacement over √N: one walker with the collective coefficient.
        charge = np.einsum("tic,i->tc", positions, charges)[:, None] / np.sqrt(n_ions)
        collective = estimate_slope(charge, DT_PS, not_before_ps=estimate.fit_window_ps[0])
        together.add(collective, collective_truth)
    return alone, together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--ions", type=int, default=8)
    arguments = parser.parse_args()
    print("| motion | quantity | 95 % interval holds the truth | resolved | mean of D/truth | "
          "error given | actual scatter |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    coverages = []
    for name, kind in KINDS.items():
        tallies = calibrate(kind, arguments.trajectories, arguments.frames, arguments.ions)
        for tally, quantity in zip(tallies, ("self", "collective"), strict=True):
            coverages.append(float(np.mean(tally.hits)))
            print(tally.row(name, quantity), flush=True)
    print(
        f"calibration: trajectories={arguments.trajectories} coverage_min={min(coverages):.3f} "
        f"coverage_max={max(coverages):.3f}"
    )


if __name__ == "__main__":
    main()
