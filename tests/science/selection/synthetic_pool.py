"""A pool with planted structure: a crowd of alike frames, rare ones, copies, and noise."""

import numpy as np

from aiida_mliptransport.science.selection.pool import Pool
from aiida_mliptransport.science.selection.trust import TrustLevels, classify

TRUST = TrustLevels(0.1, 0.5)


def synthetic_pool(n: int = 200, d: int = 8, seed: int = 0, **changes: object) -> Pool:
    """Return n frames of two Li and two Cl atoms from four runs, 0.1 ps apart."""
    rng = np.random.default_rng(seed)
    deviation = rng.gamma(2.0, 0.1, n)
    atomic = deviation[:, None] * rng.uniform(0.2, 0.9, (n, 4))
    atomic[np.arange(n), rng.integers(0, 4, n)] = deviation
    values = {
        "descriptors": rng.normal(size=(n, d)) * np.geomspace(1.0, 0.05, d),
        "max_deviation": deviation,
        "labels": classify(deviation, TRUST),
        "numbers": np.tile([3, 3, 17, 17], (n, 1)),
        "atomic_deviation": atomic,
        "hop_weights": np.zeros((n, 4)),
        "mobile": (3,),
        "run": np.arange(n) % 4,
        "times_ps": 0.1 * (np.arange(n) // 4),
    }
    return Pool(**(values | changes))
