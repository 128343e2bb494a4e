"""Import of CP2K runs: outputs of CP2K 2023.1 on HCl in a cell of 4 Å, small basis, low cutoff.

``cp2k/md`` holds six steps of MD with too few SCF iterations for the first frame; ``single_point``
the main output of that frame with enough of them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import units

from aiida_mliptransport.science.cp2k_files import read_cp2k
from aiida_mliptransport.science.formats import format_of, read_frames
from aiida_mliptransport.science.frames import FramesError
from aiida_mliptransport.science.label_checks import check_units

FOLDER = Path(__file__).parent / "cp2k"
MD = FOLDER / "md"
SINGLE_POINT = FOLDER / "single_point" / "cp2k.out"


@pytest.fixture
def md(tmp_path):
    """A copy of the MD run that a test may change."""
    return Path(shutil.copytree(MD, tmp_path / "md"))


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_run_gives_its_converged_frames_and_names_the_others():
    dropped = []
    (system,) = read_frames(MD, dropped=dropped).systems
    assert system.steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert [(each.index, each.reason.split(":")[0]) for each in dropped] == [(0, "scf_unconverged")]
    assert system.symbols == ["H", "Cl"]
    printed = re.findall(r"ENERGY\| .*?(-\d+\.\d+)$", (MD / "run.out").read_text(), re.MULTILINE)
    energies = np.array([float(x) for x in printed[1:]]) * units.Hartree
    np.testing.assert_allclose(system.energies, energies, rtol=1e-7)
    rows = (MD / "hcl-frc-1.xyz").read_text().splitlines()[6:8]
    forces = np.array([[float(x) for x in row.split()[1:]] for row in rows])
    np.testing.assert_allclose(
        system.forces[0], forces * units.Hartree / units.Bohr, rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(system.cells[0], np.diag([4.2, 4.0, 4.1]))
    assert len(set(system.origins)) == 1


def test_energies_and_forces_of_a_run_belong_together():
    dropped = []
    check = check_units(read_frames(MD, dropped=dropped))
    assert check.consistent
    assert check.n_pairs == 5


def test_an_unconverged_frame_is_an_error_where_nobody_takes_what_is_dropped():
    with pytest.raises(FramesError, match="frame 0 is no label: scf_unconverged"):
        read_frames(MD, "cp2k")


def test_the_stress_file_less_its_kinetic_part_is_the_stress_of_the_output(md):
    (expected,) = read_cp2k(md, []).systems
    change(md / "run.out", " STRESS| Analytical", " STRESS| Other")
    (system,) = read_cp2k(md, []).systems
    np.testing.assert_allclose(system.stresses, expected.stresses, atol=1e-5)
    # Two atoms at 900 K in 69 Å³: the kinetic part is far larger than the tolerance.
    total = np.loadtxt(md / "hcl-1.stress")[1, 2] * -1e-4 * units.GPa
    assert abs(total - system.stresses[0, 0, 0]) > 5e-4
    (md / "hcl-vel-1.xyz").unlink()
    (system,) = read_cp2k(md, []).systems
    assert system.stresses is None


def test_a_single_point_agrees_with_the_same_frame_of_a_run_to_the_printed_digits(md):
    (point,) = read_frames(SINGLE_POINT).systems
    # Say that the first frame of the run converged: it nearly did.
    change(md / "run.out", "SCF run NOT converged", "SCF run converged in 9 steps")
    (run,) = read_frames(md).systems
    assert run.steps[0] == 0
    np.testing.assert_allclose(point.positions[0], run.positions[0], atol=1e-6)
    np.testing.assert_allclose(point.cells[0], run.cells[0], atol=1e-3)
    assert point.energies[0] == pytest.approx(run.energies[0], abs=1e-4)
    np.testing.assert_allclose(point.forces[0], run.forces[0], atol=2e-3)
    np.testing.assert_allclose(point.stresses[0], run.stresses[0], atol=2e-5)
    assert (point.charge, point.multiplicity) == (0, 1)


def test_charge_and_multiplicity_of_an_output_are_kept(tmp_path):
    text = SINGLE_POINT.read_text()
    for name, old, new in (("Multiplicity", 1, 3), ("Charge", 0, -2)):
        text = re.sub(rf"( DFT\| {name} +){old}\n", rf"\g<1>{new}\n", text)
    (tmp_path / "cp2k.out").write_text(text)
    (system,) = read_frames(tmp_path / "cp2k.out").systems
    assert (system.charge, system.multiplicity) == (-2, 3)


def test_an_unconverged_single_point_is_dropped(tmp_path):
    text = re.sub(r"SCF run converged in.*", "SCF run NOT converged", SINGLE_POINT.read_text())
    (tmp_path / "cp2k.out").write_text(text)
    dropped = []
    assert read_frames(tmp_path / "cp2k.out", dropped=dropped).n_frames == 0
    assert "scf_unconverged" in dropped[0].reason


def test_formats_are_known_by_the_names_of_the_files(tmp_path):
    assert format_of(MD) == "cp2k"
    assert format_of(SINGLE_POINT) == "cp2k"
    assert format_of(tmp_path) == "deepmd"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("hcl-frc-1.xyz", "MOTION/PRINT/FORCES"),
        ("hcl-1.cell", "MOTION/PRINT/CELL"),
        ("run.out", "0 main outputs"),
        ("hcl-pos-1.xyz", "expected one trajectory"),
    ],
)
def test_a_missing_file_is_named_with_what_would_write_it(md, missing, words):
    (md / missing).unlink()
    with pytest.raises(FramesError, match=words):
        read_cp2k(md)


def test_two_runs_in_one_folder_are_refused(md):
    shutil.copy(md / "run.out", md / "run-2.out")
    with pytest.raises(FramesError, match="2 main outputs"):
        read_cp2k(md)


def test_an_output_without_forces_says_what_to_print(tmp_path):
    text = SINGLE_POINT.read_text().replace("ATOMIC FORCES in [a.u.]", "")
    (tmp_path / "cp2k.out").write_text(text)
    with pytest.raises(FramesError, match="FORCE_EVAL/PRINT/FORCES"):
        read_frames(tmp_path / "cp2k.out")
    (tmp_path / "other.out").write_text("something else\n")
    with pytest.raises(FramesError, match="no main output of CP2K"):
        read_cp2k(tmp_path / "other.out")


def test_kinds_with_digits_are_read_as_their_elements(md):
    for name in ("hcl-pos-1.xyz", "hcl-frc-1.xyz", "hcl-vel-1.xyz"):
        change(md / name, " Cl ", " Cl2")
    (system,) = read_cp2k(md, []).systems
    assert system.symbols == ["H", "Cl"]
