"""The LAMMPS script and data file of one MD run, rendered from typed settings only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..backends import LammpsPair

DATA_FILE = "structure.data"
# The suffix makes LAMMPS write it in binary: exact, and smaller than 15 digits of text.
DUMP_FILE = "trajectory.bin"
RESTART_INPUT_FILE = "parent.restart"
RESTART_OUTPUT_FILE = "final.restart"
SPECIES_FILE = "species.txt"
STATE_FILE = "state.txt"
THERMO_FILE = "thermo.txt"

#: Column name of the thermo file to LAMMPS keyword (``units metal``).
THERMO_KEYWORDS = {
    "step": "step",
    "time_ps": "time",
    "temperature_K": "temp",
    "potential_energy_eV": "pe",
    "kinetic_energy_eV": "ke",
    "total_energy_eV": "etotal",
    "conserved_energy_eV": "econserve",
    "pressure_bar": "press",
    "volume_A3": "vol",
    **{f"pressure_{ij}_bar": f"p{ij}" for ij in ("xx", "yy", "zz", "xy", "xz", "yz")},
}

#: Share of the wall clock limit kept for starting up, the last step and the restart file.
TIMEOUT_MARGIN = 0.05
#: Bounds of that margin in seconds: loading a model takes up to 10 s, writing rarely more than 300.
TIMEOUT_MARGIN_BOUNDS = (20, 300)

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Stride = Annotated[int, Field(ge=1)]


class LammpsMDParameters(BaseModel):
    """Settings of one run; nothing else reaches the script."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    ensemble: Literal["nvt", "npt", "nve"]
    temperature_K: _Positive
    pressure_bar: Annotated[float, Field(allow_inf_nan=False)] | None = None
    pressure_coupling: Literal["iso", "aniso", "tri"] = "iso"
    steps: Annotated[int, Field(ge=0)]
    equilibration_steps: Annotated[int, Field(ge=0)] = 0
    timestep_fs: Annotated[float, Field(gt=0, le=20)]
    thermostat_damping_fs: _Positive | None = None
    barostat_damping_fs: _Positive | None = None
    seed: Annotated[int, Field(ge=1, lt=2**31)]
    trajectory_stride: _Stride
    thermo_stride: _Stride | None = None
    species_stride: _Stride | None = None
    deviation_stride: _Stride | None = None
    store_velocities: bool = False
    store_forces: bool = False

    @model_validator(mode="after")
    def _pressure_belongs_to_npt(self) -> LammpsMDParameters:
        if (self.ensemble == "npt") != (self.pressure_bar is not None):
            raise ValueError(
                f"pressure_bar is {self.pressure_bar} for ensemble {self.ensemble!r}; give it for "
                "'npt' and only there"
            )
        return self

    @property
    def thermostat_ps(self) -> float:
        """Damping time; 100 steps where none is given, as the LAMMPS manual advises."""
        return 1e-3 * (self.thermostat_damping_fs or 100 * self.timestep_fs)

    @property
    def barostat_ps(self) -> float:
        """Damping time; 1000 steps where none is given, as the LAMMPS manual advises."""
        return 1e-3 * (self.barostat_damping_fs or 1000 * self.timestep_fs)


def type_elements(symbols: Sequence[str]) -> list[str]:
    """Return the chemical symbol of each LAMMPS atom type: by atomic number."""
    return sorted(set(symbols), key=lambda symbol: atomic_numbers[symbol])


