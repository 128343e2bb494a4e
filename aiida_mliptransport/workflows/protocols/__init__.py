"""Protocols: named sets of defaults in YAML, with the reason beside every number."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

DEFAULT_PROTOCOL = "balanced"


class ProtocolError(ValueError):
    """A protocol or an override does not exist; the message says what does."""


def load_protocol(
    name: str, protocol: str | None = None, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the inputs of ``protocols/<name>.yaml`` for one protocol.

    Parameters
    ----------
    name : str
        Stem of the YAML file (``train``, ``explore``, …).
    protocol : str, optional
        ``fast``, ``balanced`` or ``stringent``.
    overrides : mapping, optional
        Replaces values; every key must exist in the protocol, except below a key that the file
        lists under ``free_keys`` (a dictionary that a program reads as it is).

    Raises
    ------
    ProtocolError
        If the protocol or an override's key does not exist.
    """
    text = files(__package__).joinpath(f"{name}.yaml").read_text()
    content = YAML(typ="safe").load(text)
    protocol = protocol or DEFAULT_PROTOCOL
    if protocol not in content["protocols"]:
        raise ProtocolError(
            f"no protocol {protocol!r} for {name!r}, expected one of {list(content['protocols'])}"
        )
    inputs = deepcopy(content["default_inputs"])
    chosen = dict(content["protocols"][protocol])
    chosen.pop("description")
    free = set(content.get("free_keys", []))
    _merge(inputs, chosen, name, free)
    _merge(inputs, overrides or {}, name, free)
    return inputs


def list_protocols(name: str) -> dict[str, str]:
    """Return protocol name to description."""
    text = files(__package__).joinpath(f"{name}.yaml").read_text()
    content = YAML(typ="safe").load(text)
    return {key: value["description"] for key, value in content["protocols"].items()}


def _merge(base: dict[str, Any], changes: Mapping[str, Any], where: str, free: set[str]) -> None:
    for key, value in changes.items():
        path = f"{where}.{key}"
        if key not in base:
            raise ProtocolError(f"unknown key {path!r} in overrides, expected one of {list(base)}")
        if isinstance(base[key], dict) and isinstance(value, Mapping):
            if key in free:
                base[key] = merged(base[key], deepcopy(dict(value)))
            else:
                _merge(base[key], value, path, free)
        else:
            base[key] = deepcopy(value)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings with changes, whatever their keys; nothing in them is copied."""
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(result.get(key), Mapping) and isinstance(value, Mapping)
        result[key] = merged(result[key], value) if nested else value
    return result
