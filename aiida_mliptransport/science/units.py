"""The only place for physical constants and unit conversions (CODATA values of scipy)."""

from __future__ import annotations

from scipy import constants

#: Boltzmann constant in eV/K.
BOLTZMANN_EV_K: float = constants.k / constants.e
#: Elementary charge in C.
ELEMENTARY_CHARGE_C: float = constants.e
#: Hartree energy in eV.
HARTREE_EV: float = constants.value("Hartree energy in eV")
#: Rydberg energy in eV.
RYDBERG_EV: float = HARTREE_EV / 2.0
#: Bohr radius in Å.
BOHR_ANGSTROM: float = constants.value("Bohr radius") / constants.angstrom
#: 1 Hartree/bohr in eV/Å.
HARTREE_BOHR_EV_ANGSTROM: float = HARTREE_EV / BOHR_ANGSTROM
#: 1 Å²/ps in cm²/s.
ANGSTROM2_PS_TO_CM2_S: float = 1e-4
#: 1 S/m in mS/cm.
S_M_TO_MS_CM: float = 10.0
#: 1 eV/Å³ in bar.
EV_ANGSTROM3_TO_BAR: float = constants.e / constants.angstrom**3 / constants.bar
#: 1 eV/Å³ in GPa.
EV_ANGSTROM3_TO_GPA: float = constants.e / constants.angstrom**3 / constants.giga
#: 1 eV/Å² in J/m².
EV_ANGSTROM2_TO_J_M2: float = constants.e / constants.angstrom**2
#: 1 THz in cm⁻¹.
THZ_TO_INVERSE_CM: float = constants.tera / (constants.c * 100.0)
#: Mass of 1 u in g.
ATOMIC_MASS_G: float = constants.atomic_mass * 1e3
#: 1 fs in ps.
FS_TO_PS: float = 1e-3

_CM3_PER_ANGSTROM3 = 1e-24


def density_g_cm3(mass_u: float, volume_angstrom3: float) -> float:
    """Mass density in g/cm³ of a cell of total mass `mass_u` (u) and volume (Å³)."""
    _require_positive("volume_angstrom3", volume_angstrom3)
    return float(mass_u * ATOMIC_MASS_G / (volume_angstrom3 * _CM3_PER_ANGSTROM3))


def volume_for_density(mass_u: float, density: float) -> float:
    """Cell volume in Å³ that gives a total mass `mass_u` (u) the density in g/cm³."""
    _require_positive("density", density)
    return float(mass_u * ATOMIC_MASS_G / density / _CM3_PER_ANGSTROM3)


def number_density_m3(number: float, volume_angstrom3: float) -> float:
    """Particles per m³ for `number` particles in a cell (Å³)."""
    _require_positive("volume_angstrom3", volume_angstrom3)
    return float(number / (volume_angstrom3 * constants.angstrom**3))


def charge_diffusivity_to_mS_cm(
    charge_diffusivity: float, volume_angstrom3: float, temperature_K: float
) -> float:
    """Conductivity σ = e² X / (V k_B T) in mS/cm.

    `charge_diffusivity` X in e²·Å²/ps is lim d/dt ⟨|Σ z ΔR|²⟩/6 (collective), or
    Σ z² N D (Nernst–Einstein); volume in Å³, temperature in K.
    """
    _require_positive("volume_angstrom3", volume_angstrom3)
    _require_positive("temperature_K", temperature_K)
    x_si = charge_diffusivity * constants.e**2 * constants.angstrom**2 / constants.pico
    volume_si = volume_angstrom3 * constants.angstrom**3
    return float(x_si / (volume_si * constants.k * temperature_K) * S_M_TO_MS_CM)


def nernst_einstein_mS_cm(
    diffusion_cm2_s: float,
    charge: float,
    number: float,
    volume_angstrom3: float,
    temperature_K: float,
) -> float:
    """Nernst–Einstein conductivity z² e² n D / (k_B T) in mS/cm of `number` ions in a cell.

    D in cm²/s, charge in e, volume in Å³, temperature in K.
    """
    diffusivity = diffusion_cm2_s / ANGSTROM2_PS_TO_CM2_S
    return charge_diffusivity_to_mS_cm(
        charge**2 * number * diffusivity, volume_angstrom3, temperature_K
    )


def _require_positive(name: str, value: float) -> None:
    if not value > 0.0:
        msg = f"{name} is {value}, expected a positive number"
        raise ValueError(msg)
