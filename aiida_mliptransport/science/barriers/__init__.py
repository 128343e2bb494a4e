"""Migration paths: their end points, given, built or harvested from a run, and their profiles."""

from .directional import DirectionalPath, DirectionalPaths, directional_end_points
from .end_point_checks import check_end_points
from .end_points import EndPoints, EndPointsError, match_order
from .straight_path import Approach, closest_approach

__all__ = [
    "Approach",
    "DirectionalPath",
    "DirectionalPaths",
    "EndPoints",
    "EndPointsError",
    "check_end_points",
    "closest_approach",
    "directional_end_points",
    "match_order",
]
