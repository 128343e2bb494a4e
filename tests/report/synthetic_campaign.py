"""A campaign as the workflows leave it in the graph, finished or stopped on the way."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import synthetic_physics as physics
from aiida import orm
from ase.build import bulk
from synthetic_graph import Graph

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.report.graph import outputs

LEVEL = {
    "engine": "tblite",
    "method": "GFN1-xTB",
    "electronic_temperature_K": 300.0,
    "k_points": [1, 1, 1],
    "pbc": True,
}

#: Few, since every node costs time; real campaigns have four members and more runs.
MEMBERS = RUNS = 2

RMSE = (0.31, 0.142, 0.083)


@dataclass(frozen=True)
class Options:
    """``stop_in``: number of the iteration in whose labelling the process still runs."""

    structure_label: str = "rocksalt LiCl"
    label: str = "LiCl melt"
    description: str = ""
    stop_in: int | None = None
    converged: bool = True
    unresolved_at: float | None = None


def frame_set(n_frames: int, seed: int) -> FrameSetData:
    return FrameSetData(
        physics.labelled_frames(n_frames, seed), level_of_theory=LEVEL, engine_version="0.4.0"
    )


def trajectory(seed: int) -> orm.Data:
    """A stand-in: the report counts trajectories and never opens one."""
    return orm.Int(seed)


def potential(seed: int) -> PotentialData:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pb"
        path.write_bytes(b"model %d" % seed)
        return PotentialData("deepmd", "3.2.0", ("Li", "Cl"), 6.0, {"model": path}, seed=seed)


def arrays(content: dict[str, np.ndarray]) -> orm.ArrayData:
    node = orm.ArrayData()
    for name, array in content.items():
        node.set_array(name, array)
    return node


class Campaign:
    """Builds the graph of an ActiveLearningWorkChain step by step."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.graph = Graph()
        atoms = bulk("LiCl", "rocksalt", a=5.2, cubic=True).repeat((2, 1, 1))
        structure = orm.StructureData(ase=atoms)
        structure.label = options.structure_label
        self.root = self.graph.workchain(
            "ActiveLearningWorkChain",
            inputs={
                "structures__licl": structure,
                "temperatures": orm.List([1500.0]),
                "transport__temperatures": orm.List(list(physics.TEMPERATURES)),
            },
            label="",
        )
        self.root.label, self.root.description = options.label, options.description
        self.outputs: dict[str, orm.Data] = {}
        self.records: list[dict[str, Any]] = []
        self.training = self.labels = 0

    def build(self) -> orm.WorkChainNode:
        self.initial()
        for number in range(1, len(RMSE) + 1):
            self.iteration(number)
            if self.options.stop_in == number:
                return self.root
        self.final()
        self.graph.end(self.root)
        return self.root

    def initial(self) -> None:
        work = self.graph.workchain("AseAimdWorkChain", self.root, "aimd")
        outputs: dict[str, orm.Data] = {}
        for run in range(2):
            name = f"licl_1500K_run{run}"
            path = trajectory(run)
            self.graph.job(
                "AseMDCalculation", work, name, {"code": self.graph.codes["python"]},
                {"trajectory": path}, 88.0,
            )  # fmt: skip
            outputs[f"trajectories__{name}"] = path
        frames = frame_set(40, 1)
        self.graph.function("join_runs", work, "join_runs", {}, {"frames": frames})
        outputs["frames"] = self.outputs["frames__initial"] = frames
        self.graph.give(work, outputs)
        self.graph.end(work)
        self.training = self.labels = frames.n_frames

    def train(self, label: str, seconds: float, seed: int) -> dict[str, orm.Data]:
        work = self.graph.workchain("TrainWorkChain", self.root, label)
        models = {f"potentials__member_{i}": potential(10 * seed + i) for i in range(MEMBERS)}
        for name, model in models.items():
            self.graph.job(
                "DeepmdTrainCalculation", work, name.removeprefix("potentials__"),
                {"code": self.graph.codes["dp"]}, {"potential": model}, seconds,
            )  # fmt: skip
        self.graph.give(work, models)
        self.graph.end(work)
        return models

    def explore(self, number: int) -> None:
        work = self.graph.workchain(
            "ExploreWorkChain", self.root, f"iteration_{number:02d}_explore"
        )
        outputs: dict[str, orm.Data] = {}
        for replica in range(RUNS):
            name = f"licl_1500K_replica{replica}"
            path = trajectory(100 * number + replica)
            blown = number == 1 and replica == 1
            results = orm.Dict({"lammps_version": "22 Jul 2025", "completed": not blown})
            self.graph.job(
                "LammpsMDCalculation", work, name, {"code": self.graph.codes["lmp"]},
                {"trajectory": path, "results": results}, 18.0,
                exit_status=320 if blown else 0,
                message="Lost atoms at step 2140; frames before it are kept." if blown else "",
            )  # fmt: skip
            outputs[f"trajectories__{name}"] = path
        self.graph.give(work, outputs)
        self.graph.end(work)

    def label(self, number: int, kind: str, n_frames: int, lost: int = 0) -> FrameSetData:
        work = self.graph.workchain(
            "AseLabelWorkChain", self.root, f"iteration_{number:02d}_label_{kind}"
        )
        frames = frame_set(n_frames, 1000 * number + len(kind))
        self.graph.job(
            "AseLabelCalculation", work, "batch_000", {"code": self.graph.codes["python"]},
            {"frames": frames}, 1.1 * n_frames,
        )  # fmt: skip
        failures = orm.Dict(
            {
                "failures": [
                    {
                        "index": i, "identity": f"{i:064x}", "class": "scf_unconverged",
                        "message": "SCF not converged in 250 cycles",
                    }
                    for i in range(lost)
                ]
            }
        )  # fmt: skip
        self.graph.function("join_labels", work, "join_labels", {}, {"failures": failures})
        self.graph.give(work, {"frames": frames, "failures": failures})
        self.graph.end(work)
        return frames

    def evaluate(self, label: str, frames: FrameSetData, rmse: float, seed: int) -> orm.CalcJobNode:
        return self.graph.job(
            "EvaluateCalculation", self.root, label,
            {"code": self.graph.codes["python"], "frames": frames},
            {
                "errors": orm.Dict(physics.errors(frames.n_frames, rmse)),
                "predictions": arrays(physics.predictions(frames.frames, rmse, seed)),
            },
            12.0,
        )  # fmt: skip

    def iteration(self, number: int) -> None:
        prefix, rmse = f"iteration_{number:02d}", RMSE[number - 1]
        low, high = (0.35, 0.8) if number == 1 else (2.1 * RMSE[number - 2], 5.2 * RMSE[number - 2])
        self.train(f"{prefix}_train", 34.0, number)
        self.explore(number)
        selection = physics.selection(number - 1, low, high, 1600, number)
        self.graph.function(
            "select_frames", self.root, f"{prefix}_select",
            {"trust_levels": orm.Dict({"low": low, "high": high})},
            {"selection": orm.Dict(selection)},
        )  # fmt: skip
        blind = self.label(number, "blind", 10)
        self.outputs[f"blind_frames__{prefix}"] = blind
        if self.options.stop_in == number:
            return
        tested = self.evaluate(f"{prefix}_evaluate", blind, rmse, number)
        self.labels += blind.n_frames
        content = tested.outputs.errors.get_dict()
        force = content["force"]
        record = {
            "iteration": number,
            "n_training_frames": self.training,
            "n_labels_when_tested": self.labels,
            "n_blind_labelled": blind.n_frames,
            "n_failed_labels": 0,
            "trust_levels": {"low": low, "high": high},
            "selection": selection,
            "blind": {
                "n_frames": blind.n_frames,
                "effective_size": 8.6,
                "force_rmse": force["rmse_component"],
                "force_rmse_error": force["standard_error"],
                "force_rms": force["reference_rms"],
                "relative": force["relative"],
                "energy_rmse_per_atom": content["energy"]["rmse_per_atom_eV"],
                "by_species": content["force_by_species"],
            },
            "checks": {
                "relative_force_rmse": physics.check(force["relative"], 0.15, "at most"),
                "share_accurate": physics.check(selection["share_accurate"], 0.9, "at least"),
            },
            "ladder": {
                "explored": {"licl": min(number - 1, 1)},
                "share_accurate": {"licl": selection["share_accurate"]},
                "stages": {"licl": 1},
                "n_stages": 2,
            },
            "converged": False,
        }
        levels, points = physics.calibration(number, rmse)
        self.graph.function(
            "calibrate_trust_levels", self.root, f"{prefix}_calibrate", {},
            {"levels": orm.Dict(levels), "points": arrays(points)},
        )  # fmt: skip
        self.graph.function(
            "assess_iteration", self.root, f"{prefix}_assess", {}, {"result": orm.Dict(record)}
        )
        candidates = self.label(number, "candidates", 24, lost=2 if number == 2 else 0)
        self.outputs[f"frames__{prefix}"] = candidates
        self.training += candidates.n_frames
        self.labels += candidates.n_frames
        after = {
            "n_candidates_labelled": candidates.n_frames, "n_labels_total": self.labels
        }  # fmt: skip
        self.records.append({**record, **after})

    def final(self) -> None:
        models = self.train("final_train", 160.0, 9)
        rmse = 0.071 if self.options.converged else 0.19
        self.outputs |= {
            key.replace("potentials", "committee"): model for key, model in models.items()
        }
        self.outputs["potential"] = models["potentials__member_0"]
        blind = frame_set(30, 77)
        self.graph.function("merge_frames", self.root, "final_blind", {}, {"result": blind})
        tested = self.evaluate("final_evaluate", blind, rmse, 42)
        self.outputs["final_errors"] = tested.outputs.errors
        self.outputs["final_predictions"] = tested.outputs.predictions
        comparison = arrays(physics.rdf())
        self.graph.function("compare_rdf", self.root, "rdf_comparison", {}, {"result": comparison})
        self.outputs["rdf_comparison"] = comparison
        transport = transport_process(self.graph, self.options, self.root)
        for key, node in outputs(transport).items():
            self.outputs[f"transport__{key}"] = node
        history = orm.Dict(
            {
                "iterations": self.records,
                "n_labels_total": self.labels,
                "stop_reason": "targets met"
                if self.options.converged
                else "iteration budget spent",
                "checks": {
                    "relative_force_rmse": physics.check(rmse / 0.97, 0.15, "at most"),
                    "share_accurate": physics.check(0.943, 0.9, "at least"),
                    "upper_trust_level_over_accepted_rmse": physics.check(2.6, 3.0, "at most"),
                    "production_atoms": physics.check(64, 64, "at least"),
                    "temperatures": physics.check(4, 3, "at least"),
                    "unresolved_diffusion": physics.check(
                        int(self.options.unresolved_at is not None), 0, "at most"
                    ),
                    "relative_error_D": physics.check(0.09, 0.15, "at most"),
                },
                "converged": self.options.converged and self.options.unresolved_at is None,
            }
        )
        self.graph.function("collect_history", self.root, "history", {}, {"result": history})
        self.outputs["history"] = history
        self.graph.give(self.root, self.outputs)


