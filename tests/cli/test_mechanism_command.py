"""``mechanism`` says how ions move in a file, and what its options lack."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from ase.units import fs
from click.testing import CliRunner

from aiida_mliptransport.cli.main import cli

pytestmark = pytest.mark.medium

SPACING, REPEATS, N_FRAMES, DT_PS, RATE = 2.5, 3, 600, 0.2, 0.3


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """Eight Li that hop between the sites of a lattice that Cl mark."""
    rng = np.random.default_rng(1)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    moves = rng.random((N_FRAMES, 8, 1)) < RATE * DT_PS
    steps = axes[rng.integers(0, 6, (N_FRAMES, 8))] * moves
    steps[0] = 0
    places = SPACING * (rng.integers(0, REPEATS, (8, 3)) + np.cumsum(steps, axis=0))
    moving = places + 0.08 * rng.normal(size=places.shape)
    grid = np.stack(np.meshgrid(*[np.arange(REPEATS)] * 3), axis=-1).reshape(-1, 3)
    host = SPACING * (grid + 0.5)
    cell = SPACING * REPEATS * np.eye(3)
    path = tmp_path_factory.mktemp("mechanism") / "hops.extxyz"
    frames = [
        Atoms(f"Li8Cl{len(host)}", np.concatenate([frame, host]), cell=cell, pbc=True)
        for frame in moving
    ]
    write(path, frames, format="extxyz")
    return path


def run(*arguments):
    return CliRunner().invoke(cli, ["mechanism", *map(str, arguments)])


@pytest.fixture(scope="module")
def basics(dump):
    return [dump, "--interval", DT_PS, "--temperature", 600, "--frame", "framework:Cl"]


def test_hops_are_told_with_their_error_and_drawn(basics, tmp_path):
    drawn = ["--plot", tmp_path / "m.png", "--html", tmp_path / "m.html"]
    result = run(*basics, "--hops", "Li=0.8", *drawn)
    assert result.exit_code == 0, result.output
    assert "hops per ion of Li" in result.output
    assert "correlation factor of Li" in result.output
    assert (tmp_path / "m.png").stat().st_size > 10_000
    page = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "hops per ion of Li" in page


def test_json_holds_the_planted_rate(basics):
    result = run(*basics, "--hops", "Li=0.8", "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    low, high = content["rows"]["hop_rate_Li"]["interval_95"]
    assert low < RATE < high
    assert content["hops"]["Li"]["n_sites"] == REPEATS**3


def test_molecules_need_no_charges(basics):
    # Each Li has eight Cl at 2.17 Å, so that everything is one network.
    result = run(*basics, "--bond", "Cl-Li=2.5,2.6", "--central", "Li")
    assert result.exit_code == 0, result.output
    assert "in a cell" in result.output
    assert "note: charges lack" in result.output or "σ, total part" in result.output


def test_a_settings_file_says_all_that_can_be_set(basics, tmp_path):
    path = tmp_path / "mechanism.yaml"
    path.write_text("hops: {Li: {window_ps: 1.0, threshold_A: 1.25}}\nvan_hove: {lags_ps: [2.0]}\n")
    result = run(*basics, "--settings", path, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["hops"]["Li"]["method"] == "displacement"
    assert content["non_gaussian"]["Li"]["times_ps"] == [2.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing is asked for"),
        (["--hops", "Li"], "expected an element and the radius"),
        (["--hops", "Li=1,2"], "expected one radius in Å"),
        (["--hops", "Na=1.0"], "asked for ['Na'], but the elements are ['Cl', 'Li']"),
        (["--bond", "ClLi=2.5,3"], "expected a pair of elements as 'Al-Cl'"),
        (["--bond", "Cl-Li=2.5"], "molecules.bonds.Cl-Li"),
        (["--hops", "Li=0.8", "--skip", 599], "--skip 599 leaves 1 of 600 frames"),
        (["--hops", "Li=0.8", "--temperature", -1], "expected a positive temperature"),
    ],
)
def test_what_does_not_fit_is_said(basics, arguments, message):
    result = run(*basics, *arguments)
    assert result.exit_code != 0
    assert message in result.output


def test_an_unknown_key_of_the_settings_is_named(basics, tmp_path):
    path = tmp_path / "mechanism.yaml"
    path.write_text("hops: {Li: {core_radius: 1.0}}\n")
    result = run(*basics, "--settings", path)
    assert result.exit_code != 0
    assert "hops.Li.core_radius" in result.output


def test_vibrations_come_from_velocities_in_the_file(tmp_path):
    times, frequency = 0.02 * np.arange(2000), 5.0  # ps, THz
    phases = np.random.default_rng(3).uniform(0, 2 * np.pi, (4, 3))
    angles = 2 * np.pi * frequency * times[:, None, None] + phases
    frames = []
    for sine, cosine in zip(np.sin(angles), np.cos(angles), strict=True):
        atoms = Atoms("Li4", 3.0 * np.eye(4, 3) + 0.1 * sine, cell=[9.0] * 3, pbc=True)
        atoms.set_velocities(0.1 * 2 * np.pi * frequency * cosine / (1000.0 * fs))
        frames.append(atoms)
    write(tmp_path / "solid.extxyz", frames)
    settings = tmp_path / "mechanism.yaml"
    settings.write_text("vibrations: {resolution_THz: 0.5}\n")
    basics = [tmp_path / "solid.extxyz", "--interval", 0.02, "--temperature", 300]
    page = tmp_path / "m.html"
    result = run(*basics, "--settings", settings, "--json", "--html", page)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["vibrations"]["n_modes"] == 9
    assert "THz" in page.read_text(encoding="utf-8")


def test_vibrations_without_velocities_are_refused(basics, tmp_path):
    settings = tmp_path / "mechanism.yaml"
    settings.write_text("vibrations: {resolution_THz: 0.5}\n")
    result = run(*basics, "--settings", settings)
    assert result.exit_code != 0
    assert "holds no velocities" in result.output
