"""Hop rates and residence times, with errors that hold for bursts of hops too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_mliptransport.science.transport.block_errors import (
    block_numbers,
    block_sums,
    dispersion,
    require_level,
    time_in_blocks,
)
from aiida_mliptransport.science.transport.hops import HopList
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.sites import IntArray

#: Effective hops for which a rate counts as resolved: a relative error of a half.
MIN_HOPS = 4.0
#: A mean residence of fewer frames hides hops between frames.
MIN_RESIDENCE_FRAMES = 5.0


@dataclass(frozen=True)
class RateEstimate:
    """Hops per ion and ps, and the mean time between them, with errors.

    `dispersion` is the variance of the hop count over that of independent hops, at least 1; it
    widens every error. `n_censored` counts the stays that the end of the run cut. Where
    `resolved` is False the numbers are None, `reason` says why, `upper_bound_per_ps` is excluded
    with 95 % confidence, and `needed_length_ps` is a lower bound on the length of the run that
    would resolve it.
    """

    rate_per_ps: float | None
    standard_error_per_ps: float | None
    residence_ps: float | None
    residence_error_ps: float | None
    n_hops: int
    n_censored: int
    exposure_ps: float
    dispersion: float
    upper_bound_per_ps: float | None
    resolved: bool
    reason: str
    needed_length_ps: float | None
    warning: str

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the rate per ps.

        Γ(n + 1/2) quantiles (Jeffreys) of a Poisson count, for the effective number of hops
        n / dispersion. Of 2000 trajectories each, the 95 % interval held the truth in 96.3 % (96
        independent hops), 96.6 % (16), 98.3 % (8, where 87 % are resolved), and in 95.2 % for 96
        hops that two or four ions make at once, where a bare Poisson error held it in 83 % and
        70 %. Raises ValueError where the rate is not resolved.
        """
        require_level(level)
        if not self.resolved:
            msg = f"no interval, the rate is not resolved: {self.reason}"
            raise ValueError(msg)
        scale = self.dispersion / self.exposure_ps
        shape = self.n_hops / self.dispersion + 0.5
        low, high = stats.gamma.ppf([0.5 - 0.5 * level, 0.5 + 0.5 * level], shape)
        return float(low * scale), float(high * scale)

    def residence_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the residence time in ps, the inverse of that of the rate."""
        low, high = self.interval(level)
        return 1.0 / high, 1.0 / low

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class _Stays:
    """Stays on sites from `start` to `stop` (frames), and whether the ion then left."""

    start: IntArray
    stop: IntArray
    left: NDArray[np.bool_]


def estimate_rate(hops: HopList, site_label: str | None = None) -> RateEstimate:
    """Hops per ion and ps, and the mean residence time, of all sites or of those with a label.

    The maximum-likelihood rate of an exponential law of residence: complete departures over the
    time spent, also in the intervals that either end of the run cuts (Kalbfleisch and Prentice,
    The Statistical Analysis of Failure Time Data, 2nd ed., section 3.3); for another law it is
    the long-run mean. Counts in 20 blocks of time that scatter more than those of independent
    hops (concerted hops, bursts) widen the error; a burst must be shorter than a block.
    Raises ValueError for a label that no site has.
    """
    stays = _stays(hops, site_label)
    spent = time_in_blocks(stays.start, stays.stop, hops.last_frame) * hops.dt_ps
    counts = block_sums(block_numbers(stays.stop[stays.left], hops.last_frame))
    length_ps = hops.last_frame * hops.dt_ps
    n_censored = int((~stays.left & (stays.stop > stays.start)).sum())
    return _rate_from_counts(counts, spent, n_censored, length_ps, hops.dt_ps)


def _stays(hops: HopList, site_label: str | None) -> _Stays:
    """All stays of all ions, or those on sites with a label."""
    if site_label is not None and site_label not in hops.site_labels:
        msg = f"no site is labelled {site_label!r}, expected one of {sorted(set(hops.site_labels))}"
        raise ValueError(msg)
    ions = np.concatenate([np.arange(len(hops.first_frame)), hops.ion])
    starts = np.concatenate([hops.first_frame, hops.frame])
    sites = np.concatenate([hops.first_site, hops.destination])
    order = np.lexsort((starts, ions))
    ions, starts, sites = ions[order], starts[order], sites[order]
    left = np.append(ions[1:] == ions[:-1], False)
    stops = np.where(left, np.roll(starts, -1), hops.last_frame)
    if site_label is None:
        return _Stays(starts, stops, left)
    # The appended entry stands for ions that never entered a core.
    named = np.append(np.array(hops.site_labels) == site_label, False)[sites]
    return _Stays(starts[named], stops[named], left[named])


def _rate_from_counts(
    counts: FloatArray, spent_ps: FloatArray, n_censored: int, length_ps: float, dt_ps: float
) -> RateEstimate:
    n_hops, exposure = int(counts.sum()), float(spent_ps.sum())
    spread = dispersion(counts, spent_ps)
    effective = n_hops / spread
    reason, needed = _verdict(n_hops, effective, exposure, length_ps)
    rate = None if reason else n_hops / exposure
    relative = None if reason else effective**-0.5
    upper = float(stats.gamma.isf(0.05, effective + 1.0)) * spread
    return RateEstimate(
        rate_per_ps=rate,
        standard_error_per_ps=rate * relative if rate and relative else None,
        residence_ps=1.0 / rate if rate else None,
        residence_error_ps=relative / rate if rate and relative else None,
        n_hops=n_hops,
        n_censored=n_censored,
        exposure_ps=exposure,
        dispersion=spread,
        upper_bound_per_ps=upper / exposure if exposure else None,
        resolved=not reason,
        reason=reason,
        needed_length_ps=needed,
        warning=_warning(rate, dt_ps),
    )


def _verdict(
    n_hops: int, effective: float, exposure_ps: float, length_ps: float
) -> tuple[str, float | None]:
    """Why a rate is not resolved, '' where it is, and the length of run in ps it takes."""
    if effective >= MIN_HOPS:
        return "", None
    needed = length_ps * max(2.0, MIN_HOPS / max(effective, 1.0))
    reason = (
        f"{n_hops} hops in {exposure_ps:.4g} ion·ps count as {effective:.2g} independent ones, at "
        f"least {MIN_HOPS:g} are needed; run {needed:.3g} ps or more"
    )
    return reason, needed


def _warning(rate: float | None, dt_ps: float) -> str:
    if rate is None or rate * dt_ps * MIN_RESIDENCE_FRAMES <= 1.0:
        return ""
    return (
        f"the mean residence is {1.0 / (rate * dt_ps):.2g} frames: hops between frames are "
        f"missed; store frames more often than every {1.0 / (MIN_RESIDENCE_FRAMES * rate):.2g} ps"
    )
