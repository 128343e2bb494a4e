"""Mean squared displacements at all lags over all time origins, by fast Fourier transform."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from aiida_mliptransport.science.transport.reference import (
    FloatArray,
    check_sums,
    require_finite,
)

#: Scratch memory of one chunk of atoms; what fits the processor's cache is transformed fastest.
CHUNK_BYTES = 4 * 1024**2
_FRAMES_BYTES = 16 * 1024**2


def msd_self(
    positions: ArrayLike, max_lag: int | None = None, chunk_bytes: int = CHUNK_BYTES
) -> FloatArray:
    """MSD per direction, averaged over atoms and all time origins.

    `positions` (n_frames, n_atoms, 3) unwrapped, Å (float32 and memory maps are read in chunks
    of atoms of about `chunk_bytes`). Returns (max_lag + 1, 3) in Å²: the xx, yy and zz parts;
    their sum is the MSD. `max_lag` defaults to n_frames - 1. Wiener–Khinchin with zero padding
    to at least n_frames + max_lag, which keeps all lags asked for free of aliasing (Kneller et
    al., Comput. Phys. Commun. 91, 191 (1995)); power spectra are summed over the atoms before
    the one inverse transform. Two atoms share one complex transform: |F(x + iy)|² at ±f adds up
    to twice |F(x)|² + |F(y)|², and only such sums are needed.
    Raises ValueError for bad shapes and NaN (naming the frame).
    """
    array = _check_positions(positions)
    n_frames, n_atoms = array.shape[:2]
    n_lags = _n_lags(n_frames, max_lag)
    n_fft = fft.next_fast_len(n_frames + n_lags - 1)
    power = np.zeros((3, n_fft))
    squares = np.zeros((3, n_frames))
    step = 2 * max(1, int(chunk_bytes // (2 * 3 * 8 * n_fft)))
    # An infinite position gives NaN in its frame, which is refused below.
    with np.errstate(invalid="ignore"):
        for start in range(0, n_atoms, step):
            series = _paired(array[:, start : start + step], n_fft)
            squares += _sum_of_squares(series[..., :n_frames])
            power += _sum_of_squares(fft.fft(series, axis=-1, overwrite_x=True))
    require_finite(squares.T, "positions")
    correlation = fft.ifft(power, axis=-1).real[:, :n_lags].T
    ends = _sum_over_ends(squares.T, n_lags)
    return _per_origin((ends - 2.0 * correlation) / n_atoms, n_frames)


def msd_by_species(
    positions: ArrayLike, species: Sequence[str], max_lag: int | None = None
) -> dict[str, FloatArray]:
    """Self MSD per direction, (n_lags, 3) in Å², for each species name."""
    array = _check_positions(positions)
    labels = _check_labels(species, array.shape[1])
    return {str(name): msd_self(array[:, labels == name], max_lag) for name in np.unique(labels)}


def species_sums(
    positions: ArrayLike, species: Sequence[str]
) -> tuple[tuple[str, ...], FloatArray]:
    """Sum of displacements from the first frame per species.

    Returns the species names (sorted) and an array (n_frames, n_species, 3) in Å.
    """
    array = _check_positions(positions)
    n_frames, n_atoms = array.shape[:2]
    labels = _check_labels(species, n_atoms)
    names = tuple(str(name) for name in np.unique(labels))
    membership = np.array([labels == name for name in names], dtype=np.float64)
    sums = np.empty((n_frames, len(names), 3))
    step = max(1, _FRAMES_BYTES // (3 * 8 * n_atoms))
    for start in range(0, n_frames, step):
        frames = np.asarray(array[start : start + step], dtype=np.float64)
        sums[start : start + step] = membership @ frames
    require_finite(sums, "positions")
    return names, np.asarray(sums - sums[0])


def msd_collective(sums: ArrayLike, max_lag: int | None = None) -> FloatArray:
    """Collective MSD and its cross terms ⟨ΔR_i ΔR_j⟩ from one series per species.

    `sums` (n_frames, n_species, 3) in Å, sums of displacements. Returns
    (max_lag + 1, n_species, n_species, 3) in Å², per direction, not divided by the number of
    atoms; the cost does not depend on it.
    """
    array = np.asarray(sums, dtype=np.float64)
    array = check_sums(array, [str(i) for i in range(array.shape[1] if array.ndim > 1 else 0)])
    n_frames = array.shape[0]
    n_lags = _n_lags(n_frames, max_lag)
    n_fft = fft.next_fast_len(n_frames + n_lags - 1, real=True)
    series = np.ascontiguousarray((array - array[0]).transpose(1, 2, 0))
    spectrum = fft.rfft(series, n=n_fft, axis=-1)
    first, second = np.triu_indices(array.shape[1])
    # The symmetric part is what ΔR_i ΔR_j needs, and it is the real part of the cross spectrum.
    cross = spectrum.real[first] * spectrum.real[second]
    cross += spectrum.imag[first] * spectrum.imag[second]
    correlation = np.moveaxis(fft.irfft(cross, n=n_fft, axis=-1)[..., :n_lags], -1, 0)
    ends = _sum_over_ends(np.moveaxis(series[first] * series[second], -1, 0), n_lags)
    pairs = _per_origin(ends - 2.0 * correlation, n_frames)
    result = np.empty((n_lags, array.shape[1], array.shape[1], 3))
    result[:, first, second] = pairs
    result[:, second, first] = pairs
    return result


def msd_distinct(total: ArrayLike, self_part: ArrayLike) -> FloatArray:
    """Distinct part of an MSD: MSD_total (⟨|ΣΔr|²⟩/N) minus MSD_self, same shape and unit."""
    return np.asarray(total, dtype=np.float64) - np.asarray(self_part, dtype=np.float64)


def _paired(positions: NDArray[np.floating], n_fft: int) -> NDArray[np.complex128]:
    """Displacements from the first frame, two atoms in one complex series, zeros behind them.

    (n_frames, n_atoms, 3) becomes (3, half of the atoms, n_fft).
    """
    n_frames, n_atoms = positions.shape[:2]
    half = (n_atoms + 1) // 2
    series = np.zeros((3, half, n_fft), dtype=np.complex128)
    origin = np.asarray(positions[0], dtype=np.float64)
    moved = series[..., :n_frames]
    moved.real[:] = (positions[:, :half] - origin[:half]).transpose(2, 1, 0)
    moved.imag[:, : n_atoms - half] = (positions[:, half:] - origin[half:]).transpose(2, 1, 0)
    return series


def _sum_of_squares(series: NDArray[np.complex128]) -> FloatArray:
    """Σ |z|² over the second axis."""
    return np.asarray(
        np.einsum("caf,caf->cf", series.real, series.real)
        + np.einsum("caf,caf->cf", series.imag, series.imag)
    )


def _check_positions(positions: ArrayLike) -> NDArray[np.floating]:
    array = np.asanyarray(positions)
    if array.ndim != 3 or array.shape[2] != 3 or array.shape[1] == 0:
        msg = f"positions have shape {array.shape}, expected (n_frames, n_atoms, 3)"
        raise ValueError(msg)
    if array.shape[0] < 2:
        msg = f"positions hold {array.shape[0]} frame(s), expected at least 2"
        raise ValueError(msg)
    return array


def _check_labels(species: Sequence[str], n_atoms: int) -> NDArray[np.str_]:
    labels = np.asarray(species, dtype=np.str_)
    if labels.shape != (n_atoms,):
        msg = f"species hold {labels.size} names, expected one for each of {n_atoms} atoms"
        raise ValueError(msg)
    return labels


def _n_lags(n_frames: int, max_lag: int | None) -> int:
    lag = n_frames - 1 if max_lag is None else max_lag
    if not 1 <= lag < n_frames:
        msg = f"max_lag is {lag}, expected 1 to {n_frames - 1} for {n_frames} frames"
        raise ValueError(msg)
    return lag + 1


def _sum_over_ends(products: FloatArray, n_lags: int) -> FloatArray:
    """Σ_k p(k) + p(k + n) over the origins k of each lag n, along the first axis."""
    n_frames = len(products)
    zero = np.zeros((1, *products.shape[1:]))
    cumulative = np.concatenate([zero, np.cumsum(products, axis=0)])
    lags = np.arange(n_lags)
    return np.asarray(cumulative[n_frames - lags] + cumulative[-1] - cumulative[lags])


def _per_origin(totals: FloatArray, n_frames: int) -> FloatArray:
    origins = n_frames - np.arange(len(totals), dtype=np.float64)
    result = totals / origins.reshape(-1, *([1] * (totals.ndim - 1)))
    result[0] = 0.0
    return np.asarray(result)