def transport_process(
    graph: Graph, options: Options, parent: orm.ProcessNode | None = None
) -> orm.WorkChainNode:
    """Return a finished TransportWorkChain, alone or called by a campaign."""
    structure = orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.4, cubic=True).repeat(2))
    structure.label = options.structure_label
    work = graph.workchain(
        "TransportWorkChain", parent, "transport",
        {"structures__licl": structure, "temperatures": orm.List(list(physics.TEMPERATURES))},
    )  # fmt: skip
    outputs: dict[str, orm.Data] = {}
    for temperature in physics.TEMPERATURES:
        for replica in range(1):
            name = f"licl_{round(temperature)}K_replica{replica}"
            path = trajectory(round(temperature) + replica)
            graph.job(
                "LammpsMDCalculation", work, name, {"code": graph.codes["lmp"]},
                {"trajectory": path, "results": orm.Dict({"lammps_version": "22 Jul 2025"})}, 75.0,
            )  # fmt: skip
            outputs[f"trajectories__{name}"] = path
    observables = orm.Dict(physics.observables(options.unresolved_at))
    curves = arrays(physics.curves())
    graph.function(
        "analyse_transport", work, "analyse", {}, {"observables": observables, "curves": curves}
    )
    graph.give(work, outputs | {"observables": observables, "curves": curves})
    graph.end(work)
    return work
