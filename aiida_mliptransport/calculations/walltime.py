"""Enforce the wall clock limit of a job where its scheduler does not (``core.direct``)."""

from __future__ import annotations

#: Written by the guard when the limit was hit; retrieve it and report a walltime exit code.
WALLTIME_FILE = "_walltime_exceeded"

#: Seconds between the polite signal and the one that cannot be ignored.
KILL_AFTER = 20


def walltime_guard(seconds: int | None) -> str:
    """Return shell lines for ``CalcInfo.prepend_text`` that end the job after ``seconds``.

    The submission script runs itself once more under ``timeout``, so that every program of the
    job is covered. ``core.direct`` ignores ``max_wallclock_seconds``, and a hanging job would
    hang for ever. On a real scheduler the guard acts only if the scheduler did not.
    """
    if seconds is None:
        return ""
    return (
        'if [ -z "${MLIPTRANSPORT_GUARDED:-}" ]; then\n'
        "  export MLIPTRANSPORT_GUARDED=1\n"
        "  status=0\n"
        f'  timeout --kill-after={KILL_AFTER} {int(seconds)} bash "$0" || status=$?\n'
        # A program that was killed, for memory or by hand, ends with 137 before its time.
        f'  if [ "$SECONDS" -ge {int(seconds)} ]; then case "$status" in 124|137) '
        f"echo {int(seconds)} > {WALLTIME_FILE};; esac; fi\n"
        '  exit "$status"\n'
        "fi\n"
    )
