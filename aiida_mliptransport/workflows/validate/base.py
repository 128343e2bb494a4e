"""What the parts of the validation share: jobs that may be refused, comparisons that may fail."""

from __future__ import annotations

from typing import Any

from aiida import orm

from ...calculations.ase import AseRelaxCalculation
from ...calculations.evaluate import EvaluateCalculation
from ...science.validation import ESTIMATOR_VERSION, ValidationSettings
from ..explore import ExploreWorkChain
from ..label.engines import LABEL_ENGINES, engine_of
from ..submission import FanOutWorkChain, failure_reason


class ValidationSteps(FanOutWorkChain):
    """Queue jobs and run comparisons so that what fails costs its own lines only."""

    @property
    def settings(self) -> ValidationSettings:
        """The checks and their settings."""
        return ValidationSettings.model_validate(self.inputs.checks.get_dict())

    @property
    def engine(self) -> str | None:
        """Name of the engine that labels, None without one."""
        return engine_of(self.inputs.get("label", {}))

    def given(self, namespace: str) -> dict[str, Any]:
        """Return the nodes of a namespace, none if it is empty."""
        return dict(self.inputs.get(namespace, {}))

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the process class and the inputs of ``<stage>_<name>``."""
        stage, _, name = label.partition("_")
        if stage in ("blind", "unseen"):
            return EvaluateCalculation, self._evaluation(self.inputs[f"{stage}_frames"][name])
        if stage == "evaluate":
            return EvaluateCalculation, self._evaluation(self.ctx.cells[name])
        if stage == "label":
            return self._labelling(self.ctx.cells[name])
        if stage == "explore":
            return ExploreWorkChain, {
                **self._exposed(ExploreWorkChain, "explore"),
                "structures": self.given("structures"),
                "potentials": self.given("potentials"),
                "max_concurrent": self.inputs.max_concurrent,
            }
        inputs = {"structure": self.inputs.structures[name]}
        if stage == "relax":
            inputs["potential"] = self.inputs.potentials[sorted(self.inputs.potentials)[0]]
            return AseRelaxCalculation, {**self._exposed(AseRelaxCalculation, "relax"), **inputs}
        return AseRelaxCalculation, {
            **self._exposed(AseRelaxCalculation, "reference_relax"),
            **inputs,
        }

    def _exposed(self, process: Any, namespace: str) -> dict[str, Any]:
        return dict(self.exposed_inputs(process, namespace, agglomerate=False))

    def _evaluation(self, frames: orm.Data) -> dict[str, Any]:
        return {
            **self._exposed(EvaluateCalculation, "evaluate"),
            "potentials": self.given("potentials"),
            "frames": frames,
        }

    def _labelling(self, frames: orm.Data) -> tuple[Any, dict[str, Any]]:
        process = LABEL_ENGINES[self.engine]
        return process, {
            **self._exposed(process, f"label.{self.engine}"),
            "frames": frames,
            "max_concurrent": self.inputs.max_concurrent,
        }

    def queue(self, label: str) -> None:
        """Queue a job, unless its inputs would be refused: a submission would raise."""
        process, inputs = self.job(label)
        ports = process.spec().inputs
        problem = ports.validate(ports.pre_process(ports.serialize(inputs)))
        if problem is None:
            self.ctx.pending.append(label)
            return
        self.ctx.refused[label] = str(problem.message)
        self.report(f"{label} is not run: {problem.message}")

    def why(self, label: str) -> str:
        """Return why a job gave nothing, or not all."""
        return self.ctx.refused.get(label) or failure_reason(self.child(label))

    def output(self, label: str, name: str) -> Any:
        """Return an output of a job, None if it has none."""
        node = self.child(label)
        return node.outputs[name] if node is not None and name in node.outputs else None

    def cannot(self, check: str, subject: str, reason: str, failed: bool = True) -> None:
        """Note why a check cannot be made on a subject: something failed, or was not given."""
        self.ctx.unavailable[f"{check}/{subject}"] = reason
        if failed:
            self.ctx.failures[f"{check}/{subject}"] = reason
        self.report(f"{check} of {subject} is not available: {reason}")

    def compare(self, check: str, subject: str, function: Any, /, **inputs: Any) -> None:
        """Run a comparison, and keep its lines and curves."""
        label = f"{check}_{subject}"
        try:
            made = self.run_once(
                f"compare_{label}",
                function,
                estimator_version=orm.Str(ESTIMATOR_VERSION),
                **inputs,
            )
        except (ValueError, RuntimeError) as error:
            self.cannot(check, subject, str(error))
            return
        self.ctx.lines[label] = made["lines"] if "lines" in made else made["result"]
        if "curves" in made:
            self.ctx.curves[label] = made["curves"]


def settings_node(settings: Any) -> orm.Dict:
    """Return the settings of a check as an input of a calcfunction."""
    return orm.Dict(settings.model_dump(mode="json"))
