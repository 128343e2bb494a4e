"""Segments of one run are one trajectory; what does not belong together is refused."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_mliptransport.data.segments import JoinedTrajectory
from aiida_mliptransport.data.trajectory import MDTrajectoryData, TrajectoryError

N_FRAMES = 12


@pytest.fixture
def whole():
    """Positions (12, 2, 3) and centres of mass of two species (12, 2, 3) of a walk."""
    walk = np.random.default_rng(4).normal(size=(N_FRAMES, 2, 3)).cumsum(axis=0) + 50.0
    return walk


def segment(walk, first, last, numbers=(3, 17)):
    steps = 10 * np.arange(first, last)
    return MDTrajectoryData(
        numbers=list(numbers),
        pbc=True,
        steps=steps,
        times_ps=steps * 1e-3,
        positions=walk[first:last],
        cells=np.tile(np.eye(3) * 8.0, (last - first, 1, 1)),
        thermo={"step": steps, "temperature_K": 300.0 + steps},
        species={
            "names": ["Li", "Cl"],
            "steps": steps,
            "times_ps": steps * 1e-3,
            "displacements": walk[first:last] - walk[first],
            "velocities": np.zeros((last - first, 2, 3)),
            "reference": walk[first],
        },
        deviations={"steps": steps, "max_force": 0.1 * np.arange(first, last)},
        info={"ensemble": "nvt", "completed": True},
    )


def test_joined_segments_equal_the_whole_run(whole):
    joined = JoinedTrajectory([segment(whole, 0, 5), segment(whole, 5, 9), segment(whole, 9, 12)])
    np.testing.assert_allclose(joined.positions(), whole, atol=1e-5)
    np.testing.assert_allclose(joined.positions(stride=3), whole[::3], atol=1e-5)
    np.testing.assert_allclose(joined.times_ps, 0.01 * np.arange(N_FRAMES))
    times, displacements, _ = joined.species_series()
    np.testing.assert_allclose(times, joined.times_ps)
    np.testing.assert_allclose(displacements, whole - whole[0], atol=1e-9)
    assert joined.length_ps == pytest.approx(0.11)
    assert joined.n_frames == len(joined.cells) == len(joined.thermo("temperature_K")) == 12
    np.testing.assert_allclose(joined.max_force_deviation(), 0.1 * np.arange(12))


def test_segments_in_the_wrong_order_are_refused(whole):
    with pytest.raises(TrajectoryError, match="begins at step 0, expected one after step 110"):
        JoinedTrajectory([segment(whole, 6, 12), segment(whole, 0, 6)])


def test_segments_of_other_atoms_are_refused(whole):
    with pytest.raises(TrajectoryError, match="other atoms"):
        JoinedTrajectory([segment(whole, 0, 6), segment(whole, 6, 12, numbers=(3, 9))])


def test_no_segment_at_all_is_refused():
    with pytest.raises(TrajectoryError, match="expected one trajectory or more"):
        JoinedTrajectory([])
