"""The report of a validation: every line with its verdict, curves of both, the card."""

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState

from aiida_mliptransport.backends.lammps import lennard_jones_argon
from aiida_mliptransport.calculations.functions.validation import collect_validation
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.report.collect import collect
from aiida_mliptransport.report.html import render
from aiida_mliptransport.science.validation.verdict import Quantity

pytestmark = pytest.mark.medium

VOLUMES = np.linspace(0.94, 1.06, 7) * 40.0


@pytest.fixture(scope="module")
def report(aiida_profile):
    eos = Quantity("eos", "argon", "equilibrium volume per atom", "Å³")
    lines = [
        eos.against(40.2, 40.0, relative_tolerance=0.03, uncertainty=0.1),
        eos.against(44.0, 40.0, relative_tolerance=0.03, uncertainty=0.1),
        eos.against(41.2, 40.0, relative_tolerance=0.03, uncertainty=0.1),
    ]
    curves = orm.ArrayData()
    curves.set_array("volumes", VOLUMES)
    curves.set_array("energies_potential", 1e-3 * (VOLUMES - 40.2) ** 2 - 3.0)
    curves.set_array("energies_labeller", 1e-3 * (VOLUMES - 40.0) ** 2 - 90.0)
    pair = orm.ArrayData()
    pair.set_array("distances", np.linspace(0.5, 5.0, 10))
    pair.set_array("Ar_Ar_energies", np.linspace(5.0, 0.0, 10))
    made = collect_validation(
        unavailable=orm.Dict({"rdf/argon_80K": "no MD of the labeller"}),
        lines__eos_argon=orm.Dict({"lines": [line.as_dict() for line in lines]}),
        curves__eos_argon=curves,
        curves__dimer_argon=pair,
    )
    node = orm.WorkChainNode(label="argon")
    node.set_process_label("ValidateWorkChain")
    potential = PotentialData(**lennard_jones_argon()).store()
    node.base.links.add_incoming(potential, LinkType.INPUT_WORK, "potentials__member_0")
    node.store()
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(0)
    for name in ("validation", "curves"):
        made[name].base.links.add_incoming(node, LinkType.RETURN, name)
    node.seal()
    return collect(node)


def test_lines_are_told_with_their_difference_and_verdict(report):
    page = render(report)
    assert "Not passed" in page
    assert "1 pass, 1 fail, 1 warn, 1 not available" in page
    assert "0.20 ± 0.10" in page
    assert "4 Å³ is beyond the tolerance of 1.2" in page
    assert "no MD of the labeller" in page
    assert page == render(report)


def test_each_comparison_has_a_panel(report):
    found = {(item.check, item.title): item for item in report.validation.comparisons}
    assert sorted(found) == [("dimer", "Ar–Ar"), ("eos", "argon")]
    np.testing.assert_allclose(found["eos", "argon"].x, VOLUMES)
    assert found["dimer", "Ar–Ar"].labeller is None
    page = render(report)
    assert "Equation of state: argon" in page
    assert "Dimer: Ar–Ar" in page


def test_the_card_of_the_potential_is_there_without_the_table(report):
    assert report.card.startswith("# Model card")
    assert "## Validation" not in report.card
    assert "Kind: lammps" in render(report)
