"""Reading CP2K: outputs of CP2K 2023.1 on 8 LiCl atoms, whole, cut off, mixed up, unconverged.

The folders hold what :class:`Cp2kLabelCalculation` left with a small basis and a low cutoff: two
frames to label (``labels``; ``outer`` by orbital transformation with outer loops; ``mixed`` with
too few iterations for the first frame), four MD steps of which every second is written (``md``;
``md_mixed`` with too few iterations for the first steps), and a missing file (``aborted``).
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from ase import units
from ase.build import bulk

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.cp2k_output import read_main_output, read_table, read_xyz
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

FOLDER = Path(__file__).parent / "cp2k"
OUTPUT = "aiida.out"
POSITIONS, FORCES, CELLS, THERMO = (
    "aiida-pos-1.xyz", "aiida-frc-1.xyz", "aiida-1.cell", "aiida-1.ener"
)  # fmt: skip
SETTINGS = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "potential": "GTH-PBE",
    "cutoff_Ry": 150,
    "relative_cutoff_Ry": 25,
    "eps_default": 1e-8,
    "scf": {"method": "diagonalization", "eps_scf": 1e-6, "max_scf": 40},
}
MD = {
    "temperature_K": 1500.0,
    "steps": 4,
    "timestep_fs": 2.0,
    "trajectory_stride": 2,
    "seed": 3,
}


def images():
    """The two frames that were labelled; the first one is the start of the MD, too."""
    first = bulk("LiCl", "rocksalt", a=5.3, cubic=True)
    first.rattle(0.15, seed=1)
    second = first.copy()
    second.rattle(0.1, seed=5)
    second.set_cell(first.cell * 1.02, scale_atoms=True)
    return [first, second]


def read(folder):
    return {path.name: path.read_bytes() for path in (FOLDER / folder).iterdir()}


def text(folder, name):
    return (FOLDER / folder / name).read_text()


def data_files():
    return {
        name: orm.SinglefileData(io.BytesIO(name.encode()), filename=name)
        for name in ("basis_set", "potential", "dispersion")
    }


@pytest.fixture
def parse(parse_files):
    def factory(content, md=None, walltime=False, settings=SETTINGS):
        inputs = {"parameters": orm.Dict(settings), "files": data_files()}
        if md is None:
            inputs["frames"] = FrameSetData(Frames.from_atoms(images()))
        else:
            inputs["structure"] = orm.StructureData(ase=images()[0])
            inputs["md"] = orm.Dict(md)
        content = dict(content)
        retrieved = {OUTPUT: content.pop(OUTPUT)} if OUTPUT in content else {}
        if walltime:
            retrieved["_walltime_exceeded"] = b"60\n"
        return parse_files(
            "mliptransport.cp2k",
            "mliptransport.cp2k",
            inputs,
            retrieved,
            content,
            options={"output_filename": OUTPUT},
        )

    return factory


def failures(results):
    return results["failures"]["failures"]


def test_given_frames_keep_their_identity_and_get_labels_in_ev_and_angstrom(parse):
    results, node = parse(read("labels"))
    assert node.is_finished_ok
    frames = results["frames"].frames
    given = Frames.from_atoms(images())
    assert frames.identities() == given.identities()
    assert failures(results) == []
    system = frames.systems[0]
    assert system.energies == pytest.approx(
        np.array([-89.98134636, -89.97779138]) * units.Hartree, abs=1e-4
    )
    # First row of forces and stress of the first frame, by hand from the files.
    expected = np.array([-0.0123378828, -0.0094963759, 0.0071795468]) * units.Hartree / units.Bohr
    assert system.forces[0, 0] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    xx = re.search(r"STRESS\|\s+x\s+(-?\d\S+)", text("labels", OUTPUT)).group(1)
    assert system.stresses[0, 0, 0] == pytest.approx(-float(xx) * units.GPa, rel=1e-6)
    np.testing.assert_allclose(system.stresses, np.swapaxes(system.stresses, 1, 2))


def test_level_of_theory_states_what_fixes_the_energy_and_nothing_of_the_scf(parse):
    results, _ = parse(read("labels"))
    level = results["frames"].level_of_theory
    assert level["functional"] == "PBE"
    assert level["dispersion"] == "D3(BJ)"
    assert level["cutoff_Ry"] == 150.0
    assert level["k_points"] == "gamma"
    assert level["gamma_cell_atoms"] == 8
    assert set(level["files_sha256"]) == {"basis_set", "potential", "dispersion"}
    assert "scf" not in level
    assert results["frames"].engine_version == "CP2K version 2023.1"


def test_inner_loops_that_stop_early_do_not_matter_when_the_outer_one_converged(parse):
    results, node = parse(read("outer"))
    assert "Leaving inner SCF loop" in text("outer", OUTPUT)
    assert node.is_finished_ok
    assert results["frames"].n_frames == 2
    reference = parse(read("labels"))[0]["frames"].frames.systems[0]
    other = results["frames"].frames.systems[0]
    np.testing.assert_allclose(other.forces, reference.forces, atol=2e-3)


def test_an_unconverged_frame_is_a_failure_and_the_converged_one_after_it_a_label(parse):
    results, node = parse(read("mixed"))
    assert node.is_finished_ok
    identities = Frames.from_atoms(images()).identities()
    assert results["frames"].frames.identities() == identities[1:]
    (failure,) = failures(results)
    assert failure["class"] == "scf_unconverged"
    assert (failure["index"], failure["identity"]) == (0, identities[0])


def test_no_converged_frame_gives_an_exit_code_and_no_frames(parse):
    content = read("mixed")
    content[OUTPUT] = content[OUTPUT].replace(
        b"*** SCF run converged in", b"*** WARNING in qs_scf.F:601 :: SCF run NOT converged"
    )
    results, node = parse(content)
    assert node.exit_status == 450
    assert "frames" not in results
    assert {f["class"] for f in failures(results)} == {"scf_unconverged"}


def test_md_frames_take_the_labels_of_their_own_step(parse):
    results, node = parse(read("md"), md=MD)
    assert node.is_finished_ok
    system = results["frames"].frames.systems[0]
    assert system.steps.tolist() == [0, 2, 4]
    energies = [float(x) for x in re.findall(r"ENERGY\| .*?(-\d+\.\d+)$", text("md", OUTPUT), re.M)]
    assert len(energies) == 5
    assert system.energies == pytest.approx(np.array(energies)[[0, 2, 4]] * units.Hartree, rel=1e-7)
    assert set(system.origins) == {Frames.from_atoms(images()).identities()[0]}


def test_md_stress_has_no_kinetic_part(parse):
    md = parse(read("md"), md=MD)[0]["frames"].frames.systems[0]
    static = parse(read("labels"))[0]["frames"].frames.systems[0]
    # The start of the MD is the first labelled frame; its kinetic part is 0.006 eV/Å³.
    np.testing.assert_allclose(md.stresses[0], static.stresses[0], atol=1e-6)
    np.testing.assert_allclose(md.forces[0], static.forces[0], atol=1e-4)


def test_md_gives_a_trajectory_with_thermo_of_every_step(parse):
    trajectory = parse(read("md"), md=MD)[0]["trajectory"]
    assert trajectory.steps.tolist() == [0, 2, 4]
    assert trajectory.times_ps == pytest.approx([0.0, 0.004, 0.008])
    assert trajectory.thermo["step"].tolist() == [0, 1, 2, 3, 4]
    kinetic = 1.5 * units.kB * 1500.0 * 7  # 3N − 3 degrees of freedom, centre of mass at rest
    assert trajectory.thermo["kinetic_energy_eV"][0] == pytest.approx(kinetic, rel=1e-4)
    assert trajectory.completed


def test_unconverged_md_steps_are_no_frames_but_stay_in_the_trajectory(parse):
    results, node = parse(read("md_mixed"), md={**MD, "timestep_fs": 1.0})
    assert node.is_finished_ok
    assert results["frames"].frames.systems[0].steps.tolist() == [2, 4]
    (failure,) = failures(results)
    assert (failure["index"], failure["class"]) == (0, "scf_unconverged")
    assert results["trajectory"].steps.tolist() == [0, 2, 4]


@pytest.mark.parametrize("share", [0.25, 0.5, 0.7, 0.95])
def test_files_that_are_cut_off_anywhere_give_whole_frames_only(parse, share):
    whole = parse(read("md"), md=MD)[0]["frames"].frames.systems[0]
    content = {name: data[: int(share * len(data))] for name, data in read("md").items()}
    results, node = parse(content, md=MD)
    assert node.exit_status == 314
    if "frames" not in results:
        assert share < 0.5
        return
    part = results["frames"].frames.systems[0]
    rows = [whole.steps.tolist().index(step) for step in part.steps]
    for name in ("energies", "forces", "stresses", "positions", "cells"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])


@pytest.mark.parametrize("name", [POSITIONS, FORCES, CELLS])
def test_a_frame_that_one_file_lacks_is_a_failure(parse, name):
    content = read("labels")
    lines = content[name].splitlines(keepends=True)
    content[name] = b"".join(lines[:-1]) + lines[-1][:20]
    results, node = parse(content)
    assert node.is_finished_ok
    assert results["frames"].n_frames == 1
    (failure,) = failures(results)
    assert (failure["index"], failure["class"]) == (1, "missing_output")


def test_files_of_different_runs_give_no_label(parse):
    content = read("labels")
    content[POSITIONS] = content[POSITIONS].replace(b"-89.9813463611", b"-89.9713463611")
    results, _ = parse(content)
    (failure,) = failures(results)
    assert (failure["index"], failure["class"]) == (0, "missing_output")
    assert "different runs" in failure["message"]


def test_a_frame_that_is_not_the_given_one_gives_no_label(parse):
    content = read("labels")
    content[CELLS] = content[CELLS].replace(b"5.4060000000", b"5.4160000000")
    results, _ = parse(content)
    (failure,) = failures(results)
    assert failure["index"] == 1
    assert "away from the given one" in failure["message"]


def test_a_force_that_is_not_finite_is_a_failure(parse):
    content = read("labels")
    content[FORCES] = re.sub(rb"Li( +)-0\.01233\d+", rb"Li\1nan", content[FORCES], count=1)
    results, _ = parse(content)
    assert [f["class"] for f in failures(results)] == ["not_finite"]


def test_the_reason_of_an_abort_is_in_the_exit_message(parse):
    results, node = parse(read("aborted"))
    assert node.exit_status == 310
    assert "<absent.dat> cannot be opened. It does not exist" in node.exit_message
    assert {f["class"] for f in failures(results)} == {"crashed"}


def test_wall_clock_keeps_whole_frames_and_asks_for_more_time(parse):
    content = read("labels")
    content[OUTPUT] = content[OUTPUT][: int(0.8 * len(content[OUTPUT]))]
    results, node = parse(content, walltime=True)
    assert node.exit_status == 400
    assert results["frames"].n_frames == 1
    assert [f["class"] for f in failures(results)] == ["walltime"]


def test_missing_output_is_named(parse):
    _, node = parse({})
    assert node.exit_status == 210


def test_numbers_of_another_pressure_unit_are_converted():
    output = text("labels", OUTPUT)
    row = re.compile(r"(STRESS\|\s+[xyz]\s+)(\S+)\s+(\S+)\s+(\S+)$", re.M)
    bar = row.sub(
        lambda m: m.group(1) + " ".join(f"{float(x) * 1e4:.11E}" for x in m.groups()[1:]),
        output.replace("[GPa]", "[bar]"),
    )
    for one, other in zip(
        read_main_output(output).evaluations, read_main_output(bar).evaluations, strict=True
    ):
        np.testing.assert_allclose(one.stress, other.stress, rtol=1e-9)


def test_a_frame_written_twice_by_a_restart_counts_once():
    content = text("md", POSITIONS)
    frames = read_xyz(content + content[len(content) // 3 :])
    assert frames.steps == [0, 2, 4]


def test_a_table_row_without_its_end_is_left_out():
    table = text("md", THERMO)
    assert sorted(read_table(table, 7)) == [0, 1, 2, 3, 4]
    assert sorted(read_table(table[:-3], 7)) == [0, 1, 2, 3]
