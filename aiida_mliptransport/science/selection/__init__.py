"""Which frames to label: committee deviation, trust levels, screening, diversity, blind test."""

from .blind import (
    blind_capacity,
    decorrelated_from,
    draw_blind,
    effective_size,
    statistical_inefficiency,
)
from .calibration import (
    DeviationCalibration,
    FrameScores,
    calibrate_deviation,
    conformal_rank,
    frame_scores,
    levels_from_calibration,
    pool_scores,
    pooled_size,
)
from .deviation import FrameDeviation, force_deviation, species_deviation, summarise_deviation
from .diversity import (
    DiverseSelection,
    displacement_tolerance,
    farthest_point_sampling,
    radial_descriptor,
)
from .force_errors import ForceErrors, SpeciesForceErrors, force_rmse
from .limits import PairLimits, ScreeningCriteria, contact_limits_from_frames, covalent_limits
from .neighbours import NeighbourPairs, cell_heights, closest_contacts, neighbour_pairs
from .screening import Reason, ScreeningResult, physical_window, screen_frames
from .trust import (
    ClassCounts,
    FrameClass,
    TrustLevels,
    TrustProposal,
    classify,
    count_classes,
    trust_levels_from_blind,
)

__all__ = [
    "ClassCounts",
    "DeviationCalibration",
    "DiverseSelection",
    "ForceErrors",
    "FrameClass",
    "FrameDeviation",
    "FrameScores",
    "NeighbourPairs",
    "PairLimits",
    "Reason",
    "ScreeningCriteria",
    "ScreeningResult",
    "SpeciesForceErrors",
    "TrustLevels",
    "TrustProposal",
    "blind_capacity",
    "calibrate_deviation",
    "cell_heights",
    "classify",
    "closest_contacts",
    "conformal_rank",
    "contact_limits_from_frames",
    "count_classes",
    "covalent_limits",
    "decorrelated_from",
    "displacement_tolerance",
    "draw_blind",
    "effective_size",
    "farthest_point_sampling",
    "force_deviation",
    "force_rmse",
    "frame_scores",
    "levels_from_calibration",
    "neighbour_pairs",
    "physical_window",
    "pool_scores",
    "pooled_size",
    "radial_descriptor",
    "screen_frames",
    "species_deviation",
    "statistical_inefficiency",
    "summarise_deviation",
    "trust_levels_from_blind",
]
