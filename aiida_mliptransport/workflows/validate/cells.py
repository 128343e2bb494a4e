"""Steps of the validation on cells that are built: evaluate, label, compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiida import orm

from ...calculations.functions.validation import (
    build_check_cells,
    compare_check,
    shortest_distances,
)
from ...calculations.functions.validation_md import compare_long_run, sample_runs
from ...science.validation import FrameCheck
from .base import settings_node
from .runs import ALL_RUNS, RunChecks


class CellChecks(RunChecks):
    """Checks whose cells follow from structures, and frames along MD that are labelled again."""

    def subjects(self) -> Iterator[tuple[FrameCheck, str, dict[str, orm.StructureData]]]:
        """Yield each check on built cells with its subjects and their structures."""
        structures = self.given("structures")
        for check in self.settings.frame_checks().values():
            for subject, names in check.subjects(list(structures)).items():
                yield check, subject, {f"structure__{name}": structures[name] for name in names}

    def build_cells(self) -> None:
        """Build the cells of each check on each of its subjects; queue evaluation and labels."""
        self.ctx.cells = {}
        for check, subject, structures in self.subjects():
            self._build(
                check.name,
                subject,
                check.labelled,
                build_check_cells,
                check=orm.Str(check.name),
                settings=settings_node(check),
                **structures,
            )
        if self.settings.long_run is not None:
            runs = self.runs()
            if runs:
                limits = settings_node(self.settings.long_run)
                self._build(
                    "long_run",
                    ALL_RUNS,
                    True,
                    sample_runs,
                    limits=limits,
                    **{f"run__{name}": node for name, node in runs.items()},
                )
            else:
                self.no_md("long_run")

    def _build(
        self, check: str, subject: str, labelled: bool, function: Any, /, **inputs: Any
    ) -> None:
        label = f"{check}_{subject}"
        try:
            cells = self.run_once(f"cells_{label}", function, **inputs)["result"]
        except (ValueError, RuntimeError) as error:
            self.cannot(check, subject, str(error))
            return
        self.ctx.cells[label] = cells
        self.queue(f"evaluate_{label}")
        if labelled and self.engine is not None:
            self.queue(f"label_{label}")

    def compare_cells(self) -> None:
        """Compare what potential and labeller say of the cells of each check."""
        trained = orm.Dict({})
        if self.given("training_frames"):
            trained = self.run_once(
                "shortest_distances", shortest_distances, **self.given("training_frames")
            )["result"]
        labels: dict[str, orm.Data] = {}
        for check, subject, structures in self.subjects():
            said = self._said(check.name, subject, labels)
            if said:
                self.compare(
                    check.name,
                    subject,
                    compare_check,
                    check=orm.Str(check.name),
                    settings=settings_node(check),
                    subject=orm.Str(subject),
                    trained=trained,
                    **said,
                    **structures,
                )
        self._compare_long_run(labels)
        if labels:
            self.out("labels", labels)

    def _compare_long_run(self, labels: dict[str, orm.Data]) -> None:
        said = self._said("long_run", ALL_RUNS, labels)
        missing = said.pop("missing", None)
        if "labels" in said:
            self.compare(
                "long_run",
                ALL_RUNS,
                compare_long_run,
                limits=settings_node(self.settings.long_run),
                subject=orm.Str(ALL_RUNS),
                **said,
            )
        elif said:
            reason = f"no labels: {missing.value}"
            self.cannot("long_run", ALL_RUNS, reason, failed=self.engine is not None)

    def _said(self, check: str, subject: str, labels: dict[str, orm.Data]) -> dict[str, orm.Data]:
        """Return cells, predictions and labels of one check; nothing where it was not evaluated."""
        label = f"{check}_{subject}"
        if label not in self.ctx.cells:
            return {}
        predictions = self.output(f"evaluate_{label}", "predictions")
        if predictions is None:
            self.cannot(check, subject, f"not evaluated: {self.why(f'evaluate_{label}')}")
            return {}
        said = {"frames": self.ctx.cells[label], "predictions": predictions}
        found = self.output(f"label_{label}", "frames")
        if found is not None:
            said["labels"] = labels[label] = found
        node = self.child(f"label_{label}")
        if self.engine is None:
            said["missing"] = orm.Str("no engine in 'label'")
        elif f"label_{label}" in self.ctx.refused or (node is not None and not node.is_finished_ok):
            said["missing"] = orm.Str(self.why(f"label_{label}"))
            self.ctx.failures[f"{check}/{subject}"] = f"labels: {said['missing'].value}"
        return said
