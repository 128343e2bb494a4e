"""WorkChains whose steps wait in the middle while a file exists: where a worker gets killed."""

import time
from pathlib import Path

from aiida import orm
from aiida.calculations.arithmetic.add import ArithmeticAddCalculation
from aiida.engine import calcfunction, while_

from aiida_mliptransport.workflows.submission import FanOutWorkChain

POLL_SECONDS = 0.05


def wait_while_held(folder: str) -> None:
    """Say that the point is reached, and wait until the file ``hold`` is gone."""
    (Path(folder) / "reached").touch()
    while (Path(folder) / "hold").exists():
        time.sleep(POLL_SECONDS)


@calcfunction
def held_double(value, folder):
    wait_while_held(folder.value)
    return orm.Int(2 * value.value)


class HeldFanOut(FanOutWorkChain):
    """Submit additions; the step waits after the second one."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("code", valid_type=orm.AbstractCode)
        spec.input("folder", valid_type=orm.Str)
        spec.input("jobs", valid_type=orm.Int)
        spec.output_namespace("sums", valid_type=orm.Int, dynamic=True)
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.results,
        )

    def setup(self):
        self.ctx.pending = [f"add_{i}" for i in range(self.inputs.jobs.value)]

    def job(self, label):
        if label == "add_2":
            wait_while_held(self.inputs.folder.value)
        number = int(label.removeprefix("add_"))
        return ArithmeticAddCalculation, {
            "code": self.inputs.code,
            "x": orm.Int(number),
            "y": orm.Int(100),
        }

    def results(self):
        labels = [f"add_{i}" for i in range(self.inputs.jobs.value)]
        self.out("sums", {label: self.child(label).outputs.sum for label in labels})


class HeldCalcfunction(FanOutWorkChain):
    """Run one calcfunction that waits in its middle."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("folder", valid_type=orm.Str)
        spec.output("double", valid_type=orm.Int)
        spec.outline(cls.run)

    def run(self):
        made = self.run_once("double", held_double, value=orm.Int(21), folder=self.inputs.folder)
        self.out("double", made["result"])
