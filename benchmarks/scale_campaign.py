"""How a whole campaign scales with its structures and labels: wall time, memory, database.

Usage: python benchmarks/scale_campaign.py [--structures 12 25 50] [--labels-per-structure 20]

Each campaign has one iteration: a committee of two is trained, every structure is explored by two
runs of MD, blind frames and candidates are labelled with EMT in jobs of five, and a last committee
is trained. ``dp`` and ``lmp`` are the stand-ins of tests/survival, which cost a second each, so
that what is measured is the loop and the daemon (one worker). Everything lies in a profile of its
own in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "survival"))

FRAMES_PER_JOB = 5
IN_FLIGHT = 50
N_BLIND = 20


def run_campaign(programs: Path, n_structures: int, n_labels: int, seed: int) -> dict[str, float]:
    """Run one campaign in the loaded profile, and look at it while it works."""
    from aiida import orm
    from ase.build import bulk
    from driver import EMT_SPEC, codes, first_frames
    from harness import STAND_IN_TRAINING
    from scale import database_bytes, watched

    from aiida_mliptransport.workflows.active_learning import ActiveLearningWorkChain

    structures = {}
    for number in range(n_structures):
        atoms = bulk("Cu", "fcc", a=3.75 + 0.002 * number, cubic=True) * (2, 1, 1)
        atoms.symbols[::2] = "Au"
        structures[f"cell{number}"] = orm.StructureData(ase=atoms)
    builder = ActiveLearningWorkChain.get_builder_from_protocol(
        codes=codes(programs),
        structures=structures,
        engine="ase",
        temperatures=[600.0],
        engine_options={"calculator": EMT_SPEC},
        seed=seed,
        max_concurrent=IN_FLIGHT,
        protocol="fast",
        overrides={
            "label": {"reuse_labels": False, "batch_size": FRAMES_PER_JOB},
            "train": {"committee_size": 2, "parameters": STAND_IN_TRAINING},
            "training": {"final": {"training": STAND_IN_TRAINING["training"]}},
            "explore": {
                "parameters": {
                    "steps": 200,
                    "equilibration_steps": 10,
                    "timestep_fs": 1.0,
                    "trajectory_stride": 5,
                    "deviation_stride": 5,
                }
            },
            "selection": {
                "n_candidates": n_labels - N_BLIND,
                "n_blind": N_BLIND,
                "blind_start_ps": 0.0,
                "strategy": "random",
            },
            "budget": {"max_iterations": 1, "max_labels": 10 * n_labels},
            # Never met, so that candidates are labelled.
            "targets": {"max_relative_force_rmse": 1e-9},
        },
    )
    del builder["aimd"]
    builder.initial_frames = {"given": first_frames(next(iter(structures.values())).get_ase())}
    before = database_bytes()
    node, wall, memory, checkpoint = watched(builder)
    found = node.outputs.history["n_labels_total"] if "history" in node.outputs else 0
    if found < n_labels:
        reason = node.exit_message or node.exception
        raise SystemExit(f"campaign {node.pk} has {found} of {n_labels} labels: {reason}")
    jobs = [call for call in node.called_descendants if isinstance(call, orm.CalcJobNode)]
    return {
        "structures": n_structures,
        "labels": found,
        "jobs": len(jobs),
        "kinds": dict(Counter(job.process_type.split("mliptransport.")[-1] for job in jobs)),
        "wall": wall,
        "worker_bytes": memory,
        "database_bytes": database_bytes() - before,
        "checkpoint_bytes": checkpoint,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=int, nargs="+", default=[12, 25, 50])
    parser.add_argument("--labels-per-structure", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        from aiida import load_profile

        load_profile()
        (count,) = arguments.structures
        labels = count * arguments.labels_per_structure
        found = run_campaign(Path(arguments.inside), count, labels, arguments.seed)
        print("\n" + json.dumps(found))
        return
    from harness import Profile
    from scale import exponent

    profile = Profile(Path(tempfile.mkdtemp(prefix="scale-")))
    runs = []
    try:
        profile.start()
        for number, count in enumerate(arguments.structures):
            output = profile.run(
                "python", str(Path(__file__).resolve()), f"--inside={profile.programs}",
                f"--structures={count}",
                f"--labels-per-structure={arguments.labels_per_structure}",
                f"--seed={arguments.seed + number}",
            )  # fmt: skip
            run = json.loads(output.splitlines()[-1])
            runs.append(run)
            print(
                f"{run['structures']:3d} structures {run['labels']:5d} labels "
                f"{run['jobs']:4d} jobs: {run['wall']:7.1f} s, "
                f"{run['wall'] / run['jobs']:5.2f} s a job, worker "
                f"{run['worker_bytes'] / 1e6:4.0f} MB, database "
                f"{run['database_bytes'] / 1e6:5.1f} MB, checkpoint "
                f"{run['checkpoint_bytes'] / 1e3:4.0f} kB, "
                + ", ".join(f"{kind} {found}" for kind, found in sorted(run["kinds"].items())),
                flush=True,
            )
    finally:
        profile.close()
    largest = runs[-1]
    line = f"scale_campaign: structures={largest['structures']} labels={largest['labels']} "
    line += f"jobs={largest['jobs']} wall_s={largest['wall']:.0f}"
    if len(runs) > 1:
        for name in ("wall", "database_bytes", "worker_bytes", "checkpoint_bytes"):
            found = exponent([run["labels"] for run in runs], [run[name] for run in runs])
            line += f" exponent_{name.removesuffix('_bytes')}={found:.2f}"
    print(line)


if __name__ == "__main__":
    main()
