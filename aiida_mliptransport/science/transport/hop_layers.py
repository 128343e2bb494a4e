"""Hops within the layers of a structure and between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_mliptransport.science.transport.hop_rates import RateEstimate, estimate_rate
from aiida_mliptransport.science.transport.hop_shares import Share, share_of_hops
from aiida_mliptransport.science.transport.hops import HopList


@dataclass(frozen=True)
class LayerHops:
    """Hops within layers and between them: mask (n_hops,), rates per ion, share between."""

    between: NDArray[np.bool_]
    rate_within: RateEstimate
    rate_between: RateEstimate
    share_between: Share


def classify_layers(
    hops: HopList,
    normal: ArrayLike,
    layer_spacing_angstrom: float | None = None,
    max_angle_degrees: float | None = None,
) -> LayerHops:
    """Hops within a layer and between layers, by the jump's component along the plane normal.

    Give one criterion: with `layer_spacing_angstrom` a hop is between layers if it covers at
    least half the spacing along `normal` (3,); with `max_angle_degrees` if it leaves the plane
    by more than this angle. Raises ValueError for a normal without direction, and unless exactly
    one criterion is given.
    """
    axis = np.asarray(normal, dtype=np.float64)
    if axis.shape != (3,) or not 0.0 < np.linalg.norm(axis) < np.inf:
        msg = f"normal is {axis.tolist()}, expected a vector of three numbers that is not zero"
        raise ValueError(msg)
    height = np.abs(hops.vectors @ axis) / np.linalg.norm(axis)
    if layer_spacing_angstrom is not None and max_angle_degrees is None:
        between = height >= 0.5 * layer_spacing_angstrom
    elif max_angle_degrees is not None and layer_spacing_angstrom is None:
        between = height > hops.lengths * np.sin(np.radians(max_angle_degrees))
    else:
        msg = (
            f"layer_spacing_angstrom is {layer_spacing_angstrom} and max_angle_degrees "
            f"{max_angle_degrees}, expected exactly one of them"
        )
        raise ValueError(msg)
    return LayerHops(
        between,
        estimate_rate(hops.select(~between)),
        estimate_rate(hops.select(between)),
        share_of_hops(hops, between),
    )
