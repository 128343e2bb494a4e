"""``ValidateWorkChain``: a potential against its labeller, one table with a verdict a line."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, while_

from ...calculations.functions.validation import collect_validation
from . import builder, ports
from .cells import CellChecks


class ValidateWorkChain(CellChecks):
    """Validate a potential: cells are built, evaluated and labelled, and both are compared.

    A check that cannot be made becomes a line ``not available`` with its reason; the others go on.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        ports.define_inputs(spec)
        ports.define_outputs(spec)
        ports.define_exit_codes(spec)
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.build_cells,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.compare_cells,
            cls.compare_frames,
            cls.compare_relaxations,
            cls.compare_runs,
            cls.results,
        )

    @classmethod
    def get_builder_from_protocol(cls, *args: Any, **kwargs: Any) -> ProcessBuilder:
        """Return a builder; see :func:`.builder.build`."""
        return builder.build(cls, *args, **kwargs)

    def setup(self) -> None:
        """Queue what needs no built cell: known labels, relaxations, MD."""
        self.ctx.refused, self.ctx.pending = {}, []
        self.ctx.lines, self.ctx.curves = {}, {}
        self.ctx.unavailable, self.ctx.failures = {}, {}
        if self.settings.errors is not None:
            for check in ("blind", "unseen"):
                for name in self.given(f"{check}_frames"):
                    self.queue(f"{check}_{name}")
        if self.settings.lattice is not None:
            for name in self.given("structures"):
                if "relax" in self.inputs:
                    self.queue(f"relax_{name}")
                if "reference_relax" in self.inputs and not self.known_reference(name):
                    self.queue(f"reference_{name}")
        if "explore" in self.inputs:
            self.queue("explore")

    def results(self) -> Any:
        """Join the lines in one table; the exit code says whether a check could not be made."""
        made = self.run_once(
            "collect_validation",
            collect_validation,
            unavailable=orm.Dict(self.ctx.unavailable),
            **{f"lines__{name}": node for name, node in self.ctx.lines.items()},
            **{f"curves__{name}": node for name, node in self.ctx.curves.items()},
        )
        self.out("validation", made["validation"])
        self.out("curves", made["curves"])
        counts = made["validation"]["counts"]
        self.report(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
        problems = [f"{where}: {reason}" for where, reason in self.ctx.failures.items()]
        if not self.ctx.lines:
            problems += [f"{where}: {reason}" for where, reason in self.ctx.unavailable.items()]
            first = problems[0] if problems else "no check has anything to be done on"
            return self.exit_codes.ERROR_NOTHING_VALIDATED.format(reason=first)
        if problems:
            return self.exit_codes.ERROR_CHECKS_INCOMPLETE.format(reason="; ".join(problems))
        return None
