"""The lines of an OUTCAR before the first ionic step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms, units

from .fortran import NOTICE, fixed, row
from .job import Job
from .text_outputs import VERSION

RULE = "-" * 104


def header(job: Job) -> Iterator[str]:
    """Yield the header: version, potentials, dimensions, parameters, cell, k-points, positions."""
    yield f" vasp.{VERSION} ({NOTICE}; energies: ASE calculator {job.calculator})"
    yield "  "
    yield f" {NOTICE}: do not use as data"
    if job.vtst:
        yield f" VTST: version {NOTICE}"
    yield " running    1 mpi-ranks, with    1 threads/rank, on    1 nodes"
    yield from ("", "", RULE, "", "", " INCAR:")
    yield from (f"   {tag} = {text}" for tag, text in job.tags.items() if tag not in _PARSED)
    yield from (f" POTCAR:    {potential.title:<38}" for potential in job.potentials)
    yield from _potentials(job)
    yield from ("", RULE, "", "")
    yield from _dimensions(job)
    yield from _parameters(job)
    yield from ("", RULE, "", "")
    yield from cell_lines(job.poscar.atoms, job.parameters["ENCUT"])
    yield from ("", "")
    yield from _kpoints(job)
    yield from _positions(job.poscar.atoms)
    yield from ("", "", RULE, "", "")
    n_waves = plane_waves(job)
    for number, point in enumerate(job.kpoints.points, start=1):
        yield f" k-point {number:3d} : {row(point, 9, 4)}  plane waves: {n_waves:7d}"
    yield from (
        "",
        f" maximum and minimum number of plane-waves per node : {n_waves:9d}{n_waves:9d}",
    )
    yield from ("", "", RULE, "", "")


#: Tags that readers look for as ``TAG = integer``: they stand below, in the layout of VASP.
_PARSED = ("NELM", "NSW", "IBRION", "NBANDS", "ISPIN", "NWRITE", "SYSTEM")


def _potentials(job: Job) -> Iterator[str]:
    for potential in job.potentials:
        yield f" POTCAR:    {potential.title:<38}"
        yield f"   VRHFIN ={potential.element}: fake"
        yield "   LEXCH  = PE"
        yield f"   TITEL  = {potential.title}"
        yield (
            f"   POMASS ={potential.mass:9.3f}; ZVAL   ={potential.valence:9.3f}    mass and valenz"
        )
        yield f"   ENMAX  ={potential.enmax:9.3f}; ENMIN  ={0.75 * potential.enmax:9.3f} eV"


def plane_waves(job: Job) -> int:
    """Return how many plane waves lie within the cutoff: V·k³/6π², with ħ²k²/2m the cutoff."""
    wavevector = np.sqrt(job.parameters["ENCUT"] / (0.5 * units.Hartree * units.Bohr**2))
    return int(job.poscar.atoms.get_volume() * wavevector**3 / (6 * np.pi**2))


def _dimensions(job: Job) -> Iterator[str]:
    parameters, n_kpoints = job.parameters, len(job.kpoints.points)
    yield " Dimension of arrays:"
    yield (
        f"   k-points           NKPTS = {n_kpoints:6d}   k-points in BZ     NKDIM = {n_kpoints:6d}"
        f"   number of bands    NBANDS= {parameters['NBANDS']:6d}"
    )
    yield f"   number of dos      NEDOS =    301   number of ions     NIONS = {job.n_atoms:6d}"
    yield f"   total plane-waves  NPLWV = {plane_waves(job):6d}"
    yield "   ions per type =            " + "".join(f"{count:4d}" for count in job.poscar.counts)
    yield from ("", f" SYSTEM =  {parameters['SYSTEM']}", f" POSCAR =  {job.poscar.title[:40]}", "")


def _parameters(job: Job) -> Iterator[str]:
    p = job.parameters
    yield " Startparameter for this run:"
    yield f"   NWRITE = {p['NWRITE']:6d}    write-flag & timer"
    yield f"   PREC   = {str(p['PREC']).lower():<6}    normal or accurate"
    yield f"   ISTART = {p['ISTART']:6d}    job   : 0-new  1-cont  2-samecut"
    yield f"   ICHARG = {p['ICHARG']:6d}    charge: 1-file 2-atom 10-const"
    yield f"   ISPIN  = {p['ISPIN']:6d}    spin polarized calculation?"
    yield "   LNONCOLLINEAR =      F non collinear calculations"
    yield from ("", " Electronic Relaxation 1")
    yield f"   ENCUT  = {p['ENCUT']:6.1f} eV  {p['ENCUT'] / units.Ry:5.2f} Ry"
    yield (
        f"   NELM   = {p['NELM']:6d};   NELMIN= {p['NELMIN']:2d}; NELMDL= {p['NELMDL']:2d}"
        "     # of ELM steps"
    )
    yield f"   EDIFF  = {p['EDIFF']:.1E}   stopping-criterion for ELM"
    yield " Ionic relaxation"
    yield f"   EDIFFG = {p['EDIFFG']:.1E}   stopping-criterion for IOM"
    yield f"   NSW    = {p['NSW']:6d}    number of steps for IOM"
    yield f"   NBLOCK = {p['NBLOCK']:6d};   KBLOCK = {p['KBLOCK']:6d}    inner block; outer block"
    yield f"   IBRION = {p['IBRION']:6d}    ionic relax: 0-MD 1-quasi-New 2-CG"
    yield f"   ISIF   = {p['ISIF']:6d}    stress and relaxation"
    yield f"   ISYM   = {p['ISYM']:6d}    0-nonsym 1-usesym 2-fastsym"
    yield from ("", f"   POTIM  = {p.get('POTIM', 0.5):6.4f}    time-step for ionic-motion")
    yield f"   TEBEG  = {p['TEBEG']:6.1f};   TEEND  = {p['TEEND']:6.1f} temperature during run"
    yield f"   SMASS  = {p['SMASS']:6.2f}    Nose mass-parameter (am)"
    yield f"   PSTRESS= {p['PSTRESS']:6.1f} pullay stress"
    yield from ("", "  Mass of Ions in am")
    yield "   POMASS = " + "".join(f"{potential.mass:7.2f}" for potential in job.potentials)
    yield from ("  Ionic Valenz", "   ZVAL   = " + row([v.valence for v in job.potentials], 7, 2))
    yield f"   NELECT = {p['NELECT']:12.4f}    total number of electrons"
    yield from ("", " DOS related values:")
    yield f"   ISMEAR = {p['ISMEAR']:6d};   SIGMA  = {p['SIGMA']:6.2f}  broadening in eV"
    yield from ("", " Exchange correlation treatment:")
    yield f"   GGA     = {p['GGA']:>5}    GGA type"
    yield f"   IVDW    = {p['IVDW']:5d}    dispersion correction"
    yield f"   LDAU    = {'T' if p['LDAU'] else 'F':>5}    on-site repulsion"


def cell_lines(atoms: Atoms, encut: float) -> Iterator[str]:
    """Yield cutoff, volume and lattice vectors."""
    cell = atoms.cell.array
    reciprocal = np.linalg.inv(cell).T
    yield f"  energy-cutoff  :  {encut:10.2f}"
    yield f"  volume of cell :  {atoms.get_volume():10.2f}"
    yield "      direct lattice vectors                 reciprocal lattice vectors"
    for direct, inverse in zip(cell, reciprocal, strict=True):
        yield "  " + row(direct, 14, 9) + "   " + row(inverse, 14, 9)
    yield from ("", "  length of vectors")
    lengths = (np.linalg.norm(cell, axis=1), np.linalg.norm(reciprocal, axis=1))
    yield "  " + row(lengths[0], 14, 9) + "   " + row(lengths[1], 14, 9)


def _kpoints(job: Job) -> Iterator[str]:
    comment = job.kpoints.comment[:40]
    for title in ("in units of 2pi/SCALE and weight", "in reciprocal lattice and weights"):
        yield f" k-points {title}: {comment}"
        for point, weight in zip(job.kpoints.points, job.kpoints.weights, strict=True):
            yield " " + row(point, 12, 8) + fixed(weight, 12, 3)
        yield " "


def _positions(atoms: Atoms) -> Iterator[str]:
    yield " position of ions in fractional coordinates (direct lattice) "
    yield from (" " + row(position, 12, 8) for position in atoms.get_scaled_positions())
    yield from (" ", " position of ions in cartesian coordinates  (Angst):")
    yield from (" " + row(position, 12, 8) for position in atoms.get_positions(wrap=True))
    yield " "
