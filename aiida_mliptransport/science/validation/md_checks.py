"""Lines of what MD shows: energies along a run, structure, stability and energy conservation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from .check import Count, Positive
from .errors import ErrorLimits
from .rdf_overlap import rdf_overlap
from .stability import EnergyDrift, TimeToFailure
from .verdict import SIGMAS, CheckLine, Quantity


class _Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LongRunLimits(_Limits):
    """Frames along the potential's own MD that the labeller is asked for, and how well they agree.

    Attributes
    ----------
    n_frames
        In all, evenly over the runs.
    max_shift_meV_atom
        Largest change of the mean energy error from the first to the second half of the runs.
    """

    n_frames: Count
    max_shift_meV_atom: Positive
    limits: ErrorLimits


class RdfLimits(_Limits):
    """Pairs of elements whose RDFs are compared, and how far they must overlap.

    Attributes
    ----------
    pairs
        Like ``Cl-Li``; all where None.
    reach_A, bin_width_A
        Å.
    n_blocks
        Blocks of time of each run, of its second half.
    """

    pairs: tuple[str, ...] | None = None
    reach_A: Positive
    bin_width_A: Positive
    n_blocks: Count
    min_overlap: Positive


class StabilityLimits(_Limits):
    """How long runs must live, and how well they must conserve energy.

    Attributes
    ----------
    min_mean_ps
        Mean time to failure, of which the lower bound at 95 % counts.
    max_drift_meV_atom_ps
        Drift of the conserved energy of the ensemble.
    """

    min_mean_ps: Positive
    max_drift_meV_atom_ps: Positive


def energy_shift_line(
    subject: str, errors_meV_atom: ArrayLike, late: ArrayLike, limit: float
) -> CheckLine:
    """Return the line of how the mean energy error changes along runs.

    Parameters
    ----------
    errors_meV_atom
        ``(n,)`` potential less labeller, of decorrelated frames.
    late
        ``(n,)`` whether a frame is of the second half of its run.
    limit
        meV/atom.
    """
    errors, second = np.asarray(errors_meV_atom, dtype=float), np.asarray(late, dtype=bool)
    quantity = Quantity(
        "long_run", subject, "change of the mean energy error per atom along the run", "meV"
    )
    parts = [errors[~second], errors[second]]
    if min(len(part) for part in parts) < 2:
        return quantity.not_available("fewer than two frames of either half have a label")
    variance = sum(part.var(ddof=1) / len(part) for part in parts)
    return quantity.at_most(
        float(parts[1].mean() - parts[0].mean()), limit, float(np.sqrt(variance))
    )


def rdf_line(
    subject: str, pair: str, potential: ArrayLike, labeller: ArrayLike, limits: RdfLimits
) -> CheckLine:
    """Return the line of one pair's RDFs ``(n_blocks, n_r)``."""
    quantity = Quantity("rdf", subject, f"what the RDFs of {pair} do not share", "")
    try:
        found = rdf_overlap(potential, labeller)
    except ValueError as error:
        return quantity.not_available(str(error))
    line = quantity.at_most(1.0 - found.overlap, 1.0 - limits.min_overlap, found.error)
    if line.verdict == "fail" and found.overlap + SIGMAS * found.error >= found.sampling:
        reason = (
            f"halves of the same runs share no more than {found.sampling:.3f}: no agreement beyond "
            "that can be seen; run longer"
        )
        return replace(line, verdict="warn", reason=reason)
    return line


def stability_line(subject: str, found: TimeToFailure, limits: StabilityLimits) -> CheckLine:
    """Return the line of the time to failure of the runs of one condition."""
    quantity = Quantity("stability", subject, "mean time to failure", "ps")
    wanted = limits.min_mean_ps
    told = f"{found.n_failed} of {found.n_runs} runs failed in {found.total_ps:.4g} ps"
    if found.low_ps >= wanted:
        return quantity.found("pass", "", found.mean_ps or found.low_ps)
    if found.high_ps is not None and found.high_ps < wanted:
        return quantity.found(
            "fail", f"{told}: between {found.low_ps:.3g} and {found.high_ps:.3g} ps", found.mean_ps
        )
    return quantity.found(
        "warn",
        f"{told}: above {found.low_ps:.3g} ps at 95 %, {wanted:g} are wanted; run more or longer",
        found.mean_ps or found.low_ps,
    )


def drift_line(subject: str, drifts: Sequence[EnergyDrift], limits: StabilityLimits) -> CheckLine:
    """Return the line of the mean drift of the runs of one condition."""
    quantity = Quantity("stability", subject, "drift of the conserved energy per atom", "meV/ps")
    if not drifts:
        return quantity.not_available("no run is long enough to see a drift")
    slope = float(np.mean([drift.slope for drift in drifts]))
    error = float(np.sqrt(np.sum([drift.error**2 for drift in drifts])) / len(drifts))
    return quantity.at_most(slope, limits.max_drift_meV_atom_ps, error)
