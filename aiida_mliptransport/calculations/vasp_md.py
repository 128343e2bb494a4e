"""``VaspMDCalculation``: MD by VASP that stops in order before its time is up, and goes on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida_vasp.calcs.vasp import VaspCalculation

from .walltime import WALLTIME_FILE, walltime_guard

#: Share of the wall clock time after which VASP is asked to stop: the step that runs then ends.
STOP_SHARE = 0.9


class VaspMDCalculation(VaspCalculation):
    """aiida-vasp's job that can start from a CONTCAR, with its velocities.

    The wall clock limit is kept: VASP reads a STOPCAR after 90 % of it and ends in order after the
    next ionic step; what runs longer than the limit is ended, also without a scheduler.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input(
            "restart",
            valid_type=orm.SinglefileData,
            required=False,
            help="CONTCAR of the run before, which takes the place of the structure: its positions "
            "are those of the next step. Elements and their order must be the structure's.",
        )

    def write_poscar(self, dst: str) -> None:
        """Write the POSCAR; a CONTCAR as VASP wrote it, with what follows the velocities."""
        if "restart" in self.inputs:
            Path(dst).write_text(self.inputs.restart.get_content(mode="r"), encoding="utf-8")
        else:
            super().write_poscar(dst)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        calcinfo = super().prepare_for_submission(folder)
        seconds = self.inputs.metadata.options.get("max_wallclock_seconds")
        calcinfo.prepend_text = walltime_guard(seconds) + stop_request(seconds)
        calcinfo.retrieve_list = [*calcinfo.retrieve_list, WALLTIME_FILE]
        return calcinfo


def stop_request(seconds: int | None, folders: Iterable[str] = (".",)) -> str:
    """Return shell lines that write VASP's STOPCAR into the folders after most of the time."""
    if seconds is None:
        return ""
    files = " ".join(f"{folder}/STOPCAR" for folder in folders)
    return (
        "(\n"
        "  trap 'kill \"$nap\"; exit 0' TERM\n"
        f"  sleep {max(1, int(STOP_SHARE * seconds))} &\n"
        "  nap=$!\n"
        '  wait "$nap"\n'
        f"  echo 'LSTOP = .TRUE.' | tee {files}\n"
        ") > /dev/null 2>&1 &\n"
        "stop_request=$!\n"
        "trap 'kill \"$stop_request\" 2> /dev/null' EXIT\n"
    )


def out_of_time(run: Any) -> bool:
    """Whether an MD run ended because of its wall clock limit, by a STOPCAR or by the guard."""
    if WALLTIME_FILE in run.outputs.retrieved.base.repository.list_object_names():
        return True
    return bool(run.outputs.misc["run_status"]["finished"])
