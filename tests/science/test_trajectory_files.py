"""Trajectories are read as unwrapped arrays; frames that would spoil an analysis are named."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from ase.units import fs

from aiida_mliptransport.science import lammps_dump
from aiida_mliptransport.science.trajectory_files import (
    TrajectoryFileError,
    read_trajectory,
    unwrap,
)

SYMBOLS = ("Li", "Cl", "Li")
EDGE = 6.0


@pytest.fixture
def walk():
    """Unwrapped positions (40, 3, 3) that leave the cell."""
    rng = np.random.default_rng(0)
    steps = rng.normal(0.15, 0.3, size=(40, 3, 3))
    steps[0] = rng.uniform(0, EDGE, (3, 3))
    return steps.cumsum(axis=0)


def dump(positions, columns, steps=None, order=(2, 0, 1), symbols=SYMBOLS, bounds=None):
    """Return the text of a dump, its atoms in another order than their ids."""
    lines = []
    for frame, at in enumerate(positions):
        lines += ["ITEM: TIMESTEP", str(10 * frame if steps is None else steps[frame])]
        lines += ["ITEM: NUMBER OF ATOMS", str(len(at))]
        lines += bounds or ["ITEM: BOX BOUNDS pp pp pp", *[f"0.0 {EDGE}"] * 3]
        lines.append(f"ITEM: ATOMS id element {columns}")
        lines += [
            f"{i + 1} {symbols[i]} " + " ".join(f"{x:.10f}" for x in at[i]) for i in order
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


@pytest.fixture(params=["whole", "small blocks"], autouse=True)
def blocks(request, monkeypatch):
    """Read every file as one block, and in blocks that end anywhere in a frame."""
    if request.param == "small blocks":
        monkeypatch.setattr(lammps_dump, "BLOCK_BYTES", 333)


@pytest.mark.parametrize("columns", ["xu yu zu", "xsu ysu zsu", "x y z", "xs ys zs"])
def test_every_kind_of_dump_gives_the_same_unwrapped_walk(walk, tmp_path, columns):
    written = walk if "u" in columns else walk % EDGE
    written = written / EDGE if "s" in columns else written
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(written, columns))
    read = read_trajectory(path, timestep_fs=2.0)
    assert read.symbols == SYMBOLS
    np.testing.assert_allclose(read.positions - read.positions[0], walk - walk[0], atol=1e-8 * EDGE)
    np.testing.assert_allclose(read.times_ps, 0.02 * np.arange(40))
    assert read.volume_angstrom3 == pytest.approx(EDGE**3)


def test_a_tilted_cell_is_read_from_the_box_that_bounds_it(walk, tmp_path):
    # a = (6, 0, 0), b = (-2, 5, 0), c = (1, 1.5, 4): the bounds are those of LAMMPS' manual.
    bounds = ["ITEM: BOX BOUNDS xy xz yz pp pp pp", "-2 7 -2", "0 6.5 1", "0 4 1.5"]
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu", bounds=bounds))
    cell = read_trajectory(path, timestep_fs=1.0).cells[0]
    np.testing.assert_allclose(cell, [[6, 0, 0], [-2, 5, 0], [1, 1.5, 4]])


@pytest.mark.parametrize("name", ["walk.xyz", "XDATCAR", "walk.traj"])
def test_other_files_are_read_through_ase_and_unwrapped(walk, tmp_path, name):
    images = [Atoms(SYMBOLS, at % EDGE, cell=[EDGE] * 3, pbc=True) for at in walk]
    path = tmp_path / name
    order = [0, 2, 1] if name == "XDATCAR" else [0, 1, 2]
    write(path, [image[order] for image in images])
    read = read_trajectory(path, interval_ps=0.05)
    assert read.symbols == tuple(np.array(SYMBOLS)[order])
    expected = (walk - walk[0])[:, order]
    np.testing.assert_allclose(read.positions - read.positions[0], expected, atol=1e-6)
    assert read.times_ps[-1] == pytest.approx(39 * 0.05)


def test_unwrapping_in_a_breathing_cell_adds_no_drift():
    """A resting atom far from the origin must not seem to move when the cell breathes."""
    rng = np.random.default_rng(2)
    scale = 1 + 0.02 * rng.standard_normal(2000)
    cells = np.eye(3) * 10.0 * scale[:, None, None]
    fractional = np.full((2000, 1, 3), 0.9)
    positions = np.einsum("tni,tij->tnj", fractional, cells)
    moved = unwrap(positions, cells)
    # It follows the cell, and never wanders off.
    np.testing.assert_allclose(moved, positions, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": [0, 10, 10, *range(20, 390, 10)]}, "frame 2 is step 10 after step 10"),
        ({"steps": [*range(0, 390, 10), 400]}, "frame 39 is 20 steps after"),
    ],
)
def test_repeated_and_missing_frames_are_named(walk, tmp_path, change, message):
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu", **change))
    with pytest.raises(TrajectoryFileError, match=message):
        read_trajectory(path, timestep_fs=1.0)


def test_what_is_not_finite_is_named(walk, tmp_path):
    walk[7, 1, 0] = np.nan
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu"))
    with pytest.raises(TrajectoryFileError, match=r"frame 7 .*atom 1 is not finite"):
        read_trajectory(path, timestep_fs=1.0)


def test_a_changing_number_of_atoms_is_named(walk, tmp_path):
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu") + dump(walk[:1, :2], "xu yu zu", [400], (0, 1)))
    with pytest.raises(TrajectoryFileError, match=r"frame 40 .*has 2 atoms, expected 3"):
        read_trajectory(path, timestep_fs=1.0)


def test_another_order_of_atoms_is_named(walk, tmp_path):
    other = dump(walk[:1], "xu yu zu", steps=[400], symbols=("Cl", "Li", "Li"))
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu") + other)
    with pytest.raises(TrajectoryFileError, match=r"frame 40 .*atom 0 is Cl, expected Li"):
        read_trajectory(path, timestep_fs=1.0)


def test_a_cut_off_dump_is_named(walk, tmp_path):
    text = dump(walk, "xu yu zu")
    path = tmp_path / "dump.lammpstrj"
    path.write_text(text[: text.rindex("ITEM: ATOMS") + 60])
    with pytest.raises(TrajectoryFileError, match="frame 39 is cut off"):
        read_trajectory(path, timestep_fs=1.0)


def test_an_atom_that_moves_too_far_to_be_unwrapped_is_named(walk, tmp_path):
    walk[20:, 0, 1] += 0.45 * EDGE
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk % EDGE, "x y z"))
    with pytest.raises(TrajectoryFileError, match=r"atom 0 moves by .* between frames 19 and 20"):
        read_trajectory(path, timestep_fs=1.0)


def test_an_unknown_time_between_frames_is_asked_for(walk, tmp_path):
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu"))
    with pytest.raises(TrajectoryFileError, match="give interval_ps, or timestep_fs"):
        read_trajectory(path)


def test_types_without_elements_are_asked_for(walk, tmp_path):
    path = tmp_path / "dump.lammpstrj"
    text = dump(walk, "xu yu zu").replace("element", "type")
    path.write_text(text.replace(" Li ", " 1 ").replace(" Cl ", " 2 "))
    with pytest.raises(TrajectoryFileError, match="give elements"):
        read_trajectory(path, timestep_fs=1.0)
    read = read_trajectory(path, timestep_fs=1.0, elements=["Li", "Cl"])
    assert read.symbols == SYMBOLS
    with pytest.raises(TrajectoryFileError, match="atom of type 2, but elements has 1"):
        read_trajectory(path, timestep_fs=1.0, elements=["Li"])


def test_padded_rows_trailing_blanks_and_further_items_are_read(walk, tmp_path):
    text = dump(walk, "xu yu zu")
    plain, padded, other = (tmp_path / name for name in ("plain", "padded", "other"))
    plain.write_text(text)
    padded.write_text(text.replace(" Li ", "   Li\t"))
    rows = [line if "ITEM" in line else line + " " for line in text.splitlines()]
    timed = "\n".join(rows).replace("ITEM: TIMESTEP", "ITEM: TIME\n0\nITEM: TIMESTEP")
    other.write_text(f"ITEM: UNITS\nmetal\n{timed}\n\n")
    expected = read_trajectory(plain, timestep_fs=1.0).positions
    for path in (padded, other):
        read = read_trajectory(path, timestep_fs=1.0)
        np.testing.assert_array_equal(read.positions, expected)


def test_a_row_with_another_number_of_columns_is_named(walk, tmp_path):
    path = tmp_path / "dump.lammpstrj"
    lines = dump(walk, "xu yu zu").splitlines()
    lines[12 * 5 + 10] += " 1.0"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(TrajectoryFileError, match="frame 5 is cut off or no LAMMPS dump"):
        read_trajectory(path, timestep_fs=1.0)


def test_another_atom_in_the_place_of_a_lost_one_is_named(walk, tmp_path):
    other = dump(walk[:1], "xu yu zu", steps=[400]).replace("\n3 Li", "\n7 Li")
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu") + other)
    with pytest.raises(TrajectoryFileError, match=r"frame 40 .*atom 2 has the id 7, expected 3"):
        read_trajectory(path, timestep_fs=1.0)


def test_progress_is_told_up_to_the_end_of_the_file(walk, tmp_path):
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(walk, "xu yu zu"))
    told = []
    read_trajectory(path, timestep_fs=1.0, progress=lambda *numbers: told.append(numbers))
    size = path.stat().st_size
    assert told[-1] == (size, size)
    assert told == sorted(told)


def test_velocities_are_read_where_they_are_asked_for(walk, tmp_path):
    velocities = np.gradient(walk, 0.02, axis=0)  # Å/ps
    path = tmp_path / "dump.lammpstrj"
    path.write_text(dump(np.concatenate([walk, velocities], axis=-1), "xu yu zu vx vy vz"))
    images = [Atoms(SYMBOLS, at % EDGE, cell=[EDGE] * 3, pbc=True) for at in walk]
    for image, moving in zip(images, velocities, strict=True):
        image.set_velocities(moving / (1000.0 * fs))
    write(tmp_path / "walk.extxyz", images)
    for name in ("dump.lammpstrj", "walk.extxyz"):
        read = read_trajectory(tmp_path / name, interval_ps=0.02, velocities=True)
        np.testing.assert_allclose(read.velocities, velocities, atol=1e-5)
    assert read_trajectory(path, timestep_fs=2.0).velocities is None


def test_velocities_that_are_not_there_are_named(walk, tmp_path):
    (tmp_path / "dump.lammpstrj").write_text(dump(walk, "xu yu zu"))
    write(tmp_path / "walk.xyz", [Atoms(SYMBOLS, at, cell=[EDGE] * 3, pbc=True) for at in walk])
    for name, message in (
        ("dump.lammpstrj", "hold no velocities; dump vx vy vz"),
        ("walk.xyz", r"frame 0 .* holds no velocities"),
    ):
        with pytest.raises(TrajectoryFileError, match=message):
            read_trajectory(tmp_path / name, interval_ps=0.02, velocities=True)
    broken = np.concatenate([walk, walk], axis=-1)
    broken[7, 2, 4] = np.nan
    (tmp_path / "broken.lammpstrj").write_text(dump(broken, "xu yu zu vx vy vz"))
    with pytest.raises(TrajectoryFileError, match=r"frame 7 .* velocity of atom 2 is not finite"):
        read_trajectory(tmp_path / "broken.lammpstrj", interval_ps=0.02, velocities=True)
