"""A streamed trajectory gives what the same one in memory gives, and leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_mliptransport.science import lammps_dump, trajectory_stream
from aiida_mliptransport.science.trajectory_files import (
    TrajectoryFileError,
    read_trajectory,
    standard_masses,
)
from aiida_mliptransport.science.trajectory_stream import stream_dump
from aiida_mliptransport.science.transport.point import Run, analyse_point, centres_of_species
from aiida_mliptransport.science.transport.reference import (
    BARYCENTRIC,
    LABORATORY,
    framework,
    remove_drift,
)
from aiida_mliptransport.science.transport.streamed import analyse_stream

SYMBOLS = ("Li", "Cl", "Li", "P", "Cl", "Li")
EDGE = 6.0


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks of text, and several buffers of frames."""
    monkeypatch.setattr(lammps_dump, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(trajectory_stream, "BUFFER_BYTES", 70 * 12 * len(SYMBOLS))


def write_dump(path, positions, columns):
    """Write a dump, its atoms in the reverse order of their ids."""
    with path.open("w") as handle:
        for frame, at in enumerate(positions):
            handle.write(f"ITEM: TIMESTEP\n{10 * frame}\nITEM: NUMBER OF ATOMS\n{len(at)}\n")
            handle.write("ITEM: BOX BOUNDS pp pp pp\n" + f"0 {EDGE}\n" * 3)
            handle.write(f"ITEM: ATOMS id element {columns}\n")
            for i in reversed(range(len(at))):
                handle.write(f"{i + 1} {SYMBOLS[i]} {at[i, 0]:.8f} {at[i, 1]:.8f} {at[i, 2]:.8f}\n")


@pytest.fixture
def walk():
    """Unwrapped positions (600, 6, 3) with a drift."""
    steps = np.random.default_rng(0).normal(0.02, 0.2, size=(600, len(SYMBOLS), 3))
    return steps.cumsum(axis=0)


@pytest.mark.parametrize("columns", ["xu yu zu", "x y z"])
@pytest.mark.parametrize("frame", [LABORATORY, BARYCENTRIC, framework("P", "Cl")])
def test_displacements_are_those_in_memory_in_every_reference_frame(walk, tmp_path, columns, frame):
    path = tmp_path / "dump.lammpstrj"
    write_dump(path, walk if "u" in columns else walk % EDGE, columns)
    read = read_trajectory(path, timestep_fs=1.0)
    still = remove_drift(read.positions, SYMBOLS, frame, standard_masses(SYMBOLS))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with stream_dump(path, frame, timestep_fs=1.0, scratch=scratch) as stream:
        assert stream.counts == {"Li": 3, "Cl": 2, "P": 1}
        np.testing.assert_array_equal(stream.times_ps, read.times_ps)
        for column, (element, count) in enumerate(stream.counts.items()):
            members = np.array(SYMBOLS) == element
            expected = (still - still[0])[:, members]
            own = stream.displacements(element)
            assert own.shape == (600, count, 3)
            np.testing.assert_allclose(own, expected, atol=1e-5)
            np.testing.assert_allclose(stream.sums[:, column], expected.sum(axis=1), atol=1e-9)
        assert list(scratch.iterdir())
    assert not list(scratch.iterdir())


def test_transport_coefficients_are_those_in_memory(walk, tmp_path):
    path = tmp_path / "dump.lammpstrj"
    write_dump(path, walk, "xu yu zu")
    charges = {"Li": 1.0, "Cl": -1.0, "P": -1.0}
    read = read_trajectory(path, timestep_fs=1.0)
    run = Run(read.positions, 0.01, centres_of_species(read.positions, SYMBOLS), 0.01)
    expected = analyse_point(
        [run], SYMBOLS, read.masses, EDGE**3, 500.0, charges, framework("P", "Cl")
    )
    with stream_dump(path, framework("P", "Cl"), timestep_fs=1.0) as stream:
        result = analyse_stream(stream, charges, 500.0)
    assert expected.diffusion["Li"].resolved
    for element, estimate in expected.diffusion.items():
        own = result.diffusion[element]
        assert own.diffusion_cm2_s == pytest.approx(estimate.diffusion_cm2_s, rel=1e-4)
        assert own.standard_error_cm2_s == pytest.approx(estimate.standard_error_cm2_s, rel=1e-4)
    assert result.conductivity.sigma_mS_cm == pytest.approx(
        expected.conductivity.sigma_mS_cm, rel=1e-6
    )


def test_an_atom_that_moves_too_far_in_a_stream_is_named(walk, tmp_path):
    walk[200:, 0, 1] += 0.45 * EDGE
    walk[200, 0, 1] = walk[199, 0, 1] + 0.45 * EDGE
    path = tmp_path / "dump.lammpstrj"
    write_dump(path, walk % EDGE, "x y z")
    refused = pytest.raises(TrajectoryFileError, match=r"atom 0 .* between frames 199 and 200")
    with refused, stream_dump(path, LABORATORY, timestep_fs=1.0):
        pass


def test_a_full_disk_is_told_before_it_is_full(walk, tmp_path, monkeypatch):
    path = tmp_path / "dump.lammpstrj"
    write_dump(path, walk[:10], "xu yu zu")
    usage = type("Usage", (), {"free": 700})
    monkeypatch.setattr(trajectory_stream.shutil, "disk_usage", lambda _: usage)
    refused = pytest.raises(TrajectoryFileError, match="give another folder as scratch")
    with refused, stream_dump(path, LABORATORY, timestep_fs=1.0):
        pass


def test_other_files_are_sent_to_the_reader_in_memory(tmp_path):
    path = tmp_path / "walk.xyz"
    path.write_text("1\n\nLi 0 0 0\n")
    refused = pytest.raises(TrajectoryFileError, match="read_trajectory")
    with refused, stream_dump(path, LABORATORY, timestep_fs=1.0):
        pass
