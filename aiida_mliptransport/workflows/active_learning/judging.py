"""Steps of the loop that judge an iteration: blind test, calibration, targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ToContext

from ...calculations.evaluate import EvaluateCalculation
from ...calculations.functions.assessment import assess_iteration
from ...calculations.functions.frames import merge_frames
from ...calculations.functions.trust import calibrate_trust_levels
from ...data.frames import FrameSetData
from ..submission import failure_reason
from .observable import ObservableWorkChain


def stage_name(iteration: int) -> str:
    """Return the prefix of the links of an iteration, and the name of its frames."""
    return f"iteration_{iteration:02d}"


class JudgingWorkChain(ObservableWorkChain):
    """What the loop knows of its own errors; the loop itself is a subclass."""

    @property
    def stage(self) -> str:
        """Prefix of this iteration's links."""
        return stage_name(self.ctx.iteration)

    def test_blind(self) -> Any:
        """Test this iteration's committee on the blind frames of its own exploration.

        Those of earlier iterations are predicted as well, for the calibration only.
        """
        if self.stage not in self.ctx.blind:
            # A run that broke off early is information: its frames are labelled all the same.
            self.report(f"{self.stage}: no physical frame for a blind test")
            return None
        self.ctx.selections[self.stage] = self.ctx.selection
        submitted = {
            "evaluation": self._submit_evaluation(
                f"{self.stage}_evaluate", self.ctx.blind[self.stage], self.ctx.committee
            )
        }
        earlier = {name: node for name, node in self.ctx.blind.items() if name != self.stage}
        if earlier and self.inputs.selection.get_dict().get("calibration"):
            self.ctx.earlier_blind = self._one_set(f"{self.stage}_merge_earlier_blind", earlier)
            submitted["earlier_evaluation"] = self._submit_evaluation(
                f"{self.stage}_evaluate_earlier", self.ctx.earlier_blind, self.ctx.committee
            )
        return ToContext(**submitted, **self._observable_runs())

    def calibrate(self) -> Any:
        """Set the trust levels by the blind test; without one they stay."""
        if self.stage not in self.ctx.blind:
            self.ctx.calibrated = self.ctx.trust
            return None
        if not self.ctx.evaluation.is_finished_ok:
            return self._evaluation_failed(self.ctx.evaluation)
        self.ctx.calibrated = self._calibrate(self.ctx.evaluation.outputs.errors)
        return None

    def assess(self) -> Any:
        """Write the iteration's record and see whether the targets are met."""
        blind_frames = self.ctx.blind.get(self.stage)
        ledger = {
            "n_training_frames": sum(node.n_frames for node in self.ctx.frames.values()),
            "n_labels_when_tested": self.ctx.labels,
            "n_blind_labelled": blind_frames.n_frames if blind_frames is not None else 0,
            "n_failed_labels": self.ctx.n_failed_labels,
        }
        self.ctx.n_failed_labels = 0
        optional = {}
        if blind_frames is not None:
            optional["errors"] = self.ctx.evaluation.outputs.errors
        observables, failure = self._observables()
        if observables is not None:
            optional["observables"] = observables
        else:
            ledger["observable_failure"] = failure
        if self.ctx.records:
            optional["previous"] = self.ctx.records[max(self.ctx.records)]
        record = self.run_once(
            f"{self.stage}_assess",
            assess_iteration,
            iteration=orm.Int(self.ctx.iteration),
            selection=self.ctx.selection,
            trust_levels=self.ctx.trust,
            calibrated_levels=self.ctx.calibrated,
            ledger=orm.Dict(ledger),
            ladder=self.ctx.ladder_state,
            targets=self.inputs.targets,
            **optional,
        )["result"]
        self.ctx.trust = self.ctx.calibrated
        self.ctx.records[f"record__{self.ctx.iteration:02d}"] = record
        blind = record["blind"]
        tested = (
            f"blind force RMSE {blind['force_rmse']:.3f} eV/Å per component, "
            f"{100 * blind['relative']:.0f} % of the force RMS"
            if blind
            else "no blind test"
        )
        self.report(
            f"{self.stage}: {tested}, "
            f"{100 * record['checks']['share_accurate']['value']:.0f} % accurate, "
            f"{self.ctx.labels} labels spent"
        )
        if record["converged"]:
            self.ctx.stop_reason = "targets met: " + "; ".join(record["decision"]["met"])
        else:
            self.report(f"{self.stage}: missed: {'; '.join(record['decision']['missed'])}")
        return None

    def _calibrate(self, errors: orm.Dict) -> orm.Dict:
        """Return the next trust levels, from blind frames only; their draw is uniform."""
        tests = {"current": (self.ctx.blind[self.stage], self.ctx.evaluation)}
        selections = {self.stage: self.ctx.selection}
        earlier = self.child(f"{self.stage}_evaluate_earlier")
        if earlier is not None and earlier.is_finished_ok:
            tests["earlier"] = (self.ctx.earlier_blind, earlier)
            selections = self.ctx.selections
        elif earlier is not None:
            self.report(
                f"{self.stage}: calibration without the earlier blind frames: "
                f"{failure_reason(earlier)}"
            )
        made = self.run_once(
            f"{self.stage}_calibrate",
            calibrate_trust_levels,
            errors=errors,
            parameters=self.inputs.selection,
            targets=self.inputs.targets,
            **{f"frames__{name}": frames for name, (frames, _) in tests.items()},
            **{f"predictions__{name}": n.outputs.predictions for name, (_, n) in tests.items()},
            **{f"selection__{name}": node for name, node in selections.items()},
        )
        levels = made["levels"]
        self.report(
            f"{self.stage}: trust levels {levels['low']:.3g} and {levels['high']:.3g} eV/Å from "
            f"now on ({levels['source']}; calibration {levels['calibration']})"
        )
        return levels

    def _submit_evaluation(
        self, label: str, frames: FrameSetData, committee: Mapping[str, orm.Data]
    ) -> orm.ProcessNode:
        return self.submit_once(
            label,
            EvaluateCalculation,
            {
                **self.exposed_inputs(EvaluateCalculation, "evaluate", agglomerate=False),
                "potentials": dict(committee),
                "frames": frames,
            },
        )

    def _evaluation_failed(self, node: orm.ProcessNode) -> Any:
        return self._stop_early(
            self.exit_codes.ERROR_EVALUATION_FAILED.format(
                stage=self.stage, reason=failure_reason(node)
            )
        )

    def _one_set(self, label: str, frames: Mapping[str, FrameSetData]) -> FrameSetData:
        """Return the only frame set, or several merged by a calcfunction."""
        if len(frames) == 1:
            return next(iter(frames.values()))
        return self.run_once(label, merge_frames, **frames)["result"]

    def _stop_early(self, exit_code: Any) -> Any:
        """Attach what was computed and end with ``exit_code``."""
        raise NotImplementedError
