"""End a job with a declared exit code when the disk is full while its results are read."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from typing import Any

from aiida.engine import ExitCode

#: No space left on the device, or the user's quota is used up.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Parse = Callable[..., ExitCode | None]


def disk_full_is_declared(parse: Parse) -> Parse:
    """Wrap a ``parse`` method: a full disk gives ``ERROR_DISK_FULL``, other errors pass.

    What was read so far is dropped: nodes that wait to be stored would fail on the same disk,
    and half of a job's outputs look like a whole.
    """

    @wraps(parse)
    def guarded(self: Any, **kwargs: Any) -> ExitCode | None:
        try:
            return parse(self, **kwargs)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            self.outputs.clear()
            code: ExitCode = self.exit_codes.ERROR_DISK_FULL.format(reason=str(error))
            return code

    return guarded
