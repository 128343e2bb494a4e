"""Check a parameters node against a typed model and say what is wrong in one sentence a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


def validation_message(
    model: type[BaseModel], content: Mapping[str, Any], where: str = ""
) -> str | None:
    """Return why ``content`` does not fit ``model``, or None if it does.

    Each line names the key, its value and what was expected; keys stand below ``where``.
    """
    try:
        model.model_validate(content)
    except ValidationError as error:
        return "\n".join(_sentence(model, dict(item), where) for item in error.errors())
    return None


def dotted(keys: Sequence[str | int]) -> str:
    """Return ``structures.licl.supercell[0]`` for its keys."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.lstrip(".")


def known_keys(model: type[BaseModel], keys: Sequence[str | int]) -> list[str]:
    """Return the keys that ``model`` knows below the path ``keys``."""
    current: Any = model
    for key in keys:
        fields = getattr(current, "model_fields", {})
        annotation = fields[key].annotation if key in fields else current
        current = _inner_model(annotation)
    return list(getattr(current, "model_fields", {}))


def _sentence(model: type[BaseModel], item: Mapping[str, Any], where: str) -> str:
    location = item["loc"]
    key = dotted([where, *location] if where else location) or "parameters"
    if item["type"] == "extra_forbidden":
        known = ", ".join(sorted(known_keys(model, location[:-1])))
        return f"unknown key {key!r} with value {item['input']!r}; known keys are {known}"
    if item["type"] == "missing":
        return f"key {key!r} is missing; add it"
    if item["type"] == "value_error":
        reason = str(item["ctx"]["error"])
        # A check that others call too says the name itself.
        return f"{key} {reason.removeprefix(f'{location[-1]} ') if location else reason}"
    return f"{key} is {item['input']!r}, but: {item['msg']}"


def _inner_model(annotation: Any) -> Any:
    """Return the model inside ``X | None`` or ``dict[str, X]``; a mapping's key keeps it."""
    if hasattr(annotation, "model_fields"):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner_model(part)
        if found is not None:
            return found
    return None
