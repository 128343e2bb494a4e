"""Recompute what four papers on ion transport state, where one number follows from another.

Run it with `python examples/paper_checks/paper_checks.py`: one table row a number. Nothing is
simulated; every row is a formula applied to stated numbers. README.md shows the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from ase.formula import Formula
from scipy import constants, stats

from aiida_mliptransport.science.transport.arrhenius import fit_arrhenius
from aiida_mliptransport.science.units import (
    BOLTZMANN_EV_K,
    THZ_TO_INVERSE_CM,
    density_g_cm3,
    nernst_einstein_mS_cm,
    number_density_m3,
    volume_for_density,
)

PAPER = "paper"
#: The exponents are lost in the copy that was read: the digits are the paper's.
DIGITS = "paper, digits"
SECONDARY = "secondary source"


@dataclass(frozen=True)
class Check:
    """One number: what the formula gives, and what is stated, where.

    `tolerance` is absolute, in the unit of the number: what the rounding of the stated number and
    of those that go into the formula leaves open.
    """

    paper: str
    quantity: str
    unit: str
    ours: float
    stated: float | None = None
    tolerance: float = 0.0
    source: str = ""
    note: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether both numbers agree; None where nothing is stated."""
        if self.stated is None:
            return None
        # The last term forgives only how decimal numbers are stored.
        return bool(abs(self.ours - self.stated) <= self.tolerance + 1e-9 * abs(self.stated))

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        if self.stated is None:
            verdict = "not stated"
        elif self.agrees:
            verdict = "agrees"
        else:
            verdict = f"differs, ratio {self.ours / self.stated:.4g}"
        return f"{verdict}; {self.note}" if self.note else verdict


def mass_u(formula: str) -> float:
    """Mass of a formula unit in u."""
    counts = Formula(formula).count().items()
    return float(sum(atomic_masses[atomic_numbers[symbol]] * n for symbol, n in counts))


#: Molar ratio: atoms, AlCl4, Al2Cl7, EMIm, lowest and highest density in g/mL.
TRAINING_CELLS = {
    1.0: (408, 17, 0, 17, 1.09, 1.44),
    1.3: (376, 11, 4, 15, 1.21, 1.52),
    1.5: (364, 7, 7, 14, 1.17, 1.52),
    1.7: (376, 4, 10, 14, 1.27, 1.55),
    2.0: (364, 0, 13, 13, 1.30, 1.56),
}
#: Molar ratio: atoms, AlCl4, Al2Cl7, EMIm, starting edge in Å, molar ratio of the training cell.
PRODUCTION_CELLS = {
    1.00: (10320, 430, 0, 430, 55.0, 1.0),
    1.30: (10080, 280, 120, 400, 55.0, 1.3),
    1.50: (9880, 190, 190, 380, 57.0, 1.5),
    1.75: (10260, 95, 285, 380, 57.0, 1.7),
    2.00: (10360, 0, 370, 370, 57.0, 2.0),
}


def atoms_mass_ratio(alcl4: int, al2cl7: int, emim: int) -> tuple[int, float, float]:
    """Atoms, mass in u, and AlCl3 per [EMIm]Cl of a cell."""
    parts = (("AlCl4", alcl4), ("Al2Cl7", al2cl7), ("C6H11N2", emim))
    atoms = sum(len(Formula(name)) * count for name, count in parts)
    return atoms, sum(mass_u(name) * count for name, count in parts), (alcl4 + 2 * al2cl7) / emim


def ionic_liquid_cells() -> Iterator[Check]:
    """Tables 1 and 2 of the paper: atoms, molar ratios, densities."""
    row = partial(Check, "[EMIm]Cl-AlCl3")
    for ratio, (stated, *counts, lowest, highest) in TRAINING_CELLS.items():
        atoms, mass, exact = atoms_mass_ratio(*counts)
        cell = f"training cell {ratio}"
        yield row(f"atoms, {cell}", "", atoms, stated, 0.0, PAPER)
        yield row(f"AlCl3 per EMImCl, {cell}", "", exact, ratio, 0.005, PAPER)
        for density in (lowest, highest):
            edge = volume_for_density(mass, density) ** (1.0 / 3.0)
            yield row(f"edge at {density:.2f} g/mL, {cell}", "Å", edge)
    for ratio, (stated, *counts, edge, training) in PRODUCTION_CELLS.items():
        atoms, mass, exact = atoms_mass_ratio(*counts)
        cell = f"production cell {ratio:.2f}"
        yield row(f"atoms, {cell}", "", atoms, stated, 0.0, PAPER)
        yield row(f"AlCl3 per EMImCl, {cell}", "", exact, ratio, 0.005, PAPER)
        density = density_g_cm3(mass, edge**3)
        lowest, highest = TRAINING_CELLS[training][-2:]
        note = "inside" if lowest <= density <= highest else "outside"
        note += f" the {lowest:.2f} to {highest:.2f} of the training cells"
        yield row(f"density at the starting edge, {cell}", "g/mL", density, note=note)


