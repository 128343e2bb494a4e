"""Equal graphs are equal bytes, whatever the order in which a process wrote its maps."""

import pytest

from aiida_mliptransport.backends.frozen_graph import canonical_graph


def field(number, content):
    return bytes([number << 3 | 2, len(content)]) + content


def entry(key, value):
    return field(5, field(1, key) + field(2, value))


def node(name, *attributes):
    return field(1, field(1, name) + field(2, b"Const") + b"".join(attributes))


VERSIONS = field(4, b"\x08\x01")
DTYPE, VALUE, SHAPE = entry(b"dtype", b"\x30\x01"), entry(b"value", b"x" * 40), entry(b"s", b"")


def test_attributes_get_one_order_and_nodes_keep_theirs():
    one = node(b"a", VALUE, DTYPE, SHAPE) + node(b"b", DTYPE) + VERSIONS
    two = node(b"a", SHAPE, VALUE, DTYPE) + node(b"b", DTYPE) + VERSIONS
    assert canonical_graph(one) == canonical_graph(two)
    assert canonical_graph(one) == node(b"a", SHAPE, DTYPE, VALUE) + node(b"b", DTYPE) + VERSIONS
    other = node(b"b", DTYPE) + node(b"a", SHAPE, VALUE, DTYPE) + VERSIONS
    assert canonical_graph(other) != canonical_graph(one)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (node(b"a", VALUE)[:-3], "longer than the file"),
        (b"\x0a", "cut off"),
        (b"PK\x03\x04", "no frozen graph|cut off|longer"),
    ],
)
def test_what_is_no_graph_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        canonical_graph(content)
