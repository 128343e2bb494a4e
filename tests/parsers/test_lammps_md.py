"""Reading LAMMPS output: hand-made dumps, cut-off files, and the exit code of each failure."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.calculations.lammps_script import THERMO_KEYWORDS
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.parsers.lammps_files import (
    BinaryDump,
    DumpError,
    read_columns,
    read_deviations,
    read_messages,
)

pytestmark = pytest.mark.medium

COLUMNS = "id type xu yu zu"
PARAMETERS = {
    "ensemble": "nvt",
    "temperature_K": 600.0,
    "steps": 20,
    "timestep_fs": 1.0,
    "seed": 7,
    "trajectory_stride": 10,
    "species_stride": 10,
}
HEADER = "LAMMPS (22 Jul 2025 - Update 2)\n"
DONE = HEADER + "Loop time of 2.0 on 1 procs for 20 steps with 8 atoms\nTotal wall time: 0:00:02\n"


def frame_bytes(step, table, box=((0, 5), (0, 5), (0, 5)), tilts=None, chunks=1, columns=COLUMNS):
    """One frame as LAMMPS writes it (revision 2 of the binary custom format)."""
    text = columns.encode()
    content = struct.pack("<q10sii", -10, b"DUMPCUSTOM", 1, 2)
    content += struct.pack("<qqi6i", step, len(table), int(tilts is not None), *([0] * 6))
    content += struct.pack("<6d", *np.ravel(box))
    content += struct.pack("<3d", *tilts) if tilts is not None else b""
    content += struct.pack("<iibd", len(columns.split()), 0, 1, step * 1e-3)
    content += struct.pack("<i", len(text)) + text + struct.pack("<i", chunks)
    for part in np.array_split(np.asarray(table, dtype="<f8"), chunks):
        content += struct.pack("<i", part.size) + part.tobytes()
    return content


def licl() -> orm.StructureData:
    return orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.13, cubic=True))


def tables(n_frames=3):
    """Positions of LiCl that drift by 0.1 Å per frame along x, over the boundary of the cell."""
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    types = np.where(atoms.numbers == 3, 1, 2)
    ids = np.arange(1, 9)
    return [
        np.column_stack([ids, types, atoms.positions + np.array([0.1 * i, 0, 0])])
        for i in range(n_frames)
    ]


def dump_bytes(steps=(0, 10, 20)):
    box = ((0, 5.13),) * 3
    return b"".join(
        frame_bytes(step, table, box) for step, table in zip(steps, tables(len(steps)), strict=True)
    )


def thermo_text(steps=(0, 10, 20), bad=None):
    lines = [" ".join(THERMO_KEYWORDS)]
    for step in steps:
        value = "nan" if step == bad else "1.5"
        lines.append(" ".join([str(step)] + [value] * (len(THERMO_KEYWORDS) - 1)))
    return "\n".join(lines) + "\n"


def species_text(steps=(0, 10, 20)):
    lines = ["# Time-averaged data for fix species_file", "# TimeStep v_time_now v_xcm_x_1"]
    for i, step in enumerate(steps):
        numbers = [step, step * 1e-3]
        for _ in range(2):
            numbers += [2.0 + 0.1 * i, 2.0, 2.0, 10.0, 0.0, 0.0]
        lines.append(" ".join(f"{x:.17g}" for x in numbers))
    return "\n".join(lines) + "\n"


@pytest.fixture
def parse(parse_files):
    def factory(
        dump=None, thermo=None, stdout=DONE, state=(0, 20), restart=None, extra=None,
        retrieved=None, potential=None, **changes,
    ):  # fmt: skip
        lines = [
            f"{n}_step {s}\n" for n, s in zip(("first", "last"), state, strict=True) if s != ""
        ]
        temporary = {
            "trajectory.bin": dump_bytes() if dump is None else dump,
            "thermo.txt": (thermo_text() if thermo is None else thermo).encode(),
            "species.txt": species_text().encode(),
            "state.txt": "".join(lines).encode(),
            "final.restart": b"state",
            **(extra or {}),
        }
        inputs = {
            "structure": licl(),
            "potentials": {"member_0": potential or PotentialData(**tosi_fumi_licl())},
            "parameters": orm.Dict({**PARAMETERS, **changes}),
        }
        if restart is not None:
            inputs["restart"] = restart
        files = {"lammps.out": stdout.encode()} if retrieved is None else retrieved
        return parse_files(
            "mliptransport.lammps.md", "mliptransport.lammps.md", inputs, files, temporary,
            {"output_filename": "lammps.out"},
        )  # fmt: skip

    return factory


# ---------------------------------------------------------------- files


def test_a_hand_made_dump_is_read_value_by_value(tmp_path):
    table = np.array([[1, 2, 0.5, -7.25, 1e-17], [2, 1, 3.0, 4.0, 5.0]])
    path = tmp_path / "dump.bin"
    # A box of 5 × 6 × 7 Å with tilts: LAMMPS writes the bounds that enclose it.
    path.write_bytes(
        frame_bytes(10, table)
        + frame_bytes(
            20, table + np.array([0, 0, 1, 1, 1]), ((-1, 6.5), (0, 6.25), (0, 7)), (1, -1, 0.25)
        )
    )
    dump = BinaryDump(path, n_atoms=2)
    assert dump.columns == COLUMNS.split()
    assert dump.steps.tolist() == [10, 20]
    assert dump.times.tolist() == [0.01, 0.02]
    assert np.array_equal(dump.cells[0], np.eye(3) * 5)
    assert np.array_equal(dump.cells[1], [[5.5, 0, 0], [1, 6, 0], [-1, 0.25, 7]])
    positions = dump.column("xu", "yu", "zu")
    assert positions.shape == (2, 2, 3)
    assert np.array_equal(positions[0:1, 0:2][0], table[:, 2:])
    assert np.array_equal(positions[1:2, 1:2][0], table[1:, 2:] + 1)
    assert not dump.truncated


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_a_dump_of_several_processes_in_any_order_is_sorted_by_id(tmp_path, chunks):
    table = np.random.default_rng(0).normal(size=(5, 5))
    table[:, 0] = [3, 1, 5, 2, 4]
    path = tmp_path / "dump.bin"
    path.write_bytes(frame_bytes(0, table, chunks=chunks))
    dump = BinaryDump(path, n_atoms=5)
    expected = table[np.argsort(table[:, 0])]
    assert np.array_equal(dump.rows(0), expected)
    assert np.array_equal(dump.rows(0, slice(1, 3)), expected[1:3])


@pytest.mark.parametrize("cut", [1, 8, 30, 90, 150, 300])
def test_a_dump_that_is_cut_off_keeps_its_whole_frames(tmp_path, cut):
    content = dump_bytes()
    path = tmp_path / "dump.bin"
    path.write_bytes(content[:-cut])
    dump = BinaryDump(path, n_atoms=8)
    assert dump.truncated
    assert dump.steps.tolist() == [0, 10]


def test_frames_after_an_atom_was_lost_are_left_out(tmp_path):
    path = tmp_path / "dump.bin"
    path.write_bytes(dump_bytes() + frame_bytes(30, tables(1)[0][:-1]))
    dump = BinaryDump(path, n_atoms=8)
    assert dump.lost_atoms
    assert dump.steps.tolist() == [0, 10, 20]


def test_what_is_no_dump_is_refused(tmp_path):
    path = tmp_path / "dump.bin"
    path.write_bytes(b"ITEM: TIMESTEP\n0\n" * 20)
    with pytest.raises(DumpError, match="DUMPCUSTOM"):
        BinaryDump(path, n_atoms=8)
    path.write_bytes(b"")
    assert len(BinaryDump(path, n_atoms=8).steps) == 0


def test_columns_of_text_skip_titles_and_a_line_that_is_cut_off():
    assert read_columns("step temp\n0 1.5\n10 nan\n20 2.", 2)[:1].tolist() == [[0, 1.5]]
    assert len(read_columns("step temp\n0 1.5\n10 nan\n20 2.", 2)) == 2
    assert len(read_columns("", 2)) == 0


def test_deviations_of_the_equilibration_are_left_out():
    rows = [(0, 9), (10, 9), (0, 1), (10, 2), (20, 3)]
    text = "#  step max_devi_v min_devi_v avg_devi_v max_devi_f min_devi_f avg_devi_f\n"
    text += "".join(f"{step} 0.1 0.2 0.3 {x} 0.5 0.6\n" for step, x in rows)
    deviations = read_deviations(text, first_step=0)
    assert deviations["steps"].tolist() == [0, 10, 20]
    assert deviations["max_force"].tolist() == [1, 2, 3]
    assert deviations["min_force"].tolist() == [0.5] * 3
    assert deviations["mean_force"].tolist() == [0.6] * 3
    assert deviations["max_virial"].tolist() == [0.1] * 3
    assert read_deviations(text, first_step=1)["steps"].tolist() == [10, 20]


def test_messages_hold_version_speed_and_warnings_once():
    messages = read_messages(
        DONE + "WARNING: large tilt (src/domain.cpp:221)\n" * 2 + ">>> Info of deepmd-kit:\n"
        "installed to:       /opt\nsource:             v3.2.0\nsource branch:      HEAD\n"
    )
    assert messages.version == "22 Jul 2025 - Update 2"
    assert messages.katom_step_per_s == pytest.approx(0.08)
    assert messages.warnings == ["large tilt (src/domain.cpp:221)"]
    assert messages.framework_version == "3.2.0"
    assert messages.error is None


# ---------------------------------------------------------------- runs


def test_a_whole_run_gives_trajectory_restart_and_results(parse):
    outputs, node = parse()
    assert node.is_finished_ok, node.exit_message
    trajectory = outputs["trajectory"]
    assert trajectory.steps.tolist() == [0, 10, 20]
    assert trajectory.completed
    assert np.allclose(trajectory.positions()[2] - trajectory.reference, [0.2, 0, 0])
    assert np.allclose(trajectory.species["displacements"][2, 1], [0.2, 0, 0])
    assert np.allclose(trajectory.species["velocities"][0, 0], [10, 0, 0])
    assert trajectory.info["timestep_fs"] == 1.0
    assert outputs["restart"].get_content(mode="rb") == b"state"
    results = outputs["results"].get_dict()
    assert results["last_thermo"]["step"] == 20
    assert results["last_thermo"]["temperature_K"] == 1.5
    assert results["performance_katom_step_per_s"] == pytest.approx(0.08)
    assert results["completed"]


def test_a_segment_leaves_out_the_frame_its_parent_ended_with(parse, tmp_path):
    path = tmp_path / "final.restart"
    path.write_bytes(b"x")
    steps = (20, 30, 40)
    outputs, node = parse(
        restart=orm.SinglefileData(path),
        state=(20, 40),
        dump=dump_bytes(steps),
        thermo=thermo_text(steps),
        extra={"species.txt": species_text(steps).encode()},
    )
    assert node.is_finished_ok, node.exit_message
    trajectory = outputs["trajectory"]
    assert trajectory.steps.tolist() == [30, 40]
    assert trajectory.thermo["step"].tolist() == [30, 40]
    assert trajectory.species["steps"].tolist() == [30, 40]
    assert np.allclose(trajectory.species["reference"][0], [2.1, 2, 2])
    assert trajectory.info["segment"]


ERRORS = {
    "ERROR on proc 0: Lost atoms: original 64 current 63 (src/thermo.cpp:494)": 310,
    "ERROR on proc 0: Non-numeric atom coords - simulation unstable (src/domain.cpp:595)": 310,
    "ERROR: Non-numeric pressure - simulation unstable (src/fix_nh.cpp:1058)": 310,
    "ERROR on proc 0: Out of range atoms - cannot compute PPPM (src/pppm.cpp:1883)": 310,
    "ERROR on proc 0: Bond atoms 1 2 missing on proc 0 at step 7 (src/ntopo.cpp:61)": 310,
    "ERROR: Unrecognized pair style 'deepmd' (src/force.cpp:275)": 320,
    "ERROR: Unrecognized kspace style 'pppm' is part of the KSPACE package": 320,
    "ERROR on proc 0: DeePMD-kit C API Error: DeePMD-kit Error: Failed to open file: x.pb": 321,
    "ERROR: Open of file libdeepmd_lmp.so failed: no such file": 321,
    "ERROR: Cannot open file structure.data: No such file or directory": 309,
}


@pytest.mark.parametrize(("error", "status"), ERRORS.items())
def test_each_error_of_lammps_has_its_exit_code(parse, error, status):
    outputs, node = parse(stdout=f"{HEADER}{error}\n", state=(0, ""))
    assert node.exit_status == status
    assert error in node.exit_message
    assert outputs["results"]["error"] == error
    assert outputs["trajectory"].n_frames == 3
    assert not outputs["trajectory"].completed
    assert "restart" not in outputs


def test_a_run_that_blew_up_keeps_what_came_before_and_drops_the_sums_after(parse):
    lost = "ERROR on proc 0: Lost atoms: original 8 current 7 (src/thermo.cpp:494)\n"
    outputs, node = parse(
        stdout=HEADER + lost, state=(0, ""), dump=dump_bytes((0, 10)) + b"\0" * 30,
        extra={"species.txt": species_text((0, 10, 20)).encode()},
    )  # fmt: skip
    assert node.exit_status == 310
    assert "after step 10" in node.exit_message
    assert outputs["trajectory"].steps.tolist() == [0, 10]
    assert outputs["trajectory"].thermo["step"].tolist() == [0, 10]
    assert outputs["trajectory"].species["steps"].tolist() == [0, 10]


def test_a_thermo_that_is_not_finite_ends_the_run_there(parse):
    outputs, node = parse(thermo=thermo_text(bad=20))
    assert node.exit_status == 311
    assert outputs["trajectory"].thermo["step"].tolist() == [0, 10]
    assert not outputs["trajectory"].completed
    assert not outputs["results"]["completed"]
    assert "restart" not in outputs


def test_positions_that_are_not_finite_end_the_trajectory_there(parse):
    bad = tables(2)[1]
    bad[3, 2] = np.nan
    outputs, node = parse(dump=dump_bytes((0, 10)) + frame_bytes(20, bad, ((0, 5.13),) * 3))
    assert node.exit_status == 311
    assert outputs["trajectory"].steps.tolist() == [0, 10]


def test_a_truncated_dump_keeps_what_is_whole_and_says_so(parse):
    outputs, node = parse(dump=dump_bytes()[:-20])
    assert node.exit_status == 312
    assert "after 2 whole frames" in node.exit_message
    assert outputs["trajectory"].n_frames == 2


@pytest.mark.parametrize("dump", [b"", dump_bytes((0,))[:50]])
def test_a_dump_without_a_whole_frame_gives_no_trajectory(parse, dump):
    outputs, node = parse(dump=dump)
    assert node.exit_status in (312, 313)
    assert "trajectory" not in outputs
    assert outputs["results"]["n_frames"] == 0


def test_a_dump_that_is_garbage_has_its_exit_code(parse):
    _, node = parse(dump=b"ITEM: TIMESTEP\n0\n" * 20)
    assert node.exit_status == 313
    assert "DUMPCUSTOM" in node.exit_message


def test_the_walltime_is_told_apart_from_a_silent_end(parse):
    timed_out = HEADER + "WARNING: Wall time limit reached (src/timer.cpp:201)\n"
    outputs, node = parse(stdout=timed_out, state=(0, 10), dump=dump_bytes((0, 10)))
    assert node.exit_status == 400
    assert "restart" in outputs
    assert not outputs["trajectory"].completed
    assert outputs["results"]["out_of_walltime"]
    guarded = {"lammps.out": HEADER.encode(), "_walltime_exceeded": b"600"}
    outputs, node = parse(retrieved=guarded, state=(0, ""), dump=dump_bytes((0, 10)))
    assert node.exit_status == 400
    assert "restart" not in outputs
    assert outputs["results"]["out_of_walltime"]
    outputs, node = parse(stdout=HEADER, state=(0, ""), dump=dump_bytes((0, 10)))
    assert node.exit_status == 314
    assert outputs["trajectory"].n_frames == 2
    assert not outputs["results"]["out_of_walltime"]
    _, node = parse(stdout=timed_out, state=("", ""), dump=b"", equilibration_steps=10)
    assert node.exit_status == 401


def test_an_output_that_is_missing_has_its_exit_code(parse):
    _, node = parse(retrieved={})
    assert node.exit_status == 351


def test_a_structure_that_the_restart_was_not_made_with_is_told(parse):
    table = tables(1)[0]
    table[:, 1] = table[::-1, 1]
    _, node = parse(dump=frame_bytes(0, table, ((0, 5.13),) * 3))
    assert node.exit_status == 313
    assert "of the structure" in node.exit_message


def test_a_plugin_of_another_version_is_a_warning_in_the_results(parse, tmp_path):
    model = tmp_path / "model.pb"
    model.write_bytes(b"x")
    potential = PotentialData(
        backend="deepmd", framework_version="3.1.0", type_map=["Li", "Cl"], cutoff=6.0,
        files={"model": model},
    )  # fmt: skip
    stdout = DONE + "  >>> Info of deepmd-kit:\n  source:             v3.2.0\n"
    outputs, _ = parse(potential=potential, stdout=stdout)
    assert outputs["results"]["warnings"] == [
        "potential member_0 was made by deepmd 3.1.0, LAMMPS runs it with 3.2.0"
    ]


def test_a_committee_gives_deviations_at_the_steps_of_the_trajectory(parse):
    text = "# step ...\n" + "".join(f"{s} 1 1 1 {s / 100} 0 0.05\n" for s in (0, 10, 20))
    outputs, node = parse(extra={"model_devi.out": text.encode()})
    assert node.is_finished_ok
    assert outputs["trajectory"].deviations["max_force"].tolist() == [0.0, 0.1, 0.2]
