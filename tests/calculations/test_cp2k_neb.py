"""What a band of CP2K is given: its input, its images, and paths that it refuses."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk

from aiida_mliptransport.calculations.cp2k_band_input import band_files, band_motion
from aiida_mliptransport.calculations.cp2k_neb import Cp2kNebCalculation
from aiida_mliptransport.calculations.cp2k_settings import Cp2kNebParameters
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.science.units import HARTREE_BOHR_EV_ANGSTROM

pytestmark = pytest.mark.medium

SETTINGS = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "potential": "GTH-PBE",
    "cutoff_Ry": 150,
    "relative_cutoff_Ry": 25,
    "dispersion": "none",
}


def hop(n_images=3):
    """A lithium of LiCl that crosses the border of the cell."""
    start = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    images = []
    for fraction in np.linspace(0.0, 1.0, n_images):
        image = start.copy()
        image.positions[0] += [-fraction, 0.0, 0.0]
        image.wrap()
        images.append(image)
    return images


def path(images):
    return FrameSetData(Frames.from_atoms(images))


def data_files():
    text = {
        name: "\n".join(f"{element} {entry}" for element in ("Li", "Cl"))
        for name, entry in (("basis_set", "SZV-MOLOPT-SR-GTH"), ("potential", "GTH-PBE"))
    }
    return {
        name: orm.SinglefileData(io.BytesIO(content.encode()), filename=name)
        for name, content in text.items()
    }


def problem(images, **neb):
    inputs = {"path": path(images), "parameters": orm.Dict(SETTINGS), "files": data_files()}
    return Cp2kNebCalculation.validate_inputs({**inputs, "neb": orm.Dict(neb)}, None)


def test_images_are_written_without_jumps_and_the_ends_stay(generate_calc_job, make_code):
    folder, info = generate_calc_job(
        "mliptransport.cp2k.neb",
        {
            "code": make_code("cp2k"),
            "path": path(hop()),
            "parameters": orm.Dict(SETTINGS),
            "files": data_files(),
            "neb": orm.Dict({"steps": 7, "force_tolerance_eV_A": 0.2}),
        },
    )
    lines = [(folder / f"image_{i:03d}.xyz").read_text().splitlines()[2] for i in range(3)]
    x = [float(line.split()[1]) for line in lines]
    assert x == pytest.approx([0.0, -0.5, -1.0])
    text = (folder / "aiida.inp").read_text()
    for line in ("RUN_TYPE BAND", "BAND_TYPE CI-NEB", "NUMBER_OF_REPLICA 3", "MAX_STEPS 7",
                 "OPTIMIZE_END_POINTS .FALSE.", "STRESS_TENSOR NONE"):  # fmt: skip
        assert line in text
    assert re.findall(r"COORD_FILE_NAME (image_\d+)", text) == [f"image_{i:03d}" for i in range(3)]
    files = [name for names in band_files("aiida", 3).values() for name in names]
    assert sorted(info.retrieve_temporary_list) == sorted([*files, "images.log"])


def test_tolerance_and_spring_are_given_in_atomic_units():
    neb = Cp2kNebParameters(force_tolerance_eV_A=0.05, spring_eV_A2=2.0)
    band = band_motion(neb, ["a", "b", "c"])["BAND"]
    component = band["CONVERGENCE_CONTROL"]["MAX_FORCE"] * HARTREE_BOHR_EV_ANGSTROM
    assert component == pytest.approx(0.05 / np.sqrt(3))
    # 1 hartree/bohr² is 97.17 eV/Å².
    assert band["K_SPRING"] == pytest.approx(2.0 / 97.1736, rel=1e-5)


def test_numbers_of_images_have_as_many_digits_as_the_last():
    assert band_files("a", 9)["outputs"][0] == "a-BAND1.out"
    assert band_files("a", 10)["positions"][8] == "a-pos-Replica_nr_09-1.xyz"


def test_a_path_that_is_none_is_refused_with_the_reason():
    images = hop()
    assert problem(images) is None
    assert "path has 2 images" in problem(images[:2])
    assert "images 1 and 2 of path are the same" in problem([*images[:2], images[1], images[2]])
    strained = images[1].copy()
    strained.set_cell(strained.cell * 1.01, scale_atoms=True)
    assert "the cells of path differ by up to 0.051 Å" in problem([images[0], strained, images[2]])


def test_unknown_parameters_of_a_band_are_refused():
    message = Cp2kNebCalculation.spec().inputs["neb"].validate(orm.Dict({"images": 5}))
    assert "unknown key 'images'" in str(message)
