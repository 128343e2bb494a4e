"""Which frames to label: deviation, trust levels, screening, strategies, the blind test.

Weights of atoms that hop are in :mod:`.hop_weights`, which builds on :mod:`..transport`.
"""

from .batch import choose_batch
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
from .ladder import next_stage
from .leverage import LogDetSelection, greedy_log_det, leverage, species_leverage
from .limits import (
    PairLimits,
    ScreeningCriteria,
    contact_limits_from_frames,
    covalent_limits,
    known_contact_limits,
)
from .maxvol import extrapolation_grade, maxvol_rows
from .neighbours import NeighbourPairs, cell_heights, closest_contacts, neighbour_pairs
from .pool import Pool, informativeness
from .screening import Reason, ScreeningResult, physical_window, screen_frames
from .screening_parameters import ScreeningParameters
from .strategies import STRATEGIES, Strategy, get_strategy
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
    "STRATEGIES",
    "ClassCounts",
    "DeviationCalibration",
    "DiverseSelection",
    "ForceErrors",
    "FrameClass",
    "FrameDeviation",
    "FrameScores",
    "LogDetSelection",
    "NeighbourPairs",
    "PairLimits",
    "Pool",
    "Reason",
    "ScreeningCriteria",
    "ScreeningParameters",
    "ScreeningResult",
    "SpeciesForceErrors",
    "Strategy",
    "TrustLevels",
    "TrustProposal",
    "blind_capacity",
    "calibrate_deviation",
    "cell_heights",
    "choose_batch",
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
    "extrapolation_grade",
    "farthest_point_sampling",
    "force_deviation",
    "force_rmse",
    "frame_scores",
    "get_strategy",
    "greedy_log_det",
    "informativeness",
    "known_contact_limits",
    "levels_from_calibration",
    "leverage",
    "maxvol_rows",
    "neighbour_pairs",
    "next_stage",
    "physical_window",
    "pool_scores",
    "pooled_size",
    "radial_descriptor",
    "screen_frames",
    "species_deviation",
    "species_leverage",
    "statistical_inefficiency",
    "summarise_deviation",
    "trust_levels_from_blind",
]
