"""Reading a band of CP2K 2023.1: whole, cut off, unconverged, exploded, collapsed.

The folder ``band`` holds the first steps of a band of ammonia that turns inside out, in a box of
5 Å with a small basis, in which the flat molecule is the lowest. The run was stopped, and it had a
line search, so that there are evaluations which belong to no step.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from ase import Atoms, units

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.cp2k_output import read_xyz
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

FOLDER = Path(__file__).parent / "cp2k" / "band"
OUTPUT, IMAGES = "aiida.out", "images.log"
POSITIONS = [f"aiida-pos-Replica_nr_{n}-1.xyz" for n in (1, 2, 3)]
BANDS = [f"aiida-BAND{n}.out" for n in (1, 2, 3)]
SETTINGS = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "potential": "GTH-PBE",
    "cutoff_Ry": 150,
    "relative_cutoff_Ry": 25,
    "dispersion": "none",
    "scf": {"method": "diagonalization", "eps_scf": 1e-6, "max_scf": 40, "outer_max_scf": 1},
}
#: Between the largest forces of the first and of the last step, in eV/Å.
TOLERANCE = 0.7


def read(finished=True):
    content = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    if finished:
        content[OUTPUT] += b"  **** **  *******  **  PROGRAM STOPPED IN  folder\n"
    return content


def given():
    images = []
    for name in POSITIONS:
        first = read_xyz((FOLDER / name).read_text())
        images.append(Atoms(first.symbols, positions=first.values[0], cell=[5.0] * 3, pbc=True))
    return Frames.from_atoms(images)


@pytest.fixture
def parse(parse_files):
    def factory(content, neb=None, walltime=False):
        files = {
            name: orm.SinglefileData(io.BytesIO(name.encode()), filename=name)
            for name in ("basis_set", "potential")
        }
        inputs = {
            "parameters": orm.Dict(SETTINGS),
            "files": files,
            "path": FrameSetData(given()),
            "neb": orm.Dict(neb or {"force_tolerance_eV_A": TOLERANCE}),
        }
        content = dict(content)
        retrieved = {OUTPUT: content.pop(OUTPUT)}
        if walltime:
            retrieved["_walltime_exceeded"] = b"60\n"
        return parse_files(
            "mliptransport.cp2k.neb",
            "mliptransport.cp2k.neb",
            inputs,
            retrieved,
            content,
            options={"output_filename": OUTPUT},
        )

    return factory


def band(results):
    (system,) = results["frames"].frames.systems
    return system


def last_energies():
    return [read_xyz((FOLDER / name).read_text()).energies[-1] for name in POSITIONS]


def test_the_images_of_the_last_step_are_labels_in_ev_and_angstrom(parse):
    results, node = parse(read())
    assert node.is_finished_ok, node.exit_message
    system = band(results)
    assert system.energies == pytest.approx(np.array(last_energies()) * units.Hartree, rel=1e-7)
    # The last block of forces of the middle image, by hand from the file.
    block = (FOLDER / IMAGES).read_text().split("REPLICA Nr.    2- Energy and Forces")[-1]
    nitrogen = re.search(r" N +(\S+) +(\S+) +(\S+)", block).groups()
    expected = np.array(nitrogen, dtype=float) * units.Hartree / units.Bohr
    np.testing.assert_allclose(system.forces[1, 0], expected, rtol=1e-5, atol=1e-7)
    assert system.stresses is None
    assert system.identities()[0] == given().identities()[0]
    assert results["frames"].level_of_theory["basis_set"] == "SZV-MOLOPT-SR-GTH"
    assert results["failures"].get_dict() == {"failures": []}


def test_results_tell_barrier_and_history(parse):
    results, _ = parse(read())
    found, energies = results["results"], band(results).energies
    assert found["completed"]
    assert found["highest_image"] != 1
    assert found["barrier_eV"] == pytest.approx(energies.max() - energies[0])
    assert found["reverse_barrier_eV"] == pytest.approx(energies.max() - energies[2])
    history = found["history"]["max_force_eV_A"]
    assert len(history) == found["n_steps"] + 1
    assert history[-1] == found["max_force_eV_A"] < TOLERANCE < history[0]


def test_a_band_that_is_not_done_keeps_what_it_has(parse):
    results, node = parse(read(), {"force_tolerance_eV_A": 1e-4})
    assert node.exit_status == 312
    assert "largest force 0." in node.exit_message
    assert band(results).n_frames == 3
    assert not results["results"]["completed"]


def test_energies_of_an_unconverged_image_are_refused(parse):
    whole = parse(read())[0]
    content = read()
    head, _, tail = content[BANDS[1]].rpartition(b"SCF run converged in")
    content[BANDS[1]] = head + b"SCF run NOT converged" + tail
    results, node = parse(content)
    assert node.exit_status == 450
    steps = whole["results"]["n_steps"]
    assert f"images [1] did not converge in the last step; the band of step {steps - 1}" in (
        node.exit_message
    )
    assert [failure["index"] for failure in results["failures"]["failures"]] == [1]
    assert band(results).energies[1] != band(whole).energies[1]
    assert results["results"]["n_steps"] == steps - 1
    content[BANDS[1]] = content[BANDS[1]].replace(b"SCF run converged in", b"SCF run NOT converged")
    results, node = parse(content)
    assert node.exit_status == 450
    assert "frames" not in results


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_run_that_was_cut_off_gives_whole_steps_only(parse, share):
    whole = parse(read())[0]["results"]["history"]
    content = {name: text[: int(share * len(text))] for name, text in read(False).items()}
    results, node = parse(content)
    assert node.exit_status == 314
    if share < 0.1:
        assert "frames" not in results
        return
    part = results["results"]["history"]
    count = len(part["barrier_eV"])
    assert 0 < count < len(whole["barrier_eV"])
    assert part["barrier_eV"] == whole["barrier_eV"][:count]


def test_wall_clock_keeps_the_last_band(parse):
    results, node = parse(read(), walltime=True)
    assert node.exit_status == 400
    assert band(results).n_frames == 3


def test_an_image_that_explodes_is_named(parse):
    content = read()
    # The last digit is rounded in one file only.
    energy = f"{last_energies()[1]:.10f}"[:-1]
    for name in (POSITIONS[1], BANDS[1], IMAGES):
        assert energy.encode() in content[name]
        # Ten hartree higher.
        content[name] = content[name].replace(energy.encode(), energy.replace("-11", "-1").encode())
    results, node = parse(content)
    assert node.exit_status == 313
    assert "image 1 is 27" in node.exit_message
    assert band(results).n_frames == 3


def test_ends_that_moved_into_one_minimum_are_no_path(parse):
    content = read()
    content[POSITIONS[2]] = content[POSITIONS[0]]
    _, node = parse(content, {"relax_ends": True})
    assert node.exit_status == 316
    assert "one minimum" in node.exit_message


def test_the_reason_of_an_abort_is_in_the_exit_message(parse):
    content = {OUTPUT: (FOLDER.parent / "aborted" / OUTPUT).read_bytes()}
    results, node = parse(content)
    assert node.exit_status == 310
    assert "cannot be opened" in node.exit_message
    assert "frames" not in results
