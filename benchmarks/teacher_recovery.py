"""Does a campaign give the transport of the potential that labelled its frames?

Usage: python benchmarks/teacher_recovery.py [--profile NAME] [--length-ps 300] [--reference PK]
       [--campaign PK]

Needs a profile with a running daemon. Rigid ions of molten LiCl (Tosi and Fumi, by LAMMPS) are the
teacher. They label a campaign that starts from ions at random places and explores two temperatures.
D and σ by its potential, at these and at one between them that was never explored, are set beside
those by the teacher from runs of the same length, size and analysis. ``--reference`` and
``--campaign`` take what an earlier run of this script left in the profile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from aiida import load_profile, orm
from aiida.engine import submit
from ase import Atoms

from aiida_mliptransport.backends.lammps import tosi_fumi
from aiida_mliptransport.campaign.launch import launch
from aiida_mliptransport.campaign.schema import load_campaign
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.structures.molecules import set_charge
from aiida_mliptransport.science.structures.packing import pack
from aiida_mliptransport.workflows.transport.workchain import TransportWorkChain

POLL_SECONDS = 1.0
SALT = "LiCl"
PAIRS = 32
#: Of molten LiCl near 1200 K, g/cm³.
DENSITY = 1.41
CHARGES = {"Li": 1.0, "Cl": -1.0}
EXPLORED_K = [1000.0, 1500.0]
PRODUCTION_K = [1000.0, 1250.0, 1500.0]
TIMESTEP_FS = 2.0
ALLOWED = 0.10
MEMBERS = 4


@dataclass(frozen=True)
class Comparison:
    """One number of one temperature by the teacher and by the trained potential, with errors."""

    temperature: float
    name: str
    unit: str
    teacher: tuple[float, float]
    trained: tuple[float, float]

    @property
    def ratio(self) -> float:
        return self.trained[0] / self.teacher[0]

    @property
    def error(self) -> float:
        """Standard error of the ratio from the sampling of both."""
        relative = [error / value for value, error in (self.teacher, self.trained)]
        return self.ratio * float(np.hypot(*relative))

    @property
    def recovered(self) -> bool:
        """Whether the ratio is 1 within 10 % and two standard errors."""
        return abs(self.ratio - 1.0) <= ALLOWED + 2.0 * self.error

    def row(self) -> str:
        """Return a line of the table."""
        values = "  ".join(
            f"{value:10.4g} ± {error:8.2g}" for value, error in (self.teacher, self.trained)
        )
        explored = "explored" if self.temperature in EXPLORED_K else "never explored"
        return (
            f"{self.temperature:6.0f} K {self.name:<6} {values} {self.unit:<6} "
            f"ratio {self.ratio:5.3f} ± {self.error:5.3f} "
            f"{'recovered' if self.recovered else 'MISSED'} ({explored})"
        )


def random_ions(seed: int) -> Atoms:
    """Return 32 Li and 32 Cl at random places, 2.2 Å apart or more."""
    ions = [(set_charge(Atoms(symbol), int(charge)), PAIRS) for symbol, charge in CHARGES.items()]
    packed = pack(ions, density=DENSITY, tolerance=2.2, seed=seed)
    return Atoms(packed.symbols, packed.positions, cell=packed.cell, pbc=True)


def production(length_ps: float) -> dict[str, Any]:
    """Return the settings of the production runs, those of the teacher included."""
    return {
        "melt": {"temperature_K": 1800, "steps": 2500},
        "parameters": {"timestep_fs": TIMESTEP_FS, "steps": round(1000 * length_ps / TIMESTEP_FS)},
    }


def campaign_content(teacher: PotentialData, length_ps: float, seed: int) -> dict[str, Any]:
    """Return the campaign: the fast protocol with a longer training."""
    return {
        "name": "teacher-recovery",
        "protocol": "fast",
        "engine": "teacher",
        "seed": seed,
        "max_concurrent": 2,
        "teacher": {"potential": teacher.pk},
        "structures": {"melt": {"file": "random.extxyz"}},
        "temperatures_K": EXPLORED_K,
        "charges": CHARGES,
        "train": {"committee_size": MEMBERS, "parameters": {"training": {"numb_steps": 3000}}},
        "training": {"final": {"training": {"numb_steps": 8000}}},
        "transport": {"temperatures_K": PRODUCTION_K, **production(length_ps)},
    }


def ended(node: orm.WorkChainNode) -> orm.WorkChainNode:
    """Wait for a process, and refuse one that gave no transport."""
    while not node.is_terminated:
        time.sleep(POLL_SECONDS)
    if node.is_excepted or node.exit_status not in (0, 411):
        raise SystemExit(f"process {node.pk} ended with: {node.exit_message or node.exception}")
    return node


def run_reference(teacher: PotentialData, length_ps: float, seed: int) -> orm.WorkChainNode:
    """Run the transport of the teacher itself."""
    builder = TransportWorkChain.get_builder_from_protocol(
        orm.load_code("lmp@localhost"),
        {"melt": orm.StructureData(ase=random_ions(seed))},
        {"member_0": teacher},
        PRODUCTION_K,
        CHARGES,
        # Of another number than the campaign's, so that the two runs share no velocities.
        seed=seed + 1000,
        protocol="fast",
        overrides=production(length_ps),
    )
    return ended(submit(builder))


def run_campaign(teacher: PotentialData, length_ps: float, seed: int) -> orm.WorkChainNode:
    """Run the campaign that the teacher labels."""
    with tempfile.TemporaryDirectory() as folder:
        random_ions(seed).write(Path(folder) / "random.extxyz")
        path = Path(folder) / "campaign.yaml"
        path.write_text(yaml.safe_dump(campaign_content(teacher, length_ps, seed)))
        return ended(launch(load_campaign(path)))


def numbers(observables: dict[str, Any]) -> dict[tuple[float, str, str], tuple[float, float]]:
    """Return D of both ions and σ with their standard errors, by temperature, name and unit."""
    found = {}
    for point in observables["points"]:
        temperature = point["temperature_K"]
        for species in CHARGES:
            record = point["diffusion"][species]
            value = (record["D_cm2_s"], record["standard_error"])
            found[(temperature, f"D_{species}", "cm²/s")] = value
        sigma = point["conductivity"]
        found[(temperature, "sigma", "mS/cm")] = (sigma["sigma_mS_cm"], sigma["standard_error"])
    unresolved = [key for key, value in found.items() if None in value]
    if unresolved:
        raise SystemExit(f"these are not resolved by the runs: {unresolved}; give more --length-ps")
    return found


def compare(reference: dict[str, Any], trained: dict[str, Any]) -> list[Comparison]:
    """Return the comparison of every number that the teacher's runs give."""
    known, found = numbers(reference), numbers(trained)
    return [Comparison(*key, teacher=known[key], trained=found[key]) for key in known]


