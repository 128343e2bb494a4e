"""vasprun.xml, written step by step: a run that dies leaves a file that breaks off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TextIO

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from .electrons import Energies
from .fortran import NOTICE, fixed, row
from .ionic import Frame
from .job import Job
from .text_outputs import VERSION
from .vasprun_parameters import incar_block, parameters_block


class VasprunWriter:
    """Writes vasprun.xml of one job."""

    def __init__(self, stream: TextIO, job: Job) -> None:
        self._stream = stream
        self._job = job

    def header(self) -> None:
        """Write all that comes before the first ionic step."""
        job = self._job
        self._write('<?xml version="1.0" encoding="ISO-8859-1"?>')
        self._write(f"<!-- {NOTICE}: energies of the ASE calculator {job.calculator} -->")
        self._write("<modeling>")
        self._write(" <generator>")
        self._write('  <i name="program" type="string">vasp </i>')
        self._write(f'  <i name="version" type="string">{VERSION} </i>')
        self._write(f'  <i name="subversion" type="string">{NOTICE} </i>')
        self._write('  <i name="platform" type="string">Python </i>')
        self._write(" </generator>")
        self._write(*incar_block(job))
        self._write(*self._kpoints())
        self._write(*parameters_block(job))
        self._write(*self._atominfo())
        self._write(*self._structure(job.poscar.atoms, "initialpos"))
        self._stream.flush()

    def electronic_steps(self, frame: Frame) -> None:
        """Open an ionic step and write its electronic ones."""
        self._write(" <calculation>")
        for energies in frame.electrons.steps:
            self._write("  <scstep>")
            self._write('   <time name="total">    0.00    0.00</time>')
            self._write(*_energy(energies, "   "))
            self._write("  </scstep>")
        self._stream.flush()

    def results(self, frame: Frame) -> None:
        """Write structure, forces, stress and energy of an ionic step and close it."""
        self._write(*self._structure(frame.atoms, None, "  "))
        self._write(*_varray("forces", frame.forces, "  "))
        if frame.stress is not None:
            self._write(*_varray("stress", -frame.stress / units.GPa * 10, "  "))
        kinetic = frame.kinetic_energy if self._job.is_dynamics else None
        self._write(*_energy(frame.electrons.final, "  ", kinetic))
        self._write('  <time name="totalsc">    0.00    0.00</time>', " </calculation>")
        self._stream.flush()

    def finish(self, atoms: Atoms) -> None:
        """Write the final positions, those of the step that would come next, and end the file."""
        self._write(*self._structure(atoms, "finalpos"))
        self._write("</modeling>")
        self._stream.flush()

    def _write(self, *lines: str) -> None:
        self._stream.writelines(line + "\n" for line in lines)

    def _kpoints(self) -> Iterator[str]:
        kpoints = self._job.kpoints
        yield " <kpoints>"
        if kpoints.divisions is not None:
            yield f'  <generation param="{kpoints.style}">'
            body = "".join(f"{n:9d}" for n in kpoints.divisions)
            yield f'   <v type="int" name="divisions">{body} </v>'
            yield f'   <v name="usershift">{row(kpoints.shift, 17, 8)} </v>'
            for number, vector in enumerate(np.eye(3), start=1):
                yield f'   <v name="genvec{number}">{row(vector, 17, 8)} </v>'
            yield f'   <v name="shift">{row((0, 0, 0), 17, 8)} </v>'
            yield "  </generation>"
        yield from _varray("kpointlist", kpoints.points, "  ")
        yield from _varray("weights", kpoints.weights[:, None], "  ")
        yield " </kpoints>"

    def _atominfo(self) -> Iterator[str]:
        job = self._job
        counts = job.poscar.counts
        yield " <atominfo>"
        yield f"  <atoms>{job.n_atoms:8d} </atoms>"
        yield f"  <types>{len(counts):8d} </types>"
        yield '  <array name="atoms" >'
        yield '   <dimension dim="1">ion</dimension>'
        yield '   <field type="string">element</field>'
        yield '   <field type="int">atomtype</field>'
        yield "   <set>"
        for number, (element, count) in enumerate(zip(job.elements, counts, strict=True), start=1):
            yield from [f"    <rc><c>{element:<2}</c><c>{number:4d}</c></rc>"] * count
        yield from ("   </set>", "  </array>")
        yield '  <array name="atomtypes" >'
        yield '   <dimension dim="1">type</dimension>'
        yield '   <field type="int">atomspertype</field>'
        yield '   <field type="string">element</field>'
        yield "   <field>mass</field>"
        yield "   <field>valence</field>"
        yield '   <field type="string">pseudopotential</field>'
        yield "   <set>"
        for potential, count in zip(job.potentials, counts, strict=True):
            yield (
                f"    <rc><c>{count:4d}</c><c>{potential.element:<2}</c>"
                f"<c>{fixed(potential.mass, 16, 8)}</c><c>{fixed(potential.valence, 16, 8)}</c>"
                f"<c>  {potential.title:<38}</c></rc>"
            )
        yield from ("   </set>", "  </array>", " </atominfo>")

    def _structure(self, atoms: Atoms, name: str | None, indent: str = " ") -> Iterator[str]:
        cell = atoms.cell.array
        yield indent + ("<structure>" if name is None else f'<structure name="{name}" >')
        yield f"{indent} <crystal>"
        yield from _varray("basis", cell, f"{indent}  ")
        yield f'{indent}  <i name="volume">{fixed(atoms.get_volume(), 16, 8)} </i>'
        yield from _varray("rec_basis", np.linalg.inv(cell).T, f"{indent}  ")
        yield f"{indent} </crystal>"
        positions = atoms.get_scaled_positions(wrap=False) % 1.0
        yield from _varray("positions", positions, f"{indent} ")
        flags = self._job.poscar.flags
        if name == "initialpos" and flags is not None:
            yield f'{indent} <varray type="logical" name="selective" >'
            yield from (f'{indent}  <v type="logical" > {line} </v>' for line in flags)
            yield f"{indent} </varray>"
        if name is not None and self._job.is_dynamics:
            # VASP gives them in direct coordinates for one time step.
            scale = units.fs * self._job.parameters["POTIM"]
            velocities = atoms.get_velocities() * scale @ np.linalg.inv(cell)
            yield from _varray("velocities", velocities, f"{indent} ")
        yield f"{indent}</structure>"


def _varray(name: str, table: Iterable[NDArray[np.float64]], indent: str) -> Iterator[str]:
    yield f'{indent}<varray name="{name}" >'
    yield from (f"{indent} <v>{row(vector, 17, 8)} </v>" for vector in table)
    yield f"{indent}</varray>"


def _energy(energies: Energies, indent: str, kinetic: float | None = None) -> Iterator[str]:
    values = {
        "e_fr_energy": energies.free,
        "e_wo_entrp": energies.without_entropy,
        "e_0_energy": energies.extrapolated,
    }
    if kinetic is not None:
        values |= {
            "kinetic": kinetic,
            "lattice kinetic": 0.0,
            "nosepot": 0.0,
            "nosekinetic": 0.0,
            "total": energies.free + kinetic,
        }
    yield f"{indent}<energy>"
    yield from (f'{indent} <i name="{n}">{fixed(v, 16, 8)} </i>' for n, v in values.items())
    yield f"{indent}</energy>"
