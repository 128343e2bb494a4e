"""How hops are looked for in runs whose hops become paths."""

from __future__ import annotations

from pydantic import Field

from ..transport.mechanism_settings import Positive, SiteSettings
from .mechanisms import TOLERANCE_ANGSTROM

__all__ = ["HarvestSettings"]


class HarvestSettings(SiteSettings):
    """Arguments of :func:`.harvest_hops` and :func:`.distinct_mechanisms`, and how many are kept.

    Attributes
    ----------
    symbol
        The element that hops.
    core_radius_A, window_ps, distance_A, interstitial_labels
        As in :func:`.harvest_hops`.
    tolerance_A
        As in :func:`.distinct_mechanisms`.
    min_count
        Hops that a mechanism needs, so that it is no accident of the assignment to sites.
    max_mechanisms
        Only so many of the most frequent ones become paths.
    """

    symbol: str
    core_radius_A: Positive
    window_ps: Positive
    distance_A: Positive
    interstitial_labels: list[str] = []
    tolerance_A: Positive = TOLERANCE_ANGSTROM
    min_count: int = Field(default=1, ge=1)
    max_mechanisms: int = Field(default=5, ge=1)
