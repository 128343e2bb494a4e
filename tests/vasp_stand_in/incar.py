"""INCAR: the tags of a file, and the parameters of a run with the defaults of VASP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Value = bool | int | float | str | list[int] | list[float]

#: Tags whose type is not that of a default below.
TYPES: dict[str, str] = {
    "ENCUT": "float",
    "NELECT": "float",
    "NBANDS": "int",
    "IBRION": "int",
    "ISIF": "int",
    "EDIFFG": "float",
    "TEEND": "float",
    "KBLOCK": "int",
    "ISYM": "int",
    "POTIM": "float",
    "MAGMOM": "floats",
    "LDAUL": "ints",
    "LDAUU": "floats",
    "LDAUJ": "floats",
    "LDAUTYPE": "int",
    "LANGEVIN_GAMMA": "floats",
    "RANDOM_SEED": "ints",
    "POMASS": "floats",
    "NCORE": "int",
    "KPAR": "int",
    "NPAR": "int",
    "LMAXMIX": "int",
    "LASPH": "bool",
    "IMAGES": "int",
    "SPRING": "float",
    "LCLIMB": "bool",
}

DEFAULTS: dict[str, Value] = {
    "SYSTEM": "unknown system",
    "PREC": "Normal",
    "ALGO": "Normal",
    "ISTART": 0,
    "ICHARG": 2,
    "EDIFF": 1e-4,
    "NELM": 60,
    "NELMIN": 2,
    "NELMDL": -5,
    "ISMEAR": 1,
    "SIGMA": 0.2,
    "KSPACING": 0.5,
    "KGAMMA": True,
    "ISPIN": 1,
    "LREAL": "F",
    "GGA": "--",
    "METAGGA": "--",
    "LHFCALC": False,
    "LUSE_VDW": False,
    "IVDW": 0,
    "LDAU": False,
    "LDAUTYPE": 2,
    "LASPH": False,
    "NSW": 0,
    "NFREE": 1,
    "PSTRESS": 0.0,
    "MDALGO": 0,
    "SMASS": -3.0,
    "TEBEG": 0.0,
    "NBLOCK": 1,
    "ANDERSEN_PROB": 0.0,
    "SYMPREC": 1e-5,
    "LORBIT": 0,
    "NWRITE": 2,
    "LWAVE": True,
    "LCHARG": True,
}


def read_tags(text: str) -> dict[str, str]:
    """Return the tags of an INCAR as text, by their names in capitals; the first of two counts."""
    joined = re.sub(r"\\[ \t]*\n", " ", text)
    tags: dict[str, str] = {}
    for line in joined.splitlines():
        content = re.split(r"[#!]", line, maxsplit=1)[0]
        # A title may hold a semicolon; only what looks like a tag begins anew.
        for part in re.split(r";(?=\s*\w+\s*=)", content):
            name, equals, value = part.partition("=")
            if equals:
                tags.setdefault(name.strip().upper(), value.strip())
    return tags


def type_of(tag: str) -> str:
    """Return ``bool``, ``int``, ``float``, ``str``, ``ints`` or ``floats``; unknown is ``str``."""
    if tag in TYPES:
        return TYPES[tag]
    return type(DEFAULTS[tag]).__name__ if tag in DEFAULTS else "str"


def typed(tag: str, text: str) -> Value:
    """Return the value of a tag; ValueError where it cannot be read as VASP reads it."""
    kind = type_of(tag)
    try:
        if kind == "bool":
            return _logical(text)
        if kind == "int":
            return int(float(text.split()[0]))
        if kind == "float":
            return _real(text.split()[0])
        if kind == "ints":
            return [int(number) for number in _repeated(text)]
        if kind == "floats":
            return _repeated(text)
    except (ValueError, IndexError) as error:
        raise ValueError(f"Error reading item '{tag}' from file INCAR: {text!r}") from error
    return text


def _logical(text: str) -> bool:
    letter = text.strip().lstrip(".")[:1].upper()
    if letter not in ("T", "F"):
        raise ValueError(text)
    return letter == "T"


def _real(text: str) -> float:
    return float(text.upper().replace("D", "E"))


def _repeated(text: str) -> list[float]:
    """Return numbers, some of which may be written as ``8*0.6``."""
    numbers: list[float] = []
    for word in text.split():
        count, star, value = word.partition("*")
        numbers += [_real(value)] * int(count) if star else [_real(word)]
    return numbers


def parameters(
    tags: Mapping[str, str], enmax: float, nelect: float, n_atoms: int
) -> dict[str, Any]:
    """Return all parameters of a run: the tags given, and VASP's defaults for the others.

    Parameters
    ----------
    tags : mapping
        What :func:`read_tags` returned.
    enmax, nelect : float
        Cutoff in eV and number of electrons from the POTCAR.
    n_atoms : int
        Number of atoms.
    """
    given = {tag: typed(tag, text) for tag, text in tags.items()}
    found: dict[str, Any] = {**DEFAULTS, **given}
    found.setdefault("ENCUT", enmax)
    found.setdefault("NELECT", nelect)
    found.setdefault("NBANDS", int(max(round(found["NELECT"] / 2) + n_atoms // 2, 8)))
    found.setdefault("IBRION", -1 if found["NSW"] in (-1, 0) else 0)
    # Why stresses are missing from so many molecular dynamics runs: VASP's default is 0 there.
    found.setdefault("ISIF", 0 if found["IBRION"] == 0 or found["LHFCALC"] else 2)
    found.setdefault("EDIFFG", 10 * found["EDIFF"])
    found.setdefault("TEEND", found["TEBEG"])
    found.setdefault("KBLOCK", max(found["NSW"], 1))
    found.setdefault("ISYM", 0 if found["IBRION"] == 0 else 2)
    found.setdefault("MAGMOM", [1.0] * n_atoms)
    found.setdefault("RANDOM_SEED", [0, 0, 0])
    if found["IBRION"] != 0:
        found.setdefault("POTIM", 0.5)
    return found
