"""Names of transport runs."""

from __future__ import annotations

import pytest

from aiida_mliptransport.calculations.run_names import RunName, point_name


@pytest.mark.parametrize(
    "label",
    [
        "licl_1200K_replica0",
        "licl_1200K_replica10_segment2",
        "licl_1200K_member3_replica0",
        "a_300K_replica1_b_1200K_member0_replica2_segment11",
    ],
)
def test_a_name_is_what_it_was_read_from(label):
    assert str(RunName.parse(label)) == label


def test_the_run_of_a_segment_is_its_first_segment():
    name = RunName.parse("licl_1200K_member1_replica0_segment4")
    assert str(name.run) == "licl_1200K_member1_replica0"
    assert (name.point, name.member, name.replica, name.segment) == ("licl_1200K", 1, 0, 4)


def test_a_point_is_named_after_its_rounded_temperature():
    assert point_name("licl", 1199.6) == "licl_1200K"


def test_another_label_is_refused():
    with pytest.raises(ValueError, match="'melt_licl' is no name of a transport run"):
        RunName.parse("melt_licl")
