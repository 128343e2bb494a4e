"""One sentence that says whether the result can be trusted, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .model import Report
from .model_check import Check
from .numbers import number, percent, plural, plus_minus
from .stages import humanise

#: Check → words, and whether its value is a share.
_CHECKS = {
    "relative_force_rmse": ("Blind force RMSE over the RMS of the forces", True),
    "runs_broken_off": ("Runs of the last exploration that broke off", False),
    "share_accurate": ("Share of explored frames that are accurate", True),
    "upper_trust_level_over_accepted_rmse": (
        "Upper trust level over the force RMSE (per component) measured or asked for",
        False,
    ),
    # Of earlier campaigns, whose archives are still read.
    "upper_trust_level_over_blind_rmse": (
        "Upper trust level over the blind force RMSE per component",
        False,
    ),
    "iterations_that_labelled": ("Iterations that labelled", False),
    "structures_at_the_last_stage": ("Structures explored at the last stage of the ladder", False),
    "production_atoms": ("Atoms in the production MD", False),
    "temperatures": ("Temperatures of the production MD", False),
    "unresolved_diffusion": ("Number of diffusion coefficients not resolved", False),
    "log_log_slope_sigmas_from_1": (
        "Log–log slope of the MSD: largest distance from 1 in standard errors",
        False,
    ),
    "energy_rmse_meV_atom": ("Blind energy RMSE (meV/atom)", False),
    "stress_rmse_GPa": ("Blind stress RMSE (GPa)", False),
    "observable_interval": (
        "Half the 95 % interval (sampling and committee) of the observable, over its value",
        True,
    ),
    "observable_change": ("Change of the observable since the iteration before", True),
    "barriers_compared": ("Barriers compared with the labeller's", False),
    "bands_not_converged": ("Bands that did not converge", False),
    "largest_barrier_error_eV": ("Largest error of a barrier (eV)", False),
    "relative_error_D": ("Largest relative error of D", True),
}

#: Failed checks that the sentence names; the table has all.
MAX_NAMED = 3


@dataclass(frozen=True)
class Verdict:
    """``status`` is ``yes``, ``no`` or ``open``; ``word`` and ``sentence`` are for people."""

    status: str
    word: str
    sentence: str


def check_name(check: Check) -> str:
    """Return a check's name in words."""
    return _CHECKS[check.name][0] if check.name in _CHECKS else humanise(check.name)


def check_value(check: Check, value: object) -> str:
    """Return the value or limit of a check as it is read."""
    if check.name in _CHECKS and _CHECKS[check.name][1] and isinstance(value, int | float):
        return percent(float(value))
    return number(value)


def check_limit(check: Check) -> str:
    """Return the limit with its direction: ``≤ 15 %``.

    The direction is the recorded relation; where none is recorded, the one in which the value
    agrees with whether the check passed.
    """
    limit = check_value(check, check.limit)
    sign = {"at most": "≤", "at least": "≥"}.get(check.relation, "")
    values = (check.value, check.limit)
    if not sign and all(isinstance(v, int | float) for v in values) and check.value != check.limit:
        sign = "≤" if (check.value < check.limit) == check.passed else "≥"
    return f"{sign} {limit}".strip()


def verdict(report: Report) -> Verdict:
    """Return whether the process converged, and the reason."""
    if report.state in ("excepted", "killed"):
        return Verdict("no", "Not converged", f"The process was {_past(report.state)} before its "
                       "end; what it had reached by then follows.")  # fmt: skip
    if not report.finished:
        return Verdict("open", "Not finished", _progress(report))
    failed = [check for check in report.checks if not check.passed]
    if report.kind == "transport":
        return _transport_verdict(report, failed)
    if report.kind == "barriers":
        return _barriers_verdict(report)
    if report.kind == "validation":
        return _validation_verdict(report)
    if report.converged:
        return Verdict("yes", "Converged", _success(report))
    reasons = []
    if report.stop_reason:
        reasons.append(report.stop_reason.rstrip("."))
    elif report.exit_status:
        reasons.append(f"exit code {report.exit_status}, {report.exit_message.rstrip('.')}")
    if failed:
        reasons.append(_failed_text(failed, len(report.checks)))
    text = "; ".join(reasons) or "the process recorded no verdict"
    return Verdict("no", "Not converged", f"{text[:1].upper()}{text[1:]}.")


