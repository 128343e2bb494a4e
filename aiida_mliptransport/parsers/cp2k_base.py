"""What all parsers of CP2K share: inputs, files, and whether the run was out of time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from ..calculations.walltime import WALLTIME_FILE
from ..science.cp2k_output import MainOutput, read_main_output
from .disk import disk_full_is_declared
from .text import read_text


class BaseCp2kParser(Parser):
    """Reads the main output, and leaves the rest to ``parse_run`` of a subclass."""

    @disk_full_is_declared
    def parse(self, **kwargs: Any) -> ExitCode | None:
        self._folder = Path(kwargs["retrieved_temporary_folder"])
        name = self.node.get_option("output_filename") or "aiida.out"
        names = self.retrieved.base.repository.list_object_names()
        if name not in names:
            return self.exit_codes.ERROR_OUTPUT_MISSING
        output = read_main_output(read_text(self.retrieved, name))
        if WALLTIME_FILE in names:
            output = replace(output, out_of_time=True)
        return self.parse_run(output)

    def parse_run(self, output: MainOutput) -> ExitCode | None:
        """Put out what there is, and say how the run ended."""
        raise NotImplementedError

    def job_inputs(self) -> dict[str, Any]:
        """Return the inputs as nested as the ports are."""
        flat: dict[str, Any] = {}
        files: dict[str, Any] = {}
        for link in self.node.base.links.get_incoming().all():
            if link.link_label.startswith("files__"):
                files[link.link_label.removeprefix("files__")] = link.node
            else:
                flat[link.link_label] = link.node
        return {**flat, "files": files}

    def text(self, name: str) -> str:
        """Return the content of a temporary file; nothing where there is none."""
        path = self._folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def frame_failure(index: int, identity: str | None, kind: str, message: str) -> dict[str, Any]:
    return {"index": index, "identity": identity, "class": kind, "message": message}
