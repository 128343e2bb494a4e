"""The sites that settings name, in the cell of a simulation."""

from __future__ import annotations

import numpy as np

from aiida_mliptransport.science.transport.mechanism_settings import SiteSettings
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.site_density import find_sites
from aiida_mliptransport.science.transport.sites import Sites, sites_from_reference


def sites_of(positions: FloatArray, cell: FloatArray, settings: SiteSettings) -> Sites:
    """Return the given sites, strained to the cell, or those that the density shows.

    Parameters
    ----------
    positions : (n_frames, n_ions, 3) float
        Of the mobile ions relative to the framework, Å; not looked at where sites are given.
    cell : (3, 3) float
        Rows are vectors, Å.

    Raises
    ------
    ValueError
        As ``sites_from_reference`` and ``find_sites``.
    """
    given = settings.sites
    if given is None:
        return find_sites(
            positions,
            cell,
            settings.min_separation_A,
            settings.width_A,
            settings.min_occupancy,
        )
    unit = cell / np.array(given.repeats)[:, None]
    return sites_from_reference(
        np.array(given.scaled_positions) @ unit, unit, cell, given.repeats, given.labels
    )
