"""Every class is registered by the module that defines it: AiiDA finds it again from a node."""

from __future__ import annotations

from importlib.metadata import distribution

import pytest
from aiida.plugins.entry_point import get_entry_point_string_from_class

GROUPS = ("aiida.data", "aiida.calculations", "aiida.parsers", "aiida.workflows")
ENTRY_POINTS = [
    entry_point
    for entry_point in distribution("aiida-mliptransport").entry_points
    if entry_point.group in GROUPS
]


@pytest.mark.parametrize("entry_point", ENTRY_POINTS, ids=lambda point: point.value)
def test_the_process_type_of_a_node_is_its_entry_point(entry_point):
    # A class that is registered through a package that only re-exports it gets its module path
    # as process type instead: `node.tools` and the search by entry point do not find such a node.
    registered = entry_point.load()
    name = get_entry_point_string_from_class(registered.__module__, registered.__name__)
    assert name == f"{entry_point.group}:{entry_point.name}"
