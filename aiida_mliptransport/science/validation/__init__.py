"""Validation of a potential against its labeller: cells, estimates, and lines of one table."""

from .check import CheckResult, Evaluated, FrameCheck
from .elastic import ElasticConstants, elastic_strains, fit_elastic_constants
from .eos import EquationOfState, delta_gauge, fit_equation_of_state
from .errors import ErrorLimits, error_lines
from .lattice import LatticeLimits, lattice_lines
from .md_checks import (
    LongRunLimits,
    RdfLimits,
    StabilityLimits,
    drift_line,
    energy_shift_line,
    rdf_line,
    stability_line,
)
from .phonons import DisplacedCells
from .rdf_overlap import RdfOverlap, rdf_overlap
from .settings import ValidationSettings
from .short_range import attraction_within
from .stability import EnergyDrift, TimeToFailure, energy_drift, time_to_failure
from .surfaces import excess_energy
from .verdict import CheckLine, Quantity, count_verdicts

#: Raised by one when an estimate changes: AiiDA's caching does not see this package's functions.
ESTIMATOR_VERSION = "1"

__all__ = [
    "ESTIMATOR_VERSION",
    "CheckLine",
    "CheckResult",
    "DisplacedCells",
    "ElasticConstants",
    "EnergyDrift",
    "EquationOfState",
    "ErrorLimits",
    "Evaluated",
    "FrameCheck",
    "LatticeLimits",
    "LongRunLimits",
    "Quantity",
    "RdfLimits",
    "RdfOverlap",
    "StabilityLimits",
    "TimeToFailure",
    "ValidationSettings",
    "attraction_within",
    "count_verdicts",
    "delta_gauge",
    "drift_line",
    "elastic_strains",
    "energy_drift",
    "energy_shift_line",
    "error_lines",
    "excess_energy",
    "fit_elastic_constants",
    "fit_equation_of_state",
    "lattice_lines",
    "rdf_line",
    "rdf_overlap",
    "stability_line",
    "time_to_failure",
]
