"""The share of the hops that belong to a class, with an error that holds for bursts too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_mliptransport.science.transport.block_errors import (
    block_numbers,
    block_sums,
    jackknife_ratio,
    require_level,
    widening,
)
from aiida_mliptransport.science.transport.hop_rates import MIN_HOPS
from aiida_mliptransport.science.transport.hops import HopList


@dataclass(frozen=True)
class Share:
    """A share of the hops and its error.

    `dispersion` is the variance of the share over that of independent hops, at least 1. Where
    `resolved` is False fewer than four independent hops are on one side: value and error are
    None, and `reason` says so.
    """

    value: float | None
    standard_error: float | None
    n_hops: int
    n_all: int
    dispersion: float
    resolved: bool
    reason: str

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the share; ValueError where it is not resolved.

        Quantiles of a beta law (Jeffreys' interval: Brown, Cai and DasGupta, Stat. Sci. 16, 101
        (2001)) for the effective numbers of hops n / dispersion. Of 2000 trajectories each with a
        true share of 0.2, the 95 % interval held it in 96.6 % (320 independent hops), 96.9 % (80),
        and 95.7 % (320 hops made in pairs).
        """
        require_level(level)
        if not self.resolved:
            msg = f"no interval, the share is not resolved: {self.reason}"
            raise ValueError(msg)
        inside = self.n_hops / self.dispersion
        outside = (self.n_all - self.n_hops) / self.dispersion
        tails = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
        low, high = stats.beta.ppf(tails, inside + 0.5, outside + 0.5)
        return float(low), float(high)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary that JSON can hold."""
        return asdict(self)


def share_of_hops(hops: HopList, mask: NDArray[np.bool_]) -> Share:
    """Share of the hops in a mask (n_hops,), with an error by jackknife over 20 time blocks."""
    n_hops, n_all = int(mask.sum()), len(mask)
    if min(n_hops, n_all - n_hops) < MIN_HOPS:
        reason = f"{n_hops} of {n_all} hops, expected at least {MIN_HOPS:g} on either side"
        return Share(None, None, n_hops, n_all, 1.0, False, reason)
    block = block_numbers(hops.frame, hops.last_frame)
    value, error = jackknife_ratio(block_sums(block, mask), block_sums(block))
    binomial = value * (1.0 - value) / n_all
    dispersion = max(1.0, error**2 / binomial * widening() ** 2)
    if min(n_hops, n_all - n_hops) < MIN_HOPS * dispersion:
        reason = (
            f"{n_hops} of {n_all} hops come in bursts and count as {n_hops / dispersion:.2g} of "
            f"{n_all / dispersion:.2g}, expected at least {MIN_HOPS:g} on either side"
        )
        return Share(None, None, n_hops, n_all, dispersion, False, reason)
    standard_error = float(np.sqrt(binomial * dispersion))
    return Share(value, standard_error, n_hops, n_all, dispersion, True, "")
