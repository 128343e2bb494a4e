"""Errors, learning curves and their ratio for ``label_efficiency.py``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from label_efficiency_pools import RecordedPool
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: What is measured on blind frames, and how it is called in a figure.
METRICS = {
    "force": "all atoms",
    "mobile": "mobile species",
    "large": "5 % largest forces",
    "hopping": "hopping ions",
}


def blind_errors(
    pool: RecordedPool, forces: FloatArray, training: NDArray[np.int64]
) -> dict[str, float]:
    """Return the force RMSE per component, eV/Å, as the mean over the members.

    Parameters
    ----------
    forces
        Of all members for all frames, ``(M, n, N, 3)``.
    training
        Frames trained on; their error tells whether the data were the bottleneck.
    """
    truth = pool.system.forces
    mobile = np.zeros(pool.hopping.shape, dtype=bool)
    mobile[:, pool.system.numbers == pool.mobile] = True
    size = np.linalg.norm(truth, axis=2)
    both = np.concatenate([pool.blind, pool.blind_hops])
    masks = {
        "force": (pool.blind, np.ones_like(mobile)),
        "mobile": (pool.blind, mobile),
        "large": (pool.blind, size >= np.quantile(size[pool.blind], 0.95)),
        "hopping": (both, pool.hopping),
        "training": (training, np.ones_like(mobile)),
    }
    errors = {}
    for name, (frames, mask) in masks.items():
        squared = (forces[:, frames] - truth[frames]) ** 2
        chosen = squared[:, mask[frames]]
        errors[name] = float(np.mean(np.sqrt(chosen.mean(axis=(1, 2)))))
    return errors


def labels_for_error(labels: Sequence[int], errors: Sequence[float], target: float) -> float:
    """Return how many labels first give an error of ``target``; infinity if none of them do.

    Interpolated between neighbouring points, linearly in the logarithms of both.
    """
    if errors[0] <= target:
        return float(labels[0])
    for k in range(1, len(labels)):
        if errors[k] <= target:
            x = np.log(labels[k - 1 : k + 1])
            y = np.log(errors[k - 1 : k + 1])
            share = (math.log(target) - y[0]) / (y[1] - y[0])
            return float(np.exp(x[0] + share * (x[1] - x[0])))
    return math.inf


Curve = tuple[list[int], dict[str, list[float]]]


def curve(rounds: Sequence[Mapping[str, Any]]) -> Curve:
    """Return numbers of labels, and the errors of each metric, of one strategy and seed."""
    names = [*METRICS, "training"]
    return (
        [int(entry["labels"]) for entry in rounds],
        {name: [float(entry["errors"][name]) for entry in rounds] for name in names},
    )


def label_ratios(
    curves: Mapping[str, Mapping[int, Curve]], ours: str, reference: str, budget: int, metric: str
) -> list[float]:
    """Return labels of ``ours`` over those of ``reference`` for one error, seed by seed.

    The error is the one that the reference has after the last round within the budget. Infinity
    where ours does not reach it with the labels that it has; seeds that did not come so far with
    the reference are left out.
    """
    ratios = []
    for seed, (labels, errors) in sorted(curves[reference].items()):
        if labels[-1] < budget or seed not in curves.get(ours, {}):
            continue
        last = max(k for k, number in enumerate(labels) if number <= budget)
        found = curves[ours][seed]
        needed = labels_for_error(found[0], found[1][metric], errors[metric][last])
        ratios.append(needed / labels[last])
    return ratios


def table(curves: Mapping[str, Mapping[int, Curve]], metric: str) -> list[str]:
    """Return a Markdown table of mean errors in meV/Å, strategies by numbers of labels."""
    numbers = sorted(
        {n for seeds in curves.values() for labels, _ in seeds.values() for n in labels}
    )
    lines = [
        f"| {metric} | " + " | ".join(map(str, numbers)) + " |",
        "|---|" + "---|" * len(numbers),
    ]
    for name, seeds in curves.items():
        cells = []
        for number in numbers:
            found = [
                errors[metric][labels.index(number)]
                for labels, errors in seeds.values()
                if number in labels
            ]
            spread = f" ± {1000 * np.std(found, ddof=1):.0f}" if len(found) > 1 else ""
            cells.append(f"{1000 * np.mean(found):.0f}{spread}" if found else "")
        lines.append(f"| {name} ({len(seeds)}) | " + " | ".join(cells) + " |")
    return lines


def plot(curves: Mapping[str, Mapping[int, Curve]], path: str, title: str) -> None:
    """Draw mean learning curves, one panel a metric, with the spread over seeds as a band."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure, axes = plt.subplots(1, len(METRICS), figsize=(13, 3.6), constrained_layout=True)
    for axis, (metric, label) in zip(axes, METRICS.items(), strict=True):
        for number, (name, seeds) in enumerate(curves.items()):
            shared = min((labels for labels, _ in seeds.values()), key=len)
            values = np.array([errors[metric][: len(shared)] for _, errors in seeds.values()])
            colour = f"C{number}"
            axis.plot(shared, 1000 * values.mean(axis=0), "o-", ms=3, color=colour, label=name)
            axis.fill_between(
                shared,
                1000 * values.min(axis=0),
                1000 * values.max(axis=0),
                color=colour,
                alpha=0.12,
                lw=0,
            )
        axis.set(xscale="log", yscale="log", xlabel="labels", title=label)
        axis.set_xticks(
            max((labels for labels, _ in next(iter(curves.values())).values()), key=len)
        )
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("force RMSE per component (meV/Å)")
    axes[-1].legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)
    plt.close(figure)
