"""Tosi–Fumi rigid-ion parameters of the alkali halides with rock salt structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..science.units import ELEMENTARY_CHARGE_C
from .base import PotentialError

#: 10⁻¹⁹ J in eV; also 10⁻⁶⁰ erg·cm⁶ in eV·Å⁶ and 10⁻⁷⁶ erg·cm⁸ in eV·Å⁸.
_E19_JOULE_EV = 1e-19 / ELEMENTARY_CHARGE_C

#: Strength of the repulsion, eV: 0.338·10⁻¹⁹ J for all salts.
_REPULSION_EV = 0.338 * _E19_JOULE_EV

#: Ionic radii of Fumi and Tosi, Å.
_RADIUS_A = {
    "Li": 0.816, "Na": 1.170, "K": 1.463, "Rb": 1.587,
    "F": 1.179, "Cl": 1.585, "Br": 1.716, "I": 1.907,
}  # fmt: skip

#: Charge over the number of electrons in the outer shell, which enters Pauling's factor.
_CHARGE_PER_ELECTRON = {
    "Li": 1 / 2, "Na": 1 / 8, "K": 1 / 8, "Rb": 1 / 8,
    "F": -1 / 8, "Cl": -1 / 8, "Br": -1 / 8, "I": -1 / 8,
}  # fmt: skip


@dataclass(frozen=True)
class _Salt:
    """ρ (Å); C (10⁻⁶⁰ erg·cm⁶) and D (10⁻⁷⁶ erg·cm⁸) of cations, of unlike ions, of anions."""

    cation: str
    anion: str
    rho_A: float
    c: tuple[float, float, float]
    d: tuple[float, float, float]


_SALTS = {
    f"{salt.cation}{salt.anion}": salt
    for salt in (
        _Salt("Li", "F", 0.299, (0.073, 0.8, 14.5), (0.03, 0.6, 17.0)),
        _Salt("Li", "Cl", 0.342, (0.073, 2.0, 111.0), (0.03, 2.4, 223.0)),
        _Salt("Li", "Br", 0.353, (0.073, 2.5, 185.0), (0.03, 3.3, 423.0)),
        _Salt("Li", "I", 0.430, (0.073, 3.3, 378.0), (0.03, 5.3, 1060.0)),
        _Salt("Na", "F", 0.330, (1.68, 4.5, 16.5), (0.8, 3.8, 20.0)),
        _Salt("Na", "Cl", 0.317, (1.68, 11.2, 116.0), (0.8, 13.9, 233.0)),
        _Salt("Na", "Br", 0.340, (1.68, 14.0, 196.0), (0.8, 19.0, 450.0)),
        _Salt("Na", "I", 0.386, (1.68, 19.1, 392.0), (0.8, 31.0, 1100.0)),
        _Salt("K", "F", 0.338, (24.3, 19.5, 18.6), (24.0, 21.0, 22.0)),
        _Salt("K", "Cl", 0.337, (24.3, 48.0, 124.5), (24.0, 73.0, 250.0)),
        _Salt("K", "Br", 0.335, (24.3, 60.0, 206.0), (24.0, 99.0, 470.0)),
        _Salt("K", "I", 0.355, (24.3, 82.0, 403.0), (24.0, 156.0, 1130.0)),
        _Salt("Rb", "F", 0.328, (59.4, 31.0, 18.9), (82.0, 40.0, 23.0)),
        _Salt("Rb", "Cl", 0.318, (59.4, 79.0, 130.0), (82.0, 134.0, 260.0)),
        _Salt("Rb", "Br", 0.335, (59.4, 99.0, 215.0), (82.0, 180.0, 490.0)),
        _Salt("Rb", "I", 0.337, (59.4, 135.0, 428.0), (82.0, 280.0, 1200.0)),
    )
}

#: Formulas that have parameters.
TOSI_FUMI_SALTS = tuple(_SALTS)


def tosi_fumi_parameters(salt: str) -> dict[str, Any]:
    """Return charges and pairs of a Born–Mayer–Huggins potential, in eV and Å.

    The repulsion is b (1 + z_i/n_i + z_j/n_j) exp((σ_i + σ_j − r)/ρ): F. G. Fumi and M. P. Tosi,
    J. Phys. Chem. Solids 25, 31 and 45 (1964). The dispersion is that of J. E. Mayer, J. Chem.
    Phys. 1, 270 (1933). Both are tabulated by M. J. L. Sangster and M. Dixon, Adv. Phys. 25, 247
    (1976). The parameters reproduce the crystals at 300 K; in the melt ions are not polarisable.

    Raises
    ------
    PotentialError
        If there are no parameters for ``salt``.
    """
    if salt not in _SALTS:
        raise PotentialError(f"salt is {salt!r}, expected one of {list(TOSI_FUMI_SALTS)}")
    found = _SALTS[salt]
    cation, anion = found.cation, found.anion
    pairs = {}
    for number, (i, j) in enumerate(((cation, cation), (cation, anion), (anion, anion))):
        pauling = 1.0 + _CHARGE_PER_ELECTRON[i] + _CHARGE_PER_ELECTRON[j]
        pairs[f"{i}-{j}"] = {
            "A_eV": _REPULSION_EV * pauling,
            "rho_A": found.rho_A,
            "sigma_A": _RADIUS_A[i] + _RADIUS_A[j],
            "C_eV_A6": found.c[number] * _E19_JOULE_EV,
            "D_eV_A8": found.d[number] * _E19_JOULE_EV,
        }
    return {
        "form": "born_mayer_huggins",
        "charges": {cation: 1.0, anion: -1.0},
        "pairs": pairs,
        "source": "Fumi and Tosi 1964; Sangster and Dixon 1976",
    }