def transition_state_rate_per_ps(barrier_eV: float, temperature_K: float) -> float:
    """Rate (k_B T/h) exp(-E/k_B T) per ps: transmission 1, no entropy of activation."""
    attempt = constants.k * temperature_K / constants.h * constants.pico
    return float(attempt * np.exp(-barrier_eV / (BOLTZMANN_EV_K * temperature_K)))


def ionic_liquid_transport() -> Iterator[Check]:
    """Nernst-Einstein, transition-state theory, wavenumbers, all at 300 K."""
    row = partial(Check, "[EMIm]Cl-AlCl3")
    anions = nernst_einstein_mS_cm(4e-7, -1, 430, 55.0**3, 300.0)
    note = "430 anions in 55 Å at D(Al) = 4e-7 cm²/s; the rest is left to the cations"
    yield row("σ by Nernst-Einstein, anions", "mS/cm", anions, 27.37, 0.005, PAPER, note)
    yield row("D+ + D- that 27.37 mS/cm needs", "cm²/s", 4e-7 * 27.37 / anions)
    yield row("σ above experiment", "%", 100 * (27.37 / 23.15 - 1), 18.2, 0.05, PAPER)
    rate, attempt = (transition_state_rate_per_ps(barrier, 300.0) for barrier in (0.49, 0.0))
    note = "counts hold recrossings, or 0.49 eV is not the barrier of what was counted"
    for ratio, count in (("1:1.3", 0.00047), ("1:1.75", 0.00347)):
        name = f"conversions per Al at 0.49 eV, {ratio}"
        yield row(name, "1/ps", rate, count, 5e-6, PAPER, note)
        barrier = -BOLTZMANN_EV_K * 300.0 * np.log(count / attempt)
        yield row(f"barrier that this count means, {ratio}", "eV", barrier, 0.49, 0.005, PAPER)
    for frequency, modes in ((90.0, "H modes above"), (20.0, "Al-Cl modes below")):
        yield row(f"{modes} {frequency:g} THz", "1/cm", frequency * THZ_TO_INVERSE_CM)


CHLORIDE_VOLUME = 6.350 * 10.89 * 6.353 * np.sin(np.radians(110.1))


def energy_on_sigma_t(energy_eV: float) -> float:
    """Activation energy of σT where that of σ is given, at the temperatures of Li3TiCl6."""
    temperature = np.array([298.0, 313.0, 328.0, 333.0, 358.0, 373.0])
    sigma = np.exp(-energy_eV / (BOLTZMANN_EV_K * temperature))
    return fit_arrhenius(temperature, sigma, 0.1 * sigma, "sigmaT").activation_energy_eV


def chloride() -> Iterator[Check]:
    """Li3TiCl6: cell, occupancies, Nernst-Einstein, Haven ratio, Arrhenius convention."""
    row = partial(Check, "Li3TiCl6")
    note = f"6 Li in {CHLORIDE_VOLUME:.1f} Å³ (Z = 2)"
    yield row("number density of Li", "1/m³", number_density_m3(6, CHLORIDE_VOLUME), note=note)
    atoms = 1000 * 2 * len(Formula("Li3TiCl6"))
    yield row("atoms, 10×10×10 cells", "", atoms, 20000, 0.0, PAPER)
    for atoms, stated in ((160, 16), (320, 32)):
        yield row(f"Ti in {atoms} atoms", "", atoms / len(Formula("Li3TiCl6")), stated, 0.0, PAPER)
    for count, sites, stated in ((12, 16, 0.750), (27, 32, 0.844), (14, 16, 0.875)):
        yield row(f"Ti on 2a, {count} of {sites}", "", count / sites, stated, 0.0005, PAPER)
    for first, second in ((0.754, 0.123), (0.851, 0.075), (0.75, 0.125), (0.875, 0.063)):
        rest = (1.0 - first) / 2.0
        yield row(f"Ti on 4g, {first} on 2a", "", rest, second, 0.00075, PAPER)
    per_cm2_s = nernst_einstein_mS_cm(1.0, 1, 6, CHLORIDE_VOLUME, 298.0)
    needed, stated, haven = 1.06 / per_cm2_s, 1.6e-14, 14.0
    yield row("D_total that 1.06 mS/cm needs", "cm²/s", needed, stated, 5e-16, PAPER)
    note = "none of these readings gives σ"
    for reading, factor in (
        ("", 1.0),
        (", as m²/s", 1e4),
        (", as m²/s and times H_R", 1e4 * haven),
    ):
        sigma = stated * per_cm2_s * factor
        yield row(f"σ from D_total 1.6e-14{reading}", "mS/cm", sigma, 1.06, 0.005, PAPER, note)
    note = "σ = n e² D_self/(H_R k_B T), H_R = D_self/D_total = 14, above 1: anti-correlated"
    yield row("D_self that 1.06 mS/cm needs", "cm²/s", haven * needed, note=note)
    yield row("H_R in the inverse convention", "", 1.0 / haven, note="D_total/D_self")
    note = "ions that reach the third layer move several Å"
    for reading, total in (("as stated", stated), ("that σ needs", needed)):
        length = float(np.sqrt(6.0 * haven * total * 1e4 * 5500.0))
        yield row(f"root MSD after 5.5 ns, D {reading}", "Å", length, note=note)
    note = "0.32 eV is the experiment: the gap may be one of convention"
    on_sigma_t = energy_on_sigma_t(0.29)
    yield row("Ea on σT for 0.29 eV on σ", "eV", on_sigma_t, 0.32, 0.005, PAPER, note)


