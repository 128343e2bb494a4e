"""A fan-out gives a free place to the next job while an earlier one still runs."""

import pytest
from aiida import orm
from aiida.calculations.arithmetic.add import ArithmeticAddCalculation
from aiida.engine import run_get_node, while_

from aiida_mliptransport.workflows.submission import FanOutWorkChain

pytestmark = pytest.mark.medium

WAIT = """
for _ in $(seq 600); do [ -e {gone} ] || break; sleep 0.1; done
[ -e {gone} ] && exit 1
"""


class HeldMiddle(FanOutWorkChain):
    """Three additions: the second one waits for the third one."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("code", valid_type=orm.AbstractCode)
        spec.input("hold", valid_type=orm.Str)
        spec.output("order", valid_type=orm.List)
        spec.outline(
            cls.setup, while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs), cls.results
        )

    def setup(self):
        self.ctx.pending = ["add_0", "add_1", "add_2"]
        self.ctx.order = []

    def job(self, label):
        hold = self.inputs.hold.value
        text = {"add_0": "", "add_1": WAIT.format(gone=hold), "add_2": f"rm {hold}"}[label]
        return ArithmeticAddCalculation, {
            "code": self.inputs.code,
            "x": orm.Int(1),
            "y": orm.Int(int(label[-1])),
            "metadata": {"options": {"prepend_text": text}},
        }

    def job_ended(self, label):
        assert self.ctx[label].is_finished_ok, self.ctx[label].exit_message
        self.ctx.order.append(label)

    def results(self):
        self.out("order", orm.List(self.ctx.order).store())


def test_a_place_is_given_on_before_the_other_jobs_have_ended(make_code, tmp_path):
    hold = tmp_path / "hold"
    hold.touch()
    outputs, node = run_get_node(
        HeldMiddle,
        code=make_code("bash", "/bin/bash"),
        hold=orm.Str(str(hold)),
        max_concurrent=orm.Int(2),
    )
    assert node.is_finished_ok, node.exit_message
    assert sorted(outputs["order"]) == ["add_0", "add_1", "add_2"]
    by_label = {link.link_label: link.node for link in node.base.links.get_outgoing().all()
                if link.link_label.startswith("add_")}  # fmt: skip
    assert len(by_label) == 3
    assert by_label["add_2"].ctime > by_label["add_0"].outputs.sum.ctime