def wall_seconds(node: orm.ProcessNode) -> float:
    """Return the time from the submission of a process to its end."""
    return (node.mtime - node.ctime).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile")
    parser.add_argument("--length-ps", type=float, default=300.0, help="Of each production run.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reference", type=int, help="PK of the teacher's transport.")
    parser.add_argument("--campaign", type=int, help="PK of the campaign.")
    arguments = parser.parse_args()
    load_profile(arguments.profile)
    if arguments.reference:
        reference = ended(orm.load_node(arguments.reference))
        teacher = reference.inputs.potentials["member_0"]
    else:
        teacher = PotentialData(**tosi_fumi(SALT)).store()
        reference = run_reference(teacher, arguments.length_ps, arguments.seed)
    print(f"teacher's transport {reference.pk}: {wall_seconds(reference):.0f} s", flush=True)
    if arguments.campaign:
        campaign = ended(orm.load_node(arguments.campaign))
    else:
        campaign = run_campaign(teacher, arguments.length_ps, arguments.seed)
    production_run = campaign.outputs.transport.observables.creator.caller
    wall, production_wall = wall_seconds(campaign), wall_seconds(production_run)
    records = campaign.outputs.history["iterations"]
    for record in records:
        print(f"iteration {record['iteration']}: {record['n_labels_total']} labels")
    print(
        f"campaign {campaign.pk}: {wall:.0f} s, {production_wall:.0f} s of it production MD; "
        f"{campaign.outputs.history['stop_reason']}"
    )
    comparisons = compare(
        reference.outputs.observables.get_dict(),
        campaign.outputs.transport.observables.get_dict(),
    )
    print("                     teacher               trained")
    for comparison in comparisons:
        print(comparison.row())
    worst = max(comparisons, key=lambda item: abs(item.ratio - 1.0))
    force = campaign.outputs.final_errors["force"]["rmse_component"]
    print(
        f"teacher_recovery: labels={campaign.outputs.history['n_labels_total']} learning_s="
        f"{wall - production_wall:.0f} production_s={production_wall:.0f} "
        f"force_rmse_eV_A={force:.3f} "
        f"recovered={sum(item.recovered for item in comparisons)}/{len(comparisons)} "
        f"worst={worst.name}@{worst.temperature:.0f}K:{worst.ratio:.3f}±{worst.error:.3f}"
    )


if __name__ == "__main__":
    main()
