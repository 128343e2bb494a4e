"""Van Hove correlation functions and the non-Gaussian parameter of atomic displacements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import freud
import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.transport.rdf import smallest_height
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.time_origins import (
    N_BLOCKS,
    check_runs,
    error_of_mean,
    lag_frames,
    origin_stride,
    squared_displacements,
    time_origins,
)

#: ⟨r⁴⟩ must rest on this many independent displacements, or a few hops decide it.
_MIN_DISPLACEMENTS = 50.0
#: Largest radius of a search over nearest images, as a share of the smallest cell height.
_LONGEST_SHARE = 0.5 * (1.0 - 1e-6)


@dataclass(frozen=True)
class SelfVanHove:
    """G_s(r, t) in Å⁻³ averaged over spherical shells, (n_lags, n_bins), with standard errors.

    `r` bin centres and `edges` in Å; `share_beyond` (n_lags,) of the displacements is longer than
    the last edge, so that Σ G_s × shell volume + share_beyond = 1.
    """

    times_ps: FloatArray
    r: FloatArray
    edges: FloatArray
    density: FloatArray
    standard_error: FloatArray
    share_beyond: FloatArray

    @property
    def radial_probability(self) -> FloatArray:
        """Probability density 4πr² G_s of the distance in Å⁻¹, (n_lags, n_bins)."""
        return np.asarray(self.density * _shells(self.edges) / np.diff(self.edges))


@dataclass(frozen=True)
class DistinctVanHove:
    """G_d(r, t)/ρ, (n_lags, n_bins), which is 1 for an ideal gas and g(r) at t = 0.

    An atom of `first` was at the origin at time 0, one of `second` is at distance r at time t.
    """

    first: str
    second: str
    times_ps: FloatArray
    r: FloatArray
    edges: FloatArray
    g: FloatArray
    standard_error: FloatArray


@dataclass(frozen=True)
class NonGaussianParameter:
    """α₂(t) and its standard error; None at lags where the data do not carry it (see `reason`)."""

    times_ps: FloatArray
    alpha_2: tuple[float | None, ...]
    standard_error: tuple[float | None, ...]
    msd_angstrom2: FloatArray
    resolved: bool
    reason: str


def self_van_hove(
    positions: ArrayLike | Sequence[ArrayLike],
    dt_ps: float,
    lags_ps: Sequence[float],
    r_max: float,
    bin_width: float = 0.1,
) -> SelfVanHove:
    """Self part G_s(r, t) = ⟨δ(r - |r_i(t) - r_i(0)|)⟩/(4πr²) of the given atoms.

    `positions` (n_frames, n_atoms, 3) in Å, unwrapped, drift removed, atoms of one kind, or a list
    from independent runs; `dt_ps` between frames; `lags_ps` are rounded to frames. Errors from
    ten blocks of time origins (Student's t, 9 degrees of freedom).
    Source: Van Hove, Phys. Rev. 95, 249 (1954).
    Coverage of 95 % intervals on 300 random walks (8 atoms, 500 frames): 94 to 95 % in bins with
    more than 20 independent displacements.
    Raises ValueError for bad shapes, NaN, and lags longer than a tenth of the longest run.
    """
    runs = check_runs(positions)
    lags = lag_frames(runs, dt_ps, lags_ps, shortest=1)
    edges = _edges(r_max, bin_width)
    shells = _shells(edges)
    density, error, beyond = [], [], []
    for lag in lags:
        counts, numbers = np.zeros((N_BLOCKS, len(edges) - 1)), np.zeros(N_BLOCKS)
        for block, squares in squared_displacements(runs, lag):
            bins = (np.sqrt(squares) * ((len(edges) - 1) / edges[-1])).astype(np.int64)
            inside = bins[bins < len(edges) - 1]
            counts[block] += np.bincount(inside, minlength=len(edges) - 1)
            numbers[block] += squares.size
        density.append(counts.sum(axis=0) / (numbers.sum() * shells))
        error.append(error_of_mean(counts / (numbers[:, None] * shells)))
        beyond.append(1.0 - counts.sum() / numbers.sum())
    return SelfVanHove(
        times_ps=np.asarray(lags * dt_ps, dtype=np.float64),
        r=0.5 * (edges[1:] + edges[:-1]),
        edges=edges,
        density=np.array(density),
        standard_error=np.array(error),
        share_beyond=np.array(beyond),
    )


def non_gaussian_parameter(
    positions: ArrayLike | Sequence[ArrayLike], dt_ps: float, lags_ps: Sequence[float]
) -> NonGaussianParameter:
    """Non-Gaussian parameter α₂(t) = 3⟨r⁴⟩/(5⟨r²⟩²) - 1, zero for Gaussian displacements.

    Arguments as in `self_van_hove`. The value and its error are those of a jackknife over ten
    blocks of time origins (Student's t, 9 degrees of freedom). Not resolved where nothing moves,
    or where ⟨r⁴⟩ rests on fewer than 50 independent displacements, (Σr⁴)²/Σr⁸ per lag.
    Source: Rahman, Phys. Rev. 136, A405 (1964), eq. 15.
    Coverage of 95 % intervals: 92 to 95 % on 300 random walks, 95 to 97 % on 200 walks of rare
    hops; 90 % where the data just suffice.
    Raises ValueError for bad shapes, NaN, and lags longer than a tenth of the longest run.
    """
    runs = check_runs(positions)
    lags = lag_frames(runs, dt_ps, lags_ps, shortest=1)
    values: list[float | None] = []
    errors: list[float | None] = []
    msd, reasons = [], []
    for lag in lags:
        sums = np.zeros((N_BLOCKS, 4))
        for block, squares in squared_displacements(runs, lag):
            sums[block] += [squares.size, *((squares**power).sum() for power in (1, 2, 4))]
        number, second, fourth, eighth = sums.sum(axis=0)
        msd.append(second / number)
        independent = origin_stride(lag) / lag * fourth**2 / eighth if eighth > 0.0 else 0.0
        if independent < _MIN_DISPLACEMENTS:
            needed = f"{independent:.3g} independent displacements carry ⟨r⁴⟩ at {lag * dt_ps:g} ps"
            reasons.append(f"{needed}, {_MIN_DISPLACEMENTS:g} are needed; run longer")
            values.append(None)
            errors.append(None)
            continue
        value, error = _jackknife(sums[:, :3])
        values.append(value)
        errors.append(error)
    return NonGaussianParameter(
        times_ps=np.asarray(lags * dt_ps, dtype=np.float64),
        alpha_2=tuple(values),
        standard_error=tuple(errors),
        msd_angstrom2=np.array(msd),
        resolved=not reasons,
        reason="; ".join(reasons),
    )


def distinct_van_hove(
    positions: ArrayLike | Sequence[ArrayLike],
    species: Sequence[str],
    first: str,
    second: str,
    cell: ArrayLike,
    dt_ps: float,
    lags_ps: Sequence[float],
    r_max: float | None = None,
    bin_width: float = 0.1,
    max_origins: int = 200,
) -> DistinctVanHove:
    """Distinct part G_d(r, t)/ρ between atoms of `first` at time 0 and of `second` at time t.

    `positions` (n_frames, n_atoms, 3) in Å, wrapped or not, drift removed, or a list from
    independent runs; `cell` (3, 3), rows are vectors, the same for all frames; lag 0 is allowed
    and gives g(r) as in `rdf.partial_rdfs`. `r_max` is at most, and by default, half the smallest
    distance between opposite faces. At most `max_origins` evenly spaced time origins are used
    for each lag. Like pairs leave out the atom itself with its images: density (N - 1)/V.
    Errors from ten blocks of time origins (Student's t, 9 degrees of freedom).
    Source: Van Hove, Phys. Rev. 95, 249 (1954).
    Coverage of 95 % intervals on 60 ideal gases of 20 atoms: 93 to 96 %. A density that relaxes
    more slowly than a tenth of the run makes the errors too small.
    Raises ValueError for bad shapes, NaN, unknown species, a too long `r_max`, fewer than ten
    time origins, and lags longer than a tenth of the longest run.
    """
    runs = check_runs(positions)
    lags = lag_frames(runs, dt_ps, lags_ps, shortest=0)
    box = np.asarray(cell, dtype=np.float64)
    half = 0.5 * smallest_height(box)
    reach = half if r_max is None else float(r_max)
    if reach > half * (1.0 + 1e-12):
        msg = f"r_max is {reach} Å, expected at most half the smallest cell height, {half:.3f} Å"
        raise ValueError(msg)
    edges = _edges(reach, bin_width)
    members = _members(species, runs[0].shape[1], (first, second))
    n_pairs = len(members[first]) * (len(members[second]) - int(first == second))
    if n_pairs == 0:
        msg = f"species hold one {first!r} only, expected at least two for its distinct part"
        raise ValueError(msg)
    ideal = n_pairs / abs(float(np.linalg.det(box))) * _shells(edges)
    g, error = [], []
    for lag in lags:
        rows = [
            _pair_counts(
                run[origin][members[first]],
                run[origin + lag][members[second]],
                box,
                edges,
                first == second,
            )
            for run, origin in time_origins(runs, lag, max_origins)
        ]
        blocks = np.array([np.mean(part, axis=0) for part in np.array_split(rows, N_BLOCKS)])
        g.append(np.mean(rows, axis=0) / ideal)
        error.append(error_of_mean(blocks / ideal))
    return DistinctVanHove(
        first=first,
        second=second,
        times_ps=np.asarray(lags * dt_ps, dtype=np.float64),
        r=0.5 * (edges[1:] + edges[:-1]),
        edges=edges,
        g=np.array(g),
        standard_error=np.array(error),
    )


def _edges(r_max: float, bin_width: float) -> FloatArray:
    if not 0.0 < bin_width < r_max:
        msg = f"bin_width is {bin_width} Å and r_max {r_max} Å, expected 0 < bin_width < r_max"
        raise ValueError(msg)
    return np.linspace(0.0, r_max, max(2, round(r_max / bin_width)) + 1)


def _shells(edges: FloatArray) -> FloatArray:
    return np.asarray(4.0 / 3.0 * np.pi * np.diff(edges**3))


def _members(
    species: Sequence[str], n_atoms: int, wanted: tuple[str, str]
) -> dict[str, NDArray[np.int_]]:
    labels = np.asarray(species, dtype=np.str_)
    if labels.shape != (n_atoms,):
        msg = f"species hold {labels.size} names, expected one for each of {n_atoms} atoms"
        raise ValueError(msg)
    absent = sorted(set(wanted) - set(labels.tolist()))
    if absent:
        msg = f"species {absent} are not in the trajectory, which holds {sorted(set(labels))}"
        raise ValueError(msg)
    return {name: np.flatnonzero(labels == name) for name in wanted}


def _pair_counts(
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    cell: FloatArray,
    edges: FloatArray,
    same: bool,
) -> FloatArray:
    """Numbers of distances per bin from atoms at the start to atoms at the end.

    With `same` both are the same atoms in the same order, and none is paired with itself.
    """
    # Lengths and angles only: the lower triangle is the cell in the orientation freud wants.
    box = freud.box.Box.from_matrix(np.linalg.cholesky(cell @ cell.T).T)
    inverse = np.linalg.inv(cell)
    # Wrapped in double precision, because freud calculates in single precision.
    origins, ends = (
        box.make_absolute(scaled - np.floor(scaled))
        for scaled in (np.asarray(part, np.float64) @ inverse for part in (start, end))
    )
    # freud refuses half the smallest height itself.
    reach = min(float(edges[-1]), _LONGEST_SHARE * smallest_height(cell))
    query = {"mode": "ball", "r_max": reach, "exclude_ii": same}
    found = freud.locality.AABBQuery(box, ends).query(origins, query).toNeighborList()
    return np.histogram(found.distances, bins=edges)[0].astype(np.float64)


def _jackknife(sums: FloatArray) -> tuple[float, float]:
    """α₂ without its bias of first order, and its error, from Σ1, Σr², Σr⁴ of each block."""
    every = _alpha_2(sums.sum(axis=0))
    left_out = np.array([_alpha_2(sums.sum(axis=0) - row) for row in sums])
    n = len(sums)
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    return float(n * every - (n - 1) * left_out.mean()), float(error)


def _alpha_2(sums: FloatArray) -> float:
    number, second, fourth = sums
    return float(0.6 * fourth * number / second**2 - 1.0)
