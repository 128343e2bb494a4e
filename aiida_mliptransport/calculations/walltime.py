"""Guard the script of a job: end it at its time limit, run it once if it is submitted twice."""

from __future__ import annotations

#: Written by the guard when the limit was hit; retrieve it and report a walltime exit code.
WALLTIME_FILE = "_walltime_exceeded"

#: Held while the programs of the job run.
LOCK_FILE = "_job_lock"

#: Exit status of the job, written when its programs have ended.
DONE_FILE = "_job_done"

#: Seconds between the polite signal and the one that cannot be ignored.
KILL_AFTER = 20


def walltime_guard(seconds: int | None) -> str:
    """Return shell lines for ``CalcInfo.prepend_text`` that end the job after ``seconds``.

    The submission script runs itself once more under ``timeout``, so that every program of the
    job is covered. ``core.direct`` ignores ``max_wallclock_seconds``, and a hanging job would
    hang for ever. On a real scheduler the guard acts only if the scheduler did not.

    AiiDA submits a job again when its worker was killed before it noted the job's number. The
    second script waits for the first, in the same folder, and then has nothing left to do; where
    ``flock`` is missing or the file system has no locks it runs as it would without the guard.
    """
    limited = 'bash "$0"'
    if seconds is not None:
        limited = f'timeout --kill-after={KILL_AFTER} {int(seconds)} bash "$0"'
    return (
        'if [ -z "${MLIPTRANSPORT_GUARDED:-}" ]; then\n'
        "  export MLIPTRANSPORT_GUARDED=1\n"
        f"  exec 9> {LOCK_FILE}\n"
        "  flock 9 || true\n"
        f"  if [ -e {DONE_FILE} ]; then\n"
        f'    echo "this job has run already; remove {DONE_FILE} to run it again" >&2\n'
        f'    exit "$(cat {DONE_FILE})"\n'
        "  fi\n"
        "  status=0\n"
        "  SECONDS=0\n"
        # The programs do not hold the lock: one that outlives the job must not block others.
        f"  {limited} 9>&- || status=$?\n"
        + _walltime_note(seconds)
        + f'  echo "$status" > {DONE_FILE}\n'
        '  exit "$status"\n'
        "fi\n"
    )


def _walltime_note(seconds: int | None) -> str:
    if seconds is None:
        return ""
    # A program that was killed, for memory or by hand, ends with 137 before its time.
    return (
        f'  if [ "$SECONDS" -ge {int(seconds)} ]; then case "$status" in 124|137) '
        f"echo {int(seconds)} > {WALLTIME_FILE};; esac; fi\n"
    )
