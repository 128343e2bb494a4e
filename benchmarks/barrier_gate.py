"""Does a campaign that waits for the barrier give that of the potential which labelled it?

Usage: python benchmarks/barrier_gate.py [--profile NAME] [--target-eV 0.03] [--with PK]
       [--without PK] [--reference PK]

Needs a profile with a running daemon. The teacher is that of ``teacher_recovery.py``, here as
rock salt with one lithium missing (63 ions): its barrier for the hop of a neighbour into the
vacancy is known as exactly as its band is converged. Two campaigns learn it from molecular dynamics
at 600 K, in which no ion hops, with the same seed: one stops when errors and deviations are met,
the other also waits until the barriers agree. The barrier of each final potential, on its own band,
is set beside the teacher's. The options take what an earlier run left in the profile.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import yaml
from aiida import load_profile, orm
from aiida.engine import submit
from ase.build import bulk
from teacher_recovery import SALT, ended, wall_seconds

from aiida_mliptransport.backends.lammps import tosi_fumi
from aiida_mliptransport.campaign.launch import launch
from aiida_mliptransport.campaign.schema import load_campaign
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.barriers import directional_end_points
from aiida_mliptransport.workflows.neb import NebWorkChain

#: Of LiCl at 600 K, Å: 5.14 at room temperature and 44e-6 per K.
LATTICE_A = 5.21
TEMPERATURE_K = 600.0
HOP = {"symbol": "Li", "directions": [[1, 1, 0]], "min_width_A": 2 * LATTICE_A}
BAND = {"images": 5, "force_tolerance_eV_A": 0.02}
#: So many iterations without the gate did not end by themselves in any trial.
MAX_ITERATIONS = 8


def crystal() -> Any:
    """Return the conventional cell of rock salt."""
    return bulk(SALT, "rocksalt", a=LATTICE_A, cubic=True)


def campaign_content(teacher: PotentialData, gate: float | None, seed: int) -> dict[str, Any]:
    """Return the campaign: the fast protocol, and the gate where it is asked for."""
    content: dict[str, Any] = {
        "name": "barrier-gate" if gate else "no-barrier-gate",
        "protocol": "fast",
        "engine": "teacher",
        "seed": seed,
        "teacher": {"potential": teacher.pk},
        "structures": {"vacancy": {"file": "vacancy.extxyz"}},
        "temperatures_K": [TEMPERATURE_K],
        "train": {"committee_size": 3, "parameters": {"training": {"numb_steps": 3000}}},
        "training": {"final": {"training": {"numb_steps": 8000}}},
        "budget": {"max_iterations": MAX_ITERATIONS},
    }
    if gate:
        content["barriers"] = {
            "target_eV": gate,
            "host": {"file": "crystal.extxyz"},
            "directions": HOP,
            "parameters": BAND,
        }
    return content


def run_campaign(teacher: PotentialData, gate: float | None, seed: int) -> orm.WorkChainNode:
    """Run a campaign that the teacher labels."""
    (path,) = directional_end_points(crystal(), "Li", [1, 1, 0], min_width=HOP["min_width_A"]).paths
    with tempfile.TemporaryDirectory() as folder:
        path.end_points.initial.write(Path(folder) / "vacancy.extxyz")
        crystal().write(Path(folder) / "crystal.extxyz")
        file = Path(folder) / "campaign.yaml"
        file.write_text(yaml.safe_dump(campaign_content(teacher, gate, seed)))
        return ended(launch(load_campaign(file)))


def band(potential: PotentialData) -> orm.WorkChainNode:
    """Find the path of the hop on a potential."""
    builder = NebWorkChain.get_builder_from_protocol(
        {"python": orm.load_code("python@localhost")},
        {"member_0": potential},
        host=orm.StructureData(ase=crystal()),
        directions=HOP,
        overrides={"parameters": BAND},
    )
    return ended(submit(builder))


def barrier(node: orm.WorkChainNode) -> float:
    """Return the barrier of the only path, eV."""
    (record,) = node.outputs.barriers.get_dict().values()
    return float(record["potential"]["barrier_eV"])


def described(name: str, campaign: orm.WorkChainNode) -> float:
    """Print what a campaign did, and return the barrier of its potential."""
    history = campaign.outputs.history.get_dict()
    for record in history["iterations"]:
        line = f"  iteration {record['iteration']}: {record['n_labels_total']} labels"
        for path, verdict in record.get("barriers", {}).get("paths", {}).items():
            line += (
                f", barrier of {path} {verdict['barrier_eV']:.3f} eV, error "
                f"{verdict['error_eV']:+.3f}, {len(verdict['learn_from_images'])} images learned"
            )
        print(line)
    found = barrier(band(campaign.outputs.potential))
    print(f"{name} {campaign.pk}: {wall_seconds(campaign):.0f} s; {history['stop_reason']}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile")
    parser.add_argument("--target-eV", dest="target", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reference", type=int, help="PK of the teacher's band.")
    parser.add_argument("--with", dest="gated", type=int, help="PK of the campaign with the gate.")
    parser.add_argument("--without", type=int, help="PK of the campaign without.")
    arguments = parser.parse_args()
    load_profile(arguments.profile)
    if arguments.reference:
        reference = orm.load_node(arguments.reference)
    else:
        reference = band(PotentialData(**tosi_fumi(SALT)).store())
    teacher = reference.inputs.potential
    exact = barrier(reference)
    print(f"teacher {reference.pk}: barrier {exact:.4f} eV", flush=True)
    found = {}
    for name, gate, known in (
        ("without", None, arguments.without),
        ("with", arguments.target, arguments.gated),
    ):
        campaign = orm.load_node(known) if known else run_campaign(teacher, gate, arguments.seed)
        found[name] = described(f"{name} the gate", campaign)
        print(
            f"{name} the gate: barrier {found[name]:.4f} eV, error {found[name] - exact:+.4f} eV",
            flush=True,
        )
        if name == "with":
            labels = campaign.outputs.history["n_labels_total"]
    print(
        f"barrier_gate: teacher_eV={exact:.4f} error_without_eV={found['without'] - exact:+.4f} "
        f"error_with_eV={found['with'] - exact:+.4f} target_eV={arguments.target} labels={labels}"
    )


if __name__ == "__main__":
    main()
