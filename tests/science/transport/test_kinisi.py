"""Our D against that of kinisi, a Bayesian fit by others, on the same displacements.

kinisi is no dependency of the tests: ``pip install 'aiida-mliptransport[benchmarks]'`` has it.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from aiida_mliptransport.science.transport.diffusion import estimate_diffusion
from aiida_mliptransport.science.units import ANGSTROM2_PS_TO_CM2_S

scipp = pytest.importorskip("scipp", reason="kinisi is not installed")
kinisi_diffusion = pytest.importorskip("kinisi.diffusion", reason="kinisi is not installed")
kinisi_displacement = pytest.importorskip("kinisi.displacement", reason="kinisi is not installed")

DT_PS = 0.1


def kinisi_d(positions: np.ndarray, lags: np.ndarray, start_ps: float) -> tuple[float, float]:
    """Mean and standard deviation of kinisi's D in cm²/s.

    It gets displacements, not files: its parsers repeat the first frame.
    """
    moved = scipp.array(
        dims=["obs", "particle", "dimension"],
        values=(positions - positions[0])[1:],
        unit="angstrom",
    )
    index = scipp.array(dims=["time interval"], values=lags)
    times = scipp.array(dims=["time interval"], values=lags * DT_PS, unit="ps")
    parser = SimpleNamespace(displacements=moved, dt_index=index, dt=times, dimensionality=3)
    fit = kinisi_diffusion.Diffusion(kinisi_displacement.calculate_msd(parser, progress=False))
    fit.bayesian_regression(
        start_dt=scipp.scalar(start_ps, unit="ps"),
        progress=False,
        random_state=np.random.RandomState(1),
    )
    slope = np.asarray(fit.gradient.values)
    return (
        float(slope.mean()) / 6 * ANGSTROM2_PS_TO_CM2_S,
        float(slope.std()) / 6 * ANGSTROM2_PS_TO_CM2_S,
    )


def test_kinisi_agrees_within_joint_errors() -> None:
    rng = np.random.default_rng(3)
    positions = np.cumsum(0.2 * rng.normal(size=(2000, 20, 3)), axis=0)
    ours = estimate_diffusion(positions, DT_PS)
    assert ours.diffusion_cm2_s is not None
    assert ours.standard_error_cm2_s is not None
    lags = np.unique(np.geomspace(1, 200, 20).astype(int))
    theirs, error = kinisi_d(positions, lags, ours.fit_window_ps[0])
    joint = np.hypot(ours.standard_error_cm2_s, error)
    assert abs(ours.diffusion_cm2_s - theirs) < 3 * joint
    truth = 3 * 0.2**2 / (6 * DT_PS) * ANGSTROM2_PS_TO_CM2_S
    assert abs(theirs - truth) < 4 * error