def _past(state: str) -> str:
    return "killed" if state == "killed" else "stopped by an exception"


def _progress(report: Report) -> str:
    if report.kind != "active_learning":
        return f"The process is {report.state}; what is there so far follows."
    done = sum(i.force_rmse is not None for i in report.iterations)
    return (
        f"The process is {report.state}; {plural(done, 'iteration')} ended with a blind test "
        "so far, and what is there follows."
    )


def _success(report: Report) -> str:
    parts = [f"After {plural(len(report.iterations), 'iteration')}"]
    if report.n_labels:
        parts[0] += f" and {plural(report.n_labels, 'label')}"
    errors = report.final_errors
    if errors is not None and errors.force_rmse is not None:
        error = plus_minus(errors.force_rmse, errors.force_rmse_error, "eV/Å")
        text = f"the force error on blind frames is {error}"
        if errors.relative is not None:
            text += f", {percent(errors.relative)} of the RMS of the forces"
        parts.append(text)
    if report.checks:
        parts.append(f"and all {len(report.checks)} checks passed")
    return ", ".join(parts) + "."


def _barriers_verdict(report: Report) -> Verdict:
    paths = report.barriers.paths if report.barriers is not None else ()
    if report.exit_status or not paths:
        reason = f"Exit code {report.exit_status}: {report.exit_message.rstrip('.')}."
        return Verdict("no", "Not all found", reason)
    pairs = [(path.profile("potential"), path.profile("labels")) for path in paths]
    errors = [abs(ours.barrier - theirs.barrier) for ours, theirs in pairs if ours and theirs]
    found = plural(len(paths), "barrier")
    if not errors:
        return Verdict("open", "Not compared", f"{found} found; no labeller was asked about them.")
    # Whether that is good enough is for a reader to say: a search alone has no target.
    return Verdict(
        "open",
        "Compared",
        f"{found} found; the labeller differs by {max(errors):.3f} eV at most on the same images.",
    )


def _validation_verdict(report: Report) -> Verdict:
    if report.validation is None:
        reason = f"Exit code {report.exit_status}: {report.exit_message.rstrip('.')}."
        return Verdict("no", "Not validated", reason)
    counts = report.validation.counts
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if counts["fail"]:
        return Verdict("no", "Not passed", f"Of {sum(counts.values())} lines: {text}.")
    status = "yes" if counts["pass"] and not counts["not available"] else "open"
    return Verdict(status, "Nothing failed", f"Of {sum(counts.values())} lines: {text}.")


def _transport_verdict(report: Report, failed: Sequence[Check]) -> Verdict:
    transport = report.transport
    if report.exit_status or transport is None or not transport.points:
        message = report.exit_message.rstrip(".") or "the process gave no observables"
        code = f"Exit code {report.exit_status}: " if report.exit_status else ""
        return Verdict("no", "Not resolved", f"{code}{message}.")
    every = [(p, d) for p in transport.points for d in p.diffusion]
    missing = [f"D({d.element}) at {p.temperature:g} K" for p, d in every if not d.resolved]
    missing += [
        f"σ at {p.temperature:g} K"
        for p in transport.points
        if p.conductivity is not None and not p.conductivity.resolved
    ]
    if missing:
        named = ", ".join(missing[:MAX_NAMED]) + (", …" if len(missing) > MAX_NAMED else "")
        return Verdict("no", "Not resolved", f"The MD is too short for {named}; the table says "
                       "how much it would take.")  # fmt: skip
    if failed:
        text = _failed_text(failed, len(report.checks))
        return Verdict("no", "Not converged", f"{text[:1].upper()}{text[1:]}.")
    count = len({p.temperature for p in transport.points})
    return Verdict("yes", "Resolved", f"Every diffusion coefficient and conductivity is resolved, "
                   f"at {plural(count, 'temperature')}.")  # fmt: skip


def _failed_text(failed: Sequence[Check], total: int) -> str:
    named = "; ".join(
        f"{_lower(check_name(check))}: {check_value(check, check.value)} "
        f"(limit {check_limit(check)})"
        if check.value is not None
        else f"{_lower(check_name(check))} has no value"
        for check in failed[:MAX_NAMED]
    )
    more = "; …" if len(failed) > MAX_NAMED else ""
    return f"{len(failed)} of {plural(total, 'check')} failed, {named}{more}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