ANION_RADII_ANGSTROM = (1.81, 1.96, 2.20)
BULK_ENERGIES_EV = (0.3843, 0.4912, 0.6940)
#: Activation energy in eV and prefactor in 1e-7 cm²/s of Li6PS5I.
BULK, BOUNDARY = (0.694, 2.839e5), (0.5891, 2.907e5)
BOUNDARY_WIDTH_NM = 2.5


def boundary_fractions(grain_size_nm: float) -> dict[str, float]:
    """Volume fraction of grain boundary by each of its definitions."""
    thin = BOUNDARY_WIDTH_NM / grain_size_nm
    return {"δ/d": thin, "2δ/d": 2 * thin, "3δ/d": 3 * thin, "1-(1-δ/d)³": 1 - (1 - thin) ** 3}


def crossover_temperature(fraction: float) -> float:
    """Temperature in K where boundary and bulk side by side carry the same, f D_gb = (1-f) D_b."""
    share = (1.0 - fraction) / fraction * BULK[1] / BOUNDARY[1]
    return float((BULK[0] - BOUNDARY[0]) / (BOLTZMANN_EV_K * np.log(share)))


def argyrodite() -> Iterator[Check]:
    """Li6PS5X: linear barriers, grain boundary against bulk, grain size."""
    row = partial(Check, "Li6PS5X")
    atoms = 4 * len(Formula("Li6PS5Cl"))
    yield row("atoms, cubic cell (Z = 4)", "", atoms, 52, 0.0, SECONDARY)
    yield row("atoms, 10×10×10 cells", "", 1000 * atoms, 52000, 500.0, SECONDARY)
    line = stats.linregress(ANION_RADII_ANGSTROM, BULK_ENERGIES_EV)
    name = "slope of Ea in the anion radius"
    yield row(name, "eV/Å", float(line.slope), 0.799, 0.0005, SECONDARY)
    note = "three points: one degree of freedom"
    yield row("R² of that line", "", float(line.rvalue) ** 2, 0.998, 0.0005, SECONDARY, note)
    contrast = np.exp((BULK[0] - BOUNDARY[0]) / (BOLTZMANN_EV_K * 300.0))
    note = "from Ea and D0 of a secondary source"
    yield row("D_gb/D_b at 300 K, X = I", "", BOUNDARY[1] / BULK[1] * contrast, note=note)
    for name, fraction in boundary_fractions(1000.0).items():
        note = f"f = {fraction:.5f} for 1 µm grains and 2.5 nm boundaries"
        yield row(f"crossover, f = {name}", "K", crossover_temperature(fraction), note=note)
    # The tolerance is mostly that of the grain sizes, which are rounded too.
    for name in ("δ/d", "2δ/d", "1-(1-δ/d)³"):
        smallest = boundary_fractions(5.9)[name]
        contrast = smallest / (1.0 / 0.568 - 1.0 + smallest)
        note = f"D_gb/D_b = {contrast:.3f}, so that 5.9 nm gives 0.568"
        for size, stated, tolerance in ((110.0, 0.942, 0.0012), (1000.0, 0.993, 0.0006)):
            fraction = boundary_fractions(size)[name]
            mixed = 1.0 / (1.0 - fraction + fraction / contrast)
            title = f"D_macro/D_b, {size:g} nm, in series, f = {name}"
            yield row(title, "", mixed, stated, tolerance, SECONDARY, note)


