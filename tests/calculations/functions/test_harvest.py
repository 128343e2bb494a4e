"""Hops planted in trajectories become ends of paths, one for each mechanism, with its count."""

import numpy as np
import pytest
from aiida import orm

from aiida_mliptransport.calculations.functions.harvest import harvest_ends
from aiida_mliptransport.data.trajectory import MDTrajectoryData

pytestmark = pytest.mark.medium

A, N, DT_PS = 3.0, 3, 0.1
CELL = N * A * np.eye(3)
CORNERS = np.stack(np.meshgrid(*[np.arange(N)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
SITES = {"scaled_positions": [[0.0, 0.0, 0.0]], "repeats": [N, N, N]}
SETTINGS = {
    "symbol": "Li", "core_radius_A": 1.0, "window_ps": 1.0, "distance_A": 3.6, "sites": SITES,
}  # fmt: skip


def run_with_hops(hops, seed=1, n_frames=200, cell_scale=1.0):
    """CsCl with one lithium missing at (0, 0, 0); ``hops`` are frame, place before and step."""
    places = A * CORNERS[1:].astype(float)
    lithium = np.tile(places, (n_frames, 1, 1))
    for frame, place, step in hops:
        distance = np.linalg.norm(lithium[frame] - A * np.array(place, dtype=float), axis=1)
        lithium[frame:, np.argmin(distance)] += A * np.array(step)
    chlorine = np.tile(A * (CORNERS + 0.5), (n_frames, 1, 1))
    still = np.concatenate([lithium, chlorine], axis=1)
    rng = np.random.default_rng(seed)
    cells = np.repeat(CELL[None], n_frames, axis=0)
    cells[-1] *= cell_scale
    return MDTrajectoryData(
        numbers=np.repeat([3, 17], [len(places), len(CORNERS)]),
        steps=np.arange(n_frames),
        times_ps=DT_PS * np.arange(n_frames),
        positions=still + 0.1 * rng.normal(size=still.shape),
        cells=cells,
        info={"temperature_K": 300.0},
    )


def harvest(settings=SETTINGS, **trajectories):
    made = harvest_ends(orm.Dict(settings), **trajectories)
    return made, made["paths"].get_dict()


def test_hops_of_all_runs_of_a_structure_are_counted_together():
    along_x = [(50, (1, 0, 0), (-1, 0, 0)), (150, (0, 0, 0), (1, 0, 0))]
    made, found = harvest(
        cscl_300K_replica0=run_with_hops(along_x),
        cscl_400K_replica0=run_with_hops([(80, (0, 1, 0), (0, -1, 0))], seed=2),
    )
    (name,) = found["paths"]
    record = found["paths"][name]
    assert name == "cscl_Li_vacancy_1"
    assert (record["kind"], record["count"], record["share"]) == ("vacancy", 3, 1.0)
    assert record["length_A"] == pytest.approx(A)
    assert found["structures"]["cscl"]["n_runs"] == 2
    moved = made[f"final_{name}"].get_ase().positions - made[f"initial_{name}"].get_ase().positions
    lengths = np.linalg.norm(moved, axis=1)
    assert lengths.max() == pytest.approx(A, abs=0.25)
    # All others are where they were, but for vibrations averaged over the window.
    assert np.sort(lengths)[-2] < 0.3


def test_sites_are_found_where_none_are_given():
    settings = {key: value for key, value in SETTINGS.items() if key != "sites"}
    hops = [(50, (1, 0, 0), (-1, 0, 0))]
    _, found = harvest(settings, cscl_300K_replica0=run_with_hops(hops))
    assert found["structures"]["cscl"]["n_sites"] == N**3
    assert found["paths"]["cscl_Li_vacancy_1"]["count"] == 1


def test_several_mechanisms_are_paths_of_their_own_and_rare_ones_are_named():
    # Two hops into the vacancy, and one onto a site where another ion stays.
    run = run_with_hops(
        [
            (50, (1, 0, 0), (-1, 0, 0)),
            (100, (1, 1, 0), (0, -1, 0)),
            (150, (2, 2, 2), (0, 0, -1)),
        ]
    )
    _, found = harvest(cscl_300K_replica0=run)
    counts = {name: record["count"] for name, record in found["paths"].items()}
    assert counts == {"cscl_Li_vacancy_1": 2, "cscl_Li_interstitial_1": 1}
    _, frequent = harvest({**SETTINGS, "min_count": 2}, cscl_300K_replica0=run)
    assert list(frequent["paths"]) == ["cscl_Li_vacancy_1"]
    _, few = harvest({**SETTINGS, "max_mechanisms": 1}, cscl_300K_replica0=run)
    assert list(few["paths"]) == ["cscl_Li_vacancy_1"]
    assert "1 rarer mechanisms with 1 hops" in few["refused"][0]


def test_a_run_without_hops_is_refused_with_what_was_seen():
    made, found = harvest(
        still_300K_replica0=run_with_hops([]),
        cscl_300K_replica0=run_with_hops([(50, (1, 0, 0), (-1, 0, 0))]),
    )
    (reason,) = found["refused"]
    assert "still: no hop of Li in 19.9 ps of 1 runs with 27 sites" in reason
    assert "initial_cscl_Li_vacancy_1" in made


@pytest.mark.parametrize(
    ("settings", "run", "expected"),
    [
        ({"symbol": "Na"}, {}, "symbol is 'Na', expected one of ['Cl', 'Li']"),
        ({}, {"cell_scale": 1.05}, "expected runs at one constant volume"),
    ],
)
def test_what_is_no_crystal_of_this_kind_is_refused(settings, run, expected):
    _, found = harvest(
        {**SETTINGS, **settings},
        cscl_300K_replica0=run_with_hops([(50, (1, 0, 0), (-1, 0, 0))], **run),
    )
    assert found["paths"] == {}
    assert expected in found["refused"][0]
