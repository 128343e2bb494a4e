"""A band of the stand-in converges, and fails, as VASP's do: in folders of its images."""

from __future__ import annotations

import contextlib
import io

import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.mep import NEB
from ase.optimize import BFGS
from parsevasp.outcar import Outcar

from .cases import copper_hop
from .fixtures import write_inputs
from .program import main

TAGS = {
    "IMAGES": 3, "SPRING": -5, "IBRION": 1, "NSW": 60, "EDIFFG": -0.03, "EDIFF": 1e-6,
    "SYSTEM": "calculator=emt",
}  # fmt: skip

pytestmark = pytest.mark.medium


@pytest.fixture
def run_band(tmp_path):
    def run(images, **tags):
        write_inputs(tmp_path, images[0], {**TAGS, **tags})
        for number, image in enumerate(images):
            (tmp_path / f"{number:02d}").mkdir()
            ase.io.write(tmp_path / f"{number:02d}" / "POSCAR", image, format="vasp", direct=True)
        stdout = io.StringIO()
        with contextlib.redirect_stdout(stdout):
            status = main(tmp_path)
        return tmp_path, status, stdout.getvalue()

    return run


def test_a_band_relaxes_to_the_saddle_of_its_calculator(run_band):
    images = copper_hop(3)
    folder, status, stdout = run_band(images)
    assert status == 0
    assert "reached required accuracy" in stdout
    # No file of an end: VASP computes none.
    assert sorted(path.name for path in (folder / "00").iterdir()) == ["POSCAR"]
    assert sorted(path.name for path in (folder / "04").iterdir()) == ["POSCAR"]
    # The first image speaks to stdout, the others into their folders.
    assert not (folder / "01" / "stdout").exists()
    assert (folder / "02" / "stdout").exists()
    energies = [
        ase.io.read(folder / f"{n:02d}" / "OUTCAR").get_potential_energy(force_consistent=True)
        for n in (1, 2, 3)
    ]
    band = copper_hop(3)
    for image in band:
        image.calc = EMT()
    with contextlib.redirect_stdout(io.StringIO()):
        chain = NEB(band, k=5.0, method="improvedtangent")
        assert BFGS(chain, logfile=None).run(fmax=0.03, steps=200)
    expected = [image.get_potential_energy() for image in band[1:-1]]
    assert energies == pytest.approx(expected, abs=2e-3)


def test_outcar_has_the_forces_of_the_atoms_and_apart_those_of_the_chain(run_band):
    folder, _, _ = run_band(copper_hop(3))
    for number in (1, 2, 3):
        text = (folder / f"{number:02d}" / "OUTCAR").read_text()
        frame = ase.io.read(folder / f"{number:02d}" / "OUTCAR")
        forces = frame.get_forces()
        frame.calc = EMT()
        np.testing.assert_allclose(forces, frame.get_forces(), atol=1e-3)
        block = text.split("CHAIN + TOTAL  (eV/Angst)")[-1].splitlines()[2 : 2 + len(frame)]
        chain = np.array([[float(word) for word in line.split()] for line in block])
        assert np.linalg.norm(chain, axis=1).max() < 0.03
    # The first image of three lies on the slope: there its own force is larger.
    first = ase.io.read(folder / "01" / "OUTCAR").get_forces()
    assert np.linalg.norm(first, axis=1).max() > 0.1


def test_one_image_alone_can_fail_to_converge(run_band):
    folder, status, _ = run_band(
        copper_hop(3), NELM=20, NSW=3, SYSTEM="calculator=emt fail=md_scf=2@IMAGE=2"
    )
    assert status == 0
    breaches = [
        Outcar(file_path=str(folder / f"{n:02d}" / "OUTCAR")).get_run_status()[
            "contains_nelm_breach"
        ]
        for n in (1, 2, 3)
    ]
    assert breaches == [False, True, False]


def test_a_climbing_image_needs_the_vtst_tools(run_band, monkeypatch):
    images = copper_hop(2)
    folder, _, _ = run_band(images, IMAGES=2, LCLIMB=True)
    plain = max(_energy(folder, n) for n in (1, 2))
    assert "VTST" not in (folder / "01" / "OUTCAR").read_text()
    monkeypatch.setenv("VASP_STAND_IN_VTST", "1")
    for number in range(4):
        for path in (folder / f"{number:02d}").iterdir():
            path.unlink()
        (folder / f"{number:02d}").rmdir()
    folder, _, _ = run_band(images, IMAGES=2, LCLIMB=True)
    assert "VTST: version" in (folder / "01" / "OUTCAR").read_text()
    assert max(_energy(folder, n) for n in (1, 2)) > plain + 0.02


def _energy(folder, number):
    return ase.io.read(folder / f"{number:02d}" / "OUTCAR").get_potential_energy()


def test_conjugate_gradients_are_refused(run_band):
    _, status, stdout = run_band(copper_hop(3), IBRION=2)
    assert status == 1
    assert "IBRION is 2 with IMAGES; expected 1 or 3" in stdout
