"""Does DP-GEN's own package give the transport of the teacher, and at what cost?

Usage: python benchmarks/teacher_recovery_dpgen.py --work FOLDER [--dpgen PATH] [--profile NAME]
       [--length-ps 300] [--reference PK] [--campaign PK] [--trust LOW HIGH]

Teacher, first data, networks, trainings, explorations and labels an iteration are those of
``teacher_recovery.py``, but DP-GEN selects and runs: shell jobs, two at a time with one thread
each. The last committee is trained as long as the campaign's, and driven through the same transport
workflow. Learning takes the wall seconds from the first MD to the last committee; DP-GEN looks at
its jobs every 30 s, which is in them. DP-GEN draws its seeds itself and has no option for them, so
no two runs are the same. All its labels are trained on; a campaign keeps some for its blind test.

DP-GEN is no dependency of the package and may need other versions of its libraries, so it has an
environment of its own: ``python -m venv dpgen-env``, ``dpgen-env/bin/pip install dpgen==0.14.0``,
and here ``--dpgen dpgen-env/bin/dpgen``. Its jobs take ``dp``, ``lmp`` and Python from the
environment that runs this script.

Trust levels are those of the largest force deviation in a cell. Published work on melts often takes
0.05 and 0.15 eV/Å. Committees of these small networks differ by more than 0.05 eV/Å in nearly every
frame, so that nothing would ever count as accurate. The default is scaled to the force error by the
published rule, the lower level slightly above it and the upper one 0.1 to 0.3 eV/Å higher (Zhang et
al., Comput. Phys. Commun. 253, 107206, 2020): these networks reach 0.06 to 0.07 eV/Å on blind
frames of this melt, 12 to 13 % of the force RMS, hence 0.08 and 0.28 eV/Å. The error on the
training frames is no such scale, for ions at random places give some that are hot. ``--trust`` sets
others. The loop ends with as large a share of accurate frames as the campaign asks for.

The force error printed is that on frames of the teacher's own production at the explored
temperatures; ``--campaign`` adds that of a campaign's potential. A folder whose learning has ended
is used again. ``--training-steps``, ``--final-steps``, ``--exploration-steps`` and ``--iterations``
make short trials.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from aiida import load_profile, orm
from aiida.engine import submit
from teacher_recovery import (
    CHARGES,
    EXPLORED_K,
    PRODUCTION_K,
    SALT,
    campaign_content,
    compare,
    ended,
    production,
    random_ions,
    run_reference,
    wall_seconds,
)
from teacher_recovery_dpgen_inputs import Settings, teacher_job
from teacher_recovery_dpgen_loop import Learned, Loop

from aiida_mliptransport.backends import get_backend
from aiida_mliptransport.backends.deepmd_input import DeepmdTrainParameters, model_cutoff
from aiida_mliptransport.backends.lammps import tosi_fumi
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames, System
from aiida_mliptransport.workflows.protocols import load_protocol, merged
from aiida_mliptransport.workflows.transport.workchain import TransportWorkChain

TRUST_EV_A = (0.08, 0.28)
#: Test frames from the teacher's production run at each explored temperature.
TEST_FRAMES = 40


def settings(teacher: PotentialData, arguments: argparse.Namespace) -> Settings:
    """Return what the campaign of ``teacher_recovery.py`` does, with the changes of a trial."""
    content = campaign_content(teacher, arguments.length_ps, arguments.seed)
    protocol = content["protocol"]
    first = load_protocol("aimd", protocol)
    explore = load_protocol("explore", protocol)
    train = load_protocol("train", protocol, content["train"])
    loop = load_protocol("active_learning", protocol, {"training": content["training"]})
    final = merged(train["parameters"], loop["training"]["final"])
    for parameters, steps in (
        (train["parameters"], arguments.training_steps),
        (final, arguments.final_steps),
    ):
        if steps is not None:
            parameters["training"] = {**parameters["training"], "numb_steps": steps}
    if arguments.exploration_steps is not None:
        explore["parameters"]["steps"] = arguments.exploration_steps
    spec = teacher.spec()
    return Settings(
        calculator=get_backend(spec.backend).calculator_spec(spec),
        temperatures_K=content["temperatures_K"],
        first={**first["parameters"], **first["ase"]["parameters"]},
        runs=first["runs"],
        explore=explore["parameters"],
        replicas=explore["replicas"],
        train=DeepmdTrainParameters.model_validate(train["parameters"]),
        final=DeepmdTrainParameters.model_validate(final),
        members=train["committee_size"],
        labels_per_iteration=loop["selection"]["n_candidates"],
        max_iterations=arguments.iterations or loop["budget"]["max_iterations"],
        share_accurate=loop["targets"]["min_share_accurate"],
        trust_eV_A=tuple(arguments.trust),
    )


def stored(learned: Learned, chosen: Settings) -> dict[str, PotentialData]:
    """Store the last committee: a declared import, for no process of AiiDA made it."""
    potentials = {}
    for member, files in enumerate(learned.models):
        node = PotentialData(
            backend="deepmd",
            framework_version=version("deepmd-kit"),
            type_map=chosen.type_map,
            cutoff=model_cutoff(chosen.final),
            files=files,
            trained_on_stress=True,
        )
        node.description = "trained by DP-GEN"
        potentials[f"member_{member}"] = node.store()
    return potentials


def run_transport(
    potentials: dict[str, PotentialData], length_ps: float, seed: int
) -> orm.WorkChainNode:
    """Run the transport of a committee with the settings of the teacher's."""
    builder = TransportWorkChain.get_builder_from_protocol(
        orm.load_code("lmp@localhost"),
        {"melt": orm.StructureData(ase=random_ions(seed))},
        potentials,
        PRODUCTION_K,
        CHARGES,
        # Neither the teacher's nor the campaign's, so that no runs share their velocities.
        seed=seed + 2000,
        protocol="fast",
        overrides=production(length_ps),
    )
    return ended(submit(builder))


