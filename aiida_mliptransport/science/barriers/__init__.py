"""Migration paths: their end points, given, built or harvested from a run, and their profiles."""

from .end_point_checks import check_end_points
from .end_points import EndPoints, EndPointsError, match_order
from .straight_path import Approach, closest_approach

__all__ = [
    "Approach",
    "EndPoints",
    "EndPointsError",
    "check_end_points",
    "closest_approach",
    "match_order",
]
