"""Check a parameters node against a typed model and say what is wrong in one sentence a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError


def validation_message(model: type[BaseModel], content: Mapping[str, Any]) -> str | None:
    """Return why ``content`` does not fit ``model``, or None if it does.

    Each line names the key, its value and what was expected.
    """
    try:
        model.model_validate(content)
    except ValidationError as error:
        return "\n".join(_sentence(model, dict(item)) for item in error.errors())
    return None


def _sentence(model: type[BaseModel], item: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "parameters"
    if item["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields))
        return f"unknown key {key!r} with value {item['input']!r}; known keys are {known}"
    if item["type"] == "missing":
        return f"key {key!r} is missing; add it"
    if item["type"] == "value_error":
        return f"{key} {item['ctx']['error']}"
    return f"{key} is {item['input']!r}, but: {item['msg']}"
