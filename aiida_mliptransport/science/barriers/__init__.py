"""Migration paths: their end points, given, built or harvested from a run, and their profiles."""

from .band_force import max_band_force
from .directional import DirectionalPath, DirectionalPaths, directional_end_points
from .end_point_checks import check_end_points
from .end_points import EndPoints, EndPointsError, match_order
from .given_images import continuous, images_problem
from .harvest import Harvest, HarvestedHop, harvest_hops
from .harvest_settings import HarvestSettings
from .hop_kinds import HopKind, classify_hop
from .interpolation import idpp_path
from .mechanisms import HopMechanism, distinct_mechanisms
from .path_errors import PathForceErrors, force_errors_along
from .profile import PathProfile, path_profile
from .straight_path import Approach, closest_approach

__all__ = [
    "Approach",
    "DirectionalPath",
    "DirectionalPaths",
    "EndPoints",
    "EndPointsError",
    "Harvest",
    "HarvestSettings",
    "HarvestedHop",
    "HopKind",
    "HopMechanism",
    "PathForceErrors",
    "PathProfile",
    "check_end_points",
    "classify_hop",
    "closest_approach",
    "continuous",
    "directional_end_points",
    "distinct_mechanisms",
    "force_errors_along",
    "harvest_hops",
    "idpp_path",
    "images_problem",
    "match_order",
    "max_band_force",
    "path_profile",
]
