"""The 95 % interval holds the truth in about 95 % of cases, for four kinds of motion.

The benchmark does the same with 2000 trajectories of each kind; its table is in the docs.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.medium

N_TRAJECTORIES = 40
N_FRAMES = 1000
N_IONS = 8


def load_benchmark() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "calibration.py"
    spec = importlib.util.spec_from_file_location("calibration", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()


@pytest.mark.parametrize("kind", sorted(BENCHMARK.KINDS))
def test_intervals_hold_the_truth(kind: str) -> None:
    tallies = BENCHMARK.calibrate(BENCHMARK.KINDS[kind], N_TRAJECTORIES, N_FRAMES, N_IONS)
    for tally in tallies:
        assert len(tally.hits) >= 0.93 * N_TRAJECTORIES
        # 95 % of 40 is 38, give or take 1.4.
        assert np.mean(tally.hits) >= 0.85
        # Neither biased nor, as an error that is too wide would be, useless.
        spread = np.std(tally.ratios) / np.sqrt(N_TRAJECTORIES)
        assert abs(np.mean(tally.ratios) - 1.0) < 3.5 * spread
        assert np.mean(tally.errors) < 1.6 * np.std(tally.ratios)
