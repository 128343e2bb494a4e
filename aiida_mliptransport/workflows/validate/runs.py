"""Steps of the validation on what is there without built cells: labels, relaxations, MD."""

from __future__ import annotations

from aiida import orm

from ...calculations.functions.validation import compare_labels, compare_lattices
from ...calculations.functions.validation_md import compare_structure, judge_stability
from ...data.trajectory import MDTrajectoryData
from .base import ValidationSteps, settings_node

#: The subject of a check that takes all runs together.
ALL_RUNS = "runs"


class RunChecks(ValidationSteps):
    """Errors on known labels, relaxed cells, and what MD of the potential shows."""

    def compare_frames(self) -> None:
        """Compare predictions with the labels that blind and unseen frames have."""
        if self.settings.errors is None:
            return
        limits = settings_node(self.settings.errors)
        for check in ("blind", "unseen"):
            for name, frames in self.given(f"{check}_frames").items():
                predictions = self.output(f"{check}_{name}", "predictions")
                if predictions is None:
                    self.cannot(check, name, f"not evaluated: {self.why(f'{check}_{name}')}")
                    continue
                self.compare(
                    check,
                    name,
                    compare_labels,
                    check=orm.Str(check),
                    limits=limits,
                    subject=orm.Str(name),
                    frames=frames,
                    predictions=predictions,
                )

    def compare_relaxations(self) -> None:
        """Compare the cells that potential and labeller relaxed."""
        if self.settings.lattice is None:
            return
        limits = settings_node(self.settings.lattice)
        for name in self.given("structures"):
            relaxed = self._relaxed("relax", name)
            reference = self.known_reference(name) or self._relaxed("reference", name)
            if relaxed is not None and reference is not None:
                self.compare(
                    "lattice",
                    name,
                    compare_lattices,
                    limits=limits,
                    subject=orm.Str(name),
                    relaxed=relaxed,
                    reference=reference,
                )
            elif relaxed is None:
                self._not_relaxed(name, "potential", "relax", "relax")
            else:
                self._not_relaxed(name, "labeller", "reference", "reference_relax")

    def known_reference(self, name: str) -> orm.StructureData | None:
        """Return a structure that the labeller relaxed elsewhere, None if it is not given."""
        known: orm.StructureData | None = self.given("reference_structures").get(name)
        return known

    def _not_relaxed(self, name: str, whose: str, stage: str, namespace: str) -> None:
        given = namespace in self.inputs
        why = self.why(f"{stage}_{name}") if given else f"no inputs in '{namespace}'"
        self.cannot("lattice", name, f"no cell relaxed by the {whose}: {why}", failed=given)

    def _relaxed(self, stage: str, name: str) -> orm.StructureData | None:
        """Return a structure whose relaxation converged."""
        node = self.child(f"{stage}_{name}")
        ended = node is not None and node.is_finished_ok
        return self.output(f"{stage}_{name}", "structure") if ended else None

    def compare_runs(self) -> None:
        """Judge the structure and the stability of the potential's MD."""
        runs = self.runs()
        if "explore" in self.inputs and self.output("explore", "trajectories"):
            self.out("trajectories", dict(self.output("explore", "trajectories")))
        if self.settings.stability is not None:
            ends = self._ends()
            if runs or ends:
                self.compare(
                    "stability",
                    ALL_RUNS,
                    judge_stability,
                    limits=settings_node(self.settings.stability),
                    errors=orm.Dict(ends),
                    **{f"run__{name}": node for name, node in runs.items()},
                )
            else:
                self.no_md("stability")
        if self.settings.rdf is not None:
            self._compare_rdfs(runs)

    def _compare_rdfs(self, runs: dict[str, MDTrajectoryData]) -> None:
        labeller: dict[str, dict[str, MDTrajectoryData]] = {}
        for name, node in self.given("aimd").items():
            labeller.setdefault(condition_of(name), {})[f"labeller__{name}"] = node
        for condition, theirs in labeller.items():
            ours = {
                f"potential__{name}": node
                for name, node in runs.items()
                if condition_of(name) == condition
            }
            if not ours:
                reason = f"no run of the potential is called {condition}_replica<i>"
                self.cannot("rdf", condition, f"{reason}, only {sorted(runs)}")
                continue
            self.compare(
                "rdf",
                condition,
                compare_structure,
                limits=settings_node(self.settings.rdf),
                subject=orm.Str(condition),
                **ours,
                **theirs,
            )

    def runs(self) -> dict[str, MDTrajectoryData]:
        """Return the MD of the potential, given or run here, by name."""
        return {**self.given("trajectories"), **dict(self.output("explore", "trajectories") or {})}

    def _ends(self) -> dict[str, str]:
        """Return what ended the runs that did not complete, beside those out of wall clock time."""
        results = self.output("explore", "results")
        found = results["runs"] if results is not None else {}
        return {
            name: run["error"] or "it gave no frame"
            for name, run in found.items()
            if run["error"] or not run["n_frames"]
        }

    def no_md(self, check: str) -> None:
        """Note that a check has no MD to look at."""
        given = "explore" in self.inputs
        why = self.why("explore") if given else "no inputs in 'explore', and no 'trajectories'"
        self.cannot(check, ALL_RUNS, f"there is no MD of the potential: {why}", failed=given)


def condition_of(name: str) -> str:
    """Return structure and temperature of a run's name: what is before ``_replica``."""
    return name.rpartition("_replica")[0] or name