def restricted_cell(
    cell: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return a lower triangular cell L and an orthogonal Q with ``cell = L @ Q``.

    LAMMPS wants the first vector along x and the second in the xy plane. Vectors (rows) go there
    by ``x @ Q.T`` and come back by ``x @ Q``. A left-handed cell gives a Q that mirrors, which
    changes no energy.
    """
    q, r = np.linalg.qr(np.asarray(cell, dtype=np.float64).T)
    signs = np.where(np.diag(r) < 0, -1.0, 1.0)
    lower = np.tril((signs[:, None] * r).T)
    rotation = (q * signs).T
    if np.array_equal(np.tril(cell), cell) and (np.diag(cell) > 0).all():
        return np.array(cell, dtype=np.float64), np.eye(3)
    return lower, rotation


def render_data(atoms: Atoms, charges: dict[str, float]) -> str:
    """Return the LAMMPS data file of a periodic structure, with 17 significant digits."""
    cell, rotation = restricted_cell(atoms.cell.array)
    elements = type_elements(atoms.get_chemical_symbols())
    positions = atoms.positions @ rotation.T
    lines = ["MD start structure", "", f"{len(atoms)} atoms", f"{len(elements)} atom types", ""]
    for axis, index in (("x", 0), ("y", 1), ("z", 2)):
        lines.append(f"0.0 {cell[index, index]:.17g} {axis}lo {axis}hi")
    lines.append(f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", ""]
    for number, element in enumerate(elements, start=1):
        lines.append(f"{number} {atomic_masses[atomic_numbers[element]]:.17g}")
    lines += ["", f"Atoms # {atom_style(charges)}", ""]
    for index, (number, position) in enumerate(zip(atoms.numbers, positions, strict=True)):
        symbol = chemical_symbols[number]
        columns = [str(index + 1), str(elements.index(symbol) + 1)]
        if charges:
            columns.append(f"{charges[symbol]:.17g}")
        columns += [f"{x:.17g}" for x in position]
        lines.append(" ".join(columns))
    return "\n".join(lines) + "\n"


def atom_style(charges: dict[str, float]) -> str:
    return "charge" if charges else "atomic"


def render_script(
    parameters: LammpsMDParameters,
    pair: LammpsPair,
    n_types: int,
    cell: npt.NDArray[np.float64],
    restart: bool,
    max_wallclock_seconds: int | None,
) -> str:
    """Return the script of one run.

    Parameters
    ----------
    parameters
    pair
        Lines of the backend.
    n_types
        Number of atom types.
    cell
        Restricted cell (3, 3) in Å.
    restart
        Whether the run continues from a restart file; velocities and thermostat come from there.
    max_wallclock_seconds
        LAMMPS stops before and writes its restart file.
    """
    p = parameters
    lines = ["units metal", f"atom_style {atom_style(dict(pair.charges))}", "boundary p p p"]
    if max_wallclock_seconds is not None:
        lines.insert(0, f"timer timeout {timeout_seconds(max_wallclock_seconds)} every 10")
    if restart:
        lines.append(f"read_restart {RESTART_INPUT_FILE}")
    else:
        if is_strongly_tilted(cell):
            lines.append("box tilt large")
        lines.append(f"read_data {DATA_FILE}")
    lines += pair.lines
    # A long cutoff in a dense crystal has more neighbours than the default of 2000.
    lines += [
        "neigh_modify every 1 delay 0 check yes one 10000 page 100000",
        f"timestep {1e-3 * p.timestep_fs!r}",
    ]
    if not restart:
        lines.append(
            f"velocity all create {p.temperature_K!r} {p.seed} mom yes rot no dist gaussian"
        )
    lines += [_integrator(p), f"thermo {p.thermo_stride or p.trajectory_stride}"]
    if p.equilibration_steps and not restart:
        lines += [
            f"run {p.equilibration_steps}",
            f'if "$(step) < {p.equilibration_steps}" then "quit 0"',
            "reset_timestep 0",
        ]
    lines.append(f'print "first_step $(step)" file {STATE_FILE} screen no')
    lines += _outputs(p, n_types)
    lines += [
        f"run {p.steps}",
        f"write_restart {RESTART_OUTPUT_FILE}",
        f'print "last_step $(step)" append {STATE_FILE} screen no',
    ]
    return "\n".join(lines) + "\n"


def timeout_seconds(max_wallclock_seconds: int) -> int:
    """Return after how many seconds LAMMPS stops by itself."""
    low, high = TIMEOUT_MARGIN_BOUNDS
    margin = min(max(TIMEOUT_MARGIN * max_wallclock_seconds, low), high)
    return max(1, int(max_wallclock_seconds - margin))


def _integrator(p: LammpsMDParameters) -> str:
    temperature = f"temp {p.temperature_K!r} {p.temperature_K!r} {p.thermostat_ps!r}"
    if p.ensemble == "nve":
        return "fix integrate all nve"
    if p.ensemble == "nvt":
        return f"fix integrate all nvt {temperature}"
    pressure = f"{p.pressure_coupling} {p.pressure_bar!r} {p.pressure_bar!r} {p.barostat_ps!r}"
    return f"fix integrate all npt {temperature} {pressure}"


def _outputs(p: LammpsMDParameters, n_types: int) -> list[str]:
    columns = "id type xu yu zu"
    columns += " vx vy vz" if p.store_velocities else ""
    columns += " fx fy fz" if p.store_forces else ""
    thermo = " ".join(f"$({keyword}:%.17g)" for keyword in THERMO_KEYWORDS.values())
    # '%.17g' would misread the step, an integer.
    thermo = thermo.replace("$(step:%.17g)", "$(step)")
    lines = [
        f"dump trajectory all custom {p.trajectory_stride} {DUMP_FILE} {columns}",
        "dump_modify trajectory sort id time yes",
        f"fix thermo_file all print {p.thermo_stride or p.trajectory_stride} "
        f'"{thermo}" file {THERMO_FILE} screen no title "{" ".join(THERMO_KEYWORDS)}"',
    ]
    if p.species_stride is None:
        return lines
    names = ["time_now"]
    lines.append("variable time_now equal time")
    for number in range(1, n_types + 1):
        lines.append(f"group species_{number} type {number}")
        for function in ("xcm", "vcm"):
            for axis in "xyz":
                name = f"{function}_{axis}_{number}"
                lines.append(f"variable {name} equal {function}(species_{number},{axis})")
                names.append(name)
    lines.append(
        f"fix species_file all ave/time {p.species_stride} 1 {p.species_stride} "
        + " ".join(f"v_{name}" for name in names)
        + f' mode scalar file {SPECIES_FILE} format " %.17g"'
    )
    return lines


def is_strongly_tilted(cell: npt.NDArray[Any]) -> bool:
    tilts = (cell[1, 0] / cell[0, 0], cell[2, 0] / cell[0, 0], cell[2, 1] / cell[1, 1])
    return bool(np.abs(tilts).max() > 0.5 + 1e-6)
