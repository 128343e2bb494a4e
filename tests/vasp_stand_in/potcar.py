"""POTCAR: fakes that hold no VASP data, and the few lines of them that the stand-in reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ase.data import atomic_masses, atomic_numbers, chemical_symbols

#: Valence electrons that the fakes claim; four for all other elements.
VALENCE = {"H": 1, "Li": 1, "Na": 1, "O": 6, "S": 6, "F": 7, "Cl": 7, "P": 5, "Si": 4, "Cu": 11}

_FAKE = """\
  {title}
   {valence:.6f}
 parameters from PSCTR are:
   VRHFIN ={element}: fake
   LEXCH  = {lexch}
   EATOM  =     0.0000 eV,    0.0000 Ry

   TITEL  = {title}
   COPYR  = fake potential of the tests, holds no VASP data
   LULTRA =        F    use ultrasoft PP ?
   IUNSCR =        0    unscreen: 0-lin 1-nonlin 2-no
   RPACOR =    0.000    partial core radius
   POMASS ={mass:9.3f}; ZVAL   ={valence:9.3f}    mass and valenz
   RCORE  =    1.000    outmost cutoff radius
   RWIGS  =    1.000; RWIGS  =    0.529    wigner-seitz radius (au A)
   ENMAX  ={enmax:9.3f}; ENMIN  ={enmin:9.3f} eV
   LCOR   =        T    correct aug charges
   LPAW   =        T    paw PP
   EAUG   =  100.000
   RMAX   =    1.000    core radius for proj-oper
   RAUG   =    1.000    factor for augmentation sphere
   RDEP   =    1.000    radius for radial grids
   RDEPT  =    1.000    core radius for aug-charge
END of PSCTR-controll parameters
 fake potential of the tests without any data
  0.00000000E+00
 End of Dataset
"""


@dataclass(frozen=True)
class Potential:
    """One data set of a POTCAR."""

    title: str
    element: str
    valence: float
    mass: float
    enmax: float


def fake_potcar(
    element: str, symbol: str | None = None, enmax: float = 250.0, lexch: str = "PE"
) -> str:
    """Return the text of a fake POTCAR.

    Parameters
    ----------
    element : str
        Chemical symbol.
    symbol : str, optional
        Name of the potential, such as ``Li_sv``; by default the element.
    enmax : float
        Cutoff in eV that the fake claims.
    lexch : str
        Functional that it claims, as in LEXCH.

    Raises
    ------
    ValueError
        If there is no such element.
    """
    if element not in atomic_numbers:
        raise ValueError(f"element is {element!r}; expected a chemical symbol such as 'Li'")
    number = atomic_numbers[element]
    return _FAKE.format(
        title=f"PAW_PBE {symbol or element} fake",
        lexch=lexch,
        element=element,
        valence=float(VALENCE.get(element, 4)),
        mass=atomic_masses[number],
        enmax=enmax,
        enmin=0.75 * enmax,
    )


def write_family(folder: Path, symbols: Mapping[str, str], lexch: str = "PE") -> Path:
    """Write fakes as ``folder/<symbol>/POTCAR`` and return ``folder``.

    Parameters
    ----------
    folder : pathlib.Path
        Made if missing. Its name is the potential set that aiida-vasp notes.
    symbols : mapping
        Element by name of the potential: ``{"Li_sv": "Li", "Cl": "Cl"}``.
    lexch : str
        Functional that they claim.
    """
    for symbol, element in symbols.items():
        path = folder / symbol / "POTCAR"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fake_potcar(element, symbol, lexch=lexch), encoding="utf-8")
    return folder


def read_potcar(text: str) -> list[Potential]:
    """Return the data sets of a POTCAR in their order."""
    found = []
    for data in re.split(r"End of Dataset[^\n]*\n?", text):
        title = re.search(r"TITEL\s*=\s*(.+)", data)
        if title is None:
            continue
        name = title.group(1).strip()
        found.append(
            Potential(
                title=name,
                element=_element(name),
                valence=_number(data, "ZVAL"),
                mass=_number(data, "POMASS"),
                enmax=_number(data, "ENMAX"),
            )
        )
    if not found:
        raise ValueError("POTCAR has no line with TITEL; expected one in each data set")
    return found


def _element(title: str) -> str:
    words = title.split()
    symbol = (words[1] if len(words) > 1 else words[0]).split("_")[0]
    if symbol not in chemical_symbols:
        raise ValueError(f"TITEL is {title!r}; expected the element as second word")
    return symbol


def _number(data: str, key: str) -> float:
    match = re.search(rf"{key}\s*=\s*([-+.\dEe]+)", data)
    if match is None:
        raise ValueError(f"POTCAR has a data set without {key}")
    return float(match.group(1))
