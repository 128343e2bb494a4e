"""Read a YAML file and say in which line of it a value is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from ..calculations.parameters import dotted, known_keys

Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[str | int, ...]


class CampaignError(ValueError):
    """A file or a value in it is wrong; the message names file, line, key, value and remedy."""


@dataclass(frozen=True, eq=False)
class Source:
    """A YAML file as read, with the line of every key."""

    path: Path
    content: Any

    @property
    def folder(self) -> Path:
        """Folder against which relative paths of the file are meant."""
        return self.path.parent

    def line(self, keys: Sequence[str | int]) -> int:
        """Return the line (from 1) of the key; of its nearest parent if the key is not there."""
        node, line = self.content, 1
        for key in keys:
            try:
                if isinstance(node, Mapping):
                    line = node.lc.key(key)[0] + 1  # type: ignore[attr-defined]
                else:
                    line = node.lc.item(key)[0] + 1
                node = node[key]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
        return line

    def error(self, keys: Sequence[str | int], message: str) -> CampaignError:
        """Return an error that names the file, the line of the key, and its path."""
        return self.error_at(keys, f"{dotted(keys) or 'the file'} {message}")

    def error_at(self, keys: Sequence[str | int], message: str) -> CampaignError:
        """Return an error that names the file and the line of the key; the message names a path."""
        return CampaignError(f"{self.path.name}, line {self.line(keys)}: {message}")

    def validate(self, model: type[Model]) -> Model:
        """Return the content as ``model``.

        Raises
        ------
        CampaignError
            One line for every value that is wrong.
        """
        try:
            return model.model_validate(plain(self.content))
        except ValidationError as error:
            lines = [self._explain(item, model) for item in error.errors()]
            raise CampaignError("\n".join(dict.fromkeys(lines))) from error

    def _explain(self, item: Mapping[str, Any], model: type[BaseModel]) -> str:
        keys = self._real_keys(item["loc"])
        kind, value, context = item["type"], item["input"], item.get("ctx", {})
        if kind == "extra_forbidden":
            known = known_keys(model, keys[:-1])
            message = f"is not a known key{did_you_mean(keys[-1], known)}; expected one of {known}"
        elif kind == "missing":
            message = "is missing; add it"
        elif kind in ("model_type", "dict_type", "model_attributes_type"):
            message = f"is {value!r}, expected keys with values below it"
        elif kind == "value_error":
            message = f"is {value!r}, {context['error']}"
        else:
            text = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            message = f"is {value!r}, expected {text}"
        return str(self.error(keys, message))

    def _real_keys(self, location: Sequence[str | int]) -> KeyPath:
        # pydantic adds the names of union branches to a location; the file does not have them.
        keys: list[str | int] = []
        node = self.content
        for number, key in enumerate(location):
            last = number == len(location) - 1
            in_mapping = isinstance(node, Mapping) and key in node
            if in_mapping or (isinstance(node, list) and key in range(len(node))):
                keys.append(key)
                node = node[key]
            elif last and isinstance(node, Mapping):
                keys.append(key)
        return tuple(keys)


def read_yaml(path: str | Path) -> Source:
    """Read a YAML file that holds keys and values.

    Raises
    ------
    CampaignError
        If the file is missing, is no YAML, has a key twice or holds no keys.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CampaignError(f"{path} cannot be read: {error}") from error
    try:
        content = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark is not None else ""
        problem = str(error.problem).splitlines()[0]
        raise CampaignError(f"{path.name}{where}: not valid YAML: {problem}") from error
    if not isinstance(content, Mapping):
        raise CampaignError(
            f"{path.name}, line 1: the file holds {type(content).__name__}, expected keys such as "
            "'name: …' and 'structures: …'"
        )
    return Source(path=path, content=content)


def plain(value: Any) -> Any:
    """Return YAML content as plain dicts, lists and scalars."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def did_you_mean(key: str | int, known: Sequence[str]) -> str:
    """Return ``' (did you mean 'x'?)'`` if a known key is close, else an empty string."""
    close = get_close_matches(str(key), known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
