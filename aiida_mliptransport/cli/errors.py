"""Known errors as one line that says what to do; anything else keeps its traceback."""

from __future__ import annotations


def explain(error: Exception) -> str | None:
    """Return the line for a known error, or None for one that is a fault of the program."""
    from aiida.common import exceptions
    from aiida.engine.daemon.client import DaemonException

    if isinstance(error, ValueError) and type(error).__module__.startswith("aiida_mliptransport."):
        # Our own errors name the value, what was expected and the remedy.
        return str(error)
    if isinstance(error, DaemonException):
        return f"{error}; look at it with `verdi daemon status`"
    if isinstance(error, exceptions.LockedProfileError):
        return f"{error}; another program maintains the profile, try again when it ended"
    if isinstance(error, exceptions.IncompatibleStorageSchema):
        return f"{error}; run `verdi storage migrate`"
    if isinstance(error, exceptions.ConfigurationError):
        return f"{error}; make a profile with `verdi presto --use-zeromq`, or name one with -p"
    if isinstance(error, exceptions.InvalidOperation | exceptions.NotExistent):
        return str(error)
    return None
