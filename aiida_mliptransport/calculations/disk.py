"""Declare how a job ends whose results did not fit on the disk of the one who reads them."""

from __future__ import annotations

from aiida.engine import CalcJobProcessSpec


def declare_disk_full(spec: CalcJobProcessSpec) -> None:
    """Add ``ERROR_DISK_FULL``, which ``parsers.disk`` gives, to a CalcJob's exit codes."""
    spec.exit_code(
        420,
        "ERROR_DISK_FULL",
        invalidates_cache=True,
        message="The disk is full where results are stored ({reason}). What the program wrote is "
        "still in the remote folder: free some space, then submit the same inputs with the output "
        "'remote_folder' beside 'code', which reads the results without another run.",
    )
