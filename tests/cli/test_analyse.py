"""``analyse`` gives the numbers of a file without a profile, and says what a file lacks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from click.testing import CliRunner

from aiida_mliptransport.cli import cli

pytestmark = pytest.mark.medium

N_IONS, N_FRAMES, INTERVAL, STEP = 20, 1500, 0.1, 0.3
#: D = ⟨Δr²⟩ / 6τ of a walk with independent Gaussian steps; Å²/ps to cm²/s is 1e-4.
D_CM2_S = 3 * STEP**2 / (6 * INTERVAL) * 1e-4


@pytest.fixture(scope="module")
def walk_file(tmp_path_factory):
    rng = np.random.default_rng(11)
    positions = rng.normal(0, STEP, (N_FRAMES, N_IONS, 3)).cumsum(axis=0)
    symbols = ["Li", "Cl"] * (N_IONS // 2)
    path = tmp_path_factory.mktemp("walk") / "walk.xyz"
    write(path, [Atoms(symbols, at, cell=[12.0] * 3, pbc=True) for at in positions])
    return path


def run(*arguments):
    return CliRunner().invoke(cli, ["analyse", *map(str, arguments)])


def test_a_walk_has_its_known_diffusion_coefficient(walk_file):
    done = run(
        walk_file, "--interval", INTERVAL, "--temperature", 1000, "--charges", "Li=1,Cl=-1",
        "--frame", "laboratory", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    content = json.loads(done.output)
    for element in ("Li", "Cl"):
        record = content["diffusion"][element]
        assert record["D_cm2_s"] == pytest.approx(D_CM2_S, abs=3 * record["standard_error"])
        assert record["relative_error"] < 0.1
    assert content["conductivity"]["haven_ratio"] == pytest.approx(
        1.0, abs=3 * content["conductivity"]["haven_ratio_error"]
    )


def test_a_table_and_a_plot_are_for_people(walk_file, tmp_path):
    plot = tmp_path / "msd.png"
    done = run(
        walk_file, "--interval", INTERVAL, "--temperature", 1000, "--charges", "Li=1,Cl=-1",
        "--plot", plot,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "D(Li)" in done.output
    assert "mS/cm" in done.output
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_page_shows_numbers_and_curves_and_needs_no_network(walk_file, tmp_path):
    page = tmp_path / "analysis.html"
    done = run(
        walk_file, "--interval", INTERVAL, "--temperature", 1000, "--charges", "Li=1,Cl=-1",
        "--frame", "laboratory", "--html", page,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    assert "<h1>walk.xyz</h1>" in text
    assert "Haven ratio" in text
    assert text.count("<svg") == 1
    assert 'src="http' not in text


def test_a_short_trajectory_is_not_resolved_and_says_so(walk_file):
    done = run(
        walk_file, "--interval", INTERVAL, "--temperature", 1000, "--charges", "Li=1,Cl=-1",
        "--skip", N_FRAMES - 12,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "not resolved" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--charges", "Li=1"], "lack ['Cl']"),
        (["--charges", "Li"], "expected pairs such as"),
        (["--charges", "Li=1,Cl=-1", "--skip", "5000"], "leaves 0 of 1500 frames"),
        (["--charges", "Li=1,Cl=-1", "--frame", "solvent"], "expected 'barycentric'"),
    ],
)
def test_bad_options_are_named(walk_file, options, message):
    done = run(walk_file, "--interval", INTERVAL, "--temperature", 1000, *options)
    assert done.exit_code != 0
    assert message in done.output


def test_a_missing_interval_is_asked_for(walk_file):
    done = run(walk_file, "--temperature", 1000, "--charges", "Li=1,Cl=-1")
    assert done.exit_code != 0
    assert "give interval_ps" in done.output


def test_a_large_dump_is_streamed_and_gives_the_same_numbers(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    positions = rng.normal(0, STEP, (400, 4, 3)).cumsum(axis=0)
    path = tmp_path / "dump.lammpstrj"
    with path.open("w") as handle:
        for frame, at in enumerate(positions):
            handle.write(f"ITEM: TIMESTEP\n{frame}\nITEM: NUMBER OF ATOMS\n4\n")
            handle.write("ITEM: BOX BOUNDS pp pp pp\n" + "0 12\n" * 3)
            handle.write("ITEM: ATOMS id element xu yu zu\n")
            for i, (x, y, z) in enumerate(at):
                handle.write(f"{i + 1} {('Li', 'Cl')[i % 2]} {x:.6f} {y:.6f} {z:.6f}\n")
    given = (
        path, "--timestep", 100, "--temperature", 1000, "--charges", "Li=1,Cl=-1",
        "--frame", "laboratory", "--json",
    )  # fmt: skip
    in_memory = json.loads(run(*given).stdout)
    monkeypatch.setattr("aiida_mliptransport.cli.analyse.STREAM_BYTES", 1000)
    done = run(*given, "--scratch", tmp_path)
    assert done.exit_code == 0, done.output
    streamed = json.loads(done.stdout)
    assert streamed["n_frames"] == in_memory["n_frames"] == 400
    for element in ("Li", "Cl"):
        one, other = (c["diffusion"][element]["D_cm2_s"] for c in (in_memory, streamed))
        assert one == pytest.approx(other, rel=1e-5)
    refused = run(*given, "--skip", 10)
    assert refused.exit_code != 0
    assert "--skip 10" in refused.output
