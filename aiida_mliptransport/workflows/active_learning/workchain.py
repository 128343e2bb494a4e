"""The parent loop: train, explore, select, label, test blind, until the error targets are met."""

from __future__ import annotations

import re
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, ToContext, if_, while_

from ...calculations.functions.assessment import collect_history
from ...calculations.functions.frames import merge_frames
from ...calculations.functions.ladder import structure_of
from ...calculations.functions.trajectories import compare_rdf, last_structure
from ...data.frames import FrameSetData
from ..label.engines import engine_of
from ..naming import derived_seed
from ..submission import failure_reason
from ..train import TrainWorkChain
from ..transport import TransportWorkChain
from .barriers import BarrierGateWorkChain
from .exploring import trajectories_of
from .judging import stage_name
from .labelling import LabellingWorkChain, n_failures
from .ports import (
    AIMD_ENGINES,
    define_exit_codes,
    define_inputs,
    define_outputs,
)
from .resume import restore

#: Extra on the process node with which ``aiida-mliptransport finish`` asks the loop to end.
FINISH_EXTRA = "mliptransport_finish"

#: A training takes one node per iteration; above this many they are merged first, because a
#: process with hundreds of Data inputs blocks its worker.
MAX_FRAME_NODES = 50


class ActiveLearningWorkChain(LabellingWorkChain, BarrierGateWorkChain):
    """From structures and a labeller to a potential whose errors on unseen MD are known."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        define_inputs(spec)
        define_outputs(spec)
        define_exit_codes(spec)
        spec.outline(
            cls.setup,
            if_(cls.should_run_aimd)(cls.run_aimd, cls.inspect_aimd),
            cls.prepare_structures,
            while_(cls.should_iterate)(
                cls.train_committee,
                cls.explore,
                cls.describe,
                cls.select,
                cls.label_blind,
                cls.inspect_blind,
                cls.test_blind,
                cls.calibrate,
                cls.move_on,
                cls.assess,
                if_(cls.should_check_barriers)(cls.check_barriers, cls.inspect_barriers),
                if_(cls.should_label)(cls.label_candidates, cls.inspect_candidates),
            ),
            cls.train_final,
            cls.test_final,
            if_(cls.should_test_barriers)(cls.test_barriers, cls.inspect_final_barriers),
            cls.compare_with_labeller,
            if_(cls.should_run_transport)(cls.run_transport, cls.inspect_transport),
            cls.results,
        )

    @classmethod
    def get_builder_from_protocol(cls, *args: Any, **kwargs: Any) -> ProcessBuilder:
        """Return a builder with the inputs of a protocol; see :func:`.builder.build`."""
        from .builder import build

        return build(cls, *args, **kwargs)

    def setup(self) -> None:
        """Set the counters of the loop."""
        self.ctx.iteration = 0
        self.ctx.labels = 0
        self.ctx.n_failed_labels = 0
        self.ctx.stop_reason = ""
        self.ctx.exit_code = None
        self.ctx.frames = dict(self.inputs.get("initial_frames", {}))
        self.ctx.blind = {}
        self.ctx.committee = {}
        self.ctx.records = {}
        self.ctx.barriers = {}
        self.ctx.selections = {}
        self.ctx.starts = {}
        self.ctx.labeller_runs = {}
        self.ctx.ladder_state = self.first_stages()
        given = self.inputs.selection.get_dict().get("trust_levels")
        self.ctx.trust = orm.Dict(given).store() if given else None
        if "resumed" in self.inputs:
            restore(self.ctx, self.inputs.resumed)
            self.report(
                f"resumed after {self.ctx.iteration} iterations with {self.ctx.labels} labels spent"
            )

    def should_run_aimd(self) -> bool:
        return "resumed" not in self.inputs and engine_of(self.inputs.get("aimd", {})) is not None

    def run_aimd(self) -> Any:
        """Run the labeller's own MD for the first frames."""
        engine = engine_of(self.inputs.aimd)
        process = AIMD_ENGINES[engine]
        node = self.submit_once(
            "aimd",
            process,
            {
                **self.exposed_inputs(process, f"aimd.{engine}", agglomerate=False),
                "structures": self.inputs.structures,
                "max_concurrent": self.inputs.max_concurrent,
            },
        )
        self.report(f"first frames by {node.process_label}<{node.pk}>")
        return ToContext(aimd=node)

    def inspect_aimd(self) -> Any:
        """Take the first frames, or stop: without them there is nothing to train on."""
        if "frames" not in self.ctx.aimd.outputs:
            reason = failure_reason(self.ctx.aimd)
            if not self.ctx.frames:
                return self.exit_codes.ERROR_INITIAL_MD_FAILED.format(reason=reason)
            self.report(f"the initial MD failed, the given frames must do: {reason}")
            return None
        frames = self.ctx.aimd.outputs.frames
        self.ctx.frames["initial"] = frames
        self.ctx.labels += frames.n_frames + n_failures(self.ctx.aimd)
        self.ctx.labeller_runs = trajectories_of(self.ctx.aimd)
        self.report(f"{frames.n_frames} first frames")
        return None

    def prepare_structures(self) -> None:
        """Start explorations from the labeller's last frames, which are hotter than a crystal."""
        known = self.inputs.get("resumed", {}).get("structures", {})
        self.ctx.start = {**self.inputs.structures, **known}
        if "aimd" not in self.ctx:
            return
        trajectories = trajectories_of(self.ctx.aimd)
        names = list(self.inputs.structures)
        for name in names:
            keys = [key for key in trajectories if structure_of(key, names) == name]
            if keys:
                hottest = max(keys, key=lambda key: (_temperature_of(key), key))
                made = self.run_once(
                    f"start_{name}", last_structure, trajectory=trajectories[hottest]
                )
                self.ctx.start[name] = made["result"]

    def should_iterate(self) -> bool:
        """Go on until converged, out of budget, or asked to finish."""
        budget = self.inputs.budget.get_dict()
        if self.ctx.stop_reason:
            return False
        if self.node.base.extras.get(FINISH_EXTRA, False):
            self.ctx.stop_reason = "asked to finish with what there is"
        elif self.ctx.labels >= budget["max_labels"]:
            self.ctx.stop_reason = f"label budget of {budget['max_labels']} spent"
            self.ctx.exit_code = "ERROR_LABEL_BUDGET_SPENT"
        elif self.ctx.iteration >= budget["max_iterations"]:
            self.ctx.stop_reason = f"{budget['max_iterations']} iterations spent"
            self.ctx.exit_code = "ERROR_ITERATION_BUDGET_SPENT"
        if self.ctx.stop_reason:
            self.report(f"the loop ends: {self.ctx.stop_reason}")
            return False
        self.ctx.iteration += 1
        return True

    def train_committee(self) -> Any:
        """Train the committee on all frames so far."""
        return self._train(self.stage, refine=True)

    def _train(self, stage: str, refine: bool, parameters: orm.Dict | None = None) -> Any:
        inputs = self.exposed_inputs(TrainWorkChain, "training", agglomerate=False)
        if refine and "refinement" in self.inputs and self.ctx.committee:
            inputs["parents"] = self.ctx.committee
            inputs["parameters"] = self.inputs.refinement
        if parameters is not None:
            inputs["parameters"] = parameters
            if "refinement" in self.inputs and self.ctx.committee:
                inputs["parents"] = self.ctx.committee
        seed = derived_seed(self.inputs.seed.value, f"{stage}_train", 0)
        node = self.submit_once(
            f"{stage}_train",
            TrainWorkChain,
            {
                **inputs,
                "frames": self._training_frames(stage),
                "type_map": self.inputs.type_map,
                "seed": orm.Int(seed),
                "max_concurrent": self.inputs.max_concurrent,
            },
        )
        total = sum(frames.n_frames for frames in self.ctx.frames.values())
        self.report(f"{stage}: training on {total} frames, {node.process_label}<{node.pk}>")
        return ToContext(train=node)

    def _training_frames(self, stage: str) -> dict[str, FrameSetData]:
        if len(self.ctx.frames) <= MAX_FRAME_NODES:
            return dict(self.ctx.frames)
        merged = self.run_once(f"{stage}_merge", merge_frames, **self.ctx.frames)
        return {"merged": merged["result"]}

    def explore(self) -> Any:
        """Run MD with the committee, every structure on its stage of the ladder."""
        failure = self._take_committee(self.stage)
        if failure is not None:
            return failure
        return ToContext(exploration=self._submit_exploration())

    def _take_committee(self, stage: str) -> Any:
        train = self.ctx.train
        potentials = dict(train.outputs.potentials) if "potentials" in train.outputs else {}
        if not train.is_finished_ok or not potentials:
            return self._stop_early(
                self.exit_codes.ERROR_TRAINING_FAILED.format(
                    stage=stage, reason=failure_reason(train)
                )
            )
        self.ctx.committee = potentials
        return None

    def train_final(self) -> Any:
        """Train longer on all but the blind frames."""
        return self._train("final", refine=False, parameters=self.inputs.final_training)

    def test_final(self) -> Any:
        """Test the final committee on every blind frame."""
        failure = self._take_committee("final")
        if failure is not None:
            return failure
        if not self.ctx.blind:
            return None
        frames = self._one_set("merge_blind", self.ctx.blind)
        node = self._submit_evaluation("final_evaluate", frames, self.ctx.committee)
        return ToContext(final_evaluation=node)

    def compare_with_labeller(self) -> None:
        """Set the RDFs of the last exploration beside those of the labeller's MD."""
        if "exploration" not in self.ctx:
            return
        labeller = {f"labeller__{key}": node for key, node in self.ctx.labeller_runs.items()}
        temperatures = {_temperature_of(key) for key in labeller}
        potential = {
            f"potential__{key}": node
            for key, node in trajectories_of(self.ctx.exploration).items()
            if _temperature_of(key) in temperatures
        }
        if labeller and potential:
            self.ctx.rdf = self.run_once(
                "compare_rdf",
                compare_rdf,
                bin_width_A=orm.Float(self.inputs.selection["rdf_bin_A"]),
                reach_A=orm.Float(self.inputs.selection["rdf_reach_A"]),
                **labeller,
                **potential,
            )["result"]

    def should_run_transport(self) -> bool:
        return "transport" in self.inputs and "structures" in self.inputs.transport

    def run_transport(self) -> Any:
        """Run production MD with the final potential."""
        inputs = self.exposed_inputs(TransportWorkChain, "transport", agglomerate=False)
        members = len(self.ctx.committee)
        if inputs["drivers"].value > members:
            # The training needs a quorum only; with those that are there the campaign has a result.
            self.report(
                f"transport.drivers is {inputs['drivers'].value}, but the final training gave "
                f"{members} members: {members} drive"
            )
            inputs["drivers"] = orm.Int(members)
        node = self.submit_once(
            "transport",
            TransportWorkChain,
            {
                **inputs,
                "potentials": self.ctx.committee,
                "max_concurrent": self.inputs.max_concurrent,
            },
        )
        self.report(f"production by {node.process_label}<{node.pk}>")
        return ToContext(transport=node)

    def inspect_transport(self) -> None:
        """Keep what the transport stage gave, also when it failed."""
        if not self.ctx.transport.is_finished_ok:
            self.ctx.transport_failed = failure_reason(self.ctx.transport)
            self.report(f"the transport stage failed: {self.ctx.transport_failed}")

    def results(self) -> Any:
        """Attach the outputs; the exit code says why the loop ended."""
        self._attach_outputs()
        if self.ctx.get("transport_failed"):
            return self.exit_codes.ERROR_TRANSPORT_FAILED.format(reason=self.ctx.transport_failed)
        if self.ctx.exit_code:
            return self.exit_codes[self.ctx.exit_code]
        return None

    # ------------------------------------------------------------------ ends

    def on_terminated(self) -> None:
        """Remove the working directories of the jobs, where that is asked for."""
        super().on_terminated()
        if not self.inputs.clean_workdir.value:
            return
        for node in self.node.called_descendants:
            # The directory of a failed job may be all that is left of its results, and that of a
            # cached one belongs to another job.
            own = not node.base.caching.is_created_from_cache
            # A worker that was killed right after the upload leaves a job without this output.
            own = own and "remote_folder" in node.outputs
            if isinstance(node, orm.CalcJobNode) and node.is_finished_ok and own:
                try:
                    node.outputs.remote_folder._clean()
                except OSError as error:
                    self.report(f"working directory of {node.pk} is left: {error}")

    def _stop_early(self, exit_code: Any) -> Any:
        """Attach what was computed and end with ``exit_code``."""
        self.ctx.stop_reason = exit_code.message
        self._attach_outputs()
        return exit_code

    def _attach_outputs(self) -> None:
        if self.ctx.committee:
            self.out("committee", self.ctx.committee)
            self.out("potential", self.ctx.committee[sorted(self.ctx.committee)[0]])
        if self.ctx.frames:
            self.out("frames", dict(self.ctx.frames))
        if self.ctx.blind:
            self.out("blind_frames", dict(self.ctx.blind))
        nodes: dict[str, orm.Data] = {**self.ctx.records, **self.ctx.barriers}
        evaluation = self.ctx.get("final_evaluation")
        if evaluation is not None and not evaluation.is_finished_ok:
            self.report(f"the final blind test failed: {failure_reason(evaluation)}")
        elif evaluation is not None:
            nodes["final_errors"] = evaluation.outputs.errors
            self.out("final_errors", evaluation.outputs.errors)
            self.out("final_predictions", evaluation.outputs.predictions)
        if "rdf" in self.ctx:
            self.out("rdf_comparison", self.ctx.rdf)
        transport = self.ctx.get("transport")
        if transport is not None:
            self.out_many(self.exposed_outputs(transport, TransportWorkChain, "transport"))
            if "observables" in transport.outputs:
                nodes["observables"] = transport.outputs.observables
        history = self.run_once(
            "collect_history",
            collect_history,
            stop_reason=orm.Str(self.ctx.stop_reason),
            targets=self.inputs.targets,
            ledger=orm.Dict(self._ledger()),
            **nodes,
        )
        self.out("history", history["result"])

    def _ledger(self) -> dict[str, Any]:
        """Return what was spent, with the candidates that followed each assessment."""
        labelled = {
            str(record["iteration"]): self.ctx.frames[stage].n_frames
            for record in self.ctx.records.values()
            if (stage := stage_name(record["iteration"])) in self.ctx.frames
        }
        return {"n_labels_total": self.ctx.labels, "n_candidates_labelled": labelled}


def _temperature_of(key: str) -> int:
    """Return the temperature (K, rounded) in the name of a run; see ``naming.run_key``."""
    found = re.search(r"_(\d+)K_", key)
    if found is None:
        raise ValueError(f"run {key!r} has no temperature in its name")
    return int(found[1])
