"""Selection strategies: which frames of a pool to label, each a function on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diversity import farthest_point_sampling
from .leverage import greedy_log_det
from .pool import Pool, informativeness, max_deviation, sampling_weights
from .trust import FrameClass

__all__ = ["STRATEGIES", "Strategy", "get_strategy"]

#: Share of the rows' mean square below which a direction of the descriptors counts as noise.
RELATIVE_RIDGE = 1e-3

#: (pool, number, seed, known) -> indices into the pool, best first.
Choice = Callable[[Pool, int, int, NDArray[np.float64]], NDArray[np.int64]]

_CANDIDATE, _FAILED, _ACCURATE = FrameClass.CANDIDATE, FrameClass.FAILED, FrameClass.ACCURATE


@dataclass(frozen=True)
class Strategy:
    """One way to choose, and what has to be known before.

    Attributes
    ----------
    choose
        Takes a pool, how many frames are wanted, an integer seed and the descriptors of known
        frames ``(m, d)``; returns indices into the pool, best first, fewer where the pool has no
        more to give. Only ``random`` and ``dpgen`` draw; the others ignore the seed.
    classes
        Groups of frame classes, in the order in which they are used up.
    tops_up
        Whether accurate frames may follow where the caller asks for them.
    compares_with_training
        Whether it wants the descriptors of the training set among the known ones.
    weighs_atoms
        Whether it reads deviations and hop weights of atoms, where the pool has them.
    """

    choose: Choice
    classes: tuple[tuple[FrameClass, ...], ...]
    tops_up: bool = False
    compares_with_training: bool = False
    weighs_atoms: bool = False

    def groups(self, top_up: bool) -> tuple[tuple[FrameClass, ...], ...]:
        """Return the groups of classes to choose from, one after the other."""
        return (*self.classes, (_ACCURATE,)) if top_up and self.tops_up else self.classes


def random(pool: Pool, number: int, seed: int, known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw uniformly from all frames: what every other strategy must beat."""
    return _draw(len(pool), number, seed)


def dpgen(pool: Pool, number: int, seed: int, known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw uniformly from the frames between the trust levels.

    The rule of DP-GEN: Zhang et al., Comput. Phys. Commun. 253, 107206 (2020).
    """
    if pool.labels is None:
        raise ValueError("the pool has no labels: classify its frames for the strategy dpgen")
    candidates = np.flatnonzero(np.asarray(pool.labels) == _CANDIDATE.value)
    return candidates[_draw(len(candidates), number, seed)]


def fps(pool: Pool, number: int, seed: int, known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose farthest points, with the largest force deviation as the weight of the distance.

    Gonzalez, Theor. Comput. Sci. 38, 293 (1985); see :func:`farthest_point_sampling`.
    """
    return _farthest(pool, number, known, max_deviation(pool))


def mobile(pool: Pool, number: int, seed: int, known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose as ``fps``, with the deviation of mobile and hopping atoms as the weight.

    A diffusion coefficient hangs on few atoms in few moments: see :func:`informativeness`.
    """
    return _farthest(pool, number, known, informativeness(pool))


def dopt(pool: Pool, number: int, seed: int, known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose the D-optimal extension of the training set: the largest leverage first.

    Needs no committee: the descriptors of one model and those of its training set will do.
    Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017), with the log-determinant of the
    descriptors in the place of MaxVol, as in Zaverkin et al., Digit. Discov. 1, 605 (2022).
    """
    rows, design = _standardised(pool, known)
    return greedy_log_det(rows, number, ridge=RELATIVE_RIDGE, design=design).indices


def quality_diversity(
    pool: Pool, number: int, seed: int, known: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose D-optimally among frames weighted by the deviation of mobile and hopping atoms.

    Quality (:func:`informativeness`, relative to the pool's) scales the descriptors, whose
    log-determinant is diversity: of two frames that say the same, the second adds nothing however
    large its deviation. The decomposition of determinantal point processes, Kulesza and Taskar,
    Found. Trends Mach. Learn. 5, 123 (2012), chosen greedily.
    """
    rows, design = _standardised(pool, known)
    quality = sampling_weights(pool, informativeness(pool))
    scale = float(np.sqrt(np.mean(quality**2))) if len(quality) else 0.0
    weights = quality / scale if scale > 0 else np.ones(len(quality))
    return greedy_log_det(
        rows, number, ridge=RELATIVE_RIDGE, design=design, weights=weights
    ).indices


#: The strategies by the name that ``selection.strategy`` takes.
STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "random": Strategy(random, ((_CANDIDATE, _FAILED, _ACCURATE),)),
        "dpgen": Strategy(dpgen, ((_CANDIDATE,),)),
        "fps": Strategy(fps, ((_CANDIDATE,), (_FAILED,)), tops_up=True),
        "mobile": Strategy(mobile, ((_CANDIDATE,), (_FAILED,)), tops_up=True, weighs_atoms=True),
        "dopt": Strategy(dopt, ((_CANDIDATE, _ACCURATE), (_FAILED,)), compares_with_training=True),
        "quality_diversity": Strategy(
            quality_diversity,
            ((_CANDIDATE,), (_FAILED,)),
            tops_up=True,
            compares_with_training=True,
            weighs_atoms=True,
        ),
    }
)


def get_strategy(name: str) -> Strategy:
    """Return the strategy of this name.

    Raises
    ------
    ValueError
        If there is none; the message lists all.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy is {name!r}, expected one of {list(STRATEGIES)}")
    return STRATEGIES[name]


def _draw(size: int, number: int, seed: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.random.default_rng(seed).permutation(size).astype(np.int64)
    return order[:number]


def _farthest(
    pool: Pool, number: int, known: NDArray[np.float64], score: NDArray[np.float64]
) -> NDArray[np.int64]:
    return farthest_point_sampling(
        pool.descriptors,
        number,
        weights=sampling_weights(pool, score),
        known=known,
        tolerance=0.0,
    ).indices


def _standardised(
    pool: Pool, known: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pool's and the known rows about their common mean, in units of their spread.

    One scale for all components: scales of their own would raise noise to the rank of signal, and
    the choice would depend on the axes of the descriptor.
    """
    rows = np.asarray(pool.descriptors, dtype=np.float64)
    both = np.concatenate([rows, np.asarray(known, dtype=np.float64)])
    if not len(both):
        return rows, both
    both = both - both.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.sum(both**2, axis=1))))
    if spread > 0:
        both = both / spread
    return both[: len(rows)], both[len(rows) :]
