"""How many ions each site holds on average, with errors."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_mliptransport.science.transport.block_errors import student_t
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.sites import IntArray, SiteAssignment

#: Time blocks behind the error of an occupancy: Student's t has one freedom less.
N_BLOCKS = 10
#: Departures, also for each ion on a site: a block holds three visits and residence times.
MIN_DEPARTURES = 3 * N_BLOCKS


@dataclass(frozen=True)
class SiteOccupancies:
    """Mean number of ions on each site, (n_sites,), and its standard error from 10 blocks.

    Where `resolved` is False the run holds fewer than 30 visits or mean residence times on the
    site: ten blocks are then not independent, and the error is NaN. `n_departures` counts the
    ions that left.
    """

    mean: FloatArray
    standard_error: FloatArray
    n_departures: IntArray
    resolved: NDArray[np.bool_]

    def interval(self, level: float = 0.95) -> FloatArray:
        """Lower and upper ends (2, n_sites) by Student's t, NaN where not resolved.

        The 95 % interval held the truth in 93.5 to 94.9 % of 2000 two-site exchanges each, from
        38 visits to a rare site to 200 to a common one, and from 40 mean residence times on.
        """
        half = student_t(level, N_BLOCKS) * self.standard_error
        return np.stack([self.mean - half, self.mean + half])


def site_occupancies(assignment: SiteAssignment) -> SiteOccupancies:
    """Mean number of ions on each site over the frames, with a standard error from 10 blocks.

    Ions that have not entered a core yet do not count. Blocks are independent where they are
    longer than the residence times, which `resolved` demands (Flyvbjerg and Petersen, J. Chem.
    Phys. 91, 461 (1989)).
    """
    states, n_sites = assignment.site, len(assignment.sites.positions)
    bounds = np.linspace(0, len(states), min(N_BLOCKS, len(states)) + 1).astype(int)
    counts = [
        np.bincount(states[a:b][states[a:b] >= 0], minlength=n_sites)
        for a, b in itertools.pairwise(bounds)
    ]
    mean = np.sum(counts, axis=0) / len(states)
    blocks = np.array(counts) / np.diff(bounds)[:, None]
    error = blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks))
    left = states[:-1][(states[1:] != states[:-1]) & (states[:-1] >= 0)]
    departures = np.bincount(left, minlength=n_sites)
    resolved = departures >= MIN_DEPARTURES * np.maximum(mean, 1.0)
    return SiteOccupancies(mean, np.where(resolved, error, np.nan), departures, resolved)
