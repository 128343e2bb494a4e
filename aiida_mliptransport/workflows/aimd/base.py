"""``AimdWorkChain``: independent MD runs with a reference engine; every kept frame is a label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction, while_

from ...calculations.functions.labels import labelled_node
from ...data.frames import FrameSetData
from ...data.trajectory import MDTrajectoryData
from ...science.frames import Frames
from .. import validators
from ..label.base import validate_quorum
from ..label.failures import failure_class, failure_record
from ..naming import derived_seed, run_key
from ..submission import FanOutWorkChain, failure_reason

#: How often a run that gave no frame is tried in all.
MAX_ATTEMPTS = 2


#: Exit status of our CalcJobs that came to their limit of wall clock time.
OUT_OF_WALLTIME = 400


class AimdWorkChain(FanOutWorkChain):
    """Run MD for every structure, temperature and independent run; subclasses give the job.

    A subclass exposes its engine and implements :meth:`run_job`. Its job has the outputs
    ``frames`` (labelled, with ``steps``), ``trajectory`` and ``failures``; each may be missing.
    A job that ran out of wall clock time and left ``restart`` and ``results["last_step"]`` goes on
    from there, with its velocities.
    Where a job of another package has other outputs, :meth:`run_outputs` makes these of them.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input_namespace(
            "structures",
            valid_type=orm.StructureData,
            dynamic=True,
            help="Periodic structures by name.",
        )
        spec.input(
            "temperatures",
            valid_type=orm.List,
            validator=validators.temperatures,
            help="Temperatures, K.",
        )
        spec.input(
            "runs",
            valid_type=orm.Int,
            default=lambda: orm.Int(2),
            validator=validators.count("runs"),
            help="Independent runs of each structure at each temperature.",
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            validator=cls.validate_parameters,
            help="'initial_displacement_A' (standard deviation of each coordinate, Å), "
            "'discard_steps' (steps at the start whose frames are not kept), and the engine's MD "
            "parameters ('steps', 'timestep_fs', 'trajectory_stride', …) without 'temperature_K' "
            "and 'seed'.",
        )
        spec.input(
            "seed",
            valid_type=orm.Int,
            default=lambda: orm.Int(1),
            help="Seed from which those of the runs are derived.",
        )
        spec.input(
            "quorum",
            valid_type=orm.Float,
            default=lambda: orm.Float(0.5),
            validator=validate_quorum,
            help="Share of the runs (0 to 1) that must give frames.",
        )
        spec.inputs.validator = _validate_inputs
        spec.output(
            "frames",
            valid_type=FrameSetData,
            required=False,
            help="Labelled frames of all runs: energies eV, forces eV/Å, stresses eV/Å³ (ASE's "
            "sign, no kinetic part).",
        )
        spec.output_namespace(
            "trajectories",
            valid_type=MDTrajectoryData,
            dynamic=True,
            required=False,
            help="Trajectories by '<structure>_<T>K_run<i>', with the discarded steps.",
        )
        spec.output(
            "failures",
            valid_type=orm.Dict,
            help="'failures': run, index, identity, class and message; 'n_runs', 'n_frames'.",
        )
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.results,
        )
        spec.exit_code(
            310,
            "ERROR_QUORUM_NOT_REACHED",
            message="{succeeded} of {total} runs gave frames, expected a share of {quorum}; see "
            "the output 'failures'.",
        )

    @classmethod
    def validate_parameters(cls, value: orm.Dict | None, _: Any) -> str | None:
        """Refuse parameters that the engine does not know; subclasses extend this."""
        if value is None:
            return None
        given = value.get_dict()
        for key in ("initial_displacement_A", "discard_steps"):
            number = given.get(key, 0)
            if isinstance(number, bool) or not isinstance(number, int | float) or number < 0:
                return f"parameters: {key} is {number!r}, expected a number of 0 or more"
        if isinstance(given.get("discard_steps", 0), float):
            return f"parameters: discard_steps is {given['discard_steps']!r}, expected an integer"
        for key in ("temperature_K", "seed"):
            if key in given:
                return f"parameters: {key} is {given[key]!r}, expected no such key: it is an input"
        return None

    def run_job(
        self,
        structure: orm.StructureData,
        parameters: dict[str, Any],
        attempt: int,
        restart: orm.Data | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Return the process class and the inputs of one MD run.

        Parameters
        ----------
        structure
            The start, already displaced at random.
        parameters
            The engine's parameters with ``temperature_K`` and ``seed``.
        attempt
            0 first; 1 when a run that gave no frame is tried again with another seed.
        restart
            State of the segment before, of an engine that leaves one.
        """
        raise NotImplementedError

    def run_outputs(self, label: str) -> Mapping[str, Any]:
        """Return the outputs ``frames``, ``trajectory`` and ``failures`` of a run."""
        return self.ctx[label].outputs

    def setup(self) -> None:
        """List the runs."""
        self.ctx.runs = {}
        self.ctx.pending = []
        for name in sorted(self.inputs.structures):
            for temperature in self.inputs.temperatures.get_list():
                for number in range(self.inputs.runs.value):
                    label = run_key(name, temperature, number, kind="run")
                    self._add_run(label, name, float(temperature), label, 0)
        #: Run to the labels of its segments.
        self.ctx.final = {label: [label] for label in self.ctx.pending}
        self.report(f"{len(self.ctx.pending)} independent runs")

    def _add_run(
        self, label: str, structure: str, temperature: float, name: str, attempt: int
    ) -> None:
        self.ctx.runs[label] = {
            "name": name,
            "structure": structure,
            "temperature_K": temperature,
            "attempt": attempt,
            "seed": derived_seed(self.inputs.seed.value, name, attempt),
            "start": label,
            "after": None,
            "first_step": 0,
        }
        self.ctx.pending.append(label)

    def start_of(self, label: str) -> tuple[orm.StructureData, dict[str, Any]]:
        """Return the displaced structure of a run, and the engine's parameters."""
        run = self.ctx.runs[label]
        structure = self.inputs.structures[run["structure"]]
        parameters = self.inputs.parameters.get_dict()
        amplitude = float(parameters.pop("initial_displacement_A", 0.0))
        parameters.pop("discard_steps", None)
        if amplitude > 0.0:
            structure = self.run_once(
                f"{run['start']}_start",
                displace_structure,
                structure=structure,
                displacement_A=orm.Float(amplitude),
                seed=orm.Int(run["seed"]),
            )["result"]
        parameters["temperature_K"] = run["temperature_K"]
        parameters["seed"] = run["seed"]
        if run["after"] is not None:
            parameters["steps"] -= run["first_step"]
        return structure, parameters

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        run = self.ctx.runs[label]
        start = self.start_of(label)
        if run["after"] is None:
            return self.run_job(*start, run["attempt"])
        return self.run_job(*start, run["attempt"], self.ctx[run["after"]].outputs.restart)

    def _continue(self, label: str) -> bool:
        """Queue the rest of a run that ran out of time, if it left a state and came further."""
        node, run = self.ctx[label], self.ctx.runs[label]
        if node.exit_status != OUT_OF_WALLTIME or "restart" not in node.outputs:
            return False
        done = node.outputs.results["last_step"]
        if not run["first_step"] < done < self.inputs.parameters["steps"]:
            return False
        segments = self.ctx.final[run["name"]]
        following = f"{segments[0]}_segment{len(segments):02d}"
        self.ctx.runs[following] = {**run, "after": label, "first_step": done}
        segments.append(following)
        self.ctx.pending.append(following)
        self.report(f"{label}: out of wall clock time at step {done}, goes on as {following}")
        return True

    def job_ended(self, label: str) -> None:
        """Try a run that gave no frame once more, with another seed."""
        node = self.ctx[label]
        run = self.ctx.runs[label]
        outputs = self.run_outputs(label)
        if self._continue(label):
            return
        if "frames" in outputs or run["after"] is not None:
            if not node.is_finished_ok:
                self.report(
                    f"{label}: ended early (exit status {node.exit_status}: "
                    f"{failure_reason(node)}), "
                    "its frames are kept"
                )
            return
        where = f"{label}: no frame (exit status {node.exit_status}: {failure_reason(node)})"
        if run["attempt"] + 1 >= MAX_ATTEMPTS:
            self.report(f"{where}, given up")
            return
        self.report(f"{where}, tried again with another seed")
        retry = f"{label}_retry"
        self._add_run(
            retry, run["structure"], run["temperature_K"], run["name"], run["attempt"] + 1
        )
        self.ctx.final[run["name"]] = [retry]

    def results(self) -> Any:
        """Join the frames of all runs and check the quorum."""
        frames, trajectories, failures = {}, {}, []
        succeeded = 0
        for name, segments in self.ctx.final.items():
            for number, label in enumerate(segments):
                key = name if number == 0 else f"{name}_segment{number:02d}"
                outputs = self.run_outputs(label)
                if "frames" in outputs:
                    frames[key] = outputs["frames"]
                if "trajectory" in outputs:
                    trajectories[key] = outputs["trajectory"]
                went_on = label != segments[-1]
                failures.extend(_run_failures(key, self.ctx[label], outputs, went_on))
            succeeded += any(key == name or key.startswith(f"{name}_segment") for key in frames)
        joined = self.run_once(
            "join_runs",
            join_runs,
            discard_steps=orm.Int(self.inputs.parameters.get_dict().get("discard_steps", 0)),
            failures=orm.List(failures),
            **frames,
        )
        self.out("failures", joined["failures"])
        if trajectories:
            self.out("trajectories", trajectories)
        if "frames" in joined:
            self.out("frames", joined["frames"])
            self.report(f"{joined['frames'].n_frames} frames of {len(frames)} runs")
        total = len(self.ctx.final)
        if "frames" not in joined or succeeded < self.inputs.quorum.value * total:
            return self.exit_codes.ERROR_QUORUM_NOT_REACHED.format(
                succeeded=succeeded, total=total, quorum=self.inputs.quorum.value
            )
        return None


def _run_failures(
    name: str, node: orm.ProcessNode, outputs: Mapping[str, Any], went_on: bool
) -> list[dict[str, Any]]:
    if "failures" in outputs:
        return [{"run": name, **failure} for failure in outputs["failures"]["failures"]]
    if node.is_finished_ok or went_on:
        return []
    record = failure_record(None, None, failure_class(node), failure_reason(node))
    return [{"run": name, **record}]


@calcfunction
def displace_structure(
    structure: orm.StructureData, displacement_A: orm.Float, seed: orm.Int
) -> orm.StructureData:
    """Return the structure with normally distributed displacements (Å), centre kept."""
    rng = np.random.default_rng(seed.value)
    positions = np.array([site.position for site in structure.sites])
    shifts = rng.normal(scale=displacement_A.value, size=positions.shape)
    displaced = structure.clone()
    displaced.reset_sites_positions((positions + shifts - shifts.mean(axis=0)).tolist())
    return displaced


@calcfunction
def join_runs(discard_steps: orm.Int, failures: orm.List, **runs: FrameSetData) -> dict[str, Any]:
    """Join the frames of runs, in the order of their names, without the steps at the start."""
    parts = []
    used: dict[str, FrameSetData] = {}
    for name in sorted(runs):
        frames = runs[name].frames
        kept = [index for index, step in enumerate(_steps(frames)) if step >= discard_steps.value]
        if kept:
            used[name] = runs[name]
            parts.append(frames.take(kept))
    joined = Frames.join(parts)
    outputs: dict[str, Any] = {
        "failures": orm.Dict(
            {"failures": failures.get_list(), "n_runs": len(runs), "n_frames": joined.n_frames}
        )
    }
    if joined.n_frames:
        outputs["frames"] = labelled_node(joined, used)
    return outputs


def _steps(frames: Frames) -> list[int]:
    steps: list[int] = []
    for system in frames.systems:
        if system.steps is None:
            raise ValueError("frames of an MD run have no 'steps'; the parser must set them")
        steps.extend(int(step) for step in system.steps)
    return steps


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    if "structures" in value and not value["structures"]:
        return "structures is empty, expected one or more structures by name"
    return None
