"""How the stand-in is told to fail, and the texts that VASP prints when it does."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Mode: what it does. ``=`` takes a number where one is named.
MODES = {
    "scf": "no ionic step converges within NELM",
    "md_scf": "ionic step =n does not converge within NELM",
    "slow_scf": "convergence takes =n electronic steps: more NELM mends it",
    "killed": "SIGKILL after =n ionic steps (1)",
    "truncated": "vasprun.xml and OUTCAR are cut after =x of their length (0.6)",
    "stop": "ends in order after =n ionic steps (1), as if a STOPCAR were there",
    "walltime": "=x seconds of sleep in each ionic step",
    "no_output": "ends without a file",
    "nan": "NaN in energy and forces of ionic step =n (1)",
    "overflow": "asterisks in the forces and stress of ionic step =n (1)",
    "brmix": "BRMIX at ionic step =n (1), and stops there",
    "brmix_warning": "BRMIX at ionic step =n (1), and goes on to the end",
    "zbrent": "ZBRENT at ionic step =n (2), and stops there",
    "edddav": "ZHEGV fails in EDDDAV at ionic step =n (1), and stops there",
    "eddrmm": "ZHEGV fails in EDDRMM: warnings, no convergence, goes on to the end",
}

#: Lines by which readers know an error; VASP prints them to stdout.
TEXTS = {
    "brmix": " BRMIX: very serious problems\n"
    " the old and the new charge density differ\n"
    " old charge density:    8.00004 new    7.99999",
    "zbrent": " ZBRENT: fatal error in bracketing\n"
    "     please rerun with smaller EDIFF, or copy CONTCAR\n"
    "     to POSCAR and continue",
    "edddav": " Error EDDDAV: Call to ZHEGV failed. Returncode =   7 1 8",
    "eddrmm": " WARNING in EDDRMM: call to ZHEGV failed, returncode =   6  3      1",
}
TEXTS["brmix_warning"] = TEXTS["brmix"]

_STOPS = {"brmix": 1, "zbrent": 2, "edddav": 1}
_SPECIFICATION = re.compile(r"(\w+)(?:=([\d.]+))?(?:@(\w+)=(\S+))?")


@dataclass(frozen=True)
class Failure:
    """One failure; ``mode`` is empty where the run is to succeed."""

    mode: str = ""
    value: float | None = None

    def strikes(self, mode: str, step: int, default: int = 1) -> bool:
        """Whether this is ``mode`` and ionic step ``step`` is the one it strikes."""
        return self.mode == mode and step == int(self.value or default)

    def electronic_steps(self, step: int, nelm: int) -> int | None:
        """Return how many electronic steps ionic step ``step`` needs; None for as many as usual."""
        if self.mode in ("scf", "eddrmm") or self.strikes("md_scf", step):
            return 2 * nelm
        return int(self.value or nelm) if self.mode == "slow_scf" else None

    def text(self, step: int) -> str | None:
        """Return what is printed in ionic step ``step``."""
        if self.mode == "eddrmm" or self.strikes("brmix_warning", step) or self.stops(step):
            return TEXTS[self.mode]
        return None

    def stops(self, step: int) -> bool:
        """Whether the program stops in ionic step ``step`` for the error that it printed."""
        return self.mode in _STOPS and self.strikes(self.mode, step, _STOPS[self.mode])


def find_failure(folder: Path, system: str, facts: Mapping[str, Any]) -> Failure:
    """Return the failure asked for.

    It is looked for in the environment variable ``VASP_STAND_IN_FAIL``, then in a file ``fail`` of
    the folder, then in the INCAR's SYSTEM as ``fail=…``. It reads ``mode``, ``mode=number``, and
    either of them with ``@FACT=value``: then it strikes only if that holds. Facts are all
    parameters of the INCAR, NATOMS, VOLUME (rounded), IMAGE (its number in a band, else 0),
    VELOCITIES and WAVECAR (T or F, whether the run starts from them), and ``ONCE=path``, which
    holds until that file exists, and makes it. Of several, separated by semicolons, the first
    counts whose condition holds.

    Raises
    ------
    ValueError
        If the mode is unknown, or there is no such fact.
    """
    text = os.environ.get("VASP_STAND_IN_FAIL", "")
    if not text and (folder / "fail").exists():
        text = (folder / "fail").read_text(encoding="utf-8").strip()
    if not text and (match := re.search(r"\bfail=(\S+)", system)):
        text = match.group(1)
    if not text:
        return Failure()
    for part in text.split(";"):
        match = _SPECIFICATION.fullmatch(part)
        if match is None or match.group(1) not in MODES:
            raise ValueError(f"failure is {part!r}; expected one of {', '.join(MODES)}")
        mode, value, fact, wanted = match.groups()
        if fact is None or _holds(fact, wanted, facts):
            return Failure(mode, None if value is None else float(value))
    return Failure()


def _holds(fact: str, wanted: str, facts: Mapping[str, Any]) -> bool:
    if fact == "ONCE":
        marker = Path(wanted)
        first = not marker.exists()
        marker.touch()
        return first
    if fact not in facts:
        raise ValueError(f"failure depends on {fact}, which is no tag and no fact of the run")
    found = facts[fact]
    if isinstance(found, bool):
        found = "T" if found else "F"
    try:
        return float(found) == float(wanted)
    except (TypeError, ValueError):
        return str(found).upper() == wanted.upper()
