"""Diffusion of species that form and break, from the stretches in which a molecule lives on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.transport.bonds import IntArray
from aiida_mliptransport.science.transport.diffusion import DiffusionEstimate, estimate_diffusion
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.speciation import Life, Speciation, check_masses
from aiida_mliptransport.science.transport.window import DEFAULT_SETTINGS, SlopeSettings

#: Least share of the time lived that the pieces must hold.
_MIN_SHARE = 0.5


@dataclass(frozen=True)
class SpeciesDiffusion:
    """Diffusion of one species from the pieces of its lives that are `piece_ps` long.

    `share` of the time that molecules of the species lived is in these pieces. Long lives only
    are seen: where short-lived molecules move differently, D is that of the stable ones. Where
    `resolved` is False, `estimate` is None or not resolved, and `needed_life_ps` is the life
    that molecules would need (None where lives are long enough, but the trajectory is not).
    """

    formula: str
    estimate: DiffusionEstimate | None
    piece_ps: float
    n_pieces: int
    share: float
    resolved: bool
    reason: str
    needed_life_ps: float | None


def species_diffusion(
    positions: ArrayLike,
    speciation: Speciation,
    masses: ArrayLike,
    settings: SlopeSettings = DEFAULT_SETTINGS,
) -> dict[str, SpeciesDiffusion]:
    """D of every species from the motion of its centres of mass while molecules live.

    `positions` (n_frames, n_atoms, 3) in Å, unwrapped, drift removed (memory maps are read life
    by life); `masses` (n_atoms,) in any unit. Lives are cut into pieces of one length, the
    longest for which the pieces hold at least half of all time lived, and `estimate_diffusion`
    takes each piece as a walker. Raises ValueError for bad shapes and masses.
    """
    array = np.asanyarray(positions)
    expected = (speciation.n_frames, len(speciation.elements), 3)
    if array.shape != expected:
        msg = f"positions have shape {array.shape}, expected {expected} as in the speciation"
        raise ValueError(msg)
    mass = check_masses(masses, speciation)
    return {name: _one(array, speciation, mass, name, settings) for name in speciation.species}


def _one(
    positions: NDArray[np.floating],
    speciation: Speciation,
    masses: FloatArray,
    formula: str,
    settings: SlopeSettings,
) -> SpeciesDiffusion:
    lives = [item for item in speciation.lives if item.molecule.formula == formula]
    ages = np.array([item.stop - item.start for item in lives])
    dt = speciation.dt_ps
    # The least length that leaves `estimate_slope` a window of lags.
    least = int(np.ceil(np.ceil(2 * settings.min_lag_ratio) / settings.max_lag_fraction)) + 1
    length, share = _piece_length(ages, least)
    if length == 0:
        reason = (
            f"less than half of the time that {formula} lived is in lives of {least * dt:.3g} ps "
            f"or more; the mean of its {len(ages)} lives is {ages.mean() * dt:.3g} ps"
        )
        return SpeciesDiffusion(formula, None, 0.0, 0, 0.0, False, reason, least * dt)
    walkers = _pieces(positions, lives, masses, length)
    estimate = estimate_diffusion(walkers, dt, settings=settings)
    longer = None
    if not estimate.resolved and length < speciation.n_frames:
        longer = float(settings.start_margin * length * dt)
    return SpeciesDiffusion(
        formula=formula,
        estimate=estimate,
        piece_ps=length * dt,
        n_pieces=walkers.shape[1],
        share=share,
        resolved=estimate.resolved,
        reason=estimate.reason,
        needed_life_ps=longer,
    )


def _piece_length(ages: IntArray, least: int) -> tuple[int, float]:
    """Longest piece that keeps enough of the time lived, in frames, and its share; or zeros."""
    lengths = np.unique(np.geomspace(least, max(int(ages.max()), least), 40).astype(int))
    shares = np.array([(ages // length * length).sum() / ages.sum() for length in lengths])
    enough = np.flatnonzero(shares >= _MIN_SHARE)
    return (int(lengths[enough[-1]]), float(shares[enough[-1]])) if len(enough) else (0, 0.0)


def _pieces(
    positions: NDArray[np.floating], lives: list[Life], masses: FloatArray, length: int
) -> FloatArray:
    """Displacements (length, n_pieces, 3) in Å of the centres of mass."""
    pieces = []
    for life in lives:
        atoms = list(life.molecule.atoms)
        weight = masses[atoms] / masses[atoms].sum()
        for start in range(life.start, life.stop - length + 1, length):
            piece = np.asarray(positions[start : start + length][:, atoms], dtype=np.float64)
            pieces.append(np.einsum("tac,a->tc", piece - piece[0], weight))
    return np.stack(pieces, axis=1)