#: Measured density of Li2CO3 in g/cm³.
CARBONATE_DENSITY = 2.11


def conductivity_S_m(density_m3: float, diffusion_m2_s: float) -> float:
    """Nernst-Einstein conductivity in S/m of univalent carriers at 300 K."""
    return density_m3 * constants.e**2 * diffusion_m2_s / (constants.k * 300.0)


def interphase() -> Iterator[Check]:
    """Li2CO3 and Li2EDC of the solid electrolyte interphase: cells, carriers, force errors."""
    row = partial(Check, "SEI")
    carbonate, dicarbonate = len(Formula("Li2CO3")), len(Formula("Li2C4H4O6"))
    yield row("atoms, 3×5×4 cells of Li2CO3 (Z = 4)", "", 60 * 4 * carbonate, 1440, 0.0, PAPER)
    yield row("atoms, 144 such cells and one Li", "", 144 * 4 * carbonate + 1, 3457, 0.0, PAPER)
    yield row("atoms, 72 Li2EDC", "", 72 * dicarbonate, 1152, 0.0, PAPER)
    packing = 8 * dicarbonate + 16 * carbonate + 64
    yield row("atoms, 8 Li2EDC, 16 Li2CO3 and 64 Li", "", packing, note="the largest packing")
    yield row("atoms, 168 Li2EDC", "", 168 * dicarbonate, 2688, 0.0, PAPER)
    yield row("lattice Li per interstitial, 1440 atoms", "", 1440 // carbonate * 2, 480, 0.0, PAPER)
    volume = volume_for_density(mass_u("Li2CO3"), CARBONATE_DENSITY)
    note = "at the measured density"
    yield row("edge, 1440 atoms", "Å", (240 * volume) ** (1 / 3), 25.0, 1.0, PAPER, note)
    for units, stated, tolerance in ((240, 7.1e25, 1e24), (576, 2.98e25, 5e23)):
        name = f"interstitials, one in {units} Li2CO3"
        density = number_density_m3(1, units * volume)
        yield row(name, "1/m³", density, stated, tolerance, DIGITS, note)
    sigma = conductivity_S_m(2.98e25, 1.76e-13)
    yield row("σ of Li2CO3, n of the interstitial", "S/m", sigma, 3.25e-5, 2e-7, DIGITS)
    note = "if D averages over all 1153 Li, σ is low by N_Li/N_def"
    name = "σ of Li2CO3, n of all Li"
    yield row(name, "S/m", 1153 * sigma, 3.25e-5, 2e-7, DIGITS, note)
    name = "Li2EDC, N_Li/N_def of its two n"
    note = "all Li, one of them interstitial, in 168 Li2EDC"
    yield row(name, "", 168 * 2 + 1, 1.18e28 / 3.50e25, 2.0, DIGITS, note)
    for density, stated, tolerance in ((1.18e28, 7.60e-4, 7e-6), (3.50e25, 2.26e-6, 2e-8)):
        name = f"σ of Li2EDC, n = {density:.3g}/m³"
        note = "both n with the same D, which belongs to one of them"
        sigma = conductivity_S_m(density, 1.04e-14)
        yield row(name, "S/m", sigma, stated, tolerance, DIGITS, note)
    # Errors of the same size in all directions: |Δf|² is the sum of three equal parts.
    root = float(np.sqrt(3.0))
    note = "if 0.34 is the norm of the vector; the component is that of another set of frames"
    name = "force RMSE, vector over component"
    yield row(name, "", root, 0.34 / 0.21, 0.065, PAPER, note)
    yield row("force RMSE 0.34, per component", "eV/Å", 0.34 / root, 0.21, 0.008, PAPER, note)


def checks() -> list[Check]:
    """All rows."""
    parts = (ionic_liquid_cells, ionic_liquid_transport, chloride, argyrodite, interphase)
    return [row for part in parts for row in part()]


def table(rows: list[Check]) -> str:
    """Markdown table of the rows."""
    head = ("paper", "quantity", "unit", "stated", "where", "ours", "verdict")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        stated = "" if row.stated is None else f"{row.stated:.5g}"
        count = row.ours < 1e6 and row.ours == int(row.ours)
        ours = f"{row.ours:.0f}" if count else f"{row.ours:.4g}"
        cells = (row.paper, row.quantity, row.unit, stated, row.source, ours, row.verdict)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(checks()))
