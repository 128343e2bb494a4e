"""Frozen TensorFlow graphs as bytes that depend on the graph alone."""

from __future__ import annotations

from collections.abc import Iterator

#: Field numbers of TensorFlow's ``GraphDef.node`` and ``NodeDef.attr``, a map.
_NODE, _ATTR = 1, 5

#: Wire types of protocol buffers, and the bytes of those with a fixed length.
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED = {1: 8, 5: 4}


def canonical_graph(content: bytes) -> bytes:
    """Return a frozen graph with the attributes of each node in the order of their names.

    Protocol buffers write the entries of a map in an order that changes from process to process, so
    equal trainings give different files. Readers do not look at the order.

    Parameters
    ----------
    content
        A serialised ``GraphDef``.

    Raises
    ------
    ValueError
        If the bytes are no protocol buffer.
    """
    return b"".join(
        _prefix(content, start, begin, end, node := _sorted_attributes(content[begin:end])) + node
        if number == _NODE and wire == _LENGTH_DELIMITED
        else content[start:end]
        for number, wire, start, begin, end in _fields(content)
    )


def _prefix(content: bytes, start: int, begin: int, end: int, node: bytes) -> bytes:
    """Return tag and length of a field whose content keeps its length."""
    if len(node) != end - begin:
        raise ValueError(f"a node of {end - begin} bytes has {len(node)} after it was sorted")
    return content[start:begin]


def _sorted_attributes(node: bytes) -> bytes:
    fields = [
        (number == _ATTR, node[begin:end] if number == _ATTR else b"", node[start:end])
        for number, _, start, begin, end in _fields(node)
    ]
    others = b"".join(whole for is_attribute, _, whole in fields if not is_attribute)
    # An entry begins with its key.
    entries = sorted((entry, whole) for is_attribute, entry, whole in fields if is_attribute)
    return others + b"".join(whole for _, whole in entries)


def _fields(content: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield number, wire type, start, and begin and end of the content of each field."""
    position = 0
    while position < len(content):
        start = position
        tag, position = _varint(content, position)
        number, wire = tag >> 3, tag & 7
        begin = position
        if wire == _VARINT:
            _, position = _varint(content, position)
        elif wire == _LENGTH_DELIMITED:
            length, begin = _varint(content, position)
            position = begin + length
        elif wire in _FIXED:
            position += _FIXED[wire]
        else:
            raise ValueError(f"wire type {wire} at byte {start}: this is no frozen graph")
        if position > len(content):
            raise ValueError(f"the field at byte {start} is longer than the file: it is cut off")
        yield number, wire, start, begin, position


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(content):
            raise ValueError("the file ends within a number: it is cut off, or no frozen graph")
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
