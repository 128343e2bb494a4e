"""OUTCAR, written step by step: a run that dies leaves a file that breaks off."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TextIO

import numpy as np
from ase import units

from .electrons import Energies
from .fortran import fixed, row
from .ionic import Frame
from .job import Job
from .outcar_header import RULE, cell_lines, header
from .text_outputs import magnetization

#: Order of the components of a stress in an OUTCAR: XX, YY, ZZ, XY, YZ, ZX.
_COMPONENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0))

#: Lines that VASP writes above the total.
_PARTS = (
    "Alpha Z",
    "Ewald",
    "Hartree",
    "E(xc)",
    "Local",
    "n-local",
    "augment",
    "Kinetic",
    "Fock",
)


class OutcarWriter:
    """Writes OUTCAR of one job."""

    def __init__(self, stream: TextIO, job: Job) -> None:
        self._stream = stream
        self._job = job
        self._start = time.monotonic()

    def header(self) -> None:
        """Write all that comes before the first ionic step."""
        self.write(header(self._job))

    def write(self, lines: Iterable[str]) -> None:
        """Write lines and flush."""
        self._stream.writelines(line + "\n" for line in lines)
        self._stream.flush()

    def electronic_steps(self, frame: Frame) -> None:
        """Write the electronic steps of an ionic one."""
        for number, energies in enumerate(frame.electrons.steps, start=1):
            self.write(self._electronic_step(frame.index, number, energies))
        if frame.electrons.converged:
            reason = " aborting loop because EDIFF is reached "
        else:
            reason = " aborting loop EDIFF was not reached (unconverged) "
        self.write(("", "", reason.center(104, "-"), "", ""))

    def results(self, frame: Frame) -> None:
        """Write magnetization, stress, cell, positions, forces and energies of an ionic step."""
        if self._job.parameters["ISPIN"] == 2 and self._job.parameters["LORBIT"] >= 10:
            self.write(self._site_magnetization())
        if frame.stress is not None:
            self.write(self._stress(frame))
        self.write((" VOLUME and BASIS-vectors are now :", " " + "-" * 77))
        self.write(cell_lines(frame.atoms, self._job.parameters["ENCUT"]))
        self.write(_forces(frame))
        self.write(_total_energy(frame.electrons.final))
        if self._job.is_dynamics:
            self.write(_dynamics(frame))

    def finish(self) -> None:
        """Write the timing, by which readers know that a run came to its end."""
        elapsed = time.monotonic() - self._start
        self.write(
            (
                "",
                " General timing and accounting informations for this job:",
                " ========================================================",
                "  ",
                f"                  Total CPU time used (sec): {elapsed:12.3f}",
                f"                            User time (sec): {elapsed:12.3f}",
                f"                          System time (sec): {0.0:12.3f}",
                f"                         Elapsed time (sec): {elapsed:12.3f}",
                "  ",
                f"                   Maximum memory used (kb): {0.0:12.0f}.",
                "                   Average memory used (kb):          N/A",
            )
        )

    def _electronic_step(self, ionic: int, number: int, energies: Energies) -> Iterator[str]:
        p = self._job.parameters
        yield f" Iteration {ionic:6d}({number:4d})  ".center(104, "-")
        yield from ("", "", "    --------------------------------------------")
        yield "      LOOP:  cpu time      0.0000: real time      0.0000"
        moment = fixed(magnetization(self._job), 14, 7) if p["ISPIN"] == 2 else " "
        yield from ("", f" number of electron {p['NELECT']:15.7f} magnetization {moment}", "")
        yield " Free energy of the ion-electron system (eV)"
        yield "  ---------------------------------------------------"
        entropy = energies.free - energies.without_entropy
        yield f"  entropy T*S    EENTRO = {fixed(entropy, 18, 8)}"
        yield "  ---------------------------------------------------"
        yield f"  free energy    TOTEN  = {fixed(energies.free, 18, 8)} eV"
        yield from ("", f"  energy without entropy ={_pair(energies)}", "", "", RULE, "", "")

    def _site_magnetization(self) -> Iterator[str]:
        moments = self._job.parameters["MAGMOM"]
        if "MAGMOM" not in self._job.tags:
            moments = [0.0] * self._job.n_atoms
        yield from ("", " magnetization (x)", " ")
        yield "# of ion       s       p       d       tot"
        yield "------------------------------------------"
        for number, moment in enumerate(moments, start=1):
            yield f"{number:5d}      {row((0, 0, moment, moment), 8, 3)}"
        total = sum(moments)
        yield "--------------------------------------------------"
        yield from (f"tot        {row((0, 0, total, total), 8, 3)}", " ")

    def _stress(self, frame: Frame) -> Iterator[str]:
        assert frame.stress is not None
        pressure = -frame.stress / units.GPa * 10
        values = np.array([pressure[component] for component in _COMPONENTS])
        in_ev = values * units.GPa / 10 * frame.atoms.get_volume()
        yield "  FORCE on cell =-STRESS in cart. coord.  units (eV):"
        yield "  Direction    XX          YY          ZZ          XY          YZ          ZX"
        yield "  " + "-" * 86
        # The stand-in has no parts; readers count the lines of VASP.
        yield from (f"  {part:<8}{row(np.zeros(6), 12, 5)}" for part in _PARTS)
        yield "  " + "-" * 86
        yield f"  Total   {row(in_ev, 12, 5)}"
        yield f"  in kB   {row(values, 12, 5)}"
        external = fixed(values[:3].mean(), 12, 2)
        yield f"  external pressure = {external} kB  Pullay stress = {0.0:11.2f} kB"
        yield ""
        # Neither "in kB" nor vasprun.xml has the kinetic part: only these three lines have.
        if self._job.is_dynamics:
            kinetic = np.array([frame.kinetic_pressure[component] for component in _COMPONENTS])
            yield f"  kinetic pressure (ideal gas correction) = {kinetic[:3].mean():9.2f} kB"
            yield f"  total pressure  = {fixed((values + kinetic)[:3].mean(), 9, 2)} kB"
            yield f"  Total+kin. {row(values + kinetic, 12, 3)}"
            yield ""


def _pair(energies: Energies) -> str:
    without, zero = fixed(energies.without_entropy, 18, 8), fixed(energies.extrapolated, 17, 8)
    return f"{without}  energy(sigma->0) ={zero}"


def _forces(frame: Frame) -> Iterator[str]:
    rule = " " + "-" * 83
    yield from (
        "",
        "",
        " POSITION                                       TOTAL-FORCE (eV/Angst)",
        rule,
    )
    positions = frame.atoms.get_positions(wrap=True)
    for position, force in zip(positions, frame.forces, strict=True):
        yield row(position, 13, 5) + "    " + row(force, 14, 6)
    yield rule
    drift = row(frame.forces.sum(axis=0), 14, 6)
    yield from (f"    total drift:                           {drift}", "", "", RULE, "", "", "")


def _total_energy(energies: Energies) -> Iterator[str]:
    yield "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)"
    yield "  ---------------------------------------------------"
    yield f"  free  energy   TOTEN  = {fixed(energies.free, 18, 8)} eV"
    yield from ("", f"  energy  without entropy={_pair(energies)}", " ", "", RULE, "", "")


def _dynamics(frame: Frame) -> Iterator[str]:
    free, kinetic = frame.electrons.final.free, frame.kinetic_energy
    yield "  ENERGY OF THE ELECTRON-ION-THERMOSTAT SYSTEM (eV)"
    yield "  ---------------------------------------------------"
    yield f"% ion-electron   TOTEN  = {fixed(free, 16, 6)}  see above"
    yield f"  kinetic energy EKIN   = {fixed(kinetic, 16, 6)}"
    yield f"  kin. lattice  EKIN_LAT= {0.0:16.6f}  (temperature {fixed(frame.temperature, 7, 2)} K)"
    yield f"  nose potential ES     = {0.0:16.6f}"
    yield f"  nose kinetic   EPS    = {0.0:16.6f}"
    yield "  ---------------------------------------------------"
    yield f"  total energy   ETOTAL = {fixed(free + kinetic, 16, 6)} eV"
    yield ""
