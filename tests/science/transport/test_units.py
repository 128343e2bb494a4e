"""Conversions against reference values."""

import pytest
from ase import units as ase_units

from aiida_mliptransport.science import units


def test_constants_agree_with_ase() -> None:
    assert pytest.approx(ase_units.Hartree, rel=1e-7) == units.HARTREE_EV
    assert pytest.approx(ase_units.Bohr, rel=1e-7) == units.BOHR_ANGSTROM
    assert pytest.approx(ase_units.kB, rel=1e-6) == units.BOLTZMANN_EV_K
    assert pytest.approx(ase_units.GPa, rel=1e-6) == 1.0 / units.EV_ANGSTROM3_TO_GPA
    assert pytest.approx(1e4 * units.EV_ANGSTROM3_TO_GPA) == units.EV_ANGSTROM3_TO_BAR


def test_one_terahertz_is_33_wavenumbers() -> None:
    assert pytest.approx(33.35641, rel=1e-6) == units.THZ_TO_INVERSE_CM


def test_density_of_water_and_its_volume() -> None:
    # One molecule of 18.015 u in 29.92 Å³ is 1.000 g/cm³.
    assert units.density_g_cm3(18.015, 29.915) == pytest.approx(1.0, rel=1e-4)
    assert units.volume_for_density(18.015, 1.0) == pytest.approx(29.915, rel=1e-4)


def test_number_density_of_one_atom_per_cubic_nanometre() -> None:
    assert units.number_density_m3(1, 1000.0) == pytest.approx(1e27)


def test_a_volume_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="volume_angstrom3 is 0"):
        units.density_g_cm3(1.0, 0.0)