def test_frames(reference: orm.WorkChainNode, calculator: dict[str, Any]) -> System:
    """Return labelled frames of the teacher's runs at the explored temperatures."""
    parts = []
    for temperature in EXPLORED_K:
        trajectory = reference.outputs.trajectories[f"melt_{round(temperature)}K_replica0"]
        rows = np.linspace(0, trajectory.n_frames - 1, TEST_FRAMES).astype(int)
        parts.append(trajectory.take(np.unique(rows)).systems[0])
    frames = Frames.join(System(p.numbers, p.positions, p.cells, p.pbc) for p in parts).systems[0]
    with tempfile.TemporaryDirectory() as folder:
        found = teacher_job(Path(folder) / "labels", calculator, "label", frames)
    return replace(frames.take(found["rows"]), forces=found["forces"])


def force_rmse(potential: PotentialData, frames: System) -> float:
    """Return the force RMSE of a Deep Potential per component, eV/Å."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from deepmd.infer import DeepPot

    types = [potential.type_map.index(symbol) for symbol in frames.symbols]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / potential.files["model"]
        file.write_bytes(potential.read("model"))
        model = DeepPot(str(file))
        n = frames.n_frames
        cells = frames.cells.reshape(n, 9)
        _, forces, *_ = model.eval(frames.positions.reshape(n, -1), cells, types)
    return float(np.sqrt(np.mean((np.asarray(forces) - frames.forces) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="Folder of DP-GEN's files.")
    parser.add_argument("--dpgen", default="dpgen", help="DP-GEN's executable.")
    parser.add_argument("--profile")
    parser.add_argument("--length-ps", type=float, default=300.0, help="Of each production run.")
    parser.add_argument("--seed", type=int, default=1, help="Of all but DP-GEN's own draws.")
    parser.add_argument("--reference", type=int, help="PK of the teacher's transport.")
    parser.add_argument("--campaign", type=int, help="PK of a campaign with the same teacher.")
    parser.add_argument("--trust", type=float, nargs=2, default=TRUST_EV_A, help="eV/Å")
    for name in ("training-steps", "final-steps", "exploration-steps", "iterations"):
        parser.add_argument(f"--{name}", type=int)
    arguments = parser.parse_args()
    dpgen = shutil.which(arguments.dpgen)
    if dpgen is None:
        raise SystemExit(
            f"{arguments.dpgen} is not an executable; install it in an environment of its own "
            "(python -m venv dpgen-env && dpgen-env/bin/pip install dpgen==0.14.0) and give "
            "--dpgen dpgen-env/bin/dpgen"
        )
    load_profile(arguments.profile)
    if arguments.reference:
        reference = ended(orm.load_node(arguments.reference))
        teacher = reference.inputs.potentials["member_0"]
    else:
        teacher = PotentialData(**tosi_fumi(SALT)).store()
        reference = run_reference(teacher, arguments.length_ps, arguments.seed)
    print(f"teacher's transport {reference.pk}: {wall_seconds(reference):.0f} s", flush=True)
    chosen = settings(teacher, arguments)
    loop = Loop(arguments.work.resolve(), str(Path(dpgen).absolute()), chosen)
    learned = loop.learn(random_ions(arguments.seed), arguments.seed)
    potentials = stored(learned, chosen)
    frames = test_frames(reference, chosen.calculator)
    force = force_rmse(potentials["member_0"], frames)
    rms = float(np.sqrt(np.mean(frames.forces**2)))
    print(f"force RMSE {force:.3f} eV/Å on {frames.n_frames} frames of the teacher, RMS {rms:.3f}")
    if arguments.campaign:
        other = orm.load_node(arguments.campaign).outputs.potential
        print(f"that of campaign {arguments.campaign}: {force_rmse(other, frames):.3f} eV/Å")
    transport = run_transport(potentials, arguments.length_ps, arguments.seed)
    print(f"DP-GEN's transport {transport.pk}", flush=True)
    comparisons = compare(
        reference.outputs.observables.get_dict(), transport.outputs.observables.get_dict()
    )
    print("                     teacher               trained")
    for comparison in comparisons:
        print(comparison.row())
    worst = max(comparisons, key=lambda item: abs(item.ratio - 1.0))
    print(
        f"teacher_recovery_dpgen: labels={learned.labels} learning_s={learned.seconds:.0f} "
        f"production_s={wall_seconds(transport):.0f} force_rmse_eV_A={force:.3f} "
        f"recovered={sum(item.recovered for item in comparisons)}/{len(comparisons)} "
        f"worst={worst.name}@{worst.temperature:.0f}K:{worst.ratio:.3f}±{worst.error:.3f}"
    )


if __name__ == "__main__":
    main()
