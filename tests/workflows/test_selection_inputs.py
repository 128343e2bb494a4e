"""What the selection of the loop refuses before anything is submitted."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.plugins import WorkflowFactory

from aiida_mliptransport.workflows.protocols import list_protocols, load_protocol


@pytest.fixture
def builder(aiida_profile):
    return WorkflowFactory("mliptransport.active_learning").get_builder()


@pytest.mark.parametrize("protocol", list_protocols("active_learning"))
def test_the_selection_of_every_protocol_is_taken(builder, protocol):
    builder.selection = orm.Dict(load_protocol("active_learning", protocol)["selection"])


@pytest.mark.parametrize(
    ("screening", "message"),
    [
        ({"contact_limit": {"Li-Cl": 1.5}}, "unknown key 'selection.screening.contact_limit'"),
        ({"contact_limits": {"Li Cl": 1.5}}, "selection.screening.contact_limits has the pair"),
        ({"max_temperature": "hot"}, "selection.screening.max_temperature is 'hot'"),
        (None, "selection.screening is None"),
    ],
)
def test_screening_that_cannot_be_is_refused_by_its_key(builder, screening, message):
    selection = load_protocol("active_learning")["selection"] | {"screening": screening}
    with pytest.raises(ValueError, match=message):
        builder.selection = orm.Dict(selection)
