"""What a POTCAR says that the inputs of VASP must agree with: functional and valence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .vasp_settings import VaspSettings

#: LEXCH of the POTCARs that each functional is run with. There are none made for PBEsol: its
#: calculations take those of PBE, which the level of theory then says.
_LEXCH = {"PBE": ("PE",), "PBEsol": ("PS", "PE"), "PW91": ("91",)}

#: LEXCH in words, for the level of theory and for messages.
_FUNCTIONALS = {"PE": "PBE", "PS": "PBEsol", "91": "PW91", "CA": "LDA"}


class PotcarError(ValueError):
    """POTCARs do not fit the settings; the message says which and how to mend it."""


@dataclass(frozen=True)
class Potcar:
    """What is read of a POTCAR, none of it licensed.

    Attributes
    ----------
    sha512 : str
        aiida-vasp's hash of the content.
    lexch : str
        Functional that it was made with: ``PE`` (PBE), ``91`` (PW91), ``CA`` (LDA).
    valence : float
        Electrons of the neutral atom (ZVAL).
    """

    sha512: str
    lexch: str
    valence: float


def read_potcar(sha512: str, text: str) -> Potcar:
    """Return what a POTCAR of one element says.

    Raises
    ------
    PotcarError
        If it has no LEXCH or ZVAL.
    """
    lexch = re.search(r"^\s*LEXCH\s*=\s*(\S+)", text, re.MULTILINE)
    valence = re.search(r"\bZVAL\s*=\s*([-+.\dEe]+)", text)
    if lexch is None or valence is None:
        raise PotcarError(
            f"the POTCAR with sha512 {sha512[:12]}… has no line with LEXCH or ZVAL, expected a "
            "PAW potential of VASP 5 or later"
        )
    return Potcar(sha512, lexch.group(1).upper(), float(valence.group(1)))


def potcar_functional(settings: VaspSettings, potcars: Mapping[str, Potcar]) -> str | None:
    """Return the functional of the POTCARs where it is not the one that is asked for.

    Parameters
    ----------
    potcars
        By element.

    Raises
    ------
    PotcarError
        If the POTCARs are of a functional that is not run with the one that is asked for, or of
        several.
    """
    found = {element: _name(potcar.lexch) for element, potcar in sorted(potcars.items())}
    expected = [_name(lexch) for lexch in _LEXCH[settings.functional]]
    if len(set(found.values())) > 1 or not set(found.values()) <= set(expected):
        raise PotcarError(
            f"functional is {settings.functional} and the POTCARs are of {found} (LEXCH), "
            f"expected all of {' or all of '.join(expected)}; choose another potential_family or "
            "functional"
        )
    (name,) = set(found.values()) or {settings.functional}
    return None if name == settings.functional else name


def electrons(settings: VaspSettings, potcars: Mapping[str, Potcar], symbols: list[str]) -> float:
    """Return NELECT of a cell: what the POTCARs bring less the charge.

    Parameters
    ----------
    potcars
        By element.
    symbols
        Of all atoms.

    Raises
    ------
    PotcarError
        If the charge leaves no electron.
    """
    neutral = float(np.sum([potcars[symbol].valence for symbol in symbols]))
    left = neutral - settings.charge
    if left <= 0:
        raise PotcarError(
            f"charge is {settings.charge} and the cell has {neutral:g} valence electrons, expected "
            "fewer charges than electrons"
        )
    return left


def _name(lexch: str) -> str:
    return _FUNCTIONALS.get(lexch, lexch)
