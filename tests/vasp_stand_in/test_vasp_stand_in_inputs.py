"""The stand-in takes its inputs as VASP does, and repeats them."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from pymatgen.io.vasp import Kpoints, Oszicar, Outcar

from .cases import DYNAMICS, SINGLE, quiet_vasprun, read_xml
from .fortran import NOTICE


def test_tags_come_back_in_vasprun_with_vasps_defaults(run_stand_in, atoms):
    tags = {
        "ENCUT": 320,
        "ISMEAR": 0,
        "SIGMA": 0.05,
        "GGA": "PE",
        "IVDW": 12,
        "LDAU": True,
        "LDAUL": "2 -1",
        "LDAUU": "3.5 0.0",
        "LDAUJ": "0.5 0.0",
        "KSPACING": 0.3,
        "NELM": 99,
    }
    vasprun = quiet_vasprun(run_stand_in(atoms, **SINGLE, **tags).folder)
    assert vasprun.incar["ENCUT"] == 320
    assert vasprun.hubbards == {"Li": 3.0, "Cl": 0.0}
    for name, value in {
        "ENMAX": 320.0,
        "ISMEAR": 0,
        "SIGMA": 0.05,
        "GGA": "Pe",
        "IVDW": 12,
        "LDAU": True,
        "LDAUU": [3.5, 0.0],
        "KSPACING": 0.3,
        "NELM": 99,
        "EDIFF": 1e-6,
        "NELMIN": 2,
        "NELECT": 32.0,
    }.items():
        assert vasprun.parameters[name] == value, name
    assert vasprun.potcar_symbols == ["PAW_PBE Li fake", "PAW_PBE Cl fake"]


def test_spin_is_written_where_readers_look_for_it(run_stand_in, atoms):
    moments = [1.0] * 4 + [0.5] * 4
    folder = run_stand_in(atoms, **SINGLE, ISPIN=2, MAGMOM="4*1.0 4*0.5", LORBIT=11).folder
    outcar = Outcar(folder / "OUTCAR")
    assert outcar.total_mag == pytest.approx(6.0)
    assert [site["tot"] for site in outcar.magnetization] == moments
    frame = ase.io.read(folder / "OUTCAR")
    assert frame.get_magnetic_moment() == pytest.approx(6.0)
    np.testing.assert_allclose(frame.get_magnetic_moments(), moments)
    assert float(Oszicar(folder / "OSZICAR").ionic_steps[-1]["mag"]) == pytest.approx(6.0)


def test_every_file_says_that_it_is_no_vasp_result(run_stand_in, atoms):
    done = run_stand_in(atoms, **DYNAMICS)
    names = ("vasprun.xml", "OUTCAR", "CONTCAR", "XDATCAR", "OSZICAR", "WAVECAR", "CHGCAR")
    for name in names:
        assert NOTICE in (done.folder / name).read_text(), name
    assert NOTICE in done.stdout
    assert "holds no VASP data" in (done.folder / "POTCAR").read_text()


def test_the_potcar_decides_the_elements_as_in_vasp(run_stand_in, atoms):
    done = run_stand_in(atoms, potcar=["Cl", "Li"], **SINGLE)
    assert read_xml(done.folder)[0].get_chemical_symbols() == ["Cl"] * 4 + ["Li"] * 4
    assert "POTCAR overwrites the type information" in done.stdout


def test_elements_may_come_in_several_groups(run_stand_in, atoms):
    atoms = atoms[[0, 1, 4, 5, 6, 7, 2, 3]]
    folder = run_stand_in(atoms, **SINGLE).folder
    for name in ("vasprun.xml", "OUTCAR", "CONTCAR"):
        assert ase.io.read(folder / name).get_chemical_symbols() == atoms.get_chemical_symbols()


def test_a_mesh_of_kpoints_is_halved_by_time_reversal(run_stand_in, atoms):
    mesh = {"KPOINTS": "mesh\n0\nGamma\n3 3 1\n0 0 0\n"}
    vasprun = quiet_vasprun(run_stand_in(atoms, files=mesh, **SINGLE).folder)
    assert len(vasprun.actual_kpoints) == 5
    assert vasprun.actual_kpoints_weights[0] == pytest.approx(1 / 9, abs=1e-8)
    assert sum(vasprun.actual_kpoints_weights) == pytest.approx(1, abs=1e-7)
    assert vasprun.kpoints.kpts == [(3, 3, 1)]
    assert vasprun.kpoints.style is Kpoints.supported_modes.Gamma


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"IBRION": 0, "NSW": 3}, "no entry for POTIM"),
        ({"ISIF": 4, "NSW": 3, "IBRION": 2}, "ISIF is 4"),
        ({"PSTRESS": 10}, "PSTRESS is 10"),
        ({**DYNAMICS, "ISIF": 3}, "keeps the cell"),
        ({"NELM": "many"}, "Error reading item 'NELM'"),
        ({"SYSTEM": "fail=sometimes"}, "failure is 'sometimes'"),
        ({"SYSTEM": "calculator=dft"}, "calculator is 'dft'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_is_not_imitated_is_refused_before_a_file_is_written(
    run_stand_in, atoms, tags, message
):
    done = run_stand_in(atoms, **tags)
    assert done.status == 1
    assert message in done.stdout
    assert not (done.folder / "vasprun.xml").exists()
