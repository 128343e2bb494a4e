"""Hops of one element as a record: how often, how far, how correlated, how concerted."""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_mliptransport.science.transport.hop_diffusion import diffusion_from_hops
from aiida_mliptransport.science.transport.hop_layers import classify_layers
from aiida_mliptransport.science.transport.hop_rates import RateEstimate, estimate_rate
from aiida_mliptransport.science.transport.hop_shares import Share, share_of_hops
from aiida_mliptransport.science.transport.hop_strings import find_strings
from aiida_mliptransport.science.transport.hops import (
    HopList,
    hops_between_sites,
    hops_by_displacement,
    jump_length_histogram,
)
from aiida_mliptransport.science.transport.mechanism_settings import ConcertedSettings, HopSettings
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.site_occupancies import site_occupancies
from aiida_mliptransport.science.transport.site_settings import sites_of
from aiida_mliptransport.science.transport.sites import assign_sites

Record = dict[str, Any]
Curves = dict[str, FloatArray]

#: Shares of positions inside the core of a site below which the sites are not believed.
MIN_CORE_FRACTION = 0.5


def describe_hops(
    positions: FloatArray, n_runs: int, cell: FloatArray, dt_ps: float, settings: HopSettings
) -> tuple[Record, Curves]:
    """Return what the hops of one element tell, as a record and curves.

    Parameters
    ----------
    positions : (n_frames, n_runs · n_ions, 3) float
        Unwrapped positions of the ions relative to the framework, Å; runs side by side.
    cell : (3, 3) float
        Rows are vectors, Å.

    Returns
    -------
    record, curves
        The record has ``rate``, ``diffusion`` (of the hops), ``n_hops``, ``warning`` and, where
        asked for, ``layers`` and ``concerted``; the curves ``length_A``, ``length_count`` and,
        with sites, ``sites_A`` and ``occupancy``.
    """
    record: Record = {"method": "displacement", "warning": ""}
    curves: Curves = {}
    if settings.core_radius_A is not None:
        sites = sites_of(positions, cell, settings)
        assignment = assign_sites(positions, sites, settings.core_radius_A)
        hops = hops_between_sites(assignment, dt_ps)
        filled = site_occupancies(assignment)
        curves = {
            "sites_A": sites.positions,
            "occupancy": filled.mean / n_runs,
            "occupancy_error": filled.standard_error / n_runs,
        }
        record = {
            "method": "given sites" if settings.sites else "sites found by density",
            "n_sites": len(sites.positions),
            "core_fraction": assignment.core_fraction,
            "warning": _core_warning(assignment.core_fraction),
        }
        if len(set(sites.labels)) > 1:
            record["rate_by_label"] = {
                label: rate_record(estimate_rate(hops, label))
                for label in sorted(set(sites.labels))
            }
    else:
        window, threshold = settings.window_ps or 0.0, settings.threshold_A or 0.0
        hops = hops_by_displacement(positions, dt_ps, window, threshold)
    lengths = jump_length_histogram(hops, settings.bin_width_A)
    curves |= {"length_A": lengths.centres_angstrom, "length_count": lengths.counts.astype(float)}
    record |= {
        "n_hops": len(hops.ion),
        "exposure_ion_ps": hops.exposure_ps,
        "mean_length_A": float(hops.lengths.mean()) if len(hops.ion) else None,
        "rate": rate_record(estimate_rate(hops)),
        "diffusion": _diffusion_record(hops),
    }
    if settings.layers is not None:
        layers = classify_layers(
            hops, settings.layers.normal, layer_spacing_angstrom=settings.layers.spacing_A
        )
        record["layers"] = {
            "rate_within": rate_record(layers.rate_within),
            "rate_between": rate_record(layers.rate_between),
            "share_between": _share_record(layers.share_between),
        }
    if settings.concerted is not None:
        record["concerted"] = _concerted(hops, n_runs, cell, settings.concerted)
    return record, curves


def rate_record(estimate: RateEstimate) -> Record:
    """Return a rate and the residence time as plain values, with their 95 % intervals."""
    known = estimate.resolved
    return {
        **estimate.as_dict(),
        "interval_95": list(estimate.interval()) if known else None,
        "residence_interval_95": list(estimate.residence_interval()) if known else None,
    }


def _share_record(share: Share) -> Record:
    interval = list(share.interval()) if share.resolved else None
    return {**share.as_dict(), "interval_95": interval}


def _diffusion_record(hops: HopList) -> Record:
    estimate = diffusion_from_hops(hops)
    known = estimate.resolved
    return {
        **estimate.as_dict(),
        "correlation_factor_interval_95": (
            list(estimate.correlation_factor_interval()) if known else None
        ),
        "tracer_interval_95": list(estimate.tracer_interval()) if known else None,
    }


def _core_warning(fraction: float) -> str:
    if fraction >= MIN_CORE_FRACTION:
        return ""
    return (
        f"only {fraction:.0%} of all positions are in the core of a site: sites are missing, or "
        "core_radius_A is too small; in a liquid there are none, use window_ps and threshold_A"
    )


def _concerted(hops: HopList, n_runs: int, cell: FloatArray, settings: ConcertedSettings) -> Record:
    """Strings of hops, looked for in each run alone."""
    n_ions = len(hops.first_frame) // n_runs
    alone = np.ones(len(hops.ion), dtype=bool)
    sizes: dict[int, int] = {}
    chance = 0.0
    for run in range(n_runs):
        here = hops.ion // n_ions == run
        if not here.any():
            continue
        strings = find_strings(hops.select(here), cell, settings.window_ps, settings.distance_A)
        for size, count in strings.size_counts.items():
            sizes[size] = sizes.get(size, 0) + count
        ions = hops.ion[here]
        members = np.unique(np.stack([strings.label, ions]), axis=1)
        alone[here] = np.bincount(members[0])[strings.label] == 1
        chance += strings.chance * float(here.sum()) / len(hops.ion)
    return {
        "string_sizes": {str(size): sizes[size] for size in sorted(sizes)},
        "share": _share_record(share_of_hops(hops, ~alone)),
        "share_by_chance": chance,
    }
